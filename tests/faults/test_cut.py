"""However a rollout arrives, and whenever we are started anew, the same rows come out."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.discover.watch import Watch
from projector.model.ids import RolloutId
from projector.run.daemon import Daemon
from projector.store.open import open_store
from projector.store.protocol import RolloutStatus
from tests.support.databases import ENGINES, Empty, Where
from tests.support.examples import examples
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfill_once, backfilled, settings_for
from tests.support.rows import Rows, rows_of
from tests.support.writes import Writes

#: Rollouts of a home.
ROLLOUTS = 3
DAMAGE = (
    b"\n",
    b"not json\n",
    b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":3,"type":"event_msg","payl',
    b"\x00\x00\x00\x00",
    b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":5,"type":"hologram","payload":{}}\n',
    '{"text":"Grüße, \U0001f30d"}\r\n'.encode(),
    b"\xff\xfe\n",
)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for one example of a property."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def home_of(folder: Path, seed: int) -> Path:
    """Make a home: a thread, its revert, a legacy thread, each with some damage in the middle."""
    home, chance = folder / "whole", Random(seed)
    thread = Rollout(seed=seed)
    paths = [thread.write(home, size=20_000)]
    paths.append(thread.reverted(thread.cut()).write(home, size=10_000))
    paths.append(Rollout(seed=seed + 1, history="legacy").write(home, size=20_000))
    for path in paths:
        lines = path.read_bytes().splitlines(keepends=True)
        for _ in range(chance.randrange(4)):
            lines.insert(chance.randrange(1, len(lines)), chance.choice(DAMAGE))
        for _ in range(chance.randrange(3)):
            lines.insert(chance.randrange(1, len(lines)), chance.choice(lines))
        path.write_bytes(b"".join(lines))
    return home


def pieces(home: Path, chance: Random) -> Iterator[tuple[Path, bytes]]:
    """Give the bytes of a home's rollouts in random pieces, in mid-line and mid-character too."""
    left = {path.relative_to(home): path.read_bytes() for path in home.rglob("*.jsonl")}
    while left:
        path = chance.choice(sorted(left))
        length = chance.choice((1, 20, 300, 4_000, 40_000))
        yield path, left[path][:length]
        left[path] = left[path][length:]
        if not left[path]:
            del left[path]


def append(path: Path, piece: bytes) -> None:
    """Append as a writer does, into folders that may be new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as out:
        out.write(piece)


def in_one_go(home: Path, folder: Path) -> Rows:
    """Give the rows of a backfill of the whole home."""
    backfilled(home, folder / "whole.db")
    return rows_of(folder / "whole.db")


@pytest.mark.parametrize("engine", ENGINES)
@given(seed=st.integers(0, 10_000))
@examples(8)
def test_cuts_and_restarts_are_invisible(engine: str, empty: Empty, seed: int) -> None:
    """Fed in random pieces, each read by a new process's worth of state: the same rows."""
    with scratch() as folder, empty(engine) as database:
        whole, chance = home_of(folder, seed), Random(seed)
        home = folder / "home"
        for path, piece in pieces(whole, chance):
            append(home / path, piece)
            if chance.random() < 0.2:
                backfilled(home, database, batch_records=chance.choice((1, 7, 2000)))
        backfilled(home, database)

        assert in_one_go(whole, folder) == rows_of(database)


def test_a_second_backfill_changes_nothing(tmp_path: Path) -> None:
    home = home_of(tmp_path, 5)
    first = in_one_go(home, tmp_path)

    summary = backfilled(home, tmp_path / "whole.db")

    assert summary.records == 0
    assert first == rows_of(tmp_path / "whole.db")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_live_equals_backfill(tmp_path: Path, database: Where, seed: int) -> None:
    """A daemon beside the writer, killed and started anew or not, ends with the same rows."""
    whole = home_of(tmp_path, seed)
    home = tmp_path / "home"
    asyncio.run(_follow_while_written(whole, home, database, Random(seed)))

    assert in_one_go(whole, tmp_path) == rows_of(database)


async def _follow_while_written(whole: Path, home: Path, database: Where, chance: Random) -> None:
    stop = asyncio.Event()
    (home / "sessions").mkdir(parents=True)
    settings = settings_for(home, database, rescan_s=1.0)
    store = await open_store(settings.database, source=settings.source.name)
    async with Watch(settings.codex_homes, rescan_s=1.0) as watch:
        writes = Writes(store)
        daemon = asyncio.create_task(Daemon(store, settings, watch, stop).run())
        for path, piece in pieces(whole, chance):
            append(home / path, piece)
            await asyncio.sleep(0 if chance.random() < 0.8 else 0.005)

        async def is_read() -> bool:
            return _read_to_the_end(await store.statuses())

        await writes.until(is_read)
        stop.set()
        await daemon
    await store.close()


@pytest.mark.parametrize("seed", [4, 5])
def test_backfills_beside_the_daemon_double_nothing(
    tmp_path: Path, database: Where, seed: int
) -> None:
    """Three writers on one database, all after the same rollouts: the rows of one."""
    whole = home_of(tmp_path, seed)
    home = tmp_path / "home"

    async def all_at_once() -> None:
        following = asyncio.create_task(_follow_while_written(whole, home, database, Random(seed)))
        while not following.done():
            await asyncio.gather(
                backfill_once(home, database, batch_records=5),
                backfill_once(home, database, batch_records=11),
            )
        await following

    asyncio.run(all_at_once())

    assert in_one_go(whole, tmp_path) == rows_of(database)


def _read_to_the_end(statuses: Mapping[RolloutId, RolloutStatus]) -> bool:
    """Whether all three rollouts stand at the ends of their files."""
    files = [(one.offset, one.file) for one in statuses.values() if one.file is not None]
    return len(files) == ROLLOUTS and all(
        offset == Path(file.path).stat().st_size for offset, file in files
    )
