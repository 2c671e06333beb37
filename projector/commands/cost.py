"""`projector cost`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from projector.commands import filters, output
from projector.commands.options import common, reading, settings_of
from projector.commands.rows import Form, as_rows
from projector.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from projector.serve.spending import Sum

#: Maximum number of reasons that are told why responses have no price.
_REASONS: Final = 8
_HEADS: Final = {"thread": ("NAME", "THREAD")}
#: Columns of the longest bar.
_BAR: Final = 16
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


@click.command()
@common
@click.option(
    "--by",
    metavar="KEYS",
    multiple=True,
    help="Sums by day (UTC), model, provider, folder, repo, thread or turn; several, separated by"
    " commas. Default: day.",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="Only responses since: 90m, 12h, 7d, 7days, last week, today, yesterday, 2026-11-01, or a"
    " date and time.",
)
@filters.folder
@filters.repo
@click.option(
    "--with-agents",
    is_flag=True,
    help="Add what sub-agents spent to the thread that started them, and to its folder and repo.",
)
@as_rows
@click.pass_context
def cost(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    by: tuple[str, ...],
    since: str | None,
    folder: str | None,
    repo: str | None,
    with_agents: bool,
    form: Form,
) -> None:
    """Show what model responses cost by API list price. It is not your bill.

    Every response counts once: neither forks nor resumes count twice, and what was reverted was
    paid for. Responses without a known price are counted, never as 0.
    """
    from projector.commands.rows import say_rows, write_rows  # noqa: PLC0415 - see the package
    from projector.serve import spending  # noqa: PLC0415
    from projector.store.questions import spending as questions  # noqa: PLC0415

    keys = _keys(by)
    since_ms = None if since is None else filters.moment(since)
    with reading(settings_of(context, codex_home, database)) as db, db.snapshot():
        rows = questions.spent(db, since_ms=since_ms, turns="turn" in keys)
        threads = questions.spenders(db, rows)
        looked_up = questions.looked_up(db)
    place = filters.place(folder, repo)
    if not place.everywhere:
        inside = {one.thread_id for one in threads if place.has(one.cwd, one.git_origin_url)}
        rows = [row for row in rows if row.thread_id in inside]
    sums = spending.grouped(rows, threads, keys, with_agents=with_agents)
    head = [part for key in keys for part in _HEADS.get(key, (key.upper(),))]
    head += ["RESPONSES", "INPUT", "CACHED", "OUTPUT", "COST", ""]
    if form != "table":
        documents = [one.document() for one in sums]
        write_rows(documents, form, list(spending.Sum(keys=dict.fromkeys(keys)).document()))
        return
    if sums:
        lines: list[list[object]] = [_line(one) for one in sums]
        totals = spending.grouped(rows, (), (), with_agents=False)
        if len(sums) > 1:
            lines += [
                ["total", *[""] * (len(keys) - 1 + ("thread" in keys)), *_line(one)]
                for one in totals
            ]
        if keys == ["day"] and output.terminal():
            head, lines = [*head, "TOKENS"], [*_with_bars(lines, sums)]
        say_rows(
            head, ((None, line) for line in lines), going=("CACHED", "RESPONSES", "OUTPUT", "INPUT")
        )
    else:
        output.tell(
            "no responses"
            + (" like that" if not place.everywhere else " since then" if since else "")
        )
    if sources := spending.price_sources(rows):
        output.tell(f"API list prices ({', '.join(sources)}): not your bill")
    reasons = spending.why_unpriced(rows)
    if reasons:
        listed = [f"{reason} {count:,}" for reason, count in reasons.items()]
        more = f", and {len(listed) - _REASONS} more" if len(listed) > _REASONS else ""
        output.tell(
            f"{sum(reasons.values()):,} responses without a known price are not in the sums:"
            f" {', '.join(listed[:_REASONS])}{more}; own prices: [cost] prices"
        )
    if unknown := spending.not_looked_up(rows, looked_up):
        output.tell(
            f"{unknown} models have not been looked up: projector backfill does, with"
            " the extra prices (pip install 'codex-projector[prices]')"
        )


def _keys(by: tuple[str, ...]) -> list[str]:
    """Parse `--by`.

    Raises:
        UsageError: there is no such key.
    """
    from projector.serve.spending import KEYS  # noqa: PLC0415 - see the package's docstring

    keys = [key.strip().lower() for one in by for key in one.split(",") if key.strip()]
    for key in keys:
        if key not in KEYS:
            raise UsageError(f"--by {key}: unknown", hint=f"There are: {', '.join(KEYS)}")
    return list(dict.fromkeys(keys)) or ["day"]


def _line(one: Sum) -> list[object]:
    """Return a row of the table."""
    from projector.serve.history.table import SHORT_ID  # noqa: PLC0415 - see the package's docstring
    from projector.serve.spending import price  # noqa: PLC0415 - same

    keys: list[object] = []
    for key, value in one.keys.items():
        if key == "thread":
            keys.append(one.name or "")
        known = "unknown" if value is None else value
        keys.append(known[:SHORT_ID] if key in ("thread", "turn") and output.terminal() else known)
    amount = "" if one.amount is None else price(one.amount, one.currency)
    note = f"{one.unpriced:,} without a price" if one.unpriced else ""
    tokens = one.tokens
    return [
        *keys, one.responses, tokens["input_tokens"], tokens["cached_input_tokens"],
        tokens["output_tokens"], amount, note,
    ]  # fmt: skip


def _with_bars(lines: Sequence[list[object]], sums: Sequence[Sum]) -> Iterator[list[object]]:
    """Yield the rows with a bar for the tokens of each; none for what follows the sums."""
    tokens = [one.tokens["input_tokens"] + one.tokens["output_tokens"] for one in sums]
    most = max(tokens, default=0) or 1
    for at, line in enumerate(lines):
        eighths = round(tokens[at] / most * _BAR * 8) if at < len(tokens) else 0
        whole, rest = divmod(eighths, 8)
        yield [*line, "█" * whole + (_EIGHTHS[rest] if rest else "")]
