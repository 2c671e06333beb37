"""Search hits, formatted for people and for programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from projector.model.terminal_safe import one_line
from projector.search.text import GAP
from projector.serve.history.table import several_hosts, title, when

#: Delimiters of a hit in a snippet. Not characters: Unicode reserves them for internal use.
BEGIN: Final = "\ufdd0"
END: Final = "\ufdd1"

#: Values of `--type` besides types of items.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "message": ("userMessage", "agentMessage"),
    "user": ("userMessage",),
    "agent": ("agentMessage",),
    "reasoning": ("reasoning",),
    "plan": ("plan",),
    "command": ("commandExecution",),
    "file": ("fileChange",),
    "tool": ("mcpToolCall", "dynamicToolCall", "functionCallOutput", "collabAgentToolCall"),
    "web": ("webSearch",),
    "review": ("enteredReviewMode", "exitedReviewMode"),
}

_MARKED: Final = re.compile(f"[{BEGIN}{END}]")


class Hit(NamedTuple):
    """An item that was found."""

    thread_id: str
    """Its own thread, unless that thread no longer shows it."""
    also_in: tuple[str, ...]
    """Other threads whose visible history contains it: forks."""
    turn_id: str
    item_id: str
    uid: str
    type: str
    created_at_ms: int
    snippet: str
    """Text around the first hit, hits between BEGIN and END."""
    position: int = 0
    """Where it stands in its thread's history."""


def types_of(asked: Iterable[str]) -> tuple[str, ...]:
    """Return the item types of a `--type` value: a kind, or an item type."""
    return tuple(dict.fromkeys(kind for one in asked for kind in KINDS.get(one.lower(), (one,))))


def pieces(snippet: str) -> Iterator[tuple[str, bool]]:
    """Split a snippet into texts on one line without control characters, True marks a hit."""
    inside = False
    at = 0
    text = " ".join(snippet.replace(GAP, "").split())
    for mark in _MARKED.finditer(text):
        if part := text[at : mark.start()]:
            yield _shown(part), inside
        inside = mark[0] == BEGIN
        at = mark.end()
    if at < len(text):
        yield _shown(text[at:]), inside


def _shown(text: str) -> str:
    """Escape control characters; spaces at the ends, which `one_line` strips, stay."""
    words = one_line(text)
    return " " * (text[0] == " ") + words + " " * (text[-1] == " ") * bool(words)


def text(
    hits: Sequence[Hit],
    threads: Mapping[str, Mapping[str, Any]],
    *,
    styles: tuple[str, str],
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Format hits for people, two lines each: where and when, and the snippet.

    `threads`: rows of the view `threads`; `styles`: text before and after a hit.
    """
    several = several_hosts(threads.values())
    for hit in hits:
        thread = threads.get(hit.thread_id, {"name": None, "preview": None})
        host = f"  {one_line(thread.get('host') or '')}" if several else ""
        shared = f" (+{len(hit.also_in)})" if hit.also_in else ""
        yield (
            f"{when(hit.created_at_ms, zone)[:16]}  {hit.thread_id}{shared}{host}"
            f"  {one_line(hit.type)}  {hit.uid}  {title(thread)}\n"
        )
        marked = "".join(
            f"{styles[0]}{part}{styles[1]}" if inside else part
            for part, inside in pieces(hit.snippet)
        )
        yield f"    {marked}\n"


def document(hit: Hit, thread: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a hit for `--json`.

    `marks` are the positions of hits in the snippet, in characters.
    """
    said = ""
    marks = []
    for part, inside in pieces(hit.snippet):
        if inside:
            marks.append([len(said), len(said) + len(part)])
        said += part
    host = {"host": thread["host"]} if thread and "host" in thread else {}
    return {
        "thread_id": hit.thread_id,
        **host,
        "thread_name": thread["name"] if thread else None,
        "thread_preview": thread["preview"] if thread else None,
        "also_in": list(hit.also_in),
        "turn_id": hit.turn_id,
        "item_id": hit.item_id,
        "uid": hit.uid,
        "type": hit.type,
        "created_at_ms": hit.created_at_ms,
        "snippet": said,
        "marks": marks,
    }
