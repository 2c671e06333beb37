"""Plays sessions with several releases of Codex, and prints how each compared.

    python -m tests.live.releases                       pin, latest, the last five, two older ones
    python -m tests.live.releases --releases 0.160.1 0.154.0 --seeds 3

Ten sessions with the pinned release, three with each other; half of them with kills; then context
windows that fill, and a storm of background migrations and compressions. A release's
rows must be the projector's: as written with the pinned one, with others absent is null. Leaves
with 1 where anything differs. For latest, where it is not the pin, `tests.live.drift` is run too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.live import install, offline
from tests.live.capabilities import lacks, recent

_PIN_SEEDS: Final = 10
_SEEDS: Final = 3
_RELEASES: Final = 5
#: Besides the last ones: where the tables had times of items first, and the first of all.
_OLDER: Final = ("0.160.1", "0.154.0")
_OPERATIONS: Final = 60
_FIRST_SEED: Final = 201
_SESSION_SECONDS: Final = 900
_SHOWN: Final = 5
_LINE_CHARACTERS: Final = 400

#: Besides random ones: windows that fill, and Codex's own background jobs.
_MORE: Final = (
    ("spending", "--mode", "paginated"),
    ("spending", "--mode", "legacy"),
    ("storm", "--rollouts", "6"),
)

_COUNT: Final = re.compile(r"(\d+) ([a-z_]+)").findall


@dataclass(slots=True)
class Result:
    """How one release compared."""

    release: str
    sessions: int = 0
    failed: int = 0
    """Sessions that differ, or did not come to their end."""
    rows: int = 0
    """What was equal: items, turns, histories, threads and all."""
    seconds: float = 0.0
    told: list[str] = field(default_factory=list)
    """What differs, the first lines."""
    unavailable: str | None = None

    def add(self, name: str, code: int, said: str) -> None:
        """Count a session, and print how it went."""
        self.sessions += 1
        lines = said.splitlines()
        for line in lines:
            if line.startswith("  equal: "):
                self.rows += sum(int(count) for count, _ in _COUNT(line))
        if code != 0:
            self.failed += 1
            wrong = [line for line in lines if "DIFFERS" in line] or lines[-_SHOWN:]
            self.told += [f"{name}: {line[:_LINE_CHARACTERS]}" for line in wrong[:_SHOWN]]
        sys.stdout.write(f"{self.release} {name}: {'equal' if code == 0 else 'DIFFERS'}\n")
        sys.stdout.flush()

    def cells(self) -> list[str]:
        """Give its row of the table."""
        outcome = "equal" if not self.failed else f"{self.failed} differ"
        if self.unavailable is not None:
            outcome = self.unavailable
        less = "; ".join(lacks(self.release)) or "nothing"
        return [
            self.release + " (pin)" * (self.release == install.PINNED),
            str(self.sessions), outcome, f"{self.rows:,}", f"{self.seconds:.0f}", less,
        ]  # fmt: skip


HEAD: Final = ["release", "sessions", "result", "rows equal", "seconds", "it lacks"]


def play(release: str, seeds: Sequence[int], operations: int) -> Result:
    """Play sessions with one release."""
    result = Result(release)
    try:
        install.codex(release)
        prefix = offline.prefix()
    except install.Unavailable as reason:
        result.unavailable = str(reason)
        result.failed = 1
        return result
    begun = time.monotonic()
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            words = [
                *prefix, sys.executable, "-m", "tests.live.session", "--seed", str(seed),
                "--operations", str(operations), "--folder", str(Path(folder) / "session"),
                "--codex-version", release, *["--kills"] * (seed % 2 == 0),
            ]  # fmt: skip
            code, said = _run(words)
        result.add(f"seed {seed}", code, said)
    for module, *words in _MORE:
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            code, said = _run(
                [*prefix, sys.executable, "-m", f"tests.live.{module}", *words,
                 "--folder", str(Path(folder) / "session"), "--codex-version", release]
            )  # fmt: skip
        result.add(" ".join((module, *words)), code, said)
    result.seconds = time.monotonic() - begun
    return result


def _run(words: Sequence[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_SESSION_SECONDS
        )
    except subprocess.TimeoutExpired:
        return 1, f"not over after {_SESSION_SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def table(results: Sequence[Result]) -> str:
    """Write the table, in Markdown."""
    rows = [HEAD, ["---"] * len(HEAD), *(result.cells() for result in results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Play, print the table, leave with 1 where anything differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--releases", nargs="+", help="default: the pin, latest, the last five")
    parser.add_argument("--seeds", type=int, help="sessions with each; default 10 and 3")
    parser.add_argument("--operations", type=int, default=_OPERATIONS)
    parser.add_argument("--output", type=Path, help="the table is written there too")
    options = parser.parse_args()
    drifts = 0
    releases = options.releases
    if releases is None:
        try:
            published, latest = install.published()
        except install.Unavailable as reason:
            raise SystemExit(f"the releases cannot be told: {reason}") from reason
        last = recent(published, _RELEASES + 1)
        releases = list(dict.fromkeys((install.PINNED, latest, *last, *_OLDER)))
        if latest != install.PINNED:
            drifts = _run([sys.executable, "-m", "tests.live.drift", "--latest"])[0]
    results = []
    for release in releases:
        count = options.seeds or (_PIN_SEEDS if release == install.PINNED else _SEEDS)
        seeds = range(_FIRST_SEED, _FIRST_SEED + count)
        results.append(play(release, seeds, options.operations))
    told = table(results)
    sys.stdout.write(f"\n{told}\n")
    for result in results:
        sys.stdout.write("".join(f"{result.release} {line}\n" for line in result.told))
    if drifts:
        sys.stdout.write("latest is another than the pin: python -m tests.live.drift --latest\n")
    if options.output is not None:
        options.output.write_text(told + "\n")
    raise SystemExit(1 if drifts or any(result.failed for result in results) else 0)


if __name__ == "__main__":
    main()
