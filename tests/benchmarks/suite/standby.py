"""Standing by over 20,000 rollouts, and coming back."""

from __future__ import annotations

import random

from tests.benchmarks.bench import Run, benchmark
from tests.benchmarks.following import Appender, Followed, cpu_share, following
from tests.benchmarks.processes import Daemon


@benchmark("standby", "CPU over 20,000 quiet rollouts; restart to following")
def standby(run: Run) -> None:
    """Watch the daemon do nothing, then stop it, append something, and start it again."""
    home = run.home("--rollouts", run.scaled("20000", "500"), "--small")
    with following(run, home) as followed:
        for _ in run.rounds():
            share = cpu_share(followed.daemon, run.scaled(65, 10))
            run.result.sample("run", "CPU standing by", share * 100, "% of a core")
        run.result.sample("run", "peak memory", followed.daemon.peak(), "MiB")
        followed.daemon.stop()
        for number in run.rounds():
            _restart(run, followed, number)
    run.result.promise("run", "CPU standing by", at_most=0.5)
    run.result.promise("run", "ready", at_most=2)
    run.result.promise("run", "caught up", at_most=2)
    run.result.promise("run", "peak memory", at_most=150)


def _restart(run: Run, followed: Followed, number: int) -> None:
    """Start a daemon that finds one rollout grown, and time its way to following."""
    told = random.Random(number).choice(followed.home.rollouts)
    told = told | {"bytes": (followed.home.path / told["path"]).stat().st_size}
    appender = Appender(followed.home.path, told)
    appender.item()
    with Daemon(followed.home.path, followed.database, followed.scratch) as daemon:
        ready = daemon.wait_ready()
        rollout = appender.rollout
        followed.watch.wait(rollout.rollout_id, rollout.offset, check=daemon.check)
        caught_up = daemon.age
        run.result.sample("run", "ready", ready, "s")
        run.result.sample("run", "caught up", caught_up, "s")
        # And now it must follow: what is appended after READY is seen as ever.
        began = appender.item()
        seen = followed.watch.wait(rollout.rollout_id, rollout.offset, check=daemon.check)
        run.result.sample("run", "first append after", (seen - began) * 1000, "ms")
    appender.close()
