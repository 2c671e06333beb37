"""`projector health`: called every minute on each host, so imports are few and late."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from projector.commands import output
from projector.commands.options import Seconds, as_json, common, reading, settings_of
from projector.model.errors import ProjectorError, StoreMissing, StoreRefused, UsageError
from projector.model.redaction import redact, redact_document
from projector.model.terminal_safe import brief

if TYPE_CHECKING:
    from projector.serve.health.judge import Verdict
    from projector.serve.health.ranges import Range

_THRESHOLD = (
    "if a number is outside RANGE: 10, 10:, ~:10, 10:20, @10:20. LABEL: one of the"
    " numbers after the bar; default: behind_seconds. May be repeated."
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
    "-c", "--critical", metavar="[LABEL=]RANGE", multiple=True, help="CRITICAL, likewise."
)
@click.option(
    "-t",
    "--timeout",
    type=Seconds(),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="UNKNOWN if it takes longer.",
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
    """Print one line about the state of the projection, for monitoring.

    Exit codes: see `projector --help`. Reads database and files without asking the daemon, so it
    answers even if the daemon is stopped or hung. With --json the answer is a health+json document.
    """
    import json  # noqa: PLC0415 - see the module's docstring

    from projector.commands.deadline import answer_within  # noqa: PLC0415 - same

    def answer() -> bytes:
        level, line, document = _answer(context, codex_home, database, warning, critical)
        return json.dumps([level, document if as_json else line]).encode()

    told = answer_within(timeout, answer)
    if told is None:
        level, line, document = _unknown(f"no answer within {timeout:g} s")
    elif not told:
        level, line, document = _unknown("a fault of projector's own; see: projector status")
    else:
        level, line = json.loads(told)
        document = line
    if as_json:
        output.write_document(document)
    else:
        output.say(brief(line))
    return int(level)


_Answer = tuple[int, str, "dict[str, Any]"]


def _answer(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    warning: tuple[str, ...],
    critical: tuple[str, ...],
) -> _Answer:
    """Return the exit code, the line and the document, without secrets."""
    from projector.serve.health.judge import Asked  # noqa: PLC0415 - see the module's docstring

    try:
        asked = Asked(warning=_ranges("-w", warning), critical=_ranges("-c", critical))
        return _told(_verdict(context, codex_home, database, asked))
    except (ProjectorError, OSError) as error:
        # A monitoring system reads exit code 2 as CRITICAL; an unknown state is UNKNOWN.
        return _unknown(str(error))


def _unknown(text: str) -> _Answer:
    from projector.serve.health.judge import Level, Verdict  # noqa: PLC0415 - see the module's docstring

    return _told(Verdict(level=Level.UNKNOWN, text=text))


def _told(verdict: Verdict) -> _Answer:
    return verdict.level.value, redact(verdict.line()), redact_document(verdict.document())


def _verdict(
    context: click.Context, codex_home: tuple[str, ...], database: str | None, asked: object
) -> Verdict:
    from projector.serve.health.collect import collect, full_disk  # noqa: PLC0415 - see the module
    from projector.serve.health.judge import Asked, Level, Verdict, judge  # noqa: PLC0415

    assert isinstance(asked, Asked)
    settings = settings_of(context, codex_home, database)
    try:
        with reading(settings) as db:
            facts = collect(db, settings.codex_homes, time.time_ns() // 1_000_000)
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
    """Parse thresholds, by label."""
    from projector.serve.health.judge import LABELS  # noqa: PLC0415 - see the module's docstring
    from projector.serve.health.ranges import parse  # noqa: PLC0415

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
