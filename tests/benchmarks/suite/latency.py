"""How long after an append its row can be read."""

from __future__ import annotations

import random
import time

from tests.benchmarks.bench import Run, benchmark
from tests.benchmarks.following import appenders, following
from tests.benchmarks.results import percentile


@benchmark("append-latency", "append to committed row while `run` follows 5,000 rollouts")
def append_latency(run: Run) -> None:
    """Append one item to one rollout at a time, and wait until a reader sees its checkpoint."""
    home = run.home("--rollouts", run.scaled("5000", "200"), "--small")
    chance = random.Random("which")
    with following(run, home) as followed:
        chosen = appenders(followed.home, chance.sample(followed.home.rollouts, k=50))
        for appender in chosen:  # the first append of each: settles what follows it
            appender.item()
            followed.landed(appender)
        for _ in run.rounds():
            waits = []
            for _ in range(run.scaled(200, 30)):
                time.sleep(0.02 + chance.random() * 0.06)
                appender = chance.choice(chosen)
                began = appender.item()
                waits.append((followed.landed(appender) - began) * 1000)
            run.result.sample("run", "p50", percentile(waits, 0.5), "ms")
            run.result.sample("run", "p99", percentile(waits, 0.99), "ms")
            run.result.sample("run", "worst", max(waits), "ms")
        run.result.sample("run", "peak memory", followed.daemon.peak(), "MiB")
        for appender in chosen:
            appender.close()
    run.result.promise("run", "p50", at_most=15)
    run.result.promise("run", "p99", at_most=60)
    run.result.promise("run", "peak memory", at_most=150)
