"""What the tables of every engine share: names and numbers in them. Pure."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from projector.model.changes import SessionHeader, ThreadMetadata

#: `tombstone`: why a row is one. Replaced: the rollout's new content lacks it.
REPLACED: Final = 1
ROLLED_BACK: Final = 2
DROPPED: Final = 3
#: Where SQLite keeps rows that name turns by keys; of the other name is a view with their ids.
SQLITE_ROWS: Final = {"_items": "_item_rows", "_usage": "_usage_rows"}
#: Columns of a rollout of the same name as the fields of the header; its base has columns of its
#: own, and its thread is the batch's.
HEADER: Final = tuple(
    field.name for field in fields(SessionHeader) if field.name not in ("base", "thread_id")
)
META: Final = tuple(field.name for field in fields(ThreadMetadata))
