"""Convert legacy events to `ThreadItem`s. Pure.

Each function returns the item of one event, with its id; a missing required field raises
`DecodeError`, and the event is skipped. Nulls are written.

Source: docs on legacy rollouts, a4 and b2, checked against Codex 0.169.0.
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode import item_types, paths, shell
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
)
from projector.decode.thread_item import to_thread_item
from projector.decode.tools import change_of_file, command_actions, search_action

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
    return item_types.command_execution(
        item_id,
        plugin_id=opt_text(payload, "plugin_id"),
        script_path=opt_text(payload, "script_path"),
        command=shell.join(argv),
        cwd=cwd,
        process_id=opt_text(payload, "process_id"),
        source=source,
        status=one_of(payload, "status", _STATUSES),
        actions=command_actions(parsed, paths.of_path(cwd)),
        output=output,
        exit_code=small_integer(payload, "exit_code"),
        duration_ms=duration_ms(payload, "duration"),
    )


def _folder(cwd: str) -> str:
    if cwd[:5].lower() == "file:":
        return paths.from_uri(cwd)
    found = paths.of_path(cwd)
    if found.kind == "none":
        raise DecodeError("cwd")
    return found.shown


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
    shown = [change_of_file(path, changes[path]) for path in sorted(changes, key=_bytes)]
    return item_types.file_change(item_id, shown, one_of(payload, "status", _STATUSES))


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")


def mcp_call(payload: Json) -> Json:
    """Return the mcpToolCall of an `mcp_tool_call_end`."""
    item_id = text(payload, "call_id")
    invocation = mapping(payload, "invocation")
    outcome = mapping(payload, "result")
    result: Json | None = None
    error: str | None = None
    failed = True
    if "Ok" in outcome:
        result, failed = mcp_result(outcome["Ok"])
    else:
        error = text(outcome, "Err")
    resource = opt_text(payload, "mcp_app_resource_uri")
    return item_types.mcp_tool_call(
        item_id,
        server=text(invocation, "server"),
        environment_id=opt_text(invocation, "environment_id"),
        tool=text(invocation, "tool"),
        status="failed" if failed else "completed",
        arguments=invocation.get("arguments"),
        app=_app(payload, resource),
        resource_uri=resource,
        plugin_id=opt_text(payload, "plugin_id"),
        read_only=opt_bool(payload, "read_only_hint"),
        result=result,
        error=error,
        duration_ms=duration_ms(payload, "duration"),
    )


def _app(payload: Json, resource: str | None) -> Json | None:
    connector = opt_text(payload, "connector_id")
    if connector is None:
        return None
    return item_types.app_context(
        connector,
        link_id=opt_text(payload, "link_id"),
        resource_uri=resource,
        app_name=opt_text(payload, "app_name"),
        action_name=opt_text(payload, "action_name"),
    )


def mcp_result(value: Any) -> tuple[Json, bool]:
    """Return the result of an MCP call, and True if it is an error."""
    if type(value) is not dict or type(value.get("content")) is not list:
        raise DecodeError("result")
    result = item_types.mcp_result(
        value["content"], value.get("structuredContent"), value.get("_meta")
    )
    return result, opt_bool(value, "isError") is True


def web_search(payload: Json) -> Json:
    """Return the webSearch of a `web_search_end`."""
    results = payload.get("results")
    if results is not None and type(results) is not list:
        raise DecodeError("results")
    item_id, query = text(payload, "call_id"), text(payload, "query")
    return item_types.web_search(item_id, query, search_action(payload.get("action")), results)


def image(payload: Json) -> Json:
    """Return the imageGeneration of an `image_generation_end`."""
    saved = opt_text(payload, "saved_path")
    resolved = None if saved is None else paths.saved_path(saved)
    if saved is not None and resolved is None:
        raise DecodeError("saved_path")
    return item_types.image_generation(
        text(payload, "call_id"),
        status=text(payload, "status"),
        image={"result": text(payload, "result")},
        prompt=opt_text(payload, "revised_prompt"),
        saved_path=resolved,
    )


def review_of_call(payload: Json, call_id: str) -> Json:
    """Return the dynamicToolCall of a `guardian_assessment`, for which Codex has no type.

    Its arguments are all that the reviewer of approvals was asked and said. The id of the
    assessment may be that of the call which it is about, so the item's is `ID/review`.
    """
    said = {key: value for key, value in payload.items() if key not in _NOT_SAID}
    return item_types.dynamic_tool_call(
        f"{call_id}/review",
        namespace=None,
        tool="guardian_assessment",
        arguments=said,
        status="inProgress" if payload.get("status") == "in_progress" else "completed",
    )


_NOT_SAID: Final = frozenset({"type", "id", "turn_id"})


def dynamic_call(payload: Json) -> Json:
    """Return the dynamicToolCall of a `dynamic_tool_call_response`."""
    success = flag(payload, "success")
    content = payload.get("content_items")
    if type(content) is not list or any(type(part) is not dict for part in content):
        raise DecodeError("content_items")
    opt_text(payload, "error")
    return item_types.dynamic_tool_call(
        text(payload, "call_id"),
        namespace=opt_text(payload, "namespace"),
        tool=text(payload, "tool"),
        arguments=payload.get("arguments"),
        status="completed" if success else "failed",
        content=content,
        success=success,
        duration_ms=duration_ms(payload, "duration"),
    )


def activity(payload: Json) -> Json:
    """Return the subAgentActivity of a `sub_agent_activity`."""
    return item_types.sub_agent_activity(
        text(payload, "event_id"),
        model=opt_text(payload, "model"),
        effort=opt_text(payload, "reasoning_effort"),
        kind=one_of(payload, "kind", _ACTIVITIES),
        thread_id=text(payload, "agent_thread_id"),
        path=text(payload, "agent_path"),
    )


def image_view(payload: Json) -> Json:
    """Return the imageView of a `view_image_tool_call`."""
    return item_types.image_view(text(payload, "call_id"), _seen(payload))


def _seen(payload: Json) -> str:
    path = text(payload, "path")
    return paths.from_uri(path) if path[:5].lower() == "file:" else path


def entered_review(payload: Json, item_id: str) -> Json:
    """Return the enteredReviewMode; in old releases the prompt serves as the target."""
    if type(payload.get("target")) is not dict and type(payload.get("prompt")) is not str:
        raise DecodeError("target")
    hint = opt_text(payload, "user_facing_hint")
    review = "Review requested." if hint is None else hint
    return item_types.entered_review_mode(item_id, review)


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
