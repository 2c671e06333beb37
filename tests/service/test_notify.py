"""The daemon as a service: what it tells systemd, and what it heeds."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from projector.run.systemd import Watchdog
from projector.store.sqlite.store import SqliteStore
from tests.support.generator.rollouts import Rollout
from tests.support.manager import managed

#: No work is ever done: the loop of asyncio turns, that of the daemon does not.
HUNG = """
import asyncio
from projector.run.scheduler import Scheduler
async def hang(self):
    await asyncio.Event().wait()
Scheduler.round = hang
"""

#: Each piece of a rollout takes its time.
SLOW = """
import time
from projector.run.open_rollout import OpenRollout
gathered = OpenRollout._gathered
def slow(self, *arguments):
    time.sleep(0.2)
    return gathered(self, *arguments)
OpenRollout._gathered = slow
"""


def anew(database: Path) -> bool:
    """Whether a rollout has been projected anew."""
    with closing(sqlite3.connect(database)) as connection:
        (generation,) = connection.execute("SELECT max(generation) FROM _rollouts").fetchone()
    return bool(generation)


def test_a_life_as_systemd_sees_it(tmp_path: Path) -> None:
    """Ready once it watches; then the watchdog is fed; at SIGTERM it says that it leaves."""
    with managed(tmp_path, watchdog_s=1) as manager:
        assert manager.heard[0].startswith("EXTEND_TIMEOUT_USEC=")
        assert "STATUS" in manager.until("STATUS", "following 0 rollouts, 0 bytes behind")
        assert manager.fed()
        assert manager.fed()
        assert manager.process
        manager.process.send_signal(signal.SIGTERM)
        manager.until("STOPPING")
        assert manager.process.wait(30) == 0


def test_settings_are_read_again_at_sighup(tmp_path: Path) -> None:
    """What can be taken is taken; what cannot is named; what is wrong changes nothing."""
    with managed(tmp_path) as manager:
        assert manager.process
        for text in (
            'log.level = "debug"\nrun.watch = "poll"\nrun.rescan_s = 1\nstore.busy_timeout_s = 0\n',
            'log.level = "loud"\n',
        ):
            manager.settings.write_text(text)
            manager.process.send_signal(signal.SIGHUP)
            assert manager.until("RELOADING")["MONOTONIC_USEC"].isdigit()
            manager.until("READY")
            if "debug" in text:
                Rollout(seed=1).write(manager.home, size=3_000)
                while "batch.committed" not in manager.log.read_text():
                    manager.hear()
        lines = [json.loads(line) for line in manager.log.read_text().splitlines()]
        said = {line["event"]: line for line in lines if line["event"].startswith("settings.")}

    assert said["settings.reloaded"]["changed"] == "log.level"
    assert said["settings.left"]["need_restart"] == "run.watch"
    assert "loud" in said["settings.refused"]["error"]


def test_a_loop_that_hangs_is_not_said_to_live(tmp_path: Path) -> None:
    """So systemd starts the daemon anew."""
    with managed(tmp_path, fault=HUNG, watchdog_s=1) as manager:
        manager.until("STATUS", "following")
        Rollout(seed=1).write(manager.home, size=3_000)

        while manager.fed():  # until it has seen the rollout
            pass

        assert manager.process
        assert manager.process.poll() is None


def test_a_long_piece_of_work_is_said_to_live(tmp_path: Path) -> None:
    """A rollout that is projected anew is one turn of the loop, of many batches."""
    with managed(tmp_path, fault=SLOW, watchdog_s=2) as manager:
        rollout = Rollout(seed=1).write(manager.home, size=4_000)
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        before = len(manager.heard)

        # In one batch until now; anew, with a batch a line.
        manager.settings.write_text(
            "run.rescan_s = 1\nstore.busy_timeout_s = 0\nrun.batch_records = 1\n"
        )
        assert manager.process
        manager.process.send_signal(signal.SIGHUP)
        manager.until("RELOADING")
        whole = rollout.read_bytes()
        rollout.write_bytes(whole.replace(b"2026", b"2025", 1))
        assert whole.count(b"\n") * 0.2 > manager.limit_s
        while not anew(manager.database):
            assert manager.fed()

    assert sum("WATCHDOG=1" in text for text in manager.heard[before:]) > 2


def test_a_long_statement_shows_that_it_gets_on(tmp_path: Path) -> None:
    """A migration, or the end of a replacement, may be one statement of minutes."""
    heard = 0

    def progress() -> None:
        nonlocal heard
        heard += 1

    async def work() -> None:
        store = await SqliteStore.open(tmp_path / "p.db", on_progress=progress)
        before = heard
        count = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 300000)"
        assert await store.query(f"{count} SELECT count(*) FROM c") == [(300_000,)]
        await store.close()
        assert heard > before

    asyncio.run(work())


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        pytest.param("starting", "EXTEND_TIMEOUT_USEC=60000000", id="it starts"),
        pytest.param("running", "WATCHDOG=1", id="it runs"),
        pytest.param("stopping", "EXTEND_TIMEOUT_USEC=60000000", id="it stops"),
    ],
)
def test_a_sign_of_life_says_what_is_wanted_then(
    monkeypatch: pytest.MonkeyPatch, phase: str, word: str
) -> None:
    """And is sent at most four times a second, however often there is one."""
    sent: list[str] = []
    monkeypatch.setattr("projector.run.systemd.notify", lambda *lines: sent.extend(lines))
    now = 100.0
    pulse = Watchdog(lambda: now)
    pulse.enter(phase)  # type: ignore[arg-type]

    for now in (100.0, 100.1, 100.2, 100.3):  # noqa: B007 - the clock reads it
        pulse()

    assert sent == [word, word]
