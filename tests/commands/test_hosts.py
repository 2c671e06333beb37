"""One PostgreSQL database that several hosts write: what each sees, and what is told of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from projector import cli
from projector.store.postgres.pipeline import composed
from tests.support.databases import SOURCE
from tests.support.engines import told
from tests.support.generator.rollouts import Rollout
from tests.support.mirror import changes_of
from tests.support.projecting import backfilled
from tests.support.server import Server

Run = Callable[..., tuple[int, str, str]]


class Hosts:
    """Hosts a and b, each with a home of one thread of its own."""

    def __init__(self, folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self._folder = folder
        self._capsys = capsys
        self.threads = {}
        for number, host in enumerate("ab"):
            thread = Rollout(seed=number)
            thread.write(self.home(host), size=3_000)
            self.threads[host] = thread.thread_id
            self.run(host, "backfill")
        self.told("UPDATE _sources SET host = 'host ' || name WHERE true")

    def home(self, host: str) -> Path:
        return self._folder / host

    def told(self, sql: str, *values: object) -> None:
        told(self.url, sql, sql, *values)

    def run(self, host: str, *arguments: str, url: str = "") -> tuple[int, str, str]:
        """Run a command on a host."""
        os.environ["PROJECTOR_SOURCE__NAME"] = host
        where = ["--codex-home", str(self.home(host)), "--database", url or self.url]
        code = cli.run([*arguments, *where])
        return (code, *self._capsys.readouterr())

    def document(self, host: str, *arguments: str) -> Any:
        return json.loads(self.run(host, *arguments, "--json")[1])

    def lives(self, host: str, seconds_ago: float = 0, phase: str = "following") -> None:
        """Let its daemon give a sign of life."""
        beat = round((time.time() - seconds_ago) * 1000)
        self.told(
            "INSERT INTO _heartbeat SELECT source_id, 7, host, '1', 0, ?, 5, ?, 'events', '', 0,"
            " NULL, 0, 0, 0, 0 FROM _sources WHERE name = ? ON CONFLICT (source_id)"
            " DO UPDATE SET beat_at_ms = excluded.beat_at_ms, phase = excluded.phase",
            beat, phase, host,
        )  # fmt: skip


@pytest.fixture
def hosts(
    tmp_path: Path,
    postgres: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Hosts:
    monkeypatch.setenv("PROJECTOR_CONFIG", os.devnull)
    monkeypatch.setenv("PROJECTOR_SOURCE__NAME", "")
    return Hosts(tmp_path, postgres, capsys)


def test_status_and_verify_are_about_this_host(hosts: Hosts) -> None:
    Rollout(seed=8).write(hosts.home("b"), size=3_000)

    a, b = (hosts.document(host, "status") for host in "ab")
    assert [(one["rollouts"], one["threads"], one["rollouts_behind"]) for one in (a, b)] == [
        (1, 1, 0),
        (1, 1, 1),
    ]
    for host in "ab":
        found = hosts.document(host, "verify")
        assert (found["equal"], found["rollouts_compared"]) == (True, 1)


def test_threads_show_and_search_are_about_all(hosts: Hosts) -> None:
    """The host is told, where there are several."""
    code, out, _ = hosts.run("a", "threads")
    assert code == 0
    assert "  HOST  " in out
    for host in "ab":
        (line,) = [line for line in out.splitlines() if hosts.threads[host] in line]
        assert f"  host {host}  " in line
        assert hosts.run("a", "show", hosts.threads[host])[0] == 0
    found = json.loads(hosts.run("b", "search", "harbour", "--limit", "0", "--json")[1])
    assert {(one["thread_id"], one["host"]) for one in found} == {
        (hosts.threads[host], f"host {host}") for host in "ab"
    }
    assert "  host a  " in hosts.run("b", "search", "harbour", "--limit", "0")[1]


def test_each_host_has_a_feed_of_its_own(hosts: Hosts) -> None:
    feeds = {host: hosts.run(host, "events")[1] for host in "ab"}

    for host, feed in feeds.items():
        changes = [json.loads(line) for line in feed.splitlines()]
        assert [one["seq"] for one in changes] == list(range(1, len(changes) + 1))
        assert {one["thread_id"] for one in changes} == {hosts.threads[host]}
    assert hosts.run("a", "events", "--source", "b")[1] == feeds["b"]
    code, out, err = hosts.run("a", "events", "--source", "c")
    assert (code, out) == (2, "")
    assert "there are: a, b" in err


def test_a_file_has_one_source_only(hosts: Hosts, tmp_path: Path) -> None:
    code, _, err = hosts.run("a", "events", "--source", "b", url=f"sqlite:///{tmp_path}/p.db")

    assert code == 2
    assert "leave it out" in err


HEALTH = [
    # seconds since the sign of life, level
    (None, "CRITICAL"),
    (1, "OK"),
    (50, "WARNING"),
    (500, "CRITICAL"),
]


@pytest.mark.parametrize(("seconds", "level"), HEALTH)
def test_health_is_about_this_host(hosts: Hosts, seconds: int | None, level: str) -> None:
    """From the database and the files alone; another host's daemon does not count."""
    hosts.lives("b")
    if seconds is not None:
        hosts.lives("a", seconds)

    code, out, err = hosts.run("a", "health")

    assert (out.partition(":")[0], err) == (level, "")
    assert code == ["OK", "WARNING", "CRITICAL"].index(level)


