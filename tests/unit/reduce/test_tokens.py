"""Which records tell of a response, and what it cost: the rules of `reduce/tokens.py`."""

from __future__ import annotations

from typing import Any

import pytest

from projector.model.changes import MOST_TOKENS, Anomaly, Change, UsageRow
from projector.reduce.detect import start
from projector.reduce.legacy.reducer import LegacyReducer
from tests.support.memory import Memory
from tests.support.paginated import (
    ROLLOUT,
    THREAD,
    complete,
    context,
    event,
    meta,
    rollout,
    started,
    tokens,
    usage,
)

Record = dict[str, Any]

BASE = {
    "history_base": {
        "thread_id": "01a30000-0000-7000-8000-0000000000aa",
        "end_ordinal_exclusive": 3,
        "end_byte_offset": 300,
    }
}
OLD = {**BASE, "cli_version": "0.153.4"}
NEW = {**BASE, "cli_version": "0.171.0"}
AGENT: Record = {"source": {"subagent": {"thread_spawn": {}}}}


def count(total: int, last: int) -> Record:
    """Give a token count: the thread's total, and what its last response cost."""
    return event(
        "token_count",
        info={
            "total_token_usage": {"input_tokens": total, "total_tokens": total},
            "last_token_usage": {"input_tokens": last, "total_tokens": last},
        },
    )


def full(window: int, more: int) -> Record:
    """Give what Codex writes when the context window is full: nothing but a total."""
    zeros = dict.fromkeys(
        ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens"), 0
    )
    return event(
        "token_count",
        info={
            "total_token_usage": {**zeros, "total_tokens": window},
            "last_token_usage": {**zeros, "total_tokens": more},
        },
    )


def last_only(last: int) -> Record:
    """Give a token count without totals that could be read."""
    return event(
        "token_count",
        info={"last_token_usage": {"input_tokens": last, "output_tokens": 1, "total_tokens": 9}},
    )


CASES = [
    ("each count is a response, at its own last usage",
     [meta(), started("A"), count(10, 10), count(25, 14)], [("A", 10), ("A", 14)]),
    ("the same totals again are no response",
     [meta(), started("A"), count(10, 10), count(10, 10), count(12, 2)], [("A", 10), ("A", 2)]),
    ("the same totals in the next turn are no response",
     [meta(), started("A"), count(10, 10), complete("A"), started("B"), count(10, 10)],
     [("A", 10)]),
    ("totals that fall were set back",
     [meta(), started("A"), count(50, 50), count(7, 6), count(9, 2)],
     [("A", 50), ("A", 6), ("A", 2)]),
    ("a full window is no response",
     [meta(), started("A"), count(10, 10), full(190_000, 189_990), count(190_007, 7)],
     [("A", 10), ("A", 7)]),
    ("a full window of a turn with records is none either",
     [meta(), started("A"), usage("r", total=10), count(10, 10), full(190_000, 189_990)],
     [("A", 10)]),
    ("a record of neither input nor output is no response",
     [meta(), started("A"), usage("r", total=0), count(10, 10)], []),
    ("between turns it is of no turn",
     [meta(), started("A"), complete("A"), count(10, 10)], [(None, 10)]),
    ("behind a turn with records it is no response",
     [meta(), started("A"), usage("r", total=10), complete("A"), count(10, 10)], [("A", 10)]),
    ("before the first turn it is the thread's",
     [meta(), count(40, 9), started("A"), count(45, 5)], [(None, 9), ("A", 5)]),
    ("before a first turn that has a record it is no response",
     [meta(), count(40, 9), started("A"), usage("r", total=5), count(45, 5)], [("A", 5)]),
    ("before a first turn without a record it stays when the second has one",
     [meta(), count(40, 9), started("A"), complete("A"), started("B"), usage("r", "B", total=5)],
     [(None, 9), ("B", 5)]),
    ("of an agent, totals of more than the first response were copied",
     [meta(**AGENT), count(40, 9), started("A"), count(45, 5)], [("A", 5)]),
    ("of a rollout that continues another one the first response counts by itself",
     [meta(**OLD), started("A"), count(45, 5), count(48, 3)], [("A", 5), ("A", 3)]),
    ("of a rollout that continues another one what is told again is no response",
     [meta(**BASE), count(40, 9), started("A"), count(40, 9), count(45, 5)], [("A", 5)]),
    ("a release with records repeats its base's count in a turn without a response",
     [meta(**NEW), started("A"), count(40, 9), complete("A"), started("B"),
      usage("r", "B", total=5)], [("B", 5)]),
    ("records tell of every response of their turn",
     [meta(), started("A"), usage("r", total=10), count(10, 10), usage("s", total=5), count(15, 5)],
     [("A", 10), ("A", 5)]),
    ("a record takes back the counts of its turn",
     [meta(), started("A"), count(10, 10), count(20, 10), usage("r", total=5), count(25, 5)],
     [("A", 5)]),
    ("a record that comes late takes them back, those behind the turn, too",
     [meta(), started("A"), count(10, 10), complete("A"), count(11, 1), usage("r", total=5)],
     [("A", 5)]),
    ("a record takes back nothing of another turn",
     [meta(), started("A"), count(10, 10), complete("A"), count(13, 3), started("B"), count(15, 2),
      usage("r", "B", total=5)], [("A", 10), (None, 3), ("B", 5)]),
    ("a session that a release with records began, and one without goes on with",
     [meta(), started("A"), usage("r", total=10), count(10, 10), complete("A"),
      started("B"), count(14, 4), complete("B"), started("C"), usage("s", "C", total=2),
      count(16, 2)], [("A", 10), ("B", 4), ("C", 2)]),
    ("an aborted turn repeats the total of the last record",
     [meta(), started("A"), usage("r", total=10, thread_total=10), complete("A"), started("B"),
      count(10, 10)], [("A", 10)]),
    ("totals that are none do not matter", [meta(), started("A"), last_only(3), last_only(3)],
     [("A", 9)]),
    ("what names no usage of its own tells nothing",
     [meta(), started("A"), event("token_count", info=None),
      event("token_count", info={"total_token_usage": {"input_tokens": 7, "total_tokens": 7}}),
      event("token_count", info={"total_token_usage": 7, "last_token_usage": [1]}), tokens(3)],
     [("A", 3)]),
]  # fmt: skip


