"""Answers of the tools, over a database that is open for reading. Pure.

Each is a page: bounded in rows and bytes, with how to ask for the next one. Raises ProjectorError
where the question cannot be answered as asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from msgspec import Struct

from projector.model.errors import ProjectorError
from projector.model.humanize import count
from projector.model.terminal_safe import one_line
from projector.search.text import query
from projector.search.tsvector import query as vector
from projector.serve import spending
from projector.serve.history.place import Place
from projector.serve.history.rendered_item import duration, shown
from projector.serve.history.resolve import named
from projector.serve.history.table import several_hosts, title, when
from projector.serve.history.thread_list import select
from projector.serve.history.threads import Wanted, since, source_of
from projector.serve.mcp.bounded import Answer, Pieces
from projector.serve.search import hits as found_hits
from projector.serve.search.hits import Hit
from projector.serve.search.query import SearchQuery
from projector.store.questions import activity, history
from projector.store.questions import spending as costs
from projector.store.questions.history import Item
from projector.store.questions.search import SearchRequest
from projector.store.reading import Connection

#: Rows of one answer.
MOST_ROWS: Final = 100
#: Rows of earlier answers: no list has as many, and `islice` takes the number.
MOST_SKIPPED: Final = 10**9
#: Items around a hit, before and after it.
MOST_CONTEXT: Final = 5
#: Characters of a line: of an item around a hit, of a command.
_LINE: Final = 200
_COMMAND: Final = 600


class Asked(Struct, frozen=True, kw_only=True):
    """By what a question is narrowed; "" and (): by nothing."""

    since: str = ""
    """`7d`, `yesterday`, `2026-11-01`, as `--since`."""
    thread: str = ""
    """Id, start of one, or name."""
    folders: tuple[str, ...] = ()
    """Spellings of one folder."""
    repository: str = ""
    limit: int = 20
    skip: int = 0
    """Rows that were read before."""

    @property
    def place(self) -> Place:
        """Return folder and repository."""
        return Place(self.folders, self.repository or None)


class _Page(NamedTuple):
    """Rows of a page, and whether there are more."""

    rows: list[Any]
    more: bool


def _page(rows: Iterable[Any], asked: Asked) -> _Page:
    some = list(islice(rows, asked.skip, asked.skip + asked.limit + 1))
    return _Page(some[: asked.limit], len(some) > asked.limit)


def _listed(texts: Iterable[str], page: _Page, asked: Asked, nothing: str) -> Answer:
    """Return the texts of a page's rows, as many as fit."""
    if not page.rows:
        return Answer(f"{nothing}\n" if not asked.skip else "No more.\n")
    pieces, taken = Pieces(), 0
    for text in texts:
        if not pieces.add(text):
            break
        taken += 1
    if taken == len(page.rows) and not page.more:
        return Answer(pieces.text)
    return Answer(pieces.text, f"ask again with skip={asked.skip + taken}")


def moment(text: str, now: datetime) -> int | None:
    """Return a point in time in milliseconds; None: none was given.

    Raises:
        ProjectorError: it is not one.
    """
    if not text.strip():
        return None
    try:
        return since(text, now)
    except (ValueError, OverflowError):
        raise ProjectorError(
            f"{text!r} is no point in time", hint="Write 7d, 12h, today or 2026-11-01"
        ) from None


def thread_id(db: Connection, text: str) -> str:
    """Return the id of a thread, given by its id, the start of one, or its name.

    Raises:
        ProjectorError: there is none, or there are several.
    """
    try:
        wanted = str(uuid.UUID(text.strip()))
    except ValueError:
        found = [one.thread_id for one in named(db, text)]
    else:
        found = [wanted] if history.thread(db, wanted) is not None else []
    if not found:
        raise ProjectorError(f"no thread {text!r}", hint="list_threads lists them")
    if len(found) > 1:
        some = ", ".join(found[:10])
        raise ProjectorError(f"{len(found)} threads are called {text!r}", hint=f"Ask for: {some}")
    return found[0]


