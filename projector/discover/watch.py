"""Wait until rollouts may have changed: by file events where available, else by a timer.

File events come from `watchfiles`, and are hints (`hints`). What it does not report, and how that
is handled:

- A root that is missing, removed or created again: at most once a second, and immediately when the
  home reports an event, the watched folders are compared with those that exist.
- No more watches or instances (a limit of the system), or an internal failure: poll, say why,
  retry after `retry_s`.
- The limit of watches, when a folder is created while watching: not reported. Two seconds after a
  new folder the watches are created again, which reports the error.
- Folders on network file systems: no error and no events. They are polled (`mounts`).
- An overflow of the event queue: not reported; the scan at `rescan_s` finds what was lost.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, Self

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from projector.discover.hints import (
    LOOK_AGAIN_S,
    ChangeHints,
    HomePath,
    RescanSchedule,
    of_interest,
)
from projector.discover.mounts import MOUNT_TABLE, without_events
from projector.discover.scan import ARCHIVED, SESSIONS

#: Events in a home itself (roots created or removed, names assigned) may take longer.
_HOME_STEP_MS: Final = 250
#: Seconds after the last event within which the next one is expected: as long as a command that
#: Codex waits for.
_LIVELY_S: Final = 60.0
#: Shortest interval between polls for events after that.
_QUIET_STEP_MS: Final = 100
#: Shortest interval between comparisons of watched and existing folders.
_COMPARE_S: Final = 1.0
#: Shortest interval between checks for a missing home.
_MISSING_S: Final = 2.0


class Mode(NamedTuple):
    """How changes are detected."""

    watching: Literal["events", "polling"]
    why: str = ""
    """Why it polls; empty while file events work."""


class Events(Protocol):
    """Source of file events; replaced by tests to inject faults."""

    def __call__(
        self, paths: Sequence[str], *, recursive: bool, step_ms: int, debounce_ms: int
    ) -> AsyncGenerator[set[tuple[Change, str]], None]:
        """Watch folders from the first `anext` on; yield changes as they come."""


async def file_events(
    paths: Sequence[str], *, recursive: bool, step_ms: int, debounce_ms: int
) -> AsyncGenerator[set[tuple[Change, str]], None]:
    """Yield file events of the operating system.

    The library reports only when polled, and each poll costs 25 to 40 us: so poll every `step_ms`
    while
    events come, and less often if none has come for a minute. This uses the object behind its
    `awatch`, which accepts another step at each call and keeps its watches in between: events
    between two calls are returned by the second.

    Raises:
        OSError: a folder is missing, or the system's limit of watches is reached.
        RuntimeError: no more instances, or an internal failure.
    """
    notify = RustNotify(
        list(paths),
        False,  # debug
        False,  # polling: decided here by mount, not by the library from the kernel's name
        0,
        recursive,
        # If true, the library would stop at the first folder that it cannot watch (no permission,
        # no watches left) and silently leave all others unwatched.
        False,
    )
    loop, stop, ear = asyncio.get_running_loop(), threading.Event(), ThreadPoolExecutor(1)
    lively_until = loop.time()
    try:
        while True:
            left = lively_until - loop.time()
            step, for_ms = step_ms, math.ceil(left * 1000)
            if left <= 0:
                step, for_ms = max(step_ms, _QUIET_STEP_MS), 0  # until there is an event
            found = await loop.run_in_executor(ear, notify.watch, debounce_ms, step, for_ms, stop)
            if isinstance(found, set):
                lively_until = loop.time() + _LIVELY_S
                yield {(Change(kind), path) for kind, path in found}
    finally:
        stop.set()
        await asyncio.to_thread(ear.shutdown)  # within one step
        notify.close()


def mount_table() -> str:
    """Read the mount table; empty where the system has none."""
    try:
        return Path(MOUNT_TABLE).read_text(errors="surrogateescape")
    except OSError:
        return ""


class Watch:
    """Waits until the file system may have changed. `close` it, or use `async with`."""

    def __init__(
        self,
        homes: Sequence[str],
        *,
        rescan_s: float = 30.0,
        poll_s: float = 2.0,
        retry_s: float = 60.0,
        step_ms: int = 6,
        debounce_ms: int = 20,
        force_polling: bool = False,
        events: Events = file_events,
        mounts: Callable[[], str] = mount_table,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Configure it; nothing is watched before the first `wait`.

        Args:
            homes: as given in the settings; hints use the same paths.
            rescan_s: scan interval of a home while file events work.
            poll_s: scan interval while they do not.
            retry_s: interval between retries of failed file events.
            step_ms: polling interval for events while they come; an event waits for one and a half
                steps. Measured: at 2 ms 1.1 % of a core and a median wait of
                4 ms; at 5 ms 0.53 % and 9 ms; at 6 ms 0.51 % and 10 ms. See `file_events`: the
                first event after a quiet minute waits for 100 to 200 ms.
            debounce_ms: maximum time that a continuous series of events is collected.
            force_polling: do not use file events.
            events: source of file events.
            mounts: reads the mount table.
            clock: seconds, monotonic; None: the event loop's.
        """
        self._bases = {home: os.path.abspath(home) for home in homes}
        self._rescan_s, self._poll_s, self._retry_s = rescan_s, poll_s, retry_s
        self._step_ms, self._debounce_ms = step_ms, debounce_ms
        self._force_polling = force_polling
        self._events, self._mounts, self._clock = events, mounts, clock
        self._agenda: RescanSchedule | None = None
        self._news = asyncio.Event()
        self._followers: list[asyncio.Task[None]] = []
        self._followed: frozenset[tuple[str, int, int]] = frozenset()
        self._renew_at = math.inf
        self._compare_at = -math.inf
        self._failure = ""
        self._failed_at = 0.0
        self.mode = Mode("events")
        """How changes are detected now. May change at each `wait`."""
        self.events = 0
        """Number of file changes reported since the start."""

    async def wait(self) -> ChangeHints:
        """Return the next hints, never None; the first call returns at once: all homes."""
        while True:
            self._news.clear()
            now = self._now()
            if self._agenda is None:
                self._agenda = RescanSchedule(self._bases, now)
            if now >= min(self._compare_at, self._renew_at):
                self._compare_at = now + _COMPARE_S
                await self._reconcile(self._agenda, now)
            hints = self._agenda.due(now)
            if hints is not None:
                return hints
            timeout = max(0.0, self._agenda.next_at() - self._now())
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._news.wait()

    def rescan_every(self, seconds: float) -> None:
        """Set the scan interval while file events work."""
        self._rescan_s, self._compare_at = seconds, -math.inf
        self._news.set()

    def __aiter__(self) -> Self:
        """Iterate over hints, endlessly."""
        return self

    async def __anext__(self) -> ChangeHints:
        """Return the next hints."""
        return await self.wait()

    # Watches ----------------------------------------------------------------------------------

    async def _reconcile(self, agenda: RescanSchedule, now: float) -> None:
        """Watch the folders that exist now, and poll those without events; record which."""
        whys: list[str] = []
        wanted: set[tuple[str, int, int]] = set()
        mounts = "" if self._force_polling else self._mounts()
        for home, base in self._bases.items():
            found = [_identity(path) for path in (base, f"{base}/{SESSIONS}", f"{base}/{ARCHIVED}")]
            there = [one for one in found if one is not None]
            if found[0] is None:
                agenda.every(home, min(_MISSING_S, self._rescan_s), now)
                continue
            why = self._why_polling([path for path, _, _ in there], mounts, now)
            if why:
                whys.append(why)
                agenda.every(home, min(self._poll_s, self._rescan_s), now)
            else:
                wanted.update(there)
                agenda.every(home, self._rescan_s, now)
        self.mode = Mode("polling", "; ".join(dict.fromkeys(whys))) if whys else Mode("events")
        if now >= self._renew_at:
            self._followed = frozenset()
        if wanted != self._followed:
            await self._follow(frozenset(wanted))
            for home in self._bases:
                agenda.rescan(home, now)
            if self._failure:
                await self._reconcile(agenda, self._now())

    def _why_polling(self, paths: Sequence[str], mounts: str, now: float) -> str | None:
        if self._force_polling:
            return "polling is configured"
        if self._failure and now < self._failed_at + self._retry_s:
            return self._failure
        return next(
            (why for path in paths if (why := without_events(os.path.realpath(path), mounts))), None
        )

    async def _follow(self, wanted: frozenset[tuple[str, int, int]]) -> None:
        """Drop the current watches and create new ones."""
        await self._unfollow()
        self._failure, self._followed, self._renew_at = "", wanted, math.inf
        bases = set(self._bases.values())
        homes = sorted(path for path, _, _ in wanted if path in bases)
        roots = sorted(path for path, _, _ in wanted if path not in bases)
        for paths, recursive in ((roots, True), (homes, False)):
            if paths:
                task = asyncio.create_task(self._hear(paths, recursive=recursive))
                self._followers.append(task)
        await asyncio.sleep(0)  # each task runs up to its first wait: the watches exist

    async def _hear(self, paths: Sequence[str], *, recursive: bool) -> None:
        """Record events until cancelled; a failure is recorded as the reason to poll."""
        agenda = self._agenda
        assert agenda is not None
        step_ms = self._step_ms if recursive else max(self._step_ms, _HOME_STEP_MS)
        events = self._events(
            paths, recursive=recursive, step_ms=step_ms, debounce_ms=self._debounce_ms
        )
        try:
            async with aclosing(events):
                async for changes in events:
                    self._note(agenda, changes)
        except (OSError, RuntimeError) as error:  # raised by watchfiles; see file_events
            self._failure = _failure(error)
        else:
            self._failure = "file events ended unexpectedly"
        self._failed_at, self._followed = self._now(), frozenset()
        self._compare_at = -math.inf
        for home in self._bases:  # events before the failure may have been lost
            agenda.rescan(home, self._failed_at)
        self._news.set()

    def _note(self, agenda: RescanSchedule, changes: set[tuple[Change, str]]) -> None:
        self.events += len(changes)
        now, news = self._now(), False
        watched = {path for path, _, _ in self._followed}
        for change, path in changes:
            if change is not Change.modified and path in watched:
                # It was removed and perhaps created again, possibly with the same inode: the watch
                # is dead even if identities compare equal.
                self._followed, self._compare_at, news = frozenset(), -math.inf, True
            for home, base in self._bases.items():
                if not path.startswith(base + os.sep):
                    continue
                if os.path.dirname(path) == base:
                    if not of_interest(path, base):
                        continue
                    self._compare_at = -math.inf
                folder = change is Change.added and os.path.isdir(path)
                if folder:
                    self._renew_at = min(self._renew_at, now + LOOK_AGAIN_S[-1])
                gone = change is Change.deleted
                news |= agenda.changed(HomePath(home, path), now, folder=folder, gone=gone)
        if news:
            self._news.set()

    async def _unfollow(self) -> None:
        followers, self._followers = self._followers, []
        for task in followers:
            task.cancel()
        await asyncio.gather(*followers, return_exceptions=True)

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()

    async def close(self) -> None:
        """Drop all watches. Safe to call twice."""
        await self._unfollow()
        self._followed = frozenset()

    async def __aenter__(self) -> Self:
        """Enter an `async with` block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop all watches."""
        await self.close()


def _identity(path: str) -> tuple[str, int, int] | None:
    """Return the identity of the folder at a path; None if it cannot be watched."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path, found.st_dev, found.st_ino


def _failure(error: OSError | RuntimeError) -> str:
    """Return why there are no file events, and how to fix it where that is known."""
    text = str(error)
    if "watch limit" in text or "No space left" in text:
        return "no more file watches; raise the limit: sysctl fs.inotify.max_user_watches=524288"
    if "Too many open files" in text:
        return "no more watch instances; raise the limit: sysctl fs.inotify.max_user_instances=512"
    if "ermission denied" in text:
        return f"no file events: {text}; fix the permissions of that folder"
    return f"no file events: {text}"
