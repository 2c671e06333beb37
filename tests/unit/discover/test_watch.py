"""Waits for news: from events that the test makes, by a clock that the test moves."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from watchfiles import Change

from projector.discover import watch
from projector.discover.hints import ChangeHints, HomePath
from projector.discover.watch import Mode, Watch
from tests.support.homes import DAY, NAME, put

NFS = "1 0 8:1 / / rw - nfs4 host:/ rw\n"


class FakeEvents:
    """File events as a test tells them; counts what is watched."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.watched: list[list[str]] = []
        self._queues: list[asyncio.Queue[set[tuple[Change, str]] | Exception]] = []

    async def __call__(
        self, paths: Sequence[str], *, recursive: bool, step_ms: int, debounce_ms: int
    ) -> AsyncGenerator[set[tuple[Change, str]], None]:
        assert step_ms > 0 < debounce_ms
        if self.failure is not None:
            raise self.failure
        queue: asyncio.Queue[set[tuple[Change, str]] | Exception] = asyncio.Queue()
        self._queues.append(queue)
        self.watched.append([*paths, "and below"] if recursive else list(paths))
        try:
            while True:
                told = await queue.get()
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            self._queues.remove(queue)

    def tell(self, change: Change, path: Path) -> None:
        self._queues[0].put_nowait({(change, str(path))})

    def fail(self, error: Exception) -> None:
        self._queues[0].put_nowait(error)

    @property
    def open(self) -> int:
        return len(self._queues)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A home, its watch, and what a test moves."""

    def __init__(self, home: Path) -> None:
        self.home, self.events, self.clock, self.mounts = home, FakeEvents(), Clock(), ""
        self.watch = Watch(
            [str(home)],
            rescan_s=30,
            poll_s=2,
            retry_s=60,
            events=self.events,
            mounts=lambda: self.mounts,
            clock=self.clock,
        )

    async def wait(self) -> ChangeHints:
        async with asyncio.timeout(5):
            return await self.watch.wait()

    async def after(self, seconds: float) -> ChangeHints:
        self.clock.now += seconds
        return await self.wait()

    @property
    def all(self) -> ChangeHints:
        return ChangeHints(homes=frozenset([str(self.home)]), names=frozenset([str(self.home)]))


Play = Callable[[Scene], Coroutine[None, None, None]]


@pytest.fixture
def perform(tmp_path: Path) -> Callable[[Play], None]:
    put(tmp_path, f"{DAY}/{NAME}")

    async def run(play: Play) -> None:
        scene = Scene(tmp_path)
        async with scene.watch:
            await play(scene)
        assert scene.events.open == 0, "watches were left behind"

    return lambda play: asyncio.run(run(play))


def test_at_first_all_is_watched_and_every_home_due(perform: Callable[[Play], None]) -> None:
    async def play(scene: Scene) -> None:
        assert await scene.wait() == scene.all
        assert scene.watch.mode == Mode("events")
        assert scene.events.watched == [
            [f"{scene.home}/sessions", "and below"],
            [str(scene.home)],
        ]

    perform(play)


def test_an_event_of_a_rollout_is_a_hint(perform: Callable[[Play], None]) -> None:
    async def play(scene: Scene) -> None:
        await scene.wait()
        scene.events.tell(Change.modified, scene.home / DAY / NAME)

        assert await scene.wait() == ChangeHints(
            files=frozenset([HomePath(str(scene.home), str(scene.home / DAY / NAME))])
        )

    perform(play)


def test_other_files_of_the_home_wake_nobody(perform: Callable[[Play], None]) -> None:
    async def play(scene: Scene) -> None:
        await scene.wait()
        scene.events.tell(Change.modified, scene.home / "state_5.sqlite-wal")
        scene.events.tell(Change.modified, scene.home / NAME)
        scene.events.tell(Change.modified, scene.home / "session_index.jsonl")

        assert await scene.wait() == ChangeHints(names=frozenset([str(scene.home)]))

    perform(play)


def test_without_events_a_home_is_due_at_the_interval(perform: Callable[[Play], None]) -> None:
    async def play(scene: Scene) -> None:
        await scene.wait()

        assert await scene.after(30) == scene.all

    perform(play)


def test_two_seconds_after_a_new_folder_all_is_watched_anew(
    perform: Callable[[Play], None],
) -> None:
    """Only so does one hear that there were no watches left for it."""

    async def play(scene: Scene) -> None:
        await scene.wait()
        scene.events.tell(Change.added, scene.home / DAY)
        folder = ChangeHints(folders=frozenset([HomePath(str(scene.home), str(scene.home / DAY))]))
        assert await scene.wait() == folder
        scene.events.failure = OSError("OS file watch limit reached. about [...]")

        assert await scene.after(2) == scene.all
        assert scene.watch.mode.watching == "polling"

    perform(play)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            OSError("OS file watch limit reached. about [..] (Error { kind: MaxFilesWatch"),
            "no more file watches; raise the limit: sysctl fs.inotify.max_user_watches=524288",
        ),
        (
            RuntimeError("Error creating recommended watcher: Too many open files (os error 24)"),
            "no more watch instances; raise the limit: sysctl fs.inotify.max_user_instances=512",
        ),
        (
            PermissionError("Permission denied about [/x]"),
            "no file events: Permission denied about [/x]; fix the permissions of that folder",
        ),
        (RuntimeError("surprise"), "no file events: surprise"),
    ],
)
@pytest.mark.parametrize("when", ["at first", "later"])
def test_where_no_events_can_be_had_it_polls_says_why_and_tries_again(
    perform: Callable[[Play], None], error: Exception, why: str, when: str
) -> None:
    async def play(scene: Scene) -> None:
        if when == "at first":
            scene.events.failure = error
            await scene.wait()
        else:
            await scene.wait()
            scene.events.fail(error)
            assert await scene.wait() == scene.all
        assert scene.watch.mode == Mode("polling", why)
        assert await scene.after(2) == scene.all
        tried = len(scene.events.watched)
        scene.events.failure = None

        await scene.after(60)

        assert scene.watch.mode == Mode("events")
        assert len(scene.events.watched) == tried + 2

    perform(play)


def test_a_home_on_the_network_is_polled(perform: Callable[[Play], None]) -> None:
    """No error tells of it, so nothing is tried."""

    async def play(scene: Scene) -> None:
        scene.mounts = NFS
        assert await scene.wait() == scene.all
        assert scene.watch.mode == Mode(
            "polling", f"{scene.home} is on nfs4, which has no file events"
        )
        assert scene.events.watched == []
        assert await scene.after(2) == scene.all

    perform(play)


def test_a_root_that_comes_later_is_watched_from_then_on(perform: Callable[[Play], None]) -> None:
    async def play(scene: Scene) -> None:
        await scene.wait()
        (scene.home / "archived_sessions").mkdir()
        scene.events.tell(Change.added, scene.home / "archived_sessions")

        assert (await scene.wait()).homes == {str(scene.home)}
        assert scene.events.watched[-2:] == [
            [f"{scene.home}/archived_sessions", f"{scene.home}/sessions", "and below"],
            [str(scene.home)],
        ]

    perform(play)


def test_a_root_removed_and_made_again_is_watched_anew(perform: Callable[[Play], None]) -> None:
    """Also with the same inode, as a file system may give it."""

    async def play(scene: Scene) -> None:
        await scene.wait()
        scene.events.tell(Change.deleted, scene.home / "sessions")

        assert (await scene.wait()).homes == {str(scene.home)}
        assert len(scene.events.watched) == 4

    perform(play)


def test_a_home_that_is_missing_is_looked_for(perform: Callable[[Play], None]) -> None:
    async def play(scene: Scene) -> None:
        shutil.rmtree(scene.home)
        assert await scene.wait() == scene.all
        assert scene.events.watched == []
        assert await scene.after(2) == scene.all
        put(scene.home, f"{DAY}/{NAME}")

        await scene.after(2)

        assert scene.events.watched[0] == [f"{scene.home}/sessions", "and below"]

    perform(play)


def test_polling_can_be_asked_for(tmp_path: Path) -> None:
    async def play() -> None:
        watching = Watch([str(tmp_path)], force_polling=True)
        await anext(aiter(watching))
        assert watching.mode == Mode("polling", "polling is configured")
        await watching.close()
        await watching.close()

    asyncio.run(play())


def test_the_events_of_the_system_are_heard(tmp_path: Path) -> None:
    """The one test with real ones: a rollout grows, and is hinted at."""

    async def play() -> None:
        path = put(tmp_path, f"{DAY}/{NAME}")
        async with Watch([str(tmp_path)], rescan_s=600) as watching:
            await watching.wait()
            with path.open("ab") as file:
                file.write(b"{}\n")
            async with asyncio.timeout(20):
                hints = await watching.wait()
        assert hints.files == {HomePath(str(tmp_path), str(path))}

    asyncio.run(play())


def test_what_happens_between_two_looks_is_told_by_the_second(tmp_path: Path) -> None:
    """One is lively, and one quiet: the watches stay as they are."""

    async def play() -> None:
        events = watch.file_events([str(tmp_path)], recursive=True, step_ms=6, debounce_ms=20)
        async with aclosing(events):
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)  # it is watched
            for name in ("quiet", "lively"):
                (tmp_path / name).touch()
                async with asyncio.timeout(20):
                    heard = await first if name == "quiet" else await anext(events)
                assert (Change.added, str(tmp_path / name)) in heard

    asyncio.run(play())


@pytest.mark.parametrize(("lively_s", "then"), [(60.0, 6), (0.0, 100)])
def test_one_looks_seldom_until_there_is_an_event_and_a_minute_after_it(
    monkeypatch: pytest.MonkeyPatch, lively_s: float, then: int
) -> None:
    steps: list[int] = []

    class Notify:
        def __init__(self, *_: object) -> None:
            pass

        def watch(self, _: int, step_ms: int, for_ms: int, __: object) -> set[tuple[int, str]]:
            assert (for_ms == 0) == (step_ms == 100), "a look that is quick ends by itself"
            steps.append(step_ms)
            return {(1, "/new")}

        def close(self) -> None:
            steps.append(0)

    async def play() -> None:
        events = watch.file_events(["/"], recursive=True, step_ms=6, debounce_ms=20)
        async with aclosing(events):
            assert [await anext(events) for _ in range(2)] == [{(Change.added, "/new")}] * 2

    monkeypatch.setattr(watch, "RustNotify", Notify)
    monkeypatch.setattr(watch, "_LIVELY_S", lively_s)
    asyncio.run(play())
    assert steps == [100, then, 0]
