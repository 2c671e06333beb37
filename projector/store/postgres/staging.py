"""Staging database for the new content of a rollout that is being replaced: see `replace`."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from msgspec.structs import replace

from projector.model.changes import (
    Change,
    Event,
    ItemRow,
    LimitRow,
    Lookup,
    LookupResult,
    RealtimeRow,
    TurnRow,
    UsageRow,
)
from projector.model.ids import RolloutId
from projector.store.protocol import Batch
from projector.store.rules.preserve import EVENTS, ITEMS, TURNS, Content
from projector.store.scratch import scratch_folder
from projector.store.sqlite.store import SqliteStore

#: Rows that are read at a time.
_STEP: Final = 500
#: Tables of the staged rows of each kind, and the column that numbers them.
_TABLES: Final = {
    TurnRow: ("_turns", "turn"),
    ItemRow: ("_items", "item"),
    RealtimeRow: ("_realtime_items", "realtime_item"),
    UsageRow: ("_usage", "usage"),
    Event: ("_events", "seq"),
}
#: Fields of an item that its row has.
_ITEM: Final = ItemRow._fields[: ItemRow._fields.index("owner") + 1]


class Staged(NamedTuple):
    """A staged row: the change that writes it, and what only several changes together determine."""

    change: Any
    tombstone: int
    updated_ordinal: int | None
    """Of an item."""


class Scratch:
    """A SQLite database in a temporary folder that holds one rollout's new content."""

    def __init__(self, folder: Path, store: SqliteStore) -> None:
        self._folder = folder
        self._store = store
        self.last: Batch | None = None
        self.records = 0
        self.mended = False
        """True if the server refused some of its values: all are sanitized."""
        self._own: Content | None = None

    @classmethod
    async def make(cls) -> Self:
        """Create an empty one."""
        folder = Path(scratch_folder("replace"))
        try:
            return cls(folder, await SqliteStore.open(folder / "anew.db"))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    async def add(self, batch: Batch) -> None:
        """Write the next batch."""
        start = self.last.end if self.last is not None else None
        await self._store.commit([replace(batch, start=start)])
        self.last = batch
        self.records += batch.records

    async def find(self, rollout_id: RolloutId, wants: Lookup) -> LookupResult:
        """Return earlier rows, as `Store.find` does."""
        return await self._store.find(rollout_id, wants)

    async def rows(
        self, table: str, number: str, columns: str, which: str = "true"
    ) -> AsyncIterator[list[Any]]:
        """Yield rows in the order in which they were written."""
        last = 0
        while True:
            some = await self._store.query(
                f"SELECT {number}, {columns} FROM {table} WHERE {number} > ? AND {which}"
                f" ORDER BY {number} LIMIT ?",
                (last, _STEP),
            )
            if not some:
                return
            last = some[-1][0]
            yield [row[1:] for row in some]

    async def changes(self, kind: type) -> AsyncIterator[list[Staged]]:
        """Yield the rows of a kind in the order in which they were written, as its changes."""
        table, number = _TABLES[kind]
        start = await self.start()
        updated = "updated_ordinal" if kind is ItemRow else "NULL"
        names = _ITEM if kind is ItemRow else kind._fields  # type: ignore[attr-defined] # a tuple's
        columns = [f"position - {start}" if name == "offset" else name for name in names]
        texts = ", ".join((*columns, "tombstone", updated))
        which = "from_record" if kind is Event else "true"
        async for some in self.rows(table, number, texts, which):
            yield [Staged(kind(*row[:-2]), *row[-2:]) for row in some]

    async def frames(self) -> list[tuple[Any, ...]]:
        """Return its frames: key, popped, turn, before."""
        return await self._store.query("SELECT key, popped, turn_id, before FROM _frames")

    async def limits(self) -> list[LimitRow]:
        """Return its rate limits."""
        columns = (
            "byte_offset, slot, limit_id, window_minutes, used_percent, resets_at_ms, plan_type,"
            " recorded_at_ms"
        )
        rows = await self._store.query(f"SELECT {columns} FROM _limit_rows ORDER BY 1, 2")
        return [LimitRow(*row) for row in rows]

    async def content(self) -> Content:
        """Return its content, as the file has it; positions count from its first byte."""
        if self._own is None:  # before anything is written over it
            whose = {"start": await self.start(), "whose": "true"}
            turns, items, events = [
                await self._store.query(sql.format(table=table, **whose))
                for table, sql in (("_turns", TURNS), ("_items", ITEMS), ("_events", EVENTS))
            ]
            self._own = Content(
                [TurnRow(*row) for row in turns],
                [ItemRow(*row) for row in items],
                [Event(*row) for row in events],
            )
        return self._own

    async def put(self, rows: Sequence[Change], unsaid: Sequence[bytes]) -> None:
        """Write preserved rows over the file's content, without some events. Idempotent."""
        assert self.last is not None, "there was a batch"
        for uid in unsaid:
            await self._store.query("DELETE FROM _events WHERE uid = ?", (uid,))
        start = self.last.end
        over = replace(self.last, start=start, end=start, records=0, changes=rows)
        await self._store.commit([over])

    async def start(self) -> int:
        """Return the position of its first byte."""
        ((start,),) = await self._store.query("SELECT start_position FROM _rollouts")
        return int(start)

    async def close(self) -> None:
        """Delete it."""
        try:
            await self._store.close()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
