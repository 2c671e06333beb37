"""Which threads a change of a rollout may show differently. Pure.

A thread is shown by its current rollout; what that does not say is taken from the next older part
of the thread's chain. The preview is that of the oldest part that has one. So a rollout speaks for
its own thread, and for the threads that continue it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

#: Columns that a thread takes from the next older part if its current rollout lacks them.
#: Append only: the bits of `_rollouts.lacks` and the values in `_feed_parts` are by place.
INHERITED: Final = (
    "cwd", "model", "model_provider", "reasoning_effort", "last_turn_at_ms",
    "reported_total_tokens", "git_branch", "git_sha", "git_origin_url",
)  # fmt: skip
#: Bits of `lacking`.
_BITS: Final = {name: 1 << at for at, name in enumerate(INHERITED)}
#: Columns that a thread takes from the oldest part that has them.
OPENING: Final = ("preview", "preview_offset", "goal")
#: Columns of a rollout that threads that continue it may show.
PASSED_ON: Final = (*OPENING, *INHERITED)


def passed_on(before: Mapping[str, Any], now: Mapping[str, Any]) -> frozenset[str]:
    """Return the columns in which a change of a rollout may be shown of threads that continue it.

    `before`, `now`: the rollout, with the columns of `PASSED_ON` at least.
    """
    return frozenset(name for name in PASSED_ON if before[name] != now[name])


def lacking(rollout: Mapping[str, Any]) -> int:
    """Return which of `INHERITED` a rollout does not say, a bit each.

    `rollout`: its columns of `INHERITED` at least.
    """
    return sum(bit for name, bit in _BITS.items() if rollout[name] is None)


def bits(names: Iterable[str]) -> int:
    """Return the bits of columns in `lacking`; those that are not inherited have none.

    A change of these is shown of the threads whose rollouts behind it all lack one of them.
    """
    return sum(_BITS.get(name, 0) for name in names)
