"""The model's calls → the items that Codex dropped, while they are under way. Pure.

`called` says what a call is, and gives its item while it is under way. Kinds:

    command    a shell command                     patch     a patch
    commands   a script that runs several: an item for each if its output can be told apart
    mcp        an MCP tool                         resource  an MCP resource
    maybe_mcp  named like one of old: an item only if its output is one of MCP
    agent      another agent                       dynamic   any other tool, the client's or Codex's
    view       an image shown: an item only if it was
    stdin      more input for a process: changes the item of the process
    nothing    Codex shows no item for it

Source: docs on legacy rollouts, e1 and e3 to e6.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.decode import item_types, shell
from projector.decode.errors import DecodeError
from projector.decode.legacy import code_mode
from projector.decode.legacy.fields import Json
from projector.decode.legacy.patch import changes_of, patch_in, script_of
from projector.decode.legacy.paths import joined_path

Kind = Literal[
    "command",
    "commands",
    "patch",
    "mcp",
    "resource",
    "maybe_mcp",
    "agent",
    "dynamic",
    "view",
    "stdin",
    "nothing",
]

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
#: MCP tools were named SERVER__TOOL before this release.
_MCP_PREFIX_SINCE: Final = (0, 48)
#: Maximum number of commands of a script that are shown one by one.
COMMANDS_MAX: Final = 32
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})").match

Argv = list[str] | str


class BadArguments(DecodeError):
    """The arguments of a call are not what its tool accepts."""


class Called(NamedTuple):
    """The interpretation of a call."""

    kind: Kind
    item: Json | None = None
    """The item while the call is in progress; None: nothing is shown before its output."""
    note: str = ""
    """What is needed to read its output: a path, a session, a command, arguments, a folder."""


class Setting(NamedTuple):
    """What the interpretation of a call depends on."""

    cwd: str
    thread_id: str
    tools: Collection[str]
    """Names of the tools provided by the client."""
    plain_mcp: bool
    """True if MCP tools are named SERVER__TOOL in this thread."""


# Called(...) and Setting(...), in a third of the time: called once per call.
_called = partial(tuple.__new__, Called)
new_setting = partial(tuple.__new__, Setting)

NOTHING: Final = Called("nothing")


@lru_cache(maxsize=64)  # asked for each call, and releases are few
def plain_mcp(cli_version: str | None) -> bool:
    """True if a release named MCP tools SERVER__TOOL."""
    found = None if cli_version is None else _VERSION(cli_version)
    return found is not None and (int(found[1]), int(found[2])) < _MCP_PREFIX_SINCE


def called(payload: Json, call_id: str, setting: Setting) -> Called:
    """Interpret a call.

    Raises:
        BadArguments: they are not JSON, or not what the tool accepts.
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
        script = payload.get("input")
        if name == code_mode.TOOL and type(script) is str:
            return _script(call_id, script, setting)
        if name != "apply_patch":
            return Called("dynamic", _dynamic(call_id, None, name, {"input": script}))
        return _patch(call_id, script, setting.cwd) or NOTHING
    namespace = payload.get("namespace")
    namespace = namespace if type(namespace) is str and namespace else None
    return _function(call_id, name, namespace, payload.get("arguments"), setting)


def _script(call_id: str, script: str, setting: Setting) -> Called:
    """Interpret a script of code mode: a command if that is all it runs, else a tool's call.

    A script that only applies a patch is told by the event of the patch.
    """
    calls = code_mode.tool_calls(script)
    if {call.name for call in calls} == {"apply_patch"}:
        return NOTHING
    ran = _commands(call_id, calls, setting)
    if len(ran) == 1:
        return Called("command", ran[0], code_mode.TOOL)
    whole = _dynamic(call_id, None, code_mode.TOOL, {"input": script})
    if ran:
        return Called("commands", whole, f"{code_mode.TOOL} {setting.cwd}")
    return Called("dynamic", whole)


def commands_of(item: Json, note: str) -> list[Json]:
    """Return the items of the commands that a script runs, in its order; [] if it is not known.

    `item`, `note`: as `called` gave them. The first one has the id of the call, further ones
    `ID/2`, `ID/3` and so on.
    """
    tool, blank, folder = note.partition(" ")
    arguments = item.get("arguments")
    script = arguments.get("input") if type(arguments) is dict else None
    if tool != code_mode.TOOL or not blank or type(script) is not str:
        return []  # the note was too long to keep, or another record replaced the item
    calls = code_mode.tool_calls(script)
    return _commands(item["id"], calls, Setting(folder, "", (), plain_mcp=False))


def _commands(call_id: str, calls: list[code_mode.ToolCall], setting: Setting) -> list[Json]:
    """Return the items of a script's commands; [] unless every call is one, of literals."""
    if len(calls) > COMMANDS_MAX:
        return []
    found: list[Json] = []
    for number, call in enumerate(calls, 1):
        if call.name not in _COMMANDS or type(call.argument) is not dict:
            return []
        item_id = call_id if number == 1 else further_id(call_id, number)
        with suppress(BadArguments):
            made = _RUN[call.name](item_id, call.argument, setting)
            if made.kind == "command" and made.item is not None:
                found.append(made.item)
    return found if len(found) == len(calls) else []


