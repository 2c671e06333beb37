"""`projector mcp`."""

from __future__ import annotations

import click

from projector.commands.filters import spellings
from projector.commands.options import common, reading, settings_of
from projector.model.errors import ProjectorError


@click.command()
@common
@click.pass_context
def mcp(context: click.Context, codex_home: tuple[str, ...], database: str | None) -> None:
    """Serve tools for agents by MCP on standard input and output, until the input ends.

    Read-only: search, threads, one thread by pages, failed commands, history of a file, cost. For
    Codex: codex mcp add history -- projector mcp
    """
    try:
        from projector.serve.mcp.server import serve  # noqa: PLC0415 - see the package's docstring
    except ImportError as missing:
        raise ProjectorError(
            f"the tools need the package {missing.name}",
            hint="Install it; in a clone: pip install '.[mcp]'",
        ) from None
    settings = settings_of(context, codex_home, database)
    serve(lambda: reading(settings), spellings)
