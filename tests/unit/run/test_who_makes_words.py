"""Words of items are made by whoever has time: the batches are the same but for them."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from projector.discover.scan import scan
from projector.model.changes import ItemRow
from projector.model.settings import Settings
from projector.run.batches import limits_of
from projector.run.prefetch_worker import Pace, batches
from tests.support.generator.rollouts import Rollout


def test_batches_that_are_waited_for_come_without_words(tmp_path: Path) -> None:
    Rollout(seed=1).write(tmp_path, size=300_000)
    (file,) = scan(str(tmp_path)).files
    limits = replace(limits_of(Settings()), batch_bytes=50_000)
    pace = Pace()
    some = []
    for at, (batch, _, _) in enumerate(batches(file, limits, pace=pace)):
        some.append(batch)
        pace.is_waited_for = at % 2 == 0

    every = [batch for batch, _, _ in batches(file, limits)]

    assert len(some) == len(every) > 3
    for at, (one, other) in enumerate(zip(some, every, strict=True)):
        bare = at % 2 == 1
        assert one.indexing == (None if bare else limits.indexing)
        items = [row for row in one.changes if isinstance(row, ItemRow)]
        assert items
        assert {row.words is None for row in items} == {bare}
        wordless = [
            row._replace(words=None) if isinstance(row, ItemRow) else row for row in other.changes
        ]
        assert [
            row._replace(words=None) if isinstance(row, ItemRow) else row for row in one.changes
        ] == wordless
        assert (one.end, one.meta, one.records) == (other.end, other.meta, other.records)