def further_id(call_id: str, number: int) -> str:
    """Return the id of a script's command, from the second one on."""
    return f"{call_id}/{number}"


def _function(
    call_id: str, name: str, namespace: str | None, arguments: Any, setting: Setting
) -> Called:
    ran = _RUN.get(name)
    if ran is not None:
        return ran(call_id, _object(arguments), setting)
    server, tool = _mcp_name(name, namespace)
    if server:
        return Called("mcp", mcp_item(call_id, server, tool, any_json(arguments)))
    if name in _RESOURCES:
        taken = any_json(arguments)
        named = taken.get("server") if type(taken) is dict else None
        server = named if type(named) is str and named else "codex"
        return Called("resource", mcp_item(call_id, server, name, taken))
    if name in _AGENTS and namespace in (None, "multi_agent_v1"):
        found = _agent(call_id, name, _object(arguments), setting.thread_id)
        if found is not None:
            return found
    return _brought(call_id, name, namespace, arguments, setting)


def _brought(
    call_id: str, name: str, namespace: str | None, arguments: Any, setting: Setting
) -> Called:
    """Return a call of any other tool, with its arguments whole.

    It is the client's, MCP with an old-style name, or one of Codex's own, for which Codex shows no
    item: a plan, a question to the person.
    """
    server, separator, tool = name.partition("__")
    if name in setting.tools or namespace is not None or not (separator and server and tool):
        return Called("dynamic", _dynamic(call_id, namespace, name, _whole(arguments)))
    if setting.plain_mcp:
        return Called("mcp", mcp_item(call_id, server, tool, any_json(arguments)))
    note = arguments if type(arguments) is str else ""
    return Called("maybe_mcp", None, orjson.dumps((name, note)).decode())


def _whole(arguments: Any) -> Any:
    """Return the arguments of a call; a string that is not JSON as it is."""
    with suppress(BadArguments):
        return any_json(arguments)
    return arguments


def _object(arguments: Any) -> Json:
    value = any_json(arguments)
    if type(value) is not dict:
        raise BadArguments("arguments")
    return value


def any_json(arguments: Any) -> Any:
    """Parse the arguments of a call, a string of JSON; blank means none.

    Raises:
        BadArguments: they are not JSON.
    """
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


#: Tools of code mode that run a command.
_COMMANDS: Final = frozenset({"shell_command", "exec_command"})
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
        # A release that did not know the form ran it: then the output is that of a command.
        note = orjson.dumps((command, folder, source)).decode()
        return Called("patch", patch.item, note)
    return _called(("command", item, ""))


def command_item(call_id: str, command: Argv, cwd: str, source: str) -> tuple[Json, str]:
    """Return a commandExecution in progress, and the script that it runs."""
    line = command if type(command) is str else shell.join(command)
    script = (script_of(command) if type(command) is list else None) or line
    item = item_types.command_execution(
        call_id,
        command=line,
        cwd=cwd,
        source=source,
        status="inProgress",
        actions=[item_types.unknown_action(script)],
    )
    return item, script


def _patch(call_id: str, patch: Any, cwd: str) -> Called | None:
    changes = changes_of(patch, cwd) if type(patch) is str else None
    if changes is None:
        return None
    return Called("patch", item_types.file_change(call_id, changes, "inProgress"))


def _mcp_name(name: str, namespace: str | None) -> tuple[str, str]:
    """Return server and tool of an MCP call; no server: not MCP, or an old-style name."""
    if namespace is not None and namespace.startswith("mcp__"):
        return namespace[5:].rstrip("_"), name
    if name.startswith("mcp__"):
        server, separator, tool = name[5:].partition("__")
        return (server, tool) if separator and tool else ("", "")
    server, separator, tool = name.partition(_OLD_MCP)
    return (server, tool) if separator and tool else ("", "")


def mcp_item(call_id: str, server: str, tool: str, arguments: Any) -> Json:
    """Return an mcpToolCall in progress."""
    return item_types.mcp_tool_call(
        call_id, server=server, tool=tool, arguments=arguments, status="inProgress"
    )


def _dynamic(call_id: str, namespace: str | None, name: str, arguments: Any) -> Json:
    return item_types.dynamic_tool_call(
        call_id, namespace=namespace, tool=name, arguments=arguments, status="inProgress"
    )


def _agent(call_id: str, name: str, arguments: Json, sender: str) -> Called | None:
    tool = _AGENTS[name]
    prompt = _string(arguments.get("message"))
    receivers: list[str] = []
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
    item = item_types.collab_agent_tool_call(
        call_id,
        tool=tool,
        status="inProgress",
        sender=sender,
        receivers=receivers,
        prompt=prompt,
        model=model,
        effort=effort,
    )
    return Called("agent", item)


def _string(value: Any) -> str | None:
    return value if type(value) is str else None
