"""What SQLite's backend promises beside the contract: privacy, clear refusals, fast plans."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projector.model.changes import Change
from projector.model.errors import ProjectorError, StoreRefused, StoreUnavailable, UsageError
from projector.store.migrations import Migration, migrations, statements
from projector.store.open import open_store, sqlite_path
from projector.store.sqlite import find
from projector.store.sqlite.file import explained
from projector.store.sqlite.item_json import LONG, NUMBERS
from projector.store.sqlite.schema import migrate
from projector.store.sqlite.store import SqliteStore
from tests.contract.backends import Backend, Queried, Run, SqliteBackend
from tests.support.makers import (
    at,
    batch,
    continuing,
    event,
    file_of,
    item,
    rollout_id,
    thread_id,
    turn,
    usage,
)


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return SqliteBackend(tmp_path)


def opened(path: Path, **settings: Any) -> None:
    """Open a store and let go of it."""

    async def once() -> None:
        await (await SqliteStore.open(path, **settings)).close()

    asyncio.run(once())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """Whatever the umask: conversations hold secrets."""
    path = tmp_path / "made" / "here" / "projector.db"

    async def while_open() -> dict[str, int]:
        store = await SqliteStore.open(path)
        await store.commit([batch(file_of(1), [item(1, "a", 0)])])
        found = {one.name: mode(one) for one in path.parent.iterdir()}
        await store.close()
        return found

    before = os.umask(0)
    try:
        found = asyncio.run(while_open())
    finally:
        os.umask(before)

    assert found == {f"projector.db{suffix}": 0o600 for suffix in ("", "-wal", "-shm", ".feed")}
    assert (mode(path.parent), mode(path.parent.parent)) == (0o700, 0o700)


def test_a_mode_that_its_owner_set_stays(tmp_path: Path) -> None:
    """Opened to a group on purpose, for a dashboard."""
    path = tmp_path / "projector.db"
    opened(path)
    path.chmod(0o640)

    opened(path)

    assert mode(path) == 0o640


def not_a_database(path: Path) -> None:
    path.write_bytes(b"these are words, and many of them " * 50)


def anothers(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()


def newer(path: Path) -> None:
    opened(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()


def changed(path: Path) -> None:
    opened(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("UPDATE _migrations SET sha256 = 'x' WHERE version = 1")
    db.close()


def damaged(path: Path) -> None:
    opened(path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)


# fmt: off
REFUSALS: list[tuple[str, Callable[[Path], object], str]] = [
    # the path is                      made by            said
    ("a folder",                       Path.mkdir,        "is a folder"),
    ("no database",                    not_a_database,    "is not a SQLite database"),
    ("another program's database",     anothers,          "is another program's database"),
    ("made by a newer version",        newer,             "made by a newer codex-projector"),
    ("of a schema never released",     changed,           "is not that of any released"),
    ("damaged",                        damaged,           "is damaged"),
]
# fmt: on


@pytest.mark.parametrize(
    ("make", "said"), [pytest.param(*case[1:], id=case[0]) for case in REFUSALS]
)
def test_refused(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    """In one line with the path, what it is, and how to mend it; and nothing is changed."""
    path = tmp_path / "projector.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(StoreRefused, match=said) as refused:
        opened(path)

    assert str(path) in str(refused.value)
    assert refused.value.hint
    assert "\n" not in str(refused.value)
    assert not path.is_file() or path.read_bytes() == before


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(StoreRefused, match="is not a folder"):
        opened(tmp_path / "file" / "projector.db")


AS_ANOTHER = """
import asyncio, os, sys
from pathlib import Path
from projector.model.errors import StoreRefused
from projector.store.sqlite.store import SqliteStore
async def use(path):
    store = await SqliteStore.open(Path(path))
    try:
        await store.set_names({"t": "x"})
    finally:
        await store.close()
asyncio.run(use(sys.argv[2]))  # reads all modules, while it may
os.setgid(65534)
os.setuid(65534)
try:
    asyncio.run(use(sys.argv[1]))
except StoreRefused as refused:
    print(refused)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
