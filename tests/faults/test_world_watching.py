"""File events that are lost or cannot be had, clocks that jump, a process that is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from watchfiles import Change

from tests.support.following import PATIENCE_S, following, world
from tests.support.generator.rollouts import Rollout

Changes = AsyncGenerator[set[tuple[Change, str]], None]


async def _lost(
    paths: Sequence[str], *, recursive: bool, step_ms: int, debounce_ms: int
) -> Changes:
    """Tell nothing, as after an overflow of the queue."""
    del paths, recursive, step_ms, debounce_ms
    await asyncio.Event().wait()
    yield set()


async def _no_more(
    paths: Sequence[str], *, recursive: bool, step_ms: int, debounce_ms: int
) -> Changes:
    """Refuse, as at the limit of watches."""
    del recursive, step_ms, debounce_ms
    if paths:
        raise OSError("OS file watch limit reached. about /h/sessions")
    yield set()


def test_events_are_lost(tmp_path: Path) -> None:
    """The scan finds what was not told: what grew, and what is new."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made, events=_lost) as daemon:
            await daemon.until_read()
            made.grow()
            await daemon.until_read()

    asyncio.run(run())
    assert made.whole() == made.rows()


def test_what_is_appended_is_seen_by_its_event_alone(tmp_path: Path) -> None:
    """The next scan would come in an hour. In a new folder, too, of a new day."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made, rescan_s=3600) as daemon:
            await daemon.until_read()
            made.grow()
            await daemon.until_read()
            fresh = Rollout(seed=77)
            fresh.write(tmp_path / "elsewhere", size=3_000)
            there = made.home / "sessions/2026/12/24" / fresh.path.name
            there.parent.mkdir(parents=True)
            (tmp_path / "elsewhere" / fresh.path).rename(there)
            made.rollouts.append(fresh)
            await daemon.until_read()

    asyncio.run(run())


def test_the_limit_of_watches_is_reached(tmp_path: Path) -> None:
    """It polls, and says why and how to mend it."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made, events=_no_more) as daemon:
            said = await daemon.until_said("watch.fell_back")
            await daemon.until(lambda: made.heartbeat().get("watching") == "polling")
            made.grow()
            await daemon.until_read()
            assert "max_user_watches" in said["why"]

    asyncio.run(run())
    assert made.whole() == made.rows()


@pytest.mark.parametrize("hours", [-24, 24])
def test_the_clock_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """Nothing is decided by the time of day; the sign of life has the new time."""
    made = world(tmp_path)
    really = time.time_ns

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            before = made.heartbeat()["beat_at_ms"]
            monkeypatch.setattr(time, "time_ns", lambda: really() + hours * 3_600 * 10**9)
            made.grow()
            await daemon.until_read()
            # One of the old time may still come in between.
            wanted = before + hours * 3_600_000
            await daemon.until(lambda: abs(made.heartbeat()["beat_at_ms"] - wanted) < 3_600_000)

    asyncio.run(run())
    monkeypatch.undo()
    assert made.whole() == made.rows()


def _until_read(made: object, done: object) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():  # type: ignore[operator]
        assert time.monotonic() < until, made
        time.sleep(0.01)


def _stop_at_rest(database: Path, daemon: subprocess.Popen[bytes]) -> None:
    """Stop it in no transaction: a sign of life is one, too."""
    until = time.monotonic() + PATIENCE_S
    while True:
        daemon.send_signal(signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(database, timeout=0.1, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
        except sqlite3.OperationalError:
            assert time.monotonic() < until
            daemon.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        else:
            return


def test_stopped_and_continued(tmp_path: Path) -> None:
    """As after an hour's suspension: what was written meanwhile is read."""
    made = world(tmp_path)
    words = ["run", "--codex-home", str(made.home), "--database", f"sqlite:///{made.database}"]
    environment = {**os.environ, "PROJECTOR_RUN__RESCAN_S": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "projector", *words], env=environment, stderr=subprocess.DEVNULL
    ) as daemon:
        try:
            _until_read(made, made.is_read)
            _stop_at_rest(made.database, daemon)  # others may write meanwhile
            made.grow()
            assert not made.is_read()
            daemon.send_signal(signal.SIGCONT)
            _until_read(made, made.is_read)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE_S) == 0
        finally:
            daemon.kill()
    assert made.whole() == made.rows()
