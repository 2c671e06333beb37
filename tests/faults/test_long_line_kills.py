"""A line that does not fit into memory ends the process: all others are projected first."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import Where, reading, url_of
from tests.support.following import World, following
from tests.support.generator.rollouts import MB, Rollout
from tests.support.projecting import backfilled

#: The line is held once, and cannot be held a second time.
LINE_BYTES, LIMIT_BYTES = 200 * MB, 330 * MB


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def in_little_memory(home: Path, database: Where) -> int:
    """Backfill in a process with a limit; its exit code."""
    command = [sys.executable, "-m", "projector", "backfill", "--codex-home", str(home)]
    return subprocess.run(
        [*command, "--database", url_of(database)],
        check=False, capture_output=True, preexec_fn=limited,
    ).returncode  # fmt: skip


def offsets(database: Where) -> dict[str, int]:
    with reading(database) as db:
        rows = db.dicts("SELECT rollout_id, next_offset FROM _rollouts")
        return {str(row["rollout_id"]): int(str(row["next_offset"])) for row in rows}


def failures(database: Where) -> dict[str, int]:
    with reading(database) as db:
        rows = db.dicts("SELECT rollout_id, failures FROM _attempts")
        return {str(row["rollout_id"]): int(str(row["failures"])) for row in rows}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, sorted([Rollout(seed=1), Rollout(seed=2)], key=lambda one: one.path))
    made.database.parent.mkdir()
    for rollout in made.rollouts:
        rollout.write(made.home, size=20_000)
    long = made.home / made.rollouts[0].path
    with long.open("ab") as file:
        file.write(b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":99999,"type":"compacted",')
        file.write(b'"payload":{"message":"' + b"x" * LINE_BYTES + b'"}}\n')
    return made


def test_others_come_first_and_it_is_read_once_there_is_memory(world: World) -> None:
    long, short = world.rollouts
    database = world.database

    assert in_little_memory(world.home, database) != 0, "it fits: this test shows nothing"
    assert offsets(database)[short.rollout_id] == short.offset
    assert failures(database) == {long.rollout_id: 0}
    for times in (1, 2):
        short.write(world.home, size=short.offset + 3000)
        assert in_little_memory(world.home, database) != 0
        assert offsets(database)[short.rollout_id] == short.offset

        async def start() -> None:
            async with following(world) as daemon:
                said = await daemon.until_said("rollout.set_aside")
                assert said["rollout"] == long.rollout_id

        asyncio.run(start())
        assert failures(database) == {long.rollout_id: times}

    for command, code in (("doctor", 1), ("status", 0)):
        told = subprocess.run(
            [sys.executable, "-m", "projector", command, "--codex-home", str(world.home),
             "--database", url_of(database)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert told.returncode == code
        line = f"rollout {long.rollout_id}: reading a long line of it has ended the daemon 2 times"
        assert line in told.stdout
    backfilled(world.home, database)
    assert offsets(database)[long.rollout_id] == (world.home / long.path).stat().st_size
    assert failures(database) == {}
