"""Convert legacy events to `ThreadItem`s. Pure.

Each function returns the item of one event, with its id; a missing required field raises
`DecodeError`, and the event is skipped. Nulls are written.

Source: docs on legacy rollouts, a4 and b2, checked against Codex 0.169.0.
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode import shell
from projector.decode.errors import DecodeError
from projector.decode.fields import opt_bool, opt_text, text
from projector.decode.legacy.fields import (
    Json,
    duration_ms,
    flag,
    mapping,
    one_of,
    required_texts,
    small_integer,
    texts,
)
from projector.decode.paths import from_uri, of_path, read_path, saved_path
from projector.decode.thread_item import to_thread_item

_STATUSES: Final = {"completed": "completed", "failed": "failed", "declined": "declined"}
_SOURCES: Final = {
    "agent": "agent",
    "user_shell": "userShell",
    "unified_exec_startup": "unifiedExecStartup",
    "unified_exec_interaction": "unifiedExecInteraction",
}
_ACTIVITIES: Final = {kind: kind for kind in ("started", "interacted", "interrupted", "completed")}


def command(payload: Json) -> Json:
    """Return the commandExecution of an `exec_command_end`."""
    item_id = text(payload, "call_id")
    argv = required_texts(payload, "command")
    cwd = _folder(text(payload, "cwd"))
    parsed = payload.get("parsed_cmd")
    if type(parsed) is not list:
        raise DecodeError("parsed_cmd")
    text(payload, "stdout")
    text(payload, "stderr")
    output = opt_text(payload, "aggregated_output")
    source = "agent" if "source" not in payload else one_of(payload, "source", _SOURCES)
    actions = [_action(each, cwd) for each in parsed]
    return {
        "type": "commandExecution",
        "id": item_id,
        "pluginId": opt_text(payload, "plugin_id"),
        "scriptPath": opt_text(payload, "script_path"),
        "command": shell.join(argv),
        "cwd": cwd,
        "processId": opt_text(payload, "process_id"),
        "source": source,
        "status": one_of(payload, "status", _STATUSES),
        "commandActions": [action for action in actions if action is not None],
        "aggregatedOutput": output or None,
        "exitCode": small_integer(payload, "exit_code"),
        "durationMs": duration_ms(payload, "duration"),
    }


def _folder(cwd: str) -> str:
    if cwd[:5].lower() == "file:":
        return from_uri(cwd)
    found = of_path(cwd)
    if found.kind == "none":
        raise DecodeError("cwd")
    return found.shown


def _action(value: Any, cwd: str) -> Json | None:
    """Return one action of a command; None if its path is invalid."""
    if type(value) is not dict:
        raise DecodeError("parsed_cmd")
    kind, line = text(value, "type"), text(value, "cmd")
    if kind == "read":
        name, path = text(value, "name"), read_path(cwd, text(value, "path"))
        if path is None:
            return None
        return {"type": "read", "command": line, "name": name, "path": path}
    if kind == "list_files":
        return {"type": "listFiles", "command": line, "path": opt_text(value, "path")}
    if kind == "search":
        return {
            "type": "search",
            "command": line,
            "query": opt_text(value, "query"),
            "path": opt_text(value, "path"),
        }
    if kind == "unknown":
        return {"type": "unknown", "command": line}
    raise DecodeError("parsed_cmd")


def file_change(payload: Json) -> Json:
    """Return the fileChange of a `patch_apply_end`. `success` is required and ignored."""
    item_id = text(payload, "call_id")
    text(payload, "stdout")
    text(payload, "stderr")
    flag(payload, "success")
    # "changes" may be absent: `patch_apply_end` of the first releases has none.
    changes = payload.get("changes") if "changes" in payload else {}
    if type(changes) is not dict:
        raise DecodeError("changes")
    return {
        "type": "fileChange",
        "id": item_id,
        "changes": [_change(path, changes[path]) for path in sorted(changes, key=_bytes)],
        "status": one_of(payload, "status", _STATUSES),
    }


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")


def _change(path: str, value: Any) -> Json:
    if type(value) is not dict:
        raise DecodeError("changes")
    kind = text(value, "type")
    if kind in ("add", "delete"):
        return {"path": path, "kind": {"type": kind}, "diff": text(value, "content")}
    if kind != "update":
        raise DecodeError("changes")
    moved = opt_text(value, "move_path")
    return change_of(path, text(value, "unified_diff"), moved)


def change_of(path: str, diff: str, moved: str | None) -> Json:
    """Return the entry of an updated file; `moved` is its new path."""
    if moved is not None:
        diff += f"\n\nMoved to: {moved}"
    return {"path": path, "kind": {"type": "update", "move_path": moved}, "diff": diff}


def mcp_call(payload: Json) -> Json:
    """Return the mcpToolCall of an `mcp_tool_call_end`."""
    item_id = text(payload, "call_id")
    invocation = mapping(payload, "invocation")
    outcome = mapping(payload, "result")
    result: Json | None = None
    error: Json | None = None
    failed = False
    if "Ok" in outcome:
        result, failed = mcp_result(outcome["Ok"])
    else:
        error, failed = {"message": text(outcome, "Err")}, True
    item = mcp_item(item_id, text(invocation, "server"), text(invocation, "tool"))
    connector = opt_text(payload, "connector_id")
    resource = opt_text(payload, "mcp_app_resource_uri")
    item.update(
        environmentId=opt_text(invocation, "environment_id"),
        status="failed" if failed else "completed",
        arguments=invocation.get("arguments"),
        pluginId=opt_text(payload, "plugin_id"),
        readOnlyHint=opt_bool(payload, "read_only_hint"),
        result=result,
        error=error,
        durationMs=duration_ms(payload, "duration"),
    )
    if connector is not None:
        item["appContext"] = {
            "connectorId": connector,
            "linkId": opt_text(payload, "link_id"),
            "resourceUri": resource,
            "appName": opt_text(payload, "app_name"),
            "actionName": opt_text(payload, "action_name"),
        }
    if resource is not None:
        item["mcpAppResourceUri"] = resource
    return item


def mcp_item(item_id: str, server: str, tool: str) -> Json:
    """Return an mcpToolCall without any details yet."""
    return {
        "type": "mcpToolCall",
        "id": item_id,
        "server": server,
        "environmentId": None,
        "tool": tool,
        "status": "inProgress",
        "arguments": None,
        "appContext": None,
        "mcpAppUi": None,
        "pluginId": None,
        "readOnlyHint": None,
        "result": None,
        "error": None,
        "durationMs": None,
    }


def mcp_result(value: Any) -> tuple[Json, bool]:
    """Return the result of an MCP call, and True if it is an error."""
    if type(value) is not dict or type(value.get("content")) is not list:
        raise DecodeError("result")
    result = {
        "content": value["content"],
        "structuredContent": value.get("structuredContent"),
        "_meta": value.get("_meta"),
    }
    return result, opt_bool(value, "isError") is True


def web_search(payload: Json) -> Json:
    """Return the webSearch of a `web_search_end`."""
    results = payload.get("results")
    if results is not None and type(results) is not list:
        raise DecodeError("results")
    return {
        "type": "webSearch",
        "id": text(payload, "call_id"),
        "query": text(payload, "query"),
        "action": search_action(mapping(payload, "action")),
        "results": results,
    }


def search_action(action: Json) -> Json:
    """Return the action of a search."""
    kind = text(action, "type")
    if kind == "search":
        queries = None if action.get("queries") is None else texts(action, "queries")
        return {"type": "search", "query": opt_text(action, "query"), "queries": queries}
    if kind == "open_page":
        return {"type": "openPage", "url": opt_text(action, "url")}
    if kind == "find_in_page":
        url, pattern = opt_text(action, "url"), opt_text(action, "pattern")
        return {"type": "findInPage", "url": url, "pattern": pattern}
    return {"type": "other"}


def image(payload: Json) -> Json:
    """Return the imageGeneration of an `image_generation_end`."""
    saved = opt_text(payload, "saved_path")
    resolved = None if saved is None else saved_path(saved)
    if saved is not None and resolved is None:
        raise DecodeError("saved_path")
    return image_item(
        text(payload, "call_id"),
        text(payload, "status"),
        text(payload, "result"),
        opt_text(payload, "revised_prompt"),
        resolved,
    )


def image_item(
    item_id: str, status: str, result: str, prompt: str | None, saved: str | None = None
) -> Json:
    """Return an imageGeneration; an unsaved image has no `savedPath`."""
    item = {
        "type": "imageGeneration",
        "id": item_id,
        "status": status,
        "revisedPrompt": prompt,
        "result": result,
        "transparentBackground": None,
        "failure": None,
        "generationId": None,
    }
    if saved is not None:
        item["savedPath"] = saved
    return item


def dynamic_call(payload: Json) -> Json:
    """Return the dynamicToolCall of a `dynamic_tool_call_response`."""
    success = flag(payload, "success")
    content = payload.get("content_items")
    if type(content) is not list or any(type(part) is not dict for part in content):
        raise DecodeError("content_items")
    opt_text(payload, "error")
    return {
        "type": "dynamicToolCall",
        "id": text(payload, "call_id"),
        "namespace": opt_text(payload, "namespace"),
        "tool": text(payload, "tool"),
        "arguments": payload.get("arguments"),
        "status": "completed" if success else "failed",
        "contentItems": content,
        "success": success,
        "durationMs": duration_ms(payload, "duration"),
    }


def activity(payload: Json) -> Json:
    """Return the subAgentActivity of a `sub_agent_activity`."""
    return {
        "type": "subAgentActivity",
        "model": opt_text(payload, "model"),
        "reasoningEffort": opt_text(payload, "reasoning_effort"),
        "id": text(payload, "event_id"),
        "kind": one_of(payload, "kind", _ACTIVITIES),
        "agentThreadId": text(payload, "agent_thread_id"),
        "agentPath": text(payload, "agent_path"),
    }


def image_view(payload: Json) -> Json:
    """Return the imageView of a `view_image_tool_call`."""
    return {"type": "imageView", "id": text(payload, "call_id"), "path": _seen(payload)}


def _seen(payload: Json) -> str:
    path = text(payload, "path")
    return from_uri(path) if path[:5].lower() == "file:" else path


def entered_review(payload: Json, item_id: str) -> Json:
    """Return the enteredReviewMode; in old releases the prompt serves as the target."""
    if type(payload.get("target")) is not dict and type(payload.get("prompt")) is not str:
        raise DecodeError("target")
    hint = opt_text(payload, "user_facing_hint")
    review = "Review requested." if hint is None else hint
    return {"type": "enteredReviewMode", "id": item_id, "review": review}


def completed(item: Json) -> Json | None:
    """Return the item of an `item_completed`; None: an empty plan.

    Legacy history contains plans and sleeps only; other types are accepted too.

    Raises:
        DecodeError: its type is unknown, or a required field is missing.
    """
    shown = to_thread_item(item)
    return None if shown["type"] == "plan" and not shown["text"] else shown


def search_query(action: Json) -> str:
    """Return the query of a search's action."""
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
