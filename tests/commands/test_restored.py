"""A database is restored from a backup, or is another one: consumers of its feed hear of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from projector import cli
from projector.commands import events
from projector.model.database_url import shown, source_id
from projector.store import state_file
from projector.store.open import open_store
from projector.store.rules.feed import Cursor
from tests.commands.test_events import Place, following
from tests.contract.backends import PostgresBackend
from tests.support.databases import Where, reading, url_of
from tests.support.generator.rollouts import Rollout
from tests.support.makers import at, batch, file_of, item
from tests.support.mirror import Mirror, rows_to_mirror
from tests.support.projecting import backfilled
from tests.support.restoring import Backup
from tests.support.server import Server, programs


class Restored:
    """A database that was restored; a consumer has the cursors of the time that was lost."""

    def __init__(self, folder: Path, database: Where) -> None:
        """Project a rollout, and make a backup; then project more of it."""
        self.database = database
        self.url = url_of(database)
        self.home = folder / "home"
        self._rollout = Rollout(seed=1)
        self._rollout.write(self.home, size=3_000)
        backfilled(self.home, database)
        self.shared = self.cursors()
        self._backup = Backup(database)
        self.lost = self.cursors()
        self.grow()
        self.lost = [one for one in self.cursors() if one not in self.shared]
        assert self.lost

    def cursors(self) -> list[str]:
        with reading(self.database) as db:
            return [cursor for (cursor,) in db.rows("SELECT cursor FROM changes ORDER BY seq")]

    def grow(self) -> None:
        """Let more of the rollout come."""
        self._rollout.write(self.home, size=self._rollout.offset + 4_000)
        backfilled(self.home, self.database)

    def restore(self) -> None:
        self._backup.restore()

    def another(self) -> None:
        """Let another thread come, until numbers are greater than before."""
        before = Cursor.parse(self.lost[-1])
        assert before is not None
        while len(self.cursors()) <= before.seq:
            Rollout(seed=os.urandom(8).hex()).write(self.home, size=3_000)
            backfilled(self.home, self.database)


@pytest.fixture
def restored(tmp_path: Path, database: Where) -> Restored:
    return Restored(tmp_path, database)


def asked(
    capsysbinary: pytest.CaptureFixture[bytes], url: str, after: str, *more: str
) -> tuple[int, list[dict[str, Any]], str]:
    code = cli.run(["events", "--database", url, "--after", after, *more])
    out, err = capsysbinary.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err.decode()


@pytest.mark.parametrize("grown", [False, True], ids=["at once", "numbers have grown past it"])
def test_a_cursor_of_what_was_lost(
    restored: Restored, capsysbinary: pytest.CaptureFixture[bytes], *, grown: bool
) -> None:
    """It is refused, whatever the numbers are by now; one that both times have is taken."""
    restored.restore()
    if grown:
        restored.another()

    for cursor in (restored.lost[0], restored.lost[-1]):
        code, lines, err = asked(capsysbinary, restored.url, cursor)
        assert (code, lines) == (1, [])
        assert f"--after {cursor}" in err
        assert "restored from a backup" in err
    code, lines, err = asked(capsysbinary, restored.url, restored.shared[-1])
    assert (code, err) == (0, "")
    assert [one["cursor"] for one in lines] == restored.cursors()[len(restored.shared) :]


def test_a_follower_begins_anew(
    restored: Restored, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """It says so in one line, and then tells of all that there is."""
    restored.restore()
    restored.another()
    whole = len(restored.cursors())

    more = ("--follow", "--limit", str(whole))
    code, (first, *lines), err = asked(capsysbinary, restored.url, restored.lost[-1], *more)

    assert (code, err) == (0, "")
    assert first == json.loads(events.RESTART)
    mirror = Mirror()
    for line in lines:
        mirror.take(line)
    assert mirror.rows == rows_to_mirror(restored.database)


def test_it_is_restored_under_a_follower(restored: Restored) -> None:
    """Whether numbers are smaller now, or greater again before it looks."""
    place = Place(restored.home, restored.url)
    for cursor in (restored.lost[-1], str(Cursor.parse(restored.lost[-1]).seq)):  # type: ignore[union-attr] # it is one
        with following(place, "--after", cursor) as follower:
            restored.grow()
            follower.lines(place.last)
            restored.restore()
            (first, *lines) = follower.lines(place.last)
            assert first == json.loads(events.RESTART)
            assert [one["cursor"] for one in lines] == restored.shared
        restored.grow()
        restored.lost = [restored.cursors()[-1]]


def test_the_other_time_is_told_from_this_one_by_number_alone_where_its_writer_saw_both(
    restored: Restored, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Bare numbers that were given twice are refused: a file of the writer's host knows of them.

    Though each writer was one of its own, which read a part of the home and ended.
    """
    restored.restore()
    restored.another()
    shared, lost = len(restored.shared), len(restored.shared) + len(restored.lost)

    for number in (shared + 1, lost):
        code, lines, err = asked(capsysbinary, restored.url, str(number))
        assert (code, lines) == (1, [])
        assert f"numbers {shared + 1} to {lost} were given twice" in err
    for number in (0, shared, lost + 1):
        code, lines, _ = asked(capsysbinary, restored.url, str(number))
        assert (code, len(lines)) == (0, len(restored.cursors()) - number)


