"""Realtime items: what was said in a voice session. Pure.

Source: docs on paginated rollouts, section 4, checked against Codex 0.171.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from projector.decode.errors import DecodeError
from projector.decode.fields import (
    I64_MAX,
    I64_MIN,
    U32_MAX,
    Object,
    choice,
    integer,
    obj,
    opt_integer,
    same,
    text,
    texts,
)

_ROLES: Final = same("user", "assistant")
_OUTCOMES: Final = same("ended", "failed")
_HANDOFFS: Final = same("start", "steer")


def convert(payload: Object) -> Object:
    """Return the fields that Codex knows, in its order.

    Raises:
        DecodeError: Codex does not accept it.
    """
    kind = payload.get("type")
    rest = _KINDS.get(kind) if type(kind) is str else None
    if rest is None:
        raise DecodeError("type")
    shown: Object = {
        "id": text(payload, "id"),
        "realtime_session_id": text(payload, "realtime_session_id"),
    }
    observed = opt_integer(payload, "observed_at_ms", I64_MIN, I64_MAX)
    if observed is not None:
        shown["observed_at_ms"] = observed
    shown["type"] = kind
    return shown | rest(payload)


def _said(fields: Object) -> Object:
    return {"role": choice(fields, "role", _ROLES), "text": text(fields, "text")}


def _frame(payload: Object) -> Object:
    channels = obj(payload.get("channels"), "channels")
    transcript = obj(channels.get("voice_transcript"), "channels.voice_transcript")
    return {"channels": {"voice_transcript": _said(transcript)}}


def _promoted(payload: Object) -> Object:
    return {
        "turn_id": text(payload, "turn_id"),
        "item_id": text(payload, "item_id"),
        "presentation": _presentation(obj(payload.get("presentation"), "presentation")),
    }


def _presentation(presentation: Object) -> Object:
    kind = presentation.get("type")
    if kind in ("whole_item", "inline_markdown"):
        return {"type": kind}
    if kind == "inline_visualization":
        return {"type": kind, "index": integer(presentation, "index", 0, U32_MAX)}
    raise DecodeError("presentation.type")


def _accepted(payload: Object) -> Object:
    return {
        "handoff_id": text(payload, "handoff_id"),
        "turn_id": text(payload, "turn_id"),
        "mode": choice(payload, "mode", _HANDOFFS),
        **_input(payload),
    }


def _input(payload: Object) -> Object:
    return {
        "source_event_ids": texts(payload.get("source_event_ids"), "source_event_ids"),
        "input_item_id": text(payload, "input_item_id"),
        "input": text(payload, "input"),
    }


def _closed(payload: Object) -> Object:
    return {"outcome": choice(payload, "outcome", _OUTCOMES)}


#: Fields after `type`, for each type.
_KINDS: Final[dict[str, Callable[[Object], Object]]] = {
    "realtime_session_started": lambda _: {},
    "frame": _frame,
    "transcript_segment": _said,
    "bem_item_promoted": _promoted,
    "realtime_session_closed": _closed,
    "turn_input_accepted": _accepted,
    "session_end_input_saved": _input,
}
