"""Convert legacy records about other agents to `collabAgentToolCall` items. Pure.

Source: docs on legacy rollouts, b2 and e6.
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode import item_types
from projector.decode.errors import DecodeError
from projector.decode.fields import camel, opt_text, text
from projector.decode.legacy.fields import Json

#: Event → the tool whose call it ends.
ENDED: Final = {
    "collab_agent_spawn_end": "spawnAgent",
    "collab_agent_interaction_end": "sendInput",
    "collab_waiting_end": "wait",
    "collab_close_end": "closeAgent",
    "collab_resume_end": "resumeAgent",
}
#: States with which the call counts as failed.
_BAD: Final = frozenset({"errored", "notFound"})


def state(value: Any) -> Json:
    """Return an agent's state as `{status, message}`.

    Raises:
        DecodeError: it has an unknown form.
    """
    if type(value) is str:
        return item_types.agent_state(camel(value))
    if type(value) is dict and len(value) == 1:
        ((name, message),) = value.items()
        if message is None or type(message) is str:
            return item_types.agent_state(camel(name), message)
    raise DecodeError("agent status")


def failed(states: dict[str, Json]) -> bool:
    """True if any of these states makes the call failed."""
    return any(each["status"] in _BAD for each in states.values())


def ended(payload: Json, tool: str) -> Json:
    """Return the item of a `collab_*_end` event.

    Raises:
        DecodeError: a required field is missing.
    """
    item_id = text(payload, "call_id")
    sender = text(payload, "sender_thread_id")
    prompt = opt_text(payload, "prompt")
    lost = False
    receivers: list[str]
    states: dict[str, Json]
    if tool == "wait":
        statuses = payload.get("statuses")
        if type(statuses) is not dict:
            raise DecodeError("statuses")
        receivers = sorted(statuses)
        states = {each: state(statuses[each]) for each in receivers}
    else:
        now = state(payload.get("status"))
        key = "new_thread_id" if tool == "spawnAgent" else "receiver_thread_id"
        receiver = opt_text(payload, key)
        lost = tool == "spawnAgent" and receiver is None
        receivers = [] if receiver is None else [receiver]
        states = {} if receiver is None else {receiver: now}
    return item_types.collab_agent_tool_call(
        item_id,
        tool=tool,
        sender=sender,
        status="failed" if lost or failed(states) else "completed",
        receivers=receivers,
        prompt=prompt,
        model=opt_text(payload, "model"),
        effort=opt_text(payload, "reasoning_effort"),
        states=states,
    )
