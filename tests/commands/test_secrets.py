"""A password leaves the process nowhere: a real server, every printable character, all ways out."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import psycopg
import pytest
from psycopg import sql

from projector import cli
from projector.model import redaction
from projector.model.database_url import HIDDEN
from tests.support.generator.rollouts import Rollout
from tests.support.manager import Manager
from tests.support.server import Server, free_port

#: Each printable character once, in no order in which they occur elsewhere.
_CHARACTERS = [chr(code) for code in range(32, 127)] + ["é"]
random.Random(7).shuffle(_CHARACTERS)
PASSWORD = "x" + "".join(_CHARACTERS) + "y"
_RAW = "".join(one if one not in "%/@ " else quote(one, safe="") for one in PASSWORD)
_CODED = quote(PASSWORD, safe="")
_QUOTED = PASSWORD.replace("\\", r"\\").replace("'", r"\'")
#: So many of its characters in a row are nowhere by accident.
_RUN = 5


class Guarded:
    """A server that wants a password from whoever comes by TCP."""

    def __init__(self) -> None:
        self.server = Server(port=str(free_port()), listen_addresses="127.0.0.1")
        with psycopg.connect(self.server.url(), autocommit=True) as db:
            for name, word in (("robin", PASSWORD), ("ann", "a")):
                db.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(name), sql.Literal(word)
                    )
                )
                db.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(f"db_{name}"), sql.Identifier(name)
                    )
                )
            hba = self.server.folder / "data/pg_hba.conf"
            hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
            db.execute("SELECT pg_reload_conf()")
        self.at = f"127.0.0.1:{self.server.port}"

    def urls(self) -> dict[str, str]:
        """Give addresses that work, by how they are written."""
        host, port = self.at.split(":")
        return {
            "raw": f"postgresql://robin:{_RAW}@{self.at}/db_robin",
            "coded": f"postgresql://robin:{_CODED}@{self.at}/db_robin",
            "option": f"postgresql://robin@{self.at}/db_robin?password={_CODED}",
            "keywords": f"host={host} port={port} user=robin dbname=db_robin password='{_QUOTED}'",
        }


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    guarded = Guarded()
    yield guarded
    guarded.server.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "codex"
    Rollout(seed=3).write(home, size=3_000)
    return home


class Done(NamedTuple):
    """What a command did."""

    code: int
    said: str
    """On both streams."""


class Person:
    """Runs commands, each as in a process of its own that has learned nothing yet."""

    def __init__(
        self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.home, self._capsys, self._monkeypatch = home, capsys, monkeypatch

    def runs(
        self, *arguments: str, env: Mapping[str, str] = {}, database: str | None = None
    ) -> Done:
        redaction.forget()
        where = [] if database is None else ["--database", database]
        given = {"PROJECTOR_CONFIG": os.devnull, "HOME": str(self.home.parent),
                 "CODEX_HOME": str(self.home)} | dict(env)  # fmt: skip
        with self._monkeypatch.context() as patch:
            for name in os.environ:
                if name.startswith(("PROJECTOR_", "CODEX", "PG")):
                    patch.delenv(name)
            for name, value in given.items():
                patch.setenv(name, value)
            code = cli.run([*arguments, *where])
        out, err = self._capsys.readouterr()
        return Done(code, out + err)


@pytest.fixture
def person(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Person:
    return Person(home, capsys, monkeypatch)


def leaked(text: str) -> list[str]:
    """Give the pieces of the password that stand in a text, in whatever spelling."""
    seen = (text, unquote(text), text.replace("\\", ""))
    pieces = {PASSWORD[at : at + _RUN] for at in range(len(PASSWORD) - _RUN + 1)}
    pieces |= {piece.replace("\\", "") for piece in pieces if "\\" in piece[1:-1]}
    return [piece for piece in pieces if any(piece in one for one in seen)]


def test_leaks_are_seen() -> None:
    for text in (PASSWORD, _CODED, _RAW, _QUOTED, json.dumps(PASSWORD), repr(PASSWORD)):
        assert leaked(f"x {text[3:40]} y")


COMMANDS = [
    ["backfill"], ["status"], ["status", "--json"], ["health"], ["health", "--json"], ["doctor"],
    ["doctor", "--json"], ["config"], ["config", "--json"], ["threads"], ["events"], ["verify"],
    ["rebuild"], ["search", "harbour"], ["install", "--user", "--dry-run"],
]  # fmt: skip


@pytest.mark.parametrize("how", ["raw", "keywords"])
def test_commands(guarded: Guarded, person: Person, how: str) -> None:
    for command in COMMANDS:
        done = person.runs(*command, database=guarded.urls()[how])

        assert not leaked(done.said), command
        assert done.code in ((2,) if command[0] == "install" else (0, 1, 2)), done.said
        assert "Traceback" not in done.said


@pytest.mark.parametrize("how", ["coded", "option"])
def test_other_spellings_and_copies(
    guarded: Guarded, person: Person, tmp_path: Path, how: str
) -> None:
    url = guarded.urls()[how]
    for command in (["backfill"], ["status"], ["copy", "--from", url, "--to", url]):
        done = person.runs(*command, database=url if command[0] != "copy" else None)

        assert not leaked(done.said)
    assert HIDDEN in person.runs("status", database=url).said
    file = f"sqlite:///{tmp_path}/copy.db"
    done = person.runs("copy", "--from", url, "--to", file)
    assert (done.code, leaked(done.said)) == (0, []), done.said


def test_where_the_password_comes_from(guarded: Guarded, person: Person, tmp_path: Path) -> None:
    """A file, a credential, the variable and the file of libpq."""
    bare = f"postgresql://robin@{guarded.at}/db_robin"
    secret = tmp_path / "codex-projector.database"
    secret.write_text(guarded.urls()["keywords"] + "\n")
    passes = tmp_path / "pass"
    escaped = PASSWORD.replace("\\", r"\\").replace(":", r"\:")
    passes.write_text(f"127.0.0.1:*:*:robin:{escaped}\n")
    passes.chmod(0o600)
    for env in (
        {"PROJECTOR_DATABASE_FILE": str(secret)},
        {"CREDENTIALS_DIRECTORY": str(tmp_path)},
        {"PROJECTOR_DATABASE": bare, "PGPASSWORD": PASSWORD},
        {"PROJECTOR_DATABASE": bare, "PGPASSFILE": str(passes)},
        {"PROJECTOR_DATABASE": f"{bare}?passfile={quote(str(passes))}"},
    ):
        for command in ("backfill", "doctor", "config"):
            done = person.runs(command, env=env)
            assert not leaked(done.said), env
            assert done.code == 0 or command == "doctor", done.said


def test_faults_do_not_tell(guarded: Guarded, person: Person) -> None:
    """A wrong password, no such database, no such host, no server."""
    host, port = guarded.at.split(":")
    for url in (
        f"postgresql://ann:{_RAW}@{guarded.at}/db_ann",
        f"postgresql://robin:{_RAW}@{guarded.at}/nowhere",
        f"postgresql://robin:{_RAW}@127.0.0.1:1/db_robin",
        f"postgresql://robin:{_RAW}@no.such.host.invalid/db_robin",
        f"host={host} port={port} user=ann dbname=db_ann password='{_QUOTED}' sslmode=nonsense",
        f"host={host} port={port} user=ann dbname=db_ann password='{_QUOTED}' nonsense=1",
        f"host={host} port={port} user=ann dbname=db_ann password='{_QUOTED}",
    ):
        for command in ("backfill", "health"):
            done = person.runs(command, database=url)
            assert not leaked(done.said), url
            assert done.code != 0
            assert done.said.count("\n") == 1, done.said


def test_a_refused_address_is_not_quoted(person: Person, tmp_path: Path) -> None:
    """As an option, in a variable, a file, a credential, a settings file; as an argument too."""
    for text in (
        f"robin:{_RAW}@db/threads",
        f" postgresql://robin:{_RAW}@db/threads",
        f"postgresql//robin:{_RAW}@db/threads",
        f"postgresql://robin:{PASSWORD}@db/threads",
        f"host=db password={PASSWORD}",
        PASSWORD,
    ):
        credential = tmp_path / "codex-projector.database"
        credential.write_text(text)
        settings = tmp_path / "settings.toml"
        settings.write_text(f"database = [{json.dumps(text)}]\n")
        # Alone it is a word, or a file's name: nobody can tell.
        misplaced = () if text == PASSWORD else (
            person.runs("status", text),
            person.runs("status", env={"PROJECTOR_DATABASE_FILE": text}),
        )  # fmt: skip
        for done in (
            *misplaced,
            person.runs("status", database=text),
            person.runs("status", "--databse", text),
            person.runs("copy", "--from", text, "--to", text),
            person.runs("status", env={"PROJECTOR_DATABASE": text}),
            person.runs("status", env={"PROJECTOR_DATABASE_FILE": str(credential)}),
            person.runs("status", env={"CREDENTIALS_DIRECTORY": str(tmp_path)}),
            person.runs("status", env={"PROJECTOR_CONFIG": str(settings)}),
        ):
            assert done.code == 2 or text.startswith(" "), done  # of a file blanks go
            assert not leaked(done.said), done
            assert done.said.count("\n") == 1


@pytest.mark.parametrize("how", ["raw", "keywords", "short"])
def test_the_daemon(guarded: Guarded, tmp_path: Path, how: str) -> None:
    """Its log, its status line, its endpoint and the process list, with and without the server."""
    short = f"postgresql://ann:a@{guarded.at}/db_ann"
    url = short if how == "short" else guarded.urls()[how]
    with Manager(tmp_path) as manager:
        manager.url = url
        manager.settings.write_text(
            manager.settings.read_text()
            + f'serve.listen = "unix:{tmp_path}/http"\nlog.level = "debug"\n'
        )
        Rollout(seed=1).write(manager.home, size=3_000)
        daemon = manager.start(env={"PROJECTOR_SOURCE__NAME": how})
        manager.until("STATUS", "following 1 rollouts")
        said = asked(tmp_path / "http")
        guarded.server.stop()
        try:
            manager.until("STATUS", "waiting for the database")
            said += asked(tmp_path / "http")
        finally:
            guarded.server.start()
        manager.until("STATUS", "following")
        listed = Path(f"/proc/{daemon.pid}/cmdline").read_bytes().decode(errors="replace")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
        everything = said + manager.log.read_text() + "\n".join(manager.heard) + listed
    assert "store.lost" in everything
    assert "--database" in listed
    assert not leaked(everything)
    if how == "short":
        assert ":a@" not in everything
        assert everything.count(HIDDEN) < 20


def asked(path: Path) -> str:
    """Give all that the endpoint says."""
    texts = []
    for name in ("/livez", "/readyz", "/healthz", "/metrics"):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("GET", name)
        texts.append(connection.getresponse().read().decode())
        connection.close()
    return "\n".join(texts)


def test_doctor_tells_of_a_file_that_others_can_read(
    guarded: Guarded, person: Person, tmp_path: Path
) -> None:
    secret = tmp_path / "codex-projector.database"
    secret.write_text(guarded.urls()["coded"])
    settings = tmp_path / "settings.toml"
    settings.write_text(f"database = {json.dumps(guarded.urls()['coded'])}\n")
    for file, env in (
        (secret, {"PROJECTOR_DATABASE_FILE": str(secret)}),
        (secret, {"CREDENTIALS_DIRECTORY": str(tmp_path)}),
        (settings, {"PROJECTOR_CONFIG": str(settings)}),
    ):
        file.chmod(0o640)
        assert (
            f"{file}: holds the database's URL, other users may"
            in person.runs("doctor", env=env).said
        )
        file.chmod(0o600)
        assert f"{file}: private" in person.runs("doctor", env=env).said


_UNHEARD: Final = """
import asyncio, gc, sys, threading
from projector import __main__, cli
from projector.store.postgres.connect import parameters

class Odd:
    def __del__(self):
        raise ValueError(sys.argv[1])

async def fail():
    raise ValueError(sys.argv[1])

async def forget():
    asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()

def end_thread():
    raise ValueError(sys.argv[1])

def run(arguments):
    parameters(arguments[0])
    asyncio.run(forget())
    thread = threading.Thread(target=end_thread)
    thread.start()
    thread.join()
    Odd()
    return 0

cli.run = run
__main__.main()
"""


def test_faults_that_nobody_asks_for_do_not_tell(guarded: Guarded) -> None:
    """Those of a task that nobody awaits, of a thread, and of what Python tidies up."""
    done = subprocess.run(
        [sys.executable, "-c", _UNHEARD, guarded.urls()["keywords"]],
        capture_output=True, check=True, text=True,
    )  # fmt: skip

    assert "Task exception was never retrieved" in done.stderr
    assert "Exception in thread " in done.stderr
    assert done.stderr.count("ValueError: ") == 3
    assert not leaked(done.stderr)
