"""What only events of extended histories tell stays visible when Codex migrates their rollout.

Its file does not hold it any more: it is kept from the content before, and nothing else is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from projector import cli
from tests.support.databases import SOURCE, Where, reading, url_of
from tests.support.engines import told as changed
from tests.support.extended import AGENT, RECORDS, THREAD, TOLD, extended
from tests.support.homes import put
from tests.support.legacy_records import (
    Record,
    answer,
    call,
    completed,
    event,
    header,
    lines_from,
    output,
    said,
    started,
)
from tests.support.migration import migrated
from tests.support.mirror import Mirror, rows_to_mirror
from tests.support.projecting import backfilled
from tests.support.rows import rows_of

PATH: Final = f"sessions/2026/03/01/rollout-2026-03-01T09-00-00-{THREAD}.jsonl"
Dicts = list[dict[str, Any]]


def projected(home: Path, database: Where, data: bytes) -> None:
    """Put a content in the place of the one before, and project it."""
    put(home, PATH, data)
    backfilled(home, database)


def dicts(database: Where, columns: str, view: str) -> Dicts:
    with reading(database) as db:
        return db.dicts(f"SELECT {columns} FROM {view} ORDER BY position")


def items(database: Where) -> Dicts:
    """Give what is shown of items, without the ids that the migration makes up."""
    found = dicts(database, "uid, turn_id, type, item_json, created_at_ms", "thread_history")
    for row in found:
        item = json.loads(row["item_json"])
        row["item_json"] = item
        if item.pop("id") not in TOLD:
            del row["uid"]
    return found


def turns(database: Where) -> Dicts:
    columns = "uid, turn_id, status, error_json, started_at, completed_at, duration_ms"
    return dicts(database, columns, "thread_turn_history")


def counted(database: Where) -> tuple[Any, ...]:
    with reading(database) as db:
        (row,) = db.rows("SELECT item_count, turn_count, total_tokens, name FROM threads")
    return row


def events(database: Where) -> list[tuple[object, ...]]:
    """Give the events of turns, those of each turn in their order."""
    with reading(database) as db:
        return db.rows(
            "SELECT turn_id, type FROM lifecycle_events WHERE turn_id IS NOT NULL"
            " ORDER BY turn_id, seq"
        )


def told(database: Where) -> list[str]:
    """Give the ids of what only events told, in their order."""
    found = dicts(database, "item_id", "thread_history")
    return [row["item_id"] for row in found if row["item_id"] in TOLD]


def run(command: str, home: Path, database: Where) -> int:
    """Run a command as the host that writes."""
    where = ["--codex-home", str(home), "--database", url_of(database)]
    return cli.run([command, *where])


def numbered(data: bytes, *records: Record) -> bytes:
    """Append records to a paginated rollout, as Codex itself does."""
    for ordinal, record in enumerate(records, data.count(b"\n")):
        head = {"timestamp": "2026-03-02T10:00:00.000Z", "ordinal": ordinal}
        data += orjson.dumps(head | record) + b"\n"
    return data


def own_turn(turn_id: str) -> list[Record]:
    """A turn as Codex itself writes it."""
    item = {"type": "AgentMessage", "id": f"01a3-{turn_id}", "content": []}
    fields = {"thread_id": THREAD, "turn_id": turn_id, "item": item}
    return [
        started(turn_id),
        event("item_completed", **fields, started_at_ms=5, completed_at_ms=7),
        completed(turn_id),
    ]


@pytest.fixture(autouse=True)
def one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run as the source that `backfilled` writes as."""
    monkeypatch.setenv("PROJECTOR_SOURCE__NAME", SOURCE)


@pytest.fixture
def home(tmp_path: Path, database: Where) -> Path:
    """Give a home with the rollout, projected before and after its migration."""
    projected(tmp_path, database, extended())
    projected(tmp_path, database, migrated(extended()))
    return tmp_path


def test_nothing_visible_is_lost(tmp_path: Path, database: Where) -> None:
    """Items as they were, where they were; how turns ended; counters, events, the feed."""
    mirror = Mirror()
    projected(tmp_path, database, extended())
    before = items(database), turns(database), counted(database), events(database)
    mirror.read(url_of(database))

    projected(tmp_path, database, migrated(extended()))

    assert told(database) == [*TOLD]
    assert (items(database), turns(database), counted(database), events(database)) == before
    assert [row["status"] for row in turns(database)] == ["failed", "completed"]
    assert counted(database)[-1] == "A \0 name"
    mirror.read(url_of(database))
    assert mirror.rows == rows_to_mirror(url_of(database))
    assert run("verify", tmp_path, database) == 0


