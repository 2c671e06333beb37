"""SIGKILL at every write: the next start goes on as if nothing had happened."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.databases import Where
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
from tests.support.rows import Rows, rows_of
from tests.support.server import Server

#: Statements, or waits for the server, between one death and the next.
STEPS = {"sqlite": 3, "postgres": 23}


def small_home(folder: Path) -> Path:
    """Three rollouts: a thread, its revert, and a legacy one."""
    home = folder / "home"
    thread = Rollout(seed=1)
    path = thread.write(home, size=6_000)
    cut = thread.cut()
    with path.open("ab") as out:
        out.writelines(thread.turn(steps=2))
    thread.reverted(cut).write(home, size=4_000)
    Rollout(seed=2, history="legacy").write(home, size=6_000)
    return home


def killed_at(number: int, home: Path, database: Where) -> bool:
    """Backfill in a child process that dies before its `number`th statement; whether it died.

    On a server: before it says or hears something for the `number`th time.
    """
    child = os.fork()
    if child == 0:
        try:
            _die_at(number)
            backfilled(home, database, batch_records=30)
        except BaseException as error:  # noqa: BLE001 - a child must not go on with the tests
            sys.stderr.write(f"child: {error!r}\n")
            os._exit(70)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _die_at(number: int) -> None:
    """Count the statements of every connection that this process opens from now on."""
    statements = itertools.count(1)

    def count(_statement: str) -> None:
        if next(statements) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sqlite3.connect = _traced(sqlite3.connect, count)  # type: ignore[assignment]
    wait = psycopg.AsyncConnection.wait

    async def count_and_wait(*args: Any, **named: Any) -> Any:
        count("")
        return await wait(*args, **named)

    psycopg.AsyncConnection.wait = count_and_wait  # type: ignore[method-assign]


def _traced(
    connect: Callable[..., sqlite3.Connection], trace: Callable[[str], object]
) -> Callable[..., sqlite3.Connection]:
    def connect_and_trace(*args: object, **named: object) -> sqlite3.Connection:
        connection = connect(*args, **named)
        connection.set_trace_callback(trace)
        return connection

    return connect_and_trace


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """A home, and the rows of a backfill that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    home = small_home(folder)
    backfilled(home, folder / "p.db", batch_records=30)
    return home, rows_of(folder / "p.db")


def _deaths(home: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Statements before which to die: around the ends of each transaction, and some within."""
    statements: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", _traced(sqlite3.connect, statements.append))
        backfilled(home, empty, batch_records=30)
    ends = [
        number for number, one in enumerate(statements, 1) if one in ("BEGIN IMMEDIATE", "COMMIT")
    ]
    assert len(ends) >= 8, statements
    around = {number + step for number in ends for step in (0, 1)}
    return sorted(around | set(range(ends[0], ends[-1], 17)) | {1, len(statements) + 99})


def test_killed_at_every_write(
    undisturbed: tuple[Path, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before and after each transaction and within it, it ends with the same rows."""
    home, rows = undisturbed
    backfilled(tmp_path / "nobody", tmp_path / "empty.db")  # to make it is another test's matter
    shutil.copy(tmp_path / "empty.db", tmp_path / "whole.db")
    deaths = _deaths(home, tmp_path / "whole.db", monkeypatch)
    for number in deaths:
        database = tmp_path / f"{number}.db"
        shutil.copy(tmp_path / "empty.db", database)

        assert killed_at(number, home, database) == (number != deaths[-1])

        backfilled(home, database, batch_records=30)
        assert rows == rows_of(database), f"killed before statement {number}"
        database.unlink()


def test_killed_again_and_again(
    undisturbed: tuple[Path, Rows], database: Where, engine: str
) -> None:
    """One database, killed a little later each time, comes to the same rows."""
    home, rows = undisturbed
    for number in itertools.count(1, STEPS[engine]):
        if not killed_at(number, home, database):
            break

    assert rows == rows_of(database)


@pytest.mark.parametrize("begin", [3, 20])
def test_killed_while_a_server_writes(
    undisturbed: tuple[Path, Rows], server: Server, begin: int
) -> None:
    """Each time on an empty database, and begun again: the same rows."""
    home, rows = undisturbed
    for number in itertools.count(begin, 37):
        with server.database() as url:
            killed = killed_at(number, home, url)
            backfilled(home, url, batch_records=30)

            assert rows == rows_of(url), f"killed before {number}"

        if not killed:
            assert number > 150, "the kills did not reach the writes"
            return
