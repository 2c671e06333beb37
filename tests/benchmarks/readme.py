"""Puts what benchmarks found into the manual: `python -m tests.benchmarks.readme FILE.json...`.

The files are those that `python -m tests.benchmarks --json FILE` writes; of a benchmark that
several have, the last one counts. Only ratios and promises are shown, misses among them. The README
has a line of four of them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.results import Limit, number

PAGE: Final = Path(__file__).resolve().parents[2] / "projector/docs/speed.md"
README: Final = PAGE.parents[2] / "README.md"
#: Benchmark and figure of each line of the README, and what it says.
_LINES: Final = {
    ("backfill-100mb", "wall: codex / projector"): (
        "100 MB in one rollout: Codex takes so many times as long"
    ),
    ("backfill-1gb", "wall: codex / projector"): (
        "1 GB in 40 rollouts: Codex takes so many times as long"
    ),
    ("append-latency", "run: p99"): "from a record to its row, 99 of 100",
    ("steady-1000", "run: CPU"): "1,000 records a second in 200 rollouts",
}
_PLACE: Final = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- /speed -->)", re.DOTALL)


def table(documents: Iterable[dict[str, Any]]) -> str:
    """Give the table of all ratios and promises, and what they were measured on."""
    found: dict[str, dict[str, Any]] = {}
    machines: dict[str, list[dict[str, Any]]] = {}
    for document in documents:
        machine = document["machine"]
        known = (
            f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, Python"
            f" {machine['python']}, SQLite {machine['sqlite']}"
        )
        machines.setdefault(known, []).append(machine)
        found |= {one["name"]: one for one in document["benchmarks"] if not one["failure"]}
    lines = []
    for known, runs in machines.items():
        noise = f"{max(one['noise'] for one in runs):.0%}"
        loads = f"{max(one['load'] for one in runs):.1f}"
        lines += [
            f"Measured on {known}.",
            f"Load of the machine before: {loads} at most; the same work varied by up to {noise}.",
            "",
        ]
    lines += ["| benchmark | what | median | noise | target | |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for benchmark in found.values():
        lines += [
            f"| `{benchmark['name']}` | {verdict['what']} | {number(verdict['value'])}"
            f" {verdict['unit']} | {verdict['spread']:.0%} | {_target(verdict)} |"
            f" {_kept(verdict)} |"
            for verdict in benchmark["verdicts"]
        ]
    return "\n".join(lines) + "\n"


def brief(documents: Iterable[dict[str, Any]]) -> str:
    """Give the README's lines, of the figures that there are."""
    found = {
        (one["name"], verdict["what"]): verdict
        for document in documents
        for one in document["benchmarks"]
        for verdict in one["verdicts"]
        if not one["failure"]
    }
    lines = ["| what | measured |", "| --- | --- |"]
    lines += [
        f"| {said} | {number(found[at]['value'])} {found[at]['unit']} |"
        for at, said in _LINES.items()
        if at in found
    ]
    return "\n".join(lines) + "\n"


def _target(verdict: dict[str, Any]) -> str:
    return str(Limit(at_least=verdict["at_least"], at_most=verdict["at_most"]))


def _kept(verdict: dict[str, Any]) -> str:
    if verdict["kept"] is None:
        return ""
    return "kept" if verdict["kept"] else "missed"


def filled(page: str, made: str) -> str:
    """Put a table in its place."""
    assert _PLACE.search(page), "the page has no place for it"
    return _PLACE.sub(lambda _: made, page)


def main() -> None:
    """Write the manual's page and the README's lines anew."""
    documents = [json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]
    for page, made in ((PAGE, table(documents)), (README, brief(documents))):
        page.write_text(filled(page.read_text("utf-8"), made), "utf-8")


if __name__ == "__main__":
    main()
