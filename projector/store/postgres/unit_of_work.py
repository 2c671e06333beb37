"""Rollouts and threads as one transaction sees them: read once, changed in memory, then compared.

Pure. The rules are those of `store/rules/lineage.py`; what is kept of them (positions, chains,
counters, states) is made right here as the SQLite store makes it right by statements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from projector.model.changes import Anomaly, EventType, uid
from projector.model.ids import Offset, RolloutId, ThreadId, is_named_for
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
    "agent_depth", "attached", "path",
)  # fmt: skip
Place = tuple[int | None, int | None]
"""Where a row lived before, and where it lives now."""


@dataclass(slots=True)
class Rollout:
    """A row of `rollouts`."""

    source: str
    rollout_id: RolloutId
    now: dict[str, Any]
    """Its columns as they are to be."""
    was: dict[str, Any] | None = None
    """Those that were read; None: it is new."""

    @property
    def thread_id(self) -> ThreadId:
        """Whose it is."""
        return ThreadId(self.now["thread_id"])

    @property
    def start(self) -> int:
        """Position of its first byte."""
        return int(self.now["start_position"])

    @property
    def candidate(self) -> lineage.Candidate:
        """What it is among the rollouts of its thread."""
        named = is_named_for(self.now["path"], self.thread_id)
        return lineage.Candidate(self.there, named, self.rollout_id)

    @property
    def there(self) -> bool:
        """It is on disk."""
        return self.now["gone_at_ms"] is None

    @staticmethod
    def lineage(row: Mapping[str, Any]) -> lineage.Standing:
        """Give what chains depend on."""
        return lineage.Standing(
            row["thread_id"], row["base_rollout_id"], row["base_end_ordinal"],
            row["base_end_offset"], row["attached"], row["archived"], row["gone_at_ms"] is None,
            is_named_for(row["path"], row["thread_id"]),
        )  # fmt: skip

    @property
    def relinked(self) -> bool:
        """Chains have to be made again."""
        return self.was is None or self.lineage(self.was) != self.lineage(self.now)

    def changed(self) -> dict[str, Any]:
        """Give the columns that are to be written."""
        was = self.was or {}
        return {name: value for name, value in self.now.items() if was.get(name, was) != value}


@dataclass(slots=True)
class State:
    """A row of `_thread_states`."""

    source: str
    rollout_id: RolloutId
    archived: bool
    deleted: bool
    incomplete: bool
    repeated: int = 0


@dataclass(slots=True)
class Part:
    """A row of `_thread_parts`."""

    source: str
    """Who has its rows."""
    rollout_id: RolloutId
    upto: int
    items: int = 0
    turns: int = 0
    counted: bool = True
    """The counters are true; else they are to be counted."""

    @property
    def place(self) -> tuple[str, str, int]:
        """Give what its rows are."""
        return self.source, self.rollout_id, self.upto

    def row(self) -> tuple[str, str, int, int, int]:
        """Give all that is stored."""
        return (*self.place, self.items, self.turns)


@dataclass(slots=True)
class Thread:
    """What is stored of a thread."""

    state: State | None = None
    parts: list[Part] = field(default_factory=list)
    """Oldest first. Where chains stay as they are, of a long one only what may change."""
    numbers: list[int] = field(default_factory=list)
    """Which parts these are of the stored chain."""

    @property
    def length(self) -> int:
        """Return the number of its parts, with those that were left out."""
        return len(self.parts) if self.whole else self.numbers[-1] + 1

    @property
    def whole(self) -> bool:
        """True if no part of the stored chain was left out."""
        return self.numbers == list(range(len(self.numbers)))


@dataclass(slots=True)
class UnitOfWork:
    """What a transaction has read, and makes of it."""

    source: str
    now_ms: int
    rollouts: dict[RolloutId, Rollout] = field(default_factory=dict)
    """Of all sources."""
    threads: dict[ThreadId, Thread] = field(default_factory=dict)
    names: dict[tuple[str, ThreadId], str] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Thread and type → how many events that no record tells of it has."""
    events: list[EventState] = field(default_factory=list)
    """New ones that no record tells of."""
    anomalies: list[tuple[RolloutId, Anomaly]] = field(default_factory=list)
    moved: dict[RolloutId, int] = field(default_factory=dict)
    """Rollouts whose stored rows go to other positions, and by how much."""
    recount: set[ThreadId] = field(default_factory=set)
    """Threads whose repeated turns are to be counted."""
    purged: set[RolloutId] = field(default_factory=set)
    spent: set[ThreadId] = field(default_factory=set)
    """Threads whose tokens change."""
    _before: dict[ThreadId, tuple[Any, ...]] = field(default_factory=dict)
    _bases: dict[RolloutId, str | None] = field(default_factory=dict)
    """Rollouts that `_children` knows, and the base of each."""
    _children: dict[str, dict[RolloutId, None]] = field(default_factory=dict)
    """Rollouts by their base."""
    _parts: dict[RolloutId, list[Part]] | None = None
    """Parts by their rollout; None: to be listed."""
    _stored: dict[ThreadId, tuple[State | None, list[tuple[Any, ...]]]] = field(
        default_factory=dict
    )

    def begin(self) -> None:
        """Keep how things were. Comes after all was read, before anything is changed."""
        for thread_id, thread in self.threads.items():
            self._before[thread_id] = self.shown(thread_id)
            state = thread.state
            kept = state and State(
                state.source, state.rollout_id, state.archived, state.deleted, state.incomplete,
                state.repeated,
            )  # fmt: skip
            self._stored[thread_id] = kept, [part.row() for part in thread.parts]

    def stored(self, thread_id: ThreadId) -> tuple[State | None, list[tuple[Any, ...]]]:
        """Give a thread's state and parts as they were read."""
        return self._stored.get(thread_id, (None, []))

    # Lineage --------------------------------------------------------------------------------------

    def link(self, rollout_id: RolloutId) -> Link | None:
        """Look a rollout up as lineage sees it; None: it is not here."""
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
        """List children: of rollouts that are not listed yet, and of those whose base changed."""
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
        """Give the rollouts that continue one. Without any, it lies on no cycle."""
        return [one for one in self._children.get(rollout_id, ()) if one not in self.purged]

    def _below(self, rollout_ids: Iterable[RolloutId]) -> list[RolloutId]:
        """Give these rollouts and all that continue them, bases before what continues them."""
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
        """Give the threads of some rollouts, and of all that continue them."""
        below = self._below(map(RolloutId, rollout_ids))
        return {self.rollouts[one].thread_id for one in below if one in self.rollouts}

    def relink(
        self,
        rollout_ids: Iterable[RolloutId],
        threads: Iterable[ThreadId] = (),
        *,
        left: Collection[ThreadId] = (),
    ) -> None:
        """Make positions and chains right again after rollouts came, went or changed their base.

        `threads`: those that lost a rollout: it is gone. `left`: a rollout says now, further down
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
                if row.was is not None:
                    for thread in self.threads.values():
                        for part in thread.parts:
                            if part.rollout_id == row.rollout_id and part.upto < EVERYTHING:
                                part.upto += by
                queue.extend(below)

    def _extend(self, thread_id: ThreadId, rollout_id: RolloutId) -> bool:
        """Put a rollout that continues its thread's last part behind it, if nothing else changed.

        So a revert does not cost the whole chain. False: the chain is to be made anew.
        """
        thread, newest = self.threads.get(thread_id), self.rollouts[rollout_id]
        if thread is None or thread.state is None or thread.state.incomplete:
            return False
        link = self.link(rollout_id)
        before = self.rollouts.get(thread.state.rollout_id)
        if link is None or before is None or newest.candidate < before.candidate:
            return False
        if not (newest.there and before.there):
            return False
        last = thread.parts[-1] if thread.parts else None
        if (
            before.rollout_id in self.purged
            or before.thread_id != thread_id
            or link.base_id != before.rollout_id
            or rollout_id <= before.rollout_id
            or last is None
            or last.place != (before.source, before.rollout_id, EVERYTHING)
            or thread.length >= lineage.MAX_PARTS
        ):
            return False
        cut = Part(before.source, before.rollout_id, before.start + max(0, link.end_offset))
        cut.counted = False
        own = Part(newest.source, rollout_id, EVERYTHING, newest.now["items"], newest.now["turns"])
        if not thread.whole:
            thread.numbers.append(thread.length)
        thread.parts = [*thread.parts[:-1], cut, own]
        archived, state = bool(newest.now["archived"]), thread.state
        self._note(thread_id, rollout_id, archived=archived, deleted=False)
        thread.state = State(
            newest.source, rollout_id, archived, deleted=False, incomplete=False,
            repeated=state.repeated,
        )  # fmt: skip
        self.recount.add(thread_id)
        return True

    def _chain(self, thread_id: ThreadId, *, was: bool, alone: RolloutId | None) -> None:
        if alone is not None and alone in self.rollouts and alone not in self.purged:
            row = self.rollouts[alone]
            if row.was is None and row.thread_id == thread_id and self._extend(thread_id, alone):
                return
        own = [row for row in self._living() if row.thread_id == thread_id]
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
        self._put_parts(thread, found)
        current = self.rollouts[name]
        archived = bool(current.now["archived"])
        deleted = not any(row.there for row in own)
        self._note(thread_id, name, archived=archived, deleted=deleted)
        repeated = thread.state.repeated if thread.state else 0
        thread.state = State(
            current.source, name, archived, deleted, found.end != "whole", repeated
        )
        self.recount.add(thread_id)

    def _put_parts(self, thread: Thread, found: lineage.Chain) -> None:
        known = {part.place: part for one in self.threads.values() for part in one.parts}
        parts = []
        for one in found.parts:
            row = self.rollouts[one.link.rollout_id]
            upto = EVERYTHING if one.upto is None else row.start + max(0, one.upto)
            part = Part(row.source, row.rollout_id, upto)
            if old := known.get(part.place):
                part.items, part.turns, part.counted = old.items, old.turns, old.counted
            elif upto == EVERYTHING:
                part.items, part.turns = row.now["items"], row.now["turns"]
            else:
                part.counted = False
            parts.append(part)
        if [part.place for part in parts] != [part.place for part in thread.parts]:
            thread.parts = parts

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
        if self._parts is None:
            self._parts = {}
            for thread in self.threads.values():
                for part in thread.parts:
                    self._parts.setdefault(part.rollout_id, []).append(part)
        for part in self._parts.get(rollout_id, ()):
            if part.counted:
                part.items += _more(items, part.upto)
                part.turns += _more(turns, part.upto)

    def uncounted(self) -> list[Part]:
        """Give the parts that are to be counted by their rows."""
        parts = [part for thread in self.threads.values() for part in thread.parts]
        return [part for part in parts if not part.counted]

    def several(self) -> list[ThreadId]:
        """Give the threads whose repeated turns are to be counted; of others there are none."""
        found = []
        for thread_id in self.recount:
            thread = self.threads[thread_id]
            if thread.state is None:
                continue
            if len(thread.parts) > 1 or not thread.whole:
                found.append(thread_id)
            else:
                thread.state.repeated = 0
        return sorted(found)

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
            if part.rollout_id in self.rollouts
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
            sum(part.turns for part in thread.parts) - state.repeated,
            sum(part.items for part in thread.parts),
            tuple((part.rollout_id, part.upto) for part in thread.parts),
        )  # fmt: skip

    def told_threads(self) -> list[FeedEntry]:
        """Tell of the threads that are not as they were shown before."""
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
