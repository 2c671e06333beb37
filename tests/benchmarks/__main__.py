"""Runs the benchmarks: `python -m tests.benchmarks [NAME...] [--json FILE] [--repeat N] [--quick]`.

Contestants take turns in one run, everything is repeated, and medians, ratios and the noise are
printed as tables; `--json` writes all samples. Nothing is left behind: everything lies in one
temporary folder. Exit code 1: a benchmark could not be run to its end. A missed target is told,
and is no failure.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import contestants, results, suite
from tests.benchmarks.bench import REGISTRY, Benchmark, Failed, Run


def machine() -> dict[str, Any]:
    """Tell what the figures were measured on, and how quiet it was."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    turns = [_spin() for _ in range(21)]
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": os.getloadavg()[0],
        "spin_ms": statistics.median(turns) * 1000,
        "noise": results.spread(turns),
        "worst": max(turns) / min(turns),
    }


def _spin() -> float:
    """Time a piece of work that never changes: how much it varies is the machine's noise."""
    began = time.perf_counter()
    sum(number * number for number in range(200_000))
    return time.perf_counter() - began


def _said(host: dict[str, Any]) -> str:
    return (
        f"{host['cpu']}, {host['cores']} cores, Linux {host['kernel']}, Python {host['python']},"
        f" SQLite {host['sqlite']}; load {host['load']:.1f}, the same work varies by"
        f" {host['noise']:.1%} (worst to best {host['worst']:.2f})\n\n"
    )


def _load_suite() -> None:
    for module in sorted(pkgutil.iter_modules(suite.__path__), key=lambda one: one.name):
        importlib.import_module(f"{suite.__name__}.{module.name}")


def _chosen(names: list[str]) -> list[Benchmark]:
    """Give the benchmarks of these names, or whose names begin so; none: all."""
    unknown = [name for name in names if not any(one.startswith(name) for one in REGISTRY)]
    if unknown:
        raise SystemExit(f"no benchmark {unknown[0]!r}; there are: {', '.join(REGISTRY)}")
    whole = {name for name in names if name in REGISTRY}
    begun = tuple(name for name in names if name not in whole)
    return [
        one
        for name, one in REGISTRY.items()
        if not names or name in whole or name.startswith(begun)
    ]


def _measure(one: Benchmark, run: Run) -> None:
    began = time.monotonic()
    try:
        one.measure(run)
    except Failed as error:
        run.result.failure = str(error)
    except Exception as error:  # noqa: BLE001 - a fault in one must not lose what others found
        run.result.failure = f"{type(error).__name__}: {error}"
    run.result.seconds = time.monotonic() - began


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a name, or how names begin")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    parser.add_argument("--repeat", type=int, metavar="N", help="rounds (5; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer: does it work?")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and leave")
    parser.add_argument("--scratch", type=Path, help="where the temporary folder is made")
    parser.add_argument(
        "--install-peers", action="store_true", help="install Codex and agentsview in a cache"
    )
    given = parser.parse_args()
    _load_suite()
    if given.list:
        for one in REGISTRY.values():
            sys.stdout.write(f"{one.name:24} {one.about}\n")
        return
    chosen = _chosen(given.names)
    if given.install_peers:
        contestants.install_peers()
    # Stopped from outside, it stops what it started and removes what it wrote, as at its end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = []
    host = machine()
    sys.stdout.write(_said(host))
    with tempfile.TemporaryDirectory(
        prefix="projector-benchmarks-", dir=given.scratch, ignore_cleanup_errors=True
    ) as scratch:
        homes: dict[str, Any] = {}
        for one in chosen:
            run = Run(
                result=results.Result(one.name, one.about),
                scratch=Path(scratch),
                repeat=given.repeat or (2 if given.quick else 5),
                quick=given.quick,
                tell=lambda said: print(said, file=sys.stderr, flush=True),  # noqa: T201 - progress
                homes=homes,
            )
            _measure(one, run)
            found.append(run.result)
            sys.stdout.write(results.render(run.result) + "\n")
            sys.stdout.flush()
            if given.json:
                document = {
                    "machine": host,
                    "quick": given.quick,
                    "benchmarks": [result.json() for result in found],
                }
                given.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    sys.exit(any(result.failure for result in found))


if __name__ == "__main__":
    main()
