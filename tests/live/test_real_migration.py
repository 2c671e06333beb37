"""The real Codex migrates a legacy thread in place: what was shown of it before is shown after."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.live import offline
from tests.support.databases import reading
from tests.support.extended import RECORDS, THREAD
from tests.support.homes import put
from tests.support.legacy_records import call, completed, lines_from, output, ran, said, started
from tests.support.projecting import backfilled

#: With commands of an event and of a call alone, and a turn that no record opens.
MORE = (
    started("t3"), *said("run"), ran("c1", "t3", "agent"),
    call("c2", ("shell", {"command": ["ls"]})), output("c2", "text"), completed("t3"),
    *said("and now"),
)  # fmt: skip
ITEMS = "SELECT type, item_json FROM thread_history ORDER BY position"
TURNS = (
    "SELECT status, error_json, started_at, duration_ms FROM thread_turn_history ORDER BY position"
)


def shown(database: Path) -> tuple[list[tuple[str, dict[str, object]]], list[tuple[object, ...]]]:
    """Give items without their ids, and turns."""
    with reading(database) as db:
        items = [(kind, json.loads(text)) for kind, text in db.rows(ITEMS)]
        turns = db.rows(TURNS)
    for _, item in items:
        del item["id"]
    return items, turns


def test_nothing_visible_is_lost(codex: Path, tmp_path: Path) -> None:
    home, database = tmp_path / "home", tmp_path / "p.db"
    name = f"sessions/2026/03/01/rollout-2026-03-01T09-00-00-{THREAD}.jsonl"
    path = put(home, name, lines_from([*RECORDS, *MORE]))
    (home / "config.toml").write_text("[analytics]\nenabled = false\n")
    backfilled(home, database)
    before = shown(database)

    done = subprocess.run(
        [*offline.prefix(), codex, "migrate-rollouts", "--apply", "--json"],
        env={"CODEX_HOME": str(home), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    backfilled(home, database)

    assert done.returncode == 0, done.stderr
    assert b'"history_mode":"paginated"' in path.read_bytes()
    assert b"collab_agent" not in path.read_bytes()
    assert shown(database) == before
    backfilled(home, tmp_path / "fresh.db")
    assert len(shown(tmp_path / "fresh.db")[0]) == len(before[0]) - 4
