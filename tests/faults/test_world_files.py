"""Rollouts and homes that cannot be read, vanish, come back, or meet a fault of our own."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from projector.reduce.paginated import PaginatedReducer
from projector.store.sqlite.write import write as really
from tests.support.following import World, following, world
from tests.support.projecting import backfilled


def the_same(made: World) -> None:
    assert made.whole() == made.rows()


class Forbidding:
    """A file system that refuses one path, until told otherwise."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int) -> None:
        self._number = number
        self._path, self._fd = "", -1
        self._open, self._pread = os.open, os.pread
        patch.setattr(os, "open", self._open_or_not)
        patch.setattr(os, "pread", self._pread_or_not)

    def refuse(self, path: Path | None) -> None:
        self._path = "" if path is None else str(path)

    def _fails(self) -> OSError:
        return OSError(self._number, os.strerror(self._number), self._path)

    def _open_or_not(self, path: Any, *args: Any, **named: Any) -> int:
        if path == self._path and self._number == errno.EACCES:
            raise self._fails()
        opened = self._open(path, *args, **named)
        if path == self._path:
            self._fd = opened
        return opened

    def _pread_or_not(self, fd: int, *args: int) -> bytes:
        if self._path and self._number == errno.EIO and self._leads_there(fd):
            raise self._fails()
        return self._pread(fd, *args)

    def _leads_there(self, fd: int) -> bool:
        return os.path.samestat(os.fstat(fd), os.stat(self._path))


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EIO, "the disk cannot read it"), (errno.EACCES, "permission denied")],
)
def test_a_rollout_cannot_be_read_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    """It is set aside, the others go on, monitoring hears of it; then it goes on where it was."""
    made = world(tmp_path)
    disk = Forbidding(monkeypatch, number)
    bad, good = made.rollouts[0], made.rollouts[1:]

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            disk.refuse(made.home / bad.path)
            path = made.home / bad.path
            shutil.copy(path, tmp_path / "copy")  # another inode: it has to be opened anew
            (tmp_path / "copy").replace(path)
            made.grow()
            said = await daemon.until_said("rollout.set_aside")
            await daemon.until(lambda: made.heartbeat()["set_aside"] == 1)
            await daemon.until(
                lambda: all(made.offsets()[one.rollout_id] == one.offset for one in good)
            )
            assert reason in said["error"]
            disk.refuse(None)
            await daemon.until_said("rollout.back")
            await daemon.until_read()
            await daemon.until(lambda: made.heartbeat()["set_aside"] == 0)

    asyncio.run(run())
    the_same(made)


def test_set_aside_and_then_removed_it_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else monitoring would warn of it for ever."""
    made = world(tmp_path)
    disk = Forbidding(monkeypatch, errno.EACCES)
    bad = made.rollouts.pop()
    disk.refuse(made.home / bad.path)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_said("rollout.set_aside")
            (made.home / bad.path).unlink()
            await daemon.until(lambda: made.heartbeat()["set_aside"] == 0)
            await daemon.until_read()

    asyncio.run(run())


@pytest.fixture
def other_device(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on another file system than `tmp_path`."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.mark.parametrize("empty", [True, False], ids=["an empty mount point", "nothing there"])
def test_a_home_is_unmounted_and_back(tmp_path: Path, other_device: Path, *, empty: bool) -> None:
    """No thread is taken for deleted; what was written meanwhile is read."""
    made = world(tmp_path)
    shutil.move(made.home, other_device / "mounted")
    made.home.symlink_to(other_device / "mounted")

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            made.home.unlink()
            if empty:
                made.home.mkdir()
            daemon.said.clear()
            await daemon.until_said("scan.finished")
            await daemon.until_said("scan.finished")
            if empty:
                made.home.rmdir()
            made.home.symlink_to(other_device / "mounted")
            made.grow()
            await daemon.until_read()

    asyncio.run(run())
    the_same(made)
    assert "thread.deleted" not in {row[4] for row in made.rows()["lifecycle_events"]}


def _listed_then(patch: pytest.MonkeyPatch, path: Path, happens: Callable[[], object]) -> None:
    """Have something happen between the listing of a rollout and its opening."""
    really = os.open
    done: list[object] = []

    def open_later(name: Any, *args: Any, **named: Any) -> int:
        if name == str(path) and not done:
            done.append(name)
            happens()
        return really(name, *args, **named)

    patch.setattr(os, "open", open_later)


def test_archived_between_listing_and_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(tmp_path)
    path = made.home / made.rollouts[0].path
    archive = made.home / "archived_sessions"
    archive.mkdir()
    _listed_then(monkeypatch, path, lambda: path.rename(archive / path.name))

    summary = backfilled(made.home, made.database)

    assert (summary.unreadable, summary.faults) == (0, ())
    assert made.is_read()
    the_same(made)


@pytest.mark.parametrize("live", [False, True])
def test_removed_between_listing_and_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, live: bool
) -> None:
    """It is as if it had never been; nothing is set aside for it."""
    made = world(tmp_path)
    path = made.home / made.rollouts.pop().path
    _listed_then(monkeypatch, path, path.unlink)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            await daemon.until_said("scan.finished")
            await daemon.until_said("scan.finished")
            assert made.heartbeat()["set_aside"] == 0
            assert "rollout.set_aside" not in {name for name, _ in daemon.said}

    if live:
        asyncio.run(run())
    else:
        assert backfilled(made.home, made.database).unreadable == 0
    the_same(made)


SAID = "what was said in confidence"


class OwnFault(Exception):
    """Not foreseen."""


def test_a_fault_of_our_own_costs_one_rollout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trace is logged, without a word of the thread; the others go on."""
    made = world(tmp_path)
    bad = made.rollouts[0]
    really = PaginatedReducer.apply

    def take(reducer: PaginatedReducer, lines: Any) -> Any:
        if reducer._ctx.rollout == bad.rollout_id and reducer.next_ordinal:
            raise OwnFault(SAID)
        return really(reducer, lines)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            with monkeypatch.context() as patch:
                patch.setattr(PaginatedReducer, "apply", take)
                made.grow()
                said = await daemon.until_said("rollout.failed")
                await daemon.until(lambda: made.heartbeat()["set_aside"] == 1)
                offsets = made.offsets()
                assert all(offsets[one.rollout_id] == one.offset for one in made.rollouts[1:])
            await daemon.until_said("rollout.back")
            await daemon.until_read()
            assert said["error"] == "OwnFault"
            assert "in take" in said["trace"]
            assert SAID not in str(said)

    asyncio.run(run())
    the_same(made)


def test_rows_that_cannot_be_written_cost_one_rollout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction holds several rollouts; which one is at fault is found out."""
    made = world(tmp_path, rollouts=5)
    bad = made.rollouts[2]

    def write(db: Any, batches: Any) -> Any:
        if any(to.thread_id == bad.thread_id for to, _ in batches):
            raise OwnFault
        return really(db, batches)

    monkeypatch.setattr("projector.store.sqlite.commit.write", write)

    summary = backfilled(made.home, made.database)

    assert [bad.rollout_id in fault for fault in summary.faults] == [True]
    assert set(made.offsets()) == {one.rollout_id for one in made.rollouts} - {bad.rollout_id}
    monkeypatch.undo()
    backfilled(made.home, made.database)
    the_same(made)
