"""Render a thread's visible history as text, Markdown or JSON, while it is read. Pure.

Items are listed under their turn in file order, even where other turns' items come between. Text
and Markdown escape terminal control characters; JSON is exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, Final

import orjson
from msgspec import Struct

from projector.model.humanize import count
from projector.model.terminal_safe import one_line, terminal_safe
from projector.serve.history.looks import PLAIN, Looks, Style, wrapped
from projector.serve.history.rendered_item import Part, duration, error_message, failed, shown
from projector.serve.history.replay import raw
from projector.serve.history.table import title, when
from projector.serve.history.threads import document, source_of
from projector.serve.history.visible import ALL, History, Shown
from projector.store.questions.history import Item, Turn

#: Lines of an output and of a diff that are shown unless everything is requested.
OUTPUT_LINES: Final = 20
DIFF_LINES: Final = 200
LINE: Final = 400

_CUT: Final[Mapping[str, int]] = {
    "output": OUTPUT_LINES,
    "json": OUTPUT_LINES,
    "diff": DIFF_LINES,
}
_LANGUAGE: Final[Mapping[str, str]] = {
    "command": "sh",
    "output": "text",
    "diff": "diff",
    "json": "json",
}
_BACKTICKS: Final = re.compile("`+")
_MARKED: Final = re.compile(r"([\\`*_\[\]<>#|~])")
_TAG: Final = re.compile("<(?=[A-Za-z/!?])")
_FENCE: Final = re.compile(" {0,3}(`{3,}|~{3,})")
_CODE: Final = re.compile("(`+)(?!`)(.+?)(?<!`)\\1(?!`)")
_INLINE: Final = re.compile(r"`[^`]+`|\*\*[^*\s](?:[^*]*[^*\s])?\*\*")
_TITLE: Final = re.compile(" {0,3}#{1,6} ")


class Detail(Struct, frozen=True, kw_only=True):
    """How much is shown."""

    full: bool = False
    """Show complete outputs and diffs, and reasoning."""
    reasoning: bool = False
    zone: tzinfo | None = None
    """Time zone of displayed times; None: that of the machine."""
    more: str = "--full: all"
    """How to get what is cut."""
    looks: Looks = PLAIN
    """Of text."""

    def shows(self, item: Item) -> bool:
        """True if an item is shown at all."""
        return item.type != "reasoning" or self.full or self.reasoning


def as_json(history: History, which: Shown = ALL) -> Iterator[bytes]:
    """Yield one document: `{"thread": {...}, "turns": [{..., "items": [...]}]}`.

    Names are those of the views; `error` and `item` are the JSON of `error_json` and `item_json`,
    as stored. A turn with `uid` null exists only through its items.
    """
    yield b'{"thread":' + orjson.dumps(document(history.thread)) + b',"turns":['
    between = b""
    for _, turn in which.turns(history):
        yield between + orjson.dumps(_columns(turn, "error_json"))[:-1] + b',"items":['
        between = b""
        for item in history.items_of(turn.turn_id):
            if which.shows(item):
                yield between + orjson.dumps(_columns(item, "item_json"))
                between = b","
        yield b"]}"
        between = b","
    yield b"]}\n"


def _columns(row: Turn | Item, stored: str) -> dict[str, Any]:
    return {
        (name.removesuffix("_json") if name == stored else name): raw(value)
        if name == stored
        else value
        for name, value in row._asdict().items()
    }


def as_text(history: History, detail: Detail, which: Shown = ALL) -> Iterator[str]:
    """Yield the history as text for people, a piece at a time."""
    looks = detail.looks
    yield from thread_heading(history, detail)
    for number, turn in which.turns(history):
        yield "\n" + turn_heading(number, turn, detail)
        for item in _items(history, turn, detail):
            if which.shows(item):
                yield item_text(item, detail, hit=item.uid == which.hit)
        if turn.error_json is not None and which.whole:
            yield error_text(turn.error_json, looks)
    yield f"\n{looks.paint(resume(history.thread), 'quiet')}\n"


def thread_heading(history: History, detail: Detail) -> Iterator[str]:
    """Yield what is known of the thread as a whole."""
    looks = detail.looks
    yield _line(looks, title(history.thread), "heading")
    for name, value in heading(history.thread, detail):
        label = f"  {name:<10}"
        first, *rest = wrapped(one_line(value), label, " " * len(label), looks.width)
        yield looks.paint(label, "quiet") + first[len(label) :] + "\n"
        yield from (f"{line}\n" for line in rest)


def resume(thread: Mapping[str, Any]) -> str:
    """Return the command that continues a thread in Codex."""
    return f"To continue this thread: codex resume {thread['thread_id']}"


def turn_heading(number: int, turn: Turn, detail: Detail) -> str:
    """Return the line above a turn."""
    status, *facts = turn_facts(turn, detail)
    style: Style = {"failed": "bad", "cancelled": "warning", "interrupted": "warning"}.get(
        turn.status or "", "heading"
    )  # type: ignore[assignment] # mypy takes the values for str
    return _line(detail.looks, f"== Turn {number}: {' · '.join([status, *facts])}", style)


def error_text(error_json: str, looks: Looks = PLAIN) -> str:
    """Return the error of a turn."""
    text = _indented(error_message(error_json), "  ! ", looks=looks, style="bad")
    return f"\n{looks.paint('Error', 'bad')}\n{text}"


def item_text(item: Item, detail: Detail, *, hit: bool = False) -> str:
    """Return an item as text, after an empty line; `hit`: marked."""
    looks, what = detail.looks, shown(item.item_json, item.type)
    facts = " · ".join(["", *what.facts, _clock(item, detail)])
    style: Style = {"userMessage": "user", "agentMessage": "agent"}.get(item.type, "work")  # type: ignore[assignment] # mypy takes the values for str
    first, *rest = wrapped(one_line(what.title + facts), "", "  ", looks.width)
    named = len(one_line(what.title))
    head = looks.paint(first[:named], style) + looks.paint(
        first[named:], "bad" if failed(what) else "quiet"
    )
    mark = looks.paint("> ", "hit") if hit else ""
    lines = "".join(f"{line}\n" for line in (mark + head, *rest))
    return f"\n{lines}" + "".join(_text_part(part, detail) for part in what.parts)


def _line(looks: Looks, text: str, style: Style) -> str:
    return "".join(f"{looks.paint(one, style)}\n" for one in wrapped(text, "", "  ", looks.width))


def _text_part(part: Part, detail: Detail) -> str:
    text, looks = cut(part, detail), detail.looks
    match part.look:
        case "command":
            return _indented(text, "  $ ", "    ", looks=looks, style="heading")
        case "output" | "json":
            return _indented(text, "  | ", looks=looks, style="quiet", cut=True)
        case "diff":
            return "".join(
                _indented(line, "  ", "    ", looks=looks, style=_diff_style(line), cut=True)
                for line in text.removesuffix("\n").split("\n")
            )
        case "prose":
            return _prose(text, looks)
        case _:
            return _indented(text, "  ", looks=looks)


def _diff_style(line: str) -> Style | None:
    if line.startswith("@@"):
        return "hunk"
    if line.startswith(("+++", "---")):
        return "heading"
    return "good" if line.startswith("+") else "bad" if line.startswith("-") else None


def _prose(text: str, looks: Looks) -> str:
    """Return a message: code blocks as they are, other lines wrapped, what is marked painted."""
    made, fence = [], ""
    for line in terminal_safe(text).removesuffix("\n").split("\n"):
        found = _FENCE.match(line)
        if fence or found:
            made += _styled(wrapped(line, "  ", "  ", looks.width, cut=True), looks, "code")
            if not fence and found:
                fence = found[1]
            elif found and found[1].startswith(fence) and not line[found.end() :].strip():
                fence = ""
            continue
        lines = wrapped(line, "  ", "  ", looks.width)
        if _TITLE.match(line):
            made += _styled(lines, looks, "heading")
        else:
            made += [_marked(one, looks) for one in lines]
    return "".join(line.rstrip(" ") + "\n" for line in made)


def _marked(line: str, looks: Looks) -> str:
    """Paint inline code and what is strong, where both ends are on the line."""
    if looks is PLAIN or ("`" not in line and "**" not in line):
        return line
    return _INLINE.sub(
        lambda found: looks.paint(found[0], "code" if found[0][0] == "`" else "heading"), line
    )


def _styled(lines: list[str], looks: Looks, style: Style | None) -> list[str]:
    if style is None:
        return lines
    return [looks.paint(line, style) if line.strip() else line for line in lines]


def _indented(
    text: str,
    mark: str,
    then: str | None = None,
    *,
    looks: Looks,
    style: Style | None = None,
    cut: bool = False,
) -> str:
    then = mark if then is None else then
    made: list[str] = []
    for line in terminal_safe(text).removesuffix("\n").split("\n"):
        made += _styled(
            wrapped(line, then if made else mark, then, looks.width, cut=cut), looks, style
        )
    return "".join(line.rstrip(" ") + "\n" for line in made)


def as_markdown(history: History, detail: Detail, which: Shown = ALL) -> Iterator[str]:
    """Yield the history as Markdown (CommonMark), a piece at a time.

    Messages are block quotes: an unclosed fence or comment in one ends with it.
    """
    yield f"# {_escaped(title(history.thread))}\n\n"
    for name, value in heading(history.thread, detail):
        yield f"- {name}: {_span(one_line(value))}\n"
    for number, turn in which.turns(history):
        status, *facts = turn_facts(turn, detail)
        yield f"\n## Turn {number}: {_escaped(status)}\n"
        if facts:
            yield f"\n{_escaped(' · '.join(facts))}\n"
        for item in _items(history, turn, detail):
            if not which.shows(item):
                continue
            what = shown(item.item_json, item.type)
            yield f"\n### {_escaped(one_line(what.title))}\n\n"
            yield _escaped(one_line(" · ".join([*what.facts, _clock(item, detail)]))) + "\n"
            for part in what.parts:
                yield "\n" + _markdown_part(part, detail)
        if turn.error_json is not None:
            yield "\n### Error\n\n" + _quoted(error_message(turn.error_json))


def _markdown_part(part: Part, detail: Detail) -> str:
    text = cut(part, detail)
    match part.look:
        case "prose":
            return _quoted(text)
        case "note":
            return f"- {_span(one_line(text))}\n"
        case _:
            return fenced(terminal_safe(text), _LANGUAGE[part.look])


def fenced(text: str, language: str) -> str:
    """Return a code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}\n"


