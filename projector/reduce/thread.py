"""What records say of the thread besides its turns and items. Pure.

Source: docs on files, section 4: metadata as Codex keeps it, over the records of one rollout.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from projector.decode.fields import I64_MAX, I64_MIN, Object
from projector.place import Offset, Ordinal, TurnId
from projector.rows import Header, Meta, UsageRow
from projector.whitespace import WHITE_SPACE

#: Codex's editor plugins put their context before this line.
_REQUEST: Final = "## My request for Codex:"
#: Preview of a message that is only images.
IMAGE: Final = "[Image]"
#: The state is written with every batch; a preview need not be a whole book.
_PREVIEW_MAX: Final = 65_536
#: Rates within these are written without an exponent.
_PLAIN_MIN: Final = 1e-5
_PLAIN_MAX: Final = 1e16
_V7: Final = 7
_TOKENS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)


def preview(shown: Object) -> str | None:
    """Give the preview that a `userMessage` makes; None: it says and shows nothing."""
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


def settings(meta: Meta, payload: Object) -> None:
    """Take over a `thread_settings_applied`."""
    applied = payload.get("thread_settings")
    if type(applied) is not dict:
        return
    _model(meta, applied, "reasoning_effort")
    if type(applied.get("model_provider_id")) is str:
        meta.model_provider = applied["model_provider_id"]
    if type(applied.get("cwd")) is str:
        meta.cwd = applied["cwd"]


def context(meta: Meta, payload: Object) -> None:
    """Take over a `turn_context`. Its cwd is the turn's, not the thread's."""
    _model(meta, payload, "effort")


def _model(meta: Meta, fields: Object, effort: str) -> None:
    if type(fields.get("model")) is str:
        meta.model = fields["model"]
        held = fields.get(effort)
        meta.reasoning_effort = held if type(held) is str else None


def goal(meta: Meta, payload: Object) -> None:
    """Take over a `thread_goal_updated`: the first objective stays."""
    told = payload.get("goal")
    if meta.goal is None and type(told) is dict and type(told.get("objective")) is str:
        meta.goal = told["objective"][:_PREVIEW_MAX]


def total_tokens(payload: Object) -> int | None:
    """Give the thread's tokens by a `token_count`; None: it does not say."""
    info = payload.get("info")
    total = info.get("total_token_usage") if type(info) is dict else None
    tokens = total.get("total_tokens") if type(total) is dict else None
    return tokens if _is_i64(tokens) else None


def has_odd_rate(payload: Object) -> bool:
    """Tell whether a `token_count` has a rate that is spelled with an exponent, most likely."""
    limits = payload.get("rate_limits")
    if type(limits) is not dict:
        return False
    for name in ("primary", "secondary"):
        window = limits.get(name)
        if type(window) is dict:
            used = window.get("used_percent")
            if type(used) is float and used != 0 and not _PLAIN_MIN <= used < _PLAIN_MAX:
                return True
    return False


def usage(
    payload: Object,
    *,
    uid: bytes,
    offset: Offset,
    ordinal: Ordinal | None,
    model: str | None,
    at_ms: int | None,
) -> UsageRow | None:
    """Give what a `token_usage_record` says that one response cost; None: it says nothing."""
    cost = payload.get("usage")
    if type(cost) is not dict:
        return None
    get = cost.get
    spent: Any = get("input_tokens")
    cached: Any = get("cached_input_tokens")
    given: Any = get("output_tokens")
    reasoned: Any = get("reasoning_output_tokens")
    total: Any = get("total_tokens")
    for count in (spent, cached, given, reasoned, total):
        if not (type(count) is int and I64_MIN <= count <= I64_MAX):
            return _partial(payload, cost, uid, offset, ordinal, model, at_ms)
    turn, response = payload.get("turn_id"), payload.get("response_id")
    return UsageRow(
        uid,
        TurnId(turn) if type(turn) is str else None,
        offset,
        ordinal,
        response if type(response) is str else None,
        model,
        spent,
        cached,
        given,
        reasoned,
        total,
        at_ms,
    )


def _partial(payload: Object, cost: Object, *place: Any) -> UsageRow | None:
    """Give the cost of a response of which some counts are not told: they are 0."""
    counts = {name: cost.get(name, 0) for name in _TOKENS}
    if not all(map(_is_i64, counts.values())) or not cost.keys() & counts.keys():
        return None
    uid, offset, ordinal, model, at_ms = place
    return usage(
        {**payload, "usage": counts},
        uid=uid,
        offset=offset,
        ordinal=ordinal,
        model=model,
        at_ms=at_ms,
    )


def may_copy(header: Header) -> bool:
    """Tell whether a rollout may begin with a copy of another thread's records."""
    subagent = header.thread_source == "subagent" or '"subagent"' in (header.source or "")
    return header.base is None and (header.forked_from_id is not None or subagent)


def is_older(turn_id: str | None, thread_id: str) -> bool:
    """Tell whether a turn was there before its thread: it came with a copy of another's records.

    Ids are UUIDv7, which grow with their time; of another id it cannot be told.
    """
    born, own = _v7(turn_id), _v7(thread_id)
    return born is not None and own is not None and born < own


def _v7(text: str | None) -> int | None:
    """Give a UUIDv7 as a number; None: it is none."""
    if text is None:
        return None
    try:
        value = uuid.UUID(text)
    except ValueError:
        return None
    return value.int if value.version == _V7 else None


def _is_i64(value: Any) -> bool:
    return type(value) is int and I64_MIN <= value <= I64_MAX
