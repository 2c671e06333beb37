"""Records of paginated rollouts, written by hand for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson

from projector.model.ids import Line, Offset, RolloutId, ThreadId

THREAD = ThreadId("01a40000-0000-7000-8000-000000000001")
ROLLOUT = RolloutId(str(THREAD))
OTHER = ThreadId("01a40000-0000-7000-8000-000000000002")

Json = dict[str, Any]


def meta(**more: Any) -> Json:
    payload = {
        "id": THREAD,
        "timestamp": "2026-11-01T10:00:00.000Z",
        "cwd": "/w",
        "originator": "test",
        "cli_version": "0.169.0",
        "source": "exec",
        "history_mode": "paginated",
    }
    return {"type": "session_meta", "payload": payload | more}


def event(kind: str, **fields: Any) -> Json:
    return {"type": "event_msg", "payload": {"type": kind} | fields}


def started(turn: str, **more: Any) -> Json:
    return event("task_started", turn_id=turn, **more)


def complete(turn: str, **more: Any) -> Json:
    return event("task_complete", turn_id=turn, **more)


def aborted(turn: str | None, **more: Any) -> Json:
    return event("turn_aborted", **({"turn_id": turn, "reason": "interrupted"} | more))


def item(turn: str, body: Json, **more: Any) -> Json:
    fields = {"thread_id": THREAD, "turn_id": turn, "item": body, "completed_at_ms": 7}
    return event("item_completed", **(fields | more))


def user(identity: str, text: str = "Hello?") -> Json:
    return {"type": "UserMessage", "id": identity, "content": [{"type": "text", "text": text}]}


def agent(identity: str, phase: str | None = None, text: str = "Hello.") -> Json:
    content = [{"type": "Text", "text": text}]
    return {"type": "AgentMessage", "id": identity, "content": content, "phase": phase}


def plan(identity: str) -> Json:
    return {"type": "Plan", "id": identity, "text": "- read"}


def tool(identity: str, arguments: Any) -> Json:
    fields = {"tool": "weigh", "arguments": arguments, "status": "completed"}
    return {"type": "DynamicToolCall", "id": identity} | fields


def realtime(identity: str, **more: Any) -> Json:
    fields = {"id": identity, "realtime_session_id": "v", "type": "realtime_session_started"}
    return {"type": "realtime_item", "payload": fields | more}


def tokens(total: int) -> Json:
    counts = dict.fromkeys(
        ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens"), 0
    )
    usage = {**counts, "input_tokens": total, "total_tokens": total}
    return event("token_count", info={"total_token_usage": usage, "last_token_usage": usage})


def usage(
    response: str, turn: str = "A", *, total: int = 5, thread_total: int | None = None
) -> Json:
    cost = {
        "input_tokens": 3 if total else 0,
        "cached_input_tokens": 1,
        "output_tokens": 2 if total else 0,
        "reasoning_output_tokens": 1,
        "total_tokens": total,
    }
    ids = {"thread_id": THREAD, "turn_id": turn, "session_id": THREAD, "root_turn_id": turn}
    so_far = {"input_tokens": thread_total, "total_tokens": thread_total}
    costs = {
        "usage": cost,
        "turn_token_usage": cost,
        "thread_token_usage": cost if thread_total is None else so_far,
    }
    return {"type": "token_usage_record", "payload": {**ids, "response_id": response, **costs}}


def context(model: str, **more: Any) -> Json:
    fields = {"cwd": "/w", "approval_policy": "never", "sandbox_policy": {"type": "read-only"}}
    return {"type": "turn_context", "payload": {**fields, "model": model, **more}}


def said(text: str) -> Json:
    content = [{"type": "output_text", "text": text}]
    payload = {"type": "message", "role": "assistant", "content": content}
    return {"type": "response_item", "payload": payload}


def written(records: Iterable[Json | bytes]) -> list[bytes]:
    """Give lines; dicts get a timestamp and the next ordinal unless they have their own.

    An `ordinal` or `timestamp` of `...` leaves the key out.
    """
    lines: list[bytes] = []
    ordinal = 0
    for at, record in enumerate(records):
        if isinstance(record, bytes):
            lines.append(record)
            continue
        stamp = f"2026-11-01T10:{at // 60 % 60:02}:{at % 60:02}.000Z"
        whole = {"timestamp": stamp, "ordinal": ordinal} | record
        if isinstance(whole["ordinal"], int):
            ordinal = whole["ordinal"] + 1
        kept = {key: value for key, value in whole.items() if value is not ...}
        lines.append(_dumped(kept))
    return lines


def text(*records: Json | bytes) -> bytes:
    """Return the content of a rollout of these records."""
    return b"".join(line + b"\n" for line in written(records))


def _dumped(record: Json) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def lines_of(data: Iterable[bytes]) -> list[Line]:
    """Give lines their places, as in one file."""
    lines: list[Line] = []
    offset = 0
    for each in data:
        end = offset + len(each) + 1
        lines.append(Line(offset=Offset(offset), end=Offset(end), data=each))
        offset = end
    return lines


def rollout(*records: Json | bytes) -> list[Line]:
    """Give the lines of a rollout."""
    return lines_of(written(records))
