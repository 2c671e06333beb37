"""Convert a rollout's item to the `ThreadItem` of the app-server protocol. Pure.

`to_thread_item` is as strict as Codex. What it refuses, `to_partial_item` still converts as far as
possible: items are the history, and none is lost because of a field's spelling.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from projector.decode import images, messages, paths, shell, tools
from projector.decode import lossless_json as exact
from projector.decode.errors import DecodeError
from projector.decode.fields import Object, camel, opt_duration_ms
from projector.decode.review import review_text

_CONVERTERS: Final[dict[str, Callable[[Object], Object]]] = {
    "UserMessage": messages.user_message,
    "FunctionCallOutput": messages.function_call_output,
    "HookPrompt": messages.hook_prompt,
    "AgentMessage": messages.agent_message,
    "Plan": messages.plan,
    "Reasoning": messages.reasoning,
    "CommandExecution": tools.command_execution,
    "DynamicToolCall": tools.dynamic_tool_call,
    "CollabAgentToolCall": tools.collab_tool_call,
    "SubAgentActivity": tools.sub_agent_activity,
    "WebSearch": tools.web_search,
    "ImageView": images.image_view,
    "Extension": tools.extension,
    "ImageGeneration": images.image_generation,
    "EnteredReviewMode": messages.entered_review,
    "ExitedReviewMode": messages.exited_review,
    "FileChange": tools.file_change,
    "McpToolCall": tools.mcp_tool_call,
    "ContextCompaction": messages.context_compaction,
}

#: Fields of a `ThreadItem` with values of any kind, including numbers.
_FREE: Final = {
    "dynamicToolCall": ("arguments",),
    "mcpToolCall": ("arguments", "result"),
    "webSearch": ("results",),
}


class Kept(NamedTuple):
    """An item that Codex's decoder refuses."""

    shown: Object
    known: bool
    """True if its type is known and only its content is not."""


def to_thread_item(item: Any) -> Object:
    """Return the `ThreadItem`, keys in Codex's order.

    Raises:
        DecodeError: Codex's decoder does not accept the item.
    """
    if type(item) is not dict:
        raise DecodeError("item")
    kind = item.get("type")
    converter = _CONVERTERS.get(kind) if type(kind) is str else None
    if converter is None:
        raise DecodeError("item.type")
    if type(item.get("id")) is not str:
        raise DecodeError("item.id")
    return converter(item)


def needs_exact(shown: Object) -> bool:
    """True if numbers in the item may have been spelled differently from orjson's output."""
    free = _FREE.get(shown["type"])
    return free is not None and any(exact.has_float(shown[name]) for name in free)


def to_partial_item(item: Any) -> Kept | None:
    """Convert an item that `to_thread_item` refuses as far as possible.

    None if nothing can be read. An unknown type keeps its name and all fields, in camelCase; so do
    known ones, with the fields that people read (texts, commands, changes) in their usual form.
    """
    if type(item) is not dict:
        return None
    kind, identity = item.get("type"), item.get("id")
    if type(kind) is not str or type(identity) is not str:
        return None
    known = kind in _CONVERTERS and kind != "Extension"
    shown: Object = {"type": kind[:1].lower() + kind[1:] if known else kind, "id": identity}
    for name, value in item.items():
        if name not in ("type", "id"):
            shown.setdefault(camel(name), value)
    mend = _MENDED.get(kind)
    if mend is not None:
        mend(item, shown)
    return Kept(shown, known)


def _said(item: Object, shown: Object) -> None:
    parts = item.get("content")
    if type(parts) is list:
        said = [part.get("text") for part in parts if type(part) is dict]
        shown["text"] = "".join(part for part in said if type(part) is str)
        del shown["content"]


def _ran(item: Object, shown: Object) -> None:
    argv = item.get("command")
    if type(argv) is list:
        shown["command"] = shell.join([part for part in argv if type(part) is str])
    with contextlib.suppress(DecodeError, KeyError, TypeError, AttributeError):
        shown["cwd"] = paths.from_uri(item["cwd"])
    _took(item, shown)


def _took(item: Object, shown: Object) -> None:
    if "duration" in item:
        try:
            shown["durationMs"] = opt_duration_ms(item, "duration")
        except DecodeError:
            return
        shown.pop("duration", None)


def _patched(item: Object, shown: Object) -> None:
    changes = item.get("changes")
    if type(changes) is not dict:
        return
    mended: list[Object] = []
    for path, change in changes.items():
        try:
            mended.extend(tools.file_changes({path: change}))
        except DecodeError:
            mended.append({"path": path, "kind": {"type": "update", "move_path": None}, "diff": ""})
    shown["changes"] = sorted(mended, key=lambda each: str(each["path"]))


def _reviewed(item: Object, shown: Object) -> None:
    if item["type"] == "ExitedReviewMode":
        shown["review"] = review_text(item.get("review_output"))
        shown.pop("reviewOutput", None)
    elif type(item.get("user_facing_hint")) is str:
        shown["review"] = shown.pop("userFacingHint")


_MENDED: Final[dict[str, Callable[[Object, Object], None]]] = {
    "AgentMessage": _said,
    "CommandExecution": _ran,
    "DynamicToolCall": _took,
    "McpToolCall": _took,
    "FileChange": _patched,
    "EnteredReviewMode": _reviewed,
    "ExitedReviewMode": _reviewed,
}
