"""Every status that a turn takes has its lifecycle event, in the transaction that changed it."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from pathlib import Path
from random import Random

import pytest

from tests.faults.test_consumer import rolled_back, shaken
from tests.faults.test_cut import home_of
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled

STATUS = {
    "turn.started": "inProgress",
    "turn.completed": "completed",
    "turn.failed": "failed",
    "turn.cancelled": "interrupted",
}
#: Of each status that a row takes and of each event, in the order in which they are written.
LOGGED = """
CREATE TABLE logged (rollout, turn_id, status, event);
CREATE TRIGGER row_came AFTER INSERT ON _turns BEGIN
  INSERT INTO logged VALUES (new.rollout, new.turn_id, new.status, NULL);
END;
CREATE TRIGGER row_changed AFTER UPDATE ON _turns
WHEN new.tombstone = 0 AND (new.status <> old.status OR old.tombstone <> 0) BEGIN
  INSERT INTO logged VALUES (new.rollout, new.turn_id, new.status, NULL);
END;
CREATE TRIGGER event_came AFTER INSERT ON _events WHEN new.turn_id IS NOT NULL BEGIN
  INSERT INTO logged VALUES (new.rollout, new.turn_id, NULL, new.type);
END;
"""
ERROR = (
    b'{"timestamp":"2026-11-01T10:00:00.000Z",%s"type":"event_msg",'
    b'"payload":{"type":"error","message":"busy","codex_error_info":"server_overloaded"}}\n'
)


def failing(home: Path, chance: Random) -> None:
    """Put errors into the rollouts of a home; their ordinals repeat, which is noted."""
    for path in home.rglob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        ordinal = b'"ordinal":1,' if b'"ordinal"' in lines[-1] else b""
        for _ in range(3):
            lines.insert(chance.randrange(2, len(lines)), ERROR % ordinal)
        path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("seed", range(4))
def test_every_status_has_its_event(tmp_path: Path, seed: int) -> None:
    """Line by line, with errors and rollbacks among them."""
    home, chance = home_of(tmp_path, seed), Random(seed)
    rolled_back(home, chance)
    failing(home, chance)
    database = tmp_path / "p.db"
    backfilled(tmp_path / "nothing", database)
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript(LOGGED)

    backfilled(home, database, batch_records=1)

    with contextlib.closing(sqlite3.connect(database)) as db:
        logged = db.execute("SELECT * FROM logged ORDER BY rowid").fetchall()
    turns = {(rollout, turn_id) for rollout, turn_id, _, _ in logged}
    assert {status for _, _, status, _ in logged} >= {"inProgress", "failed"}
    for turn in turns:
        of_turn = [(status, event) for *which, status, event in logged if (*which,) == turn]
        taken = [status for status, _ in itertools.groupby(one for one, _ in of_turn if one)]
        told = [STATUS[event] for _, event in of_turn if event]
        left = iter(told)
        assert all(status in left for status in taken), (turn, taken, told)
        assert taken[-1:] == told[-1:], (turn, taken, told)


def test_the_last_event_is_the_status(tmp_path: Path) -> None:
    """Of a file that was replaced too."""
    home, chance = home_of(tmp_path, 11), Random(11)
    Rollout(seed=12).write(home, size=5_000)
    database = tmp_path / "p.db"
    backfilled(home, database)
    for _ in range(6):
        shaken(home, chance)
        backfilled(home, database)

    with contextlib.closing(sqlite3.connect(database)) as db:
        rows = db.execute(
            "SELECT t.status, (SELECT e.type FROM _events AS e WHERE e.rollout = t.rollout"
            " AND e.turn_id = t.turn_id AND e.tombstone = 0"
            " ORDER BY e.recorded_at_ms DESC, e.seq DESC LIMIT 1)"
            " FROM _turns AS t WHERE t.tombstone = 0"
        ).fetchall()
    assert rows
    assert all(status == STATUS[kind] for status, kind in rows)
