"""Rounds over rollouts that grow: what is read, what the store is asked, what it is told."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest
from msgspec.structs import replace

from projector.discover.scan import scan
from projector.model.changes import Lookup, LookupResult
from projector.model.ids import Checkpoint, RolloutFile, RolloutId
from projector.run.batches import limits_of
from projector.run.file_catalog import FileCatalog
from projector.run.prefetch import WORTH, Prefetcher
from projector.run.scheduler import RolloutState, Scheduler
from projector.store.protocol import Batch
from projector.store.sqlite.store import SqliteStore
from tests.support.generator.rollouts import SMALL, History, Rollout
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import rows_of
from tests.support.zst import frame


class Scene:
    """A home, a database, and what the store was asked beside commits."""

    def __init__(self, folder: Path) -> None:
        self.home, self.database = folder / "home", folder / "p.db"
        self.settings = settings_for(self.home, self.database)
        self.found: list[RolloutId] = []
        self.noted: list[RolloutFile] = []

    def play(self, play: Callable[[SqliteStore], Awaitable[None]]) -> None:
        async def run() -> None:
            store = await SqliteStore.open(self.database)
            find, found_at = store.find, store.update_locations

            async def finding(rollout_id: RolloutId, wants: Lookup) -> LookupResult:
                self.found.append(rollout_id)
                return await find(rollout_id, wants)

            async def noting(files: Sequence[RolloutFile]) -> None:
                self.noted += files
                await found_at(files)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(store, "find", finding)
                patch.setattr(store, "update_locations", noting)
                try:
                    await play(store)
                finally:
                    await store.close()

        asyncio.run(run())

    async def rounds(self, store: SqliteStore) -> Scheduler:
        """Begin as a process that was started just now does."""
        rounds = Scheduler(store, limits_of(self.settings), FileCatalog([str(self.home)]).rollout)
        rounds.remember(await store.statuses())
        return rounds

    async def catch_up(self, rounds: Scheduler) -> None:
        rounds.news(scan(str(self.home)).files)
        while rounds.waiting:
            await rounds.round()


def test_line_by_line_the_rows_are_those_of_a_backfill(tmp_path: Path) -> None:
    """Of rollouts whose tails are at hand, also where earlier rows must be asked for."""
    scene = Scene(tmp_path)
    grown = [Rollout(seed=1), Rollout(seed=2, history="legacy")]

    async def play(store: SqliteStore) -> None:
        for rollout in grown:
            rollout.write(scene.home, size=20_000)
        await scene.catch_up(await scene.rounds(store))
        rounds = await scene.rounds(store)
        for rollout in grown:
            for line in [line for _ in range(6) for line in rollout.turn()]:
                with (scene.home / rollout.path).open("ab") as file:
                    file.write(line)
                await scene.catch_up(rounds)
        rounds.close()

    scene.play(play)
    assert scene.found, "no earlier row was asked for: this test shows nothing"
    backfilled(scene.home, tmp_path / "whole.db")
    assert rows_of(scene.database) == rows_of(tmp_path / "whole.db")


def test_a_file_that_grew_after_it_was_listed_is_no_news_once_it_is_read(tmp_path: Path) -> None:
    """What was read is known as it lay then; the commit says so, and nothing else need."""
    scene = Scene(tmp_path)
    rollout = Rollout(seed=1)
    rollout_id = RolloutId(rollout.rollout_id)

    async def play(store: SqliteStore) -> None:
        rollout.write(scene.home, size=5_000)
        await scene.catch_up(await scene.rounds(store))
        rounds = await scene.rounds(store)
        for _ in ("the file is to be opened", "it is open"):
            rollout.write(scene.home, size=rollout.offset + 5_000)
            listed = scan(str(scene.home)).files
            rollout.write(scene.home, size=rollout.offset + 5_000)
            rounds.news(listed)
            await rounds.round()

            assert not rounds.waiting
            assert not rounds.news(scan(str(scene.home)).files)
            assert (await store.statuses())[rollout_id].file == rounds.where(rollout_id)
        rounds.close()

    scene.play(play)
    assert not scene.noted


def test_a_fault_of_one_rollout_is_its_own(tmp_path: Path) -> None:
    """Rollouts are looked at together; each has its own end."""
    scene = Scene(tmp_path)
    grown = [Rollout(seed=number) for number in range(4)]

    async def play(store: SqliteStore) -> None:
        for rollout in grown:
            rollout.write(scene.home, size=5_000)
        rounds = await scene.rounds(store)
        await scene.catch_up(rounds)
        for rollout in grown:
            rollout.write(scene.home, size=rollout.offset + 5_000)
        listed = scan(str(scene.home)).files
        gone, replaced, *others = grown
        (scene.home / gone.path).unlink()
        (scene.home / replaced.path).write_bytes((scene.home / others[0].path).read_bytes())
        rounds.news(listed)
        nowhere: list[RolloutFile] = []
        while rounds.waiting:
            nowhere += await rounds.round()

        assert [one.name.rollout_id for one in nowhere] == [gone.rollout_id]
        assert rounds.counters.replaced == 1
        statuses = await store.statuses()
        for one in others:
            assert statuses[RolloutId(one.rollout_id)].offset == one.offset
        rounds.close()

    scene.play(play)


@pytest.mark.parametrize("left", [0, 100], ids=["nothing", "a part of a line"])
@pytest.mark.parametrize("begun_anew", [False, True])
def test_a_deleted_rollout_that_comes_back_is_not_taken_for_a_new_one(
    tmp_path: Path, *, begun_anew: bool, left: int
) -> None:
    """Its rows are there. What it lost becomes tombstones, though there is no line to commit."""
    scene = Scene(tmp_path)
    path = Rollout(seed=1).write(scene.home, size=5_000)
    data = path.read_bytes()
    assert len(data) < WORTH

    async def play(store: SqliteStore) -> None:
        rounds = await scene.rounds(store)
        await scene.catch_up(rounds)
        (known,) = rounds.seen
        path.unlink()
        await store.mark_missing([known], purge=False)
        rounds.forget(known)
        if begun_anew:
            rounds = await scene.rounds(store)
        path.write_bytes(data[:left])
        await scene.catch_up(rounds)

        assert rounds.counters.replaced == 1
        rounds.close()

    scene.play(play)
    assert not rows_of(scene.database)["thread_history"]


def test_the_states_of_a_rollout(tmp_path: Path) -> None:
    """Each is one of a few, and told by one name."""
    scene = Scene(tmp_path)
    rollout = Rollout(seed=1)
    rollout_id, path = RolloutId(rollout.rollout_id), scene.home / rollout.path
    states: list[RolloutState | None] = []

    async def play(store: SqliteStore) -> None:
        rollout.write(scene.home, size=20_000)
        rounds = await scene.rounds(store)

        async def step(*, until_read: bool = True) -> None:
            rounds.news(scan(str(scene.home)).files)
            states.append(rounds.state_of(rollout_id))
            await rounds.round()
            while until_read and rounds.waiting:
                await rounds.round()
            states.append(rounds.state_of(rollout_id))

        states.append(rounds.state_of(rollout_id))
        await step()
        with path.open("ab") as file:
            file.write(b"\0" * 4_000_000)  # a torn line takes several turns
        rounds.limit(replace(limits_of(scene.settings), batch_bytes=1_000_000))
        await step(until_read=False)
        path.write_bytes(b" " + path.read_bytes())  # other bytes
        await step(until_read=False)
        await rounds.leave()
        rounds.forget(rollout_id)
        path.rename(path.with_name("gone"))
        path.mkdir()
        rounds.news([replace(file, path=str(path)) for file in known])
        await rounds.round()
        states.append(rounds.state_of(rollout_id))
        path.rmdir()
        rounds.forget(rollout_id)
        rounds.news(known)
        await rounds.round()
        states.append(rounds.state_of(rollout_id))
        rounds.forget(rollout_id)
        states.append(rounds.state_of(rollout_id))
        rounds.close()

    rollout.write(scene.home, size=10_000)
    known = scan(str(scene.home)).files
    scene.play(play)

    assert states == [
        None,
        RolloutState.QUEUED, RolloutState.UP_TO_DATE,
        RolloutState.QUEUED, RolloutState.READING,
        RolloutState.QUEUED, RolloutState.REPROJECTING,
        RolloutState.QUARANTINED,
        RolloutState.MISSING,
        None,
    ]  # fmt: skip


LONG_BYTES = 256 << 20


def _torn(path: Path) -> None:
    """Put a giant line without its newline behind a rollout."""
    os.truncate(path, path.stat().st_size + LONG_BYTES)


def _torn_packed(path: Path) -> None:
    """Compress it with such a line; how long it is when unpacked is not told."""
    packed = frame(path.read_bytes() + bytes(LONG_BYTES), size=False)
    path.with_name(path.name + ".zst").write_bytes(packed)
    path.unlink()


def _newlines(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n" * (LONG_BYTES >> 2))


GARBAGE = [b'{"a":1}', b"x", b"[]", b"{", b'"s"', b"\xff", b"\0", b'{"timestamp":', b"", b"{}"]
#: So many that they are more than the rounds take that are watched.
GARBAGE_LINES = 16 * 10_000


def _one_kind(path: Path) -> None:
    """Put very many equal lines behind a rollout, each of which says nothing."""
    with path.open("ab") as file:
        file.write(b'{"a":1}\n' * GARBAGE_LINES)


def _all_kinds(path: Path) -> None:
    with path.open("ab") as file:
        file.write((b"\n".join(GARBAGE) + b"\n") * (GARBAGE_LINES // len(GARBAGE)))


def _packed(fill: Callable[[Path], None]) -> Callable[[Path], None]:
    def fill_and_pack(path: Path) -> None:
        fill(path)
        path.with_name(path.name + ".zst").write_bytes(frame(path.read_bytes(), size=False))
        path.unlink()

    return fill_and_pack


def _other_bytes(path: Path) -> None:
    """Have it begin with other bytes, and hold a giant line."""
    data = path.read_bytes()
    path.write_bytes(data[:300] + b" " + data[300:])
    _torn(path)


LONG: dict[str, Callable[[Path], None]] = {
    "a torn line": _torn,
    "a torn line, compressed": _torn_packed,
    "empty lines": _newlines,
    "other bytes before the checkpoint": _other_bytes,
    "garbage": _one_kind,
    "garbage, compressed": _packed(_one_kind),
    "garbage of all kinds": _all_kinds,
    "garbage of all kinds, compressed": _packed(_all_kinds),
}


@pytest.mark.parametrize("make_long", LONG.values(), ids=LONG)
def test_what_is_long_holds_nobody_up(tmp_path: Path, make_long: Callable[[Path], None]) -> None:
    """Between any two rounds little is read, and what was appended meanwhile is in the next.

    Little: of bytes, and of lines, whose number may cost more than their bytes.
    """
    scene = Scene(tmp_path)
    long, short = Rollout(seed=1), Rollout(seed=2)

    async def play(store: SqliteStore) -> None:
        for rollout in (long, short):
            rollout.write(scene.home, size=50_000)
        await scene.catch_up(await scene.rounds(store))
        make_long(scene.home / long.path)
        rounds = await scene.rounds(store)
        rounds.news(scan(str(scene.home)).files)
        beside = 0
        while rounds.waiting and beside < 8:
            short.write(scene.home, size=short.offset + 1000)
            listed = scan(str(scene.home)).files
            rounds.news(
                [file for file in listed if file.path.endswith(str(short.path))], urgent=True
            )
            before, records = rounds.counters.bytes_read, rounds.counters.records
            await rounds.round()

            assert rounds.counters.bytes_read - before < LONG_BYTES // 4
            assert rounds.counters.records - records <= 10_000 + 100
            statuses = await store.statuses()
            assert statuses[RolloutId(short.rollout_id)].offset == short.offset
            beside += rounds.waiting > 0
        assert beside == 8, "it was not long: this test shows nothing"
        await rounds.leave()
        rounds.close()

    scene.play(play)


def test_of_what_is_committed_nothing_is_kept(tmp_path: Path) -> None:
    """Hundreds of tails are at hand: each keeps where it stands, not what it read last."""
    scene = Scene(tmp_path)
    grown = [Rollout(seed=1), Rollout(seed=2, history="legacy")]
    size = 2_000_000

    async def play(store: SqliteStore) -> None:
        for rollout in grown:
            rollout.write(scene.home, size=5_000)
        rounds = await scene.rounds(store)
        await scene.catch_up(rounds)
        for rollout in grown:
            rollout.write(scene.home, size=size)
        tracemalloc.start()
        await scene.catch_up(rounds)
        await store.totals()  # the connection's thread keeps what it did last
        kept, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rounds.close()

        assert most > size, "it was not read while this was measured"
        assert kept < size // 4

    scene.play(play)


@pytest.mark.parametrize("history", ["paginated", "legacy"])
def test_tails_are_kept_as_long_as_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: History
) -> None:
    """By what they take, not only by their number; what was let go is read on all the same."""
    scene = Scene(tmp_path)
    grown = [Rollout(seed=number, history=history) for number in range(6)]
    monkeypatch.setattr("projector.run.tailer_cache.HOT_BYTES", 40_000)

    async def play(store: SqliteStore) -> None:
        rounds = await scene.rounds(store)
        for _ in range(3):
            for rollout in grown:
                rollout.write(scene.home, size=rollout.offset + 5_000)
            await scene.catch_up(rounds)

            assert 0 < len(rounds._tailers) < len(grown)
            assert rounds._tailers.held_bytes <= 40_000
        rounds.close()

    scene.play(play)
    backfilled(scene.home, tmp_path / "whole.db")
    assert rows_of(scene.database) == rows_of(tmp_path / "whole.db")


def test_new_small_rollouts_are_read_without_a_question_to_the_store(tmp_path: Path) -> None:
    """Each question is a change of thread; after a write in doubt it is asked again."""
    scene = Scene(tmp_path)
    asked: list[RolloutId] = []

    async def play(store: SqliteStore) -> None:
        rollouts = [Rollout(seed=number, mix=SMALL) for number in range(20)]
        for rollout in rollouts:
            rollout.write(scene.home, size=5_000)
        checkpoint = store.checkpoint

        async def asking(rollout_id: RolloutId) -> Checkpoint | None:
            asked.append(rollout_id)
            return await checkpoint(rollout_id)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "checkpoint", asking)
            rounds = await scene.rounds(store)
            rounds.news(scan(str(scene.home)).files)
            await rounds.round()
            assert not rounds.waiting
            assert not asked
            rounds.close()
            # Another process was here: what is taken for new is not.
            blind = Scheduler(
                store, limits_of(scene.settings), FileCatalog([str(scene.home)]).rollout
            )
            for rollout in rollouts:
                rollout.write(scene.home, size=rollout.offset + 5_000)
            await scene.catch_up(blind)
            blind.close()

    scene.play(play)
    assert len(asked) == len(set(asked)) == 20
    backfilled(scene.home, tmp_path / "whole.db")
    assert rows_of(scene.database) == rows_of(tmp_path / "whole.db")


class _Behind:
    """A process that reads ahead, and never gets to its first batch while others are there."""

    def __init__(self) -> None:
        self.file: RolloutFile | None = None
        self.is_open = False

    group: Mapping[RolloutId, RolloutFile] = MappingProxyType({})
    can_ask = False

    def open(self, file: RolloutFile, soon: Iterable[RolloutFile] = ()) -> bool:  # noqa: ARG002 - as Prefetcher
        """Take the first; of those that come `soon` nothing."""
        if self.file is not None:
            return False
        self.file, self.is_open = file, True
        return True

    @property
    def is_behind(self) -> bool:
        return self.is_open

    bytes_read = 0

    def knows(self, file: RolloutFile) -> bool:
        return file == self.file

    async def next(self) -> Batch | None:
        self.is_open = False
        return None


def test_while_one_is_read_ahead_others_are_read_here(tmp_path: Path) -> None:
    """One after the other, each to its end: and what was being read ahead comes when it has."""
    scene = Scene(tmp_path)
    limits = limits_of(scene.settings)
    done: list[str] = []

    async def play(store: SqliteStore) -> None:
        for number in range(4):
            Rollout(seed=number).write(scene.home, size=3 * WORTH)
        ahead = _Behind()
        rounds = Scheduler(
            store,
            replace(limits, batch_bytes=WORTH),
            FileCatalog([str(scene.home)]).rollout,
            on_done=lambda file: done.append(file.path),
            ahead=cast("Prefetcher", ahead),
        )
        rounds.remember(await store.statuses())
        files = scan(str(scene.home)).files
        assert ahead.open(files[0])
        rounds.news(files)
        while rounds.waiting:
            await rounds.round()
        rounds.close()
        assert ahead.file is not None
        assert done[-1] == ahead.file.path

    scene.play(play)
    assert len(done) == 4
    backfilled(scene.home, tmp_path / "whole.db")
    assert rows_of(scene.database) == rows_of(tmp_path / "whole.db")
