"""`projector web`."""

from __future__ import annotations

import click

from projector.commands import output
from projector.commands.options import common, reading, settings_of
from projector.model.errors import ProjectorError, UsageError

#: Default port; 0: any free one.
PORT = 8765


@click.command()
@common
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65535),
    default=PORT,
    show_default=True,
    metavar="N",
    help="Port to listen on; 0: any free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on. One that other hosts can reach needs --allow-remote too: it is"
    " plain HTTP, and whoever has the printed address reads everything.",
)
@click.option("--allow-remote", is_flag=True, help="Allow an address that other hosts can reach.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option(
    "--sql", is_flag=True, help="Let the browser send SQL of its own, read-only, on the page /data."
)
@click.pass_context
def web(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    port: int,
    host: str,
    allow_remote: bool,
    no_browser: bool,
    sql: bool,
) -> None:
    """Show threads, usage and health as pages in a browser, until interrupted.

    Read-only. The printed address holds a token: only a browser that was opened with it gets
    answers, no other user of this machine and no other page.
    """
    import asyncio  # noqa: PLC0415 - see the package's docstring
    import ipaddress  # noqa: PLC0415

    try:
        from projector.serve.web.app import Pages  # noqa: PLC0415
    except ImportError as missing:
        raise ProjectorError(
            f"the pages need the package {missing.name}",
            hint="Install it; in a clone: pip install '.[web]'",
        ) from None
    settings = settings_of(context, codex_home, database)
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UsageError(f"--host {host}: not an address", hint="Write 127.0.0.1") from None
    if not (loopback or allow_remote):
        raise UsageError(
            f"--host {host}: other hosts could read every thread",
            hint="Write 127.0.0.1, or --allow-remote as well",
        )
    pages = Pages(settings, reading, sql=sql)
    asyncio.run(_serve(pages, host, port, browser=not no_browser))


async def _serve(pages: object, host: str, port: int, *, browser: bool) -> None:
    import asyncio  # noqa: PLC0415 - see the package's docstring
    import signal  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    import webbrowser  # noqa: PLC0415

    from projector.serve.web.app import Pages  # noqa: PLC0415

    assert isinstance(pages, Pages)
    try:
        address = await pages.start(host, port)
    except OSError as error:
        raise ProjectorError(
            f"{host}:{port}: cannot listen there: {error.strerror or error}",
            hint="Choose another one: --port 0 takes a free one",
        ) from None
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    output.say(address)
    with tempfile.TemporaryDirectory(prefix="projector-web-") as folder:
        if browser:
            await asyncio.to_thread(webbrowser.open, _way_in(folder, address))
        await told.wait()
    await pages.close()


def _way_in(folder: str, address: str) -> str:
    """Write a page that leads to the address; return its own.

    The command line of a browser can be read by every user of the machine: no token stands in it.
    """
    import os  # noqa: PLC0415 - see the package's docstring
    from pathlib import Path  # noqa: PLC0415

    page = Path(folder) / "open.html"
    with open(page, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">')
    return page.as_uri()
