"""Lists of the newest threads: exact, in order, and of what they show alone, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from msgspec.structs import replace

from projector.model.changes import ThreadMetadata
from projector.serve.history import resolve, thread_list
from projector.serve.history.place import Place
from projector.serve.history.thread_list import listed, select
from projector.serve.history.threads import Wanted, choose
from projector.store.open import open_store
from projector.store.protocol import Batch
from projector.store.questions import newest
from projector.store.reading import Connection, Sql
from tests.support.citus import own_server
from tests.support.databases import Where, reading, url_of
from tests.support.makers import PAGINATED, batch, continuing, event, file_of, thread_id

_COUNT = 300


def _filled(where: Where, batches: list[Batch], *, source: str = "one") -> None:
    async def story() -> None:
        store = await open_store(url_of(where), source=source)
        try:
            await store.commit(batches)
        finally:
            await store.close()

    asyncio.run(story())


def _thread(number: int, changed: int | None, *, cwd: str = "/", source: str = "cli") -> Batch:
    meta = ThreadMetadata(updated_at_ms=changed, cwd=cwd)
    return batch(file_of(number), meta=meta, header=replace(PAGINATED, source=source))


#: Folders and origins that an index has no whole names of, or that hold what stands between them.
_LONG = "/w/" + 300 * "x"
_PLACES = [
    ("/g/one", "git@example.org:o/r.git"), ("/g/two", "https://example.org/o/r"), ("/g/r", None),
    (_LONG, None), (_LONG + "/y", "u" * 300), ("/w/a|b", None), (None, None), (None, "x/o/r"),
    ("/nul\0", None), ("C:\\W\\a", None), ("/mnt/c/w", None), ("/w/./b//", None),
]  # fmt: skip


def _placed() -> list[Batch]:
    """Threads of odd places, and continuations that inherit what they do not tell."""
    found = []
    for number, (cwd, origin) in enumerate(_PLACES, start=_COUNT):
        meta = ThreadMetadata(
            updated_at_ms=number % 4, cwd=cwd, git_origin_url=origin, model="m" if origin else None
        )
        failure = [event(number, "turn.failed", 90)] if number == _COUNT else []
        found.append(batch(file_of(number), failure, meta=meta))
        for told in (None, "/later"):
            after = number + (200 if told else 100)
            old = batch(file_of(after), meta=meta)
            later = ThreadMetadata(updated_at_ms=number % 5, cwd=told)
            file = file_of(after + 400, thread=after)
            found += [old, batch(file, meta=later, header=continuing(after, 500))]
    return found


def _many() -> list[Batch]:
    """Threads of a few times, some without one; some of sub-agents, some of a folder."""
    return _placed() + [
        _thread(
            number,
            None if number % 11 == 0 else number % 7,
            source="subagent" if number % 5 == 0 else "cli",
            cwd="/w/deep" if number % 13 == 0 else "/elsewhere",
        )
        for number in range(1, _COUNT)
    ]


_FILTERS: list[Wanted] = [
    Wanted(agents=True),
    Wanted(),
    Wanted(limit=1),
    Wanted(limit=70),
    Wanted(since_ms=4),
    Wanted(place=Place(("/w",))),
    Wanted(place=Place(("/w", "/w/"))),
    Wanted(place=Place(("/elsewhere",)), limit=3, agents=True),
    Wanted(place=Place(("/w",)), since_ms=3),
    Wanted(place=Place((_LONG,))),
    Wanted(place=Place((_LONG + "/y",))),
    Wanted(place=Place(("/w/a|b",))),
    Wanted(place=Place(("/",))),
    Wanted(place=Place(("/g", "C:\\w"), "o/r")),
    Wanted(place=Place((), "example.org/o/r")),
    Wanted(place=Place((), "o/r"), limit=2),
    Wanted(place=Place((), None, ("/g/one", "/later"))),
    Wanted(sources=("subagent",), limit=200),
    Wanted(archived="only"),
    Wanted(deleted="only"),
    Wanted(text="nowhere"),
]


@pytest.fixture(scope="module")
def many(new_database: Callable[[], str]) -> str:
    where = new_database()
    _filled(where, _many())
    return where


def _all(db: Connection) -> list[dict[str, Any]]:
    order = " ORDER BY updated_at_ms DESC NULLS LAST, thread_id DESC"
    rows = db.dicts("SELECT * FROM threads" + order)
    for row in rows:
        row.pop("source_id", None)
    return rows


@pytest.mark.parametrize("wanted", _FILTERS, ids=map(str, range(len(_FILTERS))))
def test_a_list_is_what_a_filter_leaves_of_all(many: str, wanted: Wanted) -> None:
    """Ties of time, no time at all, pages that end anywhere: the same as of the whole view."""
    with closing(reading(many)) as db:
        assert listed(db, wanted) == choose(_all(db), wanted)


def test_a_page_is_a_part_of_the_list_and_counts_no_further_than_asked(many: str) -> None:
    with closing(reading(many)) as db:
        every = _all(db)
        for wanted in (
            Wanted(),
            Wanted(place=Place(("/w",))),
            Wanted(until_ms=3),
            Wanted(model="m"),
        ):
            rows = choose(every, wanted).rows
            for skip, most in ((0, 1000), (10, 50), (40, 45)):
                found = thread_list.page(db, wanted, skip, 20, most=most, failed=False)
                assert found.rows == rows[:most][skip : skip + 20]
                assert found.total == min(len(rows), most)
        for wanted in (Wanted(), Wanted(model="m")):
            (row,), total = thread_list.page(db, wanted, 0, 20, most=9, failed=True)
            assert (row["thread_id"], total) == (thread_id(_COUNT), 1)


def test_a_list_of_a_place_is_the_same_by_either_index(
    many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are many places the newest threads are read instead of each place."""
    monkeypatch.setattr(thread_list, "_FEW", 0)
    monkeypatch.setattr(thread_list, "_PART", 1000)
    with closing(reading(many)) as db:
        every = _all(db)
        for wanted in _FILTERS:
            if not wanted.place.everywhere:
                assert listed(db, wanted) == choose(every, wanted)
                there = [
                    row["thread_id"]
                    for row in every
                    if wanted.place.has(row["cwd"], row["git_origin_url"])
                ]
                assert sorted(thread_list.ids_at(db, wanted.place)) == sorted(there)


