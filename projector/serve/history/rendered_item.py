"""Convert an item's snapshot to a heading and parts for people. Pure; never fails.

Source of the types and fields: `ThreadItem` of the app-server protocol, Codex 0.169.0. An item of
another type, or with unexpected fields, is shown as its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

Look = Literal["prose", "command", "output", "diff", "json", "note"]


class Part(NamedTuple):
    """A piece of an item's body."""

    look: Look
    text: str


class RenderedItem(NamedTuple):
    """An item as shown to people."""

    title: str
    facts: tuple[str, ...] = ()
    """Shown beside the title: status, exit code, duration."""
    parts: tuple[Part, ...] = ()


Snapshot = Mapping[str, Any]

#: Statuses that are not shown.
_SILENT: Final = frozenset({None, "completed"})
_SECOND: Final = 1000
_MINUTE: Final = 60_000
_DATA_URL: Final = 80


def shown(item_json: str, kind: str) -> RenderedItem:
    """Return an item as shown to people; `kind` is its type as in the view."""
    try:
        item = json.loads(item_json)
        write = _KINDS.get(kind)
        if write is not None:
            return _checked(write(item))
        rest = {key: value for key, value in item.items() if key not in {"type", "id"}}
        return RenderedItem(kind, _facts(item), _json(rest))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return RenderedItem(kind, (), (Part("json", item_json),))


def failed(item: RenderedItem) -> bool:
    """True if an item's facts say that it failed."""
    return any(
        fact == "failed" or (fact.startswith("exit ") and fact != "exit 0") for fact in item.facts
    )


def _checked(found: RenderedItem) -> RenderedItem:
    if not all(isinstance(part.text, str) for part in found.parts):
        raise TypeError("a text is none")
    return found


def duration(ms: float | None) -> str | None:
    """Format a duration: `12 ms`, `3.4 s`, `2 min 5 s`."""
    if ms is None:
        return None
    if ms < _SECOND:
        return f"{ms:g} ms"
    if ms < _MINUTE:
        return f"{ms / _SECOND:.1f} s"
    return f"{ms // _MINUTE:.0f} min {ms % _MINUTE / _SECOND:.0f} s"


def error_message(error_json: str) -> str:
    """Return the message of a turn's error, with its details."""
    try:
        error = json.loads(error_json)
        said = [error["message"], error.get("additionalDetails")]
        return "\n".join(str(one) for one in said if one)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return error_json


def _user(item: Snapshot) -> RenderedItem:
    return RenderedItem("User", (), tuple(_inputs(item["content"])))


def _inputs(content: list[Any]) -> Iterator[Part]:
    for one in content:
        match one.get("type"):
            case "text":
                yield Part("prose", one["text"])
            case "image" | "audio":
                yield Part("note", f"{one['type']}: {_address(one.get('url') or one['fileId'])}")
            case "localImage" | "localAudio":
                yield Part("note", f"{one['type'][5:].lower()}: {one['path']}")
            case "skill" | "mention":
                yield Part("note", f"{one['type']} {one['name']}: {one['path']}")
            case _:
                yield from _json(one)


def _agent(item: Snapshot) -> RenderedItem:
    parts = [Part("prose", item["text"])]
    for question in item.get("questions") or ():
        options = "".join(f"\n- {option}" for option in question["options"] or ())
        parts.append(Part("prose", f"{question['title']}{options}"))
    phase = item.get("phase")
    facts = _said(phase and phase.replace("_", " "), item.get("delivery"))
    return RenderedItem("Agent", facts, tuple(parts))


def _reasoning(item: Snapshot) -> RenderedItem:
    texts = [*item["summary"], *item["content"]]
    return RenderedItem("Reasoning", (), tuple(Part("prose", text) for text in texts))


def _plan(item: Snapshot) -> RenderedItem:
    return RenderedItem("Plan", (), (Part("prose", item["text"]),))


