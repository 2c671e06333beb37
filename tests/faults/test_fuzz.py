"""The fuzzer in its short form, and what the long one has found."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from projector.decode.review import review_text
from projector.reduce.detect import start
from projector.store.sqlite.store import SqliteStore
from tests.faults.fuzz import Projection, fuzzed
from tests.support import legacy_records as old
from tests.support import paginated as new
from tests.support.rows import rows_of


@pytest.mark.parametrize("seed", ["a", "b"])
def test_mutated_lines_bytes_and_archives_do_no_harm(seed: str) -> None:
    tally = fuzzed(seed, range(60))

    assert (tally.faults, tally.inputs) == ([], 60 * 76)


async def _view(folder: Path, view: str, lines: list[bytes], *, pieces: bool = False) -> object:
    store = await SqliteStore.open(folder / f"{pieces}.db")
    projection = Projection(store, 1)
    taken = new.lines_of(lines)
    for piece in [[line] for line in taken] if pieces else [taken]:
        await projection.take(piece)
    rows = await store.query(f"SELECT * FROM {view}")
    await store.close()
    return rows


@pytest.mark.parametrize(
    ("view", "body"),
    [
        ("file_changes", {"type": "FileChange", "id": "x", "changes": ["{"], "status": 5}),
        ("messages", {"type": "UserMessage", "id": "x", "content": ["{"]}),
    ],
)
def test_an_item_that_is_kept_as_written_spoils_no_view(
    tmp_path: Path, view: str, body: new.Json
) -> None:
    """A word where an object should be made the whole view "malformed JSON"."""
    lines = new.written([new.meta(), new.started("A"), new.item("A", body)])

    assert len(asyncio.run(_view(tmp_path, view, lines))) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("start", [1.5, 1e30, None, [], {"a": 1}, True])
def test_a_review_with_an_odd_line_number_leaves_it_out(start: object) -> None:
    """Python's own words for such a value stood in the text."""
    place = {"absolute_file_path": "/a", "line_range": {"start": start, "end": 4}}
    finding = {"title": "T", "body": "b", "code_location": place}

    assert review_text({"findings": [finding]}).endswith("- T — /a:-4\n  b")


@pytest.mark.parametrize("reason", [{}, [], 5, None])
def test_a_turn_that_ends_for_a_reason_that_is_no_word(reason: object) -> None:
    lines = [old.header(), old.started("t"), old.event("turn_aborted", turn_id="t", reason=reason)]
    data = old.lines_from(lines).splitlines()

    changes = start(new.ROLLOUT, new.THREAD).apply(new.lines_of(data))

    assert "malformed" in {getattr(change, "kind", "") for change in changes}


def test_a_header_that_comes_late_takes_its_events_along(tmp_path: Path) -> None:
    """What was told before is of the thread that the header names; no other thread ever was."""
    records = [*old.said("x"), old.started("A"), old.completed("A"), old.header(id=new.OTHER)]
    lines = old.lines_from(records).splitlines()
    name = "01a50000-0000-7000-8000-000000000001"
    for pieces in (False, True):
        asyncio.run(_view(tmp_path, "threads", lines, pieces=pieces))

    whole, cut = (rows_of(tmp_path / f"{pieces}.db") for pieces in (False, True))

    assert whole == cut
    assert name not in {row[1] for row in cut["lifecycle_events"]}


def test_token_counts_beyond_reason_do_not_hold_up_a_rollout(tmp_path: Path) -> None:
    """The sum of a day was no integer of 63 bits any more."""
    costs = [new.usage(f"r{number}", total=(1 << 63) - 1 - number) for number in range(5)]

    rows = asyncio.run(_view(tmp_path, "token_usage", new.written([new.meta(), *costs])))

    assert len(rows) == 5  # type: ignore[arg-type]


def test_an_item_that_becomes_a_message_keeps_its_place_over_a_restart(tmp_path: Path) -> None:
    """The user's first message was another one, when a process had begun in between."""
    search = {"type": "WebSearch", "id": "x", "query": "q", "action": None}
    records = [
        *(new.meta(), new.item("A", search), new.item("A", new.user("u"))),
        *(new.item("A", new.user("x")), new.started("A"), new.event("error", message="m")),
        *(new.item("A", new.agent("a")), new.complete("A")),
    ]

    async def taken(database: Path, *, restarts: bool) -> None:
        store = await SqliteStore.open(database)
        projection = Projection(store, 1)
        for line in new.lines_of(new.written(records)):
            await projection.take([line])
            if restarts:
                projection.restart()
        await store.close()

    asyncio.run(taken(tmp_path / "one.db", restarts=False))
    asyncio.run(taken(tmp_path / "two.db", restarts=True))

    assert rows_of(tmp_path / "one.db") == rows_of(tmp_path / "two.db")


@pytest.mark.parametrize(("seed", "group"), [("third", 1196), ("long", 9458)])
def test_groups_that_found_something(seed: str, group: int) -> None:
    """A number that no double holds, read again after a restart; the place of a late message."""
    assert fuzzed(seed, [group]).faults == []
