"""Checkpoint + facts of the file → go on, wait or start over, and why.

A checkpoint counts bytes of the uncompressed file, and holds digests of the first bytes of the
file and of the last bytes before the checkpoint. From these follows all that can happen to a
file, whatever its name, inode and times say (which lie: a migration and a compression keep the
time, a deleted file's inode is used again within a second):

1. It is shorter than the checkpoint, or either digest differs: these are not the bytes that
   were read. Start over.
2. It ends at the checkpoint: wait. Moved, archived, compressed and decompressed files end here.
3. It goes on behind the checkpoint: go on there.

Why two digests: the tail alone holds a record's end, which a migration that adds ordinals moves
or changes; the head holds the thread's id and the first record's time, so another rollout under
the same name is seen even where records end alike. Neither sees an edit in the middle that keeps
every length: for that there is a checksum of all that was read (`whole.py`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from projector.model.ids import HEAD_BYTES, TAIL_BYTES, Checkpoint, Fingerprint, Offset

DIGEST_BYTES = 8


def digest(data: bytes) -> bytes:
    """Digest bytes of a rollout for a `Fingerprint`. Not for secrets: for noticing a change."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def fingerprint(offset: int, head: bytes, tail: bytes, checksum: int | None) -> Fingerprint:
    """Make the fingerprint of a place from what was read before it.

    `head`: the first bytes of the file; `tail`: the last bytes before `offset`. Either may be
    longer than is needed, never shorter. `checksum`: CRC-32 of all of them.
    """
    assert len(head) >= min(HEAD_BYTES, offset), "the head was not kept"
    assert len(tail) >= min(TAIL_BYTES, offset), "the tail was not kept"
    return Fingerprint(
        head=digest(head[: min(HEAD_BYTES, offset)]),
        tail=digest(tail[-TAIL_BYTES:]),
        checksum=checksum,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What can be told of the file without reading it again."""

    size: int | None
    """Uncompressed bytes; None: a compressed file that does not tell."""
    head: bytes | None = None
    """Digest of the first bytes up to the checkpoint; None: not looked at, or not there."""
    tail: bytes | None = None
    """Digest of the last bytes before the checkpoint; None: not looked at, or not there."""
    read_to: int | None = None
    """How far this process has read already, a torn last line included; None: not at all."""


@dataclass(frozen=True, slots=True)
class Resume:
    """There may be more from `offset` on."""

    offset: Offset


@dataclass(frozen=True, slots=True)
class UpToDate:
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class Restart:
    """These are not the bytes that were read: project the rollout anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """Not all of what must be looked at was; `resume` goes on with it."""


Decision = Resume | UpToDate | Restart | Undecided


def resume(checkpoint: Checkpoint | None, facts: FileFacts) -> Decision:
    """Decide where reading goes on. None: the rollout was never seen."""
    if checkpoint is None:
        return decide(Offset(0), None, facts)
    return decide(checkpoint.offset, checkpoint.fingerprint, facts)


def decide(offset: Offset, known: Fingerprint | None, facts: FileFacts) -> Decision:
    """Decide where reading goes on behind `offset`; `known` None: nothing was read before it."""
    if facts.size is not None and facts.size < offset:
        return Restart(f"cut to {facts.size} of {offset} bytes")
    if known is not None and offset:
        if facts.head is not None and facts.head != known.head:
            return Restart("other bytes at its start")
        if facts.tail is not None and facts.tail != known.tail:
            return Restart(f"other bytes before byte {offset}")
    done = offset if facts.read_to is None else max(offset, facts.read_to)
    if facts.size == done and (known is not None or facts.read_to is not None):
        return UpToDate()
    return Resume(offset)
