"""Build each type of `ThreadItem` of the app-server protocol, in one place each. Pure.

Codex tells of an item in several ways: as an item (paginated rollouts), by an event, or only by a
call of the model and its output (legacy rollouts). Whoever decodes one of these checks its fields,
as strictly as Codex does there, and builds the item here: same members, same order as in Codex.
Members that are None are written as null, except where the docstring says that they are left out.

Source: docs on paginated rollouts, 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from projector.decode.fields import Object

# Messages


def user_message(item_id: str, content: list[Object], *, client_id: str | None = None) -> Object:
    """Return a userMessage. `content`: parts as the functions `*_input` build them."""
    return {"type": "userMessage", "id": item_id, "clientId": client_id, "content": content}


def text_input(text: str, elements: list[Object]) -> Object:
    """Return a text in a user message. `elements`: see `text_element`."""
    return {"type": "text", "text": text, "text_elements": elements}


def text_element(start: int, end: int, placeholder: str | None) -> Object:
    """Return an element of a text. `start`, `end`: its range, in bytes of UTF-8."""
    return {"byteRange": {"start": start, "end": end}, "placeholder": placeholder}


def image_input(source: Object, detail: str | None) -> Object:
    """Return an image in a user message. `source`: `{"url": ...}` or `{"fileId": ...}`."""
    return {"type": "image", **source, "detail": detail}


def local_image_input(path: str, detail: str | None) -> Object:
    """Return an image file in a user message."""
    return {"type": "localImage", "detail": detail, "path": path}


def audio_input(source: Object) -> Object:
    """Return a recording in a user message. `source`: as of `image_input`."""
    return {"type": "audio", **source}


def local_audio_input(path: str) -> Object:
    """Return a file with a recording in a user message."""
    return {"type": "localAudio", "path": path}


def agent_message(
    item_id: str,
    text: str,
    *,
    phase: str | None = None,
    citation: Object | None = None,
    delivery: str | None = None,
    questions: list[Object] | None = None,
    moderation: Object | None = None,
) -> Object:
    """Return an agentMessage. `citation`: see `memory_citation`."""
    return {
        "type": "agentMessage",
        "moderation": moderation,
        "id": item_id,
        "text": text,
        "phase": phase,
        "memoryCitation": citation,
        "delivery": delivery,
        "questions": questions,
    }


def memory_citation(entries: list[Object], thread_ids: list[str]) -> Object:
    """Return what of its memory an agent message cites."""
    return {"entries": entries, "threadIds": thread_ids}


def plan(item_id: str, text: str) -> Object:
    """Return a plan."""
    return {"type": "plan", "id": item_id, "text": text}


def reasoning(item_id: str, summary: list[str], content: list[str]) -> Object:
    """Return a reasoning: its summary and its own words, each in parts."""
    return {"type": "reasoning", "id": item_id, "summary": summary, "content": content}


def hook_prompt(item_id: str, fragments: list[Object]) -> Object:
    """Return a hookPrompt. `fragments`: see `hook_fragment`."""
    return {"type": "hookPrompt", "id": item_id, "fragments": fragments}


def hook_fragment(text: str, run_id: str) -> Object:
    """Return what one run of a hook adds to a prompt."""
    return {"text": text, "hookRunId": run_id}


def function_call_output(
    item_id: str, name: str, namespace: str | None, output: str | list[Object]
) -> Object:
    """Return a functionCallOutput."""
    return {
        "type": "functionCallOutput",
        "id": item_id,
        "name": name,
        "namespace": namespace,
        "output": output,
    }


# Commands and files


def command_execution(
    item_id: str,
    *,
    command: str,
    cwd: str,
    source: str,
    status: str,
    actions: list[Object],
    plugin_id: str | None = None,
    script_path: str | None = None,
    process_id: str | None = None,
    output: str | None = None,
    exit_code: int | None = None,
    duration_ms: int | None = None,
) -> Object:
    """Return a commandExecution. An empty output is null."""
    return {
        "type": "commandExecution",
        "id": item_id,
        "pluginId": plugin_id,
        "scriptPath": script_path,
        "command": command,
        "cwd": cwd,
        "processId": process_id,
        "source": source,
        "status": status,
        "commandActions": actions,
        "aggregatedOutput": output or None,
        "exitCode": exit_code,
        "durationMs": duration_ms,
    }


def unknown_action(command: str) -> Object:
    """Return the action of a command of which nothing more is known."""
    return {"type": "unknown", "command": command}


def file_change(item_id: str, changes: list[Object], status: str) -> Object:
    """Return a fileChange. `changes`: see `changed_file` and `updated_file`."""
    return {"type": "fileChange", "id": item_id, "changes": changes, "status": status}


def changed_file(path: str, kind: Literal["add", "delete"], diff: str) -> Object:
    """Return a file that a patch adds or deletes. `diff`: its content."""
    return {"path": path, "kind": {"type": kind}, "diff": diff}


def updated_file(path: str, diff: str, moved_to: str | None) -> Object:
    """Return a file that a patch changes, and moves unless `moved_to` is None."""
    if moved_to is not None:
        diff = f"{diff}\n\nMoved to: {moved_to}"
    return {"path": path, "kind": {"type": "update", "move_path": moved_to}, "diff": diff}


# Tools


def dynamic_tool_call(
    item_id: str,
    *,
    namespace: str | None,
    tool: str,
    arguments: object,
    status: str,
    content: list[Object] | None = None,
    success: bool | None = None,
    duration_ms: int | None = None,
) -> Object:
    """Return a dynamicToolCall: a call of a tool that has no type of its own."""
    return {
        "type": "dynamicToolCall",
        "id": item_id,
        "namespace": namespace,
        "tool": tool,
        "arguments": arguments,
        "status": status,
        "contentItems": content,
        "success": success,
        "durationMs": duration_ms,
    }


def mcp_tool_call(
    item_id: str,
    *,
    server: str,
    tool: str,
    arguments: object,
    status: str,
    environment_id: str | None = None,
    app: Object | None = None,
    resource_uri: str | None = None,
    ui: Object | None = None,
    plugin_id: str | None = None,
    read_only: bool | None = None,
    result: Object | None = None,
    error: str | None = None,
    duration_ms: int | None = None,
) -> Object:
    """Return an mcpToolCall. Without `resource_uri` it has no such member.

    `app`: see `app_context`; `result`: see `mcp_result`; `error`: its message.
    """
    item: Object = {
        "type": "mcpToolCall",
        "id": item_id,
        "server": server,
        "environmentId": environment_id,
        "tool": tool,
        "status": status,
        "arguments": arguments,
        "appContext": app,
    }
    if resource_uri is not None:
        item["mcpAppResourceUri"] = resource_uri
    item["mcpAppUi"] = ui
    item["pluginId"] = plugin_id
    item["readOnlyHint"] = read_only
    item["result"] = result
    item["error"] = None if error is None else mcp_error(error)
    item["durationMs"] = duration_ms
    return item


def mcp_result(content: list[Object], structured: object, meta: object) -> Object:
    """Return the result of an MCP tool."""
    return {"content": content, "structuredContent": structured, "_meta": meta}


def mcp_error(message: str) -> Object:
    """Return the error of an MCP tool."""
    return {"message": message}


def app_context(
    connector_id: str | None,
    *,
    link_id: str | None,
    resource_uri: str | None,
    app_name: str | None,
    action_name: str | None,
) -> Object | None:
    """Return the app on whose behalf an MCP tool was called; None without a connector."""
    if connector_id is None:
        return None
    return {
        "connectorId": connector_id,
        "linkId": link_id,
        "resourceUri": resource_uri,
        "appName": app_name,
        "actionName": action_name,
    }


def web_search(
    item_id: str, query: str, action: Object | None, results: list[object] | None
) -> Object:
    """Return a webSearch."""
    return {
        "type": "webSearch",
        "id": item_id,
        "query": query,
        "action": action,
        "results": results,
    }


# Agents


def collab_agent_tool_call(
    item_id: str,
    *,
    tool: str,
    status: str,
    sender: str,
    receivers: list[str],
    prompt: str | None = None,
    model: str | None = None,
    effort: str | None = None,
    states: Object | None = None,
) -> Object:
    """Return a collabAgentToolCall. `states`: by the agents' threads, see `agent_state`."""
    return {
        "type": "collabAgentToolCall",
        "id": item_id,
        "tool": tool,
        "status": status,
        "senderThreadId": sender,
        "receiverThreadIds": receivers,
        "prompt": prompt,
        "model": model,
        "reasoningEffort": effort,
        "agentsStates": {} if states is None else states,
    }


