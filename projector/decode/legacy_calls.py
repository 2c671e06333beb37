"""The model's calls and their outputs → the items that Codex dropped. Pure.

`called` says what a call is, and gives its item while it is under way; `answered` makes of the
item and the output what came of it. Kinds:

    command    a shell command                     patch     a patch
    mcp        an MCP tool                         resource  an MCP resource
    maybe_mcp  named like one of old: an item only if its output is one of MCP
    agent      another agent                       dynamic   a tool that the client brought
    view       an image shown: an item only if it was
    stdin      more input for a process: changes the item of the process
    nothing    Codex shows no item for it

Source: docs on legacy rollouts, e1 to e6.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.decode import legacy_agents as agents
from projector.decode import shell
from projector.decode.legacy_fields import Json
from projector.decode.legacy_items import mcp_item, mcp_result
from projector.decode.legacy_output import (
    Output,
    joined,
    never_ran,
    parsed,
    read_output,
    without_wall_time,
)
from projector.decode.legacy_patch import changes_of, patch_in, script_of
from projector.decode.legacy_paths import joined_path
from projector.decode.refused import Refused

Kind = Literal[
    "command", "patch", "mcp", "resource", "maybe_mcp", "agent", "dynamic", "view", "stdin", "nothing"
]  # fmt: skip

_RESOURCES: Final = frozenset(
    {"list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource"}
)
_AGENTS: Final = {
    "spawn_agent": "spawnAgent",
    "send_input": "sendInput",
    "wait": "wait",
    "wait_agent": "wait",
    "close_agent": "closeAgent",
    "resume_agent": "resumeAgent",
}
_OLD_MCP: Final = "__OAI_CODEX_MCP__"
_PATCHERS: Final = frozenset({"apply_patch", "applypatch"})
_PATCH_WORDS: Final = 2
_APPLIED: Final = "Success. Updated the following files:"
_NOT_APPLIED: Final = ("apply_patch verification failed", "error:", "unsupported")
_SHOWN: Final = "attached local image path"
_ERR = re.compile(r"err: (\".*\")\s*", re.DOTALL).fullmatch
#: MCP tools were named SERVER__TOOL before this release.
_MCP_PREFIX_SINCE: Final = (0, 48)
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})").match

Argv = list[str] | str


class BadArguments(Refused):
    """The arguments of a call are not what its tool takes."""


class Called(NamedTuple):
    """What a call is."""

    kind: Kind
    item: Json | None = None
    """While it is under way; None: nothing is shown before its output."""
    note: str = ""
    """What its output cannot be read without: a path, a session, a command, arguments."""


class Setting(NamedTuple):
    """What a call's meaning depends on."""

    cwd: str
    thread_id: str
    tools: Collection[str]
    """Names of the tools that the client brought."""
    plain_mcp: bool
    """MCP tools are named SERVER__TOOL in this thread."""


NOTHING: Final = Called("nothing")


def plain_mcp(cli_version: str | None) -> bool:
    """Tell whether a release named MCP tools SERVER__TOOL."""
    found = None if cli_version is None else _VERSION(cli_version)
    return found is not None and (int(found[1]), int(found[2])) < _MCP_PREFIX_SINCE


def called(payload: Json, call_id: str, setting: Setting) -> Called:
    """Tell what a call is.

    Raises:
        BadArguments: they are not JSON, or not what the tool takes.
    """
    kind = payload.get("type")
    if kind == "local_shell_call":
        action = payload.get("action")
        if type(action) is not dict:
            raise BadArguments("action")
        folder = action.get("working_directory")
        return _command(call_id, _argv(action.get("command")), folder, "agent", setting)
    name = payload.get("name")
    if type(name) is not str:
        raise BadArguments("name")
    if kind == "custom_tool_call":
        if name != "apply_patch":
            return NOTHING
        return _patch(call_id, payload.get("input"), setting.cwd) or NOTHING
    namespace = payload.get("namespace")
    namespace = namespace if type(namespace) is str and namespace else None
    return _function(call_id, name, namespace, payload.get("arguments"), setting)


