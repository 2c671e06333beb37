"""Backfill: what everyone does with the same rollouts, in turns."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.bench import ROOT, Failed, Home, Run, benchmark
from tests.benchmarks.contestants import AGENTS_VIEW, ALL, PROJECTOR, Contestant
from tests.benchmarks.following import backfilled
from tests.benchmarks.processes import Cost
from tests.benchmarks.results import number

#: Seconds of a benchmark that a peer may take; at 1 GB one round of Codex is a minute.
PATIENCE_S = 300.0


def race(run: Run, home: Home, contestants: Sequence[Contestant]) -> None:
    """Let everyone who is there project the home once a round, first one then another first.

    A peer that cannot do it leaves the race, with its reason; the others go on. So they do without
    a peer that has taken all the time it has: it is compared in the rounds that it took part in.

    Raises:
        Failed: the projector itself cannot do it.
    """
    there = []
    spent: defaultdict[str, float] = defaultdict(float)
    warm = run.home()
    for contestant in contestants:
        why = contestant.absent()
        if why:
            run.result.absent[contestant.name] = why
        elif _once(run, warm, contestant):  # bytecode compiled, libraries in the page cache
            there.append(contestant)
    for turn in run.rounds():
        start = turn % len(there)
        for contestant in there[start:] + there[:start]:
            who = contestant.name
            late = contestant is not PROJECTOR and spent[who] > PATIENCE_S
            cost = None if late or who in run.result.absent else _once(run, home, contestant)
            if cost is None:
                continue
            spent[who] += cost.start + cost.wall
            run.result.sample(who, "wall", cost.wall, "s")
            run.result.sample(who, "speed", home.megabytes / cost.wall, "MB/s")
            run.result.sample(who, "CPU", cost.cpu, "s")
            run.result.sample(who, "peak memory", cost.peak, "MiB")
            if cost.start:
                run.result.sample(who, "start, not counted", cost.start, "s")
    for who, seconds in spent.items():
        figure = run.result.find(who, "wall")
        if figure is not None and len(figure.samples) < run.repeat and who not in run.result.absent:
            run.result.notes.append(
                f"{who}: {len(figure.samples)} of {run.repeat} rounds, which took {seconds:.0f} s"
            )
    run.result.notes.append(
        f"{len(home.rollouts)} rollouts, {number(home.megabytes)} MB,"
        f" {sum(one['records'] for one in home.rollouts):,} records, {home.items:,} items"
    )


def _once(run: Run, home: Home, contestant: Contestant) -> Cost | None:
    """Let a contestant project a home; None: it could not, and its reason is noted."""
    with run.folder() as scratch:
        own = run.copy(home, scratch / "home") if contestant.writes else home
        _read(own.path)
        try:
            return contestant.run(own, scratch)
        except Failed as error:
            if contestant is PROJECTOR:
                raise
            run.result.absent[contestant.name] = str(error)
            return None


def _read(home: Path) -> None:
    """Read every rollout once, so that all find it in the page cache."""
    buffer = bytearray(1 << 20)
    for path in home.glob("sessions/*/*/*/*"):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


@benchmark("backfill-100mb", "one paginated rollout of 100 MB, whole process")
def backfill_100mb(run: Run) -> None:
    """Measure what the project was begun with."""
    race(run, run.home("--size", run.scaled("100MB", "10MB")), ALL)
    run.result.compare("codex", "projector", "wall", at_least=4.2)
    run.result.compare("agentsview", "projector", "wall", at_least=2.1)
    run.result.compare("bare loop", "projector", "wall", at_least=0.5)
    run.result.promise("projector", "peak memory", at_most=150)


def _least(what: str, *paths: Path) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.least", what, *map(str, paths)]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@benchmark("limit-100mb", "what no projection of 100 MB in Python can do without")
def limit_100mb(run: Run) -> None:
    """Measure how far the machine's limit is: parsing each line, and writing the same rows."""
    home = run.home("--size", run.scaled("100MB", "10MB"))
    with run.folder() as scratch:
        finished = backfilled(home.path, scratch)
        for _ in run.rounds():
            with run.folder() as fresh:
                run.result.sample("projector", "wall", PROJECTOR.run(home, fresh).wall, "s")
                for who, words in (
                    ("parsing alone", ("parse", home.path)),
                    ("writing alone", ("write", finished, fresh / "limit.sqlite")),
                ):
                    run.result.sample(who, "wall", _least(*words), "s")
    run.result.compare("parsing alone", "projector", "wall")
    run.result.compare("writing alone", "projector", "wall")


@benchmark("backfill-1gb", "1 GB in 40 paginated rollouts, whole process")
def backfill_1gb(run: Run) -> None:
    """Measure what a second core is good for."""
    options = ("--rollouts", "40", "--size", run.scaled("1GB", "40MB"))
    race(run, run.home(*options), ALL)
    run.forget(*options)
    run.result.compare("codex", "projector", "wall", at_least=5.5)
    run.result.compare("agentsview", "projector", "wall", at_least=2.2)
    run.result.compare("bare loop", "projector", "wall")
    run.result.promise("projector", "peak memory", at_most=150)


def _backfill_mix(run: Run, mix: str) -> None:
    race(run, run.home("--size", run.scaled("100MB", "10MB"), "--mix", mix), ALL)
    run.result.compare("codex", "projector", "wall")
    run.result.compare("agentsview", "projector", "wall")
    run.result.compare("bare loop", "projector", "wall")
    run.result.promise("projector", "peak memory", at_most=250 if mix == "bulky" else 150)


@benchmark("backfill-short", "100 MB of many short records, whole process")
def backfill_short(run: Run) -> None:
    """Measure what a record costs, whatever is in it."""
    _backfill_mix(run, "short")


@benchmark("backfill-bulky", "100 MB of large outputs, pictures and compactions, whole process")
def backfill_bulky(run: Run) -> None:
    """Measure what a byte costs."""
    _backfill_mix(run, "bulky")


@benchmark("backfill-session", "100 MB in a real session's proportions, whole process")
def backfill_session(run: Run) -> None:
    """Measure what people have: the mix of `backfill-100mb` is nobody's alone."""
    _backfill_mix(run, "session")


@benchmark("backfill-small", "5,000 rollouts of 30 kB, whole process")
def backfill_small(run: Run) -> None:
    """Measure what a rollout costs that is hardly more than its header and a turn or two."""
    count = run.scaled(5000, 200)
    options = ("--rollouts", str(count), "--size", f"{count * 24}KB", "--small")
    race(run, run.home(*options), (PROJECTOR, AGENTS_VIEW))
    run.forget(*options)
    figure = run.result.find("projector", "CPU")
    for cpu in figure.samples if figure is not None else ():
        run.result.sample("projector", "CPU a file", cpu / count * 1000, "ms")
    run.result.compare("agentsview", "projector", "CPU", at_least=6)
    run.result.promise("projector", "CPU a file", at_most=1.5)
