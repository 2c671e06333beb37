"""The daemon: catches up, then follows changes until it is told to stop.

One task does the work: hints, rounds, commits, heartbeats. Full scans run in a thread beside it. So
"the loop turns" means that work is being done, and only the work feeds the watchdog: each turn of
the loop, each piece of a rollout, and the database during a long statement. Waits end by events,
never by cancellation: a commit is never interrupted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from projector import __version__
from projector.discover.hints import ChangeHints
from projector.discover.watch import Mode, Watch
from projector.logs import events as log
from projector.model import revisions
from projector.model.errors import StoreReplaced, StoreUnavailable, UsageError
from projector.model.ids import RolloutFile
from projector.model.settings import Search, Settings
from projector.model.telemetry import DaemonMetrics, NullTelemetry, Telemetry
from projector.run import spread, systemd
from projector.run.backlog import Backlog
from projector.run.batches import limits_of
from projector.run.file_catalog import FileCatalog, Survey, note_second_files
from projector.run.names import NameReader
from projector.run.open_files import exhausted
from projector.run.prices import price
from projector.run.reload import changed
from projector.run.retention import prune
from projector.run.scheduler import Scheduler
from projector.run.systemd import Watchdog
from projector.store.protocol import DaemonState, Heartbeat, Holder, Store

#: After SIGTERM, an unresponsive server is waited for this long, in seconds.
LEAVE_S: Final = 10.0
#: While there is work, maximum time between heartbeats, in seconds.
BUSY_BEAT_S: Final = 5.0
#: Number of rollouts with possibly changed bytes that are compared at a time, and the interval
#: between comparisons, in seconds.
CHECK_BYTES: Final = 4 * 1024 * 1024
CHECK_EVERY_S: Final = 0.25
#: How much of the time rollouts without news may take that rules of an older revision projected.
RENEWAL_SHARE: Final = 0.2
#: Pause before retrying a store that cannot be written, in seconds: initial and maximum.
STORE_WAIT_S: Final = (0.25, 30.0)


#: A store that cannot be written for this long needs a person, seconds.
LASTING_S: Final = 60.0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def follow(
    store: Store,
    settings: Settings,
    *,
    load: Callable[[], Settings] | None = None,
    pulse: Watchdog | None = None,
    audience: Telemetry | None = None,
    opening: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Follow the homes until SIGTERM or SIGINT; what was read is committed before it returns.

    Returns False if a server stopped responding, and threads may still wait for it.

    `load`: returns the settings at SIGHUP, or raises UsageError; None: SIGHUP changes nothing.
    `pulse`: is given the signs of life of the work. `audience`: is told how it goes.

    `opening`: opens the store, tried until it works; None: it is open.

    Raises:
        AlreadyRunning: another daemon has this database.
    """
    stop = asyncio.Event()
    watch = Watch(
        settings.codex_homes,
        rescan_s=settings.run.rescan_s,
        debounce_ms=settings.run.debounce_ms,
        force_polling=settings.run.watch == "poll",
    )
    daemon = Daemon(
        store, settings, watch, stop, load=load, pulse=pulse, audience=audience, opening=opening
    )
    loop = asyncio.get_running_loop()
    late: list[bool] = []

    def leave() -> None:
        """Stop, and after a while no longer wait for an unresponsive server."""
        if not stop.is_set():
            stop.set()
            loop.call_later(LEAVE_S, abandon)

    def abandon() -> None:
        late.append(True)
        store.abandon()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    # A closed terminal sends it too: then nobody could stop the daemon later.
    loop.add_signal_handler(signal.SIGHUP, leave if sys.stderr.isatty() else daemon.reload)
    try:
        async with watch:
            await daemon.run()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
    return not late


class Phase(Enum):
    """How far the daemon is."""

    STARTING = auto()
    """It does not hear of changes yet."""
    CATCHING_UP = auto()
    """What was there when it started, or when the database was replaced, is not projected yet."""
    FOLLOWING = auto()
    """All of that is projected; what is new is projected as it comes."""

    @property
    def is_ready(self) -> bool:
        """True once changes are noticed."""
        return self is not Phase.STARTING


