"""Update the thread's metadata from records besides turns and items. Pure.

Source: docs on files, section 4: metadata as Codex keeps it, over the records of one rollout.
"""

from __future__ import annotations

import uuid
from typing import Final

import orjson

from projector.decode.fields import Object
from projector.model.changes import SessionHeader, ThreadMetadata
from projector.model.whitespace import WHITE_SPACE
from projector.reduce.rate_limits import WINDOWS

#: Codex's editor plugins put their context before this line.
_REQUEST: Final = "## My request for Codex:"
#: Preview of a message with images only.
IMAGE: Final = "[Image]"
#: The state is written with every batch, so the preview is cut.
_PREVIEW_MAX: Final = 65_536
#: Rates between these are written without an exponent.
_PLAIN_MIN: Final = 1e-5
_PLAIN_MAX: Final = 1e16
_V7: Final = 7


def preview(shown: Object) -> str | None:
    """Return the preview of a `userMessage`; None if it has neither text nor images."""
    said: list[str] = []
    image = False
    content = shown.get("content")
    if type(content) is not list:
        return None
    for part in content:
        kind = part.get("type") if type(part) is dict else None
        if kind == "text" and type(part.get("text")) is str:
            said.append(part["text"])
        image = image or kind in ("image", "localImage", "local_image")
    text = "".join(said)
    _, marked, request = text.partition(_REQUEST)
    text = (request if marked else text).strip(WHITE_SPACE)[:_PREVIEW_MAX]
    return text or (IMAGE if image else None)


def apply_settings(meta: ThreadMetadata, payload: Object) -> None:
    """Apply a `thread_settings_applied`."""
    applied = payload.get("thread_settings")
    if type(applied) is not dict:
        return
    _model(meta, applied, "reasoning_effort")
    if type(applied.get("model_provider_id")) is str:
        meta.model_provider = applied["model_provider_id"]
    if type(applied.get("cwd")) is str:
        meta.cwd = applied["cwd"]


def apply_context(meta: ThreadMetadata, payload: Object) -> None:
    """Apply a `turn_context`. Its cwd is the turn's, not the thread's."""
    _model(meta, payload, "effort")


def _model(meta: ThreadMetadata, fields: Object, effort: str) -> None:
    if type(fields.get("model")) is str:
        meta.model = fields["model"]
        held = fields.get(effort)
        meta.reasoning_effort = held if type(held) is str else None


def goal(meta: ThreadMetadata, payload: Object) -> None:
    """Apply a `thread_goal_updated`: the first objective stays."""
    told = payload.get("goal")
    if meta.goal is None and type(told) is dict and type(told.get("objective")) is str:
        meta.goal = told["objective"][:_PREVIEW_MAX]


def has_odd_rate(payload: Object, line: bytes) -> bool:
    """True if a `token_count` has a rate spelled with an exponent otherwise than Codex spells it.

    Codex takes `1e-7`, as it and orjson write it, and refuses `1e-07`. `line`: the record's.
    """
    limits = payload.get("rate_limits")
    if type(limits) is not dict:
        return False
    for name in WINDOWS:
        window = limits.get(name)
        if type(window) is dict:
            used = window.get("used_percent")
            if type(used) is float and used != 0 and not _PLAIN_MIN <= used < _PLAIN_MAX:
                return orjson.dumps(used) not in line
    return False


def may_copy(header: SessionHeader) -> bool:
    """True if a rollout may begin with a copy of another thread's records."""
    subagent = "subagent" in (header.thread_source, header.source)
    return header.base is None and (header.forked_from_id is not None or subagent)


def is_older(turn_id: str | None, thread_id: str) -> bool:
    """True if a turn is older than its thread: then it was copied from another thread's records.

    Ids are UUIDv7, which grow with time; False for other ids.
    """
    born, own = _v7(turn_id), _v7(thread_id)
    return born is not None and own is not None and born < own


def _v7(text: str | None) -> int | None:
    """Return a UUIDv7 as a number; None for other ids."""
    if text is None:
        return None
    try:
        value = uuid.UUID(text)
    except ValueError:
        return None
    return value.int if value.version == _V7 else None
