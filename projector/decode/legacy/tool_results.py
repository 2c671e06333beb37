"""Complete the item of a model's call with its output. Pure.

Source: docs on legacy rollouts, e2 to e6.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from projector.decode import item_types
from projector.decode.errors import DecodeError
from projector.decode.legacy import agents, code_mode
from projector.decode.legacy.fields import Json
from projector.decode.legacy.output_text import (
    Output,
    joined,
    never_ran,
    parsed,
    read_output,
    without_wall_time,
)
from projector.decode.legacy.tool_calls import (
    BadArguments,
    Kind,
    any_json,
    command_item,
    commands_of,
    mcp_item,
)
from projector.decode.legacy.tools import mcp_result

_NOT_APPLIED: Final = ("apply_patch verification failed", "error:", "unsupported")
_SEVERAL: Final = 2
_SHOWN: Final = "attached local image path"
_ERR = re.compile(r"err: (\".*\")\s*", re.DOTALL).fullmatch
_PATCH_STATUS: Final = {"declined": "declined", "aborted": "failed", "failed": "failed"}


def answered(kind: Kind, call_id: str, item: Json | None, note: str, output: Any) -> Json | None:
    """Return the item completed by its output; None: the call never ran, so there is no item."""
    text = joined(output)
    if never_ran(text):
        return None
    if item is None:
        if kind == "maybe_mcp":
            return _maybe_mcp(call_id, note, text)
        shown = kind == "view" and _was_shown(output)
        return item_types.image_view(call_id, note) if shown else None
    match kind:
        case "command":
            item = _ran(item, _printed(output) if note == code_mode.TOOL else read_output(text))
        case "patch":
            item = _patched(item, call_id, note, read_output(text))
        case "mcp" | "resource":
            item = _mcp_answered(item, output, text, resource=kind == "resource")
        case "agent":
            item = _agent_answered(item, text)
        case "dynamic" | "commands":
            item = item | {"status": "completed", "contentItems": _contents(output, text)}
        case _:
            item = None
    return item


def answered_each(item: Json, note: str, output: Any) -> list[Json]:
    """Return the items of a script's commands, in its order, each with its own output.

    [] if the outputs cannot be told apart: the script printed more or fewer texts than it made
    calls, failed before the last one, or mixed words of its own with them.
    """
    ran = commands_of(item, note)
    script = code_mode.ended(output)
    if len(ran) < _SEVERAL or len(script.texts) != len(ran):
        return []
    told = [read_output(text) for text in script.texts]
    plain = [each.plain and each.outcome != "declined" for each in told]
    if any(plain) and not (all(plain) and script.how == "completed"):
        return []
    made = [_ran(*each) for each in zip(ran, told, strict=True)]
    return [each for each in made if each is not None] if None not in made else []


def _printed(output: Any) -> Output:
    """Return the output of a command that a script of code mode ran."""
    script = code_mode.ended(output)
    found = read_output("\n".join(script.texts))
    if found.plain and script.how == "failed":
        found = found._replace(outcome="failed")
    ms = script.wall_ms if found.duration_ms is None else found.duration_ms
    return found._replace(duration_ms=ms)


def _ran(item: Json, output: Output) -> Json | None:
    if output.outcome == "never":
        return None
    status: str = output.outcome
    if status == "aborted":
        status = "failed"
    elif status == "running":
        status = "inProgress"
    item = item | {
        "status": status,
        "aggregatedOutput": output.text or None,
        "exitCode": output.exit_code,
        "processId": output.session,
        "durationMs": None if output.outcome == "running" else output.duration_ms,
    }
    if output.command is not None:
        item["command"] = output.command
    return item


def _patched(item: Json, call_id: str, note: str, output: Output) -> Json | None:
    words = output.text or ""
    if output.exit_code is None:
        if output.outcome == "never" or words.startswith(_NOT_APPLIED):
            return None
        return item | {"status": _PATCH_STATUS.get(output.outcome, "completed")}
    if output.exit_code and note and "apply_patch" in words and "not found" in words:
        # A release that did not know the form ran it as a command.
        command, folder, source = orjson.loads(note)
        return _ran(command_item(call_id, command, folder, source)[0], output)
    return item | {"status": "failed" if output.exit_code else "completed"}


def _mcp_answered(item: Json, output: Any, text: str, *, resource: bool) -> Json:
    if type(output) is list:
        return _mcp_parts(item, [part for part in output if type(part) is dict])
    text, ms = without_wall_time(text)
    failure = _ERR(text)
    if failure is not None:
        message = parsed(failure[1])
        if type(message) is not str:
            message = failure[1][1:-1].replace('\\"', '"').replace("\\n", "\n")
        return _mcp_failed(item, message, ms)
    try:
        value = orjson.loads(text)
    except ValueError:
        return _mcp_failed(item, text, ms)
    if resource or _is_content(value):
        return _mcp_done(item, [{"type": "text", "text": text}] if resource else value, None, ms)
    if type(value) is dict and type(value.get("content")) is list:
        try:
            result, failed = mcp_result(value)
        except DecodeError:  # an `isError` that is not a boolean
            result, failed = mcp_result(value | {"isError": None})
        status = "failed" if failed else "completed"
        return item | {"status": status, "result": result, "durationMs": ms}
    return _mcp_done(item, [], value, ms)


def _mcp_parts(item: Json, parts: list[Json]) -> Json:
    """Add an output in parts; the first may be the duration of the call."""
    ms: int | None = None
    if parts and type(parts[0].get("text")) is str:
        rest, ms = without_wall_time(parts[0]["text"])
        if ms is not None:
            parts = [parts[0] | {"text": rest}, *parts[1:]] if rest else parts[1:]
    content = [each for each in map(_content, parts) if each is not None]
    return _mcp_done(item, content, None, ms)


def _is_content(value: Any) -> bool:
    return type(value) is list and all(
        type(each) is dict and type(each.get("type")) is str for each in value
    )


def _content(part: Json) -> Json | None:
    if type(part.get("text")) is str:
        return {"type": "text", "text": part["text"]}
    if part.get("type") == "input_image":
        return {"type": "image", "data": part.get("image_url")}
    return None


def _mcp_done(item: Json, content: list[Any], structured: Any, ms: int | None) -> Json:
    result = item_types.mcp_result(content, structured, None)
    return item | {"status": "completed", "result": result, "durationMs": ms}


def _mcp_failed(item: Json, message: str, ms: int | None) -> Json:
    error = item_types.mcp_error(message)
    return item | {"status": "failed", "error": error, "durationMs": ms}


def _maybe_mcp(call_id: str, note: str, text: str) -> Json | None:
    rest, _ = without_wall_time(text)
    value = parsed(rest)
    known = (_is_content(value) and value) or (
        type(value) is dict and type(value.get("content")) is list
    )
    if not known and _ERR(rest) is None:
        return None
    if not note:
        return None
    name, arguments = orjson.loads(note)
    server, _, tool = name.partition("__")
    try:
        item = mcp_item(call_id, server, tool, any_json(arguments))
    except BadArguments:
        return None
    return _mcp_answered(item, text, text, resource=False)


def _agent_answered(item: Json, text: str) -> Json:
    value = parsed(text)
    try:
        done = _agent_told(item, value if type(value) is dict else {})
    except DecodeError:
        done = None
    return item | {"status": "failed"} if done is None else done


def _agent_told(item: Json, value: Json) -> Json | None:
    """Return the item with the agents' states from the output; None: the call failed."""
    receivers: list[str] = item["receiverThreadIds"]
    states: dict[str, Json] = {}
    if item["tool"] == "spawnAgent":
        agent = value.get("agent_id")
        if type(agent) is not str:
            return None
        receivers, states = [agent], {agent: agents.state("pending_init")}
    elif item["tool"] == "sendInput":
        if "submission_id" not in value:
            return None
    elif item["tool"] == "wait":
        now = value.get("status")
        if type(now) is not dict:
            return None
        states = {each: agents.state(now[each]) for each in sorted(now)}
        receivers = sorted(now) or receivers
    else:
        last = value.get("previous_status", value.get("status"))
        states = {each: agents.state(last) for each in receivers}
    return _agent_done(item, receivers, states)


