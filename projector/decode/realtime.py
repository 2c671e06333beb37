"""Realtime items: what was said in a voice session. Pure.

Source: docs on paginated rollouts, section 4.
"""

from __future__ import annotations

from typing import Final

from projector.decode.errors import DecodeError
from projector.decode.fields import U32_MAX, Object, choice, integer, obj, same, text

_ROLES: Final = same("user", "assistant")
_OUTCOMES: Final = same("ended", "failed")


def convert(payload: Object) -> Object:
    """Return the fields that Codex knows, in its order.

    Raises:
        DecodeError: Codex does not accept it.
    """
    kind = payload.get("type")
    shown: Object = {
        "id": text(payload, "id"),
        "realtime_session_id": text(payload, "realtime_session_id"),
        "type": kind,
    }
    if kind == "realtime_session_started":
        return shown
    if kind == "transcript_segment":
        shown["role"] = choice(payload, "role", _ROLES)
        shown["text"] = text(payload, "text")
        return shown
    if kind == "bem_item_promoted":
        shown["turn_id"] = text(payload, "turn_id")
        shown["item_id"] = text(payload, "item_id")
        shown["presentation"] = _presentation(obj(payload.get("presentation"), "presentation"))
        return shown
    if kind == "realtime_session_closed":
        shown["outcome"] = choice(payload, "outcome", _OUTCOMES)
        return shown
    raise DecodeError("type")


def _presentation(presentation: Object) -> Object:
    kind = presentation.get("type")
    if kind in ("whole_item", "inline_markdown"):
        return {"type": kind}
    if kind == "inline_visualization":
        return {"type": kind, "index": integer(presentation, "index", 0, U32_MAX)}
    raise DecodeError("presentation.type")
