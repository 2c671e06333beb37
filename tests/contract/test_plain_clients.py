"""What a client can do that has nothing of this program: open every table and view, and search."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from projector.search import text as words
from projector.store.sqlite.store import SqliteStore
from tests.support.makers import batch, file_of, item
from tests.support.projecting import backfilled
from tests.unit.search.test_search_text import ITEMS

#: Views that people and programs may rely on.
PUBLIC = frozenset({
    "all_items", "all_turns", "anomalies", "changes", "codex_projection_state",
    "codex_thread_items", "codex_thread_realtime_items", "codex_thread_turns", "columns",
    "commands",
    "file_changes", "lifecycle_events", "messages", "rate_limits", "search", "thread_history",
    "thread_tokens",
    "thread_turn_history", "threads", "token_costs", "token_days", "token_usage", "tool_calls",
})  # fmt: skip
#: Views that have no rows here.
EMPTY = frozenset({"anomalies", "codex_thread_realtime_items"})
SAMPLE = Path(__file__).parents[2] / "projector" / "sample"


#: How much of outputs is indexed: less than some items have.
BOUND = 50
MORE: list[tuple[str, dict[str, Any]]] = [
    ("agentMessage", {"text": "泡茶 green tea ไก่ " * 200}),
    ("agentMessage", {"text": "ёлка καφές"}),
    ("plan", {"text": "\0 in it"}),
    ("plan", {}),
    ("userMessage", {"content": "no list"}),
    ("fileChange", {"changes": {"path": "no list"}}),
    ("commandExecution", {"command": "", "aggregatedOutput": "é" * 30}),
    ("commandExecution", {"command": "x", "aggregatedOutput": "a茶" * 30}),
    ("mcpToolCall", {"server": "s", "tool": "t", "arguments": {"a": {"b": [1.5, False, "c d"]}}}),
    ("functionCallOutput", {"name": "n", "output": [{"text": "one"}, "two", {"image": "x"}]}),
    ("ofTomorrow", {"deep": "x"}),
]


async def _made(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.configure_search("all", BOUND)
    known = [(kind, fields) for kind, fields, _ in ITEMS]
    kinds = [
        (kind, orjson.dumps({"type": kind, "id": "i", **fields}).decode())
        for kind, fields in [*known, *MORE]
    ]
    kinds.append(("ofTomorrow", f'{{"deep":{"[" * 1500}"x"{"]" * 1500}}}'))
    kinds.append(("ofTomorrow", '{"half":"a\\ud800b"}'))
    rows = [item(9, f"i{n}", n, kind=kind, json=json) for n, (kind, json) in enumerate(kinds)]
    await store.commit([batch(file_of(9), rows)])
    while await store.backfill_search():
        pass
    await store.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database of the sample, and of items of every type and of none."""
    path = tmp_path_factory.mktemp("plain") / "projector.db"
    backfilled(SAMPLE, path)
    asyncio.run(_made(path))
    return path


@pytest.fixture
def plain(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        yield db


def test_every_table_and_view_opens(plain: sqlite3.Connection) -> None:
    """As a viewer does it: columns, some rows, how many there are."""
    names = [
        name
        for (name,) in plain.execute(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
        )
    ]
    assert {*PUBLIC, "_item_index", "_item_texts", "_items"} <= {*names}
    for name in names:
        columns = [column for _, column, *_ in plain.execute(f'PRAGMA table_xinfo("{name}")')]
        rows = plain.execute(f'SELECT * FROM "{name}" LIMIT 5').fetchall()
        ((count,),) = plain.execute(f'SELECT count(*) FROM "{name}"')
        assert columns
        assert len(rows) == min(count, 5), name
        plain.execute(f'SELECT * FROM "{name}"').fetchall()


def test_no_public_view_shows_bytes(plain: sqlite3.Connection) -> None:
    for name in PUBLIC:
        rows = plain.execute(f"SELECT * FROM {name}").fetchall()
        assert rows or name in EMPTY, name
        assert not [row for row in rows for value in row if isinstance(value, bytes)], name


SEARCHES = [
    ("SELECT DISTINCT type FROM search WHERE search MATCH 'kettle' ORDER BY rank", "type"),
    ("SELECT snippet(search, 0, '[', ']', '…', 8) FROM search WHERE search MATCH 'done'", "[done]"),
    ("SELECT snippet(_item_index, 0, '[', ']', '', 8) FROM _item_index('done')", "[done]"),
    ("SELECT snippet(search, 0, '[', ']', '…', 8) FROM search WHERE search MATCH '\"泡 茶\"'",
     "[泡\u200b\u200b茶]"),
    ("SELECT highlight(search, 0, '[', ']') FROM search WHERE search MATCH 'елка'", "[ёлка]"),
    ("SELECT bm25(search) < 0 FROM search WHERE search MATCH 'black'", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "has"), SEARCHES)
def test_search(plain: sqlite3.Connection, sql: str, has: str) -> None:
    rows = plain.execute(sql).fetchall()

    assert rows
    assert has == "type" or any(has in str(value) for row in rows for value in row)


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 on this machine")
def test_the_shell_of_sqlite(database: Path) -> None:
    names = " ".join(f"SELECT count(*) FROM {name};" for name in sorted(PUBLIC))
    searched = " ".join(f"{sql};" for sql, _ in SEARCHES)

    told = subprocess.run(
        ["sqlite3", "-readonly", "-bail", str(database), f"{names} {searched}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (told.returncode, told.stderr) == (0, "")


def test_texts_in_sql_have_the_words_that_are_indexed(plain: sqlite3.Connection) -> None:
    """At the same places; else a snippet would mark others. But for what only one can read."""

    def tokens(text: str) -> list[tuple[str, int]]:
        with closing(sqlite3.connect(":memory:")) as db:
            db.execute(f'CREATE VIRTUAL TABLE f USING fts5 (text, tokenize = "{words.TOKENIZER}")')
            db.execute("CREATE VIRTUAL TABLE v USING fts5vocab (f, 'instance')")
            db.execute("INSERT INTO f VALUES (?)", (text,))
            return db.execute("SELECT term, offset FROM v ORDER BY offset").fetchall()

    rows = plain.execute(
        "SELECT i.type, i.json, t.text, s.what, s.max_text_bytes FROM _item_texts AS t"
        " JOIN _items AS i ON i.item = t.item JOIN _search_state AS s"
    ).fetchall()
    wrong = [
        (kind, json)
        for kind, json, text, what, most in rows
        if tokens(text) != tokens(words.shown(kind, json, what, most))
        and "ud800" not in json
        and "[[[" not in json
    ]

    assert len(rows) > 40
    assert wrong == []


def test_names_of_what_is_internal_begin_with_an_underscore(database: Path) -> None:
    """Tables all are."""
    with closing(sqlite3.connect(database)) as db:
        found = db.execute(
            "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view')"
            " AND substr(name, 1, 7) <> 'sqlite_'"
        ).fetchall()
    shown = {name for kind, name in found if kind == "view" and not name.startswith("_")}

    assert [name for kind, name in found if kind == "table" and not name.startswith("_")] == []
    assert shown == PUBLIC
