"""Make batches from lines of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from projector.model import revisions
from projector.model.changes import Change, ItemRow, LookupResult
from projector.model.database_url import is_postgres
from projector.model.errors import RolloutUnreadable
from projector.model.ids import Checkpoint, Line, Offset, RolloutFile
from projector.model.settings import Settings
from projector.search.text import Indexing, is_too_long
from projector.store.protocol import Batch

if TYPE_CHECKING:
    from projector.read.rollout import RolloutReader
    from projector.reduce.protocol import Reducer

#: Bytes that are read and reduced at a time.
_PIECE_BYTES: Final = 256 * 1024

_JSON: Final = ItemRow._fields.index("json")
_data = itemgetter(2)
# ItemRow(...), in a third of the time: called once per item.
_row = partial(tuple.__new__, ItemRow)


class Limits(Struct, frozen=True, kw_only=True):
    """Memory limits of one rollout."""

    batch_bytes: int
    batch_records: int
    chunk_bytes: int
    max_line_bytes: int
    indexing: Indexing | None = None
    """How items are indexed; None: not at all."""


def limits_of(settings: Settings) -> Limits:
    """Return the limits of one rollout's batches from the settings."""
    return Limits(
        batch_bytes=settings.run.batch_bytes,
        batch_records=settings.run.batch_records,
        chunk_bytes=settings.read.chunk_bytes,
        max_line_bytes=settings.read.max_line_bytes,
        indexing=Indexing(
            settings.search.index,
            settings.search.max_text_bytes,
            as_vector=is_postgres(settings.database),
        ),
    )


def reader_at(file: RolloutFile, checkpoint: Checkpoint | None, limits: Limits) -> RolloutReader:
    """Return a reader of a rollout at its checkpoint; None: at its first byte."""
    from projector.read.rollout import RolloutReader  # noqa: PLC0415 - see `open_rollout`

    return RolloutReader(
        file.path,
        compressed=file.name.compressed,
        at=checkpoint,
        chunk_bytes=limits.chunk_bytes,
        max_line=limits.max_line_bytes,
    )


def reduced(reducer: Reducer, lines: Sequence[Line], indexing: Indexing | None) -> list[Change]:
    """Return the changes that lines make. The reducer must have all rows that it needs.

    Rows of items have their words if they are indexed, and no snapshot beside their JSON.
    """
    changes = reducer.apply(lines)
    words = None if indexing is None else indexing.words
    for at, change in enumerate(changes):
        if type(change) is not ItemRow:
            continue
        shown = change.shown
        if shown is not None:
            *row, _, _ = change
            made = None if words is None else words(change.type, shown)
            if type(json := row[_JSON]) is bytes:
                # What orjson returns takes 4 KiB at least, and eight times its length: so much lay
                # in memory for each item of a batch.
                row[_JSON] = b"".join((json, b""))
            changes[at] = _row((*row, None, made))
        elif words is not None and is_too_long(change.json):
            # Nor need the store read it to find that out.
            changes[at] = change._replace(words=b"")
    return changes


class Reduced(NamedTuple):
    """Lines that were reduced, for one batch."""

    changes: Sequence[Change]
    records: int
    end: Offset
    """Of the last of them."""


def gather(
    reader: RolloutReader,
    reducer: Reducer,
    limits: Limits,
    max_bytes: int,
    *,
    most: int,
    is_enough: Callable[[], bool] = lambda: False,
) -> tuple[Reduced | None, list[Line]]:
    """Read the next lines of a rollout, from at most `max_bytes`, and reduce them in pieces.

    A piece is reduced while it is in the processor's cache: a tenth of the time. And it is gone
    before the next one is read. `is_enough` ends it after any of them.

    Returns what was reduced, None: nothing; and lines that come after that, were read last and are
    not reduced: they need earlier rows, which may be among those that were reduced, or have more
    than `most` bytes in all. Where nothing was reduced, all lines are among them that one batch may
    have, so that rows are asked for once.

    Raises:
        RolloutUnreadable: the disk or the network failed.
    """
    begin = end = reader.offset
    changes: list[Change] = []
    records = 0
    while max_bytes > 0 and records < limits.batch_records and not reader.at_end:
        read = reader.bytes_read
        try:
            lines = reader.read(min(max_bytes, _PIECE_BYTES), limits.batch_records - records)
        except RolloutUnreadable:
            if end > begin:
                break  # a lasting fault will occur again
            raise
        max_bytes -= (reader.bytes_read - read) or limits.chunk_bytes
        if not lines:
            continue
        while not end and (wants := reducer.lookup(lines)):
            reducer.provide(wants, LookupResult())  # before the first line there is nothing
        if lines[-1].end - lines[0].offset > most or reducer.lookup(lines):
            if end > begin:
                return Reduced(changes, records, end), lines
            with suppress(RolloutUnreadable):
                lines = [*lines, *reader.read(max_bytes, limits.batch_records - len(lines))]
            return None, lines
        changes += reduced(reducer, lines, limits.indexing)
        records += records_of(lines)
        end = lines[-1].end
        if is_enough():
            break
    return (Reduced(changes, records, end) if end > begin else None), []


def batch_of(
    file: RolloutFile,
    start: Checkpoint | None,
    reader: RolloutReader,
    reducer: Reducer,
    made: Reduced,
    *,
    limits: Limits,
    generation: int,
) -> Batch:
    """Return the batch of the lines that were reduced last.

    They end where the last `read` did, or began, or at the end of a line of it.
    """
    return Batch(
        file=file,
        start=start,
        end=Checkpoint(
            generation=generation,
            offset=made.end,
            next_ordinal=reducer.next_ordinal,
            fingerprint=reader.fingerprint(made.end),
            state=reducer.dump_state(),
            revision=revisions.current(),
            mode=reducer.header.mode,
            kinds=reducer.kinds.text,
        ),
        header=reducer.header,
        meta=reducer.meta,
        changes=made.changes,
        records=made.records,
        indexing=limits.indexing,
    )


def records_of(lines: Sequence[Line]) -> int:
    """Return the number of lines that are not blank."""
    data = list(map(_data, lines))
    blank = sum(map(bytes.isspace, data))
    if not all(data):
        blank += sum(1 for line in lines if not line.data and not line.overlong)
    return len(lines) - blank
