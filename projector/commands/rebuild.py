"""`projector rebuild`."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projector.commands import output
from projector.commands.options import common, reading, settings_of
from projector.commands.threads import chosen_threads
from projector.model.errors import ProjectorError, StoreDamaged, StoreMissing, UsageError

if TYPE_CHECKING:
    from projector.model.settings import Settings
    from projector.run.progress import Progress, Summary
    from projector.run.rebuild import Rebuilt
    from projector.store.sqlite.damaged_database import Salvaged


@click.command()
@click.argument("thread", nargs=-1)
@common
@click.pass_context
def rebuild(
    context: click.Context,
    thread: tuple[str, ...],
    codex_home: tuple[str, ...],
    database: str | None,
) -> int:
    """Project again from the files what is projected already, one transaction a rollout.

    THREAD is an id, the start of one, or a name; without, all are. Readers see the old rows or the
    new ones, never half; uids stay; rows of files that are gone are kept. May run beside the
    daemon.

    A damaged database is made anew beside the old one, with what can be saved of rows whose files
    are gone, and put in its place; the damaged file is kept. The daemon must be stopped for that.
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
        damage = _damage(settings, talk, whole=not thread)
        if damage is None:
            try:
                rebuilt = asyncio.run(_in_place(settings, thread, talk))
            except StoreDamaged as error:
                damage = str(error)
        if damage is not None and thread:
            raise StoreDamaged(
                f"{damage}", hint="Run `projector rebuild` without a thread: all is made anew"
            )
        if damage is not None:
            talk.note(f"{damage}; a new database is made beside it")
            swapped = asyncio.run(_afresh(settings, path, talk))
    finally:
        talk.finish()
    faults = swapped.summary.faults if damage is not None else rebuilt.faults
    for fault in faults:
        output.tell(f"projector: {fault}")
    if damage is not None:
        output.say(_told(path, swapped))
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
    try:
        with reading(settings) as db:
            if whole and db.server() is None:
                talk.note(f"{db.shown}: checking the file")
                found = db.soundness(None)
                if found not in (None, "ok"):
                    return f"{db.shown}: is damaged ({found})"
            else:
                db.rows("SELECT count(*) FROM _rollouts")
    except StoreDamaged as error:
        return error.message
    except StoreMissing as error:
        raise UsageError(error.message, hint=error.hint) from error
    return None


async def _in_place(settings: Settings, thread: tuple[str, ...], talk: Progress) -> Rebuilt:
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
        done = await project(store, settings, chosen=chosen, progress=talk)
    finally:
        await store.close()
    if thread and not done.rollouts and not done.faults and not done.kept:
        raise ProjectorError(f"no rollout of {' '.join(thread)}", hint="See: projector threads")
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Swapped:
    """A database that was made anew, and what became of the damaged one."""

    summary: Summary
    salvaged: Salvaged
    kept: Path


async def _afresh(settings: Settings, path: Path, talk: Progress) -> _Swapped:
    """Make a new database beside a damaged one and put it in its place.

    Raises:
        AlreadyRunning: a daemon has it.
    """
    import asyncio  # noqa: PLC0415 - see the package's docstring

    from projector import __version__  # noqa: PLC0415
    from projector.run.backfill import backfill  # noqa: PLC0415
    from projector.run.file_catalog import FileCatalog  # noqa: PLC0415
    from projector.store.open import open_store  # noqa: PLC0415
    from projector.store.protocol import Holder  # noqa: PLC0415
    from projector.store.sqlite import damaged_database as salvage  # noqa: PLC0415
    from projector.store.sqlite.guard import check, resolved  # noqa: PLC0415
    from projector.store.sqlite.lock import hold  # noqa: PLC0415

    path = resolved(path)
    check(path)

    now = datetime.now(UTC)
    now_ms = time.time_ns() // 1_000_000
    holder = Holder(
        pid=os.getpid(), host=socket.gethostname(), version=__version__, started_at_ms=now_ms
    )
    lock = hold(path, holder)
    new = path.with_name(path.name + ".new")
    kept = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    try:
        _remove(new)
        url = f"sqlite:///{new}"
        await (await open_store(url)).close()  # its tables, nothing in them
        look = await asyncio.to_thread(FileCatalog(settings.codex_homes).everything)
        saved = salvage.salvage(path, new, look.files.keys(), now_ms)
        store = await open_store(url)
        try:
            summary = await backfill(store, settings, selection=(), progress=talk)
        finally:
            await store.close()
        damaged = salvage.keep_numbers(path, new, saved.numbers)
        saved = saved._replace(damaged=tuple(dict.fromkeys((*saved.damaged, *damaged))))
        salvage.swap(path, new, kept)
    finally:
        _remove(new)
        os.close(lock)
    return _Swapped(summary=summary, salvaged=saved, kept=kept)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal", ".feed"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _told(path: Path, swapped: _Swapped) -> str:
    from projector.model.humanize import count  # noqa: PLC0415 - see the package's docstring

    saved = swapped.salvaged
    lines = [f"{path}: made anew: {swapped.summary.line()}"]
    if saved.rollouts:
        lines.append(
            f"saved from the damaged file: {count(saved.rollouts, 'rollout')} without a file,"
            f" {count(saved.rows, 'row')}"
        )
    if saved.damaged:
        lines.append(f"not all could be read of: {', '.join(saved.damaged)}")
    lines.append(f"the damaged file is kept: {swapped.kept}")
    return "\n".join(lines)
