"""Reducer of legacy rollouts.

Source: docs on legacy rollouts; the laws of `reduce.protocol` hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from projector.decode.errors import DecodeError
from projector.decode.legacy.records import Record, read_into
from projector.decode.record_types import EVENT_TYPES, RECORD_TYPES
from projector.model.changes import (
    Anomaly,
    Change,
    Lookup,
    LookupResult,
    SessionHeader,
    ThreadMetadata,
)
from projector.model.ids import ItemId, Line, Ordinal, RolloutId, ThreadId, TurnId
from projector.model.revisions import SeenKinds
from projector.reduce.legacy.context import ReducerContext, named_turn, passed_turn
from projector.reduce.legacy.event_handlers import EventHandlers
from projector.reduce.legacy.rollback_stack import rollback_of
from projector.reduce.legacy.state import Active, ItemKey, State, dumped, loaded

#: Records and events removed before the release whose list we have.
_RETIRED: Final = frozenset(
    {"session_state", "undo_started", "undo_completed", "thread_name_updated", "background_event"}
)


class LegacyReducer:
    """Reducer of one legacy rollout in one process. See `reduce.protocol.Reducer`."""

    def __init__(
        self, rollout_id: RolloutId, thread_id: ThreadId, *, state: State | None = None
    ) -> None:
        whole = state is None
        self.kinds = SeenKinds()
        """Kinds of records, events and items in the lines so far."""
        self._state = State(thread_id=str(thread_id)) if state is None else state
        self._ctx = ReducerContext(rollout_id, self._state, whole=whole)
        self._rows = self._ctx.rows
        self._handlers = EventHandlers(self._ctx, whole=whole)
        self._read: list[Record | Anomaly] = []
        self._read_for: tuple[Line, ...] = ()
        """Lines that `_read` was decoded from: a cache, the only thing that `lookup` changes."""
        self._lost: set[ItemKey] = set()
        """Items of open calls that are missing in the store."""

    @classmethod
    def resume(cls, rollout_id: RolloutId, thread_id: ThreadId, state: bytes) -> LegacyReducer:
        """Create the reducer from a saved state.

        Raises:
            IncompatibleState: it is of another version.
        """
        return cls(rollout_id, thread_id, state=loaded(state))

    @property
    def header(self) -> SessionHeader:
        """Return the contents of the first session_meta."""
        return self._state.header

    @property
    def meta(self) -> ThreadMetadata:
        """Return the thread's metadata from the records so far."""
        return self._state.meta

    @property
    def next_ordinal(self) -> Ordinal:
        """Return 0: legacy records have no ordinals."""
        return Ordinal(0)

    @property
    def remembered(self) -> int:
        """Return the number of turns and items held in memory."""
        return len(self._rows.turns) + len(self._rows.items)

    def dump_state(self) -> bytes:
        """Return the state after the last `apply`."""
        return dumped(self._state)

    # Lookups

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Return the earlier rows that are needed before `lines` are applied."""
        if not lines:
            return Lookup()
        self._decode(lines)
        turns = frozenset(map(TurnId, self._missing_turns()))
        return Lookup(
            turns=turns,
            items=frozenset(ItemId(key.item) for key in self._missing_items()),
            frames=self._missing_frames(),
            frames_of=turns,
        )

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Store the store's answer for the rows in `asked`."""
        rows = self._rows
        if asked.frames:
            self._handlers.boundaries.learn(found.frames, asked.frames)
        for turn_id in asked.turns - rows.turns.keys():
            rows.learn_turn(turn_id, found.turns.get(turn_id))
            frame = found.frames_of.get(turn_id)
            if frame is not None:
                rows.turn(turn_id).bind(frame)
        for item in (each for known in found.items.values() for each in known):
            rows.learn_item(item)
        self._lost |= {key for key in self._missing_items() if key.item in asked.items}

    def _missing_turns(self) -> set[str]:
        evicted = self._rows.evicted
        if evicted.is_empty:
            return set()
        state = self._state
        needed = self._named()
        if state.active is not None:
            needed.add(state.active.turn)
        if state.started_last is not None:
            needed.add(state.started_last)
        needed.update(call.turn for call in state.calls.values())
        needed.update(each.turn for each in state.sessions.values())
        needed.update(each.turn for each in self._goes_back_to())
        return {name for name in needed - self._rows.turns.keys() if name in evicted}

    def _named(self) -> set[str]:
        """Return the turns named in the records."""
        named: set[str] = set()
        for record in self._read:
            if isinstance(record, Anomaly):
                continue
            turn_id = named_turn(record.payload) or passed_turn(record.payload)
            if turn_id is not None:
                named.add(turn_id)
        return named

    def _missing_items(self) -> set[ItemKey]:
        # Items of open calls are held from the first byte on, an old reasoning is not.
        needed = set() if self._rows.is_whole else self._state.open_items()
        for back in self._goes_back_to():
            if back.reasoning is not None:
                needed.add(ItemKey(back.turn, back.reasoning))
        return needed - self._rows.items.keys() - self._lost

    def _rolls_back(self) -> int:
        """Return the maximum number of boundaries that the records roll back."""
        return sum(
            (rollback_of(record.payload) or 0)
            for record in self._read
            if not isinstance(record, Anomaly)
            and record.type == "event_msg"
            and record.payload.get("type") == "thread_rolled_back"
        )

    def _goes_back_to(self) -> list[Active]:
        """Return the turns that rollbacks among the records may reactivate."""
        count = self._rolls_back()
        back = self._handlers.boundaries.before(count)
        if count and self._state.before_start is not None:
            back.append(self._state.before_start)
        return back

    def _missing_frames(self) -> int:
        count = self._rolls_back()
        return count if self._handlers.boundaries.missing(count) else 0

    # Applying lines

    def _decode(self, lines: Sequence[Line]) -> None:
        read_for = tuple(lines)
        if read_for == self._read_for:
            return
        self._read_for = read_for
        read = self._read = []
        for line in lines:
            read_into(read, line)

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Apply complete lines in file order; return their changes."""
        if lines:
            self._decode(lines)
            self._ctx.batch = lines[0].offset
            self._take()
            self._read_for, self._read = (), []
            self._ctx.leave()
        changes = self._ctx.changes.drain()
        state = self._state
        open_items = state.open_items()
        self._rows.keep_items(open_items)
        active = None if state.active is None else state.active.turn
        self._rows.forget_turns((active, state.started_last))
        self._handlers.boundaries.forget()
        self._lost &= open_items
        return changes

    def pass_over(self, torn: int) -> None:
        """Do nothing: legacy records are not numbered."""

    def _take(self) -> None:
        ctx, state = self._ctx, self._state
        for record in self._read:
            if isinstance(record, Anomaly):
                ctx.changes.add(record)
                continue
            ctx.take(record)
            self._see(record)
            pair = state.pair
            if record.form == "nothing":
                if pair is not None:
                    state.expire_pair(pair)
                continue
            if not state.begun:
                self._handlers.thread.begin(record)
            try:
                self._dispatch(record)
            except DecodeError as error:
                ctx.note("malformed", f"{error} is missing or not as it should be")
            if pair is not None:
                state.expire_pair(pair)

    def _see(self, record: Record) -> None:
        """Note of which kind a record is."""
        kind, inner = record.type, record.payload.get("type")
        if record.form == "bare item":
            kind, inner = "response_item", kind
        if inner.__class__ is not str:
            inner = None
        if (kind, inner) not in self.kinds.pairs and kind:
            self.kinds.see(kind, inner)
        if inner == "item_completed":
            self.kinds.see_item(record.payload)

    def _dispatch(self, record: Record) -> None:
        payload, kind = record.payload, record.type
        if kind == "event_msg" and record.form == "record":
            self._event(payload)
        elif kind == "response_item" and record.form == "record":
            inner = payload.get("type")
            if type(inner) is not str:
                raise DecodeError("type")
            self._handlers.response_item(inner, payload)
        elif record.form == "bare item":
            self._handlers.bare_item(kind, payload)
        elif kind == "session_meta":
            self._handlers.thread.head(payload)
        elif kind == "turn_context":
            model = self._handlers.thread.context(payload)
            if model is not None:
                self._handlers.turns.model(model)
        elif (take := self._handlers.records.get(kind)) is not None:
            take(payload)
        elif kind not in RECORD_TYPES and kind not in _RETIRED:
            self._ctx.note_unknown("record", kind)

    def _event(self, payload: dict[str, object]) -> None:
        kind = payload.get("type")
        if type(kind) is not str:
            raise DecodeError("type")
        take = self._handlers.events.get(kind)
        if take is not None:
            take(payload)
        elif kind not in EVENT_TYPES and kind not in _RETIRED:
            self._ctx.note_unknown("event", kind)