def _command(item: Snapshot) -> RenderedItem:
    code = item.get("exitCode")
    facts = _said(
        "by the user" if item.get("source") == "userShell" else None,
        item["status"] if code is None or item["status"] not in {"completed", "failed"} else None,
        None if code is None else f"exit {code}",
        duration(item.get("durationMs")),
    )
    parts = [Part("command", item["command"])]
    if item.get("aggregatedOutput"):
        parts.append(Part("output", item["aggregatedOutput"]))
    return RenderedItem("Command", facts, tuple(parts))


def _files(item: Snapshot) -> RenderedItem:
    return RenderedItem("Files", _facts(item), tuple(_changes(item["changes"])))


def _changes(changes: list[Any]) -> Iterator[Part]:
    for change in changes:
        kind = change["kind"]
        moved = kind.get("move_path")
        yield Part("note", f"{kind['type']} {change['path']}" + (f" -> {moved}" if moved else ""))
        sign = {"add": "+", "delete": "-"}.get(kind["type"])
        diff = change["diff"]
        if sign is not None:
            # Codex stores the whole content of a new or deleted file instead of a diff.
            diff = "".join(f"{sign}{line}\n" for line in _lines(diff))
        elif moved is not None:
            diff = diff.removesuffix(f"\n\nMoved to: {moved}")
        if diff:
            yield Part("diff", diff)


def _mcp(item: Snapshot) -> RenderedItem:
    parts = [*_json(item["arguments"])]
    result = item.get("result")
    if result is not None:
        parts += _contents(result["content"])
        if result.get("structuredContent") is not None:
            parts += _json(result["structuredContent"])
    if item.get("error") is not None:
        parts.append(Part("note", f"error: {item['error']['message']}"))
    return RenderedItem(f"Tool {item['server']}.{item['tool']}", _facts(item), tuple(parts))


def _tool(item: Snapshot) -> RenderedItem:
    failed = "failed" if item.get("success") is False and item["status"] != "failed" else None
    parts = [*_json(item["arguments"]), *_contents(item.get("contentItems") or ())]
    return RenderedItem(
        f"Tool {_full_name(item, 'tool')}", _said(*_facts(item), failed), tuple(parts)
    )


def _output(item: Snapshot) -> RenderedItem:
    output = item["output"]
    parts = (Part("output", output),) if isinstance(output, str) else tuple(_contents(output))
    return RenderedItem(f"Output of {_full_name(item, 'name')}", (), parts)


def _contents(content: Any) -> Iterator[Part]:
    """Yield a tool's result: texts as they are, other content by its kind."""
    for one in content:
        if isinstance(one, dict) and isinstance(one.get("text"), str):
            yield Part("output", one["text"])
        elif isinstance(one, dict) and (url := _image(one)) is not None:
            yield Part("note", f"{one.get('type')}: {_address(url)}")
        else:
            yield from _json(one)


def _image(one: Snapshot) -> str | None:
    for key in ("imageUrl", "audioUrl", "image_url", "audio_url", "data", "encrypted_content"):
        if isinstance(one.get(key), str):
            return str(one[key])
    return None


def _agents(item: Snapshot) -> RenderedItem:
    parts = []
    if item.get("prompt"):
        parts.append(Part("prose", item["prompt"]))
    states = item.get("agentsStates") or {}
    for agent in dict.fromkeys([*item["receiverThreadIds"], *states]):
        state = states.get(agent) or {}
        said = " ".join(str(one) for one in (state.get("status"), state.get("message")) if one)
        parts.append(Part("note", f"agent {agent}" + (f": {said}" if said else "")))
    return RenderedItem(f"Agents {item['tool']}", _facts(item), tuple(parts))


def _sub_agent(item: Snapshot) -> RenderedItem:
    agent = Part("note", f"agent {item['agentThreadId']}")
    return RenderedItem(
        f"Sub-agent {item['agentPath']}", _said(item["kind"], item.get("model")), (agent,)
    )


