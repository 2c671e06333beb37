"""`projector backfill`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec.structs import asdict

from projector.commands import output
from projector.commands.options import as_json, common, settings_of
from projector.model.errors import UsageError

if TYPE_CHECKING:
    from projector.model.settings import Settings
    from projector.run.prefetch import Prefetcher
    from projector.run.progress import Summary

#: Exit code if something could not be read.
_FAILED: Final = 1
#: What to do after a backfill.
_NEXT: Final = (
    "Next: projector threads, projector show last, projector search WORDS, projector cost;"
    " projector run follows what comes"
)
#: The home that comes with this program.
_SAMPLE: Final = f"{os.path.dirname(os.path.dirname(__file__))}/sample"


@click.command()
@click.argument("path", nargs=-1)
@common
@click.option(
    "--sample",
    is_flag=True,
    help="For a first look, where there are no rollouts: project the sample that comes with this"
    " program.",
)
@as_json
@click.pass_context
def backfill(
    context: click.Context,
    path: tuple[str, ...],
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    sample: bool,
    as_json: bool,
) -> int:
    """Project all existing rollouts once, or only some files, folders or thread ids."""
    settings = settings_of(context, codex_home, database)
    if sample:
        homes = ", ".join(settings.codex_homes)
        _refuse_sample(path, homes, any_rollout=_any_rollout(settings.codex_homes))
        output.tell(f"no rollouts under {homes}: projecting the sample")
        settings = settings_of(context, (_SAMPLE,), database)

    from projector.run.prefetch import Prefetcher  # noqa: PLC0415 - see the package's docstring

    ahead = Prefetcher.start(settings)  # before the shared imports: both import at once
    try:
        summary = _project(settings, path, ahead, silent=as_json)
    finally:
        if ahead is not None:
            ahead.close()
    for fault in summary.faults:
        output.tell(f"projector: {fault}")
    if as_json:
        output.write_document(_summary_document(summary))
    else:
        output.say(summary.line())
        if summary.rollouts and output.terminal():
            output.tell(_NEXT)
    if not (summary.rollouts or summary.faults or path or as_json):
        output.tell(
            f"projector: no rollouts under {', '.join(settings.codex_homes)}. Name Codex's home:"
            " --codex-home DIR; or take a first look: projector backfill --sample"
        )
    return _FAILED if summary.faults or summary.unreadable else 0


def _refuse_sample(path: Sequence[str], homes: str, *, any_rollout: bool) -> None:
    """Raise if the sample would be mixed with what is there."""
    if path:
        raise UsageError("--sample: not together with PATH; leave one of them out")
    if any_rollout:
        raise UsageError(
            f"--sample: there are rollouts under {homes}",
            hint="Leave it out to project them; or look at the sample in a database of its own:"
            " projector backfill --codex-home $(mktemp -d) --sample --database /tmp/sample.db",
        )


def _project(
    settings: Settings, selection: Sequence[str], ahead: Prefetcher | None, *, silent: bool
) -> Summary:
    import asyncio  # noqa: PLC0415 - see the package's docstring

    from projector.logs import events as log  # noqa: PLC0415
    from projector.run import progress  # noqa: PLC0415
    from projector.run.backfill import backfill as project  # noqa: PLC0415
    from projector.run.collector import settle  # noqa: PLC0415
    from projector.store.open import open_store  # noqa: PLC0415

    settle()
    log.configure(settings.log.level, settings.log.format, told=log.ONE_SHOT)
    talk = progress.choose(silent=silent)

    async def once() -> Summary:
        store = await open_store(
            settings.database,
            source=settings.source.name,
            busy_timeout_s=settings.store.busy_timeout_s,
        )
        try:
            return await project(store, settings, selection=selection, progress=talk, ahead=ahead)
        finally:
            talk.finish()
            await store.close()

    return asyncio.run(once())


def _any_rollout(homes: Sequence[str]) -> bool:
    from projector.discover.scan import Fault, walk  # noqa: PLC0415 - see the package's docstring

    return any(not isinstance(found, Fault) for home in homes for found in walk(home))


def _summary_document(summary: Summary) -> dict[str, Any]:
    return asdict(summary)
