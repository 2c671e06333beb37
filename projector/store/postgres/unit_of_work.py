"""Rollouts and threads in one transaction: read once, changed in memory, then compared. Pure.

The rules are those of `store/rules/lineage.py`; what depends on them (positions, chains, counters,
states) is updated here as the SQLite store updates it by statements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import orjson
from msgspec import Struct, field

from projector.model.changes import Anomaly, EventType, uid
from projector.model.ids import Offset, RolloutId, ThreadId
from projector.store.postgres import text as escapes
from projector.store.postgres.apply import EventState
from projector.store.postgres.feed_entries import FeedEntry
from projector.store.rules import lineage
from projector.store.rules.feed import THREAD, UPDATE, op_of
from projector.store.rules.lifecycle import ThreadFiles, file_events
from projector.store.rules.lineage import EVERYTHING, Link
from projector.store.rules.shown_threads import INHERITED

#: Of the current rollout: shown as it says.
_OWN: Final = (
    "source", "source_kind", "source_json", "thread_source", "originator", "cli_version", "mode",
    "parent_thread_id", "forked_from_id", "agent_nickname", "agent_role", "agent_path",
    "agent_depth", "attached", "path", "updated_at_ms",
)  # fmt: skip
Place = tuple[int | None, int | None]
"""Position of a row before, and now; None: not living."""


class Rollout(Struct):
    """A row of `_rollouts`."""

    source: str
    rollout_id: RolloutId
    now: dict[str, Any]
    """New values of its columns."""
    was: dict[str, Any] | None = None
    """Values that were read; None: it is new."""

    @property
    def thread_id(self) -> ThreadId:
        """Return its thread."""
        return ThreadId(self.now["thread_id"])

    @property
    def start(self) -> int:
        """Return the position of its first byte."""
        return int(self.now["start_position"])

    @property
    def candidate(self) -> lineage.Candidate:
        """Return its rank among the rollouts of its thread."""
        return self.candidate_of(self.now)

    def candidate_of(self, row: Mapping[str, Any]) -> lineage.Candidate:
        """Return the rank of a rollout with such columns."""
        return lineage.Candidate(row["gone_at_ms"] is None, row["named"], self.rollout_id)

    @property
    def there(self) -> bool:
        """True if it is on disk."""
        return self.now["gone_at_ms"] is None

    @staticmethod
    def lineage(row: Mapping[str, Any]) -> lineage.Standing:
        """Return what chains depend on."""
        return lineage.Standing(
            row["thread_id"], row["base_rollout_id"], row["base_end_ordinal"],
            row["base_end_offset"], row["attached"], row["archived"], row["gone_at_ms"] is None,
            row["named"],
        )  # fmt: skip

    @property
    def relinked(self) -> bool:
        """True if chains have to be computed again."""
        return self.was is None or self.lineage(self.was) != self.lineage(self.now)

    def changed(self) -> dict[str, Any]:
        """Return the columns that are to be written."""
        was = self.was or {}
        return {name: value for name, value in self.now.items() if was.get(name, was) != value}


class State(Struct):
    """A row of `_thread_states`."""

    source: str
    rollout_id: RolloutId
    archived: bool
    deleted: bool
    incomplete: bool
    repeated: int = 0


class Part(Struct):
    """A row of `_thread_parts`."""

    source: str
    """Source that has its rows."""
    rollout_id: RolloutId
    upto: int
    items: int = 0
    turns: int = 0
    repeated: int = 0
    """Number of its turns that an earlier part has, too."""
    counted: bool = True
    """True if items and turns are correct; else they are to be counted."""
    late: bool = False
    """It was read when what is shown was kept already: it stays as it is, but for `repeated`."""

    @property
    def place(self) -> tuple[str, str, int]:
        """Return what identifies its rows."""
        return self.source, self.rollout_id, self.upto

    def row(self) -> tuple[str, str, int, int, int, int]:
        """Return all stored columns."""
        return (*self.place, self.items, self.turns, self.repeated)


class Thread(Struct):
    """The stored state and parts of a thread."""

    state: State | None = None
    parts: list[Part] = field(default_factory=list)
    """Oldest first. Of a long chain that does not change, only the parts that may change."""
    numbers: list[int] = field(default_factory=list)
    """Numbers of these parts in the chain."""
    left_out: int = 0
    """Repeated turns of the parts that were not read."""

    @property
    def whole(self) -> bool:
        """True if all parts of the chain were read."""
        return self.numbers == list(range(len(self.numbers)))

    def behind(self, rollout_id: RolloutId) -> int | None:
        """Return a rollout's index in `parts`; None: it is none, or later ones were not read."""
        for at, part in enumerate(self.parts):
            if part.rollout_id == rollout_id:
                first = self.numbers[at]
                return at if self.numbers[-1] - first == len(self.parts) - 1 - at else None
        return None


