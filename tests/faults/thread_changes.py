"""Homes that a store is told of: threads that share what they show, and what happens to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from projector.model.changes import Change, ThreadMetadata
from projector.model.ids import Checkpoint, RolloutFile, ThreadId
from projector.store.protocol import Batch, Store
from tests.support.makers import (
    PAGINATED,
    at,
    batch,
    continuing,
    file_of,
    item,
    rollout_id,
    turn,
    usage,
)

#: Bytes that a commit reads of a rollout.
STEP: Final = 1000


class Shape(NamedTuple):
    """How rollouts 1, 2, 3, ... share what they show."""

    base: Callable[[int], int]
    """What a rollout continues; 0: nothing."""
    thread: Callable[[int], int]
    shared: bool = False
    """All tell of the same turns and responses."""
    named: Callable[[int], int] | None = None
    """The thread that a file is named for, where it is another one than its header's."""


SHAPES: Final[Mapping[str, Shape]] = {
    "copies": Shape(lambda _: 0, lambda number: number, shared=True),
    "forks": Shape(lambda number: int(number > 1), lambda number: number),
    "forks of a running turn": Shape(
        lambda number: int(number > 1), lambda number: number, shared=True
    ),
    "reverts": Shape(lambda number: number - 1, lambda _: 1),
    "reverts in a running turn": Shape(lambda number: number - 1, lambda _: 1, shared=True),
    "reverts to the first": Shape(lambda number: int(number > 1), lambda _: 1),
    "strays": Shape(lambda _: 0, lambda _: 1, named=lambda number: number),
}


def told(
    shape: Shape, number: int, step: int = 0, start: Checkpoint | None = None, generation: int = 0
) -> Batch:
    """Make the batch that reads a rollout from one step to the next one: two turns."""
    changes: list[Change] = []
    for offset in (step * STEP + 100, step * STEP + 600):
        name = f"{'' if shape.shared else number}.{offset}"
        changes += [
            turn(number, f"t{name}", offset, status="completed"),
            item(number, f"i{name}", offset + 10, turn=f"t{name}"),
            usage(number, offset + 20, 3, response=f"r{name}"),
        ]
    base = shape.base(number)
    header = continuing(base, 800 if shape.shared else 500) if base else PAGINATED
    header = replace(header, thread_id=ThreadId(rollout_id(shape.thread(number))))
    return batch(
        file(shape, number), changes, start=start,
        end=at((step + 1) * STEP, generation=generation), header=header,
        meta=ThreadMetadata(updated_at_ms=step, last_turn_at_ms=step, reported_total_tokens=step),
    )  # fmt: skip


def file(shape: Shape, number: int, *, archived: bool = False) -> RolloutFile:
    """Give a rollout as a scan finds it."""
    return file_of(number, thread=(shape.named or shape.thread)(number), archived=archived)


class Told:
    """A home of a size that a store is told of, and how far it was told of each rollout."""

    def __init__(self, store: Store, shape: Shape, size: int) -> None:
        """Nothing is told yet."""
        self.store = store
        self.shape = shape
        self.size = size
        self._steps: dict[int, int] = {}
        self._generations: dict[int, int] = {}

    def _at(self, number: int) -> Checkpoint | None:
        if number not in self._steps:
            return None
        return at(self._steps[number] * STEP, generation=self._generations[number])

    async def append(self, number: int) -> None:
        """Tell of the next step of a rollout."""
        step, generation = self._steps.get(number, 0), self._generations.setdefault(number, 0)
        await self.store.commit([told(self.shape, number, step, self._at(number), generation)])
        self._steps[number] = step + 1

    async def replace(self, number: int) -> None:
        """Replace a rollout by what it was at first."""
        start, generation = self._at(number), self._generations[number] + 1
        assert start is not None, number

        async def again() -> AsyncIterator[Batch]:
            yield told(self.shape, number, 0, start, generation)

        await self.store.replace(start, again())
        self._steps[number], self._generations[number] = 1, generation


async def build(home: Told) -> None:
    """Commit the rollouts, one after another."""
    for number in range(1, home.size + 1):
        await home.append(number)


async def append_last(home: Told) -> None:
    """Append to the newest rollout, as often as there are rollouts."""
    for _ in range(home.size):
        await home.append(home.size)


async def append_first(home: Told) -> None:
    """Append to the oldest rollout, as often as there are rollouts."""
    for _ in range(home.size):
        await home.append(1)


async def append_each(home: Told) -> None:
    """Append to each rollout."""
    for number in range(1, home.size + 1):
        await home.append(number)


async def replace_each(home: Told) -> None:
    """Replace each rollout by what it was."""
    for number in range(1, home.size + 1):
        await home.replace(number)


async def lose_each(home: Told) -> None:
    """Miss the file of each rollout, the newer half backwards, then the older half."""
    half = home.size // 2
    for number in [*range(home.size, half, -1), *range(1, half + 1)]:
        await home.store.mark_missing([rollout_id(number)], purge=False)


async def archive_each(home: Told) -> None:
    """Move each rollout into the archive."""
    for number in range(1, home.size + 1):
        await home.store.update_locations([file(home.shape, number, archived=True)])


async def purge(home: Told) -> None:
    """Delete all rollouts, their rows too."""
    numbers = range(1, home.size + 1)
    await home.store.mark_missing([rollout_id(number) for number in numbers], purge=True)


async def purge_each(home: Told) -> None:
    """Delete the rollouts one at a time, their rows too."""
    for number in range(home.size, 0, -1):
        await home.store.mark_missing([rollout_id(number)], purge=True)


Act = Callable[[Told], Awaitable[None]]
#: What is done to a home that was built; one after another, too, but for what deletes it.
ACTS: Final[Mapping[str, Act]] = {
    "append to the newest": append_last,
    "append to the first": append_first,
    "append to each": append_each,
    "replace each": replace_each,
    "lose each": lose_each,
    "archive each": archive_each,
    "purge": purge,
    "purge each": purge_each,
}