def search(  # noqa: PLR0917 - parts of one question
    db: Connection, words: str, types: Sequence[str], asked: Asked, now: datetime, context: int,
    order: str,
) -> Answer:  # fmt: skip
    """Return items that contain all words, those of `projector search`, with neighbours."""
    wanted = query(words.split())
    if not wanted:
        raise ProjectorError(f"{words!r}: no word to look for", hint="A word has letters or digits")
    finder = SearchQuery(db)
    chosen = (thread_id(db, asked.thread),) if asked.thread else None
    hits = finder.find(
        SearchRequest(
            query=wanted,
            vector=vector(words.split()),
            threads=finder.narrowed(chosen, asked.place),
            types=found_hits.types_of(types),
            since_ms=moment(asked.since, now),
            order="best" if order == "best" else "newest",
            limit=asked.skip + asked.limit + 1,
        )
    )
    page = _page(hits, asked)
    known = finder.threads(hit.thread_id for hit in page.rows)
    several = several_hosts(known.values())
    texts = (
        _hit(hit, known.get(hit.thread_id), several=several) + _around(db, hit, context)
        for hit in page.rows
    )
    answer = _listed(texts, page, asked, "Nothing found.")
    missing = finder.missing()
    if missing is None:
        return Answer("Nothing is indexed: the setting search.index is off.\n")
    if missing:
        return answer._replace(text=f"{answer.text}{missing:,} items are not indexed yet.\n")
    return answer


def _hit(hit: Hit, thread: Mapping[str, Any] | None, *, several: bool) -> str:
    """Return a hit with all its ids, and its snippet."""
    thread = thread or {"name": None, "preview": None}
    host = f"  {one_line(thread.get('host') or '')}" if several else ""
    shared = f" (+{len(hit.also_in)})" if hit.also_in else ""
    marked = "".join(
        f"[{part}]" if inside else part for part, inside in found_hits.pieces(hit.snippet)
    )
    return (
        f"{when(hit.created_at_ms)[:16]}  {hit.thread_id}{shared}{host}"
        f"  {one_line(hit.type)}  {hit.uid}  {title(thread)}\n    {marked}\n"
    )


def _around(db: Connection, hit: Hit, context: int) -> str:
    """Return where to read a hit, and the items around it, a line each."""
    parts = history.chain(db, hit.thread_id) if context else []
    before = history.items_before(db, parts, hit.position, context)
    after = history.items(db, parts, hit.position, context + 1) if context else []
    lines = [
        *(f"    before: {_brief(one)}\n" for one in before),
        *(f"    after: {_brief(one)}\n" for one in after if one.uid != hit.uid),
    ]
    return "".join(lines) + f"    read_thread: turn {one_line(hit.turn_id)}\n"


def _brief(item: Item) -> str:
    """Return an item on one line."""
    what = shown(item.item_json, item.type)
    said = next((part.text for part in what.parts), "")
    line = one_line(" ".join(said[: 2 * _LINE].split()))
    return f"{one_line(what.title)}: {line[:_LINE]}" + ("…" if len(line) > _LINE else "")


def threads(
    db: Connection, text: str, asked: Asked, now: datetime, *, archived: bool, agents: bool
) -> Answer:
    """Return threads, most recently changed first."""
    wanted = Wanted(
        place=asked.place,
        archived="show" if archived else "hide",
        agents=agents,
        since_ms=moment(asked.since, now),
        text=text,
    )
    page = _page(select(db, wanted), asked)
    return _listed(map(_thread_line, page.rows), page, asked, "No threads like that.")


def _thread_line(row: dict[str, Any]) -> str:
    facts = [
        when(row["updated_at_ms"])[:16],
        row["thread_id"],
        *(flag for flag in ("archived", "deleted", "incomplete") if row[flag]),
        source_of(row).label,
        row["model"],
        count(row["turn_count"] or 0, "turn"),
        count(row["total_tokens"] or 0, "token"),
        row["cwd"],
    ]
    said = "  ".join(one_line(str(fact)) for fact in facts if fact)
    return f"{said}\n    {title(row)}\n"


