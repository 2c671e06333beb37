"""A legacy rollout of extended history: some of its items only events tell of.

Codex 0.102 to 0.136 wrote such events, its migration drops them: calls of agents, images that were
looked at, errors.
"""

from __future__ import annotations

from typing import Any, Final

from tests.support.legacy_records import (
    Record,
    answer,
    call,
    completed,
    event,
    header,
    lines_from,
    output,
    said,
    started,
)

THREAD: Final = "01a30000-0000-7000-8000-00000000f001"
AGENT: Final = "01a30000-0000-7000-8000-00000000ffff"


def looked(call_id: str) -> Record:
    """An image that was looked at."""
    return event("view_image_tool_call", call_id=call_id, path="/w/\0.png")


def _agents(kind: str, call_id: str, **fields: Any) -> Record:
    return event(f"collab_{kind}_end", call_id=call_id, sender_thread_id=THREAD, **fields)


#: Two turns. Of `spawn` a call tells too, but less than its event; of `v1`, `wait`, `v2`, `v3` and
#: the error of the first turn events alone.
RECORDS: Final[tuple[Record, ...]] = (
    header(),
    started("t1"),
    looked("v1"),
    *said("go"),
    call("spawn", ("spawn_agent", {"message": "dig"})),
    output("spawn", f'{{"agent_id":"{AGENT}"}}'),
    _agents("agent_spawn", "spawn", new_thread_id=AGENT, prompt="dig", model="m",
            reasoning_effort="high", status="pending_init"),
    _agents("waiting", "wait", statuses={AGENT: {"completed": "a find"}}),
    looked("v2"),
    answer("done"),
    event("thread_name_updated", thread_id=THREAD, thread_name="A \0 name"),
    event("error", message="no \0 more", codex_error_info="usage_limit_exceeded"),
    completed("t1"),
    started("t2"),
    *said("more"),
    answer("also done"),
    looked("v3"),
    completed("t2"),
)  # fmt: skip
#: Items that only events tell of, wholly or in part.
TOLD: Final = ("v1", "spawn", "wait", "v2", "v3")


def extended() -> bytes:
    """Give the rollout."""
    return lines_from(RECORDS)
