"""Where we stand: ids, offsets, and how far a rollout has been projected.

Pure. Everyone may import this module; it imports only the standard library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, NewType

#: A Codex conversation: a UUID, lower case with dashes.
ThreadId = NewType("ThreadId", str)
#: One rollout file of a thread: the thread's id for its first file, the file's own id after a
#: revert. Codex's own database calls it `thread_id`.
RolloutId = NewType("RolloutId", str)
#: A turn, unique in its rollout only.
TurnId = NewType("TurnId", str)
#: An item, unique in its turn only.
ItemId = NewType("ItemId", str)
#: Bytes from the start of the uncompressed file.
Offset = NewType("Offset", int)
#: The number that Codex gave a record. Data, never used as a place.
Ordinal = NewType("Ordinal", int)

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAME = re.compile(
    rf"rollout-(?:(?P<started>\d{{4}}-\d\d-\d\d(?:T\d\d-\d\d-\d\d)?)-)?(?P<thread>{_UUID})"
    rf"(?:_(?P<rollout>{_UUID}))?\.jsonl(?P<compressed>\.zst)?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutName:
    """What a rollout's file name says."""

    thread_id: ThreadId
    rollout_id: RolloutId
    started: str
    """Local time of the thread's start as the name has it, or empty.

    Never used as a time: zones differ.
    """
    compressed: bool

    @classmethod
    @lru_cache(maxsize=512)  # a rollout that grows is named again and again
    def parse(cls, name: str) -> RolloutName | None:
        """Read a file name without its folder; None: not the name of a rollout.

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
    """Return True if a rollout's file has the name that a thread's files have.

    Any other name says nothing, and counts as such a one.
    """
    name = RolloutName.parse(path.rpartition("/")[2])
    return name is None or name.thread_id == thread_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFile:
    """A rollout as a scan found it on disk."""

    name: RolloutName
    home: str
    """The CODEX_HOME it lies in, as given."""
    path: str
    archived: bool
    """It lies under `archived_sessions/`."""
    size: int
    """Bytes on disk: of the compressed file, if it is compressed."""
    mtime_ns: int
    device: int
    inode: int


class FileState(NamedTuple):
    """Which file a rollout was in, and as of when."""

    inode: int
    size: int
    mtime_ns: int
    compressed: bool

    @classmethod
    def of(cls, file: RolloutFile) -> FileState:
        """Return the state of a file; an inode number ends at 63 bits, as in a database."""
        inode = min(file.inode, (1 << 63) - 1)
        return cls(inode, file.size, file.mtime_ns, file.name.compressed)

    def may_have_other_bytes_than(self, before: FileState) -> bool:
        """True if it is another file, or was written to without growing.

        Then the bytes before a checkpoint may be others, however alike its head and tail are. A
        plain file that only grew is trusted: its appends would cost a reading of all of it. Device
        numbers change when a host starts, so they say nothing.
        """
        if self.inode != before.inode:
            return True
        grew = self.size > before.size and not self.compressed
        return not grew and self != before


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Tells whether the bytes before a checkpoint are still the ones that were read.

    Two short digests, so that going on after a move, a compression or a restart costs a few
    bytes. The checksum of all is compared where the file is another one, or was written to
    without growing (`read/whole.py`).
    """

    head: bytes
    """Digest of the first bytes of the file, at most `HEAD_BYTES` and never past the offset."""
    tail: bytes
    """Digest of the last bytes before the offset, at most `TAIL_BYTES`."""
    checksum: int | None = None
    """CRC-32 of all bytes before the offset; None: not known."""


#: How many bytes at the start of a file and before a checkpoint are fingerprinted. Records of one
#: kind end alike: with 64 bytes, a content put in another's place was taken for it where a line
#: happened to end at the checkpoint. This many hold the start of a record, its time and its ids.
HEAD_BYTES = 512
TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a rollout has been projected; stored in the transaction of the rows before it."""

    generation: int
    """Counts how often the rollout was projected anew from its start; 0 the first time."""
    offset: Offset
    """Just behind a newline; 0: nothing was read yet."""
    next_ordinal: Ordinal
    """What Codex would expect next: one more than the last record that it takes; 0 for legacy."""
    fingerprint: Fingerprint
    state: bytes
    """The reducer's state, JSON with a version in it."""


class Line(NamedTuple):
    """One whole line of a rollout."""

    offset: Offset
    """Of its first byte."""
    end: Offset
    """Just behind its newline."""
    data: bytes
    """The line without its newline; empty when it was longer than the limit (`overlong`), or
    stands for several blank lines."""
    overlong: bool = False
