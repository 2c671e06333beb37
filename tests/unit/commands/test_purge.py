"""purge: of a thread that is purged no word is left in the files of the database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from projector import cli
from tests.support.generator.rollouts import Rollout
from tests.support.paginated import THREAD, agent, item, meta, started, user
from tests.support.projecting import backfilled

SECRET = "xyzzy-plugh"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a home with a secret thread, by name and by word, and another; both projected."""
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=3_000)
    records = [
        meta(),
        started("t"),
        item("t", user("u", f"tell {SECRET}")),
        item("t", agent("a", text=SECRET)),
    ]
    file = home / "sessions/2026/11/01" / f"rollout-2026-11-01T10-00-00-{THREAD}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    stamp = {"timestamp": "2026-11-01T10:00:00.000Z"}
    file.write_bytes(
        b"".join(orjson.dumps(stamp | {"ordinal": n} | r) + b"\n" for n, r in enumerate(records))
    )
    (home / "session_index.jsonl").write_bytes(
        orjson.dumps({"id": THREAD, "thread_name": SECRET, "updated_at": "2026-11-01T10:00:00Z"})
        + b"\n"
    )
    backfilled(home, tmp_path / "p.db")
    return home


def purge(tmp_path: Path, *arguments: str) -> int:
    return cli.run([
        "purge", THREAD, *arguments,
        "--codex-home", str(tmp_path / "home"), "--database", f"sqlite:///{tmp_path}/p.db",
    ])  # fmt: skip


def threads(tmp_path: Path) -> int:
    with closing(sqlite3.connect(tmp_path / "p.db")) as connection:
        (found,) = connection.execute("SELECT count(*) FROM threads").fetchone()
    return int(found)


def bytes_of(tmp_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in tmp_path.glob("p.db*"))


def deleted(home: Path) -> None:
    (home / "session_index.jsonl").unlink()
    for path in home.rglob(f"*{THREAD}*"):
        path.unlink()


def test_no_word_is_left(home: Path, tmp_path: Path) -> None:
    assert SECRET.encode() in bytes_of(tmp_path)
    deleted(home)
    backfilled(home, tmp_path / "p.db")  # marked, and kept
    assert threads(tmp_path) == 2

    assert purge(tmp_path) == 0

    assert threads(tmp_path) == 1
    left = bytes_of(tmp_path)
    assert SECRET.encode() not in left
    assert b"xyzzy" not in left
    backfilled(home, tmp_path / "p.db")
    assert threads(tmp_path) == 1


def test_a_dry_run_takes_nothing(home: Path, tmp_path: Path, capsys: Capture) -> None:
    deleted(home)

    assert purge(tmp_path, "--dry-run") == 0

    assert capsys.readouterr().out.startswith(f"{THREAD}: 1 rollouts: ")
    assert threads(tmp_path) == 2


def test_a_thread_whose_file_is_there_stays(home: Path, tmp_path: Path, capsys: Capture) -> None:
    """Also when the file has moved since it was projected."""
    archive = home / "archived_sessions"
    archive.mkdir()
    (path,) = home.rglob(f"*{THREAD}*")
    path.rename(archive / path.name)

    assert purge(tmp_path) == cli.FAILED

    assert f"{archive / path.name}: still there" in capsys.readouterr().err
    assert threads(tmp_path) == 2


def test_no_such_thread(tmp_path: Path, home: Path, capsys: Capture) -> None:
    database = f"sqlite:///{tmp_path}/p.db"

    assert cli.run(["purge", "t", "--codex-home", str(home), "--database", database]) == cli.FAILED
    assert "no thread 't'" in capsys.readouterr().err
