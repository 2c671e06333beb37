"""Apply records about turns: their starts, ends, errors and model. Pure.

A start or an end that Codex refuses is applied as far as it is readable, and noted. It changes an
existing turn, and leaves it open; only a start that is refused for its payload alone creates one.
An `error` event that Codex refuses changes nothing.
"""

from __future__ import annotations

import re
from typing import Any, Final

from projector.decode import known_members as members
from projector.decode import lifecycle, turn_error
from projector.decode.errors import DecodeError
from projector.decode.fields import U64_MAX, Object
from projector.decode.lossless_json import within_codex_bounds
from projector.decode.times import to_ms
from projector.model.ids import Line
from projector.reduce import thread
from projector.reduce.paginated import turns
from projector.reduce.paginated.context import Place, ReducerContext, ordinal_of, plain_name
from projector.reduce.paginated.turns import OpenTurn
from projector.reduce.turn_states import Step

#: The migration gives such an id to a turn that no record opened.
_MADE_UP: Final = re.compile(r"rollout-\d{1,18}").fullmatch


def started(
    ctx: ReducerContext, payload: Object, record: Object, place: Place, _index: int
) -> None:
    """Apply a `task_started`."""
    saved = ctx.saved
    try:
        told = lifecycle.started(payload)
    except DecodeError as error:
        ctx.refused("task_started", str(error), place, record)
        return
    more = _note_unknown(ctx, record, payload, place)
    turn_id = told.turn_id
    turn = ctx.turn(turn_id)
    around = _refused_around(record, place)
    _note_refused(ctx, "task_started", told, place, record, around=around)
    if turn.row is None and around is not None:
        return  # it cannot tell where a turn begins
    saved.tokens.turn_began(turn_id)
    if saved.copied is None or (saved.copied and not _MADE_UP(turn_id)):
        saved.copied = thread.is_older(turn_id, saved.header.thread_id or ctx.thread)
    step = turns.start(
        turn,
        told,
        uid=ctx.turn_uid,
        offset=place.offset,
        ordinal=ordinal_of(record),
        model=saved.meta.model,
    )
    at_ms = to_ms(record.get("timestamp"))
    if step is not None:
        saved.active = turn_id
        _put_step(ctx, turn, step, place, at_ms, told=more)
    if at_ms is not None:
        saved.meta.last_turn_at_ms = at_ms


def completed(
    ctx: ReducerContext, payload: Object, record: Object, place: Place, _index: int
) -> None:
    """Apply a `task_complete`: the turn is completed, or failed if the record has an error."""
    try:
        ended = lifecycle.completed(payload)
    except DecodeError as error:
        ctx.refused("task_complete", str(error), place, record)
        return
    _ended(ctx, "task_complete", ended, record, place)


def aborted(
    ctx: ReducerContext, payload: Object, record: Object, place: Place, _index: int
) -> None:
    """Apply a `turn_aborted`."""
    try:
        ended = lifecycle.aborted(payload)
    except DecodeError as error:
        ctx.refused("turn_aborted", str(error), place, record)
        return
    _ended(ctx, "turn_aborted", ended, record, place)


def _ended(
    ctx: ReducerContext, what: str, ended: lifecycle.Ended, record: Object, place: Place
) -> None:
    more = _note_unknown(ctx, record, record["payload"], place)
    if ended.error is not None:
        ctx.note_fields(turn_error.unknown_members(ended.error), place)
    turn_id, saved = ended.turn_id, ctx.saved
    around = _refused_around(record, place)
    refused = _note_refused(ctx, what, ended, place, record, around=around)
    if turn_id is None:
        return
    turn = ctx.turn(turn_id)
    if refused:
        step = turns.end_refused(turn, ended, model=saved.meta.model)
    else:
        if saved.active == turn_id:
            saved.active = None
        step = turns.end(
            turn,
            ended,
            turn_id,
            uid=ctx.turn_uid,
            offset=place.offset,
            ordinal=ordinal_of(record),
            end_offset=place.end,
            model=saved.meta.model,
        )
    if step is not None:
        told = {"reason": ended.reason, **_error(ended.error), **more}
        _put_step(ctx, turn, step, place, to_ms(record.get("timestamp")), told=told)


