"""The registry of benchmarks, and what each of them is given to work with.

A new benchmark is a module in `suite/` with one function:

    @benchmark("name", "what it measures, in one line")
    def name(run: Run) -> None:
        home = run.home("--size", run.scaled("100MB", "5MB"))     # written once a session
        for _ in run.rounds():
            with run.folder() as scratch:                            # gone afterwards
                cost = measured([...], scratch)
                run.result.sample("projector", "wall", cost.wall, "s")
        run.result.promise("projector", "wall", at_most=1)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.benchmarks.results import Result
from tests.support.generator.rollouts import MB

#: Root of the checkout: where `python -m projector` finds the code that is measured.
ROOT: Final = Path(__file__).resolve().parents[2]


_T = TypeVar("_T")


class Failed(Exception):
    """A benchmark cannot be run to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class Home:
    """A generated CODEX_HOME. Its rollouts are read, and never written after they were made."""

    path: Path
    rollouts: tuple[dict[str, Any], ...]
    """What the generator told of each: path, thread_id, rollout_id, bytes, records, items."""

    @property
    def size(self) -> int:
        """Bytes of all rollouts."""
        return sum(one["bytes"] for one in self.rollouts)

    @property
    def items(self) -> int:
        """Records of items in all rollouts."""
        return sum(one["items"] for one in self.rollouts)

    @property
    def megabytes(self) -> float:
        """Bytes of all rollouts, in MB."""
        return self.size / MB


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of one benchmark."""

    result: Result
    scratch: Path
    """For what must outlive the benchmark: generated homes."""
    repeat: int
    quick: bool
    tell: Callable[[str], None]
    homes: dict[str, Home] = field(default_factory=dict)
    """Homes that were written already, by their options."""

    def scaled(self, full: _T, quick: _T) -> _T:
        """Choose by how much time there is."""
        return quick if self.quick else full

    def rounds(self) -> Iterator[int]:
        """Count the rounds, and tell of them."""
        for number in range(self.repeat):
            self.tell(f"{self.result.name}: round {number + 1} of {self.repeat}")
            yield number

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder that is gone afterwards; what was written to disk by then is on it."""
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as made:
            yield Path(made)
        os.sync()

    def home(self, *options: str) -> Home:
        """Give a home that `python -m tests.support.generator.rollouts` writes with these options.

        Made by a process of its own, which takes its memory with it; one and the same for every
        benchmark of a session.
        """
        key = " ".join(options) or "one turn"
        if key not in self.homes:
            self.tell(f"{self.result.name}: writing rollouts ({key})")
            path = Path(tempfile.mkdtemp(prefix="home-", dir=self.scratch))
            command = [
                sys.executable,
                "-m",
                "tests.support.generator.rollouts",
                str(path),
                "--json",
            ]
            done = subprocess.run(
                [*command, *options], cwd=ROOT, capture_output=True, text=True, check=True
            )
            self.homes[key] = Home(path, tuple(json.loads(done.stdout)))
        return self.homes[key]

    def copy(self, home: Home, into: Path) -> Home:
        """Give a copy that may be written to."""
        shutil.copytree(home.path, into)
        return Home(into, home.rollouts)

    def forget(self, *options: str) -> None:
        """Remove a large home that no other benchmark asks for."""
        home = self.homes.pop(" ".join(options) or "one turn", None)
        if home is not None:
            shutil.rmtree(home.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A registered benchmark."""

    name: str
    about: str
    measure: Callable[[Run], None]


#: Every benchmark by name, in the order of their definition.
REGISTRY: Final[dict[str, Benchmark]] = {}


def benchmark(name: str, about: str) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    """Register a benchmark under this name."""

    def register(measure: Callable[[Run], None]) -> Callable[[Run], None]:
        assert name not in REGISTRY, f"two benchmarks named {name}"
        REGISTRY[name] = Benchmark(name, about, measure)
        return measure

    return register
