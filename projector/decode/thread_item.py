"""Convert a rollout's item to the `ThreadItem` of the app-server protocol. Pure.

`to_thread_item` is as strict as Codex. What it refuses, `to_partial_item` still converts as far as
possible: items are the history, and none is lost because of a field's spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from projector.decode import images, known_members, messages, tools
from projector.decode import lossless_json as exact
from projector.decode.errors import DecodeError
from projector.decode.fields import Object, camel
from projector.decode.members import Found

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

#: Fields of a `ThreadItem` with values of any kind, including numbers: see `needs_exact`.
FREE: Final = {
    "dynamicToolCall": ("arguments",),
    "mcpToolCall": ("arguments", "result"),
    "webSearch": ("results",),
}


class Kept(NamedTuple):
    """An item that Codex's decoder refuses."""

    shown: Object
    known: bool
    """True if its type is known and only its content is not."""
    unknown: Sequence[str] = ()
    """Members that are not known."""


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
    free = FREE.get(shown["type"])
    return free is not None and any(exact.has_float(shown[name]) for name in free)


def to_partial_item(item: Any) -> Kept | None:
    """Convert an item that `to_thread_item` refuses as far as possible.

    None if nothing can be read. Of a known type each member that Codex takes is in its usual form;
    the others are as written. An unknown type keeps its name and all fields, in camelCase.
    """
    if type(item) is not dict:
        return None
    kind, identity = item.get("type"), item.get("id")
    if type(kind) is not str or type(identity) is not str:
        return None
    template = _TEMPLATES.get(known_members.name_of(item))
    if template is None:
        shown: Object = {"type": kind, "id": identity}
        found = Found()
        for name, value in item.items():
            if name not in ("type", "id"):
                found.put(shown, _NONE, name, value)
        return Kept(shown, known=False)
    return _Partial(item, template).kept()


class _Partial:
    """What can be told of an item of a known type."""

    def __init__(self, item: Object, template: Object) -> None:
        """`template`: the least that Codex takes of that type."""
        self._item = item
        self._convert = _CONVERTERS[item["type"]]
        self._template = {"type": item["type"], "id": item["id"], **template}
        self._good: Object = {}
        """Members as Codex takes them; of some that it refuses, what can be told."""
        self._odd: Object = {}
        """Members that it refuses, as written."""

    def kept(self) -> Kept:
        """Return the item's snapshot."""
        item = self._item
        for name, value in item.items():
            self._try(name, value)
        if "cwd" in item and "cwd" not in self._good and "parsed_cmd" in item:
            self._odd["parsed_cmd"] = item["parsed_cmd"]  # relative to nobody knows what
            self._good["parsed_cmd"] = []
        shown = self._convert({**self._template, **self._good})
        for name in self._template.keys() - self._good.keys():
            shown.pop(_shown_name(name, shown), None)
        whole = {name: held for name, held in item.items() if name not in self._odd}
        unknown = known_members.keep_of_members(whole, shown)
        found = Found()
        for name, value in self._odd.items():
            into = _shown_name(name, shown)
            if into != camel(name):
                found.put(shown, _NONE, name, value)
            elif name not in self._good:
                shown[into] = value
            elif type(shown.get(into)) is list and type(value) is list:
                shown[into] = self._entries(name, value, into)
            elif shown.get(into) != value:
                found.put(shown, _NONE, name, value)
        return Kept(shown, known=True, unknown=unknown)

    def _takes(self, name: str, value: Any) -> Object | None:
        try:
            return self._convert({**self._template, name: value})
        except DecodeError:
            return None

    def _try(self, name: str, value: Any) -> None:
        """Take a member if Codex does; else as much of it as can be told."""
        if self._takes(name, value) is not None:
            self._good[name] = value
            return
        self._odd[name] = value
        for other in self._nearly(name, value):
            if self._takes(name, other) is not None:
                self._good[name] = other
                return

    def _nearly(self, name: str, value: Any) -> Iterator[Any]:
        """Yield forms of a value that Codex might take."""
        if type(value) is list:
            yield [each for each in value if self._takes(name, [each]) is not None]
        elif name == "changes" and type(value) is dict:
            yield {
                path: _CHANGED if self._takes(name, {path: change}) is None else change
                for path, change in value.items()
            }
        elif name == "duration" and type(value) is dict:
            yield {part: value.get(part) for part in ("secs", "nanos")}
        elif name == "cwd" and type(value) is str and value.startswith("/"):
            yield "file://" + value.translate(_QUOTED)

    def _entries(self, name: str, value: list[Any], into: str) -> list[Any]:
        """Convert a list's entries one by one; those that Codex refuses stay as written."""
        shown: list[Any] = []
        for each in value:
            alone = self._takes(name, [each])
            shown += [each] if alone is None else alone[into]
        return shown


def _shown_name(name: str, shown: Object) -> str:
    """Return the name of an item's member in its snapshot."""
    if name == "content" and "text" in shown:
        return "text"
    if name == "raw_content":
        return "content"
    return _SHOWN_NAMES.get(name) or camel(name)


_SHOWN_NAMES: Final = {
    "parsed_cmd": "commandActions",
    "duration": "durationMs",
    "summary_text": "summary",
    "user_facing_hint": "review",
    "review_output": "review",
}
#: Characters of a path that mean something else in a URI.
_QUOTED: Final = str.maketrans({"%": "%25", "?": "%3F", "#": "%23", "\\": "%5C"})
#: Stands for a change that Codex refuses.
_CHANGED: Final[Object] = {"type": "update", "unified_diff": ""}
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
#: The least that Codex takes of each type.
_TEMPLATES: Final[dict[str, Object]] = {
    "UserMessage": {"content": []},
    "FunctionCallOutput": {"name": "", "output": ""},
    "HookPrompt": {"fragments": []},
    "AgentMessage": {"content": []},
    "Plan": {"text": ""},
    "Reasoning": {"summary_text": []},
    "CommandExecution": {
        "command": [],
        "cwd": "file:///",
        "parsed_cmd": [],
        "source": "agent",
        "status": "completed",
    },
    "DynamicToolCall": {"tool": "", "arguments": None, "status": "completed"},
    "McpToolCall": {"server": "", "tool": "", "arguments": None, "status": "completed"},
    "CollabAgentToolCall": {"tool": "wait", "status": "completed", "sender_thread_id": _NOBODY},
    "SubAgentActivity": {"kind": "started", "agent_thread_id": _NOBODY, "agent_path": "/root"},
    "WebSearch": {"query": "", "action": {"type": "other"}},
    "ImageView": {"path": "file:///"},
    "ImageGeneration": {"status": "", "result": ""},
    "EnteredReviewMode": {"target": {"type": "uncommittedChanges"}, "user_facing_hint": ""},
    "ExitedReviewMode": {},
    "FileChange": {"changes": {}},
    "ContextCompaction": {},
    "Extension clock.sleep": {"kind": "clock.sleep", "durationMs": 0},
    "Extension web.search": {"kind": "web.search", "query": ""},
    "Extension image_gen.generation": {
        "kind": "image_gen.generation",
        "status": "",
        "result": "",
    },
}
_NONE: Final[frozenset[str]] = frozenset()