class UnitOfWork(Struct):
    """What a transaction has read, and how it changes."""

    source: str
    now_ms: int
    rollouts: dict[RolloutId, Rollout] = field(default_factory=dict)
    """Of all sources."""
    threads: dict[ThreadId, Thread] = field(default_factory=dict)
    names: dict[tuple[str, ThreadId], str] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """By thread and type: number of events that no record reports."""
    events: list[EventState] = field(default_factory=list)
    """New events that no record reports."""
    anomalies: list[tuple[RolloutId, Anomaly]] = field(default_factory=list)
    moved: dict[RolloutId, int] = field(default_factory=dict)
    """Rollouts whose stored rows move, and by how much."""
    repeat: dict[ThreadId, set[int]] = field(default_factory=dict)
    """Parts, by their numbers, whose repeated turns are to be counted."""
    purged: set[RolloutId] = field(default_factory=set)
    spent: set[ThreadId] = field(default_factory=set)
    """Threads whose tokens change."""
    _before: dict[ThreadId, tuple[Any, ...]] = field(default_factory=dict)
    _bases: dict[RolloutId, str | None] = field(default_factory=dict)
    """Rollouts indexed by `_children`, with their base."""
    _children: dict[str, dict[RolloutId, None]] = field(default_factory=dict)
    """Rollouts by their base."""
    _parts: dict[RolloutId, list[Part]] | None = None
    """Parts by their rollout; None: to be listed."""
    _of_threads: dict[ThreadId, list[Rollout]] = field(default_factory=dict)
    """Living rollouts by thread, while chains are computed."""
    _places: dict[tuple[str, str, int], Part] = field(default_factory=dict)
    """Parts by their rows, while chains are computed."""
    _stored: dict[ThreadId, tuple[State | None, dict[int, tuple[Any, ...]]]] = field(
        default_factory=dict
    )

    def begin(self) -> None:
        """Keep the current state for comparison. Call after reading, before changing anything."""
        for thread_id, thread in self.threads.items():
            self._before[thread_id] = self.shown(thread_id)
            state = thread.state
            kept = state and State(
                state.source, state.rollout_id, state.archived, state.deleted, state.incomplete,
                state.repeated,
            )  # fmt: skip
            rows = [part.row() for part in thread.parts]
            self._stored[thread_id] = kept, dict(zip(thread.numbers, rows, strict=True))

    def stored(self, thread_id: ThreadId) -> tuple[State | None, dict[int, tuple[Any, ...]]]:
        """Return a thread's state and parts, by their numbers, as they were read."""
        return self._stored.get(thread_id, (None, {}))

    def add_parts(self, thread_id: ThreadId, found: Mapping[int, Part]) -> None:
        """Add parts that were read to a thread, except those that it has or had."""
        thread = self.threads.setdefault(thread_id, Thread())
        stored = self._stored.get(thread_id)
        parts = dict(zip(thread.numbers, thread.parts, strict=True))
        last = max(parts, default=max(found))
        for number, part in found.items():
            if number not in parts and number <= last:
                parts[number] = part
                thread.left_out -= part.repeated
                if stored is not None:
                    stored[1][number] = part.row()
        thread.numbers = sorted(parts)
        thread.parts = [parts[number] for number in thread.numbers]
        self._parts = None

    # Lineage --------------------------------------------------------------------------------------

    def link(self, rollout_id: RolloutId) -> Link | None:
        """Return a rollout as lineage needs it; None: it is not here."""
        row = self.rollouts.get(rollout_id)
        if row is None or rollout_id in self.purged:
            return None
        now = row.now
        return Link(
            0, rollout_id, row.thread_id, now["base_rollout_id"], now["base_end_ordinal"] or 0,
            now["base_end_offset"] or 0, now["attached"],
        )  # fmt: skip

    def _living(self) -> Iterable[Rollout]:
        return (row for row in self.rollouts.values() if row.rollout_id not in self.purged)

    def _index(self, changed: Iterable[RolloutId]) -> None:
        """Index children: of rollouts not indexed yet, and of those whose base changed."""
        if len(self._bases) < len(self.rollouts):
            changed = [*changed, *(one for one in self.rollouts if one not in self._bases)]
        for one in changed:
            row = self.rollouts.get(one)
            base = None if row is None else row.now.get("base_rollout_id")
            known = self._bases.get(one)
            if known is not None and known != base:
                self._children[known].pop(one, None)
            if base is not None:
                self._children.setdefault(base, {})[one] = None
            self._bases[one] = base

    def _continuing(self, rollout_id: str) -> list[RolloutId]:
        """Return the rollouts that continue one. Without any, it is on no cycle."""
        return [one for one in self._children.get(rollout_id, ()) if one not in self.purged]

    def _below(self, rollout_ids: Iterable[RolloutId]) -> list[RolloutId]:
        """Return these rollouts and all that continue them, bases first."""
        rollout_ids = list(rollout_ids)
        self._index(rollout_ids)
        order = list(dict.fromkeys(rollout_ids))
        seen = set(order)
        queue = deque(order)
        while queue:
            for child in self._continuing(queue.popleft()):
                if child not in seen:
                    seen.add(child)
                    order.append(child)
                    queue.append(child)
        return order

    def threads_below(self, rollout_ids: Iterable[str]) -> set[ThreadId]:
        """Return the threads of some rollouts, and of all that continue them."""
        below = self._below(map(RolloutId, rollout_ids))
        return {self.rollouts[one].thread_id for one in below if one in self.rollouts}

    def relink(
        self,
        rollout_ids: Iterable[RolloutId],
        threads: Iterable[ThreadId] = (),
        *,
        left: Collection[ThreadId] = (),
    ) -> None:
        """Update positions and chains after rollouts were added, deleted or changed their base.

        `threads`: those that lost a rollout: it is gone. `left`: a rollout now says, further down
        in the same file, that it is of another thread: if it was the only one, there was no such
        thread.
        """
        below = self._below(rollout_ids)
        self._settle(below)
        touched = dict.fromkeys((*threads, *left))
        for rollout_id in below:
            if link := self.link(rollout_id):
                touched[link.thread_id] = None
        alone = below[0] if len(below) == len(touched) == 1 else None
        self._of_threads.clear()
        for row in self._living():
            self._of_threads.setdefault(row.thread_id, []).append(row)
        self._places = {part.place: part for one in self.threads.values() for part in one.parts}
        for thread_id in touched:
            self._chain(thread_id, was=thread_id not in left, alone=alone)
        self._parts = None

    def _settle(self, rollout_ids: Iterable[RolloutId]) -> None:
        queue = deque(rollout_ids)
        while queue:
            link = self.link(queue.popleft())
            if link is None:
                continue
            row = self.rollouts[link.rollout_id]
            below = self._continuing(link.rollout_id)
            if below:
                base = lineage.base_of(link, self.link)
            else:
                base = None if link.base_id is None else self.link(link.base_id)
            base_start = self.rollouts[base.rollout_id].start if base else None
            start = lineage.start(link.end_ordinal, link.end_offset, base_start)
            by = start - row.start
            if by:
                row.now["start_position"] = start
                if row.was is not None:
                    self.moved[row.rollout_id] = self.moved.get(row.rollout_id, 0) + by
                    for part in self._parts_of(row.rollout_id):
                        if part.upto < EVERYTHING:
                            part.upto += by
                queue.extend(below)

    def _make_last(self, thread_id: ThreadId, row: Rollout) -> bool:
        """Let a thread's chain end with a rollout: a part of it, or one that continues a part.

        So neither a revert nor a lost file costs the whole chain. What the rollouts continue is as
        it was. False: that takes parts that were not read; nothing has changed.
        """
        thread, name = self.threads.get(thread_id), row.rollout_id
        if thread is None or thread.state is None or thread.state.incomplete:
            return False
        parts, numbers, at = thread.parts, thread.numbers, thread.behind(name)
        last = Part(row.source, name, EVERYTHING, row.now["items"], row.now["turns"])
        if at is not None:
            if parts[at].upto == EVERYTHING:
                return True
            kept, number, last.repeated = parts[:at], numbers[at], parts[at].repeated
        else:
            link = self.link(name)
            base = None if link is None or link.base_id is None else self.rollouts.get(link.base_id)
            at = None if base is None else thread.behind(base.rollout_id)
            if (
                link is None
                or base is None
                or at is None
                or base.thread_id != thread_id
                or numbers[at] + 1 >= lineage.MAX_PARTS
                or any(part.rollout_id == name for part in parts)
            ):
                return False
            cut, number = parts[at], numbers[at] + 1
            upto = base.start + max(0, link.end_offset)
            if cut.upto != upto:
                cut = Part(base.source, base.rollout_id, upto, repeated=cut.repeated, counted=False)
                self.repeat.setdefault(thread_id, set()).add(numbers[at])
            kept = [*parts[:at], cut]
        thread.parts, thread.numbers = [*kept, last], [*numbers[: len(kept)], number]
        self.repeat.setdefault(thread_id, set()).add(number)
        self._parts = None
        return True

    def refile(self, thread_id: ThreadId, name: RolloutId) -> bool:
        """Choose a thread's current rollout after files came, went or moved.

        What its rollouts continue is as it was. False: that takes more than was read, and nothing
        has changed.
        """
        row, thread = self.rollouts[name], self.threads.get(thread_id)
        if thread is None or thread.state is None:
            return False
        incomplete = thread.state.incomplete
        if name != thread.state.rollout_id and not self._make_last(thread_id, row):
            return False
        self._put_state(thread_id, row, deleted=not row.there, incomplete=incomplete)
        return True

    def _put_state(
        self, thread_id: ThreadId, row: Rollout, *, deleted: bool, incomplete: bool
    ) -> None:
        archived = bool(row.now["archived"])
        self._note(thread_id, row.rollout_id, archived=archived, deleted=deleted)
        self.threads[thread_id].state = State(
            row.source, row.rollout_id, archived, deleted, incomplete
        )

    def _chain(self, thread_id: ThreadId, *, was: bool, alone: RolloutId | None) -> None:
        if alone is not None and self._follows(thread_id, alone):
            return
        own = self._of_threads.get(thread_id, [])
        thread = self.threads.setdefault(thread_id, Thread())
        assert thread.whole, thread_id
        if not own:
            if was:
                self._note(thread_id, None, archived=False, deleted=True)
            self.threads[thread_id] = Thread()
            return
        name = lineage.current(row.candidate for row in own)
        newest = self.link(name)
        assert newest is not None, thread_id
        found = lineage.chain(newest, self.link)
        if found.end == "cycle":
            first = found.parts[0].link
            detail = f"its base {first.base_id} continues it"
            odd = Anomaly("lineage.cycle", Offset(0), 0, detail)
            self.anomalies.append((first.rollout_id, odd))
        self._put_parts(thread_id, thread, found)
        deleted = not any(row.there for row in own)
        incomplete = found.end != "whole"
        self._put_state(thread_id, self.rollouts[name], deleted=deleted, incomplete=incomplete)

    def _follows(self, thread_id: ThreadId, name: RolloutId) -> bool:
        """Put a new rollout, which nobody continues, in its place of a thread that is there.

        False: the chain is to be made anew.
        """
        row, thread = self.rollouts.get(name), self.threads.get(thread_id)
        if row is None or row.was is not None or row.thread_id != thread_id or name in self.purged:
            return False
        before = self.rollouts.get(thread.state.rollout_id) if thread and thread.state else None
        if before is None or before.thread_id != thread_id or before.rollout_id in self.purged:
            return False
        if row.candidate < before.candidate:
            return True
        if not self._make_last(thread_id, row):
            return False
        self._put_state(thread_id, row, deleted=not row.there, incomplete=False)
        return True

    def _put_parts(self, thread_id: ThreadId, thread: Thread, found: lineage.Chain) -> None:
        parts: list[Part] = []
        same = True
        for number, one in enumerate(found.parts):
            row = self.rollouts[one.link.rollout_id]
            upto = EVERYTHING if one.upto is None else row.start + max(0, one.upto)
            part = Part(row.source, row.rollout_id, upto)
            same = same and number < len(thread.parts) and thread.parts[number].place == part.place
            if same:
                parts.append(thread.parts[number])
                continue
            if old := self._places.get(part.place):
                part.items, part.turns, part.counted = old.items, old.turns, old.counted
            elif upto == EVERYTHING:
                part.items, part.turns = row.now["items"], row.now["turns"]
            else:
                part.counted = False
            self.repeat.setdefault(thread_id, set()).add(number)
            self._places[part.place] = part
            parts.append(part)
        thread.parts, thread.numbers = parts, [*range(len(parts))]

    def _note(
        self, thread_id: ThreadId, rollout_id: RolloutId | None, *, archived: bool, deleted: bool
    ) -> None:
        """Note the events of a thread's state that changes with this transaction."""
        state = self.threads[thread_id].state
        if state is not None:
            before = ThreadFiles(state.archived, state.deleted)
        else:
            counts = {kind: n for (one, kind), n in self.counts.items() if one == thread_id}
            before = ThreadFiles.told(counts)
        for kind in file_events(before, ThreadFiles(archived, deleted)):
            self.event(thread_id, rollout_id, kind, {})

    def event(
        self,
        thread_id: ThreadId,
        rollout_id: RolloutId | None,
        kind: EventType,
        payload: dict[str, str],
    ) -> None:
        """Add a lifecycle event that no record tells of; its uid counts those before it."""
        n = self.counts.get((thread_id, kind), 0)
        self.counts[thread_id, kind] = n + 1
        self.events.append(
            EventState(
                uid("event", thread_id, kind, "", str(n)), thread_id, kind, None,
                escapes.of_json(orjson.dumps(payload).decode()), None, self.now_ms, rollout_id,
                from_record=False,
            )
        )  # fmt: skip

    # Counters -------------------------------------------------------------------------------------

    def tally(
        self, rollout_id: RolloutId, items: Collection[Place], turns: Collection[Place]
    ) -> None:
        """Count rows that came, went or moved within their rollout."""
        row = self.rollouts[rollout_id]
        row.now["items"] += _more(items, EVERYTHING)
        row.now["turns"] += _more(turns, EVERYTHING)
        for part in self._parts_of(rollout_id):
            if part.counted:
                part.items += _more(items, part.upto)
                part.turns += _more(turns, part.upto)

    def _parts_of(self, rollout_id: RolloutId) -> Iterable[Part]:
        if self._parts is None:
            self._parts = {}
            for thread in self.threads.values():
                for part in thread.parts:
                    self._parts.setdefault(part.rollout_id, []).append(part)
        return self._parts.get(rollout_id, ())

    def uncounted(self) -> list[Part]:
        """Give the parts that are to be counted by their rows."""
        parts = [part for thread in self.threads.values() for part in thread.parts]
        return [part for part in parts if not part.counted]

    def repeating(self) -> list[tuple[ThreadId, int]]:
        """Give the parts, by their places among those read, whose repeated turns are to be counted.

        The first part of a chain repeats nothing.
        """
        found = []
        for thread_id in sorted(self.repeat):
            thread = self.threads.get(thread_id)
            if thread is not None and thread.state is not None:
                wanted = self.repeat[thread_id] - {0}
                found += [(thread_id, at) for at, n in enumerate(thread.numbers) if n in wanted]
        return found

    def add_up_repeated(self) -> None:
        """Add up the repeated turns of threads by those of their parts."""
        for thread in self.threads.values():
            if thread.state is not None:
                thread.state.repeated = sum(part.repeated for part in thread.parts)
                thread.state.repeated += 0 if thread.whole else thread.left_out

    # What readers see -----------------------------------------------------------------------------

    def shown(self, thread_id: ThreadId) -> tuple[Any, ...]:
        """Give all that is shown of a thread; (): it is not there."""
        thread = self.threads.get(thread_id)
        if thread is None or thread.state is None:
            return ()
        state = thread.state
        if state.rollout_id not in self.rollouts:  # a damaged database, before it is mended
            return (state.rollout_id,)
        current = self.rollouts[state.rollout_id].now
        parts = [
            (part, self.rollouts[part.rollout_id])
            for part in thread.parts
            if part.rollout_id in self.rollouts and not part.late
        ]
        first = self.rollouts.get(RolloutId(thread_id))
        created = first.now["created_at_ms"] if first else None
        return (
            state.archived, state.deleted, state.incomplete, state.rollout_id,
            self.names.get((state.source, thread_id), current["name"]),
            _preview(parts),
            current["created_at_ms"] if created is None else created,
            *(current[name] for name in _OWN),
            *(_inherited(name, parts) for name in INHERITED),
            sum(part.turns for part in thread.parts if not part.late) - state.repeated,
            sum(part.items for part in thread.parts if not part.late),
            tuple((part.rollout_id, part.upto) for part in thread.parts if not part.late),
        )  # fmt: skip

    def told_threads(self) -> list[FeedEntry]:
        """Return entries of the threads that are shown differently than before."""
        told = []
        for thread_id, thread in self.threads.items():
            now = self.shown(thread_id)
            op = op_of(self._before.get(thread_id) or None, now or None)
            if op is None and now and thread_id in self.spent:
                op = UPDATE
            if op is None:
                continue
            state = thread.state or self.stored(thread_id)[0]
            assert state is not None, thread_id
            rollout_id = thread.state.rollout_id if thread.state else None
            told.append(FeedEntry(THREAD, op, state.source, thread_id, rollout_id))
        return told


def _more(places: Iterable[Place], upto: int) -> int:
    return sum(
        (now is not None and now < upto) - (before is not None and before < upto)
        for before, now in places
    )


def _preview(parts: Iterable[tuple[Part, Rollout]]) -> str | None:
    goal: str | None = None
    for part, row in parts:
        text, offset = row.now["preview"], row.now["preview_offset"]
        if text is not None and offset is not None and row.start + offset < part.upto:
            return str(text)
        if goal is None:
            goal = row.now["goal"]
    return goal


def _inherited(name: str, parts: list[tuple[Part, Rollout]]) -> Any:
    return next((row.now[name] for _, row in reversed(parts) if row.now[name] is not None), None)
