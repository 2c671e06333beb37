"""Reducer of legacy rollouts.

Source: docs on legacy rollouts; the laws of `reduce.protocol` hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from projector.decode.errors import DecodeError
from projector.decode.legacy.fields import Json
from projector.decode.legacy.records import Record, read_records
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
from projector.reduce.legacy.event_handlers import EventHandlers, Handler
from projector.reduce.legacy.rollback_stack import rollback_of
from projector.reduce.legacy.state import Active, ItemKey, State, dumped, loaded


class _Handlers(dict[tuple[str, str | None], Handler | None]):
    """Handlers of the kinds of records that were seen already: one look-up for each record."""

    def __init__(self, kinds: SeenKinds, handlers: EventHandlers) -> None:
        self._kinds = kinds
        self._handlers = handlers

    def __missing__(self, pair: tuple[str, str | None]) -> Handler | None:
        """Note a kind, and return its handler."""
        kind, inner = pair
        if kind:
            self._kinds.see(kind, inner)
        handle = self._handlers.of(kind, inner)
        if inner == "item_completed":
            handle = partial(self._completed, handle)
        if pair in self._kinds.pairs:  # of others each one is counted
            self[pair] = handle
        return handle

    def _completed(self, handle: Handler | None, payload: Json) -> None:
        """Note of which kind an item is, before its record is applied."""
        self._kinds.see_item(payload)
        if handle is not None:
            handle(payload)


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
        self._of_kind = _Handlers(self.kinds, self._handlers)
        self._read: list[Record | Anomaly] = []
        self._read_for: tuple[Line, ...] = ()
        """Lines that `_read` was decoded from: a cache, the only thing that `lookup` changes."""
        self._rolled_back = 0
        """Maximum number of boundaries that the records of `_read` roll back."""
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

    def _goes_back_to(self) -> list[Active]:
        """Return the turns that rollbacks among the records may reactivate."""
        count = self._rolled_back
        back = self._handlers.boundaries.before(count)
        if count and self._state.before_start is not None:
            back.append(self._state.before_start)
        return back

    def _missing_frames(self) -> int:
        count = self._rolled_back
        return count if self._handlers.boundaries.missing(count) else 0

    # Applying lines

    def _decode(self, lines: Sequence[Line]) -> None:
        read_for = tuple(lines)
        if read_for == self._read_for:
            return
        self._read_for = read_for
        self._read = read_records(lines)
        self._rolled_back = sum(
            [
                rollback_of(record.payload) or 0
                for record in self._read
                if not isinstance(record, Anomaly)
                and record.type == "event_msg"
                and record.payload.get("type") == "thread_rolled_back"
            ]
        )

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
        ctx, state, handlers = self._ctx, self._state, self._of_kind
        handle: Handler | None
        for record in self._read:
            if isinstance(record, Anomaly):
                ctx.changes.add(record)
                continue
            ctx.take(record)
            pair = state.pair
            form, kind, payload, _, _, _ = record
            if form == "bare item":
                handle = self._of_bare_item(kind, payload)
            else:
                inner = payload.get("type")
                handle = handlers[kind, inner if inner.__class__ is str else None]
            if form != "nothing":
                if not state.begun:
                    self._handlers.thread.begin(record)
                if handle is not None:
                    try:
                        handle(payload)
                    except DecodeError as error:
                        ctx.note("malformed", f"{error} is missing or not as it should be")
            if pair is not None:
                state.expire_pair(pair)

    def _of_bare_item(self, kind: str, payload: Json) -> Handler:
        """Note of which kind a bare item is, and return its handler."""
        self.kinds.see("response_item", kind)
        if kind == "item_completed":
            self.kinds.see_item(payload)
        return partial(self._handlers.bare_item, kind)
