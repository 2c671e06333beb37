"""Render threads as one HTML file that stands alone: no script, nothing loaded. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Final

from markupsafe import Markup

from projector.model.terminal_safe import terminal_safe
from projector.serve.history.render import Detail, cut, heading, resume, turn_facts
from projector.serve.history.rendered_item import Part, error_message, failed, shown
from projector.serve.history.table import title, when
from projector.serve.history.visible import ALL, History, Shown
from projector.serve.web import pages
from projector.serve.web.images import HEAD, Image, decoded, images_of, kind_of
from projector.store.questions.history import Item, Turn

_HEAD: Final = Markup(
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
    " style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
    '<meta name="referrer" content="no-referrer">\n'
    "<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
)
_SIDES: Final = {"userMessage": "user", "agentMessage": "agent"}


def as_html(
    histories: Sequence[History], detail: Detail, style: str, which: Shown = ALL
) -> Iterator[str]:
    """Yield a document of threads, a piece at a time; `style`: a style sheet that is trusted."""
    first = title(histories[0].thread) if histories else "no thread"
    more = f" and {len(histories) - 1} more" if len(histories) > 1 else ""
    yield _HEAD.format(title=first + more, style=Markup(style))  # noqa: S704 - our own file
    if len(histories) > 1:
        yield "<nav><ol>\n"
        for history in histories:
            thread = history.thread
            yield Markup('<li><a href="#thread-{}">{}</a></li>\n').format(
                thread["thread_id"], title(thread)
            )
        yield "</ol></nav>\n"
    for history in histories:
        yield from _thread(history, detail, which)
    yield "</main>\n</body>\n</html>\n"


def _thread(history: History, detail: Detail, which: Shown) -> Iterator[str]:
    thread = history.thread
    yield Markup('<h1 id="thread-{}">{}</h1>\n<dl class="facts">\n').format(
        thread["thread_id"], title(thread)
    )
    for name, value in heading(thread, detail):
        yield Markup("<div><dt>{}</dt><dd>{}</dd></div>\n").format(name, terminal_safe(value))
    yield "</dl>\n"
    for number, turn in which.turns(history):
        yield _turn(number, turn, detail)
        for item in history.items_of(turn.turn_id):
            if detail.shows(item) and which.shows(item):
                yield _item(item, detail)
        if turn.error_json is not None and which.whole:
            yield Markup(
                '<article class="item failed"><h3>Error</h3>'
                '<pre class="output">{}</pre></article>\n'
            ).format(terminal_safe(error_message(turn.error_json)))
        yield "</section>\n"
    yield Markup('<p class="quiet">{}</p>\n').format(resume(thread))


def _turn(number: int, turn: Turn, detail: Detail) -> str:
    status, *facts = turn_facts(turn, detail)
    return Markup(
        '<section class="turn">\n<h2>Turn {} <span class="tag{}">{}</span>'
        ' <span class="quiet">{}</span></h2>\n'
    ).format(number, " bad" if turn.status == "failed" else "", status, " · ".join(facts))


def _item(item: Item, detail: Detail) -> str:
    what = shown(item.item_json, item.type)
    bad = failed(what)
    facts = Markup().join(
        Markup(' <span class="tag{}">{}</span>').format(" bad" if bad else "", terminal_safe(fact))
        for fact in what.facts
    )
    parts = Markup("\n").join(_part(one, detail) for one in what.parts)
    drawn = map(_drawable, images_of(item.item_json))
    images = Markup().join(
        Markup('<img class="shown" alt="image of this item" src="{}">').format(address)
        for address in drawn
        if address
    )
    return Markup(
        '<article class="item {}{}" id="item-{}"><h3>{}{} <time class="quiet">{}</time></h3>\n'
        "{}{}</article>\n"
    ).format(
        _SIDES.get(item.type, "work"), " failed" if bad else "", item.uid,
        terminal_safe(what.title), facts, when(item.created_at_ms, detail.zone)[11:], parts, images,
    )  # fmt: skip


def _drawable(image: Image) -> str:
    """Return an image as a data URL; "": it is in a file, or none that a browser may draw."""
    kind = kind_of(decoded(image.data, HEAD)) if image.data else None
    if kind is None:
        return ""
    return f"data:{kind};base64,{base64.b64encode(decoded(image.data)).decode()}"


def _part(part: Part, detail: Detail) -> Markup:
    one = pages.part(part._replace(text=terminal_safe(cut(part, detail))))
    match one.look:
        case "prose":
            return Markup('<div class="prose">{}</div>').format(one.html)
        case "note":
            return Markup('<p class="note">{}</p>').format(one.html)
        case _:
            body = Markup('<pre class="{}">{}</pre>').format(one.look, one.html)
    if not one.folded:
        return body
    return Markup("<details><summary>{}: {}</summary>{}</details>").format(
        one.look, one.folded, body
    )
