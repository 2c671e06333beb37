"""`projector doctor`."""

from __future__ import annotations

import click

from projector.commands import output
from projector.commands.options import as_json, common, reading, settings_of


@click.command()
@common
@as_json
@click.pass_context
def doctor(
    context: click.Context, codex_home: tuple[str, ...], database: str | None, *, as_json: bool
) -> int:
    """Find what stands in the way, and say how to mend it. Changes nothing.

    Looks at homes, permissions, limits, database and daemon, and at Codex's own databases: names
    every thread of which Codex shows less than its rollouts hold. Exit code 1: there are problems.
    """
    from projector.serve.doctor import checks, document, sound  # noqa: PLC0415
    from projector.serve.examine import examine  # noqa: PLC0415
    from projector.terminal_safe import one_line  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    found = examine(settings, lambda: reading(settings))
    every = checks(found, settings)
    if as_json:
        output.write_document(document(every, found.codex))
    else:
        for check in every:
            output.say(one_line(check.line()))
    return 0 if sound(every) else 1
