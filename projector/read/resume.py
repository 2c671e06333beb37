"""Decide from checkpoint and file whether to resume, wait or restart, and why.

A checkpoint counts bytes of the uncompressed file, and holds digests of the first bytes of the
file and of the last bytes before the checkpoint. From these follows all that can happen to a
file, whatever its name, inode and times say (which lie: a migration and a compression keep the
time, a deleted file's inode is used again within a second):

1. It is shorter than the checkpoint, or either digest differs: these are not the bytes that
   were read. Start over.
2. It ends at the checkpoint: wait. Moved, archived, compressed and decompressed files end here.
3. It has bytes after the checkpoint: continue there.

Why two digests: the tail alone holds a record's end, which a migration that adds ordinals moves
or changes; the head holds the thread's id and the first record's time, so another rollout under
the same name is seen even where records end alike. Neither sees an edit in the middle that keeps
every length: for that there is a checksum of all that was read (`whole.py`).
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

from projector.model.ids import HEAD_BYTES, TAIL_BYTES, Checkpoint, Fingerprint, Offset

DIGEST_BYTES = 8


def digest(data: bytes) -> bytes:
    """Return a digest of bytes for a `Fingerprint`. Detects changes; not suitable for secrets."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def fingerprint(offset: int, head: bytes, tail: bytes, checksum: int | None) -> Fingerprint:
    """Return the fingerprint of an offset from the bytes before it.

    `head`: the first bytes of the file; `tail`: the last bytes before `offset`. Either may be
    longer than needed, never shorter. `checksum`: CRC-32 of all of them.
    """
    assert len(head) >= min(HEAD_BYTES, offset), "the head was not kept"
    assert len(tail) >= min(TAIL_BYTES, offset), "the tail was not kept"
    return Fingerprint(
        head=digest(head[: min(HEAD_BYTES, offset)]),
        tail=digest(tail[-TAIL_BYTES:]),
        checksum=checksum,
    )


class FileFacts(Struct, frozen=True, kw_only=True):
    """Facts about the file known without reading it again."""

    size: int | None
    """Uncompressed bytes; None: a compressed file without content size."""
    head: bytes | None = None
    """Digest of the first bytes up to the checkpoint; None: not read, or not there."""
    tail: bytes | None = None
    """Digest of the last bytes before the checkpoint; None: not read, or not there."""
    read_to: int | None = None
    """Offset to which this process has already read, including a partial last line.

    None: not at all.
    """


class Resume(Struct, frozen=True):
    """There may be more from `offset` on."""

    offset: Offset


class UpToDate(Struct, frozen=True):
    """Nothing new."""


class Restart(Struct, frozen=True):
    """The bytes before the checkpoint changed: project the rollout again from its start."""

    reason: str


class Undecided(Struct, frozen=True):
    """Not everything needed was read yet; `resume` continues it."""


Decision = Resume | UpToDate | Restart | Undecided


def resume(checkpoint: Checkpoint | None, facts: FileFacts) -> Decision:
    """Decide where reading continues. None: the rollout was never read."""
    if checkpoint is None:
        return decide(Offset(0), None, facts)
    return decide(checkpoint.offset, checkpoint.fingerprint, facts)


def decide(offset: Offset, known: Fingerprint | None, facts: FileFacts) -> Decision:
    """Decide where reading continues after `offset`; `known` None: nothing was read before it."""
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
