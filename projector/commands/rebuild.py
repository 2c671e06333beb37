"""`projector rebuild`."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projector.commands import output
from projector.commands.naming import chosen_threads
from projector.commands.options import common, reading, settings_of
from projector.model.errors import ProjectorError, StoreDamaged, StoreMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from projector.model.ids import RolloutId
    from projector.model.settings import Settings
    from projector.run.progress import Progress, Summary
    from projector.run.rebuild import Rebuilt
    from projector.store.sqlite.renew_database import Renewal


@click.command()
@click.argument("thread", nargs=-1)
@click.option(
    "--outdated",
    is_flag=True,
    help="Only rollouts whose rows were made by older rules that a later revision touches.",
)
@common
@click.pass_context
def rebuild(
    context: click.Context,
    thread: tuple[str, ...],
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    outdated: bool,
) -> int:
    """Project rollouts again from their files, one transaction per rollout.

    THREAD is an id, the prefix of one, or a name; without THREAD, all rollouts. Readers see the old
    rows or the new ones, never a mixture; uids stay; rows of rollouts without a file are kept. May
    run beside the daemon.

    A damaged database is replaced by a new one, including what can be recovered of rollouts without
    a file; the damaged file is kept. The daemon must be stopped for that.
    """
    import asyncio  # noqa: PLC0415 - see the package's docstring

    from projector.logs import events as log  # noqa: PLC0415
    from projector.model.humanize import count  # noqa: PLC0415
    from projector.run import progress  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    log.configure(settings.log.level, settings.log.format, told=log.ONE_SHOT)
    path = Path(settings.database_path)
    talk = progress.choose()
    try:
        some = bool(thread or outdated)
        damage = _damage(settings, talk, whole=not some)
        if damage is None:
            try:
                rebuilt = asyncio.run(_in_place(settings, thread, talk, outdated=outdated))
            except StoreDamaged as error:
                damage = str(error)
        if damage is not None and some:
            raise StoreDamaged(
                f"{damage}", hint="Run `projector rebuild` without a thread: all is made anew"
            )
        if damage is not None:
            talk.note(f"{damage}; a new database is made beside it")
            summary, renewal = asyncio.run(_renew(settings, path, talk))
    finally:
        talk.finish()
    faults = summary.faults if damage is not None else rebuilt.faults
    for fault in faults:
        output.tell(f"projector: {fault}")
    if damage is not None:
        output.say(_told(path, summary, renewal))
    else:
        line = (
            f"{count(rebuilt.rollouts, 'rollout')}, {count(rebuilt.records, 'record')} projected"
            f" anew in {rebuilt.seconds:.1f} s"
        )
        if rebuilt.kept:
            line += f"; {count(rebuilt.kept, 'rollout')} without a file kept as they are"
        output.say(line)
    return 1 if faults else 0


def _damage(settings: Settings, talk: Progress, *, whole: bool) -> str | None:
    """Say what is wrong with the file itself; None: nothing that can be seen.

    `whole`: look at every page. For single threads it is enough that it can be opened.
    """
    from projector.store.questions.contents import check_readable  # noqa: PLC0415 - see the package

    try:
        with reading(settings) as db:
            if whole and db.server() is None:
                talk.note(f"{db.shown}: checking the file")
                found = db.soundness(None)
                if found not in (None, "ok"):
                    return f"{db.shown}: is damaged ({found})"
            else:
                check_readable(db)
    except StoreDamaged as error:
        return error.message
    except StoreMissing as error:
        raise UsageError(error.message, hint=error.hint) from error
    return None


async def _in_place(
    settings: Settings, thread: tuple[str, ...], talk: Progress, *, outdated: bool
) -> Rebuilt:
    from projector.run.rebuild import rebuild as project  # noqa: PLC0415 - see the package
    from projector.store.open import open_rows, open_store  # noqa: PLC0415

    chosen: frozenset[str] | None = None
    if thread:
        with reading(settings) as db:
            wanted = chosen_threads(db, thread)
        with closing(open_rows(settings.database, source=settings.source.name)) as rows:
            chosen = rows.chains(wanted) | frozenset(wanted)
    store = await open_store(
        settings.database,
        source=settings.source.name,
        busy_timeout_s=settings.store.busy_timeout_s,
    )
    try:
        done = await project(store, settings, chosen=chosen, progress=talk, outdated=outdated)
    finally:
        await store.close()
    if thread and not outdated and not done.rollouts and not done.faults and not done.kept:
        raise ProjectorError(f"no rollout of {' '.join(thread)}", hint="See: projector threads")
    return done


async def _renew(settings: Settings, path: Path, talk: Progress) -> tuple[Summary, Renewal]:
    """Replace a damaged database by a new one, projected from the rollouts on disk.

    Raises:
        AlreadyRunning: a daemon has it.
    """
    from projector import __version__  # noqa: PLC0415 - see the package's docstring
    from projector.run.backfill import backfill  # noqa: PLC0415
    from projector.run.file_catalog import FileCatalog  # noqa: PLC0415
    from projector.store.protocol import Holder  # noqa: PLC0415
    from projector.store.sqlite.renew_database import renewed  # noqa: PLC0415

    holder = Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        version=__version__,
        started_at_ms=time.time_ns() // 1_000_000,
    )
    catalog = FileCatalog(settings.codex_homes)

    def on_disk() -> Collection[RolloutId]:
        """List the rollouts, once the database is locked."""
        return catalog.everything().files.keys()

    async with renewed(path, holder, on_disk) as renewal:
        summary = await backfill(renewal.store, settings, selection=(), progress=talk)
    return summary, renewal


def _told(path: Path, summary: Summary, renewal: Renewal) -> str:
    from projector.model.humanize import count  # noqa: PLC0415 - see the package's docstring

    saved = renewal.salvaged
    lines = [f"{path}: made anew: {summary.line()}"]
    if saved.rollouts:
        lines.append(
            f"saved from the damaged file: {count(saved.rollouts, 'rollout')} without a file,"
            f" {count(saved.rows, 'row')}"
        )
    if saved.damaged:
        lines.append(f"not all could be read of: {', '.join(saved.damaged)}")
    lines.append(f"the damaged file is kept: {renewal.damaged_path}")
    return "\n".join(lines)
