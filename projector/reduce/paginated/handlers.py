"""Handlers for each kind of record and event. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from projector.decode.fields import Object
from projector.decode.record_types import EVENT_TYPES, RECORD_TYPES
from projector.reduce.paginated import item_records, thread_records, turn_records
from projector.reduce.paginated.context import Place, ReducerContext

#: Arguments: the payload, the record around it, its location, and the index of its line in this
#: call.
Handler = Callable[[ReducerContext, Object, Object, Place, int], None]

#: Handler of each record type; None: ignored. Events have a table of their own.
RECORDS: Final[dict[str, Handler | None]] = {
    **dict.fromkeys(RECORD_TYPES - {"event_msg"}),
    "session_meta": thread_records.session_meta,
    "realtime_item": item_records.realtime,
    "turn_context": turn_records.context,
    "token_usage_record": thread_records.usage,
}

#: Handler of each event type; None: ignored.
EVENTS: Final[dict[str, Handler | None]] = {
    **dict.fromkeys(EVENT_TYPES),
    "task_started": turn_records.started,
    "turn_started": turn_records.started,
    "task_complete": turn_records.completed,
    "turn_complete": turn_records.completed,
    "turn_aborted": turn_records.aborted,
    "item_completed": item_records.item,
    "error": turn_records.failed,
    "token_count": thread_records.tokens,
    "thread_settings_applied": thread_records.settings,
    "thread_goal_updated": thread_records.goal,
}
