"""What benchmarks measure with: processes to their end, and a reader that notices commits."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.benchmarks.bare_loop import items
from tests.benchmarks.bench import Failed, Home, Run
from tests.benchmarks.contestants import Contestant
from tests.benchmarks.processes import Cost, measured
from tests.benchmarks.results import Result
from tests.benchmarks.suite import backfill
from tests.benchmarks.suite.backfill import race
from tests.benchmarks.suite.reading import scans
from tests.benchmarks.watching import Watch
from tests.support.generator.rollouts import MB, Rollout

NOBODY = "0" * 36


def alive() -> None:
    """Nobody has ended."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(tmp_path / "made.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE made (thread_id TEXT PRIMARY KEY, next_rollout_byte_offset INTEGER)")
    db.execute("CREATE VIEW codex_projection_state AS SELECT * FROM made")
    yield db
    db.close()


@pytest.fixture
def watch(database: sqlite3.Connection, tmp_path: Path) -> Iterator[Watch]:
    del database
    made = Watch(tmp_path / "made.sqlite")
    yield made
    made.close()


def test_a_process_is_measured_to_its_end(tmp_path: Path) -> None:
    """Memory is that of the process alone, and not of whoever started it."""
    held = bytearray(64 * MB)
    held[::4096] = b"x" * len(held[::4096])
    cost = measured([sys.executable, "-c", "pass"], tmp_path)

    assert 0 < cost.cpu <= cost.wall * 2
    assert 1 < cost.peak < 60
    assert len(held) == 64 * MB


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"ended with 3: first / second"):
        measured(
            [sys.executable, "-c", "print('first'); print('second'); raise SystemExit(3)"], tmp_path
        )


def test_a_commit_is_noticed(database: sqlite3.Connection, watch: Watch) -> None:
    """`data_version` moves with the commit of another connection, and the checkpoint is read."""
    before = watch.version()
    database.execute("INSERT INTO made VALUES (?, 70)", (NOBODY,))

    assert watch.version() != before
    assert watch.offsets() == {NOBODY: 70}
    assert watch.wait(NOBODY, 70, check=alive) > 0
    assert watch.moved(before, check=alive) > 0


def test_what_never_comes_is_told(database: sqlite3.Connection, watch: Watch) -> None:
    database.execute("INSERT INTO made VALUES (?, 70)", (NOBODY,))

    with pytest.raises(Failed, match="at 70 of 71 bytes after 0 s"):
        watch.wait(NOBODY, 71, check=alive, seconds=0)


def test_who_has_ended_is_not_waited_for(database: sqlite3.Connection, watch: Watch) -> None:
    def ended() -> None:
        raise Failed("it has ended")

    del database
    with pytest.raises(Failed, match="it has ended"):
        watch.wait(NOBODY, 1, check=ended)


@pytest.mark.parametrize(
    ("query", "full"),
    [
        pytest.param("SELECT * FROM made", True, id="a table is read whole"),
        pytest.param("SELECT * FROM made WHERE thread_id = ?1", False, id="a row by its key"),
        pytest.param(
            "SELECT * FROM made WHERE next_rollout_byte_offset = ?1", True, id="a filter alone"
        ),
    ],
)
def test_full_scans_are_found(
    database: sqlite3.Connection,
    query: str,
    full: bool,  # noqa: FBT001 - a case's column
) -> None:
    assert bool(scans(database, query, (1,) if "?" in query else ())) is full


def test_the_bare_loop_finds_every_item(tmp_path: Path) -> None:
    rollout = Rollout("bare")
    path = rollout.write(tmp_path, turns=5)

    assert len(list(items(path))) == rollout.items


@pytest.mark.parametrize("history", ["paginated", "legacy"])
def test_a_rollout_goes_on_in_another_process(tmp_path: Path, history: str) -> None:
    """Lines that follow what another process told fit behind the file."""
    run = Run(result=Result("a", "b"), scratch=tmp_path, repeat=1, quick=True, tell=lambda _: None)
    home = run.home("--history", history)
    rollout = Rollout.going_on(home.rollouts[0])
    path = home.path / home.rollouts[0]["path"]
    with path.open("ab") as file:
        file.write(rollout.item())
        file.writelines(rollout.turn())
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]

    assert run.home("--history", history) is home
    assert path.stat().st_size == rollout.offset
    assert len(records) == rollout.records
    assert [one["type"] for one in records].count("session_meta") == 1
    if history == "paginated":
        assert [one["ordinal"] for one in records] == list(range(len(records)))


def test_a_slow_peer_is_waited_for_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told in how many rounds it was; the others are in all of them."""
    monkeypatch.setattr(backfill, "PATIENCE_S", 100.0)

    def taking(name: str, seconds: float) -> Contestant:
        cost = Cost(wall=seconds, cpu=1, peak=1)
        return Contestant(name, lambda: "", lambda *_: cost)

    home = Home(tmp_path, ({"bytes": 9, "records": 1, "items": 1},))
    result = Result("race", "who is faster")
    run = Run(
        result=result,
        scratch=tmp_path,
        repeat=5,
        quick=False,
        tell=lambda *_: None,
        homes={"one turn": home},
    )

    race(run, home, [taking("fast", 2), taking("slow", 70)])

    rounds = {figure.who: len(figure.samples) for figure in result.figures}
    assert rounds == {"fast": 5, "slow": 2}
    assert result.notes[0] == "slow: 2 of 5 rounds, which took 140 s"
