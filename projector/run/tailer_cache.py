"""Tailers of rollouts that were read lately, kept for their next news.

Bounded by their number, by the memory that they take, and by how many have their file open.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterator

from msgspec import Struct

from projector.model.ids import RolloutId
from projector.run.batches import Limits
from projector.run.tailer import Tailer

#: Tailers that are kept, and the memory that they take together.
HOT_TAILS = 1024
HOT_BYTES = 32 * 1024 * 1024


class _Kept(Struct):
    tailer: Tailer
    held_bytes: int = 0
    """Memory that it takes while it is parked; 0: it was never parked."""


class TailerCache:
    """Tailers by rollout, the one longest unused first."""

    def __init__(self) -> None:
        """Create an empty cache."""
        self._kept: OrderedDict[RolloutId, _Kept] = OrderedDict()
        self._open: OrderedDict[RolloutId, Tailer] = OrderedDict()
        """Parked ones with their file open, the one longest parked first."""
        self._held_bytes = 0

    def __len__(self) -> int:
        """Return how many tailers are kept."""
        return len(self._kept)

    def __contains__(self, rollout_id: object) -> bool:
        """True if a rollout's tailer is kept."""
        return rollout_id in self._kept

    def __iter__(self) -> Iterator[RolloutId]:
        """Yield the rollouts whose tailers are kept."""
        return iter(self._kept)

    @property
    def held_bytes(self) -> int:
        """Return the approximate memory of the tailers, in bytes."""
        return self._held_bytes

    @property
    def has_open_files(self) -> bool:
        """True if a parked tailer has its file open."""
        return bool(self._open)

    def get(self, rollout_id: RolloutId) -> Tailer | None:
        """Return a rollout's tailer; None: there is none."""
        kept = self._kept.get(rollout_id)
        return None if kept is None else kept.tailer

    def touch(self, rollout_id: RolloutId) -> Tailer | None:
        """Return a rollout's tailer, and count it as used now; None: there is none."""
        if rollout_id in self._kept:
            self._kept.move_to_end(rollout_id)
        return self.get(rollout_id)

    def add(self, rollout_id: RolloutId, tailer: Tailer) -> None:
        """Keep a rollout's tailer; there is none yet."""
        self._kept[rollout_id] = _Kept(tailer)

    def unpark(self, rollout_id: RolloutId) -> Tailer | None:
        """Return a rollout's tailer that is to be read on: its file stays open; None: none."""
        self._open.pop(rollout_id, None)
        return self.get(rollout_id)

    def park(self, rollout_id: RolloutId, most_open: int, busy: Container[RolloutId]) -> None:
        """Keep a tailer until its rollout has news; at most `most_open` files stay open.

        If there are too many, or they take too much memory, the least recently used are closed,
        but none that is `busy`.
        """
        kept = self._kept.get(rollout_id)
        if kept is None:  # closed meanwhile
            return
        kept.tailer.park(is_open=True)
        self._open[rollout_id] = kept.tailer
        while len(self._open) > most_open:
            self._open.popitem(last=False)[1].park(is_open=False)
        self._held_bytes -= kept.held_bytes
        kept.held_bytes = kept.tailer.held_bytes
        self._held_bytes += kept.held_bytes
        if self._is_full():
            for other in [one for one in self._kept if one not in busy]:
                if not self._is_full():
                    return
                self.close(other)

    def _is_full(self) -> bool:
        return len(self._kept) > HOT_TAILS or self._held_bytes > HOT_BYTES

    def close_files(self) -> bool:
        """Close the files of all parked tailers. Returns False if none was open."""
        closed = bool(self._open)
        while self._open:
            self._open.popitem()[1].park(is_open=False)
        return closed

    def take(self, rollout_id: RolloutId) -> Tailer | None:
        """Remove a rollout's tailer and return it, as it is."""
        self._open.pop(rollout_id, None)
        kept = self._kept.pop(rollout_id, None)
        if kept is None:
            return None
        self._held_bytes -= kept.held_bytes
        return kept.tailer

    def close(self, *rollout_ids: RolloutId) -> None:
        """Remove the tailers of rollouts, and close them."""
        for rollout_id in rollout_ids:
            tailer = self.take(rollout_id)
            if tailer is not None:
                tailer.close()

    def limit(self, limits: Limits) -> None:
        """Have all read by these limits from now on."""
        for kept in self._kept.values():
            kept.tailer.limit(limits)
