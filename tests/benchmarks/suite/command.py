"""What a command costs before it does anything: the interpreter, the imports, the options."""

from __future__ import annotations

import sys

from tests.benchmarks.bench import Run, benchmark
from tests.benchmarks.following import backfilled
from tests.benchmarks.processes import measured, projector


@benchmark("command", "start of the command line: --version, status, health, empty backfill")
def command(run: Run) -> None:
    """Time short commands, beside an interpreter that does nothing."""
    home = run.home()
    with run.folder() as scratch:
        database = backfilled(home.path, scratch)
        where = ("--codex-home", home.path, "--database", f"sqlite:///{database}")
        commands = {
            "python alone": [sys.executable, "-c", "pass"],
            "--version": projector("--version"),
            "status --json": projector("status", "--json", *where),
            "backfill, nothing new": projector("backfill", *where),
        }
        for _ in run.rounds():
            for who, words in commands.items():
                for _ in range(run.scaled(5, 2)):
                    cost = measured(words, scratch)
                    run.result.sample(who, "wall", cost.wall * 1000, "ms")
                    run.result.sample(who, "CPU", cost.cpu * 1000, "ms")
