"""`projector copy`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from projector.commands import output
from projector.commands.options import settings_file, settings_of

if TYPE_CHECKING:
    from projector.model.settings import Settings
    from projector.store.copy import Receiver


@click.command("copy")
@click.option(
    "--from",
    "from_",
    metavar="URL",
    required=True,
    help="Database to copy from; same as --database.",
)
@click.option(
    "--to", metavar="URL", required=True, help="Database to copy to: a new file, or a server."
)
@settings_file
@click.pass_context
def copy(context: click.Context, from_: str, to: str) -> int:
    """Copy a database to another one, of the same or another engine.

    Rows, checkpoints, ids, names, anomalies, tombstones and the change feed with its numbers: a
    daemon on the copy continues where the other one stopped, without reading anything again. The
    full-text index is rebuilt by the first `run` or `backfill`.

    From a server, the rows of one source are copied, and into a server, into one source: that of
    this host, or of [source] name. All or nothing is copied; an existing file, or a source with
    rollouts, is never written to.
    """
    import asyncio  # noqa: PLC0415 - see the package's docstring
    import time  # noqa: PLC0415

    from projector.model.humanize import count  # noqa: PLC0415
    from projector.run import progress  # noqa: PLC0415
    from projector.store.copy import send  # noqa: PLC0415
    from projector.store.open import open_to_read  # noqa: PLC0415

    source = settings_of(context, (), from_, called="--from")
    target = settings_of(context, (), to, called="--to")
    began = time.monotonic()
    talk = progress.choose()
    name = source.source.name
    try:
        with (
            open_to_read(source.database, source=name) as db,
            closing(_receiver(target)) as receiver,
        ):
            sent = send(db, receiver, start=talk.start, advance=talk.advance)
    finally:
        talk.finish()
    asyncio.run(_mend(target))
    line = (
        f"{count(sent.rollouts, 'rollout')}, {count(sent.rows, 'row')} copied"
        f" in {time.monotonic() - began:.1f} s"
    )
    if sent.left:
        line += f"; {count(sent.left, 'rollout')} left out: another host has them there"
    output.say(line)
    return 0


def _receiver(target: Settings) -> Receiver:
    """Prepare the database that receives the rows."""
    import asyncio  # noqa: PLC0415 - see the package's docstring

    from projector.store.open import open_receiver  # noqa: PLC0415

    return asyncio.run(open_receiver(target.database, source=target.source.name))


async def _mend(target: Settings) -> None:
    """Continue chains of rollouts with rows that other hosts have there."""
    from projector.store.open import open_store  # noqa: PLC0415 - see the package's docstring

    store = await open_store(target.database, source=target.source.name)
    try:
        await store.rebuild_derived()
    finally:
        await store.close()
