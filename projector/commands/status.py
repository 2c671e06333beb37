"""`projector status`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from projector.commands import output
from projector.commands.options import as_json, common, reading, settings_of

if TYPE_CHECKING:
    from projector.model.settings import Settings
    from projector.serve.health.snapshot import Facts


@click.command()
@common
@click.option("--rollouts", is_flag=True, help="Show each rollout too.")
@as_json
@click.pass_context
def status(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    rollouts: bool,
    as_json: bool,
) -> None:
    """Show what is projected, and how far behind the files it is."""
    from projector.model.redaction import redact, redact_document  # noqa: PLC0415 - see the package's docstring
    from projector.serve.health import status as shown  # noqa: PLC0415 - see the package's docstring

    facts = _facts(settings_of(context, codex_home, database), rollouts=rollouts)
    if as_json:
        output.write_document(redact_document(shown.document(facts, rollouts=rollouts)))
    else:
        output.say(redact(shown.text(facts, rollouts=rollouts)))


def _facts(settings: Settings, *, rollouts: bool = False) -> Facts:
    from projector.serve.health.collect import collect  # noqa: PLC0415 - see the package's docstring

    with reading(settings) as db:
        now_ms = time.time_ns() // 1_000_000
        return collect(db, settings.codex_homes, now_ms, rollouts=rollouts, codex=True)
