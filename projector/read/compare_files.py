"""Whether two files of one rollout hold the same bytes, as far as the shorter goes.

Asked at every scan of two homes with copies, so what was found to agree is remembered: while
both files are the ones they were and only grew, only what they grew by is compared.
"""

from __future__ import annotations

from contextlib import closing
from typing import Literal, NamedTuple

from projector.model.errors import RolloutUnreadable
from projector.model.ids import RolloutFile
from projector.read.file_reader import CHUNK_BYTES, File, Opener, OpenFile, Unpacked

#: How much of what agreed before is compared again when a file grew.
_OVERLAP = 64 * 1024


class _Agreed(NamedTuple):
    one: RolloutFile
    other: RolloutFile
    verdict: Literal["same", "longer", "shorter", "differ"]
    upto: int


class Agreements:
    """Compares files; remembers. One per process is enough."""

    def __init__(self, open_file: Opener = OpenFile) -> None:
        """Know of no files yet."""
        self._open_file = open_file
        self._known: dict[tuple[str, str], _Agreed] = {}
        self.bytes_read = 0

    def compare(
        self, one: RolloutFile, other: RolloutFile
    ) -> Literal["same", "longer", "shorter", "differ"]:
        """Tell how `one` relates to `other`: is it longer, shorter, the same, different.

        A file that cannot be read differs: it is no beginning of anything.
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
        except RolloutUnreadable:
            return "differ"
        self._known[key] = _Agreed(one, other, verdict, upto)
        return verdict

    def _compare(
        self, one: RolloutFile, other: RolloutFile, start: int
    ) -> tuple[Literal["same", "longer", "shorter", "differ"], int]:
        with (
            closing(self._open_file(one.path)) as first,
            closing(self._open_file(other.path)) as second,
        ):
            mine = _Bytes(first, start, compressed=one.name.compressed)
            theirs = _Bytes(second, start, compressed=other.name.compressed)
            at = start
            while True:
                a, b = mine.next(), theirs.next()
                self.bytes_read += len(a) + len(b)
                both = min(len(a), len(b))
                if a[:both] != b[:both]:
                    return "differ", 0
                at += both
                if len(a) != len(b) or not a:
                    return _verdict(len(a), len(b)), at


class _Bytes:
    """The uncompressed bytes of a file in pieces of one size; only the last is shorter."""

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
    """Whether both are the plain files they were, and none is shorter."""
    return not (one.name.compressed or other.name.compressed) and all(
        (was.device, was.inode) == (now.device, now.inode) and was.size <= now.size
        for was, now in ((known.one, one), (known.other, other))
    )


def _verdict(one: int, other: int) -> Literal["same", "longer", "shorter"]:
    if one == other:
        return "same"
    return "longer" if one > other else "shorter"
