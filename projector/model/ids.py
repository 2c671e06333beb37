"""Ids, offsets, checkpoints and fingerprints of rollouts.

Pure. Everyone may import this module; it imports only the standard library.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NewType

from msgspec import Struct

#: A Codex conversation: a UUID, lower case with dashes.
ThreadId = NewType("ThreadId", str)
#: One rollout file of a thread: the thread's id for its first file, the file's own id after a
#: revert. Codex's own database calls it `thread_id`.
RolloutId = NewType("RolloutId", str)
#: A turn id, unique only within its rollout.
TurnId = NewType("TurnId", str)
#: An item id, unique only within its turn.
ItemId = NewType("ItemId", str)
#: Bytes from the start of the uncompressed file.
Offset = NewType("Offset", int)
#: The number that Codex assigned to a record. Data; never used as a file position.
Ordinal = NewType("Ordinal", int)

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAME = re.compile(
    rf"rollout-(?:(?P<started>\d{{4}}-\d\d-\d\d(?:T\d\d-\d\d-\d\d)?)-)?(?P<thread>{_UUID})"
    rf"(?:_(?P<rollout>{_UUID}))?\.jsonl(?P<compressed>\.zst)?",
    re.ASCII | re.IGNORECASE,
)


class RolloutName(Struct, frozen=True, kw_only=True):
    """The parts of a rollout's file name."""

    thread_id: ThreadId
    rollout_id: RolloutId
    started: str
    """Local start time of the thread from the name, or empty.

    Never used as a time: time zones differ.
    """
    compressed: bool

    @classmethod
    @lru_cache(maxsize=512)  # a growing rollout's name is parsed again and again
    def parse(cls, name: str) -> RolloutName | None:
        """Parse a file name without its folder; None if it does not name a rollout.

        Source: names as Codex 0.169.0 writes them, the dates without time of mid 2025, and names
        without either, which other tools leave.
        """
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        thread = found["thread"].lower()
        return cls(
            thread_id=ThreadId(thread),
            rollout_id=RolloutId((found["rollout"] or thread).lower()),
            started=found["started"] or "",
            compressed=found["compressed"] is not None,
        )


def is_named_for(path: str, thread_id: ThreadId) -> bool:
    """True if the file name of a rollout contains the thread's id, or is not a rollout's name."""
    name = RolloutName.parse(path.rpartition("/")[2])
    return name is None or name.thread_id == thread_id


class RolloutFile(Struct, frozen=True, kw_only=True):
    """A rollout file as found by a scan."""

    name: RolloutName
    home: str
    """The CODEX_HOME that contains it, as given in the settings."""
    path: str
    archived: bool
    """True if it is under `archived_sessions/`."""
    size: int
    """Bytes on disk: the compressed size for a compressed file."""
    mtime_ns: int
    device: int
    inode: int
    ctime_ns: int = 0
    """When anything of the file changed, its times and rights included; 0: unknown."""


class FileState(NamedTuple):
    """Identity and size of a rollout's file at one moment."""

    inode: int
    size: int
    mtime_ns: int
    compressed: bool
    ctime_ns: int
    path: str

    @classmethod
    def of(cls, file: RolloutFile) -> FileState:
        """Return the state of a file.

        The inode number is cut to 63 bits, which a database column holds.
        """
        inode = min(file.inode, (1 << 63) - 1)
        return cls(inode, file.size, file.mtime_ns, file.name.compressed, file.ctime_ns, file.path)

    def may_have_other_bytes_than(self, before: FileState) -> bool:
        """True if it is another file, or was written to without growing.

        Then bytes before the checkpoint may differ even if head and tail are equal. A plain file
        that grew is another matter (`trusted_bytes`). Device numbers change when a host starts,
        so they are ignored. A change of the file's status alone (`ctime_ns`) counts: the time of
        an edit may have been put back. One that comes with a new path does not: a move is one.
        """
        if self.inode != before.inode:
            return True
        if self.size > before.size and not self.compressed:
            return False
        if (self.size, self.mtime_ns, self.compressed) != before[1:4]:
            return True
        known = bool(self.ctime_ns and before.ctime_ns)
        return known and self.ctime_ns != before.ctime_ns and self.path == before.path

    def trusted_bytes(self, before: FileState, trusted: int | None) -> int | None:
        """Return how many bytes of the file were trusted when they were read or compared last.

        None: all are trusted as they are. 0: the file may hold others, and is to be compared.
        Else: it has grown since it had so many bytes. Those may have been edited in between, but
        an append is seldom more than that: they are compared once the file rests, not each time.

        `before`, `trusted`: the file as it was seen last, and what this said of it.
        """
        if self.may_have_other_bytes_than(before):
            return 0
        if trusted is None and self.size > before.size:
            return before.size
        return trusted


class Fingerprint(Struct, frozen=True, kw_only=True):
    """Digests that show whether the bytes before a checkpoint are unchanged.

    Two short digests, so that resuming after a move, a compression or a restart reads only a few
    bytes. The checksum of all bytes is compared if the file is another one, or was written to
    without growing; and where it grew, once it rests (`read/whole.py`).
    """

    head: bytes
    """Digest of the first bytes of the file: at most `HEAD_BYTES`, never beyond the offset."""
    tail: bytes
    """Digest of the last bytes before the offset, at most `TAIL_BYTES`."""
    checksum: int | None = None
    """CRC-32 of all bytes before the offset; None: unknown."""


#: Number of bytes fingerprinted at the start of a file and before a checkpoint. Records of one kind
#: end alike: with 64 bytes, replaced content was taken for the original if a line ended at the
#: checkpoint. This many bytes hold the start of a record, its time and its ids.
HEAD_BYTES = 512
TAIL_BYTES = 4096


class Checkpoint(Struct, frozen=True, kw_only=True):
    """How far a rollout has been projected.

    Stored in the same transaction as the rows before it.
    """

    generation: int
    """Number of times the rollout was projected again from its start."""
    offset: Offset
    """Byte offset after a newline; 0: nothing was read yet."""
    next_ordinal: Ordinal
    """One more than the greatest ordinal read; 0 for legacy."""
    fingerprint: Fingerprint
    state: bytes
    """The reducer's state: JSON with a version number."""
    revision: int = 1
    """Of the rules that made the rows (`model/revisions.py`)."""
    mode: str = "paginated"
    """Form of the rollout: that of its header."""
    kinds: str = ""
    """Kinds of records, events and items before the offset, as `SeenKinds.text`."""


class Line(NamedTuple):
    """One complete line of a rollout."""

    offset: Offset
    """Byte offset of its first byte."""
    end: Offset
    """Byte offset after its newline."""
    data: bytes
    """The line without its newline.

    Empty if it exceeded the limit (`overlong`) or stands for several blank lines.
    One byte if it was passed over because it does not begin as a record (`overlong`, too): a NUL if
    there is nothing else on it.
    """
    overlong: bool = False
