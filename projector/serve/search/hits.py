"""Search hits, formatted for people and for programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from projector.model.humanize import count
from projector.model.terminal_safe import one_line
from projector.search.text import GAP
from projector.serve.history.looks import Looks, cells, fitting, wrapped
from projector.serve.history.rendered_item import TYPES
from projector.serve.history.table import SHORT_ID, several_hosts, title, when

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

#: Characters of an item's uid that are shown: enough within a thread.
SHORT_UID: Final = 8
#: Where a hit begins and ends in a line that is wrapped: takes no column, and is in no safe text.
_MARK: Final = "\u200b"

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


#: Types of items by their lower case.
_BY_LOWER: Final = {one.lower(): one for one in sorted(TYPES)}
#: The word for a type in a list of hits: the most particular of `KINDS`.
_WORDS: Final = {one: word for word, types in KINDS.items() for one in types}


#: Members of `document`.
COLUMNS: Final = (
    "thread_id", "thread_name", "thread_preview", "also_in", "turn_id", "item_id", "uid", "type",
    "created_at_ms", "snippet", "marks",
)  # fmt: skip


def types_of(asked: Iterable[str]) -> tuple[str, ...]:
    """Return the item types of a `--type` value: a kind, or an item type; in any case."""
    return tuple(
        dict.fromkeys(
            kind
            for one in asked
            for kind in KINDS.get(one.lower(), (_BY_LOWER.get(one.lower(), one),))
        )
    )


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
    looks: Looks,
    marks: tuple[str, str] = ("", ""),
    around: Mapping[str, Around] | None = None,
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Format hits for people, grouped by thread: the thread, then each hit and its snippet.

    `threads`: rows of the view `threads`; `marks`: text before and after what matches, besides its
    style; `around`: items before and after each hit, by its uid.
    """
    several = several_hosts(threads.values())
    for number, thread_id in enumerate(dict.fromkeys(hit.thread_id for hit in hits)):
        if number:
            yield "\n"
        thread = threads.get(thread_id, {"name": None, "preview": None})
        shown_id = thread_id[:SHORT_ID] if looks.width else thread_id
        facts = [one_line(thread.get("host") or "")] if several else []
        facts.append(one_line(thread.get("cwd") or ""))
        named = looks.paint(title(thread), "heading") + "  " + looks.paint(shown_id, "id")
        rest = "".join(f"  {one}" for one in facts if one)
        room = None if looks.width is None else looks.width - cells(title(thread) + "  " + shown_id)
        fits = room is None or cells(rest) <= room
        yield named + (looks.paint(rest, "quiet") if fits else "") + "\n"
        for hit in hits:
            if hit.thread_id == thread_id:
                yield from _hit_lines(hit, looks, marks, (around or {}).get(hit.uid), zone)


class Around(NamedTuple):
    """Summaries of the items around a hit."""

    before: Sequence[str]
    after: Sequence[str]


def _hit_lines(
    hit: Hit, looks: Looks, marks: tuple[str, str], around: Around | None, zone: tzinfo | None
) -> Iterator[str]:
    shared = f"  also in {count(len(hit.also_in), 'fork')}" if hit.also_in else ""
    moment = when(hit.created_at_ms, zone)[:16]
    kind = one_line(_WORDS.get(hit.type, hit.type))
    yield (
        f"  {looks.paint(moment, 'quiet')}  {looks.paint(kind, 'work')}"
        f"  {looks.paint(hit.uid[:SHORT_UID], 'id')}{looks.paint(shared, 'quiet')}\n"
    )
    for line in around.before if around else ():
        yield _context_line(line, looks)
    pieces_ = [*pieces(hit.snippet)]
    marked = "".join(
        f"{_MARK}{marks[0]}{part}{marks[1]}{_MARK}" if inside else part for part, inside in pieces_
    )
    for line in _painted(marked, looks):
        yield f"{line}\n"
    for line in around.after if around else ():
        yield _context_line(line, looks)


def _context_line(line: str, looks: Looks) -> str:
    shown = f"    {line}"
    if looks.width is not None:
        shown = fitting(shown, looks.width)
    return looks.paint(shown, "quiet") + "\n"


def _painted(marked: str, looks: Looks) -> Iterator[str]:
    """Wrap a snippet, and paint what matches, also where a line ends within."""
    inside = False
    # The marks take no room: they are between words, or the words' own.
    for line in wrapped(marked, "    ", "    ", looks.width):
        made = ""
        for at, part in enumerate(line.split(_MARK)):
            inside = inside if at == 0 else not inside
            made += looks.paint(part, "hit") if inside else part
        yield made.rstrip(" ")


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
