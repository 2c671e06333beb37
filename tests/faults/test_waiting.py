"""What does not answer: a file system, a server that is silent, gone, or not there yet."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from projector import cli
from projector.discover.watch import Watch
from projector.model.errors import StoreRefused, StoreUnavailable
from projector.model.settings import Settings
from projector.run import systemd
from projector.run.daemon import Daemon
from projector.store.open import closed_store
from projector.store.postgres.reading import connect
from projector.store.sqlite.file import explained
from tests.support import citus
from tests.support.generator.rollouts import Rollout
from tests.support.manager import Manager
from tests.support.server import Server, user

#: Mounts a file system whose server never answers, in a namespace of its own, and runs a command.
_HUNG = """
import ctypes, os, subprocess, sys
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"hung", sys.argv[1].encode(), b"fuse", 0, options):
    sys.exit(77)
done = subprocess.run(sys.argv[2:], timeout=30, capture_output=True, text=True)
print(done.stdout, end="")
sys.stdout.flush()
os._exit(done.returncode)
"""


@pytest.mark.parametrize("what", ["home", "database", "settings"])
def test_health_answers_though_a_file_system_does_not(tmp_path: Path, what: str) -> None:
    """A FUSE whose server is silent: only SIGKILL would end who asks it."""
    hung = tmp_path / "hung"
    hung.mkdir()
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=3_000)
    database = f"sqlite:///{tmp_path}/p.db"
    assert cli.run(["backfill", "--codex-home", str(home), "--database", database]) == 0
    settings = tmp_path / "settings.toml"
    settings.touch()
    command = [
        sys.executable, "-m", "projector",
        "--config", str(hung / "c.toml" if what == "settings" else settings), "health", "-t", "1",
        "--codex-home", str(hung if what == "home" else home),
        "--database", f"sqlite:///{hung}/p.db" if what == "database" else database,
    ]  # fmt: skip
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", _HUNG, str(hung), *command],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    if done.returncode in (1, 77) and "UNKNOWN" not in done.stdout:
        pytest.skip("no FUSE here")

    assert (done.returncode, done.stdout) == (3, "UNKNOWN: no answer within 1 s\n"), done.stderr


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def _process(server: Server) -> int:
    return int((server.folder / "data/postmaster.pid").read_text().split("\n")[0])


def _signal(server: Server, number: signal.Signals) -> None:
    """Send a signal to the server and to all its processes."""
    parent = _process(server)
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for pid in (parent, *map(int, children)):
        os.kill(pid, number)


#: The processes of these tests leave an unresponsive server after a second, not ten.
_SOON = "from projector.run import daemon\ndaemon.LEAVE_S = 1.0\n"
_FOLLOW = """
from projector.__main__ import main
from projector.commands import following
following.LEAVE_S = 1.0
main()
"""


@pytest.mark.parametrize("busy", [False, True], ids=["at rest", "with news"])
def test_sigterm_while_the_server_is_silent(
    own_server: Server,
    tmp_path: Path,
    busy: bool,  # noqa: FBT001 - a parameter
) -> None:
    """It leaves after a while, with 0; the next run finds all."""
    with Manager(tmp_path) as manager:
        manager.url = own_server.make_database()
        Rollout(seed=1).write(manager.home, size=3_000)
        daemon = manager.start(fault=_SOON)
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        _signal(own_server, signal.SIGSTOP)
        try:
            if busy:
                Rollout(seed=2).write(manager.home, size=3_000)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0
        finally:
            _signal(own_server, signal.SIGCONT)
        manager.start()
        manager.until("STATUS", f"following {2 if busy else 1} rollouts, 0 bytes behind")


def test_sigterm_while_a_server_accepts_and_is_silent(tmp_path: Path) -> None:
    """At the start: nothing was ever heard of it."""
    with socket.create_server(("127.0.0.1", 0)) as silent, Manager(tmp_path) as manager:
        manager.url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d?connect_timeout=600"
        daemon = manager.start(fault=_SOON)
        with silent.accept()[0]:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0


@contextmanager
def _silent_at_connecting(_url: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """A server that accepts; gives its address, and what waits until it was asked."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as held:
        silent.settimeout(30)
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d?connect_timeout=600"
        yield url, lambda: held.enter_context(silent.accept()[0])


