"""`projector verify` of a PostgreSQL database: no fault put into it goes unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from projector import cli
from tests.support.engines import told
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
from tests.support.server import Server, name_of
from tests.support.stage import home_with_all_kinds


class Place(NamedTuple):
    """A home and its database."""

    home: Path
    url: str

    def verified(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
        """Verify; gives exit code and document."""
        capsys.readouterr()
        where = ["--codex-home", str(self.home), "--database", self.url]
        code = cli.run(["verify", "--json", *arguments, *where])
        return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Place]:
    """Give a home, and a database that was backfilled from it."""
    home = home_with_all_kinds(tmp_path_factory.mktemp("sound") / "home")
    url = server.make_database(server.template())
    backfilled(home, url, batch_records=7)
    yield Place(home, url)
    server.drop_database(url)


@pytest.fixture
def place(sound: Place, server: Server) -> Iterator[Place]:
    """Give a copy of the database, to be altered."""
    url = server.make_database(name_of(sound.url))
    yield Place(sound.home, url)
    server.drop_database(url)


def test_what_was_backfilled_is_equal(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = place.verified(capsys)

    assert (code, document["equal"], document["difference_count"]) == (0, True, 0)
    assert document["rollouts_compared"] == 3
    assert document["rows_compared"] > 50


_ITEM = "uid = (SELECT uid FROM _items WHERE tombstone = 0 ORDER BY uid LIMIT 1)"
_TURN = "uid = (SELECT uid FROM _turns WHERE tombstone = 0 ORDER BY uid LIMIT 1)"
_USAGE = "uid = (SELECT uid FROM _usage ORDER BY uid LIMIT 1)"
_ROLLOUT = "rollout_id = (SELECT min(rollout_id) FROM _rollouts)"
_AGENT = (
    "uid = (SELECT uid FROM _items WHERE type = 'agentMessage' AND tombstone = 0"
    " ORDER BY 1 LIMIT 1)"
)
# Each has to be found, and told as what it is.
FAULTS: list[tuple[str, str, str, str, str]] = [
    ("an item's text altered",
     f"UPDATE _items SET json = jsonb_set(json::jsonb, '{{text}}', '\"x\"')::json WHERE {_AGENT}",
     "item", "changed", "json.text"),
    ("an item lost", f"DELETE FROM _items WHERE {_ITEM}", "item", "missing", ""),
    ("an item added", ("INSERT INTO _items (source_id, rollout_id, uid, position, turn_id, item_id,"
     " created_at_ms, type, json, provenance) SELECT source_id, rollout_id,"
     " '00000000-0000-0000-0000-000000000000', position + 1, turn_id, 'new', 1, type, json,"
     f" provenance FROM _items WHERE {_ITEM}"), "item", "extra", ""),
    ("an item elsewhere in the order",
     f"UPDATE _items SET position = position + 100000 WHERE {_ITEM}", "item", "changed", "offset"),
    ("an item turned to a tombstone", f"UPDATE _items SET tombstone = 1 WHERE {_ITEM}",
     "item", "missing", ""),
    ("a rolled-back item that lives", "UPDATE _items SET tombstone = 0 WHERE tombstone = 2",
     "item", "changed", "tombstone"),
    ("a turn's status", f"UPDATE _turns SET status = 'failed' WHERE {_TURN}",
     "turn", "changed", "status"),
    ("a turn lost", f"DELETE FROM _turns WHERE {_TURN}", "turn", "missing", ""),
    ("a token more", f"UPDATE _usage SET total_tokens = total_tokens + 1 WHERE {_USAGE}",
     "usage", "changed", "total_tokens"),
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
    ("a header's field", f"UPDATE _rollouts SET originator = 'x' WHERE {_ROLLOUT}",
     "rollout", "changed", "originator"),
    ("the reducer's state", f"UPDATE _rollouts SET state = '{{\"reducer\":1}}' WHERE {_ROLLOUT}",
     "rollout", "changed", "state.reducer"),
    ("a fingerprint", f"UPDATE _rollouts SET tail = '\\x00' WHERE {_ROLLOUT}",
     "rollout", "changed", "tail"),
    ("a count of items", f"UPDATE _rollouts SET items = items + 1 WHERE {_ROLLOUT}",
     "rollout", "changed", "items"),
    ("a part's cut", "UPDATE _thread_parts SET upto = upto - 1 WHERE upto < 9223372036854775807",
     "part", "changed", "upto"),
    ("a part lost", "DELETE FROM _thread_parts WHERE part = 1", "part", "missing", ""),
    ("a part of another's", ("UPDATE _thread_parts SET"
     " part_source = '00000000-0000-0000-0000-000000000000' WHERE part = 0"),
     "part", "changed", "rollout"),
    ("a thread archived", "UPDATE _thread_states SET archived = true", "thread", "changed",
     "archived"),
    ("a thread lost", "DELETE FROM _thread_states", "thread", "missing", ""),
    ("a name", "UPDATE _names SET name = 'Another'", "thread", "changed", "name"),
    ("rows of no rollout", ("INSERT INTO _frames SELECT source_id, 'none', 1, false, NULL, NULL"
     " FROM _sources"), "rows of no rollout", "extra", ""),
]  # fmt: skip


@pytest.mark.parametrize("fault", [pytest.param(fault[1:], id=fault[0]) for fault in FAULTS])
def test_a_fault_is_found(
    place: Place, capsys: pytest.CaptureFixture[str], fault: tuple[str, str, str, str]
) -> None:
    """Whatever of a derived row is altered, lost, added or moved: verify names it."""
    sql, kind, what, field = fault
    told(place.url, sql)

    code, document = place.verified(capsys)

    found = [
        (one["kind"], one["what"], [each["name"] for each in one["fields"]])
        for one in document["differences"]
    ]
    assert code == 1
    assert any(
        (kind, what) == (named, which) and (not field or field in fields)
        for named, which, fields in found
    ), found


def test_a_rebuild_mends_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    told(place.url, f"UPDATE _items SET type = 'plan' WHERE {_ITEM}")
    told(place.url, "UPDATE _thread_parts SET upto = upto - 1 WHERE part = 0")
    told(place.url, "UPDATE _rollouts SET items = items + 1 WHERE true")
    assert place.verified(capsys)[0] == 1

    where = ["--codex-home", str(place.home), "--database", place.url]
    assert cli.run(["rebuild", *where]) == 0

    assert place.verified(capsys)[0] == 0


def test_one_thread_is_rebuilt_alone(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    told(place.url, "UPDATE _rollouts SET originator = 'x' WHERE mode = 'legacy'")
    legacy = Rollout(seed=2, history="legacy").thread_id
    assert place.verified(capsys, legacy)[0] == 1

    where = ["--codex-home", str(place.home), "--database", place.url]
    assert cli.run(["rebuild", legacy, *where]) == 0

    assert "1 rollout, " in capsys.readouterr().out
    assert place.verified(capsys)[0] == 0
