"""What a response cost, told by the totals of a thread before and after it. Pure.

A `token_count` has the thread's totals so far. The same totals again are no response; totals that
fall were set back, and then the record's own `last_token_usage` counts.
"""

from __future__ import annotations

from typing import Any, Final

#: Input, cached input, output, reasoning and total tokens.
Totals = tuple[int, int, int, int, int]

_TOKENS_MAX: Final = 1 << 62
_COUNTED: Final = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)
TOTAL: Final = _COUNTED.index("total_tokens")


def totals(usage: Any) -> Totals | None:
    """Read the counts of a usage; None: they are not all numbers that can be."""
    if type(usage) is not dict:
        return None
    numbers = [usage.get(key, 0) for key in _COUNTED]
    for number in numbers:
        if type(number) is not int or not 0 <= number < _TOKENS_MAX:
            return None
    return numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]


def spent(before: Totals | None, now: Totals, last: Any, *, first: Totals | None) -> Totals | None:
    """Give what came between two totals; None: nothing, or it is not told.

    `last`: the record's `last_token_usage`; `first`: what counts where there are no totals before.
    """
    if now == before:
        return None
    if before is None:
        return first
    if now[TOTAL] < before[TOTAL]:
        return totals(last)
    more = [max(0, one - other) for one, other in zip(now, before, strict=True)]
    return more[0], more[1], more[2], more[3], more[4]