@pytest.mark.parametrize("modes", [(0o755, 0o600), (0o755, 0o644), (0o700, 0o666)])
def test_someone_elses_database_is_refused(tmp_path: Path, modes: tuple[int, int]) -> None:
    path = tmp_path / "other" / "projector.db"
    opened(path)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    path.parent.chmod(modes[0])
    path.chmod(modes[1])

    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, str(path), str(tmp_path / "own.db")],
        check=False,
        capture_output=True,
        text=True,
    )

    assert str(path) in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_a_locked_database_is_waited_for_then_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "projector.db"
    opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        store = await SqliteStore.open(path, busy_timeout_s=0.01)
        try:
            with pytest.raises(StoreUnavailable, match="locked by another program"):
                await store.commit([batch(file_of(1))])
            other.execute("ROLLBACK")
            await store.commit([batch(file_of(1))])
        finally:
            await store.close()

    asyncio.run(write())
    other.close()


def test_a_full_disk_writes_nothing_and_heals(tmp_path: Path) -> None:
    """The disk is full in the middle of a batch; with room again, it goes on from there."""
    path = tmp_path / "projector.db"
    big = [item(1, f"i{n}", n, json='{"x":"' + "y" * 9000 + '"}') for n in range(100)]

    async def write() -> None:
        store = await SqliteStore.open(path)
        try:
            await store.commit([batch(file_of(1), [item(1, "a", 0)], end=100)])
            await store.query("PRAGMA max_page_count = 60")
            with pytest.raises(StoreUnavailable, match="the disk is full"):
                await store.commit([batch(file_of(1), big, start=at(100), end=900)])
            assert await store.checkpoint(rollout_id(1)) == at(100)
            assert await store.query("SELECT count(*) FROM _items") == [(1,)]
            await store.query("PRAGMA max_page_count = 1000000")
            await store.commit([batch(file_of(1), big, start=at(100), end=900)])
        finally:
            await store.close()

    asyncio.run(write())


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR | 1 << 8, sqlite3.SQLITE_READONLY, 0])
def test_every_fault_of_sqlite_is_one_of_ours(code: int) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code

    said = explained(Path("/x/projector.db"), error)

    assert isinstance(said, ProjectorError)
    assert str(said).startswith("/x/projector.db: ")


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from projector.store.sqlite.store import SqliteStore
from tests.support.makers import at, batch, file_of, item
async def main(path, kill_at):
    store = await SqliteStore.open(Path(path))
    steps = 0
    def step(sql):
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    await store._db.set_trace_callback(step)
    start = None
    for n in range(3):
        rows = [item(1, f"{n}-{m}", 100 * n + m) for m in range(3)]
        end = at(100 * (n + 1))
        await store.commit([batch(file_of(1), rows, start=start, end=end)])
        start = end
    await store.close()
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize("kill_at", [1, 2, 9, 14, 20, 26, 33, 40, 47, 55, 10_000])
def test_killed_at_a_statement_it_is_whole(tmp_path: Path, kill_at: int) -> None:
    """Promises 1 and 2: whole batches only, and the checkpoint is the end of the last one."""
    path = tmp_path / "projector.db"
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(kill_at)], check=False, capture_output=True
    )
    assert child.returncode == (0 if kill_at == 10_000 else -signal.SIGKILL), child.stderr

    async def look() -> tuple[int, int]:
        store = await SqliteStore.open(path)
        checkpoint = await store.checkpoint(rollout_id(1))
        ((count,),) = await store.query("SELECT count(*) FROM thread_history")
        assert await store.query("PRAGMA integrity_check") == [("ok",)]
        if count:
            assert await store.query("SELECT item_count FROM threads") == [(count,)]
        await store.close()
        return (checkpoint.offset if checkpoint else 0), count

    offset, count = asyncio.run(look())
    assert count == 3 * (offset // 100)


def plan(store: Queried, run: Run, sql: str, *parameters: Any) -> str:
    rows = run(store.query(f"EXPLAIN QUERY PLAN {sql}", parameters))
    return "\n".join(row[3] for row in rows)


# fmt: off
ASKED = [
    # what a reducer asks      SQL              its search is narrowed by
    ("a turn",                 find._TURN,      "turn_id=? AND rollout=?"),
    ("the messages of a turn", find._MESSAGES,  "rollout=? AND turn_key=?"),
    ("the newest frames",      find._FRAMES,    "rollout=?"),
    ("the frame of a turn",    find._FRAME_OF,  "rollout=? AND "),
]
# fmt: on


@pytest.mark.parametrize(
    ("sql", "narrowed"), [case[1:] for case in ASKED], ids=[case[0] for case in ASKED]
)
def test_a_look_up_reads_what_it_asks_for(tmp_path: Path, sql: str, narrowed: str) -> None:
    """However long the rollout: none walks it by position."""

    async def made() -> None:
        await (await SqliteStore.open(tmp_path / "p.db")).close()

    asyncio.run(made())
    given = {"rollout": 1, "start": 0, "turn": "t", "item": "i", "many": 3}
    with closing(sqlite3.connect(tmp_path / "p.db")) as db:
        rows = db.execute(f"EXPLAIN QUERY PLAN {sql.format(new='')}", given).fetchall()

    searches = [row[3] for row in rows if "SEARCH" in row[3]]
    assert searches
    assert all(narrowed in search for search in searches if " _turn_ids " not in search)
    assert not any("SCAN" in row[3] for row in rows)


HISTORY = "SELECT * FROM thread_history WHERE thread_id = ? AND position"
TURNS = "SELECT * FROM thread_turn_history WHERE thread_id = ? AND position"
CODEX = "SELECT * FROM codex_thread_items WHERE thread_id = ? AND turn_id = ?"

# fmt: off
PLANS = [
    # question                       SQL                                              must use
    ("a page of history",            f"{HISTORY} > ? ORDER BY position LIMIT 9",      "items_by_p"),
    ("a page of history, backwards", f"{HISTORY} < ? ORDER BY position DESC LIMIT 9", "items_by_p"),
    ("a page of turns",              f"{TURNS} > ? ORDER BY position LIMIT 9",        "turns_by_p"),
    ("a turn as Codex reads it",     CODEX,                                           "rows_1 ("),
]
# fmt: on


@pytest.mark.parametrize(("sql", "index"), [pytest.param(*case[1:], id=case[0]) for case in PLANS])
def test_plans_read_no_table_from_end_to_end(
    store: Queried, run: Run, sql: str, index: str
) -> None:
    text = plan(store, run, sql, "x", "y")

    assert index in text
    assert "SCAN" not in text.replace("SCAN CONSTANT ROW", ""), text


def test_the_list_of_threads_counts_nothing(store: Queried, run: Run) -> None:
    text = plan(store, run, "SELECT * FROM threads ORDER BY updated_at_ms DESC LIMIT 20")

    (scanned,) = (line for line in text.split("\n") if line.startswith("SCAN"))
    assert scanned == "SCAN c USING INDEX rollouts_by_update"
    assert "ORDER BY" not in text
    assert "items" not in text
    assert "turns" not in text


def test_looking_up_reads_indexes_only(store: Queried, run: Run) -> None:
    """What `find` asks: turns by id, messages of a turn, legacy items by id, frames."""
    questions = {
        "SELECT 1 FROM _turns WHERE turn_id = ? AND rollout = ?": "turns_1",
        "SELECT 1 FROM _item_rows WHERE rollout = ? AND turn_key = ? AND tombstone = 0": "rows_1",
        "SELECT 1 FROM _items WHERE rollout = ? AND item_id = ? AND ordinal IS NULL": "items_leg",
        "SELECT 1 FROM _frames WHERE rollout = ? AND turn_id = ? ORDER BY key DESC": "frames_by",
    }
    for sql, index in questions.items():
        text = plan(store, run, sql, 1, "x")
        assert index in text
        assert "SCAN" not in text


def test_a_snapshot_is_read_as_it_was_written(store: Queried, run: Run) -> None:
    """Stored is what its columns do not say; so it is for each type that has a number."""
    usual = [
        item(1, f"i{n}", n * 100, kind=kind, json=f'{{"type":"{kind}","id":"i{n}","a":"{n}"}}')
        for n, kind in enumerate(NUMBERS)
    ]
    # fmt: off
    forms = {
        "commandExecution": ',"pluginId":null,"scriptPath":null,"command":"x","status":"failed"}',
        "reasoning": ',"summary":["x"],"content":[]}',
        "agentMessage": ',"text":"x","memoryCitation":null,"delivery":null,"questions":null}',
        "userMessage": ',"clientId":null,"content":[{"type":"text","text":"","text_elements":[]}]}',
        "fileChange": ',"changes":[],"status":"completed"}',
    }
    # fmt: on
    usual += [
        item(1, f"{what}{n}", 2000 + n, kind=kind, json=f'{opening}"{what}{n}"{form[:cut]}{end}')
        for n, (kind, form) in enumerate(forms.items())
        for moderation in ['"moderation":null,' if kind == "agentMessage" else ""]
        for opening in [f'{{"type":"{kind}",{moderation}"id":']
        for what, cut, end in (("f", None, ""), ("g", -1, ',"more":1}'))
    ]
    long = f'{{"type":"plan","id":"l","text":"{"x" * LONG}"}}'
    others = [
        item(1, "l", 3000, json=long),
        item(1, 'q"', 3010, json='{"type":"plan","id":"q\\"","text":"x"}'),
        item(1, "p", 3020, json='{"type":"plan","id":"p"}'),
        item(1, "o", 3030, json='{"id":"o","type":"plan"}'),
        item(1, "n", 3040, kind="plan", json='{"type":"commandExecution","id":"n","text":"x"}'),
        item(1, "u", 3050, kind="unheardOf", json='{"type":"unheardOf","id":"u","a":1}'),
        item(1, "r", 3060, kind="reasoning", json='{"type":"reasoning","id":"r","summary":null}'),
        item(1, "é", 3070, json='{"type":"plan","id":"é","text":"ü"}'),
    ]
    rows = [*usual, *others]
    run(store.commit([batch(file_of(1), rows)]))
    in_bytes = [row._replace(json=str(row.json).encode()) for row in rows]
    again = batch(file_of(1), in_bytes, start=at(1000), end=at(2000))
    before = run(store.query("SELECT count(*) FROM changes WHERE kind = 'item'"))

    run(store.commit([again]))

    found = run(
        store.query(
            "SELECT i.item_id, i.type, i.json, r.rest FROM _items AS i JOIN _item_rows AS r"
            " USING (item)"
        )
    )
    assert {(name, kind, json) for name, kind, json, _ in found} == {
        (row.item_id, row.type, row.json) for row in rows
    }
    # fmt: off
    assert {name for name, _, json, rest in found if rest != json} == {
        *(row.item_id for row in usual if "moderation" in str(row.json)
          or row.type != "agentMessage"), "r", "é",
    }
    # fmt: on
    assert run(store.query("SELECT status FROM commands WHERE command = 'x'")) == [("failed",)] * 2
    assert run(store.query("SELECT count(*) FROM changes WHERE kind = 'item'")) == before


def test_migrations_run_once_each_in_one_transaction(tmp_path: Path) -> None:
    """A step that fails leaves the version before it, whole."""
    path = tmp_path / "projector.db"
    db = sqlite3.connect(path, isolation_level=None)
    good = Migration(1, "good", "CREATE TABLE a (x);\n-- a; comment\nCREATE TABLE b (x);")
    bad = Migration(2, "bad", "CREATE TABLE c (x);\nCREATE TABLE a (x);")
    migrate(db, path, [good])

    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(db, path, [good, bad])

    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == {"_migrations", "a", "b"}
    migrate(db, path, [good, Migration(2, "mended", "CREATE TABLE c (x);")])
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    db.close()


@pytest.mark.parametrize("time", range(10))
def test_several_processes_may_make_it_at_once(tmp_path: Path, time: int) -> None:
    """Ten times over: who comes in whose way is chance."""
    path = tmp_path / f"projector{time}.db"

    async def all_at_once() -> list[str]:
        stores = await asyncio.gather(*(SqliteStore.open(path) for _ in range(4)))
        rows = await stores[0].query("SELECT name FROM _migrations ORDER BY version")
        for store in stores:
            await store.close()
        return [name for (name,) in rows]

    assert asyncio.run(all_at_once()) == [step.name for step in migrations("sqlite")]


def test_a_script_splits_into_its_statements() -> None:
    script = (
        "CREATE TABLE a (x); -- one; two\nCREATE TRIGGER t AFTER INSERT ON a BEGIN"
        " DELETE FROM a; SELECT ';'; END;\n"
    )
    assert len(list(statements(script))) == 2


def test_the_schema_has_no_triggers() -> None:
    """Rules are in `store/rules`, for every engine; triggers cost a journal a statement."""
    assert not [step.name for step in migrations("sqlite") if "CREATE TRIGGER" in step.sql.upper()]


def test_every_view_and_table_says_what_it_holds() -> None:
    for step in migrations("sqlite"):
        lines = step.sql.split("\n")
        for number, line in enumerate(lines):
            if line.startswith(("CREATE TABLE", "CREATE VIEW")):
                above = lines[number - 1]
                block = step.sql.split(line)[0].split("\n\n")[-1]
                assert above.startswith("--") or "VIEW" in line, line
                assert (
                    block.startswith("--") or "codex_" in line or "all_" in line or "_read_" in line
                ), line


# fmt: off
URLS = [
    # URL                          said
    ("postgres://db/x",            'unknown scheme "postgres"; write postgresql://db/x'),
    ("mysql://x",                  'unknown scheme "mysql"; write sqlite:///path'),
    ("sqlite:x.db",                "needs three slashes before a path; write sqlite:///x.db"),
    ("sqlite://x.db",              "needs three slashes before a path; write sqlite:///x.db"),
    ("sqlite:///",                 "a file is needed"),
    ("sqlite:///folder/",          "a file is needed"),
    ("sqlite:///a\0b",             "has no NUL"),
]
# fmt: on


@pytest.mark.parametrize(("url", "said"), URLS, ids=[repr(url) for url, _ in URLS])
def test_a_url_that_is_none_of_ours(url: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        asyncio.run(open_store(url))

    assert said in str(refused.value)


def test_urls_name_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")

    assert sqlite_path("sqlite:///a/b.db") == Path("a/b.db")
    assert sqlite_path("sqlite:////a/b.db") == Path("/a/b.db")
    assert sqlite_path("sqlite:///~/b.db") == Path("/home/x/b.db")


def test_a_page_of_a_long_lineage_reads_little(store: Queried, run: Run) -> None:
    """Leaving the inner loop early: a page costs about its rows in each part, not all of them."""
    size = 2_000
    for number in range(1, 6):
        rows = [item(number, str(n), 100 * n) for n in range(size)]
        header = continuing(number - 1, 100 * size) if number > 1 else batch(file_of(1)).header
        first = [turn(number, "t", 0)]
        run(store.commit([batch(file_of(number), [*rows, *first], header=header)]))
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    async def page() -> int:
        assert isinstance(store, SqliteStore)
        rows = await store.query(
            "SELECT position FROM thread_history WHERE thread_id = ? ORDER BY position"
            " LIMIT 1 OFFSET 4999",
            (thread_id(5),),
        )
        assert store._db is not None
        await store._db.set_progress_handler(step, 100)
        found = await store.query(
            "SELECT * FROM thread_history WHERE thread_id = ? AND position > ?"
            " ORDER BY position LIMIT 100",
            (thread_id(5), rows[0][0]),
        )
        await store._db.set_progress_handler(None, 100)  # type: ignore[arg-type]
        return len(found)

    assert run(page()) == 100
    assert steps * 100 < 60_000, "instructions of SQLite's machine; all rows would be 600 000"


def test_a_batch_costs_the_same_however_much_is_there(store: Queried, run: Run) -> None:
    """Cost follows the suffix, the full-text index and the sums of tokens included."""
    assert isinstance(store, SqliteStore)
    run(store.configure_search("all", 8_192))
    end, steps = 0, 0

    def step() -> None:
        nonlocal steps
        steps += 1

    def commit(count: int) -> None:
        nonlocal end
        rows: list[Change] = [item(1, str(end + n), end + n) for n in range(count)]
        rows += [usage(1, end + n, 5, response=f"r{end + n}") for n in range(count)]
        rows += [turn(1, "t", 0), event(1, "turn.started", 0)]
        start = at(end) if end else None
        run(store.commit([batch(file_of(1), rows, start=start, end=end + count)]))
        end += count

    async def counting(every: int) -> None:
        assert store._db is not None
        await store._db.set_progress_handler(step if every else None, every or 1)  # type: ignore[arg-type]

    def cost() -> int:
        nonlocal steps
        commit(1)
        run(counting(every=10))
        steps = 0
        commit(1)
        run(counting(every=0))
        return steps

    commit(100)
    few = cost()
    commit(4_000)

    assert cost() < 1.5 * few
