"""`projector limits`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from projector.commands import output
from projector.commands.options import common, reading, settings_of
from projector.commands.rows import Form, as_rows

if TYPE_CHECKING:
    from projector.serve.history.looks import Style
    from projector.store.questions.limits import Window

#: Characters of a time without its seconds.
_MINUTES: Final = 16
#: Columns of a bar.
_BAR: Final = 10
#: Percent from which a window is nearly used up, and from which much of it is used.
_FULL: Final = 90
_MUCH: Final = 75


@click.command()
@common
@click.option(
    "--since",
    metavar="WHEN",
    help="All changes since: 90m, 12h, 7d, 7days, last week, today, yesterday, 2026-11-01, or a"
    " date and time. Default: each window as it was reported last.",
)
@as_rows
@click.pass_context
def limits(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    since: str | None,
    form: Form,
) -> None:
    """Show how much of the usage limits' windows is used, now or over time.

    As Codex reported it with its last response: what other devices used since is not known here.
    """
    import time  # noqa: PLC0415 - see the package's docstring

    from projector.commands.filters import moment  # noqa: PLC0415
    from projector.commands.rows import say_rows, write_rows  # noqa: PLC0415
    from projector.serve import limits as shown  # noqa: PLC0415
    from projector.serve.history.table import when  # noqa: PLC0415
    from projector.store.questions import limits as questions  # noqa: PLC0415

    since_ms = None if since is None else moment(since)
    with reading(settings_of(context, codex_home, database)) as db:
        rows = (
            questions.last_windows(db)
            if since_ms is None
            else shown.changes(questions.windows_since(db, since_ms))
        )
    now_ms = time.time_ns() // 1_000_000
    if form != "table":
        documents = [shown.document(row, now_ms) for row in rows]
        write_rows(documents, form, (*questions.Window._fields, "reset"))
        return
    if not rows:
        output.tell("no limits were reported" + ("" if since is None else " since then"))
        return
    shortened = _MINUTES if output.terminal() else None
    hosts = {row.host for row in rows} - {None}
    head = ["AT", *(["HOST"] if hosts else []), "LIMIT", "WINDOW", "USED %", "RESETS", "PLAN"]
    lines: list[tuple[questions.Window, Sequence[object]]] = [
        (
            row,
            [
                when(row.recorded_at_ms)[:shortened],
                *([row.host] if hosts else []),
                row.limit_id or "",
                shown.length(row.window_minutes) or row.slot,
                # Over time, what was used then; else what is left of it now.
                0.0 if since is None and shown.is_reset(row, now_ms) else row.used_percent,
                "" if row.resets_at_ms is None else when(row.resets_at_ms)[:shortened],
                row.plan_type or "",
            ],
        )
        for row in rows
    ]
    if output.terminal():
        at = head.index("USED %")
        head.insert(at + 1, "")
        lines = [
            (row, [*cells[: at + 1], _bar(cells[at]), *cells[at + 1 :]]) for row, cells in lines
        ]
    say_rows(head, lines, style=lambda row: _style(row, reset=since is None, now_ms=now_ms))
    begun = sum(shown.is_reset(row, now_ms) for row in rows)
    if since is None and begun:
        windows = "1 window has" if begun == 1 else f"{begun:,} windows have"
        output.tell(f"{windows} begun anew since it was reported: 0 % as far as is known")


def _bar(used: object) -> str:
    """Return a bar of `_BAR` columns for a share in percent."""
    full = round(min(max(float(str(used)), 0), 100) / 100 * _BAR)
    return "█" * full + "░" * (_BAR - full)


def _style(row: Window, *, reset: bool, now_ms: int) -> Style | None:
    from projector.serve.limits import is_reset  # noqa: PLC0415 - see the package's docstring

    if reset and is_reset(row, now_ms):
        return "quiet"
    return "bad" if row.used_percent >= _FULL else "warning" if row.used_percent >= _MUCH else None
