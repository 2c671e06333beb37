"""Batches that are written together leave what each leaves that is written by itself.

The plain ones go another way through the store than the others: see `store/sqlite/commit.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from projector.model.changes import Change, SessionHeader
from projector.store.protocol import Batch
from projector.store.sqlite import commit, responses
from tests.contract.backends import Fresh, Queried
from tests.contract.test_same import CHANGES, REPEATED, SAME_ROLLOUT, SHOWN, SUMS, Story
from tests.support.examples import examples
from tests.support.makers import PAGINATED

ROLLOUTS: Final = 9
#: Counters, and what is found by a response: nothing of them depends on how rows came.
KEPT: Final = (
    "SELECT rollout_id, items, turns, records, next_offset FROM _rollouts ORDER BY 1",
    "SELECT thread_id, part, items, turns FROM _thread_parts ORDER BY 1, 2",
    "SELECT thread_id, digest FROM _feed_threads ORDER BY 1",
    "SELECT thread_id, responses, total_tokens FROM _usage_threads WHERE responses ORDER BY 1",
    "SELECT day, model, responses, total_tokens FROM _usage_days WHERE responses ORDER BY 1, 2",
)


class OneByOne:
    """A store that writes no batch as a plain one, and is given each in its own transaction."""

    def __init__(self, store: Queried) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, batches: Sequence[Batch]) -> None:
        with patch.object(commit, "_plain", lambda _db, _batches: []):
            for one in batches:
                await self._store.commit([one])


class Groups(Story):
    """A story of many rollouts, most of which have to do with no other; told in large commits."""

    rollouts = ROLLOUTS
    together = ROLLOUTS

    def _header(self, number: int) -> SessionHeader:
        return PAGINATED if self._chance.random() < 0.5 else super()._header(number)

    def _thread(self, number: int) -> int:
        return number if number % 3 else number - 1

    def _changes(self, number: int, low: int, high: int) -> list[Change]:
        return super()._changes(number, low, high + 20)  # a last line that was taken ahead


async def news(store: Queried, told: str) -> Counter[tuple[Any, ...]]:
    """Give the feed's entries of rows; it has no gap."""
    rows = await store.query(f"SELECT seq, {CHANGES} FROM changes ORDER BY seq")
    assert [seq for seq, *_ in rows] == [*range(1, len(rows) + 1)], told
    return Counter(tuple(row) for _, *row in rows if row[0] != "thread")


async def compare(together: Queried, alone: Queried, told: str) -> None:
    """See that both have the same."""
    for sql in (*KEPT, *(f"SELECT {columns} FROM {view}" for view, columns in SHOWN.items())):
        one, other = [sorted(await store.query(sql), key=repr) for store in (together, alone)]
        assert one == other, (sql, told)
    assert not await together.query(REPEATED.format(*SAME_ROLLOUT[0])), told
    assert not await together.query(SUMS), told
    few, many = await news(together, told), await news(alone, told)
    # What comes and changes in one transaction is told of once.
    assert not few - many, told
    assert all(op == "update" for _, op, *_ in many - few), told


@given(seed=st.integers(0, 1 << 40))
@examples(12)
def test_many_at_once_leave_what_each_alone_leaves(fresh: Fresh, seed: int) -> None:
    """Of rollouts that continue others, take threads over, come again, share responses."""

    async def tell() -> None:
        waiting = patch.object(responses, "WAITING", (0, 2, responses.WAITING)[seed % 3])
        with waiting, fresh("sqlite") as here, fresh("sqlite") as there:
            async with here.open() as together, there.open() as alone:
                story = Groups(Random(seed), together, OneByOne(alone))
                for step in range(12):
                    here.clock = there.clock = step + 1
                    told = await story.step()
                    if step % 3 == 2:
                        await compare(together, alone, told)
                shown = [await together.query(sql) for sql in KEPT]
                await together.rebuild_derived()
                assert shown == [await together.query(sql) for sql in KEPT]

    asyncio.run(tell())
