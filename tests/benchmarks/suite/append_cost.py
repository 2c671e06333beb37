"""What an append costs in a small rollout and in a large one."""

from __future__ import annotations

import os
import shutil
import time

from tests.benchmarks.bench import Home, Run, benchmark
from tests.benchmarks.following import Appender, following
from tests.benchmarks.processes import measured, projector
from tests.benchmarks.rollouts import KB

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
    appends = run.scaled(50, 10)
    names = [f"{one['bytes'] / 1e6:,.0f} MB" for one in home.rollouts]
    with following(run, home) as followed:
        both = [Appender(followed.home.path, told) for told in home.rollouts]
        for appender in both:
            appender.item()
            followed.landed(appender)
        for _ in run.rounds():
            for name, appender in zip(names, both, strict=True):
                read, cpu, size = followed.bytes_read(), followed.daemon.cpu(), 0
                waits = []
                for _ in range(appends):
                    time.sleep(0.03)
                    at = appender.rollout.offset
                    began = appender.item()
                    waits.append(followed.landed(appender) - began)
                    size += appender.rollout.offset - at
                spent = followed.daemon.cpu() - cpu
                more = followed.bytes_read() - read - size
                run.result.sample(name, "latency", sum(waits) / appends * 1000, "ms")
                run.result.sample(name, "CPU an append", spent / appends * 1000, "ms")
                run.result.sample(name, "read beyond it", more / appends / KB, "kB")
        run.result.sample("run", "peak memory", followed.daemon.peak(), "MiB")
        followed.daemon.stop()
        for _ in run.rounds():
            for name, appender in zip(names, both, strict=True):
                appender.item()
                cost = measured(
                    projector(
                        "backfill", "--codex-home", followed.home.path,
                        "--database", f"sqlite:///{followed.database}",
                    ),
                    followed.scratch,
                )  # fmt: skip
                followed.landed(appender)
                run.result.sample(name, "one-shot process", cost.wall * 1000, "ms")
        for appender in both:
            appender.close()
    for what in ("latency", "CPU an append", "one-shot process"):
        run.result.compare(names[1], names[0], what, at_most=1.25)
    for name in names:
        run.result.promise(name, "read beyond it", at_most=_SLACK_BYTES / KB)


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
