"""`projector search`."""

from __future__ import annotations

import sys
from typing import Final

import click

from projector.commands import output
from projector.commands.options import as_json, common, reading, settings_of
from projector.commands.threads import chosen_threads, moment, spellings
from projector.model.errors import UsageError

#: Default number of hits.
LIMIT: Final = 20
#: Exit code if nothing was found, as with `grep`.
_NOTHING_FOUND: Final = 1
_BOLD: Final = ("\x1b[1m", "\x1b[0m")
_PLAIN: Final = ("[", "]")


@click.command()
@click.argument("words", nargs=-1, required=True)
@common
@click.option(
    "--thread", metavar="THREAD", multiple=True, help="Only in this thread; may be repeated."
)
@click.option(
    "--cwd", "folder", metavar="DIR", help="Only in threads of this folder and its subfolders."
)
@click.option(
    "--type",
    "kinds",
    metavar="TYPE",
    multiple=True,
    help="Only these types: message (user, agent), reasoning, plan, command, file,"
    " tool, web, review, or an item type; may be repeated.",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="Created since: 12h, 7d, last week, today, yesterday, 2026-11-01, or a date and time.",
)
@click.option("--newest/--best", default=True, help="Newest first (default), or best match first.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="Maximum number of hits; 0: all.",
)
@as_json
@click.pass_context
def search(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    words: tuple[str, ...],
    *,
    thread: tuple[str, ...],
    folder: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    newest: bool,
    limit: int,
    as_json: bool,
) -> int:
    """Find items of visible histories that contain all WORDS.

    WORDS are words, "quoted phrases" and prefixes*; case and accents are ignored. After -- a word
    may begin with a dash. Exit code 1: nothing was found.
    """
    from projector.search.text import query  # noqa: PLC0415
    from projector.search.tsvector import query as vector  # noqa: PLC0415
    from projector.serve.search import hits as found  # noqa: PLC0415 - see the package's docstring
    from projector.serve.search.query import SearchQuery  # noqa: PLC0415
    from projector.store.questions.search import SearchRequest  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    asked = query(words)
    if not asked:
        raise UsageError(
            f"{' '.join(words)!r}: no word to look for", hint="A word has letters or digits"
        )
    with reading(settings) as db:
        finder = SearchQuery(db)
        threads = chosen_threads(db, thread) if thread else None
        if folder is not None:
            inside = finder.within(spellings(folder))
            threads = inside if threads is None else tuple(set(threads) & set(inside))
        hits = finder.find(
            SearchRequest(
                query=asked,
                vector=vector(words),
                threads=threads,
                types=found.types_of(kinds),
                since_ms=None if since is None else moment(since),
                order="newest" if newest else "best",
                limit=limit + 1 if limit else None,
            )
        )
        more = bool(limit) and len(hits) > limit
        hits = hits[:limit] if more else hits
        known = finder.threads(hit.thread_id for hit in hits)
        missing = finder.missing()
    if as_json:
        documents = [found.document(hit, known.get(hit.thread_id)) for hit in hits]
        output.write_document(documents)
    else:
        terminal = sys.stdout.isatty()
        output.write_rendered(found.text(hits, known, styles=_BOLD if terminal else _PLAIN))
        note = _note(hits=len(hits), more=more, missing=missing)
        if note:
            output.tell(note)
    return 0 if hits else _NOTHING_FOUND


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
