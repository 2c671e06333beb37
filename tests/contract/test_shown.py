"""`projector threads` and `show` over a database, lineage and all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from projector.cli import run
from projector.model.changes import ThreadMetadata
from projector.model.errors import StoreUnavailable
from projector.serve.history import stored_history as module
from projector.serve.history.stored_history import StoredHistory
from projector.store.open import open_store, open_to_read
from projector.store.protocol import Store
from projector.store.questions.history import Item
from tests.conftest import NewDatabase
from tests.support.makers import (
    at,
    batch,
    continuing,
    file_of,
    item,
    thread_id,
    turn,
)

Show = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database(new_database: NewDatabase) -> str:
    """A thread with two turns, the second one running; a fork in the second, which it aborts."""
    url = new_database()

    async def story(store: Store) -> None:
        await store.commit(
            [
                batch(
                    file_of(1),
                    [
                        turn(1, "a", 100, status="completed", end_offset=500),
                        item(1, "a1", 200, turn="a"),
                        item(1, "a2", 300, turn="a"),
                        turn(1, "b", 500),
                        item(1, "b1", 600, turn="b"),
                    ],
                    meta=ThreadMetadata(
                        cwd="/w/deep", preview="Build it", preview_offset=200, updated_at_ms=5
                    ),
                ),
                batch(
                    file_of(2, archived=True),
                    [
                        turn(2, "b", 200, status="interrupted", end_offset=300),
                        item(2, "lone", 400, turn="nobody"),
                        item(2, "late", 500, turn="a"),
                    ],
                    header=continuing(1, 700),
                    meta=ThreadMetadata(updated_at_ms=9),
                ),
            ]
        )

    written(url, story)
    return url


def written(url: str, story: Callable[[Store], Awaitable[None]]) -> None:
    async def write() -> None:
        store = await open_store(url)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(write())


@pytest.fixture
def show(database: str, capfdbinary: pytest.CaptureFixture[bytes]) -> Show:
    def shown(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments, "--database", database])
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return shown


def short(events: str) -> list[str]:
    made = []
    for line in events.splitlines():
        event = json.loads(line)
        params = event["params"]
        if event["method"] == "item/completed":
            made.append(f"{params['turnId']} {params['item']['id']}")
        else:
            made.append(f"{event['method']} {params['turn']['id']} {params['turn']['status']}")
    return made


def test_events_of_a_thread_whose_last_turn_runs(show: Show) -> None:
    assert short(show("show", thread_id(1), "--format", "events")[1]) == [
        "turn/started a inProgress",
        "a a1",
        "a a2",
        "turn/completed a completed",
        "turn/started b inProgress",
        "b b1",
    ]


@pytest.mark.parametrize("page", [1, 2, 200])
def test_events_of_its_fork(show: Show, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """The fork ends the turn that it cut, whatever the pages."""
    monkeypatch.setattr(module, "PAGE", page)

    assert short(show("show", thread_id(2), "--format", "events")[1]) == [
        "turn/started a inProgress",
        "a a1",
        "a a2",
        "turn/completed a completed",
        "turn/started b inProgress",
        "b b1",
        "turn/completed b interrupted",
        "nobody lone",
        "a late",
    ]


def test_json_of_the_fork(show: Show) -> None:
    found: dict[str, Any] = json.loads(show("show", thread_id(2), "--format", "json")[1])

    assert found["thread"]["thread_id"] == thread_id(2)
    assert found["thread"]["archived"] is True
    assert {
        one["turn_id"]: [each["item"]["id"] for each in one["items"]] for one in found["turns"]
    } == {"a": ["a1", "a2", "late"], "b": ["b1"], "nobody": ["lone"]}


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_forms_for_people_hold_every_turn(show: Show, form: str) -> None:
    code, out, err = show("show", thread_id(1), "--format", form)

    assert (code, err) == (0, "")
    assert "Build it" in out
    assert "Turn 1: completed" in out
    assert "Turn 2: in progress" in out


def test_rows_that_share_a_position_are_all_given(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record of a legacy rollout can make several items; pages split between them."""
    names = ["x", "y", "z", "w"]

    async def story(store: Store) -> None:
        await store.commit([batch(file_of(3), [item(3, name, 100) for name in names])])

    written(database, story)
    monkeypatch.setattr(module, "PAGE", 2)
    with open_to_read(database) as db:
        found: list[Item] = list(StoredHistory(db, thread_id(3)).items())

    assert sorted(names) == sorted(one.item_id for one in found)


def test_pages_that_do_not_fit_together_are_not_mixed(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revert while the history is read: its pages would be of two histories."""

    async def revert(store: Store) -> None:
        await store.commit([batch(file_of(9, thread=1), [], header=continuing(1, 300), end=at(9))])

    monkeypatch.setattr(module, "PAGE", 1)
    with open_to_read(database) as db:
        items = StoredHistory(db, thread_id(1)).items()
        next(items)
        written(database, revert)

        with pytest.raises(StoreUnavailable, match="changed while it was read"):
            list(items)


def test_a_thread_that_is_not_there(show: Show) -> None:
    code, out, err = show("show", "nowhere")

    assert (code, out) == (1, "")
    assert err.startswith("projector: no thread 'nowhere'. ")


def test_the_start_of_two_ids(show: Show) -> None:
    code, out, err = show("show", thread_id(1)[:8])

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert thread_id(1) in err
    assert thread_id(2) in err


def test_threads_newest_first(show: Show) -> None:
    code, out, _ = show("threads", "--all", "--json")

    assert code == 0
    assert [one["thread_id"] for one in json.loads(out)] == [thread_id(2), thread_id(1)]


def test_threads_says_what_it_hides(show: Show) -> None:
    code, out, err = show("threads")

    assert (code, err) == (0, "1 archived hidden (--all: shown)\n")
    assert thread_id(1) in out
    assert thread_id(2) not in out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--archived"], [2]),
        (["--no-archived"], [1]),
        (["--deleted"], []),
        (["--all", "--limit", "1"], [2]),
        (["--all", "--limit", "0"], [2, 1]),
        (["--cwd", "/w"], [1]),
        (["--cwd", "/w/deep/er"], []),
        (["--name", "BUILD"], [1]),
        (["--since", "7d"], []),
        (["--since", "1970-01-01T00:00:00Z"], [1]),
        (["--source", "unknown"], [1]),
        (["--source", "cli"], []),
    ],
)
def test_threads_that_are_asked_for(show: Show, options: list[str], found: list[int]) -> None:
    out = show("threads", "--json", *options)[1]

    assert [one["thread_id"] for one in json.loads(out)] == [thread_id(number) for number in found]


def test_no_such_time(show: Show) -> None:
    code, _, err = show("threads", "--since", "soon")

    assert (code, err.count("\n")) == (2, 1)