GONE = [
    "postgresql://u:geheim@127.0.0.1:1/threads",
    "postgresql:///threads?host=/nowhere&password=geheim",
    "postgresql://u:geheim@/threads?host=/nowhere",
]


@pytest.mark.parametrize("url", GONE)
def test_a_server_that_is_not_there(hosts: Hosts, url: str) -> None:
    """Nothing can be told, in one line, without the password."""
    code, out, err = hosts.run("a", "health", url=url)
    assert (code, err, out.count("\n")) == (3, "", 1)
    assert out.startswith("UNKNOWN: postgresql://")
    for command in ("status", "threads", "events", "verify", "rebuild", "backfill"):
        code, out, err = hosts.run("a", command, url=url)
        assert (code, out, err.count("\n")) == (1, "", 1), command
        assert "geheim" not in err


def test_a_database_without_our_tables(hosts: Hosts, server: Any) -> None:
    url = server.make_database()

    code, out, _ = hosts.run("a", "health", url=url)
    assert code == 2
    assert "nothing is projected" in out
    assert "Make it: projector backfill" in hosts.run("a", "threads", url=url)[2]
    server.drop_database(url)


def test_no_address(hosts: Hosts) -> None:
    code, out, err = hosts.run("a", "status", url="postgresql://h/d?pasword=geheim")

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "pasword" in err


WITHOUT: Final = (
    "import sys; sys.modules['psycopg'] = None; from projector.__main__ import main; main()"
)