@pytest.mark.parametrize("spoiled", [b"", b"?" * 80, b"00000000 ab 1-0123456789abcdef", None])
def test_a_spoiled_memory_is_none(
    restored: Restored, capsysbinary: pytest.CaptureFixture[bytes], spoiled: bytes | None
) -> None:
    """Cursors are refused without it; it is made again."""
    restored.restore()
    memory = _memory(restored)
    if spoiled is None:
        memory.unlink()
    else:
        memory.write_bytes(spoiled)
    restored.another()

    assert asked(capsysbinary, restored.url, restored.lost[0])[0] == 1
    assert asked(capsysbinary, restored.url, str(len(restored.shared) + 1))[0] == 0
    assert restored.cursors()[-1].encode() in memory.read_bytes()


def _memory(restored: Restored) -> Path:
    """Return the file that knows of the newest entry."""
    if isinstance(restored.database, Path):
        return restored.database.with_name(f"{restored.database.name}.feed")
    address = shown(restored.url)
    return Path(state_file.remote_path(address, str(source_id("one")), ".feed"))


def test_a_server_that_is_restored_under_its_writer(
    postgres: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A daemon that goes on knows what it had written: bare numbers are refused as well."""

    async def write() -> None:
        async with PostgresBackend(postgres).open() as store:
            await store.commit([batch(file_of(1), [item(1, "a", 10)], end=100)])
            backup = Backup(postgres)
            lost = [item(1, name, 110) for name in "bcd"]
            await store.commit([batch(file_of(1), lost, start=at(100), end=200)])
            backup.restore()
            await store.reopen()
            await store.commit([batch(file_of(2), [item(2, n, 10) for n in "abcdef"], end=100)])

    asyncio.run(write())
    with reading(postgres) as db:
        ((after, upto),) = db.rows("SELECT rewound_after, rewound_upto FROM _sources")

    assert (after, upto) == (2, 6)
    assert asked(capsysbinary, postgres, "3", "--source", "one")[0] == 1
    assert asked(capsysbinary, postgres, "6", "--source", "one")[0] == 1
    assert asked(capsysbinary, postgres, "2", "--source", "one")[0] == 0
    assert asked(capsysbinary, postgres, "7", "--source", "one")[0] == 0


def test_a_dump_is_restored(
    tmp_path: Path, postgres: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """By pg_dump and pg_restore: a cursor of what was lost is refused, a bare number too."""
    dump = str(tmp_path / "dump")
    restored = Restored(tmp_path, postgres)
    restored.restore()
    _run("pg_dump", "-Fc", "-f", dump, postgres)
    restored.grow()
    restored.lost = restored.cursors()[len(restored.shared) :]
    _run("pg_restore", "--clean", "--if-exists", "-1", "-d", postgres, dump)
    assert restored.cursors() == restored.shared
    restored.another()

    number = str(len(restored.shared) + 1)
    for after in (restored.lost[0], restored.lost[-1], number):
        assert asked(capsysbinary, postgres, after, "--source", "one")[:2] == (1, [])
    code, lines, _ = asked(capsysbinary, postgres, restored.shared[-1], "--source", "one")
    assert (code, [one["cursor"] for one in lines]) == (
        0, restored.cursors()[len(restored.shared) :]
    )  # fmt: skip


def _run(program: str, *arguments: str) -> None:
    """Run a program of the server's."""
    subprocess.run([programs() / program, *arguments], check=True)


def test_a_commit_beside_another_writer_is_no_other_time(postgres: str, tmp_path: Path) -> None:
    """A backfill beside the daemon: both append to the one feed."""

    async def write() -> None:
        backend = PostgresBackend(postgres)
        async with backend.open() as one, backend.open() as other:
            for number in range(1, 7):
                store = (one, other)[number % 2]
                await store.commit([batch(file_of(number), [item(number, "a", 10)])])

    asyncio.run(write())
    for seed in range(3):
        Rollout(seed=seed).write(tmp_path / "home", size=2_000)
        backfilled(tmp_path / "home", tmp_path / "p.db")

    for where, table in ((postgres, "_sources"), (tmp_path / "p.db", "_feed_state")):
        with reading(where) as db:
            assert db.rows(f"SELECT rewound_after, rewound_upto FROM {table}") == [(0, 0)]


def test_retention_does_not_look_like_another_time(
    tmp_path: Path, database: Where, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The last pruned change is known by its mark, and events that stay by theirs."""
    restored = Restored(tmp_path, database)
    restored.grow()
    before = restored.cursors()
    with reading(database) as db:
        found = db.rows("SELECT cursor FROM changes WHERE kind = 'event' AND op = 'insert'")
    told_of = [cursor for (cursor,) in found]
    _prune(restored)
    left = restored.cursors()
    ((pruned,),) = _state(restored, "pruned")
    assert 1 < pruned < len(before)

    assert set(left) == {*before[pruned:], *(one for one in told_of if one in before[:pruned])}
    code, lines, _ = asked(capsysbinary, restored.url, before[pruned - 1])
    assert (code, [one["cursor"] for one in lines]) == (0, before[pruned:])
    assert asked(capsysbinary, restored.url, before[-1])[:2] == (0, [])
    for cursor in (before[0], before[pruned - 2], str(pruned - 1)):
        code, lines, err = asked(capsysbinary, restored.url, cursor)
        assert (code, lines) == (1, [])
        assert "were deleted (feed.keep_days). Read" in err
        assert f"--after {before[pruned - 1]}" in err
    code, lines, _ = asked(capsysbinary, restored.url, told_of[0], "--types", "event")
    assert (code, [one["cursor"] for one in lines]) == (0, told_of[1:])
    code, lines, _ = asked(capsysbinary, restored.url, _foreign(before[pruned - 1]))
    assert (code, lines) == (1, [])
    code, _, err = asked(capsysbinary, restored.url, before[0], "--follow")
    assert (code, "were deleted" in err) == (1, True)


def _prune(restored: Restored) -> None:
    """Take all changes out but those of the last commit, as retention does."""

    async def prune() -> None:
        store = await open_store(restored.url, source="one")
        try:
            await store.prune(1 << 60)
        finally:
            await store.close()

    asyncio.run(prune())


def _state(restored: Restored, column: str) -> list[tuple[Any, ...]]:
    table = "_sources" if restored.url.startswith("postgres") else "_feed_state"
    with reading(restored.database) as db:
        return db.rows(f"SELECT {column} FROM {table}")


def _foreign(cursor: str) -> str:
    """Give a cursor of the same number with another mark."""
    found = Cursor.parse(cursor)
    assert found is not None
    assert found.mark is not None
    return str(found._replace(mark=found.mark ^ 1))


def test_a_copy_is_the_same_feed(
    restored: Restored, postgres: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Cursors are taken by the copy, of either engine, and by a copy of the copy."""
    _prune(restored)
    cursors, names = restored.cursors(), ("PROJECTOR_SOURCE__NAME", "one")
    urls = [restored.url, postgres, f"sqlite:///{tmp_path}/copy.db"]
    if restored.url.startswith("postgres"):
        del urls[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*names)
        for of, to in pairwise(urls):
            assert cli.run(["copy", "--from", of, "--to", to]) == 0
        capsysbinary.readouterr()
        for url in urls:
            assert asked(capsysbinary, url, cursors[-1])[:2] == (0, [])
            found = [one["cursor"] for one in asked(capsysbinary, url, "0", "--types", "event")[1]]
            assert set(found) <= set(cursors)
            for cursor in cursors:
                assert asked(capsysbinary, url, cursor, "--types", "event")[0] == 0
            assert asked(capsysbinary, url, restored.shared[0])[0] == 1
            assert asked(capsysbinary, url, _foreign(cursors[-1]))[0] == 1


def test_a_follower_waits_for_a_server_that_is_down(
    postgres: str, server: Server, tmp_path: Path
) -> None:
    """It is started first; once the server is there, it tells of everything."""
    Rollout(seed=1).write(tmp_path / "home", size=2_000)
    backfilled(tmp_path / "home", postgres)
    name = f".s.PGSQL.{server.port}"
    with TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as down:
        there = Path(short, name)
        down.bind(str(there))
        down.listen()
        url = postgres.replace(f"host={server.folder}", f"host={short}")
        with following(Place(tmp_path / "home", url), "--source", "one") as follower:
            client, _ = down.accept()  # it has asked, and gets no answer
            client.close()
            there.unlink()
            there.symlink_to(Path(server.folder, name))
            last = Place(tmp_path / "home", postgres).last
            assert [one["seq"] for one in follower.lines(last)] == [*range(1, last + 1)]