def failed_commands(db: Connection, asked: Asked, now: datetime) -> Answer:
    """Return commands that failed, newest first."""
    page = _page(_own(activity.commands(db, _span(db, asked, now), failed=True), asked), asked)

    def line(row: activity.Command) -> str:
        code = row.status if row.exit_code is None else f"exit {row.exit_code}"
        facts = "  ".join(one for one in (code, duration(row.duration_ms)) if one)
        said = one_line(" ".join(row.command[: 2 * _COMMAND].split()))
        cut = "…" if len(said) > _COMMAND else ""
        return f"{_where(row)}  {facts}\n    {said[:_COMMAND]}{cut}\n"

    return _listed(map(line, page.rows), page, asked, "No failed commands like that.")


def file_history(db: Connection, path: str, asked: Asked, now: datetime) -> Answer:
    """Return the changes of a file, or of what is below a folder, newest first."""
    found = activity.files(db, _span(db, asked, now), path.strip() or None)
    page = _page(_own(found, asked), asked)

    def line(row: activity.ChangedFile) -> str:
        moved = f" -> {row.move_path}" if row.move_path else ""
        status = "" if row.status == "completed" else f"  {row.status}"
        return f"{_where(row)}\n    {row.kind} {one_line(row.path + moved)}{one_line(status)}\n"

    return _listed(map(line, page.rows), page, asked, "No changes like that.")


def _where(row: activity.Command | activity.ChangedFile) -> str:
    named = title({"name": row.name, "preview": row.preview})
    return (
        f"{when(row.created_at_ms)[:16]}  {row.thread_id}  turn {one_line(row.turn_id)}"
        f"  {named[:_LINE]}"
    )


def _own(rows: Iterator[Any], asked: Asked) -> Iterator[Any]:
    """Yield the rows of the folder and the repository that were asked for."""
    place = asked.place
    return (row for row in rows if place.has(row.thread_cwd, row.git_origin_url))


def _span(db: Connection, asked: Asked, now: datetime) -> activity.Span:
    return activity.Span(
        since_ms=moment(asked.since, now),
        thread_id=thread_id(db, asked.thread) if asked.thread else None,
    )


def cost(db: Connection, by: Sequence[str], asked: Asked, now: datetime) -> Answer:
    """Return sums of tokens and list prices; days newest first, else the dearest first."""
    for key in by:
        if key not in spending.KEYS:
            raise ProjectorError(
                f"by {key!r}: unknown", hint=f"There are: {', '.join(spending.KEYS)}"
            )
    with db.snapshot():
        rows = costs.spent(db, since_ms=moment(asked.since, now), turns="turn" in by)
        spenders = costs.spenders(db, rows)
    sums = spending.grouped(rows, spenders, by, with_agents=False)
    if by and by[0] == "day":
        sums.reverse()
    page = _page(sums, asked)
    answer = _listed(map(_sum_line, page.rows), page, asked, "No responses.")
    return answer._replace(text=f"{answer.text}API list prices: not a bill.\n")


def _sum_line(one: spending.Sum) -> str:
    keys = [one_line("unknown" if value is None else value) for value in one.keys.values()]
    tokens = one.tokens
    price = "no price" if one.amount is None else f"{one.amount:.6g} {one.currency}"
    unpriced = f", {one.unpriced:,} responses without a price" if one.unpriced else ""
    name = f" ({one_line(one.name)[:_LINE]})" if "thread" in one.keys and one.name else ""
    return (
        f"{' '.join(keys) or 'all'}{name}: {price}{unpriced}; {count(one.responses, 'response')},"
        f" {tokens['input_tokens']:,} input tokens ({tokens['cached_input_tokens']:,} cached),"
        f" {tokens['output_tokens']:,} output tokens\n"
    )