def _function(
    call_id: str, name: str, namespace: str | None, arguments: Any, setting: Setting
) -> Called:
    ran = _RUN.get(name)
    if ran is not None:
        return ran(call_id, _object(arguments), setting)
    server, tool = _mcp_name(name, namespace)
    if server:
        return Called("mcp", _mcp(call_id, server, tool, _any(arguments)))
    if name in _RESOURCES:
        taken = _any(arguments)
        named = taken.get("server") if type(taken) is dict else None
        server = named if type(named) is str and named else "codex"
        return Called("resource", _mcp(call_id, server, name, taken))
    if name in _AGENTS and namespace in (None, "multi_agent_v1"):
        found = _agent(call_id, name, _object(arguments), setting.thread_id)
        if found is not None:
            return found
    if name in setting.tools:
        return Called("dynamic", _dynamic(call_id, namespace, name, _any(arguments)))
    server, separator, tool = name.partition("__")
    if separator and server and tool and namespace is None:
        if setting.plain_mcp:
            return Called("mcp", _mcp(call_id, server, tool, _any(arguments)))
        note = arguments if type(arguments) is str else ""
        return Called("maybe_mcp", None, orjson.dumps((name, note)).decode())
    return NOTHING


def _object(arguments: Any) -> Json:
    value = _any(arguments)
    if type(value) is not dict:
        raise BadArguments("arguments")
    return value


def _any(arguments: Any) -> Any:
    if type(arguments) is str:
        if not arguments.strip():
            return None
        try:
            return orjson.loads(arguments)
        except ValueError:
            raise BadArguments("arguments") from None
    return arguments


def _argv(value: Any) -> list[str]:
    if type(value) is not list or any(type(word) is not str for word in value):
        raise BadArguments("command")
    return value


def _line(value: Any) -> str:
    if type(value) is not str:
        raise BadArguments("command")
    return value


def _shell(call_id: str, arguments: Json, setting: Setting) -> Called:
    return _command(
        call_id, _argv(arguments.get("command")), arguments.get("workdir"), "agent", setting
    )


def _shell_command(call_id: str, arguments: Json, setting: Setting) -> Called:
    return _command(
        call_id, _line(arguments.get("command")), arguments.get("workdir"), "agent", setting
    )


def _exec_command(call_id: str, arguments: Json, setting: Setting) -> Called:
    line, folder = _line(arguments.get("cmd")), arguments.get("workdir")
    return _command(call_id, line, folder, "unifiedExecStartup", setting)


def _unified_exec(call_id: str, arguments: Json, setting: Setting) -> Called:
    argv = _argv(arguments.get("input"))
    if arguments.get("session_id") is not None:
        return _write_stdin(call_id, arguments, setting)
    return _command(call_id, argv, None, "unifiedExecStartup", setting)


def _write_stdin(_call_id: str, arguments: Json, _setting: Setting) -> Called:
    session = arguments.get("session_id")
    if type(session) not in (int, str):
        raise BadArguments("session_id")
    return Called("stdin", None, str(session))


def _view_image(_call_id: str, arguments: Json, setting: Setting) -> Called:
    return Called("view", None, joined_path(setting.cwd, _line(arguments.get("path"))))


def _apply_patch(call_id: str, arguments: Json, setting: Setting) -> Called:
    return _patch(call_id, arguments.get("input"), setting.cwd) or NOTHING


_RUN: Final = {
    "shell": _shell,
    "container.exec": _shell,
    "shell_command": _shell_command,
    "exec_command": _exec_command,
    "unified_exec": _unified_exec,
    "write_stdin": _write_stdin,
    "view_image": _view_image,
    "apply_patch": _apply_patch,
}


def _command(call_id: str, command: Argv, workdir: Any, source: str, setting: Setting) -> Called:
    folder = setting.cwd
    if type(workdir) is str and workdir:
        folder = joined_path(folder, workdir)
    item, script = command_item(call_id, command, folder, source)
    patch: Called | None = None
    if type(command) is list and len(command) == _PATCH_WORDS and command[0] in _PATCHERS:
        patch = _patch(call_id, command[1], folder)
    elif (found := patch_in(script)) is not None:
        into = folder if found.folder is None else joined_path(folder, found.folder)
        patch = _patch(call_id, found.patch, into)
    if patch is not None:
        # A release that did not know the form ran it: then the output tells of a command.
        note = orjson.dumps((command, folder, source)).decode()
        return Called("patch", patch.item, note)
    return Called("command", item)


