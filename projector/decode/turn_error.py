"""Convert the error that ended a turn to the app-server protocol. Pure.

Source: docs on paginated rollouts, section 3, checked against Codex 0.171.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from projector.decode import lossless_json as exact
from projector.decode.errors import DecodeError
from projector.decode.fields import Object
from projector.decode.members import Found, Members

#: `codex_error_info` as a plain name → `codexErrorInfo`.
_NAMES: Final = {
    "context_window_exceeded": "contextWindowExceeded",
    "session_budget_exceeded": "sessionBudgetExceeded",
    "usage_limit_exceeded": "usageLimitExceeded",
    "rate_limit_exceeded": "rateLimitExceeded",
    "flex_unavailable": "flexUnavailable",
    "server_overloaded": "serverOverloaded",
    "model_not_found": "modelNotFound",
    "policy_capacity_unavailable": "policyCapacityUnavailable",
    "bio_policy": "bioPolicy",
    "cyber_policy": "cyberPolicy",
    "misalignment_policy_violation": "misalignmentPolicyViolation",
    "too_many_denials": "tooManyDenials",
    "internal_server_error": "internalServerError",
    "unauthorized": "unauthorized",
    "bad_request": "badRequest",
    "thread_rollback_failed": "threadRollbackFailed",
    "sandbox_error": "sandboxError",
    "other": "other",
    "inference_hook_denied": "inferenceHookDenied",
    "invalid_prompt": "other",  # Codex 0.171 writes it, and shows no more of it
}
#: Kinds that carry an HTTP status.
_CONNECTIONS: Final = {
    "http_connection_failed": "httpConnectionFailed",
    "response_stream_connection_failed": "responseStreamConnectionFailed",
    "response_stream_disconnected": "responseStreamDisconnected",
    "response_too_many_failed_attempts": "responseTooManyFailedAttempts",
}
_NOT_STEERABLE: Final = "active_turn_not_steerable"
_STATUS_MAX: Final = 65535

_KEYS: Final = ("message", "codexErrorInfo", "additionalDetails", "misalignment")
#: Members of an error; `type` is that of an `error` event.
_ERROR: Final = Members(
    "type message",
    also=" ".join(_KEYS),
    codex_error_info=(
        Members(
            " ".join(_NAMES),
            {name: (Members("http_status_code"), shown) for name, shown in _CONNECTIONS.items()},
            active_turn_not_steerable=(Members("turn_kind"), "activeTurnNotSteerable"),
        ),
        "codexErrorInfo",
    ),
)

#: Kinds of an `error` event that do not change the turn (docs on legacy rollouts, b5).
HARMLESS: Final = frozenset({"thread_rollback_failed", _NOT_STEERABLE})


def error_json(error: Any) -> str:
    """Return a turn's `error_json` from the `error` of the record that ended it.

    Members that are not known are kept in it.

    Raises:
        DecodeError: Codex does not accept the record with this error.
    """
    if type(error) is not dict:
        raise DecodeError("error")
    message = error.get("message")
    if type(message) is not str:
        raise DecodeError("error.message")
    shown = _shown(message, error_info(error.get("codex_error_info")))
    _keep(error, shown, Found())
    return exact.dumps(shown)


def partial_error_json(error: Any) -> str | None:
    """Return the `error_json` of what can be told of an error that Codex refuses; None: nothing."""
    if type(error) is not dict:
        return None if error is None else exact.dumps(_refused(error))
    message, info = error.get("message"), None
    shown = _shown(message if type(message) is str else "", None)
    if type(message) is not str and message is not None:
        shown["message_"] = message
    try:
        info = shown["codexErrorInfo"] = error_info(error.get("codex_error_info"))
    except DecodeError:
        error = dict(error)
        shown["codex_error_info"] = error.pop("codex_error_info")
    _keep(error, shown, Found())
    if type(message) is not str and len(shown) == len(_KEYS) and info is None:
        return None
    return exact.dumps(shown)


def unknown_members(error: Any) -> Sequence[str]:
    """Return the names of the members of an error that are kept though they are not known."""
    if type(error) is not dict or type(error.get("message")) is not str:
        return ()
    found = Found()
    try:
        shown = _shown("", error_info(error.get("codex_error_info")))
    except DecodeError:
        return ()
    _keep(error, shown, found)
    return found.names


def _refused(error: Any) -> Object:
    return _shown(error if type(error) is str else "", None) | {"error": error}


def _shown(message: str, info: str | Object | None) -> Object:
    shown: Object = {
        "message": message,
        "codexErrorInfo": info,
        "additionalDetails": None,
        "misalignment": None,
    }
    return shown


def _keep(error: Object, shown: Object, found: Found) -> None:
    """Put what is not known of an error into its `error_json`."""
    _ERROR.keep(error, shown, "error", found)
    info = error.get("codex_error_info")
    if type(info) is str and info not in _NAMES and shown["codexErrorInfo"] == "other":
        shown["codex_error_info"] = info
        found.tell("error", "codex_error_info", "codex_error_info")


def error_info(info: Any) -> str | dict[str, Any] | None:
    """Return `codexErrorInfo` for a `codex_error_info`; unknown values are "other".

    Raises:
        DecodeError: it has a form that Codex does not accept.
    """
    if info is None:
        return None
    if type(info) is str:
        if info in _CONNECTIONS or info == _NOT_STEERABLE:
            raise DecodeError("codex_error_info")
        return _NAMES.get(info, "other")
    if type(info) is not dict or len(info) != 1:
        raise DecodeError("codex_error_info")
    ((name, value),) = info.items()
    if name in _CONNECTIONS:
        return {_CONNECTIONS[name]: {"httpStatusCode": _status(value)}}
    if name == _NOT_STEERABLE:
        kind = value.get("turn_kind") if type(value) is dict else None
        if kind not in ("review", "compact"):
            raise DecodeError("codex_error_info.turn_kind")
        return {"activeTurnNotSteerable": {"turnKind": kind}}
    if name in _NAMES:
        if value is not None:
            raise DecodeError("codex_error_info")
        return _NAMES[name]
    return "other"


def kind(info: Any) -> str | None:
    """Return the name of a `codex_error_info`, in any form; None if it has none."""
    if type(info) is str:
        return info
    if type(info) is dict and len(info) == 1:
        return str(next(iter(info)))
    return None


def _status(value: Any) -> int | None:
    if type(value) is not dict:
        raise DecodeError("codex_error_info")
    status = value.get("http_status_code")
    if status is None:
        return None
    if type(status) is not int or not 0 <= status <= _STATUS_MAX:
        raise DecodeError("codex_error_info.http_status_code")
    return status
