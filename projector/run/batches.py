"""Make batches from lines of a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from projector.model import revisions
from projector.model.changes import Change, ItemRow
from projector.model.database_url import is_postgres
from projector.model.ids import Checkpoint, Line, RolloutFile
from projector.model.settings import Settings
from projector.search.text import Indexing, is_too_long
from projector.store.protocol import Batch

if TYPE_CHECKING:
    from projector.read.rollout import RolloutReader
    from projector.reduce.protocol import Reducer


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
        *row, shown, _ = change
        if shown is not None:
            made = None if words is None else words(change.type, shown)
            changes[at] = _row((*row, None, made))
        elif words is not None and is_too_long(change.json):
            changes[at] = _row((*row, None, b""))  # nor need the store read it to find that out
    return changes


def batch_of(
    file: RolloutFile,
    start: Checkpoint | None,
    reader: RolloutReader,
    reducer: Reducer,
    lines: Sequence[Line],
    *,
    limits: Limits,
    generation: int,
    before: Sequence[Change] = (),
    records: int = 0,
) -> Batch:
    """Reduce lines to a batch. The reducer must have all rows that it needs.

    `lines`: the lines returned last by the reader, or a prefix. `before`: changes inserted before
    theirs, and `records`: those that made them.
    """
    changes = reduced(reducer, lines, limits.indexing)
    if before:
        changes = [*before, *changes]
    end = lines[-1].end if lines else reader.offset
    return Batch(
        file=file,
        start=start,
        end=Checkpoint(
            generation=generation,
            offset=end,
            next_ordinal=reducer.next_ordinal,
            fingerprint=reader.fingerprint(end),
            state=reducer.dump_state(),
            revision=revisions.current(),
            mode=reducer.header.mode,
            kinds=reducer.kinds.text,
        ),
        header=reducer.header,
        meta=reducer.meta,
        changes=changes,
        records=records + records_of(lines),
        indexing=limits.indexing,
    )


def records_of(lines: Sequence[Line]) -> int:
    """Return the number of lines that are not blank."""
    data = list(map(_data, lines))
    blank = sum(map(bytes.isspace, data))
    if not all(data):
        blank += sum(1 for line in lines if not line.data and not line.overlong)
    return len(lines) - blank
