"""`projector doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from projector.commands import output
from projector.commands.options import as_json, common, options_of, reading
from projector.model.redaction import redact, redact_document

if TYPE_CHECKING:
    from projector.serve.history.looks import Style


@click.command()
@common
@as_json
@click.pass_context
def doctor(
    context: click.Context, codex_home: tuple[str, ...], database: str | None, *, as_json: bool
) -> int:
    """Find problems, and say how to fix them. Changes nothing.

    Checks homes, permissions, limits, database and daemon, and compares with Codex's own databases:
    names every thread of which Codex shows less than its rollouts contain. Exit code 1: there are
    problems.
    """
    from projector.commands import load_settings as config  # noqa: PLC0415 - see the package's docstring
    from projector.model.database_url import secrets  # noqa: PLC0415 - same
    from projector.model.terminal_safe import one_line  # noqa: PLC0415
    from projector.serve.doctor.checks import (  # noqa: PLC0415
        checks,
        document,
        sound,
    )
    from projector.serve.doctor.probe import probe  # noqa: PLC0415

    settings, origins = config.traced(options_of(codex_home, database), file=context.obj)
    secret_file = settings.database_file
    if secrets(settings.database) and not secret_file:  # a credential, or the settings themselves
        secret_file = origins.get(("", "database"), "").partition(":")[0]
        secret_file = secret_file if "/" in secret_file else ""
    found = probe(settings, lambda: reading(settings), secret_file=secret_file)
    every = checks(found, settings)
    if as_json:
        output.write_document(redact_document(document(every, found.codex)))
    else:
        for check in every:
            _say(one_line(redact(check.line())))
    return 0 if sound(every) else 1


def _say(line: str) -> None:
    """Print a check: its level in its colour, wrapped on a terminal."""
    from projector.serve.history.looks import wrapped  # noqa: PLC0415 - see the package's docstring

    level, _, rest = line.partition(" ")
    before = f"{level} " if output.width() is None else f"{level:<8} "
    first, *others = wrapped(rest, before, " " * len(before), output.width())
    style = _STYLES.get(level)
    head = output.paint(level, style) if style else level
    output.write_rendered(f"{one}\n" for one in (head + first[len(level) :], *others))


_STYLES: Final[dict[str, Style]] = {
    "problem": "bad", "warning": "warning", "ok": "good", "info": "quiet",
}  # fmt: skip
