"""`projector verify`: equal rows are equal, and no fault put into a database goes unseen."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from projector.commands.verify import scratch
from projector.run.progress import Silent
from projector.run.verify import Report, verify
from projector.store.check.stored_rows import StoredRows
from projector.store.open import open_to_read
from projector.store.reading import Connection
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import rows_of
from tests.support.stage import (
    appended,
    asked,
    changed,
    first_file,
    home_with_all_kinds,
    projector,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home, and a database that was backfilled from it."""
    folder = tmp_path_factory.mktemp("sound")
    home_with_all_kinds(folder / "home")
    backfilled(folder / "home", folder / "p.db", batch_records=7)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(sound, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy" / "p.db") as db:
        db.execute("UPDATE _rollouts SET home = ?", (str(tmp_path / "copy" / "home"),))
    db.close()
    return tmp_path / "copy"


def verified(folder: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    """Verify; gives exit code and document."""
    result = projector(folder, "verify", "--json", *arguments)
    assert result.exception is None, result.exception
    return result.return_value, orjson.loads(result.stdout)


def test_what_was_backfilled_is_equal(folder: Path) -> None:
    """Whatever the batches were, and nothing is written."""
    before = {path: path.read_bytes() for path in folder.rglob("*.jsonl")}
    rows = rows_of(folder / "p.db")

    code, document = verified(folder)

    assert (code, document["equal"], document["difference_count"]) == (0, True, 0)
    assert document["rollouts_compared"] == 3
    assert document["rows_compared"] > 50  # type: ignore[operator]
    assert rows == rows_of(folder / "p.db")
    assert before == {path: path.read_bytes() for path in folder.rglob("*.jsonl")}


# Each has to be found, and told as what it is.
FAULTS: list[tuple[str, str, str, str, str]] = [
    ("an item's text altered", ("UPDATE _item_rows SET rest = (SELECT json_set(i.json, '$.text',"
     " 'x') FROM _items AS i WHERE i.item = _item_rows.item)"
     " WHERE item = (SELECT max(item) FROM _items WHERE type = 'agentMessage' AND tombstone = 0)"),
     "item", "changed", "json.text"),
    ("an item lost", "DELETE FROM _item_rows WHERE item = (SELECT min(item) FROM _items)",
     "item", "missing", ""),
    ("an item added", ("INSERT INTO _item_rows (uid, rollout, position, turn_key, item_id,"
     " created_at_ms, kind, rest, provenance) SELECT x'00', rollout, position + 1, turn_key, 'new',"
     " 1, kind, rest, provenance FROM _item_rows WHERE item = (SELECT min(item) FROM _items)"),
     "item", "extra", ""),
    ("an item elsewhere in the order", ("UPDATE _item_rows SET position = position + 100000"
     " WHERE item = (SELECT min(item) FROM _items)"), "item", "changed", "offset"),
    ("an item's uid", "UPDATE _item_rows SET uid = x'01' WHERE item = 1", "item", "changed", "uid"),
    ("an item turned to a tombstone", "UPDATE _item_rows SET tombstone = 1 WHERE item = 1",
     "item", "missing", ""),
    ("a rolled-back item that lives", ("UPDATE _item_rows SET tombstone = 0 WHERE item ="
     " (SELECT max(item) FROM _items WHERE tombstone = 2)"), "item", "changed", "tombstone"),
    ("a turn's status", "UPDATE _turns SET status = 'failed' WHERE turn = 1",
     "turn", "changed", "status"),
    ("a turn's time by one second", "UPDATE _turns SET started_at = started_at + 1 WHERE turn = 1",
     "turn", "changed", "started_at"),
    ("a turn lost", "DELETE FROM _turns WHERE turn = 1", "turn", "missing", ""),
    ("a token more", "UPDATE _usage_rows SET total_tokens = total_tokens + 1 WHERE usage = 1",
     "usage", "changed", "total_tokens"),
    ("a usage lost", "DELETE FROM _usage_rows WHERE usage = 1", "usage", "missing", ""),
    ("an event lost", ("DELETE FROM _events WHERE type = 'turn.started'"
     " AND seq = (SELECT min(seq) FROM _events WHERE type = 'turn.started')"),
     "event", "missing", ""),
    ("an event's payload", "UPDATE _events SET payload = '{\"a\":1}' WHERE seq = 1",
     "event", "changed", "payload.a"),
    ("events in another order", "UPDATE _events SET seq = seq + 1000 WHERE seq = 1",
     "event", "changed", "type"),
    ("an anomaly lost", "DELETE FROM _anomaly_rows", "anomaly", "missing", ""),
    ("a frame lost", "DELETE FROM _frames WHERE key = (SELECT min(key) FROM _frames)",
     "frame", "missing", ""),
    ("a header's field", "UPDATE _rollouts SET originator = 'x' WHERE rollout = 1",
     "rollout", "changed", "originator"),
    ("the reducer's state", ("UPDATE _rollouts SET state = CAST('{\"reducer\":1}' AS BLOB)"
     " WHERE rollout = 1"), "rollout", "changed", "state.reducer"),
    ("a fingerprint", "UPDATE _rollouts SET tail = x'00' WHERE rollout = 1",
     "rollout", "changed", "tail"),
    ("a count of items", "UPDATE _rollouts SET items = items + 1 WHERE rollout = 1",
     "rollout", "changed", "items"),
    ("a part's cut", "UPDATE _thread_parts SET upto = upto - 1 WHERE upto < 9223372036854775807",
     "part", "changed", "upto"),
    ("a part lost", "DELETE FROM _thread_parts WHERE part = 1", "part", "missing", ""),
    ("a thread archived", "UPDATE _thread_states SET archived = 1",
     "thread", "changed", "archived"),
    ("a thread lost", "DELETE FROM _thread_states", "thread", "missing", ""),
    ("a name", "UPDATE _names SET name = 'Another'", "thread", "changed", "name"),
    ("rows of no rollout", "INSERT INTO _frames VALUES (99, 1, 0, NULL, NULL)",
     "rows of no rollout", "extra", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "kind", "what", "field"),
    [pytest.param(*fault[1:], id=fault[0]) for fault in FAULTS],
)
def test_a_fault_is_found(folder: Path, sql: str, kind: str, what: str, field: str) -> None:
    """Whatever of a derived row is altered, lost, added or moved: verify names it."""
    changed(folder, sql)

    code, document = verified(folder)

    found = [
        (one["kind"], one["what"], [told["name"] for told in one["fields"]])
        for one in document["differences"]  # type: ignore[attr-defined]
    ]
    assert code == 1
    assert any(
        (kind, what) == (named, told) and (not field or field in fields)
        for named, told, fields in found
    ), found


def test_a_difference_names_thread_turn_and_item_and_no_word(folder: Path) -> None:
    thread, turn, item = asked(
        folder, "SELECT thread_id, turn_id, item_id FROM messages WHERE role = 'user' LIMIT 1"
    )
    changed(folder, "UPDATE _item_rows SET rest = '{\"secret\":1}' WHERE item_id = ?", item)

    result = projector(folder, "verify")

    (line,) = [line for line in result.stdout.splitlines() if line.startswith("thread")]
    assert result.return_value == 1
    assert all(str(name) in line for name in (thread, turn, item))
    assert "json.secret differs" in line
    assert "projector rebuild" in result.stdout


def test_one_thread_alone(folder: Path) -> None:
    """Of others nothing is said; what it continues belongs to it."""
    (thread,) = asked(folder, "SELECT thread_id FROM threads WHERE history_mode = 'legacy'")
    (other,) = asked(folder, "SELECT thread_id FROM threads WHERE history_mode = 'paginated'")
    changed(folder, "UPDATE _rollouts SET originator = 'x' WHERE mode = 'legacy'")

    assert verified(folder, str(thread))[0] == 1
    code, document = verified(folder, str(other)[:20])
    assert (code, document["rollouts_compared"]) == (0, 2)


def test_a_thread_that_is_not_there(folder: Path) -> None:
    result = projector(folder, "verify", "0199f1b2-0000-7000-8000-00000000ffff")

    assert "no thread" in str(result.exception)


def test_what_was_not_read_yet_is_behind_and_no_difference(folder: Path) -> None:
    appended(folder, b'{"timestamp":"2026-11-02T00:00:00.000Z","ordinal":900,"type":"x"}\n')
    Rollout(seed=9).write(folder / "home", size=2_000)

    code, document = verified(folder)

    behind = document["rollouts_behind"]
    assert (code, document["equal"], len(behind)) == (0, True, 2)  # type: ignore[arg-type]


def test_a_torn_last_line_is_not_behind(folder: Path) -> None:
    appended(folder, b'{"timestamp":"2026-11-02T00:0')

    assert verified(folder)[1]["rollouts_behind"] == []


def test_a_record_without_newline_may_be_taken_ahead(folder: Path) -> None:
    """Before and after a backfill took it, and when its newline has come, all is equal."""
    body = {"type": "AgentMessage", "id": "ahead", "content": [{"type": "Text", "text": "Hello"}]}
    (turn,) = asked(folder, "SELECT turn_id FROM codex_thread_turns ORDER BY thread_id LIMIT 1")
    payload = {"type": "item_completed", "thread_id": "x", "turn_id": turn, "item": body}
    record = {"timestamp": "2026-11-02T00:00:00.000Z", "ordinal": 5_000, "type": "event_msg"}
    appended(folder, orjson.dumps(record | {"payload": payload | {"completed_at_ms": 7}}))

    assert verified(folder)[0] == 0
    backfilled(folder / "home", folder / "p.db")
    assert asked(folder, "SELECT count(*) FROM _items WHERE item_id = 'ahead'") == (1,)
    assert verified(folder)[0] == 0
    appended(folder, b"\n")
    assert verified(folder)[0] == 0
    backfilled(folder / "home", folder / "p.db")
    assert verified(folder)[0] == 0


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def edited(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b'"text":"') + len(b'"text":"')
    path.write_bytes(data[:at] + b"~" + data[at + 1 :])


@pytest.mark.parametrize("damage", [cut_short, edited])
def test_a_file_that_is_not_what_was_projected(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    """Also one whose length, first and last bytes are as they were."""
    damage(first_file(folder))

    code, document = verified(folder)

    assert code == 1
    assert document["difference_count"] != 0


def test_a_rollout_without_a_file_is_counted_and_passed_over(folder: Path) -> None:
    first_file(folder).unlink()

    code, document = verified(folder)

    assert (code, document["rollouts_gone"], document["rollouts_compared"]) == (0, 1, 2)


def test_no_rollout_has_a_file(folder: Path) -> None:
    """The homes are the wrong ones, which is not the same as equal."""
    for path in folder.glob("home/**/*.jsonl*"):
        path.unlink()

    code, document = verified(folder)

    assert (code, document["equal"], document["rollouts_compared"]) == (1, False, 0)
    assert document["rollouts_gone"] == 3


def test_a_rollout_that_was_replaced_is_equal_to_its_new_content(folder: Path) -> None:
    """What it had before lives on as tombstones, which follow from no file."""
    cut_short(first_file(folder))
    backfilled(folder / "home", folder / "p.db")

    code, document = verified(folder)

    assert asked(folder, "SELECT max(generation) FROM _rollouts") == (1,)
    assert (code, document["difference_count"]) == (0, 0)


# Beside a daemon ------------------------------------------------------------------------------


class Disturbed(StoredRows):
    """Something happens in the world before each of the first snapshots."""

    def __init__(self, db: Connection, *happens: Callable[[], object]) -> None:
        super().__init__(db)
        self._happens = list(happens)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self._happens:
            happens = self._happens.pop(0)
            with ThreadPoolExecutor() as threads:  # another loop than the one that verifies
                threads.submit(happens).result()
        with super().snapshot():
            yield


def verified_while(folder: Path, *happens: Callable[[], object]) -> Report:
    settings = settings_for(folder / "home", folder / "p.db")
    with closing(Disturbed(open_to_read(settings.database), *happens)) as rows:
        return asyncio.run(verify(rows, scratch, settings, threads=(), progress=Silent()))


def test_a_daemon_that_goes_on_meanwhile_is_followed(folder: Path) -> None:
    """Rows and checkpoint are compared as of one moment, however often they move."""
    thread = Rollout(seed=1)
    path = first_file(folder)

    def goes_on() -> None:
        with path.open("ab") as out:
            out.writelines(thread.turn(steps=1))
        backfilled(folder / "home", folder / "p.db")

    report = verified_while(folder, *[goes_on] * 5)

    assert (report.equal, report.compared, report.differences) == (True, 3, [])
    assert report.behind == []


def test_a_rollout_that_is_projected_anew_meanwhile(folder: Path) -> None:
    """It is begun again from its new content."""

    def replaced() -> None:
        cut_short(first_file(folder))
        backfilled(folder / "home", folder / "p.db")

    report = verified_while(folder, replaced, replaced)

    assert (report.equal, report.compared, report.differences) == (True, 3, [])


def test_a_file_that_is_archived_meanwhile(folder: Path) -> None:
    """It is looked for where Codex may have put it."""

    def archived() -> None:
        for path in sorted((folder / "home" / "sessions").rglob("*.jsonl")):
            (folder / "home" / "archived_sessions").mkdir(exist_ok=True)
            path.rename(folder / "home" / "archived_sessions" / path.name)

    report = verified_while(folder, archived)

    assert (report.equal, report.compared, report.gone) == (True, 3, 0)
