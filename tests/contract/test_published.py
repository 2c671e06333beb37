"""What a daemon says beside its database: the same on every engine."""

from __future__ import annotations

import asyncio
import time

from msgspec import structs

from projector.serve.health import collect as gather
from projector.serve.health.snapshot import Facts
from projector.store.open import open_store, open_to_read
from projector.store.protocol import DaemonState, Heartbeat, Holder
from tests.support.databases import SOURCE, Where, url_of

HOLDER = Holder(pid=4711, host="here", version="1", started_at_ms=5)


def beat(holder: Holder, **more: object) -> Heartbeat:
    sign = Heartbeat(
        holder=holder, beat_at_ms=time.time_ns() // 1_000_000, interval_s=30, phase="following",
        watching="events", watching_why="", behind_bytes=0, behind_since_ms=None, bytes_read=0,
        records=0, batches=0, set_aside=0,
    )  # fmt: skip
    return structs.replace(sign, **more)


def test_it_is_read_though_the_database_does_not_have_it(database: Where) -> None:
    """While the daemon lives, and after it; a later daemon on another host is not judged by it."""

    async def lives() -> None:
        store = await open_store(url_of(database), source=SOURCE)
        try:
            await store.acquire_lock(HOLDER)
            await store.write_heartbeat(beat(HOLDER, current_as_of_ms=7))
            await store.publish(DaemonState(HOLDER, beat(HOLDER, batches=3), "full", 9))
            living = found()
            assert (living.alive, living.fault is not None) == (True, True)
            assert living.database.heartbeat is not None
            assert living.database.heartbeat.batches == 3
            assert living.database.heartbeat.current_as_of_ms == 7
        finally:
            await store.close()

    def found() -> Facts:
        with open_to_read(url_of(database), source=SOURCE) as db:
            return gather.collect(db, [], time.time_ns() // 1_000_000)

    asyncio.run(lives())

    assert (found().alive, found().fault) == (False, None)


def test_what_a_daemon_knew_stays_until_the_next_one_knows(database: Where) -> None:
    async def run() -> None:
        store = await open_store(url_of(database), source=SOURCE)
        try:
            for known in (7, None, 9, None):
                await store.write_heartbeat(beat(HOLDER, current_as_of_ms=known))
        finally:
            await store.close()

    asyncio.run(run())

    with open_to_read(url_of(database), source=SOURCE) as db:
        found = gather.read_database(db).heartbeat
    assert found is not None
    assert found.current_as_of_ms == 9
