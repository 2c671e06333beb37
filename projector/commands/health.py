"""`projector health`: called each minute on each host, so it imports little and late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from projector.commands import output
from projector.commands.options import as_json, common, reading, settings_of
from projector.errors import ProjectorError, StoreMissing, StoreRefused, UsageError
from projector.redaction import redact, redact_document
from projector.terminal_safe import brief

if TYPE_CHECKING:
    from projector.serve.health import Verdict
    from projector.serve.ranges import Range

_THRESHOLD = (
    "when a number is not in RANGE: 10, 10:, ~:10, 10:20, @10:20. LABEL: one of the numbers behind"
    " the bar, behind_seconds if it is left out. May be repeated."
)


@click.command()
@common
@click.option(
    "-w",
    "--warning",
    metavar="[LABEL=]RANGE",
    multiple=True,
    help="WARNING " + _THRESHOLD,
)
@click.option(
    "-c", "--critical", metavar="[LABEL=]RANGE", multiple=True, help="CRITICAL, in the same way."
)
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="UNKNOWN, if it takes longer.",
)
@as_json
@click.pass_context
def health(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    warning: tuple[str, ...],
    critical: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> int:
    """Say in one line whether all is well, for monitoring. Exit codes: see `projector --help`.

    Asks database and files, not the daemon: it answers when that is stopped or hung. With --json
    the answer is a document of the form health+json.
    """
    from projector.serve.health import Asked, Level, Verdict  # noqa: PLC0415

    try:
        asked = Asked(warning=_ranges("-w", warning), critical=_ranges("-c", critical))
        with _no_longer_than(timeout):
            verdict = _verdict(context, codex_home, database, asked)
    except (ProjectorError, OSError) as error:
        # A monitoring system reads exit code 2 as CRITICAL; what cannot be told is UNKNOWN.
        verdict = Verdict(level=Level.UNKNOWN, text=str(error))
    if as_json:
        output.write_document(redact_document(verdict.document()))
    else:
        output.say(brief(redact(verdict.line())))
    return verdict.level.value


def _verdict(
    context: click.Context, codex_home: tuple[str, ...], database: str | None, asked: object
) -> Verdict:
    from projector.serve.gather import full_disk, gather  # noqa: PLC0415 - see the module
    from projector.serve.health import Asked, Level, Verdict, judge  # noqa: PLC0415

    assert isinstance(asked, Asked)
    settings = settings_of(context, codex_home, database)
    try:
        with reading(settings) as db:
            facts = gather(db, settings.codex_homes, time.time_ns() // 1_000_000)
    except StoreMissing as missing:
        return full_disk(settings.database_path) or Verdict(
            level=Level.CRITICAL, text=f"{missing.message}: nothing is projected"
        )
    except StoreRefused:
        found = full_disk(settings.database_path)
        if found is None:
            raise
        return found
    return judge(facts, settings.health, asked)


def _ranges(option: str, given: tuple[str, ...]) -> dict[str, Range]:
    """Read thresholds, by label."""
    from projector.serve.health import LABELS  # noqa: PLC0415 - see the module's docstring
    from projector.serve.ranges import parse  # noqa: PLC0415

    found = {}
    for text in given:
        label, equals, rest = text.partition("=")
        label, rest = (label, rest) if equals else (LABELS[0], text)
        if label not in LABELS:
            raise UsageError(f"{option} {text}: no number {label!r}; one of {', '.join(LABELS)}")
        try:
            found[label] = parse(rest)
        except ValueError as error:
            raise UsageError(f"{option} {text}: {error}") from None
    return found


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Give up after so long: an answer that comes too late is none."""
    import signal  # noqa: PLC0415 - see the module's docstring

    def late(*_: object) -> NoReturn:
        raise ProjectorError(f"no answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
