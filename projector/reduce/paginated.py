"""Lines of a paginated rollout → changes of its rows. Pure.

Every record that can be read is projected, in the order of the file, whatever its ordinal; what
is odd is noted. What Codex itself would make of the ordinals is kept in `numbers.py`, for those
who compare. Rows as docs on paginated rollouts have them: turns in `turns.py`, items below.

The loop in `take` is hot: a record that changes no row costs its parsing, four look-ups and a
comparison. Everything that is rare stands behind a call.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson

from projector.decode import acceptance, exact, item, lifecycle, realtime, turn_error
from projector.decode.fields import I64_MAX, I64_MIN, Object
from projector.decode.parse import Found as FoundObject
from projector.decode.parse import parse
from projector.decode.refused import Refused
from projector.decode.times import to_ms
from projector.place import ItemId, Line, Ordinal, RolloutId, ThreadId, TurnId
from projector.reduce import header as headers
from projector.reduce import thread, turns
from projector.reduce.numbers import Numbers
from projector.reduce.saved import Saved, load
from projector.reduce.turns import Turn
from projector.rows import (
    Anomaly,
    Change,
    Event,
    EventType,
    Found,
    Header,
    ItemRow,
    Meta,
    RealtimeRow,
    TurnRow,
    Wants,
    uid,
    uids,
)

#: How many turns are remembered; beyond that the store is asked for older ones.
_TURNS_MAX: Final = 4096
_TURNS_KEPT: Final = 2048
#: How many unknown kinds are noted for one rollout.
_STRANGE_MAX: Final = 256
#: Characters of a timestamp as Codex writes it: others are looked at.
_STAMP: Final = 24
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}").fullmatch

_TURN_EVENTS: Final[dict[str, EventType]] = {
    "inProgress": "turn.started",
    "completed": "turn.completed",
    "failed": "turn.failed",
    "interrupted": "turn.cancelled",
}
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
        return orjson.loads(line.data)
    except orjson.JSONDecodeError:
        return None


class PaginatedReducer:
    """One paginated rollout (`reduce/contract.py`)."""

    def __init__(
        self, rollout_id: RolloutId, thread_id: ThreadId, saved: Saved | None = None
    ) -> None:
        """`saved`: where an earlier process left off; None: at the start of the file."""
        self._rollout = rollout_id
        self._thread = thread_id
        self._item_uid = uids("item", rollout_id)
        self._usage_uid = uids("usage", rollout_id)
        self._saved = Saved() if saved is None else saved
        self._numbers = Numbers(self._saved)
        self._strange = set(self._saved.strange)
        self._turns: dict[str, Turn] = {}
        self._remembers_all = saved is None
        self._asked: frozenset[TurnId] = frozenset()
        self._decoded: tuple[Sequence[Line], list[Any]] | None = None
        self._changes: list[Change] = []
        self._take = 0
        self._lines: Sequence[Line] = ()
        self._timed = 0
        self._last_ms: int | None = None

    @classmethod
    def resume(cls, rollout_id: RolloutId, thread_id: ThreadId, state: bytes) -> PaginatedReducer:
        """Make it anew from what `save` gave.

        Raises:
            StateUnknown: the state is of another version.
        """
        return cls(rollout_id, thread_id, load(state))

    @property
    def header(self) -> Header:
        """What the first session_meta said."""
        return self._saved.header

    @property
    def meta(self) -> Meta:
        """What the records so far say of the thread."""
        return self._saved.meta

    @property
    def next_ordinal(self) -> Ordinal:
        """What Codex would expect next."""
        return Ordinal(self._saved.next)

    def save(self) -> bytes:
        """Give the state after the last `take`.

        Turns beyond a bound are forgotten here and nowhere else: what is forgotten is in the
        rows that are committed with this state.
        """
        if len(self._turns) > _TURNS_MAX:
            for name in list(self._turns)[: len(self._turns) - _TURNS_KEPT]:
                del self._turns[name]
            self._remembers_all = False
        return self._saved.dump()

    def wants(self, lines: Sequence[Line]) -> Wants:
        """Tell which turns must be known before `lines` are taken."""
        if self._remembers_all:
            return Wants()
        if self._decoded is None or self._decoded[0] is not lines:
            self._decoded = (lines, [_loads(line) for line in lines])
        named: set[TurnId] = set()
        for line, record in zip(lines, self._decoded[1], strict=True):
            records = (
                (record,)
                if type(record) is dict
                else [found.value for found in parse(line).objects]
            )
            for each in records:
                name = self._names(each)
                if name is not None and name not in self._turns:
                    named.add(TurnId(name))
        self._asked = frozenset(named)
        return Wants(turns=self._asked)

    def _names(self, record: Object) -> str | None:
        """Give the turn that must be known to take a record."""
        payload = record.get("payload")
        if type(payload) is not dict:
            return None
        kind = record.get("type")
        if kind == "event_msg":
            event = payload.get("type")
            if event == "error":
                return self._saved.active
            if type(event) is not str or event not in _NAMES_TURN:
                return None
        elif kind != "turn_context":
            return None
        name = payload.get("turn_id")
        if type(name) is str:
            return name
        return self._saved.active

    def learn(self, found: Found) -> None:
        """Hear what the store has of the turns that were asked for."""
        for name in self._asked:
            self._turns[name] = Turn.known(found.turns.get(name))
        self._asked = frozenset()

    def take(self, lines: Sequence[Line]) -> list[Change]:
        """Take whole lines, in the order of the file, and give what they change."""
        changes: list[Change] = []
        self._changes = changes
        self._take += 1
        self._lines = lines
        self._timed = 0
        self._last_ms = self._saved.meta.updated_at_ms
        decoded, self._decoded = self._decoded, None
        records: Iterable[Any] = (
            decoded[1] if decoded is not None and decoded[0] is lines else map(_loads, lines)
        )
        numbers = self._numbers
        wait = numbers.waiting.append
        plain = self._is_plain()
        handle: _Handler | None = None
        ordinal: Any = None
        payload: Any = None
        for index, (line, record) in enumerate(zip(lines, records, strict=True)):
            known = False
            try:
                ordinal = record["ordinal"]
                if plain and ordinal == numbers.due and ordinal.__class__ is int:
                    payload = record["payload"]
                    kind = record["type"]
                    handle = _EVENTS[payload["type"]] if kind == "event_msg" else _RECORDS[kind]
                    known = payload.__class__ is dict and len(record["timestamp"]) == _STAMP
            except (KeyError, TypeError):
                pass  # not as Codex writes it
            if known:
                wait(line.data)
                numbers.due = ordinal + 1
                if handle is not None:
                    handle(self, payload, record, line, index)
            else:
                self._line(line, record, index)
                plain = self._is_plain()
        numbers.resolve()
        self._saved.meta.updated_at_ms = self._time_before(len(lines))
        self._lines = ()
        return changes

    def _is_plain(self) -> bool:
        """Tell whether records that follow need no thought but for their ordinals."""
        saved = self._saved
        return saved.headed and (not saved.inherited or saved.header.subagent_start_ordinal is None)

    # --- lines and records that need more thought ----------------------------------------

    def _line(self, line: Line, record: Any, index: int) -> None:
        if type(record) is dict:
            self._record(record, line, index)
            return
        parsed = parse(line)
        self._changes.extend(parsed.anomalies)
        for note in parsed.anomalies:
            if note.kind == "torn":
                self._numbers.lose()
        for found in parsed.objects:
            self._record(found.value, found, index)

    def _record(self, record: Object, place: _Place, index: int) -> None:
        kind, payload = record.get("type"), record.get("payload")
        is_meta = kind == "session_meta" and type(payload) is dict
        if not self._saved.headed:
            self._first(record, payload if is_meta else None, place)
            if is_meta and record.get("ordinal") is None:
                return
        self._number(record, place, index)
        if _is_unlike_a_stamp(record.get("timestamp")) and to_ms(record.get("timestamp")) is None:
            self._note("bad_time", place, "a record whose time cannot be read")
        if self._is_inherited(record.get("ordinal")):
            return
        if type(kind) is not str or "payload" not in record:
            self._note("not_record", place, "an object without type or payload")
            return
        event = payload.get("type") if kind == "event_msg" and type(payload) is dict else None
        if kind not in _RECORDS and kind != "event_msg":
            self._note_strange("record", kind, place)
        elif type(payload) is not dict or (kind == "event_msg" and type(event) is not str):
            self._note("not_record", place, "a record whose payload is of no form that is known")
        elif kind == "event_msg" and event not in _EVENTS:
            self._note_strange("event", str(event), place)
        else:
            handle = _EVENTS[event] if type(event) is str else _RECORDS[kind]
            if handle is not None:
                handle(self, payload, record, place, index)

    def _number(self, record: Object, place: _Place, index: int) -> None:
        ordinal, numbers = record.get("ordinal"), self._numbers
        data = self._lines[index].data
        if type(ordinal) is int and ordinal == numbers.due:
            numbers.waiting.append(data)
            numbers.due += 1
            return
        note = numbers.odd(ordinal, data, place.offset, place.end - place.offset)
        if note is not None:
            self._changes.append(note)

    def _is_inherited(self, ordinal: Any) -> bool:
        """Tell whether a record is of the copy of the parent's with which agents begin."""
        saved = self._saved
        first = saved.header.subagent_start_ordinal
        if first is None or not saved.inherited:
            return False
        if type(ordinal) is int and ordinal >= first:
            saved.inherited = False
        return saved.inherited

    def _first(self, record: Object, payload: Object | None, place: _Place) -> None:
        """Take the first record: the header, or a sign that there is none."""
        saved = self._saved
        saved.headed = True
        at_ms = to_ms(record.get("timestamp"))
        if payload is None:
            saved.orphan = True
            self._note("no_header", place, "the first record is no session_meta")
        else:
            saved.header = headers.header(payload, at_ms)
            headers.describe(saved.meta, payload)
            if not acceptance.SESSION_META(payload):
                self._note("refused_header", place, "a session_meta that Codex refuses")
            base = saved.header.base
            self._numbers.begin(0 if base is None else base.end_ordinal)
        for kind, told in headers.events(saved.header, self._rollout, self._thread):
            self._event(kind, None, told, place, at_ms)

    def _session_meta(
        self,
        payload: Object,
        record: Object,
        place: _Place,  # noqa: ARG002
        index: int,  # noqa: ARG002
    ) -> None:
        """Take a later session_meta: one of another thread came with copied history."""
        saved = self._saved
        if not headers.is_of(payload, saved.header.thread_id or self._thread):
            return
        if saved.orphan:
            saved.orphan = False
            saved.header = headers.header(payload, to_ms(record.get("timestamp")))
        else:
            saved.header = headers.renewed(saved.header, payload)
        headers.describe(saved.meta, payload)

    # --- turns -----------------------------------------------------------------------------

    def _turn(self, turn_id: str) -> Turn:
        turn = self._turns.get(turn_id)
        if turn is None:
            turn = self._turns[turn_id] = Turn()
        return turn

    def _put(self, turn: Turn) -> None:
        """Put a turn's row, in the place of one that this call has put before."""
        row = turn.row
        assert row is not None, "only rows that are there change"
        if turn.take == self._take:
            self._changes[turn.slot] = row
        else:
            turn.take, turn.slot = self._take, len(self._changes)
            self._changes.append(row)

    def _put_status(
        self,
        turn: Turn,
        before: TurnRow | None,
        place: _Place,
        record: Object,
        told: Object,
    ) -> None:
        """Put a turn's row, and tell of its status if that is another one now."""
        self._put(turn)
        row = turn.row
        if row is None or (before is not None and before.status == row.status):
            return
        told = {
            "status": row.status,
            "started_at": row.started_at,
            "completed_at": row.completed_at,
            "duration_ms": row.duration_ms,
            "root_turn_id": row.root_turn_id,
            "model": row.model,
            **told,
        }
        at_ms = to_ms(record.get("timestamp"))
        self._event(_TURN_EVENTS[row.status], row.turn_id, told, place, at_ms)

    def _started(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        saved = self._saved
        try:
            started = lifecycle.started(payload)
        except Refused as error:
            self._refused("task_started", error, place)
            return
        if not self._takes(record, place):
            return
        turn_id = started.turn_id
        turn = self._turn(turn_id)
        before = turn.row
        if turns.start(
            turn,
            started,
            uid=uid("turn", self._rollout, turn_id),
            offset=place.offset,
            ordinal=_ordinal(record),
            model=saved.meta.model,
        ):
            saved.active = turn_id
            self._put_status(turn, before, place, record, {})
        at_ms = to_ms(record.get("timestamp"))
        if at_ms is not None:
            saved.meta.last_turn_at_ms = at_ms

    def _completed(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        try:
            ended = lifecycle.completed(payload)
        except Refused as error:
            self._refused("task_complete", error, place)
            return
        self._ended(ended, record, place)

    def _aborted(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        try:
            ended = lifecycle.aborted(payload)
        except Refused as error:
            self._refused("turn_aborted", error, place)
            return
        self._ended(ended, record, place)

    def _ended(self, ended: lifecycle.Ended, record: Object, place: _Place) -> None:
        turn_id, saved = ended.turn_id, self._saved
        if turn_id is None or not self._takes(record, place):
            return
        turn = self._turn(turn_id)
        before = turn.row
        if saved.active == turn_id:
            saved.active = None
        if turns.end(
            turn,
            ended,
            turn_id,
            uid=uid("turn", self._rollout, turn_id),
            offset=place.offset,
            ordinal=_ordinal(record),
            end_offset=place.end,
            model=saved.meta.model,
        ):
            self._put_status(
                turn, before, place, record, {"reason": ended.reason, **_error(ended.error)}
            )

    def _takes(self, record: Object, place: _Place) -> bool:
        """Tell whether Codex takes a record that changes a turn, as far as its line goes."""
        if type(place) is not Line:
            return type(record.get("timestamp")) is str
        if acceptance.takes_envelope(record) and acceptance.within_bounds(record, place.data):
            return True
        self._note("refused_record", place, "a record that Codex refuses; its turn stays as it is")
        return False

    def _failed(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        """Take an `error` event: it fails the turn that runs, unless it is of a harmless kind."""
        info, active = payload.get("codex_error_info"), self._saved.active
        try:
            error = turn_error.error_json(payload)
        except Refused as refused:
            self._refused("error", refused, place)
            return
        if active is None or turn_error.kind(info) in turn_error.HARMLESS:
            return
        turn = self._turn(active)
        before = turn.row
        if self._takes(record, place) and turns.fail(turn, error):
            self._put_status(turn, before, place, record, _error(payload))

    # --- items -------------------------------------------------------------------------------

    def _item(self, payload: Object, record: Object, place: _Place, index: int) -> None:
        try:
            lifecycle.check_item_completed(payload, self._thread)
            shown = item.convert(payload.get("item"))
        except Refused as error:
            self._kept_item(payload, record, place, index, error)
            return
        if item.needs_exact(shown):
            shown = self._exactly(shown, index)
            if exact.refused_integer(self._lines[index].data):
                self._note("refused_item", place, "Codex refuses it: an integer too large")
        self._put_item(payload, shown, record, place, index)

    def _kept_item(
        self, payload: Object, record: Object, place: _Place, index: int, error: Refused
    ) -> None:
        """Keep an item that Codex's decoder refuses, where it can be told which one it is."""
        body = payload.get("item")
        kept = item.keep(body)
        if kept is None or type(payload.get("turn_id")) is not str:
            self._note("lost_item", place, f"an item that cannot be told: {error}")
            return
        shown = kept.shown
        if not kept.known:
            self._note_strange("item", shown["type"], place)
        else:
            self._note("refused_item", place, f"Codex refuses it: {error}")
            with contextlib.suppress(Refused):  # only the record around it is odd
                shown = item.convert(body)
        if exact.has_float(shown):
            shown = self._exactly(shown, index)
        self._put_item(payload, shown, record, place, index)

    def _exactly(self, shown: Object, index: int) -> Object:
        """Give an item once more, with all numbers spelled as they are in the file."""
        try:
            body = exact.loads(self._lines[index].data)["payload"]["item"]
        except (ValueError, KeyError, TypeError):  # from a damaged line: exact already
            return shown
        try:
            return item.convert(body)
        except Refused:
            kept = item.keep(body)
            return shown if kept is None else kept.shown

    def _put_item(
        self, payload: Object, shown: Object, record: Object, place: _Place, index: int
    ) -> None:
        turn_id: TurnId = payload["turn_id"]
        item_id: ItemId = shown["id"]
        kind: str = shown["type"]
        started = _i64(payload.get("started_at_ms"))
        completed = _i64(payload.get("completed_at_ms"))
        created = started
        if created is None:
            created = to_ms(record.get("timestamp"))
            if created is None:
                created = self._some_time(record, place, index, completed)
        try:
            text = orjson.dumps(shown).decode()
        except TypeError:
            text = exact.dumps(shown)
        self._changes.append(
            ItemRow(
                self._item_uid(turn_id, item_id),
                turn_id,
                item_id,
                place.offset,
                _ordinal(record),
                created,
                started,
                completed or None,
                kind,
                text,
            )
        )
        meta = self._saved.meta
        if kind == "userMessage" and meta.preview is None:
            meta.preview = thread.preview(shown)
            if meta.preview is not None:
                meta.preview_offset = place.offset
        turn = self._turns.get(turn_id) or self._turn(turn_id)
        if turn.items is not None and turns.item_counts(turn, item_id, turns.counts_as(shown)):
            self._put(turn)

    def _realtime(self, payload: Object, record: Object, place: _Place, index: int) -> None:
        try:
            shown = realtime.convert(payload)
        except Refused as error:
            shown = payload
            if type(shown.get("id")) is not str or type(shown.get("type")) is not str:
                self._note("lost_item", place, f"a realtime item that cannot be told: {error}")
                return
            self._note("refused_item", place, f"Codex refuses it: {error}")
        created = to_ms(record.get("timestamp"))
        if created is None:
            created = self._some_time(record, place, index, None)
        ordinal = _ordinal(record)
        self._changes.append(
            RealtimeRow(
                uid("realtime", self._rollout, shown["id"]),
                ItemId(shown["id"]),
                place.offset,
                Ordinal(max(self._saved.seen, 0)) if ordinal is None else ordinal,
                created,
                shown["type"],
                exact.dumps(shown),
            )
        )

    # --- what else is told ---------------------------------------------------------------------

    def _context(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        saved = self._saved
        thread.context(saved.meta, payload)
        named = payload.get("turn_id")
        turn_id = named if type(named) is str else saved.active
        turn = None if turn_id is None else self._turns.get(turn_id)
        if turn is None or turn.row is None or turn.items is None:
            return
        if turn.row.model != saved.meta.model:
            turn.row = turn.row._replace(model=saved.meta.model)
            self._put(turn)

    def _settings(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        thread.settings(self._saved.meta, payload)

    def _goal(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        thread.goal(self._saved.meta, payload)

    def _tokens(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        total = thread.total_tokens(payload)
        if total is not None:
            self._saved.meta.total_tokens = total
        # Refused ones have stopped whole histories: docs on files, section 5.
        odd = (total is None and payload.get("info") is not None) or thread.has_odd_rate(payload)
        if odd and acceptance.ordinal_taken(self._lines[index].data) is None:
            self._note("refused_record", place, "a token_count that Codex refuses")

    def _usage(self, payload: Object, record: Object, place: _Place, index: int) -> None:  # noqa: ARG002
        row = thread.usage(
            payload,
            uid=self._usage_uid(place.offset),
            offset=place.offset,
            ordinal=_ordinal(record),
            model=self._saved.meta.model,
            at_ms=to_ms(record.get("timestamp")),
        )
        if row is None:
            self._note("refused_record", place, "a token_usage_record that cannot be read")
        else:
            self._changes.append(row)

    # --- times, events, notes ------------------------------------------------------------------

    def _some_time(self, record: Object, place: _Place, index: int, completed: int | None) -> int:
        """Give a time for an item that has none: of the record before, or the best there is."""
        if not _is_unlike_a_stamp(record.get("timestamp")):  # else it was noted
            self._note("bad_time", place, "an item whose time cannot be read")
        before = self._time_before(index)
        for known in (before, completed, self._saved.header.created_at_ms):
            if known is not None:
                return known
        return 0

    def _time_before(self, index: int) -> int | None:
        """Give the last readable time of the lines before this one, and of earlier calls."""
        for at in range(index - 1, self._timed - 1, -1):
            found = [to_ms(each.value.get("timestamp")) for each in parse(self._lines[at]).objects]
            known = [ms for ms in found if ms is not None]
            if known:
                self._last_ms = known[-1]
                break
        self._timed = max(self._timed, index)
        return self._last_ms

    def _event(
        self,
        kind: EventType,
        turn_id: TurnId | None,
        told: Object,
        place: _Place,
        at_ms: int | None,
    ) -> None:
        self._changes.append(
            Event(
                uid("event", self._rollout, kind, turn_id or "", place.offset),
                kind,
                turn_id,
                orjson.dumps(
                    {key: held for key, held in told.items() if held is not None}
                ).decode(),
                at_ms,
            )
        )

    def _note(self, kind: str, place: _Place, detail: str) -> None:
        self._changes.append(Anomaly(kind, place.offset, place.end - place.offset, detail))

    def _note_strange(self, what: str, name: str, place: _Place) -> None:
        """Note an unknown kind the first time that it comes."""
        shown = name if _PLAIN_NAME(name) else f"a name of {len(name)} characters"
        key = f"{what}:{shown}"
        if key in self._strange or len(self._strange) >= _STRANGE_MAX:
            return
        self._strange.add(key)
        self._saved.strange.append(key)
        self._note(f"unknown_{what}", place, shown)

    def _refused(self, what: str, error: Refused, place: _Place) -> None:
        self._note("refused_record", place, f"{what}: {error}")


def _is_unlike_a_stamp(stamp: Any) -> bool:
    return type(stamp) is not str or len(stamp) != _STAMP


def _ordinal(record: Object) -> Ordinal | None:
    """Give the ordinal of a record, if a row can hold it."""
    ordinal = record.get("ordinal")
    return Ordinal(ordinal) if type(ordinal) is int and 0 <= ordinal <= I64_MAX else None


def _i64(value: Any) -> int | None:
    return value if type(value) is int and I64_MIN <= value <= I64_MAX else None


def _error(error: Any) -> Object:
    """Give what an event tells of an error."""
    if type(error) is not dict:
        return {}
    kind = turn_error.kind(error.get("codex_error_info"))
    return {"error": {"message": error.get("message"), "kind": kind}}


_Place = Line | FoundObject
_Handler = Callable[[PaginatedReducer, Object, Object, _Place, int], None]

#: What a record does; None: nothing.
_RECORDS: Final[dict[str, _Handler | None]] = dict.fromkeys(acceptance.KNOWN_RECORDS)
_RECORDS.update(
    {
        "session_meta": PaginatedReducer._session_meta,  # noqa: SLF001 - a table of its methods
        "realtime_item": PaginatedReducer._realtime,  # noqa: SLF001
        "turn_context": PaginatedReducer._context,  # noqa: SLF001
        "token_usage_record": PaginatedReducer._usage,  # noqa: SLF001
    }
)
del _RECORDS["event_msg"]

#: What an event does; None: nothing.
_EVENTS: Final[dict[str, _Handler | None]] = dict.fromkeys(acceptance.KNOWN_EVENTS)
_EVENTS.update(
    {
        "task_started": PaginatedReducer._started,  # noqa: SLF001
        "turn_started": PaginatedReducer._started,  # noqa: SLF001
        "task_complete": PaginatedReducer._completed,  # noqa: SLF001
        "turn_complete": PaginatedReducer._completed,  # noqa: SLF001
        "turn_aborted": PaginatedReducer._aborted,  # noqa: SLF001
        "item_completed": PaginatedReducer._item,  # noqa: SLF001
        "error": PaginatedReducer._failed,  # noqa: SLF001
        "token_count": PaginatedReducer._tokens,  # noqa: SLF001
        "thread_settings_applied": PaginatedReducer._settings,  # noqa: SLF001
        "thread_goal_updated": PaginatedReducer._goal,  # noqa: SLF001
    }
)
