"""Which usage row of a response counts, and the sums over those that count. Pure.

Several rows may report one response: in forks, agents, copies, in any source's rollouts.

1. Of the living rows of a response one counts: that with the lowest (rollout_id, position, uid). A
   row without a response id counts if it is living.
2. So a new row is compared with the one that counts, and with no other. When the one that counts is
   deleted, the next is the lowest of those left: engines find it by an index in this order. Work is
   linear in the rows that change, however many report a response.
3. Sums change by what changed rows added before and add now; they are never computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

#: Input, cached input, output, reasoning output and total tokens.
Tokens = tuple[int, int, int, int, int]
#: Values of a sum: responses, then the tokens.
Amounts = tuple[int, int, int, int, int, int]

NOTHING: Final[Amounts] = (0, 0, 0, 0, 0, 0)


class Share(Struct, frozen=True):
    """What a counted row adds to the sums."""

    day: str
    """UTC; empty: no time is known."""
    model: str
    """Empty: not known."""
    amounts: Amounts


class Countable(Struct, kw_only=True):
    """A usage row, as far as counting is concerned."""

    source: str = ""
    """Source that has the row; empty where a database has one."""
    thread_id: str
    rollout_id: str
    position: int
    uid: bytes
    response_id: str | None
    day: str
    model: str
    tokens: Tokens
    living: bool
    counted: bool
    was: Share | None = None
    """What it added to the sums when it was read; None: nothing."""

    @property
    def order(self) -> tuple[str, int, bytes]:
        """Sort key: the lowest counts."""
        return self.rollout_id, self.position, self.uid

    @property
    def share(self) -> Share | None:
        """What it adds to the sums; None: nothing."""
        if not (self.living and self.counted):
            return None
        return Share(self.day, self.model, (1, *self.tokens))


def choose_counted(rows: Iterable[Countable]) -> Countable | None:
    """Return the row of one response that counts; None: none is living."""
    living = [row for row in rows if row.living]
    return min(living, key=lambda row: row.order, default=None)


def settle(rows: Iterable[Countable]) -> None:
    """Set `counted` of all rows, so that one row of each response counts.

    `rows` contains, of each response, the rows that change, the stored row that counts, and if that
    is among them, the lowest living one of the others.
    """
    responses: dict[str, list[Countable]] = {}
    for row in rows:
        if row.response_id is None:
            row.counted = True
        else:
            responses.setdefault(row.response_id, []).append(row)
    for same in responses.values():
        chosen = choose_counted(same)
        for row in same:
            row.counted = row is chosen


class Sums(Struct):
    """Changes of the sums by day and by thread; what adds up to nothing is left out."""

    days: Mapping[tuple[str, str, str], Amounts]
    """By source, day and model."""
    threads: Mapping[tuple[str, str], Amounts]
    """By source and thread: that of the row's own rollout."""


def changes(rows: Iterable[Countable]) -> Sums:
    """Return how the sums change with rows, each given once: by what they added, and add now."""
    days: dict[tuple[str, str, str], Amounts] = {}
    threads: dict[tuple[str, str], Amounts] = {}
    for row in rows:
        now = row.share
        if now == row.was:
            continue
        for sign, share in ((-1, row.was), (1, now)):
            if share is not None:
                day, thread = (row.source, share.day, share.model), (row.source, row.thread_id)
                days[day] = add(days.get(day, NOTHING), sign, share.amounts)
                threads[thread] = add(threads.get(thread, NOTHING), sign, share.amounts)
    return Sums(
        {key: amounts for key, amounts in days.items() if any(amounts)},
        {key: amounts for key, amounts in threads.items() if any(amounts)},
    )


def add(one: Amounts, sign: int, other: Amounts) -> Amounts:
    """Return the sum of two, or with sign -1 the difference."""
    return (
        one[0] + sign * other[0], one[1] + sign * other[1], one[2] + sign * other[2],
        one[3] + sign * other[3], one[4] + sign * other[4], one[5] + sign * other[5],
    )  # fmt: skip
