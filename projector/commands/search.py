"""`projector search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from projector.commands import filters, output
from projector.commands.options import Count, common, reading, settings_of
from projector.commands.rows import Form, as_rows
from projector.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from projector.serve.search.hits import Around, Hit
    from projector.serve.search.query import SearchQuery
    from projector.store.reading import Connection

#: Default number of hits.
LIMIT: Final = 20
#: Exit code if nothing was found, as with `grep`.
_NOTHING_FOUND: Final = 1
#: Around what matches, where no style shows it.
_MARKS: Final = ("[", "]")


@click.command()
@click.argument("words", nargs=-1)
@common
@click.option(
    "--thread", metavar="THREAD", multiple=True, help="Only in this thread; may be repeated."
)
@filters.folder
@filters.repo
@click.option(
    "--type",
    "kinds",
    metavar="TYPE",
    multiple=True,
    help="Only these types: message (user, agent), reasoning, plan, command, file,"
    " tool, web, review, or an item type; may be repeated, or separated by commas.",
)
@filters.since
@click.option("--newest/--best", default=True, help="Newest first (default), or best match first.")
@click.option(
    "-C",
    "--context",
    "near",
    metavar="N",
    type=Count(min=0),
    default=0,
    help="Show N items before and after each hit, a line each.",
)
@click.option(
    "--limit",
    type=Count(min=0),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="Maximum number of hits; 0: all.",
)
@as_rows
@click.pass_context
def search(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    words: tuple[str, ...],
    *,
    thread: tuple[str, ...],
    folder: str | None,
    repo: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    newest: bool,
    near: int,
    limit: int,
    form: Form,
) -> int:
    """Find items of visible histories that contain all WORDS.

    WORDS are words, "quoted phrases" and prefixes*; case and accents are ignored. After -- a word
    may begin with a dash. Without WORDS all items that the filters leave are found. Exit code 1:
    nothing was found.
    """
    from projector.commands.naming import chosen_threads  # noqa: PLC0415 - see the package
    from projector.search.text import query  # noqa: PLC0415 - see the package's docstring
    from projector.search.tsvector import query as vector  # noqa: PLC0415
    from projector.serve.search import hits as found  # noqa: PLC0415
    from projector.serve.search.query import SearchQuery  # noqa: PLC0415
    from projector.store.questions.search import SearchRequest  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    asked = query(words)
    narrowed = bool(thread or kinds) or any(one is not None for one in (folder, repo, since))
    if not asked and (words or not narrowed):
        raise UsageError(
            f"{' '.join(words)!r}: no word to look for" if words else "no word to look for",
            hint="A word has letters or digits" if words else "Give one, or a filter: --type user",
        )
    place = filters.place(folder, repo)
    types = found.types_of(one.strip() for kind in kinds for one in kind.split(",") if one.strip())
    with reading(settings) as db:
        finder = SearchQuery(db)
        _refuse_unknown(finder, types)
        threads = finder.narrowed(chosen_threads(db, thread) if thread else None, place)
        hits = finder.find(
            SearchRequest(
                query=asked,
                vector=vector(words) if asked else "",
                threads=threads,
                types=types,
                since_ms=None if since is None else filters.moment(since),
                order="newest" if newest else "best",
                limit=limit + 1 if limit else None,
            )
        )
        more = bool(limit) and len(hits) > limit
        hits = hits[:limit] if more else hits
        known = finder.threads(hit.thread_id for hit in hits)
        missing = finder.missing() if asked else 0
        around = _around(db, hits, near) if form == "table" and near else None
    if form == "table":
        _say(hits, known, around)
        note = _note(hits=len(hits), more=more, missing=missing)
        if note:
            output.tell(note)
    else:
        from projector.commands.rows import write_rows  # noqa: PLC0415 - see the package

        documents = (found.document(hit, known.get(hit.thread_id)) for hit in hits)
        write_rows(documents, form, found.COLUMNS)
    return 0 if hits else _NOTHING_FOUND


def _refuse_unknown(finder: SearchQuery, types: Sequence[str]) -> None:
    """Raise if there is no such type: a typo would find nothing."""
    from projector.serve.search.hits import KINDS  # noqa: PLC0415 - see the package's docstring

    unknown = finder.unknown_type(types)
    if unknown is not None:
        from projector.serve.history.rendered_item import TYPES  # noqa: PLC0415 - see the package

        raise UsageError(
            f"--type {unknown}: no such type",
            hint=f"Known are {', '.join(KINDS)}; item types: {', '.join(sorted(TYPES))}",
        )


def _around(db: Connection, hits: Sequence[Hit], near: int) -> Mapping[str, Around]:
    """Return summaries of the items around each hit, by its uid."""
    from projector.serve.history.summary import line  # noqa: PLC0415 - see the package's docstring
    from projector.serve.search.hits import Around  # noqa: PLC0415
    from projector.store.questions import history  # noqa: PLC0415

    made: dict[str, Around] = {}
    for hit in hits:
        before, after = history.items_around(db, hit.thread_id, hit.position, near, reasoning=False)
        made[hit.uid] = Around(
            [line(one.item_json, one.type) for one in before],
            [line(one.item_json, one.type) for one in after],
        )
    return made


def _say(
    hits: Sequence[Hit],
    known: Mapping[str, Mapping[str, object]],
    around: Mapping[str, Around] | None,
) -> None:
    from projector.serve.history.looks import Looks  # noqa: PLC0415 - see the package's docstring
    from projector.serve.search import hits as found  # noqa: PLC0415

    looks = Looks(width=output.width(), paint=output.paint)
    marks = ("", "") if output.coloured() else _MARKS
    with output.paged():
        output.write_rendered(found.text(hits, known, looks=looks, marks=marks, around=around))


def _note(*, hits: int, more: bool, missing: int | None) -> str:
    """Return what the hits do not include; "": nothing."""
    if missing is None:
        return "nothing is indexed: search.index is off"
    said = [] if hits else ["nothing found"]
    if more:
        said.append("there are more (--limit 0: all)")
    if missing:
        said.append(f"{missing:,} items are not indexed yet: projector backfill, or the daemon")
    return "; ".join(said)
