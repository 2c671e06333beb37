"""Rebuild the items that the migration dropped, from the model's calls in a migrated rollout. Pure.

The pairing of calls and outputs is the legacy reducer's (`reduce/legacy/tool_call_recovery.py`);
only turns and rows differ here. Every turn of a migrated rollout has a record that starts it. A row
has the position and the ordinal of its call. An item in the rollout takes precedence over one
rebuilt from its call.

Source: docs on legacy rollouts, e.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from projector.decode.legacy import user_context as prompts
from projector.decode.legacy.fields import Json
from projector.decode.legacy.records import record_of
from projector.model.changes import (
    Anomaly,
    Change,
    ItemRow,
    Lookup,
    LookupResult,
    SessionHeader,
    Tombstone,
)
from projector.model.errors import IncompatibleState
from projector.model.ids import ItemId, Line, Offset, Ordinal, RolloutId
from projector.reduce.legacy.context import ReducerContext, named_turn, passed_turn
from projector.reduce.legacy.state import ID_MAX, Active, ItemKey, State, dumped, loaded
from projector.reduce.legacy.thread import ThreadRecords
from projector.reduce.legacy.tool_call_recovery import ToolCallRecovery
from projector.reduce.legacy.turns import Turns
from projector.reduce.migrated.migration_signs import Beginning
from projector.reduce.paginated.context import ordinal_of

#: Rebuilt items in memory, in case an item of the same call comes later.
_SHOWN_MAX: Final = 64
#: Anomalies of calls. All others are added by the paginated reducer.
_NOTED: Final = frozenset(
    {"bad_arguments", "duplicate_call", "orphan_output", "open_call_aged", "session_aged"}
)


class Calls:
    """The calls of one rollout, from the first sign of a migration on."""

    def __init__(self, rollout_id: RolloutId, state: State) -> None:
        self._state = state
        self._ctx = ReducerContext(rollout_id, state, whole=True)
        self._rows = self._ctx.rows
        self._turns = Turns(self._ctx)
        self._thread = ThreadRecords(self._ctx)
        self._recovery = ToolCallRecovery(self._ctx, self._turns, self._thread)
        self._ordinals: dict[str, Ordinal | None] = {}
        """Ordinals of open calls, by call id.

        An item shown at its output has the call's position.
        """
        self._shown: dict[ItemKey, None] = {}
        """The newest rebuilt items."""
        self._lost: set[ItemKey] = set()
        """Items of open calls that are missing in the store."""

    @classmethod
    def begin(cls, rollout_id: RolloutId, before: Beginning) -> Calls:
        """Begin at the first sign, with the context from the records before it."""
        state = State(
            thread_id=before.thread_id,
            header=SessionHeader(mode="legacy", cli_version=before.cli_version),
            cwd=before.cwd,
            tools=before.tools,
            active=None if before.active is None else Active(turn=before.active, explicit=True),
        )
        return cls(rollout_id, state)

    @classmethod
    def resume(cls, rollout_id: RolloutId, told: Any) -> Calls:
        """Create it from a saved state.

        Raises:
            IncompatibleState: it is of another version.
        """
        try:
            calls = cls(rollout_id, loaded(orjson.dumps(told["state"])))
            calls._ordinals = dict(told["ordinals"])
            calls._shown = {ItemKey(str(turn), str(item)): None for turn, item in told["shown"]}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IncompatibleState("the saved calls of a rollout cannot be read") from error
        return calls

    def dump_state(self) -> bytes:
        """Return the state after the last line."""
        beside = orjson.dumps({"ordinals": self._ordinals, "shown": list(map(list, self._shown))})
        return beside[:-1] + b',"state":' + dumped(self._state) + b"}"

    # Lookups

    def lookup(self) -> frozenset[ItemId]:
        """Return the items needed before further lines are applied."""
        return frozenset(ItemId(key.item) for key in self._missing_items())

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Store the store's answer for the items in `asked`."""
        missing = self._missing_items()
        for item in (each for known in found.items.values() for each in known):
            if (item.turn_id, item.item_id) in missing:
                self._rows.learn_item(item)
        self._lost |= {key for key in self._missing_items() if key.item in asked.items}

    def _missing_items(self) -> set[ItemKey]:
        return self._state.open_items() - self._rows.items.keys() - self._lost

    # Applying lines

    def begin_batch(self, at: Offset) -> None:
        """Begin a batch of lines at an offset."""
        self._ctx.batch = at

    def end_batch(self) -> None:
        """Evict what no later line can change."""
        self._ctx.leave()
        open_items = self._state.open_items()
        self._rows.keep_items(open_items)
        self._rows.turns.clear()
        self._lost &= open_items
        self._ordinals = {
            call_id: at for call_id, at in self._ordinals.items() if call_id in self._state.calls
        }

    def apply(self, record: dict[str, Any], line: Line) -> list[Change]:
        """Apply a record; return the changes that come before those of its own item or turn."""
        told = record_of(record, line.offset, line.end)
        if told is None or told.form != "record":
            return []
        self._ctx.take(told)
        if told.type == "response_item":
            self._response_item(told.payload, ordinal_of(record))
        elif told.type == "event_msg":
            self._event(told.payload)
        elif told.type == "turn_context":
            self._thread.context(told.payload)
        out = self._ctx.changes.drain()
        return list(self._as_paginated(out, ordinal_of(record))) if out else []

    def _as_paginated(self, out: list[Change], ordinal: Ordinal | None) -> Iterator[Change]:
        """Yield the rebuilt items among the legacy reducer's changes, as paginated rows."""
        for change in out:
            if isinstance(change, ItemRow):
                key = ItemKey(str(change.turn_id), str(change.item_id))
                at = ordinal
                if key not in self._shown and change.offset != self._ctx.record.offset:
                    at = self._ordinals.get(key.item, ordinal)
                self._show(key)
                yield change._replace(ordinal=at, owner=None)
            elif isinstance(change, Tombstone) or (
                isinstance(change, Anomaly) and change.kind in _NOTED
            ):
                yield change

    def _show(self, key: ItemKey) -> None:
        self._shown.pop(key, None)
        if len(key.turn) + len(key.item) > ID_MAX:
            return
        self._shown[key] = None
        if len(self._shown) > _SHOWN_MAX:
            del self._shown[next(iter(self._shown))]

    # The model's input

    def _response_item(self, payload: Json, ordinal: Ordinal | None) -> None:
        kind, state = payload.get("type"), self._state
        passed = passed_turn(payload)
        if passed is not None:
            # Turns have records of their own here: the turn named by a call exists.
            self._rows.turn(passed).made = True
        if kind == "message":
            if payload.get("role") == "user":
                for words in prompts.texts_of(payload.get("content")):
                    self._recovery.context(payload, words)
        elif type(kind) is str and (handle := self._recovery.items.get(kind)) is not None:
            handle(payload)
            if not state.calls:
                return
            call_id = next(reversed(state.calls))
            if state.calls[call_id].offset == self._ctx.record.offset:
                self._ordinals[call_id] = ordinal

    # Existing turns and items

    def _event(self, payload: Json) -> None:
        kind, turn_id = payload.get("type"), named_turn(payload)
        state = self._state
        active = state.active
        if kind == "item_completed":
            if turn_id is not None:
                self._told(turn_id, payload.get("item"))
        elif kind in ("task_started", "turn_started"):
            if turn_id is not None and (active is None or active.turn != turn_id):
                state.begin_turn(Active(turn=turn_id, explicit=True))
        elif kind in ("task_complete", "turn_complete", "turn_aborted"):
            ended = turn_id
            if ended is None and active is not None and kind == "turn_aborted":
                ended = active.turn
            if ended is None:
                return
            self._turns.fail_calls(ended)
            if active is not None and active.turn == ended:
                state.leave_turn()

    def _told(self, turn_id: str, item: Any) -> None:
        """Replace an item rebuilt from the call of the same id by the rollout's own item."""
        if type(item) is not dict or type(item.get("id")) is not str:
            return
        item_id: str = item["id"]
        key = ItemKey(turn_id, item_id)
        if key in self._shown:
            # The row gets the item's own position and times.
            del self._shown[key]
            self._state.remember_rebuilt(turn_id, item_id)
        self._recovery.told(self._rows.turn(turn_id), item_id)
        kind = item.get("type")
        if kind == "WebSearch":
            self._state.remember_search(item_id)
        elif kind == "CommandExecution" and item.get("source") == "user_shell":
            self._state.count_user_shell()