class Due(Enum):
    """What the loop does as soon as it can."""

    RELOAD = auto()
    """Read the settings again."""
    SCAN = auto()
    """Look at all homes."""
    BACKFILL_SEARCH = auto()
    """Put items that were there before into the full-text index."""
    REOPEN = auto()
    """Go over to another database: nothing that is known of the last one holds."""


class StoreFault(Struct, frozen=True):
    """Why the database cannot be written, and since when."""

    why: str
    since: float
    """By the monotonic clock."""
    since_ms: int


class _LastBeat(Struct, frozen=True):
    """The last heartbeat."""

    at: float = 0.0
    """By the monotonic clock; 0: there was none."""
    at_ms: int = 0
    phase: str = ""


class Daemon:
    """One run of the daemon."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        watch: Watch,
        stop: asyncio.Event,
        *,
        load: Callable[[], Settings] | None = None,
        pulse: Watchdog | None = None,
        audience: Telemetry | None = None,
        opening: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Create the daemon; `run` starts it."""
        self._opening = opening
        self._public = False
        """The audience has begun."""
        self._store = store
        self._settings = settings
        self._watch = watch
        self._stop = stop
        self._load = load
        self._pulse = pulse or Watchdog()
        self._audience = audience or NullTelemetry()
        self._files = FileCatalog(settings.codex_homes)
        self._scheduler = Scheduler(
            store,
            limits_of(settings),
            self._files.rollout,
            on_step=self._pulse,
            renewal_share=RENEWAL_SHARE,
            on_renewed=self._wake_up,
        )
        self._names = NameReader()
        self._holder = Holder(
            pid=os.getpid(),
            host=socket.gethostname(),
            version=__version__,
            started_at_ms=_now_ms(),
        )
        self._phase = Phase.STARTING
        self._due = {Due.BACKFILL_SEARCH}
        self._inbox: list[ChangeHints] = []
        self._wake = asyncio.Event()
        self._scanning: asyncio.Task[Survey] | None = None
        self._beaten = _LastBeat()
        self._scans = 0
        self._checked = 0.0
        self._store_faults = 0
        self._fault: StoreFault | None = None
        self._backlog = Backlog(_now_ms)
        self._scan_began_ms = 0
        self._indexed: Search | None = None
        """The index settings passed to the store."""
        self._missed: frozenset[str] = frozenset()
        self._is_renewing = False
        """There were rollouts with rows of older rules."""
        self._told_mode: Mode | None = None
        self._passed_over: frozenset[str] = frozenset()

    @property
    def bytes_read(self) -> int:
        """Return the uncompressed bytes of rollouts read so far, fingerprints included."""
        return self._scheduler.counters.bytes_read

    async def _open(self, opening: Callable[[], Awaitable[None]]) -> None:
        """Open the database; a service lets the hosts that start with it go before or after."""
        if not self._settings.database_path and systemd.is_service():
            await self._sleep(spread.start())
        await self._until_ok(opening)

    async def run(self) -> None:
        """Acquire the lock, catch up, follow, exit."""
        if self._opening is not None:
            await self._open(self._opening)
        held: list[bool] = []

        async def hold() -> None:
            await self._store.acquire_lock(self._holder)
            held.append(True)

        try:
            await self._until_ok(hold)
        finally:
            if not held and self._public:
                await self._audience.end()
        if not held:  # told to leave before the database could be had
            systemd.stopping("leaving")
            return
        log.event("daemon.started", pid=self._holder.pid, homes=len(self._settings.codex_homes))
        self._fit_watchdog()
        await self._until_ok(self._remember)
        helpers = [asyncio.create_task(self._listen()), asyncio.create_task(self._heed_stop())]
        try:
            await self._go_public()
            await self._until_ok(self._beat)
            await self._wake.wait()  # the first hints: watching has begun
            if self._phase is Phase.STARTING:
                self._phase = Phase.CATCHING_UP
            systemd.ready(self._said())
            self._pulse.enter("running")
            while not self._stop.is_set():
                await self._until_ok(self._work)
                if helpers[0].done():
                    helpers[0].result()  # our own fault: nothing would ever be heard again
        finally:
            systemd.stopping("leaving")
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            if self._scanning is not None:
                await asyncio.wait([self._scanning])
            await self._scheduler.leave()
            self._scheduler.close()
            await self._audience.end()
        with suppress(StoreUnavailable):
            await self._beat("stopping")
        log.event("daemon.stopped", records=self._scheduler.counters.records)

    async def _go_public(self) -> None:
        """Start the endpoint, also while a server is waited for at the start."""
        if not self._public:
            self._public = True
            await self._audience.begin(self._settings, self.meters)

    async def _remember(self) -> None:
        """Load the status of all rollouts from the store."""
        await self._index()
        self._scheduler.remember(await self._store.statuses())
        self._files.remember(self._scheduler.seen)
        self._scheduler.read_last(await self._store.attempts(count=True))
        found = await self._store.raise_revisions(revisions.current(), revisions.is_outdated)
        self._scheduler.renew(found.rollouts)
        if found.newer:
            self._scheduler.note_newer()
        if found.rollouts:
            self._is_renewing = True
            log.event("rules.outdated", rollouts=len(found.rollouts), gone=len(found.gone))

    async def _index(self) -> None:
        """Configure the index; items not indexed yet are added while nothing changes."""
        search = self._settings.search
        await self._store.configure_search(search.index, search.max_text_bytes)
        self._indexed = search
        self._due.add(Due.BACKFILL_SEARCH)

    async def _begin_anew(self) -> None:
        """Switch to another database: forget everything, and fill it from the rollouts."""
        await self._scheduler.leave()
        await self._store.reopen()
        self._scheduler.forget_all()
        await self._remember()
        await self._read_names()
        self._due.discard(Due.REOPEN)
        self._due |= {Due.SCAN, Due.BACKFILL_SEARCH}
        if self._phase is Phase.FOLLOWING:
            self._phase = Phase.CATCHING_UP
        log.event("store.reopened", rollouts=sum(map(len, self._scheduler.following)))

    # One turn of the loop -------------------------------------------------------------------

    async def _work(self) -> None:
        """Process hints, run a round, write a heartbeat; wait if there is nothing to do."""
        self._pulse()
        if Due.RELOAD in self._due:
            self._reload()
        if self._indexed != self._settings.search:
            await self._index()
        while self._inbox:
            await self._heed(self._inbox[0])
            del self._inbox[0]
        await self._heed_scan()
        self._tell_of_watching()
        await self._check_some()
        if self._scheduler.waiting or self._renews():
            if await self._scheduler.round():
                self._due.add(Due.SCAN)  # only a scan can vouch that a rollout is gone
            self._note_backlog()
            if time.monotonic() - self._beaten.at >= BUSY_BEAT_S:
                await self._beat()
            return
        self._note_backlog()
        self._note_caught_up()
        if self._shown_phase != self._beaten.phase or self._overdue():
            await self._beat()
        if Due.BACKFILL_SEARCH in self._due and not self._inbox:
            # A step at a time, and none while there is news.
            if not await self._store.backfill_search():
                self._due.discard(Due.BACKFILL_SEARCH)
            return
        await self._wait()

    def _wake_up(self) -> None:
        """Have the loop look at what there is to do."""
        self._wake.set()

    def _renews(self) -> bool:
        """True if a rollout with rows of older rules is to be read now, as nothing else is."""
        if self._phase is not Phase.FOLLOWING or self._inbox:
            return False
        if self._is_renewing and not self._scheduler.outdated:
            self._is_renewing = False
            log.event("rules.renewed", rollouts=self._scheduler.counters.renewed)
        return self._scheduler.begin_renewal()

    def _note_caught_up(self) -> None:
        """Follow from now on, if all that was there at the start is projected."""
        is_scanned = self._scanning is None and Due.SCAN not in self._due
        if self._phase is Phase.CATCHING_UP and is_scanned:
            self._phase = Phase.FOLLOWING
            log.event("daemon.caught_up", rollouts=len(self._scheduler.seen))

    async def _check_some(self) -> None:
        """Compare some bytes that may have changed, if it is time to."""
        if self._scheduler.checks.is_due() and time.monotonic() - self._checked >= CHECK_EVERY_S:
            await self._scheduler.check(CHECK_BYTES)
            self._checked = time.monotonic()

    async def _wait(self) -> None:
        """Sleep until a hint, the end of a scan, a stop request, or the next heartbeat."""
        if self._stop.is_set() or self._inbox or Due.RELOAD in self._due:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._patience_s())
        self._wake.clear()

    def _patience_s(self) -> float:
        interval = systemd.watchdog_interval_s()
        rest = max(0.0, self._settings.run.rescan_s - (time.monotonic() - self._beaten.at))
        if self._scheduler.checks.is_due():
            rest = min(rest, max(0.0, self._checked + CHECK_EVERY_S - time.monotonic()))
        renewal_s = self._scheduler.renewal_due_s
        if renewal_s is not None and self._phase is Phase.FOLLOWING:
            rest = min(rest, renewal_s)
        return rest if interval is None else min(rest, interval)

    def _overdue(self) -> bool:
        return time.monotonic() - self._beaten.at >= self._settings.run.rescan_s

    # News -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Queue hints as they come."""
        while True:
            self._inbox.append(await self._watch.wait())
            self._wake.set()

    async def _heed_stop(self) -> None:
        await self._stop.wait()
        self._pulse.enter("stopping")
        self._wake.set()

    def reload(self) -> None:
        """Reload the settings between two rounds."""
        self._due.add(Due.RELOAD)
        self._wake.set()

    def _reload(self) -> None:
        """Apply the settings that can change without a restart."""
        self._due.discard(Due.RELOAD)
        systemd.reloading()
        try:
            found = changed(self._settings, self._settings if self._load is None else self._load())
        except UsageError as wrong:
            log.event("settings.refused", error=str(wrong))
        else:
            self._settings = found.settings
            log.configure(found.settings.log.level, found.settings.log.format)
            log.event("settings.reloaded", changed=" ".join(found.taken) or "nothing")
            if found.left:
                log.event("settings.left", need_restart=" ".join(found.left))
            self._scheduler.limit(limits_of(found.settings))
            self._watch.rescan_every(found.settings.run.rescan_s)
        systemd.ready(self._said())

    async def _heed(self, hints: ChangeHints) -> None:
        """Enqueue the rollouts named in hints, before those found by a scan."""
        if hints.names:
            await self._read_names()
        if hints.homes:
            self._due.add(Due.SCAN)
        if not hints.files and not hints.folders:
            return
        hinted = self._files.hinted(hints, self._scheduler.where)
        self._scheduler.news(hinted.files.values(), urgent=True)
        for rollout_id in hinted.left:
            file = self._scheduler.where(rollout_id)
            if file is not None:
                self._look_elsewhere(file)

    def _look_elsewhere(self, file: RolloutFile) -> None:
        """Enqueue a rollout that is not at its path: moved, compressed, or deleted."""
        elsewhere = self._files.rollout(file)
        if elsewhere is None:
            self._due.add(Due.SCAN)  # only a scan can vouch that it is gone
        else:
            self._scheduler.news([elsewhere], urgent=True)

    async def _read_names(self) -> None:
        """Read the names of all homes; one home alone cannot tell which name is newest."""
        await self._store.set_names(await self._names.read(*self._settings.codex_homes))

    async def _heed_scan(self) -> None:
        """Start a scan that is due, and apply the result of a finished one."""
        if self._scanning is None and Due.SCAN in self._due:
            self._due.discard(Due.SCAN)
            self._scan_began_ms = _now_ms()
            self._scanning = asyncio.create_task(asyncio.to_thread(self._files.everything))
            self._scanning.add_done_callback(lambda _: self._wake.set())
        if self._scanning is None or not self._scanning.done():
            return
        look, self._scanning = self._scanning.result(), None
        added = self._scheduler.news_of(look.files)
        gone = [
            rollout_id
            for rollout_id, file in look.gone(self._scheduler.following).items()
            if self._files.rollout(file) is None
        ]
        if gone:
            await self._store.mark_missing(gone, purge=self._settings.run.on_delete == "purge")
            for rollout_id in gone:
                log.event("rollout.vanished", rollout=rollout_id)
                self._scheduler.forget(rollout_id)
        lasting = [over for over in look.passed_over if over.file.path in self._passed_over]
        self._passed_over = frozenset(over.file.path for over in look.passed_over if over.passing)
        fresh = [over for over in look.passed_over if not over.passing]
        await note_second_files(self._store, [*fresh, *lasting], look.files)
        self._tell_of_homes(look)
        if look.faults and self._give_descriptors():
            self._due.add(Due.SCAN)
        await prune(self._store, self._settings)
        await price(self._store, self._settings)
        self._scans += 1
        log.event("scan.finished", rollouts=len(look.files), news=added, gone=len(gone))

    def _tell_of_watching(self) -> None:
        """Log how changes are detected, whenever that changes."""
        mode = self._watch.mode
        if mode == self._told_mode:
            return
        self._told_mode = mode
        if mode.watching == "events":
            log.event("watch.started")
        else:
            self._give_descriptors()
            log.event("watch.fell_back", why=mode.why)

    def _tell_of_homes(self, look: Survey) -> None:
        missed = frozenset(str(fault) for fault in look.faults)
        for fault in sorted(missed - self._missed):
            log.event("home.missed", error=fault)
        for fault in sorted(self._missed - missed):
            log.event("home.found", error=fault)
        self._missed = missed

    # Signs of life --------------------------------------------------------------------------

    @property
    def _shown_phase(self) -> str:
        """Return the phase for heartbeats: starting counts as catching up."""
        return "following" if self._phase is Phase.FOLLOWING else "catching up"

    def _note_backlog(self) -> None:
        by_events, scheduler = self._watch.mode.watching == "events", self._scheduler
        self._backlog.note(
            scheduler.in_line,
            scheduler.is_waiting,
            is_behind=bool(scheduler.waiting or self._inbox),
            has_hints=bool(self._inbox),
            has_caught_up=self._phase is Phase.FOLLOWING,
            scan_began_ms=None if by_events else self._scan_began_ms,
        )

    def _heartbeat(self, phase: str) -> Heartbeat:
        scheduler, mode = self._scheduler, self._watch.mode
        return Heartbeat(
            holder=self._holder,
            beat_at_ms=_now_ms(),
            interval_s=self._settings.run.rescan_s,
            phase=phase,  # type: ignore[arg-type]
            watching=mode.watching,
            watching_why=mode.why,
            behind_bytes=scheduler.behind_bytes,
            behind_since_ms=self._backlog.since_ms,
            bytes_read=scheduler.counters.bytes_read,
            records=scheduler.counters.records,
            batches=scheduler.counters.batches,
            set_aside=len(scheduler.quarantined),
            boot_ms=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
            files=len(scheduler.seen) + scheduler.waiting_unseen,
            waiting=scheduler.waiting,
            current_as_of_ms=self._backlog.current_as_of_ms,
        )

    async def _publish(self, heartbeat: Heartbeat) -> None:
        """Publish the state outside of the database, which may not be writable."""
        fault = self._fault
        await self._store.publish(
            DaemonState(self._holder, heartbeat, fault.why, fault.since_ms)
            if fault is not None
            else DaemonState(self._holder, heartbeat, "", None)
        )

    async def _beat(self, phase: str | None = None) -> None:
        said = phase or self._shown_phase
        heartbeat = self._heartbeat(said)
        await self._publish(heartbeat)
        await self._store.write_heartbeat(heartbeat)
        self._beaten = _LastBeat(time.monotonic(), _now_ms(), said)
        systemd.status(self._said(said))
        await self._audience.beat(self._settings)

    def _said(self, phase: str | None = None) -> str:
        """Return the line that `systemctl status` shows."""
        rollouts, behind = len(self._scheduler.seen), self._scheduler.behind_bytes
        return f"{phase or self._shown_phase} {rollouts} rollouts, {behind} bytes behind"

    def meters(self) -> DaemonMetrics:
        """Return the current metrics."""
        scheduler, counters = self._scheduler, self._scheduler.counters
        return DaemonMetrics(
            started_at_ms=self._holder.started_at_ms,
            turned_at_ms=self._pulse.at_ms,
            beat_at_ms=self._beaten.at_ms,
            ready=self._phase.is_ready,
            following=self._phase is Phase.FOLLOWING,
            by_events=self._watch.mode.watching == "events",
            records=counters.records,
            batches=counters.batches,
            read_bytes=counters.bytes_read,
            replaced=counters.replaced,
            renewed=counters.renewed,
            scans=self._scans,
            file_events=self._watch.events,
            store_faults=self._store_faults,
            store_fault_s=self._fault_lasts_s,
            quiet_s=self._pulse.quiet_s,
            set_aside=len(scheduler.quarantined),
            behind_bytes=scheduler.behind_bytes,
            behind_since_ms=self._backlog.since_ms,
            commit_counts=tuple(counters.commits.counts),
            commit_total_s=counters.commits.total_s,
        )

    def _fit_watchdog(self) -> None:
        """Extend the watchdog's limit beyond the maximum wait for another program's lock.

        During such a wait the work makes no progress, and a restart would not help.
        """
        interval, patience = systemd.watchdog_interval_s(), self._settings.store.busy_timeout_s
        if interval is not None and 2 * interval <= patience:
            systemd.widen_watchdog(2 * interval + patience)

    async def _until_ok(self, step: Callable[[], Awaitable[None]]) -> None:
        """Retry a step while the store is unavailable, with growing pauses."""
        wait, told = 0.0, False
        while not self._stop.is_set():
            try:
                if Due.REOPEN in self._due:
                    await self._begin_anew()
                await step()
            except StoreUnavailable as lost:
                if not wait:
                    log.event("store.lost", error=str(lost))
                if isinstance(lost, StoreReplaced):
                    self._due.add(Due.REOPEN)
                self._store_faults += 1
                self._give_descriptors()
                await self._note_fault(str(lost))
                # Of a file, only who holds its lock may take the endpoint's place.
                if not self._settings.database_path:
                    await self._go_public()
                if not told and self._fault_lasts_s >= LASTING_S:
                    seconds = round(self._fault_lasts_s)
                    log.event("store.unavailable", error=str(lost), seconds=seconds)
                    told = True
                wait = min(max(STORE_WAIT_S[0], wait * 2), STORE_WAIT_S[1])
                systemd.status(f"waiting for the database: {lost.message}")
                await self._sleep(spread.retry(wait))
            else:
                if wait:
                    log.event("store.recovered")
                    await self._note_fault("")
                return

    def _give_descriptors(self) -> bool:
        """Close rollouts if something else failed for lack of file descriptors."""
        return exhausted() and self._scheduler.close_files()

    async def _note_fault(self, fault: str) -> None:
        """Record why the database cannot be written; "": it can again."""
        if not fault:
            self._fault = None
        elif self._fault is None:
            self._fault = StoreFault(fault, time.monotonic(), _now_ms())
        else:
            self._fault = replace(self._fault, why=fault)
        self._note_backlog()
        await self._publish(self._heartbeat(self._shown_phase))
        await self._audience.beat(self._settings)

    @property
    def _fault_lasts_s(self) -> float:
        return 0.0 if self._fault is None else time.monotonic() - self._fault.since

    async def _sleep(self, seconds: float) -> None:
        """Wait, feeding the watchdog, until told to stop."""
        interval = systemd.watchdog_interval_s() or seconds
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set():
            self._pulse()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), min(left, interval))