def test_calls_that_ended_in_another_order_keep_it(tmp_path: Path, database: Where) -> None:
    """Of their ends no record is left, of the calls all."""
    ends = {"sender_thread_id": THREAD, "new_thread_id": AGENT, "status": "pending_init"}
    data = lines_from(
        [
            header(),
            started("t1"),
            *said("go"),
            *(call(name, ("spawn_agent", {"message": name})) for name in TOLD[:2]),
            *(event("collab_agent_spawn_end", call_id=name, **ends) for name in TOLD[1::-1]),
            *(output(name, f'{{"agent_id":"{AGENT}"}}') for name in TOLD[:2]),
            answer("done"),
            completed("t1"),
        ]
    )
    projected(tmp_path, database, data)
    before = items(database)

    projected(tmp_path, database, migrated(data))

    assert told(database) == [*TOLD[1::-1]]
    assert items(database) == before
    assert run("verify", tmp_path, database) == 0


def test_codex_had_gone_on_when_the_migration_was_seen(tmp_path: Path, database: Where) -> None:
    projected(tmp_path, database, extended())
    before = items(database)

    projected(tmp_path, database, numbered(migrated(extended()), *own_turn("t3")))

    assert items(database)[:-1] == before
    assert run("verify", tmp_path, database) == 0


def test_an_agents_thread_keeps_the_same(tmp_path: Path, database: Where) -> None:
    """The migration puts all of it below what Codex shows."""
    source = {"subagent": {"thread_spawn": {"parent_thread_id": AGENT, "depth": 1}}}
    data = lines_from([header(source=source), *RECORDS[1:]])
    projected(tmp_path, database, data)
    before = items(database), turns(database), counted(database), events(database)

    projected(tmp_path, database, migrated(data))

    assert b"subagent_history_start_ordinal" in migrated(data)
    assert (items(database), turns(database), counted(database), events(database)) == before
    assert run("verify", tmp_path, database) == 0


def test_who_never_saw_it_before_lacks_it_and_is_right(tmp_path: Path, database: Where) -> None:
    projected(tmp_path, database, migrated(extended()))

    assert told(database) == ["spawn"]
    assert run("verify", tmp_path, database) == 0


def test_a_rebuild_changes_nothing(home: Path, database: Where) -> None:
    before = rows_of(database)

    assert run("rebuild", home, database) == 0

    assert rows_of(database) == before
    assert run("verify", home, database) == 0


def test_codex_goes_on_and_the_file_is_replaced_once_more(home: Path, database: Where) -> None:
    grown = numbered(migrated(extended()), *own_turn("t3"), *own_turn("t4"))
    projected(home, database, grown)
    before = items(database)
    assert told(database) == [*TOLD]
    assert run("verify", home, database) == 0

    projected(home, database, numbered(migrated(extended()), *own_turn("t3")))

    assert items(database) == before[:-1]
    assert run("verify", home, database) == 0


def test_what_is_restored_is_told_by_its_file_again(home: Path, database: Where) -> None:
    projected(home, database, extended())

    assert told(database) == [*TOLD]
    assert run("verify", home, database) == 0
    with reading(database) as db:
        assert db.rows("SELECT count(*) FROM _kept_rows") == [(0,)]


NATIVE: Final = numbered(b"", header(history_mode="paginated"), *own_turn("t1"))
OTHER: Final = lines_from([header(), started("t1"), *said("else"), answer("no"), completed("t1")])
ROLLED_BACK: Final = lines_from([*RECORDS, event("thread_rolled_back", num_turns=2)])


@pytest.mark.parametrize(
    "contents",
    [[NATIVE], [OTHER], [migrated(extended()), NATIVE], [migrated(extended()), OTHER]],
    ids=["native", "legacy", "migrated, native", "migrated, legacy"],
)
def test_of_another_content_nothing_stays(
    contents: Sequence[bytes], tmp_path: Path, database: Where
) -> None:
    projected(tmp_path, database, extended())

    for data in contents:
        projected(tmp_path, database, data)

    with reading(database) as db:
        gone = db.rows("SELECT item_id, tombstone FROM all_items WHERE NOT visible")
    assert told(database) == []
    assert {(one, "replaced") for one in TOLD} <= set(gone)
    assert run("verify", tmp_path, database) == 0


def test_what_was_rolled_back_stays_away(tmp_path: Path, database: Where) -> None:
    projected(tmp_path, database, ROLLED_BACK)
    assert told(database) == []

    projected(tmp_path, database, migrated(extended()))

    assert told(database) == ["spawn"]
    assert run("verify", tmp_path, database) == 0


@pytest.mark.parametrize("kind", ["agentMessage", "collabAgentToolCall"])
def test_what_is_kept_hides_no_fault_of_what_the_file_tells(
    kind: str, home: Path, database: Where
) -> None:
    table = "_items" if isinstance(database, str) else "_item_rows"
    changed(url_of(database), f"DELETE FROM {table} WHERE type = '{kind}'")

    assert run("verify", home, database) == 1
