"""A session: the real Codex is driven at random, the projector follows, and all is compared.

    python -m tests.live.session --seed 7 --operations 60 --kills

Must run in a network namespace of its own (`tests.live.offline`), `__main__` sees to that. The
same seed draws the same operations on the same threads; ids and times are Codex's and differ.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.live import conversations, install, legacy, offline, shown
from tests.live.codex import Codex, Home, Refused, Silent
from tests.live.compare import Report, compare, compare_cost
from tests.live.daemon import PROJECTOR, Daemon, DaemonFault, Killer
from tests.live.model import Model
from tests.live.operations import OPERATIONS, PLAIN, Operation, kill_in_a_turn, start
from tests.live.plays import PLAYS
from tests.live.rollouts import decoded_sizes, headers, ids, own_below, responses
from tests.live.schema import Schema
from tests.live.stage import Stage
from tests.live.voice import Voice

assert conversations  # they are among OPERATIONS
_CATCH_UP_SECONDS: Final = 30
#: Of operations, how many the daemon is killed in.
_KILLS: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What kind of session it is."""

    seed: int
    operations: int
    kills: bool
    """The daemon is killed at random, and Codex in the middle of a turn at least once."""
    release: str = install.PINNED
    """Of Codex."""
    every: bool = False
    """Every operation is done once, in the order of the book, instead of a draw."""
    server: str = ""
    """The address of an empty database on a server, as of `Daemon`; "": a SQLite file."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How it went."""

    plan: Plan
    report: Report = field(default_factory=Report)
    did: list[str] = field(default_factory=list)
    threads: int = 0
    rollouts: int = 0
    kills: int = 0
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """Tell it to a person."""
        kills = f", {self.kills} kills of the daemon" if self.plan.kills else ""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.report.equal.items()))
        meant = "; ".join(f"{count} {name}" for name, count in sorted(self.report.meant.items()))
        did = f"{len(self.did)} operations{kills}"
        size = f"{self.threads} threads, {self.rollouts} rollouts"
        return [
            f"seed {self.plan.seed}: {did}, {size}, {self.seconds:.1f} s",
            f"  equal: {counts}",
            f"  meant to differ: {meant or 'nothing'}",
            *(f"  DIFFERS {difference}" for difference in self.report.differences),
        ]


def play(plan: Plan, folder: Path, binary: Path, projector: Sequence[str] = PROJECTOR) -> Outcome:
    """Play a session in this folder and compare."""
    begun = time.monotonic()
    outcome = Outcome(plan=plan)
    dice = random.Random(plan.seed)
    model = Model(PLAYS)
    voice = Voice()
    home = Home(
        binary=binary,
        home=folder / "home",
        workspace=folder / "work",
        port=model.port,
        voice=voice.port,
        python=sys.executable,
        mcp=Path(__file__).with_name("mcp_server.py"),
        features={"multi_agent_v2": dice.random() < 0.5},
        release=plan.release,
    )
    home.home.mkdir(parents=True)
    daemon = Daemon(
        home.home, folder / "projected.db", folder / "projector.logs.events", projector, plan.server
    )
    daemon.start()
    stage: Stage | None = None
    try:
        stage = Stage(home, model, dice, voice)
        _perform(stage, daemon, plan, outcome)
        outcome.did.append("the conclusion")
        _conclude(stage, daemon, outcome, folder)
        outcome.did.pop()
    except (DaemonFault, Silent, Refused, AssertionError) as fault:
        number, last = len(outcome.did), outcome.did[-1:] or ["the start"]
        fault.add_note(f"in operation {number}: {last[0]}")
        raise
    finally:
        if stage is not None:
            with contextlib.suppress(OSError, Silent):
                stage.codex.kill()
        daemon.discard()
        model.close()
        voice.close()
    outcome.kills = daemon.kills
    outcome.report.differences += model.faults
    outcome.seconds = time.monotonic() - begun
    return outcome