def command_item(call_id: str, command: Argv, cwd: str, source: str) -> tuple[Json, str]:
    """Give a commandExecution under way, and the script that it runs."""
    line = command if type(command) is str else shell.join(command)
    script = (script_of(command) if type(command) is list else None) or line
    item = {
        "type": "commandExecution",
        "id": call_id,
        "pluginId": None,
        "scriptPath": None,
        "command": line,
        "cwd": cwd,
        "processId": None,
        "source": source,
        "status": "inProgress",
        "commandActions": [{"type": "unknown", "command": script}],
        "aggregatedOutput": None,
        "exitCode": None,
        "durationMs": None,
    }
    return item, script


def _patch(call_id: str, patch: Any, cwd: str) -> Called | None:
    changes = changes_of(patch, cwd) if type(patch) is str else None
    if changes is None:
        return None
    item = {"type": "fileChange", "id": call_id, "changes": changes, "status": "inProgress"}
    return Called("patch", item)


def _mcp_name(name: str, namespace: str | None) -> tuple[str, str]:
    """Give server and tool of an MCP call; no server: it is none, or one named as of old."""
    if namespace is not None and namespace.startswith("mcp__"):
        return namespace[5:].rstrip("_"), name
    if name.startswith("mcp__"):
        server, separator, tool = name[5:].partition("__")
        return (server, tool) if separator and tool else ("", "")
    server, separator, tool = name.partition(_OLD_MCP)
    return (server, tool) if separator and tool else ("", "")


def _mcp(call_id: str, server: str, tool: str, arguments: Any) -> Json:
    item = mcp_item(call_id, server, tool)
    item["arguments"] = arguments
    return item


def _dynamic(call_id: str, namespace: str | None, name: str, arguments: Any) -> Json:
    return {
        "type": "dynamicToolCall",
        "id": call_id,
        "namespace": namespace,
        "tool": name,
        "arguments": arguments,
        "status": "inProgress",
        "contentItems": None,
        "success": None,
        "durationMs": None,
    }


def _agent(call_id: str, name: str, arguments: Json, sender: str) -> Called | None:
    tool = _AGENTS[name]
    prompt, receivers = _string(arguments.get("message")), []
    model = effort = None
    if tool == "spawnAgent":
        model, effort = _string(arguments.get("model")), _string(arguments.get("reasoning_effort"))
    elif tool == "wait":
        asked = arguments.get("ids") if "ids" in arguments else arguments.get("targets")
        if type(asked) is not list or any(type(each) is not str for each in asked):
            return None  # the `wait` of code mode
        receivers, prompt = asked, None
    else:
        receiver = _string(arguments.get("target")) or _string(arguments.get("id"))
        if receiver is None:
            raise BadArguments("target")
        receivers = [receiver]
        prompt = prompt if tool == "sendInput" else None
    item = agents.call(
        call_id, tool, sender, receivers=receivers, prompt=prompt, model=model, effort=effort
    )
    return Called("agent", item)


def _string(value: Any) -> str | None:
    return value if type(value) is str else None


def answered(kind: Kind, call_id: str, item: Json | None, note: str, output: Any) -> Json | None:
    """Give the item after its output came; None: the call never ran, and there is no item."""
    text = joined(output)
    if never_ran(text):
        return None
    if kind == "command" and item is not None:
        return _ran(item, read_output(text))
    if kind == "patch" and item is not None:
        return _patched(item, call_id, note, text)
    if kind in ("mcp", "resource") and item is not None:
        return _mcp_answered(item, output, text, resource=kind == "resource")
    if kind == "maybe_mcp":
        return _maybe_mcp(call_id, note, text)
    if kind == "agent" and item is not None:
        return _agent_answered(item, text)
    if kind == "dynamic" and item is not None:
        return item | {"status": "completed", "contentItems": _contents(output, text)}
    if kind == "view" and _was_shown(output):
        return {"type": "imageView", "id": call_id, "path": note}
    return None


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