def _agent_done(item: Json, receivers: list[str], states: dict[str, Json]) -> Json:
    status = "failed" if agents.failed(states) else "completed"
    return item | {"status": status, "receiverThreadIds": receivers, "agentsStates": states}


def _contents(output: Any, text: str) -> list[Json]:
    if type(output) is not list:
        return [{"type": "inputText", "text": text}]
    parts: list[Json] = []
    for part in output:
        if type(part) is not dict:
            continue
        if type(part.get("text")) is str:
            parts.append({"type": "inputText", "text": part["text"]})
        elif part.get("type") == "input_image":
            parts.append({"type": "inputImage", "imageUrl": part.get("image_url")})
    return parts


def _was_shown(output: Any) -> bool:
    if type(output) is str:
        return output.startswith(_SHOWN)
    return type(output) is list and any(
        type(part) is dict and part.get("type") == "input_image" for part in output
    )


def polled(item: Json, output: Output, call_ms: int | None, now_ms: int | None) -> Json | None:
    """Return a process's item with further output; None: no output came.

    `call_ms`, `now_ms`: times of the call that started the process and of this output.
    """
    if output.plain and (
        output.outcome != "completed" or (output.text or "").startswith("write_stdin failed")
    ):
        return None
    if output.outcome == "aborted":
        return None
    whole = (item["aggregatedOutput"] or "") + (output.text or "")
    item = item | {"aggregatedOutput": whole or None}
    if output.outcome == "running" or output.plain:
        return item
    took = None if call_ms is None or now_ms is None else max(0, now_ms - call_ms)
    return item | {
        "status": output.outcome,
        "exitCode": output.exit_code,
        "durationMs": took,
    }
