"""SIGKILL at every write: the next start goes on as if nothing had happened."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import sys
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
    connect = sqlite3.connect

    def count(_statement: str) -> None:
        if next(statements) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect_and_count(*args: object, **named: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **named)  # type: ignore[call-overload]
        connection.set_trace_callback(count)
        return connection

    sqlite3.connect = connect_and_count  # type: ignore[assignment]
    wait = psycopg.AsyncConnection.wait

    async def count_and_wait(*args: Any, **named: Any) -> Any:
        count("")
        return await wait(*args, **named)

    psycopg.AsyncConnection.wait = count_and_wait  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """A home, and the rows of a backfill that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    home = small_home(folder)
    backfilled(home, folder / "p.db", batch_records=30)
    return home, rows_of(folder / "p.db")


def test_killed_at_every_write(undisturbed: tuple[Path, Rows], tmp_path: Path) -> None:
    """Killed before its 1st, 4th, 7th … statement and started again, it ends with the same rows."""
    home, rows = undisturbed
    backfilled(tmp_path / "nobody", tmp_path / "empty.db")  # to make it is another test's matter
    for number in itertools.count(1, 3):  # every transaction has more than three
        database = tmp_path / f"{number}.db"
        shutil.copy(tmp_path / "empty.db", database)
        killed = killed_at(number, home, database)
        backfilled(home, database, batch_records=30)

        assert rows == rows_of(database), f"killed before statement {number}"

        database.unlink()
        if not killed:
            assert number > 100, "the kills did not reach the writes"
            return


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
