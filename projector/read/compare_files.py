"""Compare two files of one rollout, up to the length of the shorter one.

Called at every scan of two homes with copies, so matches are cached: while both files are the same
and only grew, only the new bytes are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Literal, NamedTuple

from projector.model.errors import RolloutUnreadable, TooManyOpenFiles
from projector.model.ids import RolloutFile
from projector.read.file_reader import CHUNK_BYTES, File, Opener, OpenFile, Unpacked

#: Number of already matching bytes compared again when a file grew.
_OVERLAP = 64 * 1024


#: How one file relates to another; "unreadable": it cannot be read, "other unreadable": the other.
Agreement = Literal["same", "longer", "shorter", "differ", "unreadable", "other unreadable"]


class _Agreed(NamedTuple):
    one: RolloutFile
    other: RolloutFile
    verdict: Agreement
    upto: int


class Agreements:
    """Compares files and caches matches. One per process is enough."""

    def __init__(self, open_file: Opener = OpenFile) -> None:
        """Create an empty cache."""
        self._open_file = open_file
        self._known: dict[tuple[str, str], _Agreed] = {}
        self.bytes_read = 0

    def compare(self, one: RolloutFile, other: RolloutFile) -> Agreement:
        """Return how `one` relates to `other`: longer, shorter, same, different, or unreadable.

        Without file descriptors: what is known of them, else as if `one` could not be read.
        """
        key = one.path, other.path
        known = self._known.get(key)
        if known is not None and known.one == one and known.other == other:
            return known.verdict
        start = 0
        if known is not None and known.verdict != "differ" and _grew(known, one, other):
            start = max(0, known.upto - _OVERLAP)
        try:
            verdict, upto = self._compare(one, other, start)
        except TooManyOpenFiles:
            return "unreadable" if known is None else known.verdict
        except _CannotRead as cannot:
            return cannot.verdict
        self._known[key] = _Agreed(one, other, verdict, upto)
        return verdict

    def _compare(self, one: RolloutFile, other: RolloutFile, start: int) -> tuple[Agreement, int]:
        with _reading("unreadable"):
            first = self._open_file(one.path)
        with closing(first):
            with _reading("other unreadable"):
                second = self._open_file(other.path)
            with closing(second):
                return self._compare_open(
                    _Bytes(first, start, compressed=one.name.compressed),
                    _Bytes(second, start, compressed=other.name.compressed),
                    start,
                )

    def _compare_open(self, mine: _Bytes, theirs: _Bytes, at: int) -> tuple[Agreement, int]:
        while True:
            with _reading("unreadable"):
                a = mine.next()
            with _reading("other unreadable"):
                b = theirs.next()
            self.bytes_read += len(a) + len(b)
            both = min(len(a), len(b))
            if a[:both] != b[:both]:
                return "differ", 0
            at += both
            if len(a) != len(b) or not a:
                return _verdict(len(a), len(b)), at


class _CannotRead(Exception):
    """One of two files cannot be read."""

    def __init__(self, verdict: Agreement) -> None:
        super().__init__(verdict)
        self.verdict = verdict


@contextmanager
def _reading(verdict: Agreement) -> Iterator[None]:
    try:
        yield
    except TooManyOpenFiles:
        raise
    except RolloutUnreadable as error:
        raise _CannotRead(verdict) from error


class _Bytes:
    """The uncompressed bytes of a file in chunks of one size; only the last is shorter."""

    def __init__(self, file: File, start: int, *, compressed: bool) -> None:
        self._file = file
        self._at = start
        self._stream = Unpacked(file) if compressed else None

    def next(self) -> bytes:
        parts: list[bytes] = []
        missing = CHUNK_BYTES
        while missing:
            if self._stream is None:
                part = self._file.pread(missing, self._at)
            else:
                part = self._stream.read(missing)
                if not part and not self._stream.ended:
                    continue
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            missing -= len(part)
        return b"".join(parts)


def _grew(known: _Agreed, one: RolloutFile, other: RolloutFile) -> bool:
    """True if both are the same plain files as before and neither is shorter."""
    return not (one.name.compressed or other.name.compressed) and all(
        (was.device, was.inode) == (now.device, now.inode) and was.size <= now.size
        for was, now in ((known.one, one), (known.other, other))
    )


def _verdict(one: int, other: int) -> Literal["same", "longer", "shorter"]:
    if one == other:
        return "same"
    return "longer" if one > other else "shorter"
