"""Small homes with a database of theirs, and commands run on them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
from click.testing import CliRunner, Result

from projector.cli import app
from tests.support.generator.rollouts import Rollout


def home_with_all_kinds(home: Path) -> Path:
    """Write a thread, its revert, a legacy thread with a rollback, and a name."""
    thread = Rollout(seed=1)
    path = thread.write(home, size=8_000)
    cut = thread.cut()
    with path.open("ab") as out:
        out.writelines(thread.turn(steps=2))
    thread.reverted(cut).write(home, size=5_000)
    legacy = Rollout(seed=2, history="legacy").write(home, size=6_000)
    with legacy.open("ab") as out:
        undone = {"type": "thread_rolled_back", "num_turns": 1}
        record = {"timestamp": "2026-11-02T00:00:00.000Z", "type": "event_msg", "payload": undone}
        out.write(orjson.dumps(record) + b"\n")
        out.write(b"no record at all\n")
    named = {"id": thread.thread_id, "thread_name": "A name", "updated_at": "2026-11-02"}
    (home / "session_index.jsonl").write_bytes(orjson.dumps(named) + b"\n")
    return home


def projector(folder: Path, *arguments: str) -> Result:
    """Run a command on the home and the database in a folder."""
    where = ["--codex-home", f"{folder}/home", "--database", f"sqlite:///{folder}/p.db"]
    return CliRunner().invoke(app, [*arguments, *where], standalone_mode=False)


def changed(folder: Path, sql: str, *values: object) -> None:
    """Change rows of the database, at least one."""
    with sqlite3.connect(folder / "p.db") as db:
        assert db.execute(sql, values).rowcount > 0
    db.close()


def asked(folder: Path, sql: str) -> tuple[object, ...]:
    """Give the one row of a query."""
    with sqlite3.connect(folder / "p.db") as db:
        (row,) = db.execute(sql).fetchall()
    db.close()
    return tuple(row)


def first_file(folder: Path) -> Path:
    """Give the first file of the paginated thread."""
    (name,) = asked(folder, "SELECT min(thread_id) FROM _rollouts WHERE mode = 'paginated'")
    (path,) = (folder / "home").rglob(f"rollout-*T??-??-??-{name}.jsonl")
    return path


def appended(folder: Path, data: bytes) -> None:
    """Append to that file."""
    with first_file(folder).open("ab") as out:
        out.write(data)