@pytest.mark.parametrize("command", ["status", "backfill", "health"])
def test_without_the_library(command: str) -> None:
    """Who uses SQLite alone need not have it; who does not is told what to install."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, command, "--database", "postgresql://h/d"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    said = done.stdout if command == "health" else done.stderr
    assert done.returncode == (3 if command == "health" else 2)
    assert (done.stdout + done.stderr).count("\n") == 1
    assert "pip install 'codex-projector[postgres]'" in said


def test_a_password_is_not_in_the_process_list(hosts: Hosts) -> None:
    url = f"{hosts.url}&password=geheim"
    process = subprocess.Popen(
        [sys.executable, "-m", "projector", "events", "--follow", "--source", "a",
         "--database", url],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline()
    listed = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.kill()
    out, err = process.communicate()

    assert b"--follow" in listed
    for said in (listed, out, err):
        assert b"geheim" not in said


# Rollouts that two hosts see ---------------------------------------------------------------------


@pytest.fixture
def synced(hosts: Hosts) -> Hosts:
    """Let b's home have a's rollout too."""
    for path in hosts.home("a").rglob("rollout-*.jsonl"):
        target = hosts.home("b") / path.relative_to(hosts.home("a"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    hosts.run("b", "backfill")
    return hosts


def test_a_rollout_of_two_hosts_is_projected_once(synced: Hosts) -> None:
    """The second host knows of it, is not behind, and has nothing to compare."""
    assert len(synced.document("b", "threads")) == 2
    status = synced.document("b", "status")
    assert (status["threads"], status["behind_bytes"], status["anomalies"]) == (1, 0, 1)
    found = synced.document("b", "verify")
    assert (found["equal"], found["rollouts_compared"], found["rollouts_behind"]) == (True, 1, [])


def test_another_host_goes_on_under_the_name_of_one_that_is_gone(synced: Hosts) -> None:
    """Where its rollouts lie; those of others stay theirs."""
    thread = Rollout(seed=0)
    (path,) = synced.home("b").rglob(f"rollout-*{synced.threads['a']}.jsonl")
    with path.open("ab") as out:
        out.writelines(thread.turn(steps=1))
    before = synced.document("b", "threads")
    synced.home("a").rename(synced.home("gone"))
    synced.home("b").rename(synced.home("a"))

    assert synced.run("a", "backfill")[0] == 0

    after = {one["thread_id"]: one for one in synced.document("a", "threads")}
    for one in before:
        grown = one["thread_id"] == synced.threads["a"]
        assert (after[one["thread_id"]]["item_count"] > one["item_count"]) == grown
    assert synced.document("a", "verify")["equal"]


def lines(synced: Hosts, topic: str) -> str:
    """Give what doctor says of a topic on host b."""
    checks = synced.document("b", "doctor")["checks"]
    return "\n".join(f"{one['level']} {one['text']}" for one in checks if one["topic"] == topic)


def test_doctor_tells_of_the_other_hosts(synced: Hosts) -> None:
    synced.lives("a")
    assert "info source a on host a ended unexpectedly" in lines(synced, "sources")
    synced.told("UPDATE _sources SET lease_until_ms = 9000000000000000 WHERE name = 'a'")
    assert "info source a on host a projects 1 rollout of this host too" in lines(synced, "sources")
    synced.lives("a", seconds_ago=8 * 86400)
    assert "warning source a" in lines(synced, "sources")
    assert "has sent no heartbeat for 8 days" in lines(synced, "sources")


def test_doctor_tells_of_the_server(hosts: Hosts) -> None:
    """A role that only reads may look; the way there is judged."""
    assert lines(hosts, "server").startswith("ok PostgreSQL ")
    assert "ok on this machine" in lines(hosts, "server")
    with psycopg.connect(hosts.url, autocommit=True) as db:
        db.execute(composed("DROP ROLE IF EXISTS looker"))
        db.execute(composed("CREATE ROLE looker LOGIN IN ROLE pg_read_all_data"))
    url = hosts.url.replace("user=projector", "user=looker")

    assert hosts.run("a", "threads", url=url)[0] == 0
    assert hosts.run("a", "health", url=url)[0] == 2  # nobody follows
    assert "this user may read, not write" in hosts.run("a", "doctor", url=url)[1]


def test_a_follower_outlives_its_server(tmp_path: Path) -> None:
    """What is committed after the server came back is printed, and nothing twice."""
    server = Server()
    try:
        url = server.make_database(server.template())
        home = tmp_path / "home"
        Rollout(seed=1).write(home, size=3_000)
        backfilled(home, url)
        process = subprocess.Popen(
            [sys.executable, "-m", "projector", "events", "--follow", "--source", SOURCE,
             "--database", url],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        before = changes_of(url)[-1][0]
        seen = [json.loads(process.stdout.readline())["seq"] for _ in range(before)]

        server.stop()
        server.start()
        Rollout(seed=2).write(home, size=3_000)
        backfilled(home, url)
        last = changes_of(url)[-1][0]
        seen += [json.loads(process.stdout.readline())["seq"] for _ in range(last - before)]

        assert seen == list(range(1, last + 1))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()
    finally:
        server.close()
