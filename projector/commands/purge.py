"""`projector purge`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from projector.commands import output
from projector.commands.options import common, reading, settings_of
from projector.model.errors import AlreadyRunning, ProjectorError

if TYPE_CHECKING:
    from projector.model.ids import RolloutId
    from projector.model.settings import Settings


@click.command()
@click.argument("thread", nargs=-1, required=True)
@common
@click.option("--dry-run", is_flag=True, help="Show what would be deleted without deleting it.")
@click.pass_context
def purge(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    thread: tuple[str, ...],
    *,
    dry_run: bool,
) -> None:
    """Delete threads from the database for good; THREAD is a thread's full id.

    Only threads whose files no longer exist: an existing file would be projected again. Delete it
    first, in Codex or by hand; this command never touches a file of Codex. May run beside the
    daemon.
    """
    import asyncio  # noqa: PLC0415 - see the package's docstring

    from projector.store.questions import history  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    with reading(settings) as db:
        found = {one: history.rollouts(db, one) for one in thread}
    for one, files in found.items():
        _refuse_living(one, files, settings)
    if dry_run:
        for one, files in found.items():
            output.say(f"{one}: {len(files)} rollouts: {', '.join(files)}")
        return
    emptied = asyncio.run(_purge(found, settings))
    for one in found:
        output.say(f"{one}: purged")
    if not emptied:
        output.tell(
            "the daemon runs: older copies of the rows stay in the write-ahead log until it has"
            " written it over, or is stopped"
        )


def _refuse_living(thread: str, files: Mapping[RolloutId, str], settings: Settings) -> None:
    """Raise if a thread is unknown, or would be projected again."""
    from projector.discover.paths import scan_path  # noqa: PLC0415 - see the package's docstring

    if not files:
        raise ProjectorError(f"no thread {thread!r}", hint="Give its whole id: projector threads")
    there = [path for path in files.values() if os.path.lexists(path)]
    there += [file.path for file in scan_path(thread, settings.codex_homes).files]
    if there:
        raise ProjectorError(
            f"{', '.join(dict.fromkeys(there))}: still there, and would be projected again",
            hint="Delete it first",
        )


async def _purge(found: Mapping[str, Mapping[RolloutId, str]], settings: Settings) -> bool:
    """Purge the threads; True if no rows of theirs remain in a write-ahead log either."""
    from projector import __version__  # noqa: PLC0415 - see the package's docstring
    from projector.model.ids import ThreadId  # noqa: PLC0415
    from projector.store.open import open_store  # noqa: PLC0415
    from projector.store.protocol import Holder  # noqa: PLC0415
    from projector.store.sqlite.store import SqliteStore  # noqa: PLC0415

    store = await open_store(
        settings.database,
        source=settings.source.name,
        busy_timeout_s=settings.store.busy_timeout_s,
    )
    try:
        for one, files in found.items():
            await store.purge(ThreadId(one), list(files))
        if not isinstance(store, SqliteStore):
            return True
        now_ms = time.time_ns() // 1_000_000
        await store.acquire_lock(
            Holder(
                pid=os.getpid(),
                host=socket.gethostname(),
                version=__version__,
                started_at_ms=now_ms,
            )
        )
        await store.empty_log()
    except AlreadyRunning:
        return False
    else:
        return True
    finally:
        await store.close()