def _perform(stage: Stage, daemon: Daemon, plan: Plan, outcome: Outcome) -> None:
    stage.turn(start(stage, "paginated"), "run")
    stage.turn(start(stage, "paginated"), "patch")
    planned = OPERATIONS * 2 if plan.every else []
    if plan.every:
        _every_play(stage)
    crash = plan.operations // 2 if plan.kills else None
    for number in range(len(planned) or plan.operations):
        operation = planned[number] if planned else None
        with contextlib.ExitStack() as around:
            if plan.kills and stage.dice.random() < _KILLS:
                around.enter_context(Killer(daemon, stage.dice))
            if number == crash:
                thread = next(one for one in stage.threads if not one.archived)
                outcome.did.append(f"kill-codex-in-a-turn {thread.id}")
                kill_in_a_turn(stage, thread, "hold")
            else:
                _act(stage, operation, outcome)
    if plan.every:
        _every_play(stage)  # again: a migration came between


def _every_play(stage: Stage) -> None:
    for mode in ("paginated", "legacy"):
        thread = start(stage, mode)
        for play in PLAIN:
            stage.turn(thread, play)


def _act(stage: Stage, wanted: Operation | None, outcome: Outcome) -> None:
    """Do this operation, or one that is drawn, to a thread that it may be done to."""
    able = {
        one.name: [thread for thread in stage.threads if one.on(stage, thread)]
        for one in OPERATIONS
    }
    if wanted is None:
        allowed = [one for one in OPERATIONS if able[one.name]]
        wanted = stage.dice.choices(allowed, [one.weight for one in allowed])[0]
    elif not able[wanted.name]:
        return
    thread = stage.dice.choice(able[wanted.name])
    outcome.did.append(f"{wanted.name} {thread.id}")
    wanted.act(stage, thread)
    stage.done[wanted.name] += 1


def _conclude(stage: Stage, daemon: Daemon, outcome: Outcome, folder: Path) -> None:
    """Bring all to rest, ask Codex what it shows, wait for the projector, compare."""
    stage.end()
    stage.codex = Codex(stage.home)
    histories = shown.ask(stage.codex, headers(stage.home.rollouts()).values())
    stage.codex.close()
    home = stage.home.home
    sizes = decoded_sizes(stage.home.rollouts())
    daemon.wait_caught_up(sizes, _CATCH_UP_SECONDS)
    daemon.stop()
    heads = headers(stage.home.rollouts())
    rows = shown.rows(home)
    everything = shown.threads(home)
    seen = shown.Shown(
        rows=rows,
        histories=histories,
        threads=everything,
        gone=frozenset(ids(daemon.database) - set(sizes)),
        own_below=own_below(stage.home.rollouts()),
        unwritten=frozenset(set(everything) - {head.thread for head in heads.values()}),
    )
    outcome.threads = len(everything)
    outcome.rollouts = len(sizes)
    outcome.report = compare(seen, daemon.database, pinned=outcome.plan.release == install.PINNED)
    recorded = responses(stage.home.rollouts())
    compare_cost(stage.model.cost, recorded, daemon.database, outcome.report)
    Schema(stage.home.binary, folder / "schema").check(daemon.database, rows, outcome.report)
    if any(head.mode == "legacy" for head in heads.values()):
        legacy.compare_with_migration(
            stage.home, folder / "migrated", daemon.database, outcome.report
        )


def main() -> None:
    """Play one session, print how it went, leave with 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--operations", type=int, default=25)
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--codex-version", default=install.PINNED)
    parser.add_argument("--server", default="", help="project into this empty database on a server")
    parser.add_argument("--projector", help="JSON list: the command that stands for it")
    options = parser.parse_args()
    offline.enter()
    plan = Plan(
        seed=options.seed,
        operations=options.operations,
        kills=options.kills,
        release=options.codex_version,
        every=options.every,
        server=options.server,
    )
    words = json.loads(options.projector) if options.projector else PROJECTOR
    try:
        outcome = play(plan, options.folder, install.codex(options.codex_version), words)
    except (DaemonFault, Silent, Refused, AssertionError) as fault:
        where = "; ".join(getattr(fault, "__notes__", ()))
        raise SystemExit(f"seed {plan.seed}: {type(fault).__name__} {where}: {fault}") from fault
    sys.stdout.write("\n".join((*outcome.lines(), "")))
    raise SystemExit(1 if outcome.report.differences else 0)


if __name__ == "__main__":
    main()
