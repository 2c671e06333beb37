"""Reads and writes the row of a rollout: what it is, where it is, and its checkpoint."""

from __future__ import annotations

import sqlite3
from typing import Any, Final, NamedTuple

from projector.model.errors import CheckpointMoved, RulesMoved
from projector.model.file_index import Folder
from projector.model.ids import (
    Checkpoint,
    FileState,
    Fingerprint,
    Offset,
    Ordinal,
    RolloutFile,
    ThreadId,
    is_named_for,
)
from projector.store.protocol import Batch
from projector.store.rollout_status import RolloutStatuses
from projector.store.rules.lineage import Standing
from projector.store.rules.shown_threads import INHERITED, lacking
from projector.store.schema_names import HEADER, META
from projector.store.sqlite import stale_threads, usage
from projector.store.sqlite.file import writing
from projector.store.sqlite.write import many, mended

_PLACE: Final = (
    "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset", "home", "path",
    "archived", "named", "compressed", "size", "mtime_ns", "ctime_ns", "device", "inode",
    "gone_at_ms", "generation", "next_offset", "next_ordinal", "head", "tail", "checksum",
    "trusted_bytes", "state", "revision", "kinds", "read_at_ms", "lacks",
)  # fmt: skip
_COLUMNS: Final = _PLACE + HEADER + META

_INSERT: Final = (
    f"INSERT INTO _rollouts (rollout_id, start_position, records, {', '.join(_COLUMNS)})"
    f" VALUES (?, 0, ?{', ?' * len(_COLUMNS)})"
)
_UPDATE: Final = (
    f"UPDATE _rollouts SET records = records * ? + ?, {', '.join(f'{c} = ?' for c in _COLUMNS)}"
    " WHERE rollout = ?"
)

_STANDINGS: Final = """
SELECT rollout_id, thread_id, generation, next_offset, gone_at_ms, home, path, archived,
  size, mtime_ns, ctime_ns, device, inode, trusted_bytes
FROM _rollouts
"""


class Row(NamedTuple):
    """The columns of a stored rollout that a write needs."""

    rollout: int
    generation: int
    next_offset: int
    start_position: int
    lineage: Standing
    """What its chain and others depend on."""
    file: FileState
    trusted_bytes: int | None
    revision: int

    def trusted_in(self, file: RolloutFile) -> int | None:
        """Return how many bytes are trusted, now that it was found in `file`."""
        return FileState.of(file).trusted_bytes(self.file, self.trusted_bytes)


def lookup(db: sqlite3.Connection, rollout_id: str) -> Row | None:
    """Read a rollout; None: it is not here."""
    row = db.execute(
        "SELECT rollout, generation, next_offset, start_position, thread_id, base_rollout_id,"
        " base_end_ordinal, base_end_offset, attached, archived, gone_at_ms IS NULL, named, path,"
        " inode, size, mtime_ns, compressed, ctime_ns, trusted_bytes, revision"
        " FROM _rollouts WHERE rollout_id = ?",
        (rollout_id,),
    ).fetchone()
    if row is None:
        return None
    *numbers, thread_id, base_id, end_ordinal, end_offset = row[:8]
    *flags, path, inode, size, mtime_ns, compressed, ctime_ns, trusted, revision = row[8:]
    standing = Standing(thread_id, base_id, end_ordinal, end_offset, *map(bool, flags))
    file = FileState(inode, size, mtime_ns, bool(compressed), ctime_ns, path)
    return Row._make((*numbers, standing, file, trusted, revision))


def at_start(db: sqlite3.Connection, batch: Batch) -> Row | None:
    """Read the rollout of a batch; check that it is at the batch's start.

    Raises:
        CheckpointMoved: it is not, or was projected by newer rules than the batch's.
    """
    row = lookup(db, batch.file.name.rollout_id)
    stands = (row.generation, row.next_offset) if row else None
    begins = (batch.start.generation, batch.start.offset) if batch.start else None
    if stands != begins:
        raise CheckpointMoved.found(batch.file.name.rollout_id, begins, stands)
    if row is not None and row.revision > batch.end.revision:
        raise RulesMoved.to(batch.file.name.rollout_id, row.revision)
    return row


