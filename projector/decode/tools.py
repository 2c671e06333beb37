"""Convert items of tools, commands, agents, searches and patches to `ThreadItem`s. Pure.

Every function returns the whole item, keys in Codex's order, or raises `DecodeError`. Source: docs
on paginated rollouts, 2.4 to 2.8.
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode import images, item_types, paths, shell
from projector.decode.errors import DecodeError
from projector.decode.fields import (
    I32_MAX,
    I32_MIN,
    U64_MAX,
    Object,
    agent_path,
    choice,
    integer,
    items,
    obj,
    opt_bool,
    opt_choice,
    opt_duration_ms,
    opt_text,
    same,
    text,
    texts,
    thread_id,
    words,
)

_COMMAND_SOURCES: Final = words(
    "agent", "user_shell", "unified_exec_startup", "unified_exec_interaction"
)
_COMMAND_STATUSES: Final = words("in_progress", "completed", "failed", "declined")
_TOOL_STATUSES: Final = words("in_progress", "completed", "failed")
_MCP_STATUSES: Final = same("inProgress", "completed", "failed")
_MCP_MODES: Final = same("inline", "fullscreen")
_COLLAB_TOOLS: Final = words(
    "spawn_agent", "send_input", "resume_agent", "wait", "close_agent",
    "send_message", "followup_task", "interrupt_agent", "list_agents",
)  # fmt: skip
_COLLAB_STATUSES: Final = words("in_progress", "completed", "failed", "interrupted")
_AGENT_STATES: Final = words("pending_init", "running", "interrupted", "shutdown", "not_found")
_ACTIVITIES: Final = same("started", "interacted", "interrupted", "completed")
_PATCH_STATUSES: Final = same("completed", "failed", "declined")

_MISSING: Final = object()


def command_execution(item: Object) -> Object:
    """Return a CommandExecution.

    The most frequent item by far: fields are read in place.
    """
    get = item.get
    argv, actions, exit_code = get("command"), get("parsed_cmd"), get("exit_code")
    process, output = get("process_id"), get("aggregated_output")
    for optional in (
        process,
        output,
        get("plugin_id"),
        get("script_path"),
        get("interaction_input"),
    ):
        if optional is not None and type(optional) is not str:
            raise DecodeError("a field of text")
    if exit_code is not None and not (type(exit_code) is int and I32_MIN <= exit_code <= I32_MAX):
        raise DecodeError("exit_code")
    cwd = paths.folder(text(item, "cwd"))
    return item_types.command_execution(
        item["id"],
        plugin_id=get("plugin_id"),
        script_path=get("script_path"),
        command=shell.join(texts(argv, "command")),
        cwd=cwd.shown,
        process_id=process,
        source=choice(item, "source", _COMMAND_SOURCES),
        status=choice(item, "status", _COMMAND_STATUSES),
        actions=command_actions(items(actions, "parsed_cmd"), cwd),
        output=output,
        exit_code=exit_code,
        duration_ms=opt_duration_ms(item, "duration"),
    )


def command_actions(parsed: list[Any], cwd: paths.Folder) -> list[Object]:
    """Return `commandActions` for a `parsed_cmd`; reads of an invalid path are left out."""
    shown: list[Object] = []
    for action in parsed:
        kind = action.get("type") if type(action) is dict else None
        if kind == "read":
            name, path = text(action, "name"), text(action, "path")
            command = text(action, "cmd")
            resolved = paths.read_path(cwd, path)
            if resolved is not None:
                shown.append({"type": "read", "command": command, "name": name, "path": resolved})
        elif kind == "list_files":
            path_shown = opt_text(action, "path")
            shown.append({"type": "listFiles", "command": text(action, "cmd"), "path": path_shown})
        elif kind == "search":
            shown.append(
                {
                    "type": "search",
                    "command": text(action, "cmd"),
                    "query": opt_text(action, "query"),
                    "path": opt_text(action, "path"),
                }
            )
        elif kind == "unknown":
            shown.append(item_types.unknown_action(text(action, "cmd")))
        else:
            raise DecodeError("parsed_cmd.type")
    return shown


def dynamic_tool_call(item: Object) -> Object:
    """Return a DynamicToolCall."""
    arguments = item.get("arguments", _MISSING)
    if arguments is _MISSING:
        raise DecodeError("arguments")
    content = item.get("content_items")
    opt_text(item, "error")
    return item_types.dynamic_tool_call(
        item["id"],
        namespace=opt_text(item, "namespace"),
        tool=text(item, "tool"),
        arguments=arguments,
        status=choice(item, "status", _TOOL_STATUSES),
        content=None
        if content is None
        else [_content(part) for part in items(content, "content_items")],
        success=opt_bool(item, "success"),
        duration_ms=opt_duration_ms(item, "duration"),
    )


def _content(part: Any) -> Object:
    kind = part.get("type") if type(part) is dict else None
    if kind == "inputText":
        return {"type": kind, "text": text(part, "text")}
    if kind == "inputImage":
        return {"type": kind, "imageUrl": text(part, "imageUrl")}
    if kind == "inputAudio":
        return {"type": kind, "audioUrl": text(part, "audioUrl")}
    raise DecodeError("content_items.type")


def mcp_tool_call(item: Object) -> Object:
    """Return an McpToolCall."""
    get = item.get
    arguments = get("arguments", _MISSING)
    if arguments is _MISSING:
        raise DecodeError("arguments")
    connector, link = opt_text(item, "connectorId"), opt_text(item, "linkId")
    resource = opt_text(item, "mcpAppResourceUri")
    app, action = opt_text(item, "appName"), opt_text(item, "actionName")
    server, tool = text(item, "server"), text(item, "tool")
    status = choice(item, "status", _MCP_STATUSES)
    ui, result, error = get("mcpAppUi"), get("result"), get("error")
    if ui is not None:
        ui = obj(ui, "mcpAppUi")
        ui = {
            "resourceUri": text(ui, "resourceUri"),
            "preferredModelDisplayMode": choice(ui, "preferredModelDisplayMode", _MCP_MODES),
        }
    if result is not None:
        result = obj(result, "result")
        opt_bool(result, "isError")
        result = item_types.mcp_result(
            items(result.get("content"), "result.content"),
            result.get("structuredContent"),
            result.get("_meta"),
        )
    if error is not None:
        error = text(obj(error, "error"), "message")
    return item_types.mcp_tool_call(
        item["id"],
        server=server,
        environment_id=opt_text(item, "environmentId"),
        tool=tool,
        arguments=arguments,
        status=status,
        app=item_types.app_context(
            connector, link_id=link, resource_uri=resource, app_name=app, action_name=action
        ),
        resource_uri=resource,
        ui=ui,
        plugin_id=opt_text(item, "pluginId"),
        read_only=opt_bool(item, "readOnlyHint"),
        result=result,
        error=error,
        duration_ms=opt_duration_ms(item, "duration"),
    )


def collab_tool_call(item: Object) -> Object:
    """Return a CollabAgentToolCall."""
    effort = opt_text(item, "reasoning_effort")
    if effort == "":
        raise DecodeError("reasoning_effort")
    receivers = items(item.get("receiver_thread_ids", []), "receiver_thread_ids")
    states = obj(item.get("agents_states", {}), "agents_states")
    for each in items(item.get("receiver_agents", []), "receiver_agents"):
        agent = obj(each, "receiver_agents")
        thread_id(agent.get("thread_id"), "receiver_agents.thread_id")
        opt_text(agent, "agent_nickname")
        opt_text(agent, "agent_role")
    return item_types.collab_agent_tool_call(
        item["id"],
        tool=choice(item, "tool", _COLLAB_TOOLS),
        status=choice(item, "status", _COLLAB_STATUSES),
        sender=thread_id(item.get("sender_thread_id"), "sender_thread_id"),
        receivers=[thread_id(each, "receiver_thread_ids") for each in receivers],
        prompt=opt_text(item, "prompt"),
        model=opt_text(item, "model"),
        effort=effort,
        # Unordered in Codex; sorted, so the same item always gives the same text.
        states=_states(states),
    )


def _states(states: Object) -> Object:
    shown = {thread_id(key, "agents_states"): _state(value) for key, value in states.items()}
    return dict(sorted(shown.items(), key=lambda entry: entry[0]))


def _state(state: Any) -> Object:
    if type(state) is str and state in _AGENT_STATES:
        return item_types.agent_state(_AGENT_STATES[state])
    if type(state) is dict and len(state) == 1:
        ((name, held),) = state.items()
        if name == "completed" and (held is None or type(held) is str):
            return item_types.agent_state("completed", held)
        if name == "errored" and type(held) is str:
            return item_types.agent_state("errored", held)
        if name in _AGENT_STATES and held is None:
            return item_types.agent_state(_AGENT_STATES[name])
    raise DecodeError("agents_states")


def sub_agent_activity(item: Object) -> Object:
    """Return a SubAgentActivity."""
    effort = opt_text(item, "reasoning_effort")
    if effort == "":
        raise DecodeError("reasoning_effort")
    return item_types.sub_agent_activity(
        item["id"],
        model=opt_text(item, "model"),
        effort=effort,
        kind=choice(item, "kind", _ACTIVITIES),
        thread_id=thread_id(item.get("agent_thread_id"), "agent_thread_id"),
        path=agent_path(item, "agent_path"),
    )


def web_search(item: Object) -> Object:
    """Return a WebSearch."""
    action = item.get("action")
    if action is None:
        raise DecodeError("action")
    return _web_search(item, search_action(action))


def extension(item: Object) -> Object:
    """Extension: its `kind` decides."""
    kind = item.get("kind")
    if kind == "clock.sleep":
        return item_types.sleep(item["id"], integer(item, "durationMs", 0, U64_MAX))
    if kind == "web.search":
        action = item.get("action")
        if action is not None:
            action = search_action(action, "openPage", "findInPage")
        return _web_search(item, action)
    if kind == "image_gen.generation":
        return images.generated(item)
    raise DecodeError("kind")


def _web_search(item: Object, action: Object | None) -> Object:
    query, results = text(item, "query"), item.get("results")
    found = None if results is None else items(results, "results")
    return item_types.web_search(item["id"], query, action, found)


def search_action(
    action: Any, open_page: str = "open_page", find_in_page: str = "find_in_page"
) -> Object:
    """Return the action of a web search. `open_page`, `find_in_page`: the spelling of two kinds."""
    kind = text(obj(action, "action"), "type")
    if kind == "search":
        queries = action.get("queries")
        return {
            "type": "search",
            "query": opt_text(action, "query"),
            "queries": None if queries is None else texts(queries, "queries"),
        }
    if kind == open_page:
        return {"type": "openPage", "url": opt_text(action, "url")}
    if kind == find_in_page:
        return {
            "type": "findInPage",
            "url": opt_text(action, "url"),
            "pattern": opt_text(action, "pattern"),
        }
    return {"type": "other"}


def file_change(item: Object) -> Object:
    """Return a FileChange."""
    status = opt_choice(item, "status", _PATCH_STATUSES)
    opt_bool(item, "auto_approved")
    opt_text(item, "stdout")
    opt_text(item, "stderr")
    changes = file_changes(obj(item.get("changes"), "changes"))
    return item_types.file_change(item["id"], changes, status or "inProgress")


def file_changes(changes: Object) -> list[Object]:
    """Return the changes of a patch, sorted by the bytes of their paths."""
    merged: dict[tuple[bool, tuple[str, ...]], Object] = {}
    for path, change in changes.items():
        parts = path.split("/")
        names = tuple(part for at, part in enumerate(parts) if part and (part != "." or at == 0))
        key = (path.startswith("/"), names)
        first = merged.get(key)
        merged[key] = change_of_file(path if first is None else first["path"], change)
    if len(merged) == 1:
        return list(merged.values())
    return sorted(merged.values(), key=lambda each: each["path"].encode("utf-8", "replace"))


def change_of_file(path: str, change: Any) -> Object:
    """Return what a patch does to one file."""
    kind = change.get("type") if type(change) is dict else None
    if kind in ("add", "delete"):
        return item_types.changed_file(path, kind, text(change, "content"))
    if kind != "update":
        raise DecodeError("changes.type")
    diff, moved_to = text(change, "unified_diff"), opt_text(change, "move_path")
    return item_types.updated_file(path, diff, moved_to)
