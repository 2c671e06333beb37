"""`projector copy`: a database goes over into another one, and nothing is read again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from projector import cli
from projector.model.database_url import is_postgres
from projector.model.ids import RolloutId
from projector.store.open import open_store
from tests.sample import make
from tests.support.databases import SOURCE, reading
from tests.support.extended import THREAD, extended
from tests.support.generator.rollouts import Rollout
from tests.support.homes import put
from tests.support.makers import batch, file_of, rollout_id, usage
from tests.support.migration import migrated
from tests.support.mirror import Mirror, changes_of, rows_to_mirror
from tests.support.projecting import backfilled
from tests.support.rows import rows_of
from tests.support.server import Server
from tests.support.stage import home_with_all_kinds

New = Callable[[str], str]
#: A text that PostgreSQL does not hold as it is.
ODD = rb"\u0000 and \ud800, \uf8f00041"


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[New]:
    """Give a way to an address of an engine where no database is yet."""
    made: list[str] = []

    def address(engine: str) -> str:
        if engine == "sqlite":
            made.append(f"sqlite:///{tmp_path}/p{len(made)}.db")
        else:
            server: Server = request.getfixturevalue("server")
            made.append(server.make_database())
        return made[-1]

    yield address
    for url in made:
        if is_postgres(url):
            request.getfixturevalue("server").drop_database(url)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a home with all that there is: reverts, forks, rollbacks, odd texts, odd lines."""
    home = home_with_all_kinds(tmp_path / "home")
    shutil.copytree(make.SHIPPED, home, dirs_exist_ok=True)
    path = Rollout(seed=7).write(home, size=4_000)
    data = path.read_bytes()
    assert data.count(b" harbour ") > 3
    path.write_bytes(data.replace(b" harbour ", b" harbour " + ODD + b" "))
    return home


def lived(home: Path, url: str) -> None:
    """Project a home; a file is migrated, one cut short, one goes with its rows, one without."""
    old = put(home, f"sessions/2026/03/01/rollout-2026-03-01T09-00-00-{THREAD}.jsonl", extended())
    backfilled(home, url, batch_records=7)
    old.write_bytes(migrated(extended()))
    cut, purged, gone = sorted(home.rglob("rollout-*.jsonl"))[:3]
    cut.write_bytes(b"".join(cut.read_bytes().splitlines(keepends=True)[:-2]))
    for path in (purged, gone):
        path.unlink()

    async def purge() -> None:
        store = await open_store(url, source=SOURCE)
        await store.mark_missing([RolloutId(purged.stem[-36:])], purge=True)
        await store.mark_missing([RolloutId(gone.stem[-36:])], purge=False)
        await store.close()

    asyncio.run(purge())
    backfilled(home, url)


def shown(url: str) -> tuple[Any, ...]:
    """Give all that readers see, but for whose it is."""
    rows = {
        key: {name: value for name, value in row.items() if name != "host"}
        for key, row in rows_to_mirror(url).items()
    }
    with reading(url) as db:
        made = [
            db.rows("SELECT uid, status FROM commands ORDER BY 1"),
            db.rows("SELECT uid, path, move_path FROM file_changes ORDER BY 1, 2"),
        ]
    assert all(made)
    return rows_of(url), rows, changes_of(url), made


