"""Reducer of paginated rollouts. Pure.

The loop in `apply` is hot: a record that changes no row costs its parsing, four look-ups and a
comparison. Everything rare is in a function of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

import orjson

from projector.decode.fields import Object
from projector.decode.long_item import LONG_LINE, long_item
from projector.decode.parse import begins_object, parse
from projector.model.changes import (
    LONG,
    Change,
    Lookup,
    LookupResult,
    SessionHeader,
    ThreadMetadata,
)
from projector.model.ids import Line, Ordinal, RolloutId, ThreadId, TurnId
from projector.model.revisions import SeenKinds
from projector.reduce.evicted_turns import EvictedTurns
from projector.reduce.paginated import irregular_lines
from projector.reduce.paginated.context import STAMP, ReducerContext
from projector.reduce.paginated.handlers import EVENTS, RECORDS, Handler
from projector.reduce.paginated.state import SavedState, load
from projector.reduce.paginated.turns import OpenTurn

#: Maximum number of turns in memory, and how many are kept then; older ones are looked up.
_TURNS_MAX: Final = 4096
_TURNS_KEPT: Final = 2048
#: Events that change the turn named in their payload.
_NAMES_TURN: Final = frozenset(
    (
        "task_started",
        "turn_started",
        "task_complete",
        "turn_complete",
        "turn_aborted",
        "item_completed",
    )
)


def _loads(line: Line) -> Any:
    """Parse a line; None: it is not a JSON object as a whole."""
    try:
        brief = long_item(line.data) if len(line.data) >= LONG_LINE else None
        if brief is not None:
            return brief
        return orjson.loads(line.data) if begins_object(line.data) else None
    except orjson.JSONDecodeError:
        return None


#: Number of lines parsed at once.
_AT_ONCE: Final = 64
_data = itemgetter(2)


def _parsed(lines: Sequence[Line]) -> Iterable[Any]:
    """Return the value of each of a few lines, as `_loads` does, but faster for ordinary ones.

    Long lines are parsed one by one: each value is released before the next.
    """
    if not _are_long(lines):
        try:
            return list(map(orjson.loads, map(_data, lines)))
        except orjson.JSONDecodeError:
            pass
    return map(_loads, lines)


def _are_long(lines: Sequence[Line]) -> bool:
    """False if none of a few lines is long."""
    return lines[-1].end - lines[0].offset >= LONG


class _Handlers(dict[tuple[str, Any], Handler | None]):
    """Handlers of the kinds of records that were seen already: one look-up for each record."""

    def __init__(self, kinds: SeenKinds) -> None:
        self._kinds = kinds

    def __missing__(self, pair: tuple[str, Any]) -> Handler | None:
        """Note a kind, and return its handler.

        Raises:
            KeyError, TypeError: it is not known.
        """
        kind, inner = pair
        handle = EVENTS[inner] if kind == "event_msg" else RECORDS[kind]
        self._kinds.see(kind, inner)
        if pair in self._kinds.pairs:
            self[pair] = handle
        return handle


class PaginatedReducer:
    """Reducer of one paginated rollout (`reduce/protocol.py`)."""

    def __init__(
        self, rollout_id: RolloutId, thread_id: ThreadId, saved: SavedState | None = None
    ) -> None:
        """`saved`: state of an earlier process; None: reading starts at the first byte."""
        self._ctx = ReducerContext(rollout_id, thread_id, SavedState() if saved is None else saved)
        self._evicted = EvictedTurns(whole=saved is None)
        self.kinds = self._ctx.kinds
        """Kinds of records, events and items in the lines so far."""
        self._handlers = _Handlers(self.kinds)
        self._decoded: tuple[Sequence[Line], list[Any]] | None = None

    @classmethod
    def resume(cls, rollout_id: RolloutId, thread_id: ThreadId, state: bytes) -> PaginatedReducer:
        """Create the reducer from a saved state.

        Raises:
            IncompatibleState: the state is of another version.
        """
        return cls(rollout_id, thread_id, load(state))

    @property
    def header(self) -> SessionHeader:
        """Return the contents of the first session_meta."""
        return self._ctx.saved.header

    @property
    def meta(self) -> ThreadMetadata:
        """Return the thread's metadata from the records so far."""
        return self._ctx.saved.meta

    @property
    def next_ordinal(self) -> Ordinal:
        """One more than the greatest ordinal read."""
        return Ordinal(self._ctx.saved.highest + 1)

    @property
    def remembered(self) -> int:
        """Return the number of turns held in memory."""
        return len(self._ctx.turns)

    def dump_state(self) -> bytes:
        """Return the state after the last `apply`.

        Turns beyond the maximum are evicted here and nowhere else: they are in the rows that are
        committed with this state.
        """
        turns = self._ctx.turns
        if len(turns) > _TURNS_MAX:
            names = list(turns)[: len(turns) - _TURNS_KEPT]
            self._evicted.add(names)
            for name in names:
                del turns[name]
        return self._ctx.saved.dump()

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Return the turns that are needed before `lines` are applied."""
        if self._evicted.is_empty:
            return Lookup()
        if self._decoded is None or self._decoded[0] is not lines:
            self._decoded = (lines, [_loads(line) for line in lines])
        named: set[TurnId] = set()
        for line, record in zip(lines, self._decoded[1], strict=True):
            records = (
                (record,)
                if isinstance(record, dict)
                else [found.value for found in parse(line).objects]
            )
            for each in records:
                name = self._names(each)
                if name is not None and name not in self._ctx.turns and name in self._evicted:
                    named.add(TurnId(name))
        return Lookup(turns=frozenset(named))

    def _names(self, record: Object) -> str | None:
        """Return the turn that a record changes; None: it changes none."""
        payload = record.get("payload")
        if type(payload) is not dict:
            return None
        kind = record.get("type")
        if kind == "event_msg":
            event = payload.get("type")
            if event == "error":
                return self._ctx.saved.active
            if type(event) is not str or event not in _NAMES_TURN:
                return None
        elif kind != "turn_context":
            return None
        name = payload.get("turn_id")
        if type(name) is str:
            return name
        return self._ctx.saved.active

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Store the store's answer for the turns in `asked`."""
        turns = self._ctx.turns
        for name in asked.turns - turns.keys():
            turns[name] = OpenTurn.known(found.turns.get(name))

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Apply complete lines in file order; return their changes."""
        ctx = self._ctx
        ctx.begin(lines)
        decoded, self._decoded = self._decoded, None
        known_values = decoded[1] if decoded is not None and decoded[0] is lines else None
        numbers, handlers = ctx.numbers, self._handlers
        plain, due = ctx.is_plain(), numbers.due
        record: Any = None
        known = False
        for first in range(0, len(lines), _AT_ONCE):
            some = lines[first : first + _AT_ONCE]
            are_long = _are_long(some)
            records = (
                _parsed(some) if known_values is None else known_values[first : first + _AT_ONCE]
            )
            for index, record in enumerate(records, first):
                known = False
                try:
                    ordinal = record["ordinal"]
                    if plain and ordinal == due and ordinal.__class__ is int:
                        payload = record["payload"]
                        if len(record["timestamp"]) == STAMP:
                            handle = handlers[record["type"], payload.get("type")]
                            known = True
                except (KeyError, TypeError, AttributeError):
                    pass  # not as Codex writes it
                if known:
                    due += 1
                    if are_long and len(lines[index].data) >= LONG:
                        ctx.note_time(record, index)
                    if handle is not None:
                        handle(ctx, payload, record, lines[index], index)
                else:
                    numbers.due = due
                    irregular_lines.apply(ctx, lines[index], record, index)
                    plain, due = ctx.is_plain(), numbers.due
            # `end` may parse lines again: release the values of the first time before.
            if first + _AT_ONCE >= len(lines) and known:
                ctx.note_time(record, len(lines) - 1)
            del records
            record = payload = None
        numbers.due = due
        del decoded, known_values
        return ctx.end()

    def pass_over(self, torn: int) -> None:
        """Count lines that hold no record: a gap in the ordinals behind them is theirs."""
        self._ctx.numbers.lose(torn)

    def take_own(self, lines: Sequence[Line]) -> list[Change]:
        """Apply lines that were skipped as a copy of the parent's, and are the thread's own.

        `lines`: all so far that have an effect. None of them has made a row yet.
        """
        ctx = self._ctx
        ctx.turns.clear()
        ctx.begin_again(lines)
        for index, line in enumerate(lines):
            irregular_lines.apply_again(ctx, line, index)
        return ctx.end_again()
