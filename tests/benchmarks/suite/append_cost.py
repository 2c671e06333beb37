"""What an append costs in a small rollout and in a large one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping

from tests.benchmarks.bench import Failed, Home, Run, benchmark
from tests.benchmarks.following import Appender, Followed, following
from tests.benchmarks.processes import backfill, measured
from tests.support.generator.rollouts import KB

_SLACK_BYTES = 64 * 1024


def _both(run: Run, large: str, *options: str) -> Home:
    """Give a home of two rollouts: 1 MB, and as large as was asked."""
    small, big = (
        run.home("--size", size, "--seed", seed, *options)
        for size, seed in (("1MB", "small"), (large, "large"))
    )
    path = run.scratch / f"both-{large}-{len(options)}"
    for one in (small, big):
        # Links: nobody writes to these, and the large one is large.
        shutil.copytree(one.path, path, dirs_exist_ok=True, copy_function=os.link)
    return Home(path, small.rollouts + big.rollouts)


def compare(run: Run, home: Home) -> None:
    """Append to both in turn, under a daemon and between one-shot runs."""
    names = [f"{one['bytes'] / 1e6:,.0f} MB" for one in home.rollouts]
    with following(run, home) as followed:
        both = {
            name: Appender(followed.home.path, told)
            for name, told in zip(names, home.rollouts, strict=True)
        }
        for appender in both.values():  # the first append of each: settles what follows it
            followed.append(appender)
        _bytes(run, followed, both)
        for _ in run.rounds():
            _live(run, followed, both)
        run.result.sample("run", "peak memory", followed.daemon.peak(), "MiB")
        followed.daemon.stop()
        for _ in run.rounds():
            _one_shot(run, followed, both)
        for appender in both.values():
            appender.close()
    for what in ("latency", "CPU an append", "one-shot process"):
        run.result.compare(names[1], names[0], what, at_most=1.25)
    for name in names:
        run.result.promise(name, "read beyond it", at_most=_SLACK_BYTES / KB)


def _bytes(run: Run, followed: Followed, both: Mapping[str, Appender]) -> None:
    """Count what is read beyond the appended bytes.

    Once, not in rounds: a count does not vary, and the daemon tells it twice a minute.
    """
    appends = run.scaled(50, 10)
    read = followed.bytes_read()
    for name, appender in both.items():
        size = appender.rollout.offset
        for _ in range(appends):
            followed.append(appender)
        size = appender.rollout.offset - size
        before, read = read, followed.bytes_read()
        run.result.sample(
            name, "read beyond it", (read - before - size) / appends / KB, "kB an append"
        )


def _live(run: Run, followed: Followed, both: Mapping[str, Appender]) -> None:
    """Append some lines to each, one at a time, while the daemon follows."""
    appends = run.scaled(50, 10)
    for name, appender in both.items():
        cpu, waits = followed.daemon.cpu(), []
        for _ in range(appends):
            time.sleep(0.03)
            waits.append(followed.append(appender))
        spent = followed.daemon.cpu() - cpu
        run.result.sample(name, "latency", sum(waits) / appends * 1000, "ms")
        run.result.sample(name, "CPU an append", spent / appends * 1000, "ms")


def _one_shot(run: Run, followed: Followed, both: Mapping[str, Appender]) -> None:
    """Append a line to each, and project it by a process of its own."""
    for name, appender in both.items():
        before = followed.watch.version()
        appender.item()
        cost = measured(backfill(followed.home.path, followed.database), followed.scratch)
        if followed.watch.version() == before:
            raise Failed("a backfill has not committed what was appended")
        run.result.sample(name, "one-shot process", cost.wall * 1000, "ms")


@benchmark("append-cost", "an append to a rollout of 1 MB and to one of 2 GB")
def append_cost(run: Run) -> None:
    """Compare paginated rollouts."""
    large = run.scaled("2GB", "50MB")
    home = _both(run, large)
    compare(run, home)
    run.forget("--size", large, "--seed", "large")
    shutil.rmtree(home.path)


@benchmark("append-cost-legacy", "an append to a legacy rollout of 1 MB and to one of 200 MB")
def append_cost_legacy(run: Run) -> None:
    """Compare legacy rollouts."""
    compare(run, _both(run, run.scaled("200MB", "20MB"), "--history", "legacy"))
