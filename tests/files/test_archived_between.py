"""A rollout that Codex archives after it was listed, and before it is read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest
from watchfiles import Change

from projector.run.file_catalog import FileCatalog, Survey
from tests.support.following import following, world
from tests.support.projecting import backfilled
from tests.support.rows import rows_of
from tests.support.stage import projector


@pytest.fixture
def archiving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    """Give what lets a rollout be archived just behind the next look at all homes."""

    def archive(home: Path, path: Path) -> None:
        really = FileCatalog.everything

        def everything(self: FileCatalog) -> Survey:
            found = really(self)
            if (home / path).exists():
                (home / "archived_sessions").mkdir(exist_ok=True)
                os.rename(home / path, home / "archived_sessions" / path.name)
            return found

        monkeypatch.setattr(FileCatalog, "everything", everything)

    return archive


Archiving = Callable[[Path, Path], None]


@pytest.mark.parametrize("command", ["backfill", "rebuild"])
@pytest.mark.parametrize("known", [False, True])
def test_it_is_projected_from_where_it_lies_now(
    tmp_path: Path, archiving: Archiving, command: str, *, known: bool
) -> None:
    made = world(tmp_path)
    chosen = [] if known else [str(made.home / made.rollouts[-1].path)]
    backfilled(made.home, tmp_path / "p.db", *chosen)
    if known:
        made.grow()
    archiving(made.home, made.rollouts[0].path)

    result = projector(tmp_path, command)

    assert result.return_value == 0, result.output
    assert made.whole() == rows_of(tmp_path / "p.db")


@pytest.mark.parametrize("known", [False, True])
def test_verify_reads_it_where_it_lies_now(
    tmp_path: Path, archiving: Archiving, *, known: bool
) -> None:
    """A known one is compared; of an unknown one all is behind."""
    made = world(tmp_path)
    made.grow()
    chosen = [] if known else [str(made.home / made.rollouts[-1].path)]
    backfilled(made.home, tmp_path / "p.db", *chosen)
    archiving(made.home, made.rollouts[0].path)

    result = projector(tmp_path, "verify", "--json")

    assert result.return_value == 0, result.output
    assert '"rollouts_gone":0' in result.output
    assert ("archived_sessions" in result.output) is not known


def test_the_daemon_reads_it_where_it_lies_now(tmp_path: Path, archiving: Archiving) -> None:
    """Without an event of it, and without another scan."""
    made = world(tmp_path)
    archiving(made.home, made.rollouts[0].path)

    async def no_events(
        paths: Sequence[str], *, recursive: bool, step_ms: int, debounce_ms: int
    ) -> AsyncGenerator[set[tuple[Change, str]], None]:
        del paths, recursive, step_ms, debounce_ms
        await asyncio.Event().wait()
        yield set()

    async def run() -> None:
        async with following(made, rescan_s=3600, events=no_events) as daemon:
            await daemon.until_read()

    asyncio.run(run())
    assert made.whole() == made.rows()