def test_a_place_that_is_rare_is_a_list_too(many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other threads are not read, however many are newer."""
    pages: list[int] = []
    real = newest._paged

    def counted(*words: Any) -> Any:
        for page in real(*words):
            pages.append(len(page))
            yield page

    monkeypatch.setattr(newest, "_paged", counted)
    with closing(reading(many)) as db:
        assert len(listed(db, Wanted(place=Place(("/mnt/c/w",)))).rows) == 4
        assert sum(pages) < 2 * len(_PLACES)


def test_a_short_list_reads_no_more_than_it_needs(
    many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[int] = []
    real = newest.whole

    def counted(db: Connection, wanted: Any) -> Any:
        pages.append(len(wanted))
        return real(db, wanted)

    monkeypatch.setattr(newest, "whole", counted)
    with closing(reading(many)) as db:
        assert len(listed(db, Wanted(limit=5)).rows) == 5
        assert sum(pages) <= newest.FIRST

        rows = iter(select(db, Wanted(agents=True)))
        next(rows)
        assert sum(pages) <= 2 * newest.FIRST, "a long one streams"


def test_a_thread_of_a_name_is_found_by_an_index(
    database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name now, not one that it had; other threads are not read."""
    long = "n" * 250

    async def story() -> None:
        store = await open_store(url_of(database), source="one")
        try:
            for number, name in enumerate(("old", "a name", long + "1", long + "2", None), start=1):
                await store.commit([batch(file_of(number), meta=ThreadMetadata(name=name))])
            await store.set_names({thread_id(1): "a name", thread_id(9): "nobody's"})
        finally:
            await store.close()

    asyncio.run(story())
    with closing(reading(database)) as db:
        assert resolve.named(db, "nobody's") == resolve.named(db, "old") == []
        monkeypatch.setattr(resolve, "resolve", lambda *_: pytest.fail("all threads were read"))
        for name, numbers in (("a name", [1, 2]), (long + "1", [3]), (long + "2", [4])):
            found = sorted(one.thread_id for one in resolve.named(db, name))
            assert found == [thread_id(number) for number in numbers]


def test_hosts_are_told_apart(database: Where) -> None:
    _filled(database, [_thread(1, 5)])
    if not url_of(database).startswith("postgresql"):
        with closing(reading(database)) as db:
            assert listed(db, Wanted(hosts=("other",))).rows == []
        return
    _filled(database, [_thread(2, 9), _thread(3, 1)], source="two")
    with closing(reading(database)) as db:
        rows = listed(db, Wanted()).rows
        assert [row["thread_id"] for row in rows] == [thread_id(number) for number in (2, 1, 3)]
        (host,) = {row["host"] for row in rows}
        assert len(listed(db, Wanted(hosts=(host, "other"))).rows) == 3
        assert listed(db, Wanted(hosts=("other",))).rows == []


@own_server
def test_the_view_is_read_by_the_index_too(many: str) -> None:
    """`ORDER BY updated_at_ms DESC LIMIT 20`, as anybody would write it."""
    with closing(reading(many)) as db:
        question = "SELECT * FROM threads ORDER BY updated_at_ms DESC LIMIT 20"
        if db.server() is not None:
            db.rows("SELECT set_config('enable_sort', 'off', false)")  # there are few threads
        explain = Sql(f"EXPLAIN QUERY PLAN {question}", f"EXPLAIN {question}")
        plan = "\n".join(str(row) for row in db.rows(explain))

    assert "rollouts_by_update" in plan
