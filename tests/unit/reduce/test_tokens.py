"""What responses cost where nothing but token counts tells of it."""

from __future__ import annotations

import pytest

from projector.reduce.start import start
from projector.rows import UsageRow
from tests.paginated import ROLLOUT, THREAD, complete, event, meta, rollout, started, tokens, usage

BASE = {
    "history_base": {
        "thread_id": "01a30000-0000-7000-8000-0000000000aa",
        "end_ordinal_exclusive": 3,
        "end_byte_offset": 300,
    }
}


def count(total: int, last: int) -> dict[str, object]:
    """Give a token count: the thread's total, and what its last response cost."""
    return event(
        "token_count",
        info={
            "total_token_usage": {"input_tokens": total, "total_tokens": total},
            "last_token_usage": {"input_tokens": last, "total_tokens": last},
        },
    )


CASES = [
    ("each response is the difference of two totals",
     [meta(), started("A"), count(10, 10), count(25, 15)], [("A", 10), ("A", 15)]),
    ("the same totals again are no response",
     [meta(), started("A"), count(10, 10), count(10, 10), count(12, 2)], [("A", 10), ("A", 2)]),
    ("totals that fall were set back",
     [meta(), started("A"), count(50, 50), count(7, 6), count(9, 2)],
     [("A", 50), ("A", 6), ("A", 2)]),
    ("between turns it is of no turn",
     [meta(), started("A"), complete("A"), count(10, 10)], [(None, 10)]),
    ("what is told before the first turn was paid for elsewhere",
     [meta(), count(40, 9), started("A"), count(45, 5)], [("A", 5)]),
    ("of a rollout that continues another one the first response counts by itself",
     [meta(**BASE), started("A"), count(45, 5), count(48, 3)], [("A", 5), ("A", 3)]),
    ("of a rollout that continues another one what is told again is no response",
     [meta(**BASE), count(40, 9), started("A"), count(40, 9), count(45, 5)], [("A", 5)]),
    ("records tell of every response from the first on",
     [meta(), started("A"), usage("r", total=10), count(10, 10), usage("s", total=5), count(15, 5)],
     [("A", 10), ("A", 5)]),
    ("a session goes on with a release that writes records",
     [meta(), started("A"), count(10, 10), usage("r", total=5), count(15, 5)],
     [("A", 10), ("A", 5)]),
    ("totals that are none tell nothing",
     [meta(), started("A"), tokens(3), event("token_count", info=None),
      event("token_count", info={"total_token_usage": {"total_tokens": "x"}}),
      event("token_count", info={"total_token_usage": 7})],
     [("A", 3)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_responses_cost(
    records: list[dict[str, object]], expected: list[tuple[str | None, int]]
) -> None:
    changes = start(ROLLOUT, THREAD).take(rollout(*records))

    found = [change for change in changes if isinstance(change, UsageRow)]
    assert [(row.turn_id, row.total_tokens) for row in found] == expected
