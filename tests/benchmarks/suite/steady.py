"""A thousand records a second, over 200 rollouts at once."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator, Sequence

from tests.benchmarks.bench import Run, benchmark
from tests.benchmarks.following import Appender, appenders, following

_RATE = 1_000
_AT_ONCE = 10


class _Dealer:
    """Deals records out to rollouts in turn; each gets whole turns, a record at a time."""

    def __init__(self, everyone: Sequence[Appender]) -> None:
        self._hands: list[tuple[Appender, deque[bytes]]] = [(one, deque()) for one in everyone]
        self._next: Iterator[tuple[Appender, deque[bytes]]] = itertools.cycle(self._hands)
        self.sent = sum(one.rollout.offset for one in everyone)
        """Bytes in all files."""

    def deal(self, records: int) -> None:
        for _ in range(records):
            appender, hand = next(self._next)
            if not hand:
                hand.extend(appender.rollout.turn())
            self._write(appender, hand.popleft())

    def finish(self) -> None:
        """End every turn that was begun."""
        for appender, hand in self._hands:
            while hand:
                self._write(appender, hand.popleft())

    def _write(self, appender: Appender, line: bytes) -> None:
        appender.write(line)
        self.sent += len(line)


@benchmark("steady-1000", "1,000 records a second over 200 rollouts: lag and CPU")
def steady(run: Run) -> None:
    """Write ten records every ten milliseconds, each to another rollout."""
    home = run.home("--rollouts", run.scaled("200", "50"), "--small")
    records = _RATE * run.scaled(20, 3)
    with following(run, home) as followed:
        everyone = appenders(followed.home, followed.home.rollouts)
        for _ in run.rounds():
            dealer = _Dealer(everyone)
            waiting = []
            before = followed.daemon.cpu()
            began = time.perf_counter()
            for dealt in range(_AT_ONCE, records + 1, _AT_ONCE):
                dealer.deal(_AT_ONCE)
                if dealt % (_RATE // 2) == 0:
                    waiting.append(dealer.sent - sum(followed.watch.offsets().values()))
                time.sleep(max(began + dealt / _RATE - time.perf_counter(), 0))
            done = time.perf_counter()
            share = (followed.daemon.cpu() - before) / (done - began)
            dealer.finish()
            over = time.perf_counter()
            seen = max(followed.landed(appender) for appender in everyone)
            run.result.sample("run", "rate written", records / (done - began), "records/s")
            run.result.sample("run", "CPU", share * 100, "% of a core")
            run.result.sample("run", "most waiting", max(waiting) / 1000, "kB")
            run.result.sample("run", "caught up after", (seen - over) * 1000, "ms")
        run.result.sample("run", "peak memory", followed.daemon.peak(), "MiB")
        for appender in everyone:
            appender.close()
    run.result.promise("run", "CPU", at_most=50)
    run.result.promise("run", "caught up after", at_most=1000)
    run.result.promise("run", "peak memory", at_most=150)
