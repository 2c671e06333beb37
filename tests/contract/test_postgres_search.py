"""Full-text search on PostgreSQL: what it finds is what SQLite's finds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.search import tsvector as lexemes
from projector.search.text import query
from projector.store.postgres import search
from projector.store.protocol import Batch
from tests.contract.backends import PostgresBackend, Queried, Run, SqliteBackend
from tests.support.makers import at, batch, file_of, item, rollout_id

TEXTS = (
    "green tea", "Green TEA, please", "teapot", "grün-tee und Café", "cafe\u0301", "straße",
    "路径 中文分词", "日本語のテキスト", "한국어 텍스트", "foo_bar foo.py /usr/lib/x86_64",
    "1e5 -5 3.14",
    "https://host.example/a?b=c", "don't", "a'b\\c", "", "\u200b\u00a0", "ÀÉÎ õü", "Ωμέγα ΩΜΕΓΑ",
)  # fmt: skip
ASKED = (
    "green", "GREEN tea", '"green tea"', '"tea green"', "tea*", "teap*", "grun", "cafe", "strasse",
    "straße", "中文", "文中", "テキスト", "한국", "foo", "bar", "py", "usr lib", "1e5", "5", "14",
    "example",
    "don't", "aei*", "ωμεγα", '"foo bar"', "'", "x86",
)  # fmt: skip


def said(text: str) -> str:
    return orjson.dumps({"type": "agentMessage", "id": "i", "text": text}).decode()


@pytest.fixture
def backend(postgres: str) -> PostgresBackend:
    return PostgresBackend(postgres)


def find(store: Queried, run: Run, words: str) -> list[str]:
    asked = lexemes.query([words])
    if not asked:
        return []
    found = run(
        store.query(
            "SELECT DISTINCT item_id FROM search WHERE search @@ ?::tsquery ORDER BY 1", (asked,)
        )
    )
    return [name for (name,) in found]


def spoken(texts: Sequence[str]) -> Batch:
    rows = [
        item(1, f"i{n:02}", n, kind="agentMessage", json=said(text)) for n, text in enumerate(texts)
    ]
    return batch(file_of(1), rows)


def test_both_engines_find_the_same(backend: PostgresBackend, tmp_path: Path, run: Run) -> None:
    sqlite = SqliteBackend(tmp_path)

    async def both() -> None:
        async with backend.open() as here, sqlite.open() as there:
            for store in (here, there):
                await store.configure_search("all", 8192)
                await store.commit([spoken(TEXTS)])
            for words in ASKED:
                wanted = query([words])
                expected = wanted and await there.query(
                    "SELECT item_id FROM search WHERE search MATCH ? ORDER BY 1", (wanted,)
                )
                tsquery = lexemes.query([words])
                found = tsquery and await here.query(
                    "SELECT item_id FROM search WHERE search @@ ?::tsquery ORDER BY 1", (tsquery,)
                )
                assert found == expected, words

    run(both())


def test_words_follow_their_items(store: Queried, run: Run) -> None:
    """Written, updated, made anew, purged."""
    run(store.configure_search("all", 8192))
    first = item(1, "a", 1, kind="agentMessage", json=said("old words"))
    run(store.commit([batch(file_of(1), [first])]))
    assert find(store, run, "old") == ["a"]
    again = item(1, "a", 1001, kind="agentMessage", json=said("new words"))
    run(store.commit([batch(file_of(1), [again], start=at(1000), end=2000)]))
    assert (find(store, run, "old"), find(store, run, "new")) == ([], ["a"])

    async def anew() -> AsyncIterator[Batch]:
        other = item(1, "b", 5, kind="agentMessage", json=said("third time"))
        yield batch(file_of(1), [other], end=at(500, generation=1))

    run(store.replace(at(2000), anew()))
    assert (find(store, run, "new"), find(store, run, "third")) == ([], ["b"])
    run(store.mark_missing([rollout_id(1)], purge=True))

    assert find(store, run, "third") == []


def test_what_was_there_before_is_filled_in_steps(
    store: Queried, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New items are found at once, old ones as the steps reach them; then all of them."""
    monkeypatch.setattr(search, "STEP", 3)
    for number in range(1, 6):
        rows = [
            item(number, f"i{n}", n, kind="agentMessage", json=said(f"word{number} tea"))
            for n in range(number)
        ]
        run(store.commit([batch(file_of(number), rows)]))
    assert find(store, run, "tea") == []
    run(store.configure_search("all", 8192))
    late = item(9, "late", 1, kind="agentMessage", json=said("tea"))
    run(store.commit([batch(file_of(9), [late])]))
    assert find(store, run, "tea") == ["late"]

    steps = 1
    while run(store.backfill_search()):
        steps += 1

    assert steps >= 5
    assert find(store, run, "tea") == ["i0", "i1", "i2", "i3", "i4", "late"]
    assert find(store, run, "word5") == ["i0", "i1", "i2", "i3", "i4"]
    assert run(store.backfill_search()) is False
    run(store.configure_search("messages", 8192))
    assert find(store, run, "tea") == []
    while run(store.backfill_search()):
        pass
    assert find(store, run, "word1") == ["i0"]
    run(store.configure_search("off", 0))
    assert find(store, run, "word1") == []


def test_a_text_too_long_for_a_vector_is_found_by_its_beginning(store: Queried, run: Run) -> None:
    run(store.configure_search("all", 8192))
    long = " ".join(f"word{n}" for n in range(200_000)) + " " + "x" * 3_000
    row = item(1, "a", 1, kind="agentMessage", json=said(long))
    run(store.commit([batch(file_of(1), [row])]))

    assert find(store, run, "word7") == ["a"]


@given(text=st.text(max_size=80))
def test_any_text_makes_a_vector_that_can_be_written(text: str) -> None:
    """Nothing in it ends a word early; every word of it is asked for by the same spelling."""
    vector = lexemes.vector(text.encode("utf-8", "replace"))
    words = lexemes.words(text)
    places: dict[bytes, list[int]] = {}
    for place, word in enumerate(words, 1):
        places.setdefault(word.encode(), []).append(place)

    assert (vector is None) == (not words)
    assert all("'" not in word and "\\" not in word and " " not in word for word in words)
    assert vector is None or _positions(vector) == places


def _positions(vector: bytes) -> dict[bytes, list[int]]:
    """Read a vector as the server does."""
    places, rest = {}, vector[4:]
    while rest:
        word, _, rest = rest.partition(b"\0")
        number = int.from_bytes(rest[:2], "big")
        at, rest = rest[2 : 2 + 2 * number], rest[2 + 2 * number :]
        places[word] = [int.from_bytes(at[n : n + 2], "big") for n in range(0, 2 * number, 2)]
    assert len(places) == int.from_bytes(vector[:4], "big")
    return places


@pytest.mark.parametrize("seed", range(3))
def test_the_server_takes_any_vector(store: Queried, run: Run, seed: int) -> None:
    chance = Random(seed)
    alphabet = "aB9'\\:, \t&|!()<>*-_\"éß中한\u0301\u200b\U0001f600\0"
    texts = ["".join(chance.choices(alphabet, k=chance.randrange(60))) for _ in range(80)]
    run(store.configure_search("all", 8192))
    run(store.commit([spoken(texts)]))
    for text in texts:
        find(store, run, text)

    assert run(store.query("SELECT count(*) FROM _items")) == [(len(texts),)]
