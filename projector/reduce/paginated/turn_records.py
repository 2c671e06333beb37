"""Records about turns: where they begin, end or fail, and which model they have. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from projector.decode import lifecycle, turn_error
from projector.decode.acceptance.lines import within_bounds
from projector.decode.acceptance.records import takes_envelope
from projector.decode.errors import DecodeError
from projector.decode.fields import Object
from projector.decode.times import to_ms
from projector.model.changes import EventType, TurnRow, uid
from projector.model.ids import Line
from projector.reduce import thread
from projector.reduce.paginated import turns
from projector.reduce.paginated.context import Place, ReducerContext, ordinal_of
from projector.reduce.paginated.turns import OpenTurn

#: The migration gives such an id to a turn that no record opened.
_MADE_UP: Final = re.compile(r"rollout-\d{1,18}").fullmatch
_TURN_EVENTS: Final[dict[str, EventType]] = {
    "inProgress": "turn.started",
    "completed": "turn.completed",
    "failed": "turn.failed",
    "interrupted": "turn.cancelled",
}


def started(
    desk: ReducerContext, payload: Object, record: Object, place: Place, _index: int
) -> None:
    """Take a `task_started`."""
    saved = desk.saved
    try:
        told = lifecycle.started(payload)
    except DecodeError as error:
        desk.refused("task_started", error, place)
        return
    if not _takes(desk, record, place):
        return
    turn_id = told.turn_id
    saved.tokens.turn_began(turn_id)
    if saved.copied is None or (saved.copied and not _MADE_UP(turn_id)):
        saved.copied = thread.is_older(turn_id, saved.header.thread_id or desk.thread)
    turn = desk.turn(turn_id)
    before = turn.row
    if turns.start(
        turn,
        told,
        uid=uid("turn", desk.rollout, turn_id),
        offset=place.offset,
        ordinal=ordinal_of(record),
        model=saved.meta.model,
    ):
        saved.active = turn_id
        _put_status(desk, turn, before, place, record, told={})
    at_ms = to_ms(record.get("timestamp"))
    if at_ms is not None:
        saved.meta.last_turn_at_ms = at_ms


def completed(
    desk: ReducerContext, payload: Object, record: Object, place: Place, _index: int
) -> None:
    """Take a `task_complete`: the turn is completed, or failed if it tells of an error."""
    try:
        ended = lifecycle.completed(payload)
    except DecodeError as error:
        desk.refused("task_complete", error, place)
        return
    _ended(desk, ended, record, place)


def aborted(
    desk: ReducerContext, payload: Object, record: Object, place: Place, _index: int
) -> None:
    """Take a `turn_aborted`."""
    try:
        ended = lifecycle.aborted(payload)
    except DecodeError as error:
        desk.refused("turn_aborted", error, place)
        return
    _ended(desk, ended, record, place)


def _ended(desk: ReducerContext, ended: lifecycle.Ended, record: Object, place: Place) -> None:
    turn_id, saved = ended.turn_id, desk.saved
    if turn_id is None or not _takes(desk, record, place):
        return
    turn = desk.turn(turn_id)
    before = turn.row
    if saved.active == turn_id:
        saved.active = None
    if turns.end(
        turn,
        ended,
        turn_id,
        uid=uid("turn", desk.rollout, turn_id),
        offset=place.offset,
        ordinal=ordinal_of(record),
        end_offset=place.end,
        model=saved.meta.model,
    ):
        _put_status(
            desk, turn, before, place, record, told={"reason": ended.reason, **_error(ended.error)}
        )


def failed(
    desk: ReducerContext, payload: Object, record: Object, place: Place, _index: int
) -> None:
    """Take an `error` event: it fails the turn that runs, unless it is of a harmless kind."""
    info, active = payload.get("codex_error_info"), desk.saved.active
    try:
        error = turn_error.error_json(payload)
    except DecodeError as refused:
        desk.refused("error", refused, place)
        return
    if active is None or turn_error.kind(info) in turn_error.HARMLESS:
        return
    turn = desk.turn(active)
    before = turn.row
    if _takes(desk, record, place) and turns.fail(turn, error):
        _put_status(desk, turn, before, place, record, told=_error(payload))


def context(
    desk: ReducerContext, payload: Object, _record: Object, place: Place, _index: int
) -> None:
    """Take a `turn_context`: it tells the model of the thread, and of a turn that is open."""
    saved = desk.saved
    thread.context(saved.meta, payload)
    saved.tokens.context(payload)
    desk.changes.extend(saved.tokens.named(saved.meta.model, place.offset))
    named = payload.get("turn_id")
    turn_id = named if type(named) is str else saved.active
    turn = None if turn_id is None else desk.turns.get(turn_id)
    if turn is None or turn.row is None or turn.items is None:
        return
    if turn.row.model != saved.meta.model:
        turn.row = turn.row._replace(model=saved.meta.model)
        desk.put(turn)


def _takes(desk: ReducerContext, record: Object, place: Place) -> bool:
    """Tell whether Codex takes a record that changes a turn, as far as its line goes."""
    if type(place) is not Line:
        return type(record.get("timestamp")) is str
    if takes_envelope(record) and within_bounds(record, place.data):
        return True
    desk.note("refused_record", place, "a record that Codex refuses; its turn stays as it is")
    return False


def _put_status(
    desk: ReducerContext,
    turn: OpenTurn,
    before: TurnRow | None,
    place: Place,
    record: Object,
    *,
    told: Object,
) -> None:
    """Put a turn's row, and tell of its status if that is another one now."""
    desk.put(turn)
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
    desk.event(_TURN_EVENTS[row.status], row.turn_id, told, place, at_ms)


def _error(error: Any) -> Object:
    """Give what an event tells of an error."""
    if type(error) is not dict:
        return {}
    kind = turn_error.kind(error.get("codex_error_info"))
    return {"error": {"message": error.get("message"), "kind": kind}}
