"""Records that begin and end turns, and those that complete items. Pure.

Codex's decoder decides whether they count at all: what it refuses here changes no turn.
Source: docs on paginated rollouts, 1.8 and 3.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from projector.decode.errors import DecodeError
from projector.decode.fields import (
    I64_MAX,
    I64_MIN,
    U64_MAX,
    Object,
    agent_path,
    choice,
    integer,
    obj,
    opt_integer,
    opt_text,
    same,
    text,
    thread_id,
)
from projector.decode.turn_error import error_json
from projector.model.changes import Status
from projector.model.ids import TurnId

_MODES: Final = same("plan", "code", "custom", "default", "execute", "pair_programming")
_REASONS: Final = same("interrupted", "replaced", "review_ended", "budget_limited")


class Started(NamedTuple):
    """A turn begins."""

    turn_id: TurnId
    started_at: int | None
    """Seconds since 1970."""
    root_turn_id: TurnId | None


class Ended(NamedTuple):
    """A turn comes to its end."""

    turn_id: TurnId | None
    """None: an abort that names no turn."""
    status: Status
    started_at: int | None
    """Seconds since 1970, as the times below."""
    completed_at: int | None
    duration_ms: int | None
    root_turn_id: TurnId | None
    error_json: str | None
    error: Any
    reason: str | None
    """Why it was aborted."""


def started(payload: Object) -> Started:
    """Read a `task_started`.

    Raises:
        Refused: Codex does not take it.
    """
    turn = text(payload, "turn_id")
    opt_integer(payload, "model_context_window")
    opt_text(payload, "trace_id")
    attribution = payload.get("turn_attribution")
    if attribution is not None:
        attribution = obj(attribution, "turn_attribution")
        text(attribution, "turn_id")
        for name in ("turn_trigger", "parent_turn_id", "root_turn_id"):
            opt_text(attribution, name)
        if attribution.get("initiating_agent_path") is not None:
            agent_path(attribution, "initiating_agent_path")
    if "collaboration_mode_kind" in payload:
        choice(payload, "collaboration_mode_kind", _MODES)
    root = opt_text(payload, "root_turn_id")
    return Started(
        TurnId(turn),
        opt_integer(payload, "started_at"),
        None if root is None else TurnId(root),
    )


def completed(payload: Object) -> Ended:
    """Read a `task_complete`.

    Raises:
        Refused: Codex does not take it.
    """
    turn = text(payload, "turn_id")
    opt_integer(payload, "time_to_first_token_ms")
    opt_text(payload, "last_agent_message")
    failed = payload.get("error") is not None
    return _ended(payload, turn, "failed" if failed else "completed", None)


def aborted(payload: Object) -> Ended:
    """Read a `turn_aborted`.

    Raises:
        Refused: Codex does not take it.
    """
    reason = choice(payload, "reason", _REASONS)
    return _ended(payload, opt_text(payload, "turn_id"), "interrupted", reason)


def _ended(payload: Object, turn: str | None, status: Status, reason: str | None) -> Ended:
    root = opt_text(payload, "root_turn_id")
    error = payload.get("error")
    return Ended(
        None if turn is None else TurnId(turn),
        status,
        opt_integer(payload, "started_at"),
        opt_integer(payload, "completed_at"),
        opt_integer(payload, "duration_ms"),
        None if root is None else TurnId(root),
        None if error is None else error_json(error),
        error,
        reason,
    )


def check_item_completed(payload: Object, own: str | None = None) -> None:
    """Raise `Refused` unless Codex takes this `item_completed`, but for its item.

    `own` is the id of the thread that it most likely names; None: not known.
    """
    get = payload.get
    told = get("thread_id")
    if told != own or told is None:
        thread_id(told, "thread_id")
    if type(get("turn_id")) is not str:
        raise DecodeError("turn_id")
    started, completed = get("started_at_ms"), get("completed_at_ms", 0)
    if started is not None and not (type(started) is int and I64_MIN <= started <= I64_MAX):
        raise DecodeError("started_at_ms")
    if not (type(completed) is int and I64_MIN <= completed <= I64_MAX):
        raise DecodeError("completed_at_ms")
    if get("content_token_count") is not None:
        integer(payload, "content_token_count", 0, U64_MAX)
