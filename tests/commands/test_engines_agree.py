"""The same home in SQLite and in PostgreSQL: every command says the same of both."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from projector import cli
from projector.serve.health.database_stats import count
from tests.sample import make
from tests.support.databases import reading
from tests.support.docs import manual_text
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
from tests.support.rows import OF_SERVERS, rows_of
from tests.support.server import Server
from tests.support.stage import home_with_all_kinds

MANUAL: Final = manual_text()
#: What depends on where a database is and not on what it holds.
ITS_OWN: Final = frozenset(
    {"database", "database_bytes", "wal_bytes", "free_bytes", "seconds", *OF_SERVERS}
)
ODD: Final = rb"\u0000 \ud800 \udc00 \uf8f00041 \\u0000"


class Both(NamedTuple):
    """A home, and its databases."""

    home: Path
    urls: tuple[str, str]


@contextmanager
def projected(folder: Path, server: Server) -> Iterator[Both]:
    """One home on both engines."""
    home = home_with_all_kinds(folder / "home")
    shutil.copytree(make.SHIPPED, home, dirs_exist_ok=True)
    path = Rollout(seed=7).write(home, size=4_000)
    path.write_bytes(path.read_bytes().replace(b" harbour ", b" harbour " + ODD + b" "))
    urls = (f"sqlite:///{folder}/p.db", server.make_database(server.template()))
    for url in urls:
        backfilled(home, url, batch_records=7)
    yield Both(home, urls)
    server.drop_database(urls[1])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Both]:
    """For tests that only read."""
    with projected(tmp_path_factory.mktemp("both"), server) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path, server: Server) -> Iterator[Both]:
    """For a test that writes."""
    with projected(tmp_path, server) as made:
        yield made


def said(
    both: Both, capsysbinary: pytest.CaptureFixture[bytes], *arguments: str
) -> tuple[tuple[int, bytes, bytes], tuple[int, bytes, bytes]]:
    """Run a command on both; gives exit codes, outputs, errors."""
    found = []
    for url in both.urls:
        code = cli.run([*arguments, "--codex-home", str(both.home), "--database", url])
        found.append((code, *capsysbinary.readouterr()))
    return found[0], found[1]


def without(value: Any, names: frozenset[str] = ITS_OWN) -> Any:
    """Leave out what is a database's own."""
    if isinstance(value, dict):
        return {key: without(one, names) for key, one in value.items() if key not in names}
    return [without(one, names) for one in value] if isinstance(value, list) else value


AS_WRITTEN = [
    ["threads"],
    ["threads", "--all"],
    ["threads", "--archived"],
    ["threads", "--cwd", make.CWD],
    ["show", "A faster kettle"],
    ["show", "Tea temperatures", "--format", "markdown"],
    ["show", "Tea temperatures", "--format", "events"],
    ["show", "A name", "--full"],
    ["show", "A name", "--format", "events"],
    ["search", "kettle"],
    ["search", "kett*", "--type", "command"],
    ["search", '"kettle test"'],
    ["search", "harbour", "--limit", "5"],
    ["search", "harbour", "voyage", "--limit", "0"],
    ["search", "茶"],
]


@pytest.mark.parametrize("arguments", AS_WRITTEN, ids=" ".join)
def test_what_people_read(
    both: Both, capsysbinary: pytest.CaptureFixture[bytes], arguments: list[str]
) -> None:
    """To the letter."""
    one, other = said(both, capsysbinary, *arguments)

    assert one == other


DOCUMENTS = [
    ["status", "--rollouts"],
    ["health"],
    ["threads", "--all"],
    ["search", "harbour", "--limit", "0"],
    ["verify"],
    ["show", "A faster kettle", "--format"],
]


@pytest.mark.parametrize("arguments", DOCUMENTS, ids=" ".join)
def test_documents(
    both: Both, capsysbinary: pytest.CaptureFixture[bytes], arguments: list[str]
) -> None:
    """But for what a database says of itself."""
    form = "json" if arguments[-1] == "--format" else "--json"
    one, other = said(both, capsysbinary, *arguments, form)

    assert (one[0], one[2]) == (other[0], other[2])
    first, second = (without(json.loads(found[1])) for found in (one, other))
    if arguments == ["health"]:
        for document in (first, second):
            document["checks"].pop("wal:bytes")
            for name in ("behind_seconds", "checks"):
                document.pop(name)
    assert first == second


def test_free_space_is_told_of_a_disk_that_is_seen(
    both: Both, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Of the disk that holds the SQLite database. A server's disk is its own."""
    status = [json.loads(found[1]) for found in said(both, capsysbinary, "status", "--json")]
    health = [json.loads(found[1]) for found in said(both, capsysbinary, "health", "--json")]

    assert status[0]["free_bytes"] > 0
    assert health[0]["free_bytes"] > 0
    assert status[1]["free_bytes"] is None
    assert not {"free_bytes", "free:bytes"} & {*health[1], *health[1]["checks"]}


def test_the_change_feed(both: Both, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The same changes; several of one transaction may come in another order."""
    feeds = []
    for _, out, _ in said(both, capsysbinary, "events"):
        changes = [json.loads(line) for line in out.splitlines()]
        assert [one["seq"] for one in changes] == list(range(1, len(changes) + 1))
        names = frozenset({"seq", "cursor", "committed_at_ms", "host"})
        feeds.append(sorted(json.dumps(without(one, names), sort_keys=True) for one in changes))

    assert feeds[0] == feeds[1]


def test_views_and_counts(both: Both) -> None:
    assert rows_of(both.urls[0]) == rows_of(both.urls[1])
    counts = []
    for url in both.urls:
        with reading(url) as db:
            found = count(db)
        counts.append((found.rollouts, found.threads, found.turns, found.items, found.anomalies))
    assert counts[0] == counts[1]


#: What a query has that is SQLite's alone: see the README, "What differs in SQL". Of one
#: transaction, changes may be numbered in another order; views of a server have more columns.
DIALECT: Final = ("MATCH", "unixepoch", "'$.", "FROM changes", "FROM columns")
QUERIES: Final = [
    query
    for block in re.findall(r"^```sql\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL)
    for query in re.split(r"(?<=;)\n", block.strip())
    if not any(word in query for word in DIALECT)
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_readmes_queries(both: Both, query: str) -> None:
    """Rows that are equal in what they are sorted by may come in another order."""
    found = []
    for url in both.urls:
        with reading(url) as db:
            ((thread,),) = db.rows("SELECT max(thread_id) FROM threads WHERE turn_count > 0")
            found.append(sorted(map(repr, db.rows(query.rstrip(";"), {"thread": thread}))))

    assert found[0] == found[1]
    assert found[0]


def test_enough_queries_run_on_both() -> None:
    assert len(QUERIES) >= 8


def test_purge(own: Both, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A thread whose file is there is not purged; one whose file is gone goes whole."""
    path = next(iter(own.home.rglob("archived_sessions/*.jsonl")))
    thread = path.stem[-36:]
    for code, _, err in said(own, capsysbinary, "purge", thread):
        assert code == 1
        assert b"still there" in err
    os.rename(path, path.with_suffix(".away"))
    for code, out, err in said(own, capsysbinary, "purge", thread):
        assert (code, out, err) == (0, f"{thread}: purged\n".encode(), b"")
    one, other = said(own, capsysbinary, "threads", "--all", "--json")
    assert thread.encode() not in one[1]
    assert without(json.loads(one[1])) == without(json.loads(other[1]))
    assert [found[0] for found in said(own, capsysbinary, "search", "cups")] == [1, 1]
