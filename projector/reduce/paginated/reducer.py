"""Lines of a paginated rollout → changes of its rows: the way in. Pure.

The loop in `take` is hot: a record that changes no row costs its parsing, four look-ups and a
comparison. Everything that is rare stands behind a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
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
from projector.reduce.paginated import irregular_lines as odd_lines
from projector.reduce.paginated.context import STAMP, ReducerContext
from projector.reduce.paginated.handlers import EVENTS, RECORDS, Handler
from projector.reduce.paginated.state import SavedState, load
from projector.reduce.paginated.turns import OpenTurn

#: How many turns are remembered; beyond that the store is asked for older ones.
_TURNS_MAX: Final = 4096
_TURNS_KEPT: Final = 2048
#: Events whose payload names a turn that the reducer must know.
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
    """Read a line; None: it needs more thought."""
    try:
        brief = long_item(line.data) if len(line.data) >= LONG_LINE else None
        if brief is not None:
            return brief
        return orjson.loads(line.data) if begins_object(line.data) else None
    except orjson.JSONDecodeError:
        return None


#: Lines that are read in one go.
_AT_ONCE: Final = 64
_data = attrgetter("data")


def _records(lines: Sequence[Line]) -> Iterable[Any]:
    """Return what `_loads` gives for each line; faster, because most need no thought.

    Long ones are read one by one: each is gone before the next.
    """
    return chain.from_iterable(
        _some(lines[at : at + _AT_ONCE]) for at in range(0, len(lines), _AT_ONCE)
    )


def _some(lines: Sequence[Line]) -> Iterable[Any]:
    if lines[-1].end - lines[0].offset < LONG:
        try:
            return list(map(orjson.loads, map(_data, lines)))
        except orjson.JSONDecodeError:
            pass
    return map(_loads, lines)


class PaginatedReducer:
    """One paginated rollout (`reduce/protocol.py`)."""

    def __init__(
        self, rollout_id: RolloutId, thread_id: ThreadId, saved: SavedState | None = None
    ) -> None:
        """`saved`: where an earlier process left off; None: at the start of the file."""
        self._desk = ReducerContext(rollout_id, thread_id, SavedState() if saved is None else saved)
        self._remembers_all = saved is None
        self.kinds = self._desk.kinds
        """Kinds of records, events and items in the lines so far."""
        self._decoded: tuple[Sequence[Line], list[Any]] | None = None

    @classmethod
    def resume(cls, rollout_id: RolloutId, thread_id: ThreadId, state: bytes) -> PaginatedReducer:
        """Make it anew from what `save` gave.

        Raises:
            IncompatibleState: the state is of another version.
        """
        return cls(rollout_id, thread_id, load(state))

    @property
    def header(self) -> SessionHeader:
        """What the first session_meta said."""
        return self._desk.saved.header

    @property
    def meta(self) -> ThreadMetadata:
        """What the records so far say of the thread."""
        return self._desk.saved.meta

    @property
    def next_ordinal(self) -> Ordinal:
        """One more than the greatest ordinal read."""
        return Ordinal(self._desk.saved.highest + 1)

    @property
    def remembered(self) -> int:
        """How many turns it holds in memory."""
        return len(self._desk.turns)

    def dump_state(self) -> bytes:
        """Return the state after the last `take`.

        Turns beyond a bound are forgotten here and nowhere else: what is forgotten is in the
        rows that are committed with this state.
        """
        turns = self._desk.turns
        if len(turns) > _TURNS_MAX:
            for name in list(turns)[: len(turns) - _TURNS_KEPT]:
                del turns[name]
            self._remembers_all = False
        return self._desk.saved.dump()

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Tell which turns must be known before `lines` are taken."""
        if self._remembers_all:
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
                if name is not None and name not in self._desk.turns:
                    named.add(TurnId(name))
        return Lookup(turns=frozenset(named))

    def _names(self, record: Object) -> str | None:
        """Return the turn that must be known to take a record."""
        payload = record.get("payload")
        if type(payload) is not dict:
            return None
        kind = record.get("type")
        if kind == "event_msg":
            event = payload.get("type")
            if event == "error":
                return self._desk.saved.active
            if type(event) is not str or event not in _NAMES_TURN:
                return None
        elif kind != "turn_context":
            return None
        name = payload.get("turn_id")
        if type(name) is str:
            return name
        return self._desk.saved.active

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Remember what the store has of the turns in `asked`."""
        turns = self._desk.turns
        for name in asked.turns - turns.keys():
            turns[name] = OpenTurn.known(found.turns.get(name))

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Take whole lines, in the order of the file, and return what they change."""
        desk = self._desk
        desk.begin(lines)
        decoded, self._decoded = self._decoded, None
        records: Iterable[Any] = (
            decoded[1] if decoded is not None and decoded[0] is lines else _records(lines)
        )
        numbers = desk.numbers
        plain, last = desk.is_plain(), len(lines) - 1
        handle: Handler | None = None
        ordinal: Any = None
        payload: Any = None
        seen = desk.kinds.pairs
        for index, (line, record) in enumerate(zip(lines, records, strict=True)):
            known = False
            try:
                ordinal = record["ordinal"]
                if plain and ordinal == numbers.due and ordinal.__class__ is int:
                    payload = record["payload"]
                    kind = record["type"]
                    handle = EVENTS[payload["type"]] if kind == "event_msg" else RECORDS[kind]
                    known = payload.__class__ is dict and len(record["timestamp"]) == STAMP
            except (KeyError, TypeError):
                pass  # not as Codex writes it
            if known:
                if index == last or len(line.data) >= LONG:
                    desk.note_time(record, index)
                numbers.due = ordinal + 1
                inner = payload.get("type")
                if inner.__class__ is not str:
                    inner = None
                if (kind, inner) not in seen:
                    desk.kinds.see(kind, inner)
                if handle is not None:
                    handle(desk, payload, record, line, index)
            else:
                odd_lines.take(desk, line, record, index)
                plain = desk.is_plain()
        # `end` may read lines again: not beside what was read of them before.
        del decoded, records
        record = payload = None
        return desk.end()

    def pass_over(self, torn: int) -> None:
        """Count lines that hold no record: a gap in the ordinals behind them is theirs."""
        self._desk.numbers.lose(torn)

    def take_own(self, lines: Sequence[Line]) -> list[Change]:
        """Take lines again that were passed over as a copy of the parent's: they are none.

        `lines`: those of the rollout so far that do something. Nothing of it has made a row yet.
        """
        desk = self._desk
        desk.turns.clear()
        desk.begin_again(lines)
        for index, line in enumerate(lines):
            odd_lines.take_again(desk, line, index)
        return desk.end_again()