def _patched(item: Json, call_id: str, note: str, text: str) -> Json | None:
    output = read_output(text)
    words = output.text or ""
    if output.exit_code is None:
        if output.outcome == "never" or words.startswith(_NOT_APPLIED):
            return None
        status = {"declined": "declined", "aborted": "failed", "failed": "failed"}.get(
            output.outcome, "completed"
        )
        return item | {"status": status}
    if output.exit_code == 0:
        return item | {"status": "completed"}
    if note and "apply_patch" in words and "not found" in words:
        command, folder, source = orjson.loads(note)
        return _ran(command_item(call_id, command, folder, source)[0], output)
    return item | {"status": "failed"}


def _mcp_answered(item: Json, output: Any, text: str, *, resource: bool) -> Json:
    ms: int | None
    if type(output) is list:
        parts = [part for part in output if type(part) is dict]
        ms = None
        if parts and type(parts[0].get("text")) is str:
            rest, ms = without_wall_time(parts[0]["text"])
            if ms is not None:
                parts = parts[1:] if not rest else [parts[0] | {"text": rest}, *parts[1:]]
        content = [each for each in map(_content, parts) if each is not None]
        return _mcp_done(item, {"content": content, "structuredContent": None, "_meta": None}, ms)
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
    result: Json = {"content": [], "structuredContent": value, "_meta": None}
    failed = False
    if resource:
        result = {
            "content": [{"type": "text", "text": text}],
            "structuredContent": None,
            "_meta": None,
        }
    elif _is_content(value):
        result = {"content": value, "structuredContent": None, "_meta": None}
    elif type(value) is dict and type(value.get("content")) is list:
        try:
            result, failed = mcp_result(value)
        except Refused:
            result, failed = mcp_result(value | {"isError": None})
    return _mcp_done(item, result, ms) | ({"status": "failed"} if failed else {})


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


def _mcp_done(item: Json, result: Json, ms: int | None) -> Json:
    return item | {"status": "completed", "result": result, "durationMs": ms}


def _mcp_failed(item: Json, message: str, ms: int | None) -> Json:
    return item | {"status": "failed", "error": {"message": message}, "durationMs": ms}


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
        item = _mcp(call_id, server, tool, _any(arguments))
    except BadArguments:
        return None
    return _mcp_answered(item, text, text, resource=False)


def _agent_answered(item: Json, text: str) -> Json:
    value = parsed(text)
    value = value if type(value) is dict else {}
    receivers: list[str] = item["receiverThreadIds"]
    try:
        if item["tool"] == "spawnAgent":
            agent = value.get("agent_id")
            if type(agent) is not str:
                return item | {"status": "failed"}
            return _agent_done(item, [agent], {agent: agents.state("pending_init")})
        if item["tool"] == "sendInput":
            if "submission_id" not in value:
                return item | {"status": "failed"}
            return _agent_done(item, receivers, {})
        if item["tool"] == "wait":
            now = value.get("status")
            if type(now) is not dict:
                return item | {"status": "failed"}
            states = {each: agents.state(now[each]) for each in sorted(now)}
            return _agent_done(item, sorted(now) if now else receivers, states)
        if "previous_status" not in value and "status" not in value:
            return item | {"status": "failed"}
        last = value.get("previous_status", value.get("status"))
        return _agent_done(item, receivers, {each: agents.state(last) for each in receivers})
    except Refused:
        return item | {"status": "failed"}


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
    """Give a process's item after more of its output came; None: nothing came.

    `call_ms`, `now_ms`: times of the call that began the process and of this output.
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


def search_query(action: Json) -> str:
    """Give the query that a search's action stands for."""
    kind = action["type"]
    if kind == "search":
        if action["query"]:
            return str(action["query"])
        queries = action["queries"] or []
        return f"{queries[0]} ..." if len(queries) > 1 else "".join(queries)
    if kind == "openPage":
        return action["url"] or ""
    if kind == "findInPage":
        pattern, url = action["pattern"], action["url"]
        if pattern is not None and url is not None:
            return f"'{pattern}' in {url}"
        return f"'{pattern}'" if pattern is not None else url or ""
    return ""
