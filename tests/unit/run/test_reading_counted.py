"""What reading a rollout costs, in calls: a shadow of the benchmarks that no other load disturbs.

Each mix of the generator has a bound of its own, so that nothing is tuned to one of them. A bound
that is passed says that a record or an item costs more than it did: raise it only if that is meant.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from projector.discover.scan import scan
from projector.model.settings import Settings
from projector.run import prefetch_worker
from projector.run.batches import limits_of
from tests.support.generator.rollouts import MIXES, History, Rollout

#: Calls of functions, ours and built in ones, of one record, by Python 3.11.
BOUNDS: dict[tuple[History, str], int] = {
    ("paginated", "typical"): 43,
    ("paginated", "short"): 39,
    ("paginated", "bulky"): 67,
    ("paginated", "session"): 42,
    ("paginated", "small"): 46,
    ("legacy", "typical"): 53,
    ("legacy", "bulky"): 57,
    ("legacy", "small"): 62,
}


@pytest.mark.skipif(sys.gettrace() is not None, reason="what traces calls counts as well")
@pytest.mark.parametrize(("history", "mix"), BOUNDS)
def test_a_record_costs_no_more_calls_than_it_did(
    tmp_path: Path, history: History, mix: str
) -> None:
    rollout = Rollout(seed=1, history=history, mix=MIXES[mix])
    rollout.write(tmp_path, size=1_000_000)
    (file,) = scan(str(tmp_path)).files
    limits = limits_of(Settings())
    list(prefetch_worker.batches(file, limits))  # caches are warm
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        made = list(prefetch_worker.batches(file, limits))
    finally:
        sys.setprofile(None)

    assert sum(batch.records for batch, _, _ in made) == rollout.records
    assert calls / rollout.records < BOUNDS[history, mix]
