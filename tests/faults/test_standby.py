"""A real standby of PostgreSQL: whoever only reads may read there, while it follows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from tests.support.databases import SOURCE
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
from tests.support.server import Server

ENVIRONMENT = os.environ | {"PROJECTOR_CONFIG": os.devnull, "PROJECTOR_SOURCE__NAME": SOURCE}


class Pair:
    """A primary, and a standby that follows it."""

    def __init__(self) -> None:
        self.primary = Server()
        self.url = self.primary.make_database()
        self.standby = Server.standby_of(self.primary)
        self.copy = self.url.replace(str(self.primary.folder), str(self.standby.folder))

    def caught_up(self) -> None:
        """Wait until the standby has all that the primary has."""
        with (
            psycopg.connect(self.url, autocommit=True) as one,
            psycopg.connect(self.copy, autocommit=True) as other,
        ):
            upto = one.execute("SELECT pg_current_wal_lsn()").fetchone()
            assert upto is not None
            assert other.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            behind = "SELECT pg_last_wal_replay_lsn() < %s"
            deadline = time.monotonic() + 30
            while other.execute(behind, upto).fetchone() != (False,):
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.02)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.standby.close()
    made.primary.close()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "projector", *arguments]


def ran(*arguments: str) -> str:
    """Run a command that must end with 0; return what it printed."""
    done = subprocess.run(
        command(*arguments),
        env=ENVIRONMENT,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def lines_until(stream: IO[str], last: int) -> list[dict[str, Any]]:
    """Read changes up to a number."""
    changes = []
    for line in stream:
        changes.append(json.loads(line))
        if changes[-1]["seq"] >= last:
            return changes
    raise AssertionError(changes)


def test_all_that_reads_reads_from_a_standby(tmp_path: Path, pair: Pair) -> None:
    """While it follows; and when its primary is gone."""
    home, rollout = tmp_path / "home", Rollout(seed=1)
    rollout.write(home, size=20_000)
    backfilled(home, pair.url)
    pair.caught_up()

    def last() -> int:
        return int(json.loads(ran("events", "--database", pair.url).splitlines()[-1])["seq"])

    follower = subprocess.Popen(
        command("events", "--follow", "--database", pair.copy),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert follower.stdout is not None
        first = lines_until(follower.stdout, last())
        rollout.write(home, size=rollout.offset + 5_000)
        backfilled(home, pair.url)
        more = lines_until(follower.stdout, last())
        assert [one["seq"] for one in (*first, *more)] == list(range(1, more[-1]["seq"] + 1))
    finally:
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(30) == 0
        assert follower.stdout is not None
        follower.stdout.close()
    pair.caught_up()
    here = ("--codex-home", str(home))
    asked = {
        "status": ("status", "--json", *here), "verify": ("verify", "--json", *here),
        "threads": ("threads", "--json"), "show": ("show", str(rollout.rollout_id)),
        "events": ("events",),
    }  # fmt: skip

    def told(url: str) -> dict[str, Any]:
        return {name: ran(*words, "--database", url) for name, words in asked.items()}

    primary = told(pair.url)
    pair.primary.stop()
    standby = told(pair.copy)
    for name in ("threads", "show", "events"):
        assert standby[name] == primary[name]
    document = json.loads(standby["status"])
    assert document["behind_bytes"] == 0
    assert document["items"] == json.loads(primary["status"])["items"] > 0
    assert json.loads(standby["verify"])