def failed(ctx: ReducerContext, payload: Object, record: Object, place: Place, _index: int) -> None:
    """Apply an `error` event: the active turn fails, unless the error is of a harmless kind."""
    info, active = payload.get("codex_error_info"), ctx.saved.active
    try:
        error = turn_error.error_json(payload)
    except DecodeError as refused:
        ctx.refused("error", str(refused), place, record)
        return
    ctx.note_fields(turn_error.unknown_members(payload), place)
    if active is None or turn_error.kind(info) in turn_error.HARMLESS:
        return
    turn = ctx.turn(active)
    why = _refused_around(record, place)
    if why is not None:
        ctx.refused("error", why, place, record)
    elif (step := turns.fail(turn, error)) is not None:
        at_ms = to_ms(record.get("timestamp"))
        _put_step(ctx, turn, step, place, at_ms, told=_error(payload))


def context(
    ctx: ReducerContext, payload: Object, _record: Object, place: Place, _index: int
) -> None:
    """Apply a `turn_context`: it sets the model of the thread, and of a turn that is open."""
    saved = ctx.saved
    thread.apply_context(saved.meta, payload)
    saved.tokens.context(payload)
    ctx.changes.extend(saved.tokens.named(saved.meta.model, place.offset))
    named = payload.get("turn_id")
    turn_id = named if type(named) is str else saved.active
    turn = None if turn_id is None else ctx.turns.get(turn_id)
    if turn is None or turn.row is None or turn.items is None:
        return
    if turn.row.model != saved.meta.model:
        turn.row = turn.row._replace(model=saved.meta.model)
        ctx.put(turn)


def _note_unknown(ctx: ReducerContext, record: Object, payload: Object, place: Place) -> Object:
    """Note the members of a record that are not known, and return them."""
    more, names = members.of_turn(record, payload)
    if names:
        ctx.note_fields(names, place)
    return more


def _note_refused(
    ctx: ReducerContext,
    what: str,
    told: lifecycle.Started | lifecycle.Ended,
    place: Place,
    record: Object,
    *,
    around: str | None,
) -> bool:
    """Append an anomaly if Codex refuses a record of a turn; True if it does.

    `around`: what Codex refuses of the record but for its payload.
    """
    why = told.refused or around
    if why is not None:
        of = "" if told.turn_id is None else f" of turn {plain_name(told.turn_id)}"
        ctx.refused(f"{what}{of}", why, place, record)
    return why is not None


def _refused_around(record: Object, place: Place) -> str | None:
    """Return what Codex refuses of a record but for its payload; None: nothing."""
    if type(record.get("timestamp")) is not str:
        return "timestamp"
    if type(place) is not Line:
        return None  # the damage of its line is noted
    ordinal = record.get("ordinal")
    if ordinal is not None and not (type(ordinal) is int and 0 <= ordinal <= U64_MAX):
        return "ordinal"
    if not within_codex_bounds(record, place.data):
        return "an integer too large, or nested too deeply"
    return None


def _put_step(
    ctx: ReducerContext,
    turn: OpenTurn,
    step: Step,
    place: Place,
    at_ms: int | None,
    *,
    told: Object,
) -> None:
    """Append a turn's row and the events of a step.

    `at_ms`: time of the record; `told`: more members of the events' payload.
    """
    ctx.put(turn)
    row = turn.row
    if row is None or not step.events:
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
    for event in step.events:
        ctx.event(event, row.turn_id, told, place, at_ms)


def _error(error: Any) -> Object:
    """Return the error in an event's payload."""
    if type(error) is not dict:
        return {}
    message = error.get("message")
    kind = turn_error.kind(error.get("codex_error_info"))
    return {"error": {"message": message if type(message) is str else None, "kind": kind}}
