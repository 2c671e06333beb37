"""A process that may open few files: rollouts share them with the database and file events."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from projector.discover.scan import scan
from projector.run import scheduler as module
from projector.run.batches import limits_of
from projector.run.file_catalog import FileCatalog
from projector.run.open_files import RESERVED, RESTING, SIDE_BY_SIDE, OpenFiles, share_of
from projector.run.scheduler import Scheduler
from projector.store.sqlite.store import SqliteStore
from tests.support.homes import DAY, name_of, put
from tests.support.projecting import settings_for
from tests.support.running import running

ROLLOUTS = 400


def records(number: int, *turns: str) -> bytes:
    """A rollout with some turns, each without an item."""
    thread = name_of(number).removesuffix(".jsonl").partition("T10-00-00-")[2]
    kinds: list[tuple[str, dict[str, object]]] = [
        ("session_meta", {"id": thread, "cwd": "/w", "history_mode": "paginated"}),
    ]
    kinds += [("event_msg", {"type": "task_started", "turn_id": turn}) for turn in turns]
    return b"".join(
        json.dumps(
            {
                "timestamp": "2026-11-20T10:00:00.000Z",
                "ordinal": ordinal,
                "type": kind,
                "payload": payload,
            }
        ).encode()
        + b"\n"
        for ordinal, (kind, payload) in enumerate(kinds)
    )


def a_home(folder: Path, count: int = ROLLOUTS) -> Path:
    for number in range(count):
        put(folder / "home", f"{DAY}/{name_of(number)}", records(number, "one"))
    return folder / "home"


def turns(database: Path) -> int:
    with closing(sqlite3.connect(database)) as db:
        (count,) = db.execute("SELECT sum(turn_count) FROM threads").fetchone()
    return int(count)


@pytest.mark.parametrize("limit", [64, 256])
def test_the_daemon_projects_all_and_hears_of_news(tmp_path: Path, limit: int) -> None:
    """No rollout is set aside, no file event is missed, and nothing is logged of it."""
    home = a_home(tmp_path)
    env = {"PROJECTOR_LOG__LEVEL": "debug"}
    with running(home, tmp_path / "p.db", files=limit, env=env) as daemon:
        daemon.until("daemon.caught_up")
        for number in range(0, ROLLOUTS, 4):
            path = home / DAY / name_of(number)
            with path.open("ab") as file:
                file.write(records(number, "one", "two").removeprefix(path.read_bytes()))
        for number in (ROLLOUTS, ROLLOUTS + 1):
            put(home, f"{DAY}/{name_of(number)}", records(number, "one"))
        while turns(tmp_path / "p.db") < ROLLOUTS + ROLLOUTS // 4 + 2:
            daemon.until("batch.committed")
        held = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

        assert daemon.stop() == 0
    assert held <= limit - 16
    events = {json.loads(line)["event"] for line in daemon.lines}
    assert events <= {
        "daemon.started", "watch.started", "scan.finished", "daemon.caught_up", "batch.committed",
        "daemon.stopped",
    }  # fmt: skip


def test_the_soft_limit_is_raised_where_the_hard_one_allows(tmp_path: Path) -> None:
    home = a_home(tmp_path, 2)
    with running(home, tmp_path / "p.db", files=(64, 2000)) as daemon:
        daemon.until("daemon.caught_up")
        limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()

    assert "Max open files            1024                 2000" in limits


@pytest.mark.parametrize("limit", [48, 256])
def test_a_backfill_projects_all(tmp_path: Path, limit: int) -> None:
    home = a_home(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "projector", "backfill", "--codex-home", str(home)],
        env={**os.environ, "PROJECTOR_DATABASE": f"sqlite:///{tmp_path}/p.db"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert turns(tmp_path / "p.db") == ROLLOUTS


@contextmanager
def only(more: int) -> Iterator[None]:
    """Let this process open so many files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open("/", os.O_RDONLY)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def to_the_end(rounds: Scheduler) -> None:
    while rounds.waiting:
        await rounds.round()


def test_where_a_file_cannot_be_opened_others_are_closed_and_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the system has no more, or something else takes what was left to us."""
    monkeypatch.setattr(module, "share_of", lambda _: OpenFiles(SIDE_BY_SIDE, RESTING))
    home = a_home(tmp_path, 150)
    settings = settings_for(home, tmp_path / "p.db")

    async def run() -> None:
        store = await SqliteStore.open(tmp_path / "p.db")
        rounds = Scheduler(store, limits_of(settings), FileCatalog([str(home)]).rollout)
        rounds.news(scan(str(home)).files)
        with only(12):
            await to_the_end(rounds)
        assert not rounds.quarantined
        rounds.close()
        await store.close()

    asyncio.run(run())
    assert turns(tmp_path / "p.db") == 150


def test_where_nothing_can_be_closed_it_is_set_aside(tmp_path: Path) -> None:
    """And not tried again and again."""
    home = a_home(tmp_path, 3)
    settings = settings_for(home, tmp_path / "p.db")

    async def run() -> None:
        store = await SqliteStore.open(tmp_path / "p.db")
        rounds = Scheduler(store, limits_of(settings), FileCatalog([str(home)]).rollout)
        files = scan(str(home)).files
        rounds.news(files)
        with only(0):
            await to_the_end(rounds)
        reasons = [str(reason) for reason in rounds.quarantined.values()]
        assert ["Raise the limit: ulimit -n" in reason for reason in reasons] == [True] * 3
        rounds.news(files)
        await to_the_end(rounds)
        assert len(rounds.seen) == 3
        rounds.close()
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("limit", [1, 20, 45, 64, 100, 256, 1024, 1 << 20])
def test_rollouts_never_take_what_is_left_to_others(limit: int) -> None:
    share = share_of(limit)

    assert share.side_by_side >= 1
    assert sum(share) <= max(1, limit - RESERVED)
    assert share.side_by_side <= SIDE_BY_SIDE
    assert share.resting <= RESTING
