"""Chains of reverts: what is read of their ends only gives what reading them whole gives."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from projector.model.changes import SessionHeader
from tests.contract.backends import Fresh
from tests.contract.test_same import ROLLOUTS, Story
from tests.support.makers import PAGINATED, continuing


class Reverts(Story):
    """Each rollout continues the one before it, in one thread; turns come again in later ones."""

    def _header(self, number: int) -> SessionHeader:
        if number == 1:
            return PAGINATED
        return continuing(number - 1, 100 * self._chance.randint(1, 12))

    def _thread(self, _number: int) -> int:
        return 1

    async def begin(self) -> None:
        """Commit the rollouts in the order of the chain, some together."""
        numbers = [*range(1, ROLLOUTS + 1)]
        while numbers:
            some = [numbers.pop(0) for _ in range(min(len(numbers), self._chance.randint(1, 2)))]
            await self._tell("commit", [self._batch(one, 0, 300, 0, first=True) for one in some])
            self._standing.update(dict.fromkeys(some, (0, 300)))
            await self.compare([f"begin {some}"])


@pytest.mark.parametrize("seed", range(4))
def test_both_engines_show_the_same_of_reverts(fresh: Fresh, seed: int) -> None:
    async def tell() -> None:
        with fresh("sqlite") as here, fresh("postgres") as there:
            async with here.open() as one, there.open() as other:
                story = Reverts(Random(seed), one, other)
                await story.begin()
                for step in range(12):
                    here.clock = there.clock = 1_001 + step
                    told = await story.step()
                    await story.compare([told])

    asyncio.run(tell())