@pytest.mark.parametrize("to", ["sqlite", "postgres"])
@pytest.mark.parametrize("from_", ["sqlite", "postgres"])
def test_all_comes_over_and_nothing_is_read_again(
    new: New, home: Path, from_: str, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, uids, tombstones, checkpoints, names, and the feed with its numbers."""
    old, copy = new(from_), new(to)
    lived(home, old)
    capsys.readouterr()

    assert cli.run(["copy", "--from", old, "--to", copy]) == 0

    out, err = capsys.readouterr()
    assert " rows copied in " in out
    assert err == ""
    assert shown(copy) == shown(old)
    summary = backfilled(home, copy)
    assert (summary.bytes_read, summary.records) == (0, 0)
    assert cli.run(["verify", "--codex-home", str(home), "--database", copy]) == 0
    assert shown(copy) == shown(old)


@pytest.mark.parametrize("to", ["sqlite", "postgres"])
@pytest.mark.parametrize("from_", ["sqlite", "postgres"])
def test_a_follower_goes_on_where_it_was(new: New, home: Path, from_: str, to: str) -> None:
    """Numbers go on behind the old ones, and nothing is told twice."""
    old, copy = new(from_), new(to)
    backfilled(home, old)
    mirror = Mirror()
    mirror.read(old)
    before = mirror.seq
    assert cli.run(["copy", "--from", old, "--to", copy]) == 0
    mirror.read(copy)
    assert mirror.seq == before

    Rollout(seed=9).write(home, size=3_000)
    backfilled(home, copy)
    mirror.read(copy)

    assert mirror.seq > before
    assert {one[0] for one in mirror.seen if one[0] > before} == set(
        range(before + 1, mirror.seq + 1)
    )
    for row in mirror.rows.values():
        row.pop("host", None)
    assert mirror.rows == shown(copy)[1]


@pytest.mark.parametrize("there", [1, 3])
def test_a_response_that_another_host_told_of_costs_once(new: New, there: int) -> None:
    """Each has a fork with it; of the rollouts that tell of it, that of the oldest counts."""
    old, copy = new("sqlite"), new("postgres")

    async def told(url: str, source: str, number: int) -> None:
        store = await open_store(url, source=source)
        own = usage(number, 200, 3, response=f"r{number}")
        await store.commit([batch(file_of(number), [usage(number, 100, 7, response="r"), own])])
        await store.close()

    asyncio.run(told(copy, "another", there))
    asyncio.run(told(old, SOURCE, 2))
    assert cli.run(["copy", "--from", old, "--to", copy]) == 0

    with reading(copy) as db:
        counted = "SELECT rollout_id FROM token_usage WHERE response_id = 'r'"
        assert db.rows(counted) == [(rollout_id(min(there, 2)),)]
        sums = "SELECT sum(responses), sum(input_tokens) FROM token_days"
        assert [tuple(map(int, row)) for row in db.rows(sums)] == [(3, 13)]


def test_other_hosts_write_while_sums_are_made(new: New) -> None:
    """Of them only those are locked that have responses of ours."""
    old, copy = new("sqlite"), new("postgres")

    async def told(url: str, source: str, number: int) -> None:
        store = await open_store(url, source=source)
        rows = [usage(number, 100, 7, response=f"r{number // 3}")]
        await store.commit([batch(file_of(number), rows)])
        await store.close()

    asyncio.run(told(copy, "sharing", 1))
    asyncio.run(told(copy, "busy", 9))
    asyncio.run(told(old, SOURCE, 2))
    with psycopg.connect(copy) as db:
        db.execute("SELECT 1 FROM _sources WHERE name = 'busy' FOR UPDATE")
        impatient = f"{copy}&options=-clock_timeout%3D2s"
        assert cli.run(["copy", "--from", old, "--to", impatient]) == 0


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_what_has_rows_takes_none(
    new: New, home: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old, copy = new("sqlite"), new(engine)
    backfilled(home, old)
    backfilled(home, copy)
    before = shown(copy)

    assert cli.run(["copy", "--from", old, "--to", copy]) == 1

    assert "Name another" in capsys.readouterr().err
    assert shown(copy) == before


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_what_fails_midway_leaves_nothing(
    new: New, home: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next attempt begins from the start."""
    old, copy = new("sqlite"), new(engine)
    backfilled(home, old)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("projector.run.progress.Plain.advance", full)
        assert cli.run(["copy", "--from", old, "--to", copy]) == 1

    assert cli.run(["copy", "--from", old, "--to", copy]) == 0
    assert shown(copy) == shown(old)


def test_nothing_to_copy(new: New, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["copy", "--from", f"sqlite:///{tmp_path}/none.db", "--to", new("sqlite")]) == 1
    assert "no database there" in capsys.readouterr().err