@contextmanager
def _silent_at_a_query(url: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """As a client sees it: a statement that gets no answer."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    with psycopg.connect(url) as db, psycopg.connect(url, autocommit=True) as looking:
        db.execute("LOCK TABLE _sources, _rollouts IN ACCESS EXCLUSIVE MODE")

        def asked() -> None:
            deadline = time.monotonic() + 30
            while looking.execute(waiting).fetchone() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)

        yield url, asked


@pytest.mark.parametrize("silent", [_silent_at_connecting, _silent_at_a_query])
def test_health_answers_though_the_server_does_not(
    postgres: str,
    silent: Callable[[str], AbstractContextManager[tuple[str, Callable[[], object]]]],
) -> None:
    with silent(postgres) as (url, _):
        done = subprocess.run(
            [sys.executable, "-m", "projector", "health", "-t", "3", "--database", url],
            env=os.environ | {"PROJECTOR_CONFIG": os.devnull},
            capture_output=True, text=True, timeout=40, check=False,
        )  # fmt: skip

    assert (done.returncode, done.stdout) == (3, "UNKNOWN: no answer within 3 s\n"), done.stderr


@pytest.mark.parametrize("silent", [_silent_at_connecting, _silent_at_a_query])
def test_sigterm_while_a_follower_of_the_feed_waits_for_an_answer(
    postgres: str,
    silent: Callable[[str], AbstractContextManager[tuple[str, Callable[[], object]]]],
) -> None:
    """It leaves after a while, with 0."""
    with silent(postgres) as (url, asked):
        follower = subprocess.Popen(
            [sys.executable, "-c", _FOLLOW, "events", "--follow", "--database", url],
            env=os.environ | {"PROJECTOR_CONFIG": os.devnull},
        )
        try:
            asked()
            follower.send_signal(signal.SIGTERM)
            assert follower.wait(30) == 0
        finally:
            follower.kill()
            follower.wait()


def test_a_server_that_is_not_there_at_the_start(own_server: Server, tmp_path: Path) -> None:
    """`run` waits, and its endpoint says for what; so does a follower of the feed."""
    with Manager(tmp_path) as manager:
        manager.url = own_server.make_database()
        manager.settings.write_text(
            manager.settings.read_text() + f'serve.listen = "unix:{tmp_path}/http"\n'
        )
        Rollout(seed=1).write(manager.home, size=3_000)
        own_server.stop()
        try:
            manager.start()
            follower = subprocess.Popen(
                [sys.executable, "-m", "projector", "events", "--follow", "--limit", "1",
                 "--database", manager.url],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=os.environ | {"PROJECTOR_CONFIG": os.devnull},
            )  # fmt: skip
            manager.until("STATUS", "waiting for the database")
            manager.until("EXTEND_TIMEOUT_USEC")
            assert all("READY" not in one for one in manager.heard)
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(str(tmp_path / "http"))
                asking.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                assert b" 503 " in asking.recv(100)
        finally:
            own_server.start()
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        out, _ = follower.communicate(timeout=30)
        # Of a database without tables there is no feed to wait for.
        assert follower.returncode == 1 or '"seq":1' in out


def test_a_conflict_on_a_standby_is_not_other_writers(postgres: str) -> None:
    raised = (
        "DO $$ BEGIN RAISE EXCEPTION 'canceling statement due to conflict with recovery'"
        " USING ERRCODE = '40001'; END $$"
    )
    with connect(postgres, "one") as db, pytest.raises(StoreUnavailable) as refused:
        db.rows(raised)

    assert "other writers" not in str(refused.value)
    assert "max_standby_streaming_delay" in str(refused.value)


RIGHTS = [
    # statements as the owner, command, the hint
    ("REVOKE CONNECT ON DATABASE {db} FROM PUBLIC", "status", "GRANT CONNECT ON DATABASE {db} TO"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "status", "projector backfill"),
    ("REVOKE ALL ON SCHEMA public FROM PUBLIC", "backfill", "GRANT USAGE, CREATE ON SCHEMA public"),
    ("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "backfill", "CREATE ON SCHEMA public TO guest"),
]  # fmt: skip


@citus.own_server
@pytest.mark.parametrize(("statement", "command", "hint"), RIGHTS)
def test_the_right_that_is_missing_is_named(
    server: Server, capsys: pytest.CaptureFixture[str], statement: str, command: str, hint: str
) -> None:
    url = server.make_database()
    name = url.partition("///")[2].partition("?")[0]
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN others THEN END $$")
        db.execute(statement.format(db=name).encode())
    try:
        code = cli.run([command, "--database", url.replace("user=projector", "user=guest")])
        out, err = capsys.readouterr()
        assert (code, out) == (1, "")
        assert hint.format(db=name) in err
    finally:
        server.drop_database(url)


@citus.own_server
@pytest.mark.parametrize("command", ["status", "health", "doctor", "events", "threads"])
def test_a_schema_that_may_not_be_used_is_named(
    postgres: str, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """To the server its tables do not exist; to a projector they do."""
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN others THEN END $$")
        db.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    code = cli.run([command, "--database", postgres.replace("user=projector", "user=guest")])

    out, err = capsys.readouterr()
    assert code
    assert "permission denied for schema public" in out + err
    assert "GRANT USAGE ON SCHEMA public TO guest" in out + err


@citus.own_server
def test_a_table_that_may_not_be_read_is_named(
    postgres: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    del server
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN others THEN END $$")
        db.execute("GRANT USAGE ON SCHEMA public TO guest")
    code = cli.run(["threads", "--database", postgres.replace("user=projector", "user=guest")])

    assert code == 1
    assert "GRANT SELECT ON TABLE" in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() != 0, reason="files of another user are needed")
@pytest.mark.parametrize("lacks", ["file", "folder"])
def test_a_file_that_may_not_be_written_is_named(lacks: str) -> None:
    """As another user, on real files."""
    nobody = user() or 65534
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "p.db"
        path.touch()
        os.chown(path, nobody if lacks == "folder" else 0, -1)
        os.chown(name, nobody if lacks == "file" else 0, -1)
        Path(name).chmod(0o755)
        path.chmod(0o644)
        os.seteuid(nobody)
        try:
            db = sqlite3.connect(path)
            with pytest.raises(sqlite3.OperationalError) as fault:
                db.execute("CREATE TABLE x (y)")
            db.close()
            found = explained(path, fault.value)
        finally:
            os.seteuid(0)

    assert isinstance(found, StoreRefused)
    assert f"may not write {path if lacks == 'file' else name}, which is uid 0's" in found.hint


def test_a_thousand_services_do_not_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first connection and each retry are at moments of their own, the waits still grow."""
    monkeypatch.setattr(systemd, "is_service", lambda: True)

    async def waits() -> list[float]:
        """Return how long a service waits for a server that is not there, seconds."""
        stop, slept = asyncio.Event(), list[float]()

        async def noted(_: Daemon, seconds: float) -> None:
            slept.append(seconds)
            if len(slept) > 12:
                stop.set()

        monkeypatch.setattr(Daemon, "_sleep", noted)
        settings = Settings(codex_homes=("/nowhere",), database="postgresql://127.0.0.1:1/none")
        store = closed_store(settings.database, source="one")
        async with Watch(settings.codex_homes) as watch:
            await Daemon(store, settings, watch, stop, opening=store.reopen).run()
        return slept

    firsts, retries = set[float](), set[float]()
    for _ in range(5):
        first, *rest = asyncio.run(waits())
        firsts.add(first)
        assert 0 <= first <= 5
        for number, wait in enumerate(rest):
            most = min(0.25 * 2**number, 30)
            assert most / 2 <= wait <= most
            retries.add(wait / most)
    assert len(firsts) == 5
    assert len(retries) > 50
    assert max(retries) - min(retries) > 0.25
