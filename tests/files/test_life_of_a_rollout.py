"""All that Codex does to a rollout's file, step by step, under a running daemon."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from projector.discover.watch import Watch
from projector.run.daemon import Daemon
from projector.store.open import open_store
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import settings_for
from tests.support.writes import Writes
from tests.support.zst import zstd

#: More than all fingerprints and looks of one step read, and less than any rollout here holds.
LITTLE = 16_384


class Followed:
    """A home, the daemon that follows it, and what readers see."""

    def __init__(self, home: Path, database: Path) -> None:
        """Know where; `following` starts the daemon."""
        self.home = home
        self._database = database
        self.daemon: Daemon | None = None
        self.writes: Writes | None = None

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask as a reader does."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchall()

    @property
    def bytes_read(self) -> int:
        """Bytes of rollouts that the daemon has read so far."""
        assert self.daemon is not None
        return self.daemon.bytes_read

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait for what must come."""
        assert self.writes is not None
        await self.writes.until(what)


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[Followed]:
    """Run a daemon over a new home."""
    home, stop = folder / "home", asyncio.Event()
    (home / "sessions").mkdir(parents=True)
    (home / "archived_sessions").mkdir()
    settings = settings_for(home, folder / "p.db", rescan_s=2.0)
    store = await open_store(settings.database)
    followed = Followed(home, folder / "p.db")
    followed.writes = Writes(store)
    async with Watch(settings.codex_homes, rescan_s=2.0) as watch:
        followed.daemon = Daemon(store, settings, watch, stop)
        running = asyncio.create_task(followed.daemon.run())
        try:
            yield followed
        finally:
            stop.set()
            await running
            await store.close()


HISTORY = "SELECT turn_id, item_id, uid FROM thread_history WHERE thread_id = ? ORDER BY position"


def test_the_life_of_a_rollout(tmp_path: Path) -> None:  # noqa: PLR0915 - one life
    """Written, archived, compressed, unpacked, reverted, deleted: rows right after each step.

    A move reads nothing again, and what makes another file of it (compressed, unpacked) all of it
    once, to see that these are the same bytes. Other bytes are read only for what is new.
    """

    async def live() -> None:
        async with following(tmp_path) as all_:
            home, ask = all_.home, all_.ask
            thread = Rollout(seed=3)
            path = thread.write(home, size=60_000)
            thread_id = path.name.removesuffix(".jsonl")[-36:]
            size = path.stat().st_size

            def shown() -> tuple[Any, ...] | None:
                rows = ask(
                    "SELECT archived, deleted, item_count, path FROM threads WHERE thread_id = ?",
                    thread_id,
                )
                return rows[0] if rows else None

            def offset() -> int:
                rows = ask(
                    "SELECT next_rollout_byte_offset FROM codex_projection_state"
                    " WHERE thread_id = ?",
                    thread_id,
                )
                return int(rows[0][0]) if rows else -1

            await all_.until(lambda: offset() == size)
            before = ask(HISTORY, thread_id)
            read = all_.bytes_read

            archived = path.rename(home / "archived_sessions" / path.name)
            await all_.until(lambda: shown() == (1, 0, len(before), str(archived)))
            assert ask(HISTORY, thread_id) == before
            assert all_.bytes_read - read < LITTLE, "a move reads nothing again"

            packed = archived.with_name(archived.name + ".zst")
            packed.write_bytes(zstd.compress(archived.read_bytes()))
            archived.unlink()
            await all_.until(lambda: shown() == (1, 0, len(before), str(packed)))
            assert ask(HISTORY, thread_id) == before

            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(zstd.decompress(packed.read_bytes()))
            packed.unlink()
            await all_.until(lambda: shown() == (0, 0, len(before), str(path)))
            assert ask(HISTORY, thread_id) == before
            assert all_.bytes_read - read < LITTLE + 2 * size, "each is read once"
            read += 2 * size

            cut = thread.cut()
            more = b"".join(thread.turn())
            with path.open("ab") as out:
                out.write(more)
            await all_.until(lambda: offset() == size + len(more))
            assert all_.bytes_read - read < LITTLE + len(more), "an append reads what is new"
            assert ask(HISTORY, thread_id)[: len(before)] == before
            assert len(ask(HISTORY, thread_id)) > len(before)

            newer = thread.reverted(cut).write(home, size=20_000)
            own = newer.stat().st_size
            await all_.until(lambda: (now := shown()) is not None and now[3] == str(newer))
            await all_.until(
                lambda: ask("SELECT max(next_rollout_byte_offset) FROM codex_projection_state"
                            " WHERE thread_id <> ?", thread_id) == [(own,)]
            )  # fmt: skip
            assert ask(HISTORY, thread_id)[: len(before)] == before, "the turn behind is gone"
            gone = ask("SELECT count(*) FROM all_items WHERE tombstone = 'reverted'")
            assert gone[0][0] > 0

            path.unlink()
            newer.unlink()
            await all_.until(lambda: (now := shown()) is not None and now[1] == 1)
            assert ask(HISTORY, thread_id)[: len(before)] == before, "rows of what is gone stay"
            kinds = ask("SELECT type FROM lifecycle_events WHERE type LIKE 'thread.%' ORDER BY seq")
            assert [kind for (kind,) in kinds] == [
                "thread.started",
                "thread.archived",
                "thread.unarchived",
                "thread.reverted",
                "thread.deleted",
            ]

    asyncio.run(live())


def test_a_replaced_rollout_is_never_half_seen(tmp_path: Path) -> None:
    """Readers see the old rows or the new ones, whole; those that do not come again are kept."""

    async def live() -> None:
        async with following(tmp_path) as all_:
            home, ask = all_.home, all_.ask
            path = Rollout(seed=4).write(home, size=300_000)
            thread_id = path.name.removesuffix(".jsonl")[-36:]

            def offset() -> int:
                rows = ask("SELECT next_rollout_byte_offset FROM codex_projection_state")
                return int(rows[0][0]) if rows else -1

            await all_.until(lambda: offset() == path.stat().st_size)
            old = {row[1] for row in ask(HISTORY, thread_id)}

            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for n, line in enumerate(lines) if n == 0 or n % 3]
            swapped = path.with_name("rollout-x.tmp")
            swapped.write_bytes(b"".join(kept))
            swapped.rename(path)
            new = {row[1] for row in ask(HISTORY, thread_id) if row[1].encode() in b"".join(kept)}
            seen: set[frozenset[str]] = set()

            def done() -> bool:
                seen.add(frozenset(row[1] for row in ask(HISTORY, thread_id)))
                return offset() == path.stat().st_size

            await all_.until(done)
            now = {row[1] for row in ask(HISTORY, thread_id)}

            assert now < old
            assert seen <= {frozenset(old), frozenset(now)}
            assert now <= new
            tombstoned = ask("SELECT count(*) FROM all_items WHERE tombstone = 'replaced'")
            assert tombstoned == [(len(old) - len(now),)]
            assert ask("SELECT kind FROM anomalies WHERE kind = 'replaced'") == [("replaced",)]

    asyncio.run(live())