def agent_state(status: str, message: str | None = None) -> Object:
    """Return the state of an agent."""
    return {"status": status, "message": message}


def sub_agent_activity(
    item_id: str,
    *,
    kind: str,
    thread_id: str,
    path: str,
    model: str | None,
    effort: str | None,
) -> Object:
    """Return a subAgentActivity."""
    return {
        "type": "subAgentActivity",
        "model": model,
        "reasoningEffort": effort,
        "id": item_id,
        "kind": kind,
        "agentThreadId": thread_id,
        "agentPath": path,
    }


# Images


def image_view(item_id: str, path: str) -> Object:
    """Return an imageView."""
    return {"type": "imageView", "id": item_id, "path": path}


def image_generation(
    item_id: str,
    *,
    status: str,
    image: Object,
    prompt: str | None = None,
    transparent: bool | None = None,
    failure: Object | None = None,
    saved_path: str | None = None,
    inputs: Sequence[Object] = (),
    generation_id: str | None = None,
) -> Object:
    """Return an imageGeneration. Without `saved_path` or `inputs` it has no such member.

    `image`: `{"result": ...}` in base64, or `{"fileId": ...}`.
    """
    item: Object = {
        "type": "imageGeneration",
        "id": item_id,
        "status": status,
        "revisedPrompt": prompt,
        **image,
        "transparentBackground": transparent,
        "failure": failure,
    }
    if saved_path is not None:
        item["savedPath"] = saved_path
    if inputs:
        item["inputImages"] = list(inputs)
    item["generationId"] = generation_id
    return item


# The thread


def context_compaction(item_id: str) -> Object:
    """Return a contextCompaction."""
    return {"type": "contextCompaction", "id": item_id}


def entered_review_mode(item_id: str, review: str) -> Object:
    """Return an enteredReviewMode. `review`: what is to be reviewed, in words."""
    return {"type": "enteredReviewMode", "id": item_id, "review": review}


def exited_review_mode(item_id: str, review: str) -> Object:
    """Return an exitedReviewMode. `review`: see `review.review_text`."""
    return {"type": "exitedReviewMode", "id": item_id, "review": review}


def sleep(item_id: str, duration_ms: int) -> Object:
    """Return a sleep."""
    return {"type": "sleep", "id": item_id, "durationMs": duration_ms}