def as_legacy(records: list[Record]) -> list[Record]:
    """Make a legacy rollout of records: it has no bases."""
    first = records[0]
    payload = {**first["payload"], "history_mode": "legacy"}
    return [{**first, "payload": payload}, *records[1:]]


def told(changes: list[Change]) -> Memory:
    """Fold changes into rows."""
    store = Memory()
    store.apply(changes)
    return store


@pytest.mark.parametrize(
    ("records", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_responses_cost(records: list[Record], expected: list[tuple[str | None, int]]) -> None:
    store = told(start(ROLLOUT, THREAD).apply(rollout(*records)))

    assert [(row.turn_id, row.total_tokens) for row in store.usage.values()] == expected


@pytest.mark.parametrize(
    ("records", "expected"),
    [case[1:] for case in CASES if "history_base" not in case[1][0]["payload"]],
    ids=[case[0] for case in CASES if "history_base" not in case[1][0]["payload"]],
)
def test_legacy_rollouts_are_counted_alike(
    records: list[Record], expected: list[tuple[str | None, int]]
) -> None:
    reducer = LegacyReducer(ROLLOUT, THREAD)
    store = told(reducer.apply(rollout(*as_legacy(records))))

    assert [(row.turn_id, row.total_tokens) for row in store.usage.values()] == expected


SETTINGS = event(
    "thread_settings_applied", thread_settings={"model": "m-0", "service_tier": "fast"}
)


@pytest.mark.parametrize("mode", ["paginated", "legacy"])
@pytest.mark.parametrize("before", [count(10, 10), usage("r", total=10)], ids=["count", "record"])
@pytest.mark.parametrize("after", [context("m-0"), SETTINGS], ids=["context", "settings"])
def test_what_came_before_the_first_model_has_the_threads(
    mode: str, before: Record, after: Record
) -> None:
    records = [meta(), started("A"), before, after, complete("A"), started("B"), count(11, 1)]
    lines = rollout(*(records if mode == "paginated" else as_legacy(records)))
    reducer = start(ROLLOUT, THREAD) if mode == "paginated" else LegacyReducer(ROLLOUT, THREAD)

    store = told(reducer.apply(lines))

    assert [row.model for row in store.usage.values()] == ["m-0", "m-0"]


@pytest.mark.parametrize("mode", ["paginated", "legacy"])
def test_cache_writes_and_tiers_are_kept_where_they_are_told(mode: str) -> None:
    written = usage("r", total=10)
    written["payload"]["usage"]["cache_write_input_tokens"] = 4
    named = usage("s", total=10)
    named["payload"]["service_tier"] = "flex"
    records = [meta(), started("A"), usage("q", total=3), SETTINGS, written, named]
    lines = rollout(*(records if mode == "paginated" else as_legacy(records)))
    reducer = start(ROLLOUT, THREAD) if mode == "paginated" else LegacyReducer(ROLLOUT, THREAD)

    store = told(reducer.apply(lines))

    assert [(row.cache_write_input_tokens, row.service_tier) for row in store.usage.values()] == [
        (None, None),
        (4, "fast"),
        (None, "flex"),
    ]


@pytest.mark.parametrize("mode", ["paginated", "legacy"])
@pytest.mark.parametrize("number", [MOST_TOKENS + 1, (1 << 64) - 1, 1 << 70])
@pytest.mark.parametrize("make", [lambda n: count(n, n), lambda n: usage("r", total=n)])
def test_numbers_over_what_a_column_holds_are_cut_and_noted(
    mode: str, number: int, make: Any
) -> None:
    records = [meta(), started("A"), make(number)]
    lines = rollout(*(records if mode == "paginated" else as_legacy(records)))
    reducer = start(ROLLOUT, THREAD) if mode == "paginated" else LegacyReducer(ROLLOUT, THREAD)

    changes = reducer.apply(lines)

    (row,) = [change for change in changes if isinstance(change, UsageRow)]
    assert row.total_tokens == MOST_TOKENS
    notes = [one for one in changes if isinstance(one, Anomaly) and one.kind == "cut_number"]
    assert {note.offset for note in notes} == {lines[-1].offset}
