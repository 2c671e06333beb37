"""The full-text index holds the words of the items that are there, at every commit; no others."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from projector.model.changes import Change, ItemRow, TombstoneFrames
from projector.model.ids import Offset
from projector.search.text import REVISION, TOKENIZER, Indexing, indexed
from projector.store.protocol import Batch
from projector.store.sqlite import search_index as index
from projector.store.sqlite.store import SqliteStore
from tests.contract.backends import Run
from tests.support.makers import (
    LEGACY,
    at,
    batch,
    continuing,
    file_of,
    item,
    rollout_id,
    thread_id,
)

BOUND = 100


@pytest.fixture
def store(tmp_path: Path, run: Run) -> Iterator[SqliteStore]:
    opened = run(SqliteStore.open(tmp_path / "index.db"))
    yield opened
    run(opened.close())


def said(name: str, offset: int, text: str, *, number: int = 1, **more: Any) -> ItemRow:
    json = orjson.dumps({"type": "agentMessage", "id": name, "text": text}).decode()
    return item(number, name, offset, kind="agentMessage", json=json, **more)


def ran(name: str, offset: int, output: str) -> ItemRow:
    fields = {"type": "commandExecution", "command": f"run {name}", "aggregatedOutput": output}
    json = orjson.dumps(fields).decode()
    return item(1, name, offset, kind="commandExecution", json=json)


def find(store: SqliteStore, run: Run, words: str) -> list[tuple[str, str]]:
    """Give thread and item of what is found, by its SQL."""
    rows: list[tuple[str, str]] = run(
        store.query(
            "SELECT thread_id, item_id FROM search WHERE search MATCH ? ORDER BY 1, position",
            (words,),
        )
    )
    return rows


def words_of(db: sqlite3.Connection, index: str) -> list[tuple[str, int, int]]:
    """Return every word of an index, with its item and its place."""
    db.execute(f"CREATE VIRTUAL TABLE temp.v USING fts5vocab (main, {index}, 'instance')")
    return db.execute("SELECT term, doc, offset FROM temp.v ORDER BY 1, 2, 3").fetchall()


def check(store: SqliteStore, run: Run) -> None:
    """Compare the index with a new one of all texts that it says it holds."""
    run(store.query("INSERT INTO _item_index (_item_index) VALUES ('integrity-check')"))
    ((_, _, path),) = run(store.query("PRAGMA database_list"))[:1]
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(":memory:")) as fresh:
        fresh.execute(f'CREATE VIRTUAL TABLE f USING fts5 (text, tokenize = "{TOKENIZER}")')
        for number, *rest in db.execute(
            "SELECT item, type, json, what, max_text_bytes FROM _items JOIN _search_state"
            " WHERE item > unfilled"
        ):
            fresh.execute("INSERT INTO f (rowid, text) VALUES (?, ?)", (number, indexed(*rest)))
        assert words_of(db, "_item_index") == words_of(fresh, "f")


def ids(found: Sequence[tuple[str, str]]) -> list[str]:
    return [name for _, name in found]


async def _all(*batches: Batch) -> AsyncIterator[Batch]:
    for one in batches:
        yield one


def test_the_check_sees_a_word_too_many(store: SqliteStore, run: Run) -> None:
    """Else the other tests here would prove nothing."""
    run(store.configure_search("all", BOUND))
    run(store.commit([batch(file_of(1), [said("a", 1, "one two")])]))
    check(store, run)
    run(store.query("INSERT INTO _item_index (rowid, text) VALUES (99, 'stray')"))

    with pytest.raises(AssertionError):
        check(store, run)


def test_an_item_that_is_updated_is_found_by_its_new_words_alone(
    store: SqliteStore, run: Run
) -> None:
    run(store.configure_search("all", BOUND))
    first = batch(file_of(1), [said("a", 1, "old"), said("b", 2, "kept"), said("a", 1, "mid")])
    run(store.commit([first]))
    assert find(store, run, "old") == []
    assert ids(find(store, run, "mid")) == ["a"]
    run(store.commit([batch(file_of(1), [said("a", 5, "new")], start=first.end, end=2000)]))

    assert find(store, run, "mid") == []
    assert ids(find(store, run, "new")) == ["a"]
    assert ids(find(store, run, "kept")) == ["b"]
    check(store, run)


def test_words_that_come_with_the_items(store: SqliteStore, run: Run) -> None:
    """Of some; of an item that comes again in the batch; made as the index has them, or not."""
    run(store.configure_search("all", BOUND))
    wanted = Indexing("all", BOUND)

    def told(row: ItemRow, words: str) -> ItemRow:
        return row._replace(words=words.encode())

    two = said("b", 2, "two")
    two = two._replace(json=str(two.json).encode())
    first = batch(file_of(1), [told(said("a", 1, "one"), "one"), two, ran("c", 3, "three")])
    run(store.commit([replace(first, indexing=wanted)]))
    check(store, run)
    again = [told(said("a", 4, "four"), "four"), told(said("d", 5, "five"), "five")]
    later = batch(file_of(1), again, start=first.end, end=2000)
    run(store.commit([replace(later, indexing=wanted)]))
    check(store, run)
    twice = [told(said("e", 6, "six"), "six"), told(said("e", 7, "seven"), "seven")]
    barrier = TombstoneFrames(at=Offset(8), owner_from=99)
    third = batch(file_of(1), [*twice, barrier, twice[0]], start=later.end, end=3000)
    run(store.commit([replace(third, indexing=wanted)]))
    check(store, run)
    nine = told(said("f", 9, "nine"), "stray")
    nine = nine._replace(json=str(nine.json).encode())
    other = batch(file_of(1), [nine], start=third.end, end=4000)
    run(store.commit([replace(other, indexing=Indexing("all", BOUND + 1))]))
    check(store, run)

    everything = ("one", "two", "three", "four", "five", "six", "seven", "nine", "stray")
    found = [ids(find(store, run, word)) for word in everything]
    assert found == [[], ["b"], ["c"], ["a"], ["d"], ["e"], [], ["f"], []]


def test_an_item_that_is_rolled_back_is_not_found_until_it_lives_again(
    store: SqliteStore, run: Run
) -> None:
    run(store.configure_search("all", BOUND))
    word = said("a", 1, "word", owner=1, ordinal=None)
    first = batch(file_of(1), [word, TombstoneFrames(at=10, owner_from=1)], header=LEGACY)  # type: ignore[arg-type] # an offset
    run(store.commit([first]))
    assert find(store, run, "word") == []
    check(store, run)
    run(store.commit([batch(file_of(1), [word], start=first.end, end=2000, header=LEGACY)]))

    assert ids(find(store, run, "word")) == ["a"]
    check(store, run)


def test_a_fork_finds_what_it_inherits_and_a_revert_loses_what_it_cut_off(
    store: SqliteStore, run: Run
) -> None:
    run(store.configure_search("all", BOUND))
    run(store.commit([batch(file_of(1), [said("a", 100, "word"), said("b", 600, "word")])]))
    run(store.commit([batch(file_of(2), header=continuing(1, 500))]))
    run(store.commit([batch(file_of(3, thread=1), header=continuing(1, 500))]))

    assert find(store, run, "word") == [(thread_id(1), "a"), (thread_id(2), "a")]
    inherited = run(
        store.query("SELECT thread_id FROM search WHERE search MATCH 'word' AND inherited")
    )
    assert inherited == [(thread_id(2),)]


def test_a_rollout_that_is_made_anew_is_found_by_its_new_words(
    store: SqliteStore, run: Run
) -> None:
    run(store.configure_search("all", BOUND))
    run(store.commit([batch(file_of(1), [said("a", 1, "same"), said("b", 2, "old")])]))
    anew = batch(file_of(1), [said("a", 1, "same"), said("b", 3, "new")], end=at(900, generation=1))
    run(store.replace(at(1000), _all(anew)))

    assert find(store, run, "old") == []
    assert [ids(find(store, run, word)) for word in ("same", "new")] == [["a"], ["b"]]
    check(store, run)


def test_a_rollout_that_is_purged_leaves_no_word(store: SqliteStore, run: Run) -> None:
    """Numbers of items that are gone may be used again."""
    run(store.configure_search("all", BOUND))
    run(store.commit([batch(file_of(1), [said("a", 1, "first")])]))
    run(store.commit([batch(file_of(2), [said("b", 1, "second", number=2)])]))
    run(store.mark_missing([rollout_id(2)], purge=True))
    check(store, run)
    run(store.commit([batch(file_of(3), [said("c", 1, "third", number=3)])]))

    assert [ids(find(store, run, word)) for word in ("first", "second", "third")] == [
        ["a"], [], ["c"],
    ]  # fmt: skip
    check(store, run)


def test_it_is_filled_in_steps_while_rows_come_and_change(
    store: SqliteStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Switched on later; at every commit it holds what it says it holds."""
    monkeypatch.setattr(index, "STEP", 3)
    first = batch(file_of(1), [said(f"i{n}", n, f"word w{n}") for n in range(10)])
    run(store.commit([first]))
    assert find(store, run, "word") == []

    run(store.configure_search("all", BOUND))
    run(store.commit([batch(file_of(2), [said("n", 1, "word", number=2)])]))
    assert ids(find(store, run, "word")) == ["n"]
    steps = 1
    while run(store.backfill_search()):
        steps += 1
        check(store, run)
        # An item that is indexed already, one that is not yet, and a new one.
        changed = [said("i9", 1, f"word again{steps}"), said("i0", 1, f"word late{steps}")]
        begun = at(1000 * (steps - 1))
        run(store.commit([batch(file_of(1), changed, start=begun, end=1000 * steps)]))
        check(store, run)

    assert steps == 4
    assert len(find(store, run, "word")) == 11
    assert ids(find(store, run, "again4 OR late4 OR w5")) == ["i0", "i5", "i9"]
    assert find(store, run, "again3 OR late3 OR w0 OR w9") == []


