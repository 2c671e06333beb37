"""Turn rows into what the templates show. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

from projector.model.humanize import age as age  # noqa: PLC0414 - as the templates have it
from projector.model.humanize import count
from projector.search.text import GAP
from projector.serve.history.rendered_item import Part, duration, error_message, failed, shown
from projector.serve.history.repositories import repository
from projector.serve.history.table import title, when
from projector.serve.history.threads import source_of
from projector.serve.search.hits import BEGIN, END, Hit
from projector.serve.spending import price
from projector.serve.web import charts
from projector.serve.web.images import Image, images_of
from projector.serve.web.markdown import rendered
from projector.store.questions.history import Item, Turn
from projector.store.questions.pages import Cost, Related

Row = Mapping[str, Any]

#: Turns of a page, its items, threads of a page: what is made in a tenth of a second.
TURNS: Final = 40
ITEMS: Final = 150
THREADS: Final = 50
#: A part longer than this is folded, and one longer than that is cut, in lines and characters.
FOLDED_LINES: Final = 12
MOST_CHARACTERS: Final = 100_000

_UUID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_AGENTS: Final = frozenset({"collabAgentToolCall", "subAgentActivity"})


class ShownPart(NamedTuple):
    """A piece of an item's body, as HTML."""

    look: str
    html: Markup
    folded: str = ""
    """What stands on the fold; "": the part is open."""
    cut: int = 0
    """Characters that are not shown."""


class ShownItem(NamedTuple):
    """An item on a page."""

    uid: str
    type: str
    side: str
    """`user`, `agent` or `work`: whose bubble it is."""
    title: str
    facts: Sequence[str]
    failed: bool
    clock: str
    parts: Sequence[ShownPart]
    position: int
    images: Sequence[bool]
    """Of each image whether it can be drawn; else it is gone, or no image."""


class Rest(NamedTuple):
    """Items of a turn that are not on this page."""

    position: int = 0
    """Where they begin."""
    number: int = 0


class ShownTurn(NamedTuple):
    """A turn on a page."""

    turn_id: str
    number: int | None
    """None: it was reverted and is in no visible history."""
    status: str
    failed: bool
    facts: Sequence[str]
    error: str | None
    items: Sequence[ShownItem]
    rest: Rest
    reverted: str | None = None


class ShownThread(NamedTuple):
    """A thread in a list."""

    thread_id: str
    title: str
    folder: str
    repository: str
    model: str
    source: str
    updated: str
    age: str
    turns: int
    tokens: int
    states: Sequence[str]


def thread(row: Row, now_ms: int, zone: tzinfo | None = None) -> ShownThread:
    """Return a row of the view `threads` as a line of a list."""
    return ShownThread(
        thread_id=row["thread_id"],
        title=title(row),
        folder=row["cwd"] or "",
        repository=_repository(row),
        model=row["model"] or "",
        source=source_of(row).label,
        updated=when(row["updated_at_ms"], zone),
        age=age(row["updated_at_ms"], now_ms),
        turns=row["turn_count"] or 0,
        tokens=row["total_tokens"] or 0,
        states=[name for name in ("archived", "deleted", "incomplete") if row[name]],
    )


def facts(row: Row, cost: str = "", zone: tzinfo | None = None) -> Iterator[tuple[str, str, str]]:
    """Yield what is known of a thread as a whole: name, text, and an address of ours or ""."""
    model = " · ".join(
        str(row[name]) for name in ("model", "reasoning_effort", "model_provider") if row[name]
    )
    holds = f"{count(row['turn_count'] or 0, 'turn')}, {count(row['item_count'] or 0, 'item')}"
    git = " ".join(str(row[name]) for name in ("git_branch", "git_sha") if row[name])
    for name, text, address in (
        ("Thread", row["thread_id"], ""),
        ("State", ", ".join(one for one in ("archived", "deleted", "incomplete") if row[one]), ""),
        ("Folder", row["cwd"], here("/", folder=row["cwd"] or "")),
        ("Repository", _repository(row), here("/", repo=_repository(row))),
        ("Git", git, ""),
        ("Model", model, ""),
        ("Source", source_of(row).label, ""),
        ("Created", when(row["created_at_ms"], zone), ""),
        ("Updated", when(row["updated_at_ms"], zone), ""),
        ("Fork of", row["forked_from_id"], thread_address(row["forked_from_id"] or "")),
        ("Agent of", row["parent_thread_id"], thread_address(row["parent_thread_id"] or "")),
        ("Holds", holds, ""),
        ("Tokens", f"{row['total_tokens'] or 0:,}, reverted turns too", ""),
        ("List price", cost, ""),
        ("Resume", f"codex resume {row['thread_id']}", ""),
    ):  # fmt: skip
        if text:
            yield name, str(text), address


def turn(
    found: Turn,
    number: int | None,
    items: Iterable[Item],
    *,
    reverted: str | None = None,
    rest: Rest = Rest(),  # noqa: B008 - a value
    cost: str = "",
    images: Callable[[Image], bool] = lambda _: False,
    zone: tzinfo | None = None,
) -> ShownTurn:
    """Return a turn with its items as shown on a page; `images`: which can be drawn."""
    status = {"inProgress": "in progress", None: "no record"}.get(found.status, found.status or "")
    said = [
        None if found.started_at is None else when(found.started_at * 1000, zone),
        duration(found.duration_ms),
        found.model,
        None if found.total_tokens is None else count(found.total_tokens, "token"),
        cost,
    ]
    return ShownTurn(
        turn_id=found.turn_id,
        number=number,
        status=status,
        failed=found.status == "failed",
        facts=[one for one in said if one],
        error=None if found.error_json is None else error_message(found.error_json),
        items=[item(one, images, zone) for one in items],
        rest=rest,
        reverted=reverted,
    )