def _span(text: str) -> str:
    """Return inline code; empty text for empty text."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else "(empty)"


def _escaped(text: str) -> str:
    return _MARKED.sub(r"\\\1", text)


def _quoted(text: str) -> str:
    return "".join(f"> {line}".rstrip() + "\n" for line in _without_tags(terminal_safe(text)))


def _without_tags(text: str) -> Iterator[str]:
    """Yield the lines with HTML escaped: a tag or comment in a message is meant as text.

    Code blocks and inline code are unchanged: they contain no tags.
    """
    fence = ""
    for line in text.removesuffix("\n").split("\n"):
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not line[found.end() :].strip():
                fence = ""
            yield line
            continue
        if found and not (found[1][0] == "`" and "`" in line[found.end() :]):
            fence = found[1]
            yield line
            continue
        at, made = 0, ""
        for code in _CODE.finditer(line):
            made += _TAG.sub(r"\\<", line[at : code.start()]) + code[0]
            at = code.end()
        yield made + _TAG.sub(r"\\<", line[at:])


def _items(history: History, turn: Turn, detail: Detail) -> Iterator[Item]:
    return (item for item in history.items_of(turn.turn_id) if detail.shows(item))


def heading(thread: Mapping[str, Any], detail: Detail) -> Iterator[tuple[str, str]]:
    """Yield the facts about a thread as a whole."""
    model = " · ".join(
        str(thread[name]) for name in ("model", "reasoning_effort", "model_provider")
        if thread.get(name)
    )  # fmt: skip
    git = " ".join(str(thread[name]) for name in ("git_branch", "git_sha") if thread[name])
    states = [flag for flag in ("archived", "deleted", "incomplete") if thread.get(flag)]
    counts = [count(thread["turn_count"] or 0, "turn"), count(thread["item_count"] or 0, "item")]
    spent = count(thread["total_tokens"] or 0, "token")
    for name, value in (
        ("thread", thread["thread_id"]),
        ("state", ", ".join(states)),
        ("folder", thread["cwd"]),
        ("model", model),
        ("source", source_of(thread).label),
        ("created", when(thread["created_at_ms"], detail.zone)),
        ("updated", when(thread["updated_at_ms"], detail.zone)),
        ("fork of", thread["forked_from_id"]),
        ("agent of", thread["parent_thread_id"]),
        ("git", git),
        ("holds", ", ".join(counts)),
        ("spent", f"{spent}, reverted turns too, a base's not; a turn below has its own"),
    ):
        if value:
            yield name, str(value)


def turn_facts(turn: Turn, detail: Detail) -> list[str]:
    """Return a turn's status, then other known facts."""
    started = None if turn.started_at is None else turn.started_at * 1000
    tokens = None if turn.total_tokens is None else count(turn.total_tokens, "token")
    facts = [
        {"inProgress": "in progress", None: "no record of the turn"}.get(turn.status, turn.status),
        None if started is None else when(started, detail.zone),
        duration(turn.duration_ms),
        turn.model,
        tokens,
    ]
    return [one_line(fact) for fact in facts if fact]


def _clock(item: Item, detail: Detail) -> str:
    return when(item.created_at_ms, detail.zone)[11:]


def cut(part: Part, detail: Detail) -> str:
    """Return a part's text, cut if it is long and not everything is requested."""
    most = _CUT.get(part.look)
    if most is None or detail.full:
        return part.text
    lines = part.text.removesuffix("\n").split("\n")
    kept = [
        line if len(line) <= LINE else f"{line[:LINE]}... ({len(line) - LINE:,} more characters)"
        for line in lines[:most]
    ]
    if len(lines) > most:
        kept.append(f"... {count(len(lines) - most, 'more line', 'more lines')} ({detail.more})")
    return "\n".join(kept)