def test_a_bound_that_changes_makes_it_anew(store: SqliteStore, run: Run) -> None:
    run(store.configure_search("all", 4))
    run(store.commit([batch(file_of(1), [ran("c", 1, "abc defghi")])]))
    assert ids(find(store, run, "abc")) == ["c"]
    assert find(store, run, "defghi") == []

    run(store.configure_search("all", 40))
    assert find(store, run, "abc") == []
    assert run(store.backfill_search()) is False

    assert ids(find(store, run, "defghi")) == ["c"]
    check(store, run)


def test_words_that_are_made_in_another_way(
    store: SqliteStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is taken out by another text than was put in; all are made again, behind the news."""
    run(store.configure_search("all", BOUND))
    first = batch(file_of(1), [said("a", 1, "green"), said("b", 2, "black"), said("c", 3, "red")])
    run(store.commit([first]))

    # The next release says "so" behind each text.
    monkeypatch.setattr(index, "REVISION", REVISION + 1)
    monkeypatch.setattr(index, "indexed", lambda *item: indexed(*item) + " so")
    ((_, _, path),) = run(store.query("PRAGMA database_list"))[:1]
    later = run(SqliteStore.open(Path(path)))
    # Written before anybody says what is to be indexed.
    run(later.commit([batch(file_of(1), [said("a", 5, "white")], start=first.end, end=2000)]))
    assert [ids(find(later, run, word)) for word in ("green", "white", "so")] == [[], [], []]
    run(later.configure_search("all", BOUND))
    news = batch(file_of(2), [said("n", 1, "white", number=2)])
    run(later.commit([news]))
    assert ids(find(later, run, "white")) == ["n"]
    while run(later.backfill_search()):
        pass

    assert [ids(find(later, run, word)) for word in ("green", "black", "white", "so")] == [
        [], ["b"], ["a", "n"], ["a", "b", "c", "n"],
    ]  # fmt: skip
    run(later.mark_missing([rollout_id(1)], purge=True))
    assert ids(find(later, run, "so")) == ["n"]
    run(later.close())


def test_messages_alone_and_off(store: SqliteStore, run: Run) -> None:
    """Switched off, no word stays behind."""
    changes: list[Change] = [said("m", 1, "word"), ran("c", 2, "word")]
    run(store.configure_search("messages", BOUND))
    run(store.commit([batch(file_of(1), changes)]))
    assert ids(find(store, run, "word")) == ["m"]
    check(store, run)

    run(store.configure_search("off", BOUND))
    run(store.commit([batch(file_of(2), [said("n", 1, "word", number=2)])]))

    assert run(store.backfill_search()) is False
    assert find(store, run, "word") == []
    assert run(store.query("SELECT count(*) FROM _item_index_docsize")) == [(0,)]
    check(store, run)


def test_the_setting_that_holds_changes_nothing(store: SqliteStore, run: Run) -> None:
    run(store.configure_search("all", BOUND))
    run(store.commit([batch(file_of(1), [said("a", 1, "word")])]))
    run(store.configure_search("all", BOUND))

    assert ids(find(store, run, "word")) == ["a"]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_it_holds_the_words_that_are_there(
    store: SqliteStore, run: Run, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random stories of commits, updates, replacements, purges, fillings and settings."""
    monkeypatch.setattr(index, "STEP", 2)
    chance = random.Random(seed)
    standing: dict[int, tuple[int, int]] = {}
    texts = ["red", "blue", "茶道 é", "ёлка か\u3099"]
    for _ in range(60):
        number = chance.randint(1, 3)
        rows = [
            said(f"i{chance.randint(0, 6)}", n, chance.choice(texts), number=number)
            for n in range(chance.randint(0, 4))
        ]
        generation, offset = standing.get(number, (0, 0))
        match chance.choice(["commit", "commit", "replace", "purge", "fill", "index"]):
            case "commit":
                start = at(offset, generation=generation) if number in standing else None
                end = at(offset + 100, generation=generation)
                run(store.commit([batch(file_of(number), rows, start=start, end=end)]))
                standing[number] = generation, offset + 100
            case "replace" if number in standing:
                end = at(50, generation=generation + 1)
                anew = batch(file_of(number), rows, end=end)
                run(store.replace(at(offset, generation=generation), _all(anew)))
                standing[number] = generation + 1, 50
            case "purge":
                run(store.mark_missing([rollout_id(number)], purge=True))
                standing.pop(number, None)
            case "fill":
                run(store.backfill_search())
            case "index":
                run(
                    store.configure_search(
                        chance.choice(["all", "messages", "off"]), chance.choice([0, 50])
                    )
                )
        check(store, run)
    run(store.configure_search("all", 10))
    while run(store.backfill_search()):
        pass
    check(store, run)
    found = run(store.query("SELECT uid FROM search WHERE search MATCH 'red' ORDER BY uid"))
    there = "SELECT uid FROM messages WHERE text = 'red' ORDER BY uid"

    assert found == run(store.query(there))