def item(
    found: Item, images: Callable[[Image], bool] = lambda _: False, zone: tzinfo | None = None
) -> ShownItem:
    """Return an item as shown on a page."""
    what = shown(found.item_json, found.type)
    return ShownItem(
        uid=found.uid,
        type=found.type,
        side={"userMessage": "user", "agentMessage": "agent"}.get(found.type, "work"),
        title=what.title,
        facts=what.facts,
        failed=failed(what),
        clock=when(found.created_at_ms, zone)[11:],
        parts=[part(one, agents=found.type in _AGENTS) for one in what.parts],
        position=found.position,
        images=[images(one) for one in images_of(found.item_json)],
    )


def part(found: Part, *, agents: bool = False) -> ShownPart:
    """Return a part as HTML; `agents`: ids of threads in its notes become links."""
    cut = max(0, len(found.text) - MOST_CHARACTERS)
    text = found.text[:MOST_CHARACTERS]
    lines = text.count("\n") + 1
    folded = count(lines, "line") if lines > FOLDED_LINES or cut else ""
    match found.look:
        case "prose":
            return ShownPart("prose", rendered(found.text))
        case "note":
            return ShownPart("note", _note(found.text, agents=agents))
        case "diff":
            return ShownPart("diff", _diff(text), folded, cut)
        case "output" | "json":
            return ShownPart(found.look, escape(text), folded, cut)
        case _:
            return ShownPart(found.look, escape(text))


def _note(text: str, *, agents: bool) -> Markup:
    if not agents:
        return escape(text)
    made, at = Markup(), 0
    for found in _UUID.finditer(text):
        made += escape(text[at : found.start()])
        made += Markup('<a href="{}">{}</a>').format(thread_address(found[0]), found[0])
        at = found.end()
    return made + escape(text[at:])


def _diff(text: str) -> Markup:
    """Return a diff with a class for each kind of line."""
    return Markup("\n").join(
        Markup('<span class="{}">{}</span>').format(_kind(line), line) for line in text.split("\n")
    )


def _kind(line: str) -> str:
    if line.startswith("@@"):
        return "hunk"
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "added", "-": "removed"}.get(line[:1], "same")


class ShownHit(NamedTuple):
    """A hit of a search."""

    address: str
    type: str
    when: str
    snippet: Markup


def hit(found: Hit, zone: tzinfo | None = None) -> ShownHit:
    """Return a hit with its words marked."""
    text = " ".join(found.snippet.replace(GAP, "").split())
    marked = escape(text).replace(BEGIN, Markup("<mark>")).replace(END, Markup("</mark>"))
    return ShownHit(
        address=f"{thread_address(found.thread_id)}?turn={quote(found.turn_id, safe='')}"
        f"#item-{found.uid}",
        type=found.type,
        when=when(found.created_at_ms, zone)[:16],
        snippet=marked,
    )


def days(
    rows: Iterable[Row], what: str, title: str, span: int, today: date, *, digits: int = 0
) -> Markup:
    """Return a bar for each of the last `span` days: the sum of `what` of its rows."""
    sums = {f"{today - timedelta(days=back):%Y-%m-%d}": 0.0 for back in range(span - 1, -1, -1)}
    found = False
    for row in rows:
        if row["day"] in sums:
            sums[row["day"]] += row[what] or 0
            found = True
    if not found:
        return Markup()
    return charts.bars(
        [
            charts.Bar(day[5:], value, f"{day}: {value:,.{digits}f}")
            for day, value in sorted(sums.items())
        ],
        title,
    )


def hours(times_ms: Iterable[tuple[int, int]], title: str, zone: tzinfo | None = None) -> Markup:
    """Return the hours of a week in which responses came: times, each with their number."""
    counts: dict[tuple[int, int], int] = {}
    for ms, number in times_ms:
        try:
            moment = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
        except (OverflowError, ValueError, OSError):
            continue  # a rollout may hold any time
        key = (moment.weekday(), moment.hour)
        counts[key] = counts.get(key, 0) + number
    return charts.week(counts, title)


def _repository(row: Row) -> str:
    return repository(row["git_origin_url"]) if row["git_origin_url"] else ""


def cost(found: Iterable[Cost]) -> str:
    """Return what responses cost by list price; "": none of them has one."""
    some = [*found]
    priced = [price(one.amount, one.currency) for one in some if one.amount is not None]
    without = sum(one.responses - one.priced for one in some)
    if not priced:
        return ""
    more = f", {without:,} without a price" if without else ""
    return " + ".join(priced) + more


def related(found: Related) -> tuple[str, str]:
    """Return the address and the title of a fork or an agent."""
    return thread_address(found.thread_id), title({"name": found.name, "preview": found.preview})


def thread_address(thread_id: str) -> str:
    """Return the address of a thread's page."""
    return f"/thread/{quote(thread_id, safe='')}"


def here(path: str, **given: object) -> str:
    """Return an address of ours with those of its parameters that have a value."""
    query = urlencode({name: value for name, value in given.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path