def put(
    db: sqlite3.Connection, row: Row | None, batch: Batch, now_ms: int, *, anew: bool = False
) -> Row:
    """Write the rollout of a batch: checkpoint, location, header and metadata.

    `anew`: records are counted from 0.
    """
    base, file, end = batch.header.base, batch.file, batch.end
    values: tuple[Any, ...] = (
        batch.thread_id,
        base and base.rollout_id,
        base and base.end_ordinal,
        base and base.end_offset,
        *_lies(file, batch.thread_id),
        None,
        end.generation,
        end.offset,
        end.next_ordinal,
        end.fingerprint.head,
        end.fingerprint.tail,
        end.fingerprint.checksum,
        None if row is None or anew else row.trusted_in(file),
        end.state,
        end.revision,
        end.kinds,
        now_ms,
        lacking({name: getattr(batch.meta, name) for name in INHERITED}),
        *(getattr(batch.header, name) for name in HEADER),
        *(getattr(batch.meta, name) for name in META),
    )
    if row is None:
        many(db, _INSERT, [(file.name.rollout_id, batch.records, *values)])
    else:
        with stale_threads.changing(db, row.rollout):
            many(db, _UPDATE, [(not anew, batch.records, *values, row.rollout)])
        if batch.thread_id != row.lineage.thread_id:
            # Events that its records reported belong to the thread that it names now.
            db.execute(
                "UPDATE OR REPLACE _events SET thread_id = ? WHERE rollout = ? AND from_record",
                (mended(batch.thread_id), row.rollout),
            )
            usage.rethread(db, row.rollout, row.lineage.thread_id, str(mended(batch.thread_id)))
    written = lookup(db, file.name.rollout_id)
    assert written is not None, file
    return written


def verified(db: sqlite3.Connection, file: RolloutFile) -> None:
    """Record that `file` has the bytes before the checkpoint, unless it was replaced meanwhile."""
    row = lookup(db, file.name.rollout_id)
    if row is not None and not row.file.may_have_other_bytes_than(FileState.of(file)):
        grown = file.size if row.file.size > file.size else None
        with writing(db):
            db.execute(
                "UPDATE _rollouts SET trusted_bytes = ? WHERE rollout = ?", (grown, row.rollout)
            )


def lies(db: sqlite3.Connection, row: Row, file: RolloutFile) -> None:
    """Store where a rollout is now."""
    place = _lies(file, row.lineage.thread_id)
    with stale_threads.changing(db, row.rollout):
        db.execute(
            "UPDATE _rollouts SET trusted_bytes = ?, home = ?, path = ?, archived = ?, named = ?,"
            " compressed = ?, size = ?, mtime_ns = ?, ctime_ns = ?, device = ?, inode = ?,"
            " gone_at_ms = NULL WHERE rollout = ?",
            tuple(map(mended, (row.trusted_in(file), *place, row.rollout))),
        )


def _lies(file: RolloutFile, thread_id: ThreadId) -> tuple[Any, ...]:
    return (
        file.home,
        file.path,
        file.archived,
        is_named_for(file.path, thread_id),
        file.name.compressed,
        file.size,
        file.mtime_ns,
        file.ctime_ns,
        file.device,
        file.inode,
    )


def checkpoint(db: sqlite3.Connection, rollout_id: str) -> Checkpoint | None:
    """Return a rollout's checkpoint; None: unknown rollout."""
    row = db.execute(
        "SELECT generation, next_offset, next_ordinal, head, tail, checksum, state,"
        " revision, mode, kinds FROM _rollouts"
        " WHERE rollout_id = ?",
        (rollout_id,),
    ).fetchone()
    if row is None:
        return None
    generation, offset, ordinal, head, tail, checksum, state, revision, mode, kinds = row
    return Checkpoint(
        generation=generation,
        offset=Offset(offset),
        next_ordinal=Ordinal(ordinal),
        fingerprint=Fingerprint(head=head, tail=tail, checksum=checksum),
        state=state,
        revision=revision,
        mode=mode,
        kinds=kinds,
    )


def statuses(db: sqlite3.Connection) -> RolloutStatuses:
    """Return the status of every rollout."""
    found = RolloutStatuses()
    for (
        rollout_id, thread_id, generation, offset, gone, home, path, archived,
        size, mtime_ns, ctime_ns, device, inode, trusted,
    ) in db.execute(_STANDINGS):  # fmt: skip
        found.put(rollout_id, thread_id, generation, offset)
        if gone is None:
            if trusted is not None:
                found.trusted_bytes[rollout_id] = trusted
            above, _, base = path.rpartition("/")
            folder = Folder(home, above, bool(archived))
            stamp = size, inode, device, mtime_ns, ctime_ns
            found.lies(rollout_id, thread_id, folder, base, stamp)
    return found
