"""Reads and writes the row of a rollout: what it is, where it is, and its checkpoint."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter, itemgetter
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
    RolloutId,
    ThreadId,
    is_named_for,
)
from projector.store.protocol import Batch
from projector.store.rollout_status import RolloutStatuses
from projector.store.rules.lineage import Standing
from projector.store.rules.shown_threads import INHERITED, lacking
from projector.store.schema_names import HEADER, META
from projector.store.sqlite import stale_threads, usage
from projector.store.sqlite.execute import many, mended, of_keys
from projector.store.sqlite.file import writing

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

#: Columns of indexes, and the others that chains depend on. SQLite writes the entries of an index
#: again when a statement sets one of its columns, also to what it was.
_FIXED: Final = (
    "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset", "attached", "archived",
    "named", "gone_at_ms", "revision", "lacks",
)  # fmt: skip
_FREE: Final = tuple(column for column in _COLUMNS if column not in _FIXED)
_free: Final = itemgetter(*map(_COLUMNS.index, _FREE))
_LACKS: Final = _COLUMNS.index("lacks")
_PROGRESS: Final = (
    "UPDATE _rollouts SET records = records + ?,"
    f" {', '.join(f'{column} = ?' for column in _FREE)} WHERE rollout = ?"
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
    lacks: int

    def trusted_in(self, file: RolloutFile) -> int | None:
        """Return how many bytes are trusted, now that it was found in `file`."""
        return FileState.of(file).trusted_bytes(self.file, self.trusted_bytes)


_LOOKUP: Final = (
    "SELECT rollout_id, rollout, generation, next_offset, start_position, thread_id,"
    " base_rollout_id, base_end_ordinal, base_end_offset, attached, archived, gone_at_ms IS NULL,"
    " named, path, inode, size, mtime_ns, compressed, ctime_ns, trusted_bytes, revision, lacks"
    " FROM _rollouts WHERE rollout_id IN ({keys})"
)


def lookup(db: sqlite3.Connection, rollout_id: RolloutId) -> Row | None:
    """Read a rollout; None: it is not here."""
    return lookup_all(db, [rollout_id]).get(rollout_id)


def lookup_all(db: sqlite3.Connection, rollout_ids: Iterable[RolloutId]) -> dict[RolloutId, Row]:
    """Read the rollouts that are here."""
    rows: dict[RolloutId, Row] = {}
    for (
        rollout_id, rollout, generation, next_offset, start, thread_id, base_id, end_ordinal,
        end_offset, attached, archived, there, named, path, inode, size, mtime_ns, compressed,
        ctime_ns, trusted, revision, lacks,
    ) in of_keys(db, _LOOKUP, rollout_ids):  # fmt: skip
        standing = Standing(
            thread_id, base_id, end_ordinal, end_offset, attached == 1, archived == 1, there == 1,
            named == 1,
        )  # fmt: skip
        file = FileState(inode, size, mtime_ns, compressed == 1, ctime_ns, path)
        rows[rollout_id] = Row(
            rollout, generation, next_offset, start, standing, file, trusted, revision, lacks
        )
    return rows


def at_start(db: sqlite3.Connection, batch: Batch) -> Row | None:
    """Read the rollout of a batch; check that it is at the batch's start.

    Raises:
        CheckpointMoved: it is not, or was projected by newer rules than the batch's.
    """
    row = lookup(db, batch.file.name.rollout_id)
    check_start(row, batch)
    return row


def check_start(row: Row | None, batch: Batch) -> None:
    """Check that a rollout, None: unknown, is at a batch's start.

    Raises:
        CheckpointMoved: it is not, or was projected by newer rules than the batch's.
    """
    stands = (row.generation, row.next_offset) if row else None
    begins = (batch.start.generation, batch.start.offset) if batch.start else None
    if stands != begins:
        raise CheckpointMoved.found(batch.file.name.rollout_id, begins, stands)
    if row is not None and row.revision > batch.end.revision:
        raise RulesMoved.to(batch.file.name.rollout_id, row.revision)


def put(
    db: sqlite3.Connection, row: Row | None, batch: Batch, now_ms: int, *, anew: bool = False
) -> Row:
    """Write the rollout of a batch: checkpoint, location, header and metadata.

    `anew`: records are counted from 0.
    """
    file = batch.file
    values = _values(None if anew else row, batch, now_ms)
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


def _values(row: Row | None, batch: Batch, now_ms: int) -> tuple[Any, ...]:
    """Return the values of `_COLUMNS` after a batch; `row`: the rollout before it."""
    base, file, end, meta = batch.header.base, batch.file, batch.end, batch.meta
    header = list(_header(batch.header))
    header[_ATTACHED] = int(batch.header.attached)
    return (
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
        None if row is None else row.trusted_in(file),
        end.state,
        end.revision,
        end.kinds,
        now_ms,
        lacking(dict(zip(INHERITED, _inherited(meta), strict=True))),
        *header,
        *_meta(meta),
    )


# True and False are given as 1 and 0: sqlite3 would look for an adapter first, a microsecond each.
_ATTACHED: Final = HEADER.index("attached")
_header: Final = attrgetter(*HEADER)
_meta: Final = attrgetter(*META)
_inherited: Final = attrgetter(*INHERITED)


def standing_of(batch: Batch) -> Standing:
    """Return the standing of a rollout after a batch."""
    base, file = batch.header.base, batch.file
    return Standing(
        batch.thread_id,
        base.rollout_id if base else None,
        base.end_ordinal if base else None,
        base.end_offset if base else None,
        batch.header.attached,
        file.archived,
        there=True,
        named=is_named_for(file.path, batch.thread_id),
    )


def insert_all(db: sqlite3.Connection, batches: Sequence[tuple[int, Batch]], now_ms: int) -> None:
    """Write rollouts that are new, with the numbers given to them."""
    many(
        db,
        _INSERT.replace("(rollout_id", "(rollout, rollout_id").replace("(?", "(?, ?"),
        [
            (rollout, batch.file.name.rollout_id, batch.records, *_values(None, batch, now_ms))
            for rollout, batch in batches
        ],
    )


def advance_all(db: sqlite3.Connection, batches: Sequence[tuple[Row, Batch]], now_ms: int) -> None:
    """Write the checkpoints and metadata of rollouts whose standing stays what it is."""
    narrow, wide = [], []
    for row, batch in batches:
        values = _values(row, batch, now_ms)
        if (row.revision, row.lacks) == (batch.end.revision, values[_LACKS]):
            narrow.append((batch.records, *_free(values), row.rollout))
        else:
            wide.append((1, batch.records, *values, row.rollout))
    many(db, _PROGRESS, narrow)
    many(db, _UPDATE, wide)


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
        int(file.archived),
        int(is_named_for(file.path, thread_id)),
        int(file.name.compressed),
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
    known = RolloutStatuses()
    for (
        rollout_id, thread_id, generation, offset, gone, home, path, archived,
        size, mtime_ns, ctime_ns, device, inode, trusted,
    ) in db.execute(_STANDINGS):  # fmt: skip
        known.put(rollout_id, thread_id, generation, offset)
        if gone is None:
            if trusted is not None:
                known.trusted_bytes[rollout_id] = trusted
            above, _, base = path.rpartition("/")
            folder = Folder(home, above, bool(archived))
            stamp = size, inode, device, mtime_ns, ctime_ns
            known.lies(rollout_id, thread_id, folder, base, stamp)
    return known