def _search(item: Snapshot) -> RenderedItem:
    action = item.get("action") or {}
    match action.get("type"):
        case "openPage":
            title, said = "Web page", [action.get("url")]
        case "findInPage":
            title, said = "Find in page", [action.get("pattern"), action.get("url")]
        case _:
            said = [item["query"], *(action.get("queries") or ())]
            title, said = "Web search", list(dict.fromkeys(said))
    results = item.get("results")
    facts = () if results is None else (f"{len(results)} results",)
    return RenderedItem(title, facts, tuple(Part("note", one) for one in said if one))


def _image_view(item: Snapshot) -> RenderedItem:
    return RenderedItem("Image", (), (Part("note", item["path"]),))


def _image_made(item: Snapshot) -> RenderedItem:
    notes = [
        item.get("savedPath") or _address(item.get("result") or item.get("fileId") or ""),
        item.get("revisedPrompt"),
    ]
    if item.get("failure"):
        notes.append(f"failure: {item['failure']['type']}")
    return RenderedItem(
        "Image made", _facts(item), tuple(Part("note", one) for one in notes if one)
    )


def _sleep(item: Snapshot) -> RenderedItem:
    return RenderedItem("Sleep", _said(duration(item["durationMs"])))


def _hook(item: Snapshot) -> RenderedItem:
    return RenderedItem("Hook", (), tuple(Part("prose", one["text"]) for one in item["fragments"]))


def _review_begun(item: Snapshot) -> RenderedItem:
    return RenderedItem("Review begun", (), (Part("prose", item["review"]),))


def _review_ended(item: Snapshot) -> RenderedItem:
    return RenderedItem("Review", (), (Part("prose", item["review"]),))


def _compacted(_item: Snapshot) -> RenderedItem:
    return RenderedItem("Context compacted")


_KINDS: Final[Mapping[str, Callable[[Snapshot], RenderedItem]]] = {
    "userMessage": _user,
    "agentMessage": _agent,
    "reasoning": _reasoning,
    "plan": _plan,
    "commandExecution": _command,
    "fileChange": _files,
    "mcpToolCall": _mcp,
    "dynamicToolCall": _tool,
    "functionCallOutput": _output,
    "collabAgentToolCall": _agents,
    "subAgentActivity": _sub_agent,
    "webSearch": _search,
    "imageView": _image_view,
    "imageGeneration": _image_made,
    "sleep": _sleep,
    "hookPrompt": _hook,
    "enteredReviewMode": _review_begun,
    "exitedReviewMode": _review_ended,
    "contextCompaction": _compacted,
}

#: Types of items that are known.
TYPES: Final = frozenset(_KINDS)


def _facts(item: Snapshot) -> tuple[str, ...]:
    status = item.get("status")
    return _said(None if status in _SILENT else status, duration(item.get("durationMs")))


def _said(*facts: str | None) -> tuple[str, ...]:
    return tuple(str(fact) for fact in facts if fact)


def _full_name(item: Snapshot, key: str) -> str:
    return f"{item['namespace']}.{item[key]}" if item.get("namespace") else str(item[key])


def _json(value: Any) -> tuple[Part, ...]:
    """Format a value as JSON, on several lines if it is long; nothing for an empty value."""
    if value is None or value in ({}, []):
        return ()
    short = json.dumps(value, ensure_ascii=False)
    if len(short) > _DATA_URL and not isinstance(value, str):
        short = json.dumps(value, ensure_ascii=False, indent=2)
    return (Part("json", short),)


def _address(url: str) -> str:
    """Return a URL; embedded data is cut."""
    return url if len(url) <= _DATA_URL else f"{url[:_DATA_URL]}... ({len(url):,} characters)"


def _lines(text: str) -> list[str]:
    """Split at newlines only: other line end characters occur in files."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines
