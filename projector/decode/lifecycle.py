"""Records that begin and end turns, and those that complete items. Pure.

Records about turns are read as far as they can be told: a member that Codex's decoder refuses is
unknown, and named, and the others hold. Items are as strict as Codex.
Source: docs on paginated rollouts, 1.8 and 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from projector.decode.errors import DecodeError
from projector.decode.fields import (
    I64_MAX,
    I64_MIN,
    U64_MAX,
    Object,
    agent_path,
    choice,
    integer,
    opt_integer,
    opt_text,
    same,
    text,
    thread_id,
)
from projector.decode.turn_error import error_json, partial_error_json
from projector.model.changes import Status
from projector.model.ids import TurnId

_T = TypeVar("_T")

_MODES: Final = same("plan", "code", "custom", "default", "execute", "pair_programming")
_REASONS: Final = same("interrupted", "replaced", "review_ended", "budget_limited")


class Started(NamedTuple):
    """The start of a turn."""

    turn_id: TurnId
    started_at: int | None
    """Seconds since 1970."""
    root_turn_id: TurnId | None
    refused: str | None
    """The first member that Codex refuses; None: it takes the payload."""


class Ended(NamedTuple):
    """The end of a turn."""

    turn_id: TurnId | None
    """None: an abort that names no turn."""
    status: Status
    started_at: int | None
    """Seconds since 1970, as are the times below."""
    completed_at: int | None
    duration_ms: int | None
    root_turn_id: TurnId | None
    error_json: str | None
    error: Any
    reason: str | None
    """Why it was aborted."""
    refused: str | None
    """As of `Started`."""


class _Members:
    """Members of a payload, read strictly; what is refused is None, and remembered."""

    def __init__(self, payload: Object) -> None:
        self.payload = payload
        self.refused: str | None = None

    def get(self, read: Callable[..., _T], *how: Any) -> _T | None:
        """Return what `read` makes of the payload; None where it refuses it."""
        try:
            return read(self.payload, *how)
        except DecodeError as error:
            if self.refused is None:
                self.refused = str(error)
            return None

    def text(self, name: str) -> str | None:
        """Return a string."""
        value = self.payload.get(name)
        return value if type(value) is str or value is None else self.get(opt_text, name)

    def integer(self, name: str) -> int | None:
        """Return an integer."""
        value = self.payload.get(name)
        if value is None or (type(value) is int and I64_MIN <= value <= I64_MAX):
            return value
        return self.get(opt_integer, name)

    def turn(self, name: str) -> TurnId | None:
        """Return the id of a turn."""
        told = self.text(name)
        return None if told is None else TurnId(told)


def started(payload: Object) -> Started:
    """Read a `task_started`.

    Raises:
        DecodeError: it names no turn.
    """
    turn = text(payload, "turn_id")
    members = _Members(payload)
    members.integer("model_context_window")
    members.text("trace_id")
    if payload.get("turn_attribution") is not None:
        members.get(_check_attribution)
    if "collaboration_mode_kind" in payload:
        members.get(choice, "collaboration_mode_kind", _MODES)
    return Started(
        turn_id=TurnId(turn),
        started_at=members.integer("started_at"),
        root_turn_id=members.turn("root_turn_id"),
        refused=members.refused,
    )


def _check_attribution(payload: Object) -> None:
    attribution = payload["turn_attribution"]
    if type(attribution) is not dict:
        raise DecodeError("turn_attribution")
    try:
        text(attribution, "turn_id")
        for name in ("turn_trigger", "parent_turn_id", "root_turn_id"):
            opt_text(attribution, name)
        if attribution.get("initiating_agent_path") is not None:
            agent_path(attribution, "initiating_agent_path")
    except DecodeError as error:
        raise DecodeError(f"turn_attribution.{error}") from None


def completed(payload: Object) -> Ended:
    """Read a `task_complete`. A turn with an error has failed, whatever the error is.

    Raises:
        DecodeError: it names no turn.
    """
    text(payload, "turn_id")
    members = _Members(payload)
    members.integer("time_to_first_token_ms")
    members.text("last_agent_message")
    failed = payload.get("error") is not None
    return _ended(members, "failed" if failed else "completed", None)


def aborted(payload: Object) -> Ended:
    """Read a `turn_aborted`.

    Raises:
        DecodeError: what should name its turn does not.
    """
    opt_text(payload, "turn_id")
    members = _Members(payload)
    reason = members.get(choice, "reason", _REASONS)
    if reason is None:  # of a later release
        reason = members.text("reason")
    return _ended(members, "interrupted", reason)


def _ended(members: _Members, status: Status, reason: str | None) -> Ended:
    error = members.payload.get("error")
    told = None if error is None else members.get(lambda _: error_json(error))
    if error is not None and told is None:
        told = partial_error_json(error)
    return Ended(
        turn_id=members.turn("turn_id"),
        status=status,
        started_at=members.integer("started_at"),
        completed_at=members.integer("completed_at"),
        duration_ms=members.integer("duration_ms"),
        root_turn_id=members.turn("root_turn_id"),
        error_json=told,
        error=error,
        reason=reason,
        refused=members.refused,
    )


def check_item_completed(payload: Object, own: str | None = None) -> None:
    """Raise `DecodeError` unless Codex takes this `item_completed`, but for its item.

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
