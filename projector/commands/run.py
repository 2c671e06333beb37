"""`projector run`."""

from __future__ import annotations

import os
import sys

import click

from projector.commands.options import common, reading, settings_of


@click.command("run")
@common
@click.pass_context
def run_(context: click.Context, codex_home: tuple[str, ...], database: str | None) -> None:
    """Run the daemon: catch up, then follow all changes until SIGTERM or SIGINT."""
    import asyncio  # noqa: PLC0415 - see the package's docstring

    from projector.logs import events as log  # noqa: PLC0415
    from projector.run.collector import settle  # noqa: PLC0415
    from projector.run.daemon import follow  # noqa: PLC0415
    from projector.run.systemd import Watchdog  # noqa: PLC0415
    from projector.serve.telemetry.server import TelemetryServer  # noqa: PLC0415
    from projector.store.open import closed_store  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    settle()
    log.configure(settings.log.level, settings.log.format)
    pulse = Watchdog()
    pulse()

    async def serve() -> None:
        store = closed_store(
            settings.database,
            source=settings.source.name,
            busy_timeout_s=settings.store.busy_timeout_s,
            on_progress=pulse,
        )
        answered = True
        try:
            answered = await follow(
                store,
                settings,
                load=lambda: settings_of(context, codex_home, database),
                pulse=pulse,
                audience=TelemetryServer(reading),
                opening=store.reopen,
            )
        finally:
            await store.close()
        if not answered:
            # Threads that wait for the silent server cannot be ended; exiting would wait for them.
            sys.stderr.flush()
            os._exit(0)

    asyncio.run(serve())
