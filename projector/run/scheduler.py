"""Schedule rollouts that have changed, fairly, in rounds: a batch of each, in one transaction.

Backfill and daemon run the same rounds and end them differently. The rules:

1. A bounded number of rollouts is read side by side, in turn: a huge one starves none, and
   however many are queued, few are open.
2. Nothing is reduced beyond what is being committed: at most one batch a rollout is in memory,
   and in a backfill one more of the rollout that is prefetched, or of some small ones together
   (`prefetch.py`).
3. After any doubt about a write every tailer of the round is closed, and its rollout is read again
   from the checkpoint that the store has (`errors.TransientError`). Where another writer was met,
   the next rounds hold one rollout each, so that one contested rollout cannot hold up the rest.
4. A turn ends after so many bytes read as make a batch, whether a line of them is whole or not.
   A rollout that is projected again, which takes as long as it takes, is so beside the rounds.
   So is a very long line reduced, one at a time: until its rows are there, no other such line is
   read on. They are committed after those of the others, in a transaction of their own.
5. A rollout that cannot be read is quarantined with its reason; the others go on. It is queued
   again when its file changes, or at the next full scan. So is one that we cannot project by a
   fault of our own, with its trace in the log: one odd rollout must not hold up the rest. A fault
   in a transaction of several is looked for as in rule 3, one rollout each.
6. A rollout that is not where it was listed is looked for where Codex may have moved it, before
   the next round. What is found nowhere is the result of that round: whoever asked for it knows
   whether only a scan can tell that it is gone.
7. Rollouts keep open what is their share of the process's limit. Where one cannot be opened for
   want of descriptors all are closed, the share is halved, and it is tried again.
8. A rollout whose rows were made by older rules is projected again before it is read on. Those
   without news are so one at a time, begun when nothing else waits (`begin_renewal`), and rest so
   long between their pieces that they take no more than their share of the time; while something
   waits for one, it rests no more. One that newer rules have made is left as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import dropwhile, filterfalse, islice
from traceback import format_tb

from msgspec import Struct, field
from msgspec.structs import replace

from projector.logs import events as log
from projector.model import revisions
from projector.model.changes import Anomaly
from projector.model.errors import (
    CheckpointMoved,
    NewerRules,
    ProjectorError,
    RolloutMissing,
    RolloutUnreadable,
    RulesMoved,
    TooManyOpenFiles,
)
from projector.model.file_index import FileIndex, Key, WorkQueue, id_of, key_of
from projector.model.ids import Checkpoint, FileState, Offset, RolloutFile, RolloutId
from projector.model.telemetry import Durations
from projector.run.batches import Limits
from projector.run.open_files import SIDE_BY_SIDE, is_too_many, raised_limit, share_of
from projector.run.open_rollout import Reprojection
from projector.run.prefetch import WORTH, Prefetcher
from projector.run.prefix_checks import PrefixChecks
from projector.run.risky_reads import RISKY_BYTES, RiskyReads
from projector.run.tailer import Outcome, Progress, Tailer
from projector.run.tailer_cache import TailerCache
from projector.store.protocol import Batch, Store
from projector.store.rollout_status import RolloutStatuses

#: Compressed ones among those that are read side by side: each unpacks into a window of its own,
#: of 128 MiB at most.
PACKED = 2
#: Rounds with one rollout each, after another writer was met.
CAUTIOUS_ROUNDS = 64
#: Small rollouts that are read ahead together: of a round two in three.
_GROUP = SIDE_BY_SIDE * 2 // 3
_GROUP_LEAST = 4
#: How long a round with nothing to do waits for a rollout that is projected anew, in seconds.
_PATIENCE_S = 0.05


class Counters(Struct):
    """Counters since the start."""

    records: int = 0
    batches: int = 0
    anomalies: int = 0
    bytes_read: int = 0
    replaced: int = 0
    renewed: int = 0
    """Rollouts projected again because rules changed."""
    commits: Durations = field(default_factory=Durations)


class RolloutState(Enum):
    """State of a rollout in the scheduler."""

    QUEUED = "queued"
    """Its file is new, or not as it was when it was read."""
    READING = "reading"
    """It takes turns."""
    REPROJECTING = "reprojecting"
    """It is projected again from its first byte, beside the rounds."""
    MISSING = "missing"
    """It was not where it was listed: to be located before the next round."""
    QUARANTINED = "quarantined"
    """It cannot be read; queued again when its file changes."""
    UP_TO_DATE = "up to date"
    """Read to its end."""
    STORED = "stored"
    """Known to the store, and not looked at since the start."""


class _Turn(Struct, frozen=True):
    """The result of one rollout in this round."""

    tail: Tailer
    batch: Batch


class _Unread(Struct, frozen=True):
    """A rollout that was not read when it was tried last, and has not been read since."""

    file: RolloutFile
    """As it was listed then."""
    reason: RolloutUnreadable | None
    """Why it is quarantined; None: it was only missing."""


class _Reprojecting(Struct):
    """A rollout that is projected again beside the rounds."""

    file: RolloutFile
    task: asyncio.Task[None]
    is_paced: bool = False
    """It takes a share of the time only, and nobody waits for it."""
    is_given_up: bool = False
    """We leave: nothing of it is to be written."""

    @property
    def is_awaited(self) -> bool:
        """True if the rollout counts as waiting, or needs attention."""
        return not self.is_paced or self.task.done()


class _LongLine(Struct, frozen=True):
    """A rollout whose next line is so long that it is reduced beside the rounds."""

    tail: Tailer
    task: asyncio.Task[Outcome]


class _Pace:
    """Pauses of background work, so that it takes no more than its share of the time."""

    def __init__(self, share: float) -> None:
        """`share`: 0 to 1; 1: it never rests."""
        self.share = share
        self._began = time.monotonic()

    def begin(self) -> None:
        """Begin a piece of work."""
        self._began = time.monotonic()

    @property
    def rest_s(self) -> float:
        """Return how long to rest after the piece that was begun last, in seconds."""
        return (time.monotonic() - self._began) * (1 / self.share - 1)


class _Leaving(Exception):
    """The reprojection is cancelled: we leave."""


class _Failed(RolloutUnreadable):
    """A bug in this program."""


class Scheduler:
    """Queued rollouts, and the tailers of those read recently."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        locate: Callable[[RolloutFile], RolloutFile | None],
        *,
        on_bytes: Callable[[int], None] = lambda _: None,
        on_done: Callable[[RolloutFile], None] = lambda _: None,
        on_step: Callable[[], None] = lambda: None,
        ahead: Prefetcher | None = None,
        renewal_share: float = 1.0,
        on_renewed: Callable[[], None] = lambda: None,
    ) -> None:
        """Create a scheduler with an empty queue.

        Args:
            store: where batches go.
            limits: of one rollout's batch.
            locate: looks for a rollout that is not where it was listed; None: it is nowhere.
            on_bytes: told how many bytes of a rollout were committed.
            on_done: told that a rollout was read to its end, or set aside.
            on_step: told of each step of the work: a piece of a rollout, read or committed.
            ahead: reads rollouts that the store does not know ahead, one at a time.
            renewal_share: how much of the time rollouts with rows of older rules may take, 0 to 1.
            on_renewed: told that one of these is done, so that the next round heeds it.
        """
        self._store = store
        self._limits = limits
        self._locate = locate
        self._most_open = self._open = share_of(raised_limit())
        self._on_bytes = on_bytes
        self._on_done = on_done
        self._on_step = on_step
        self._ahead = ahead
        self._line = WorkQueue()
        self._reading: OrderedDict[RolloutId, RolloutFile] = OrderedDict()
        """In the order in which they take turns."""
        self._seen = FileIndex()
        """Read to their end, as they were then."""
        self._stored = FileIndex()
        """What the store has, as it was then: what is not among `_seen`."""
        self._gone: set[Key] = set()
        """What the store may have of rollouts whose files were deleted."""
        self._doubted = False
        """The store may know more rollouts than are known here."""
        self._unread: dict[RolloutId, _Unread] = {}
        self._missing: list[RolloutFile] = []
        """Those of `_unread` that are to be located before the next round."""
        self._reprojecting: _Reprojecting | None = None
        self._long_line: _LongLine | None = None
        """Its rollout is among `_reading`, or in line; its tailer is nowhere else."""
        self._pace = _Pace(renewal_share)
        self._on_renewed = on_renewed
        self._outdated: OrderedDict[RolloutId, None] = OrderedDict()
        """Rollouts with rows of older rules that have no news."""
        self._renewing: RolloutId | None = None
        """The one of them that was begun last."""
        self._renew_from = 0.0
        """When the next one may begin, by the monotonic clock."""
        self._deferred = False
        """A rollout of this round waits for one that is beside the rounds."""
        self._met_newer = False
        self._tailers = TailerCache()
        self._risks = RiskyReads(store)
        self._checks = PrefixChecks(store, self.where, on_step)
        self._cautious = 0
        self.counters = Counters()

    # The queue -------------------------------------------------------------------------------

    def where(self, rollout_id: RolloutId) -> RolloutFile | None:
        """Return a rollout's file as it was when it was looked at last; None: it is not known."""
        for known in (self._line, self._reading, self._seen, self._stored):
            if rollout_id in known:
                return known[rollout_id]
        unread = self._unread.get(rollout_id)
        return None if unread is None else unread.file

    @property
    def following(self) -> tuple[Mapping[RolloutId, RolloutFile], ...]:
        """Return every known rollout with its last state: the first source that has it counts."""
        unread = {rollout_id: unread.file for rollout_id, unread in self._unread.items()}
        return (self._line, self._reading, self._seen, self._stored, unread)

    def state_of(self, rollout_id: RolloutId) -> RolloutState | None:
        """Return the state of a rollout; None: unknown."""
        unread = self._unread.get(rollout_id)
        held: tuple[tuple[RolloutState, bool], ...] = (
            (RolloutState.REPROJECTING, self._is_reprojecting(rollout_id)),
            (RolloutState.READING, rollout_id in self._reading),
            (RolloutState.QUEUED, rollout_id in self._line),
            (RolloutState.MISSING, unread is not None and unread.file in self._missing),
            (RolloutState.QUARANTINED, unread is not None and unread.reason is not None),
            (RolloutState.UP_TO_DATE, rollout_id in self._seen),
            (RolloutState.STORED, rollout_id in self._stored),
        )
        return next((state for state, is_so in held if is_so), None)

    @property
    def quarantined(self) -> Mapping[RolloutId, RolloutUnreadable]:
        """Return why rollouts cannot be read, including those that are queued again."""
        return {
            rollout_id: unread.reason
            for rollout_id, unread in self._unread.items()
            if unread.reason is not None
        }

    @property
    def checks(self) -> PrefixChecks:
        """Return the rollouts whose bytes before the checkpoint `check` has to compare."""
        return self._checks

    def remember(self, statuses: RolloutStatuses) -> None:
        """Take what the store has, so that an unchanged file is not even opened."""
        self._gone |= statuses.divide(self._seen, self._stored)
        self._checks.remember(statuses.trusted_bytes)

    def read_last(self, failures: Mapping[RolloutId, int]) -> None:
        """Read these rollouts alone, after all others: reading them has ended a process.

        `failures`: how often. The more often, the longer the pause before; at 0 there is none.
        """
        self._risks.read_last(failures)

    @property
    def seen(self) -> FileIndex:
        """Return the rollouts read to their end, with their files at that time."""
        return self._seen

    @property
    def waiting(self) -> int:
        """Return the number of rollouts in the queue."""
        job = self._reprojecting
        reprojecting = job is not None and job.is_awaited
        return len(self._line) + len(self._reading) + len(self._missing) + reprojecting

    def is_waiting(self, rollout_id: RolloutId) -> bool:
        """True if a rollout is in the queue."""
        return rollout_id in self._line or rollout_id in self._reading

    def in_line(self) -> list[RolloutId]:
        """Return the rollouts in the queue."""
        return [*self._reading, *self._line]

    @property
    def waiting_unseen(self) -> int:
        """Return the number of rollouts in the queue that were never read to their end."""
        return sum(1 for one in (*self._line, *self._reading) if one not in self._seen)

    @property
    def behind_bytes(self) -> int:
        """Return the bytes on disk of queued rollouts that are not committed, judged by size."""
        behind = self._line.bytes_beyond(self._seen)
        if self._reprojecting is not None and not self._reprojecting.is_paced:
            behind += self._reprojecting.file.size
        for rollout_id, file in self._reading.items():
            behind += max(0, file.size - self._done_of(rollout_id))
        for rollout_id in self._tailers:
            if rollout_id not in self._line:
                continue
            size = self._line[rollout_id].size
            seen = self._seen.get(rollout_id)
            behind -= max(0, size - (seen.size if seen is not None else 0))
            behind += max(0, size - self._done_of(rollout_id))
        return behind

    def _done_of(self, rollout_id: RolloutId) -> int:
        long, seen = self._long_line, self._seen.get(rollout_id)
        is_long = long is not None and long.tail.file.name.rollout_id == rollout_id
        tail = long.tail if long is not None and is_long else self._tailers.get(rollout_id)
        return tail.offset if tail is not None else seen.size if seen is not None else 0

    def news(self, files: Iterable[RolloutFile], *, urgent: bool = False) -> int:
        """Enqueue files that changed since they were read; return how many. Urgent ones first."""
        added = 0
        for file in files:
            rollout_id = file.name.rollout_id
            seen = self._seen.get(rollout_id)
            if seen == file:
                continue
            added += 1
            self._reading.pop(rollout_id, None)
            self._line[rollout_id] = file
            if urgent:
                self._line.put_first(rollout_id)
        return added

    def news_of(self, found: FileIndex) -> int:
        """Enqueue files of a scan that have changed since they were read; return how many."""
        added = 0
        for key in found.unlike(self._seen):
            added += 1
            self._reading.pop(id_of(key), None)
            found.give(key, self._line)
        return added

    @property
    def bytes_in_line(self) -> int:
        """Return the bytes on disk of queued rollouts."""
        return self._line.bytes_on_disk()

    def forget(self, rollout_id: RolloutId) -> None:
        """Forget a rollout whose file is gone."""
        self._line.pop(rollout_id, None)
        self._reading.pop(rollout_id, None)
        self._seen.pop(rollout_id, None)
        self._stored.pop(rollout_id, None)
        self._unread.pop(rollout_id, None)
        self._outdated.pop(rollout_id, None)
        self._checks.forget(rollout_id)
        self._throw_away(rollout_id)
        self._gone.add(key_of(rollout_id))

    def forget_all(self) -> None:
        """Forget all rollouts: the store is another one."""
        self.close()
        for known in (self._line, self._reading, self._seen, self._stored, self._unread):
            known.clear()
        self._checks.clear()
        self._missing.clear()
        self._outdated.clear()
        self._gone.clear()

    def limit(self, limits: Limits) -> None:
        """Set the limits used from now on."""
        self._limits = limits
        self._tailers.limit(limits)

    # Rows of older rules --------------------------------------------------------------------

    def renew(self, rollout_ids: Iterable[RolloutId]) -> None:
        """Project these again, when there is time: their rows were made by older rules."""
        self._outdated.update(dict.fromkeys(rollout_ids))

    @property
    def outdated(self) -> int:
        """Return how many rollouts are to be projected again because of the rules."""
        job = self._reprojecting
        return len(self._outdated) + (job is not None and job.is_paced)

    @property
    def renewal_due_s(self) -> float | None:
        """Return in how many seconds the next may begin; None: there is none now."""
        if not self._outdated or self._reprojecting is not None:
            return None
        return max(0.0, self._renew_from - time.monotonic())

    def begin_renewal(self) -> bool:
        """Enqueue the next rollout with rows of older rules for the next round.

        False: nothing is to be done now.
        """
        if self.renewal_due_s != 0.0:
            return False
        while self._outdated:
            rollout_id, _ = self._outdated.popitem(last=False)
            file = self.where(rollout_id)
            # One that has news is projected again when it is read.
            if file is not None and not self.is_waiting(rollout_id):
                self._line[rollout_id] = file
                self._renewing = rollout_id if self._pace.share < 1 else None
                return True
        return False

    def _hurry(self) -> None:
        """Let what is projected again rest no more: something waits for it."""
        if self._reprojecting is not None:
            self._reprojecting.is_paced = False

    async def _rest(self) -> None:
        """Wait after a piece of a rollout without news, so that it takes no more than its share."""
        until = time.monotonic() + self._pace.rest_s
        while (left := until - time.monotonic()) > 0:
            job = self._reprojecting
            if job is None or not job.is_paced or job.is_given_up:
                break
            await asyncio.sleep(min(left, _PATIENCE_S))
        self._pace.begin()

    # A round --------------------------------------------------------------------------------

    async def round(self) -> tuple[RolloutFile, ...]:
        """Read one batch of each of the first rollouts in the queue, and commit them.

        Returns the rollouts that the previous round did not find at their paths, and that are
        nowhere else: only a scan can prove that they were deleted.

        Raises:
            StoreUnavailable: nothing is lost and nothing was forgotten; call again later.
        """
        nowhere = await self._locate_missing()
        turns: list[_Turn] = []
        try:
            starved = await self._heed_reprojection()
            chosen = self._meanwhile(self._next())
            self._deferred = not chosen
            starved |= await self._take_turns(chosen, turns)
            if turns:
                await self._commit(turns)
            elif self._deferred:
                await self._wait_for_those_beside()
            starved |= await self._heed_long_line(turns)
            self._fit_open_files(starved=starved)
        except CheckpointMoved as moved:
            log.event("store.checkpoint_moved", why=moved.message)
            self._cautious = CAUTIOUS_ROUNDS
            self._read_again()
        except Exception as fault:
            if isinstance(fault, ProjectorError):
                self._read_again()
                raise
            if len(turns) == 1:
                self._fail(turns[0].batch.file.name.rollout_id, fault)
            self._cautious = CAUTIOUS_ROUNDS
            self._read_again()
        except BaseException:
            self._read_again()
            raise
        return nowhere

    async def _wait_for_those_beside(self) -> None:
        """Wait a little for what is beside the rounds: all that is left waits for that."""
        if self._long_line is not None:
            await asyncio.wait([self._long_line.task], timeout=_PATIENCE_S)
        elif self._reprojecting is not None:
            self._hurry()
            await asyncio.wait([self._reprojecting.task], timeout=_PATIENCE_S)

    def _fit_open_files(self, *, starved: bool) -> None:
        """Restart with fewer open files if one could not be opened; else allow one more."""
        if starved:
            self._read_again()
            self.close_files()
        else:
            self._open = self._open.grown(self._most_open)

    def close_files(self) -> bool:
        """Close the files of all parked rollouts, and halve the limit from now on.

        For callers that could not open a file, within rounds or beside them. False: none was open.
        """
        self._open = self._open.halved()
        return self._tailers.close_files()

    async def _locate_missing(self) -> tuple[RolloutFile, ...]:
        """Enqueue missing rollouts that were moved; return those that are nowhere."""
        nowhere: list[RolloutFile] = []
        while self._missing:
            file = self._missing.pop()
            elsewhere = await asyncio.to_thread(self._locate, file)
            if elsewhere is None:
                nowhere.append(file)
                self._on_done(file)
            else:
                self.news([elsewhere], urgent=True)
        return tuple(nowhere)

    async def _take_turns(self, chosen: Sequence[RolloutId], turns: list[_Turn]) -> bool:
        """Add what the chosen rollouts give to `turns`, up to a batch's bytes.

        Returns True if a file could not be opened for want of descriptors.
        """
        size = 0
        self._ask_group(chosen)
        polled = await self._poll(chosen)
        polled |= await self._take_group(chosen)
        self._ask_group(chosen)
        # Those first: what was read of them must be in this commit.
        for rollout_id in sorted(chosen, key=lambda one: one not in polled):
            made, before = 0, self.counters.bytes_read
            polled.discard(rollout_id)
            turn = await self._turn(rollout_id, self._reading[rollout_id])
            self._on_step()
            if isinstance(turn, TooManyOpenFiles):
                return True
            if turn is not None:
                turns.append(turn)
                made = turn.batch.end.offset - turn.tail.offset
            size += max(made, self.counters.bytes_read - before)
            if polled:
                continue
            if size >= self._limits.batch_bytes or (turn is not None and turn.tail.is_prefetched):
                return False
        return False

    async def leave(self) -> None:
        """Cancel the reprojection, if one runs, and the long line: nothing of them is written."""
        long, self._long_line = self._long_line, None
        if long is not None:
            await asyncio.wait([long.task])
            long.task.exception()
            long.tail.close()
        job = self._reprojecting
        if job is not None:
            job.is_given_up = True
            await asyncio.wait([job.task])
            job.task.exception()
            self._reprojecting = None
        await self._risks.leave()

    def close(self) -> None:
        """Close all files."""
        self._checks.end()
        self._throw_away(*list(self._tailers))

    async def check(self, max_bytes: int, rest_s: float | None = None) -> bool:
        """Compare some bytes of a rollout that may hold others than were read.

        If it does, it is queued to be projected again. False: there is nothing to compare.
        `rest_s`: as in `PrefixChecks.step`.

        Raises:
            StoreUnavailable: call again later.
        """
        before = self._checks.bytes_read
        try:
            replaced = await self._checks.step(max_bytes, rest_s)
        finally:
            self.counters.bytes_read += self._checks.bytes_read - before
        for file in replaced or ():
            rollout_id = file.name.rollout_id
            self._line.setdefault(rollout_id, self._reading.get(rollout_id, file))
        return replaced is not None

    def _next(self) -> list[RolloutId]:
        """Return the rollouts of the next round: those being read, filled up from the queue."""
        fresh: list[RolloutId] = []
        last: list[tuple[RolloutId, RolloutFile]] = []
        passed_over: list[tuple[RolloutId, RolloutFile]] = []
        packed = sum(1 for file in self._reading.values() if file.name.compressed)
        most = self._open.side_by_side
        reach = most if self._ahead is None else most + _GROUP
        while self._line and len(self._reading) < reach and len(passed_over) < SIDE_BY_SIDE:
            rollout_id, file = self._line.pop_first()
            if self._is_beside(rollout_id):
                if self._is_reprojecting(rollout_id):
                    self._hurry()
                passed_over.append((rollout_id, file))
                continue
            if file.name.compressed and packed == PACKED:
                passed_over.append((rollout_id, file))
                continue
            if self._risks.failures_of(rollout_id) is not None:
                last.append((rollout_id, file))
                continue
            packed += file.name.compressed
            self._begin_reading(rollout_id, file)
            fresh.append(rollout_id)
        if self._ahead is None:  # else they come in the order in which they were foretold
            for rollout_id in reversed(fresh):
                self._reading.move_to_end(rollout_id, last=False)
        for rollout_id, file in reversed(passed_over):
            self._line[rollout_id] = file
            self._line.put_first(rollout_id)
        self._choose_last(last)
        room = 1 if self._cautious else most
        self._cautious = max(0, self._cautious - 1)
        return list(filterfalse(self._waits, self._reading))[:room]

    def _meanwhile(self, chosen: list[RolloutId]) -> list[RolloutId]:
        """Return what this process reads while the other one is behind, if there is anything.

        One rollout to its end, the last of them; of small ones all.
        """
        ahead = self._ahead
        if ahead is None or not ahead.is_behind:
            return chosen
        others = [one for one in chosen if not ahead.knows(self._reading[one])]
        small = [one for one in others if self._reading[one].size < WORTH]
        begun = [one for one in others if one in self._tailers]
        return small or begun[:1] or others[-1:] or chosen

    def _waits(self, rollout_id: RolloutId) -> bool:
        """True if a rollout that is read cannot go on while a long line is reduced."""
        if self._long_line is None:
            return False
        tail = self._tailers.get(rollout_id)
        is_long = tail is not None and tail.partial_bytes >= RISKY_BYTES
        return is_long or self._long_line.tail.file.name.rollout_id == rollout_id

    def _choose_last(self, last: list[tuple[RolloutId, RolloutFile]]) -> None:
        """Choose one of the rollouts that are read last, if nothing else is queued."""
        for rollout_id, file in last:
            failures = self._risks.failures_of(rollout_id)
            if failures is not None and failures.is_resting:
                self._quarantine(rollout_id, file, RolloutUnreadable(
                    f"{file.path}: reading it has ended the process {failures.times}"
                    " times, for want of memory as a rule",
                    hint="It is tried again later, alone. Give the service more memory, or lower"
                    " read.max_line_bytes",
                ))  # fmt: skip
            elif self._reading or self._line or self._reprojecting is not None:
                self._line[rollout_id] = file
            else:
                self._begin_reading(rollout_id, file)

    def _begin_reading(self, rollout_id: RolloutId, file: RolloutFile) -> None:
        """Let a rollout take turns; its tailer, if there is one, looks at the file first."""
        self._reading[rollout_id] = file
        tail = self._tailers.unpark(rollout_id)
        if tail is not None:
            tail.changed(file)

    def _is_beside(self, rollout_id: RolloutId) -> bool:
        long = self._long_line
        is_long = long is not None and long.tail.file.name.rollout_id == rollout_id
        return is_long or self._is_reprojecting(rollout_id)

    def _is_reprojecting(self, rollout_id: RolloutId) -> bool:
        job = self._reprojecting
        return job is not None and job.file.name.rollout_id == rollout_id

    def _read_again(self) -> None:
        """Discard all tailers after a write in doubt: they restart at their checkpoints."""
        self._ahead, self._doubted = None, True
        for rollout_id, file in self._reading.items():
            self._line.setdefault(rollout_id, file)
        self._throw_away(*list(self._reading))

    async def _poll(self, chosen: Sequence[RolloutId]) -> set[RolloutId]:
        """Look at the rollouts whose files are open, all in one thread; return which were."""
        tails: list[Tailer] = []
        group = {} if self._ahead is None else self._ahead.group
        for one in chosen:
            if one in group:
                continue
            tail = self._tailers.touch(one) or self._small(one)
            if tail is not None and tail.can_poll:
                tails.append(tail)
        if not tails:
            return set()
        before = sum(tail.bytes_read for tail in tails)
        most = self._limits.batch_bytes - sum(file.size for file in group.values())
        polled = await asyncio.to_thread(_poll, tails, most)
        self.counters.bytes_read += sum(tail.bytes_read for tail in tails) - before
        return {tail.file.name.rollout_id for tail in tails[:polled]}

    def _ask_group(self, chosen: Sequence[RolloutId]) -> None:
        """Have the small new rollouts behind the chosen ones read, if the other process is idle."""
        ahead = self._ahead
        if ahead is None or not ahead.can_ask:
            return
        left = self._limits.batch_bytes * 2 // 3
        files: list[RolloutFile] = []
        passed_over = set(chosen)
        for rollout_id, file in self._reading.items():
            if rollout_id in passed_over or file.size >= WORTH or file.name.compressed:
                continue
            left -= file.size
            if left < 0 or len(files) == _GROUP:
                break
            if self._is_new(rollout_id):
                files.append(file)
        if len(files) >= _GROUP_LEAST:
            ahead.ask_group(files)

    async def _take_group(self, chosen: Sequence[RolloutId]) -> set[RolloutId]:
        """Make tailers of the rollouts that were read as a group; return which have a batch."""
        ahead = self._ahead
        if ahead is None or ahead.group.keys().isdisjoint(chosen):
            return set()
        files = dict(ahead.group)
        found: set[RolloutId] = set()
        for rollout_id, read in (await ahead.take_group()).items():
            file = files[rollout_id]
            # Else its file has changed since.
            if read.batch is not None and self._reading.get(rollout_id) == file:
                tail = Tailer(self._store, self._limits, file, read)
                self._tailers.add(rollout_id, tail)
                found.add(rollout_id)
        return found.intersection(chosen)

    def _small(self, rollout_id: RolloutId) -> Tailer | None:
        """Return the tailer of a small rollout that the store does not know; None: another one."""
        file = self._reading[rollout_id]
        if self._doubted or file.size >= WORTH or not self._is_new(rollout_id):
            return None
        tail = Tailer(self._store, self._limits, file, is_new=True)
        self._tailers.add(rollout_id, tail)
        return tail

    async def _turn(
        self, rollout_id: RolloutId, file: RolloutFile
    ) -> _Turn | TooManyOpenFiles | None:
        """Return the next batch of one rollout; None: there is none now, or it cannot be read.

        `TooManyOpenFiles`: it is queued again, and other files can be closed for it.
        """
        tail = self._tailers.get(rollout_id)
        if tail is None:
            tail = Tailer(self._store, self._limits, file, self._prefetched(rollout_id, file))
            self._tailers.add(rollout_id, tail)
        before = tail.bytes_read
        try:
            outcome = tail.next_batch(self._checks.restart_of(rollout_id))
            return await self._heed(rollout_id, tail, outcome)
        finally:
            self.counters.bytes_read += tail.bytes_read - before

    async def _heed(
        self, rollout_id: RolloutId, tail: Tailer, outcome: Awaitable[Outcome]
    ) -> _Turn | TooManyOpenFiles | None:
        """Return what came of a turn, as `_turn` does."""
        file = self._reading[rollout_id]
        try:
            batch = await self._next_batch(rollout_id, tail, outcome)
        except RolloutUnreadable as reason:
            return self._cannot_read(rollout_id, file, reason)
        except ProjectorError:
            raise
        except Exception as fault:  # noqa: BLE001 - rule 5: whatever it is
            if is_too_many(fault):  # a module could not be imported
                return self._cannot_read(rollout_id, file, TooManyOpenFiles.at(file.path))
            self._fail(rollout_id, fault)
            return None
        return None if batch is None else _Turn(tail, batch)

    async def _next_batch(
        self, rollout_id: RolloutId, tail: Tailer, outcome: Awaitable[Outcome]
    ) -> Batch | None:
        """Return what a rollout has next; None: it is done, or in the midst of something long."""
        match await outcome:
            case Batch() as batch:
                return batch
            case Reprojection() as reprojection:
                self._begin_reprojection(tail, reprojection)
            case Progress.LONG:
                self._begin_long_line(tail)
            case Progress.UP_TO_DATE:
                await self._done(tail)
            case Progress.READING:
                await self._risks.note(tail)
                self._reading.move_to_end(rollout_id)
        return None

    def _cannot_read(
        self, rollout_id: RolloutId, file: RolloutFile, reason: RolloutUnreadable
    ) -> TooManyOpenFiles | None:
        """Have a rollout located, or queue it to be tried with fewer open files; else quarantine.

        Returns `reason` where other files can be closed for it.
        """
        unread = self._unread.get(rollout_id)
        if isinstance(reason, NewerRules):
            self._leave_alone(rollout_id, file)
            return None
        if isinstance(reason, RolloutMissing) and (unread is None or unread.file != file):
            self._throw_away(rollout_id)
            self._unread[rollout_id] = _Unread(file, None if unread is None else unread.reason)
            self._missing.append(file)
            return None
        if isinstance(reason, TooManyOpenFiles) and (
            self._tailers.has_open_files or self._open != self._open.halved()
        ):
            self._line.setdefault(rollout_id, file)
            return reason
        # It vanished where it was located, too, or nothing more of ours can be closed.
        self._quarantine(rollout_id, file, reason)
        return None

    def _leave_alone(self, rollout_id: RolloutId, file: RolloutFile) -> None:
        """Leave a rollout as newer rules have made it, until its file changes."""
        self._throw_away(rollout_id)
        self._outdated.pop(rollout_id, None)
        self._unread.pop(rollout_id, None)
        self._seen[rollout_id] = file
        self._on_done(file)
        self.note_newer()

    def note_newer(self) -> None:
        """Log once that there are rollouts that newer rules have made."""
        if not self._met_newer:
            self._met_newer = True
            log.event("rules.newer", revision=revisions.current())

    def _prefetched(self, rollout_id: RolloutId, file: RolloutFile) -> Prefetcher | None:
        """Return the prefetcher, if it reads this rollout: the store does not know it."""
        if self._ahead is None or not self._is_new(rollout_id):
            return None
        behind = dropwhile(lambda one: one != rollout_id, self._reading)
        soon = (self._reading[one] for one in islice(behind, 1, None) if self._is_new(one))
        return self._ahead if self._ahead.open(file, soon) else None

    def _is_new(self, rollout_id: RolloutId) -> bool:
        """True if the store does not know a rollout, and it was not begun."""
        known = (self._stored, self._seen, self._tailers, self._unread)
        return key_of(rollout_id) not in self._gone and not any(rollout_id in one for one in known)

    async def _commit(self, turns: list[_Turn]) -> None:
        started = time.perf_counter()
        await self._store.commit([turn.batch for turn in turns])
        took = time.perf_counter() - started
        await self._risks.end(turn.tail for turn in turns)
        self.counters.commits.add(took)
        milliseconds = round(took * 1000)
        for turn in turns:
            self._count(turn.batch, turn.tail.offset, milliseconds)
            turn.tail.acknowledge(turn.batch)
            if turn.tail.at_end and not turn.tail.partial_bytes:
                await self._done(turn.tail, told=True)
            elif not turn.tail.is_prefetched:  # else it keeps its turn: one is read ahead at a time
                self._reading.move_to_end(turn.batch.file.name.rollout_id)

    def _begin_long_line(self, tail: Tailer) -> None:
        """Reduce a very long line beside the rounds, one at a time."""
        rollout_id = tail.file.name.rollout_id
        if self._long_line is not None:  # it takes turns until that one is done
            self._deferred = True
            self._reading.move_to_end(rollout_id)
            return
        self._tailers.take(rollout_id)
        task = asyncio.create_task(tail.next_batch(may_take_long=True))
        self._long_line = _LongLine(tail, task)

    async def _heed_long_line(self, turns: list[_Turn]) -> bool:
        """Commit a very long line that was reduced beside the rounds, if it is done.

        `turns`: those of the round; from here on its own only. Returns True if a file could not be
        opened for want of descriptors.

        Raises:
            StoreUnavailable: the store could not be written.
        """
        long = self._long_line
        if long is None or not long.task.done():
            return False
        self._long_line = None
        turns.clear()
        rollout_id = long.tail.file.name.rollout_id
        if not self.is_waiting(rollout_id):  # it is forgotten
            long.task.exception()
            long.tail.close()
            return False
        self._tailers.add(rollout_id, long.tail)
        self._reading.setdefault(rollout_id, long.tail.file)
        turn = await self._heed(rollout_id, long.tail, long.task)
        if isinstance(turn, _Turn):
            turns.append(turn)
            await self._commit(turns)
        return isinstance(turn, TooManyOpenFiles)

    def _begin_reprojection(self, tail: Tailer, reprojection: Reprojection) -> None:
        """Project one rollout again beside the rounds, one at a time, each in a transaction."""
        file, rollout_id = tail.file, tail.file.name.rollout_id
        if self._reprojecting is not None:  # it takes turns until that one is done
            self._hurry()
            self._deferred = True
            self._reading.move_to_end(rollout_id)
            tail.changed(self._reading[rollout_id])
            return
        self._reading.pop(rollout_id, None)
        self._tailers.take(rollout_id)
        self._checks.forget(rollout_id)
        self._outdated.pop(rollout_id, None)
        is_paced = reprojection.why is None and rollout_id == self._renewing
        self._renewing = None
        task = asyncio.create_task(self._replace(tail, reprojection))
        self._reprojecting = _Reprojecting(file, task, is_paced)
        if is_paced:
            task.add_done_callback(lambda _: self._on_renewed())

    async def _heed_reprojection(self) -> bool:
        """Take what came of a rollout that was projected again, if it is done.

        Returns True if a file could not be opened for want of descriptors.

        Raises:
            StoreUnavailable: the store could not be written.
        """
        job = self._reprojecting
        if job is None or not job.task.done():
            return False
        file, rollout_id = job.file, job.file.name.rollout_id
        self._reprojecting = None
        fault = job.task.exception()
        match fault:
            case None:
                pass
            case RolloutUnreadable():
                return self._cannot_read(rollout_id, file, fault) is not None
            case CheckpointMoved():
                log.event("store.checkpoint_moved", why=fault.message)
                self._line.setdefault(rollout_id, file)
            case ProjectorError():
                self._line.setdefault(rollout_id, file)
                raise fault
            case Exception():
                self._reading[rollout_id] = file
                self._fail(rollout_id, fault)
            case _:
                raise fault
        return False

    async def _replace(self, tail: Tailer, reprojection: Reprojection) -> None:
        """Project one rollout again, in a transaction of its own."""
        rollout_id = tail.file.name.rollout_id
        if reprojection.why is not None:
            why = reprojection.why.reason
            log.event("rollout.replaced", rollout=rollout_id, path=tail.file.path, reason=why)
        made: list[Batch] = []
        try:
            batches = self._made_anew(tail, reprojection, made)
            await self._store.replace(await self._checkpoint(rollout_id), batches)
            tail.acknowledge(made[-1])
            await self._risks.end([tail])
            if reprojection.why is None:
                self.counters.renewed += 1
                self._renew_from = time.monotonic() + self._pace.rest_s
                log.event("rollout.renewed", rollout=rollout_id, path=tail.file.path)
            else:
                self.counters.replaced += 1
            if tail.partial_bytes:  # it stays in line for its last line
                self._line.setdefault(rollout_id, tail.file)
                tail.close()
            elif rollout_id in self._tailers:
                tail.close()
            else:
                self._tailers.add(rollout_id, tail)
                await self._done(tail, told=True, anew=True)
        except BaseException:
            tail.close()
            raise

    async def _made_anew(
        self, tail: Tailer, reprojection: Reprojection, made: list[Batch]
    ) -> AsyncIterator[Batch]:
        """Yield the batches of a rollout from its start, appended to `made` without changes."""
        before = tail.bytes_read
        self._pace.begin()
        async for batch in reprojection.batches():
            if self._reprojecting is not None and self._reprojecting.is_given_up:
                raise _Leaving
            if batch is not None:
                offset = made[-1].end.offset if made else Offset(0)
                made.append(replace(batch, changes=()))
                self._count(batch, offset, 0, is_known=reprojection.why is None)
            await self._risks.note(tail)
            self.counters.bytes_read += tail.bytes_read - before
            before = tail.bytes_read
            self._on_step()
            if batch is not None:
                yield batch
            await self._rest()

    async def _checkpoint(self, rollout_id: RolloutId) -> Checkpoint:
        start = await self._store.checkpoint(rollout_id)
        if start is None:
            raise CheckpointMoved(f"rollout {rollout_id}: its rows have gone meanwhile")
        if revisions.is_newer(start.revision):
            raise RulesMoved.to(rollout_id, start.revision)
        return start

    def _count(
        self, batch: Batch, start: int, milliseconds: int, *, is_known: bool = False
    ) -> None:
        """Count a batch; `is_known`: its anomalies were noted before."""
        anomalies = sum(1 for change in batch.changes if isinstance(change, Anomaly))
        anomalies = 0 if is_known else anomalies
        self.counters.records += batch.records
        self.counters.batches += 1
        self.counters.anomalies += anomalies
        self._on_bytes(batch.end.offset - start)
        log.event(
            "batch.committed",
            rollout=batch.file.name.rollout_id,
            from_byte=start,
            to_byte=batch.end.offset,
            records=batch.records,
            changes=len(batch.changes),
            anomalies=anomalies,
            ms=milliseconds,
        )

    async def _done(self, tail: Tailer, *, told: bool = False, anew: bool = False) -> None:
        """Record that a rollout was read to its end. `told`: the store has its file state."""
        file, rollout_id = tail.file, tail.file.name.rollout_id
        self._reading.pop(rollout_id, None)
        if not told and tail.offset and self._seen.get(rollout_id) != file:
            await self._store.update_locations([file])
        before = self._seen.get(rollout_id) or self._stored.get(rollout_id)
        now, trusted = FileState.of(file), tail.take_trusted_bytes()
        if before is not None and not anew:
            trusted = now.trusted_bytes(FileState.of(before), trusted)
        if tail.offset:
            self._checks.add(rollout_id, now, trusted)
        odd = tail.anomalies
        if odd:
            await self._store.add_anomalies(rollout_id, odd)
            self.counters.anomalies += len(odd)
        self._seen[rollout_id] = file
        unread = self._unread.pop(rollout_id, None)
        if unread is not None and unread.reason is not None:
            log.event("rollout.back", rollout=rollout_id, path=file.path)
        self._on_done(file)
        self._tailers.park(rollout_id, self._open.resting, self._reading)

    def _quarantine(
        self, rollout_id: RolloutId, file: RolloutFile, reason: RolloutUnreadable
    ) -> bool:
        """Let a rollout wait. Returns True if the reason is a new one."""
        self._throw_away(rollout_id)
        unread = self._unread.get(rollout_id)
        before = None if unread is None else unread.reason
        self._unread[rollout_id] = _Unread(file, reason)
        if self._seen.get(rollout_id) == file:  # a scan is to find it again
            self._seen.pop(rollout_id, None)
        self._on_done(file)
        fresh = before is None or before.message != reason.message
        if fresh and not isinstance(reason, _Failed):
            log.event("rollout.set_aside", rollout=rollout_id, path=file.path, error=str(reason))
        return fresh

    def _fail(self, rollout_id: RolloutId, fault: Exception) -> None:
        """Set aside a rollout that a bug in this program keeps from being projected."""
        file = self._reading[rollout_id]
        if isinstance(fault, MemoryError):
            self._risks.fail(rollout_id)
            why = f"{file.path}: not enough memory to read it"
            hint = "It is tried again later, alone; see read.max_line_bytes"
            self._quarantine(rollout_id, file, RolloutUnreadable(why, hint=hint))
            return
        reason = _Failed(
            f"{file.path}: a fault of codex-projector itself ({type(fault).__name__})",
            hint="Report it with the trace in the log; the other rollouts go on",
        )
        if self._quarantine(rollout_id, file, reason):
            # The trace without the fault's own words: they may quote what stands in the rollout.
            trace = "".join(format_tb(fault.__traceback__))
            log.event(
                "rollout.failed",
                rollout=rollout_id,
                path=file.path,
                error=type(fault).__name__,
                trace=trace,
            )

    def _throw_away(self, *rollout_ids: RolloutId) -> None:
        for rollout_id in rollout_ids:
            self._reading.pop(rollout_id, None)
        self._tailers.close(*rollout_ids)


def _poll(tails: Sequence[Tailer], most: int) -> int:
    """Poll one tailer after the other, until `most` bytes were read; return how many were."""
    size = 0
    for count, tail in enumerate(tails, 1):
        before = tail.bytes_read
        tail.poll_blocking()
        size += tail.bytes_read - before
        if size >= most:
            return count
    return len(tails)
