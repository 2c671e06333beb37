"""Names and numbers that the tables of every engine share. Pure."""

from __future__ import annotations

from typing import Final

from projector.model.changes import SessionHeader, ThreadMetadata

#: Values of `tombstone`. Replaced: the rollout's new content lacks the row.
REPLACED: Final = 1
ROLLED_BACK: Final = 2
DROPPED: Final = 3
#: SQLite's tables of rows that name turns by keys; the view with the turns' ids has the other name.
SQLITE_ROWS: Final = {"_items": "_item_rows", "_usage": "_usage_rows"}
#: Columns of a rollout with the names of the header's fields, except the base, which has columns of
#: its own, and the thread, which the batch names.
HEADER: Final = tuple(
    name for name in SessionHeader.__struct_fields__ if name not in ("base", "thread_id")
)
META: Final = ThreadMetadata.__struct_fields__
