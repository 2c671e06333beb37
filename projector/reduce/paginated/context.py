"""Shared context of the paginated reducer's parts: state, turns, and the current lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from projector.decode.fields import I64_MAX, Object
from projector.decode.parse import Found, parse
from projector.decode.record_types import rollouts_named
from projector.decode.times import to_ms
from projector.model.changes import Change, EventType, uids
from projector.model.ids import Line, Ordinal, RolloutId, ThreadId, TurnId
from projector.model.revisions import SeenKinds
from projector.reduce.change_buffer import ChangeBuffer
from projector.reduce.paginated.ordinal_tracker import OrdinalTracker
from projector.reduce.paginated.state import SavedState
from projector.reduce.paginated.turns import OpenTurn

#: Maximum number of unknown kinds reported per rollout.
_STRANGE_MAX: Final = 256
#: How many unknown members, and what their keys among the kinds begin with.
_FIELDS_MAX: Final = 100
_FIELD: Final = "field:"
#: Length of a timestamp as Codex writes it; others are parsed.
STAMP: Final = 24
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}").fullmatch

#: What the file name of a rollout begins with.
_ROLLOUT: Final = b"rollout-"

#: Location of a record: a line of its own, or an object within a damaged one.
Place = Line | Found


class ReducerContext:
    """One rollout's state, and the changes made by the lines of one call of `apply`."""

    def __init__(self, rollout_id: RolloutId, thread_id: ThreadId, saved: SavedState) -> None:
        self.rollout = rollout_id
        self.thread = thread_id
        self.turn_uid = uids("turn", rollout_id)
        self.item_uid = uids("item", rollout_id)
        self.usage_uid = uids("usage", rollout_id)
        self.saved = saved
        self.numbers = OrdinalTracker(saved)
        self.kinds = SeenKinds()
        self.strange = set(saved.strange)
        self._fields_left = _FIELDS_MAX - sum(map(_is_field, saved.strange))
        self.turns: dict[str, OpenTurn] = {}
        self.changes = ChangeBuffer(rollout_id)
        self.lines: Sequence[Line] = ()
        self.timed = 0
        """Index of the first line whose time has not been read."""
        self.last_ms: int | None = None

    def begin(self, lines: Sequence[Line]) -> None:
        """Start a batch: make `lines` the current lines."""
        self.lines = lines
        self.timed = 0
        self.last_ms = self.saved.meta.updated_at_ms

    def end(self) -> list[Change]:
        """Update the state after the last line; return the changes of the batch."""
        self.numbers.end()
        self.saved.meta.updated_at_ms = self.time_before(len(self.lines))
        return self.end_again()

    def begin_again(self, lines: Sequence[Line]) -> None:
        """Start a batch of earlier lines that were taken for a copy of the parent's records."""
        saved = self.saved
        saved.inherited = False
        saved.header = replace(saved.header, subagent_start_ordinal=None)
        self.begin(lines)
        self.last_ms = None

    def end_again(self) -> list[Change]:
        """Return their changes. Their ordinals and times were counted when they were read."""
        self.lines = ()
        return self.changes.drain()

    def note_time(self, record: Object, index: int) -> None:
        """Record a time that `end` would otherwise read from its line again."""
        at_ms = to_ms(record.get("timestamp"))
        if at_ms is not None:
            self.last_ms, self.timed = at_ms, index + 1

    def is_plain(self) -> bool:
        """True if only the ordinals of further records have to be checked."""
        saved = self.saved
        return saved.headed and (not saved.inherited or saved.header.subagent_start_ordinal is None)

    def turn(self, turn_id: str) -> OpenTurn:
        """Return a turn in memory, creating an empty one if it is not there."""
        turn = self.turns.get(turn_id)
        if turn is None:
            turn = self.turns[turn_id] = OpenTurn()
        return turn

    def put(self, turn: OpenTurn) -> None:
        """Append a turn's row; its further changes in this batch are part of it."""
        if turn.row is not None:
            self.changes.put(turn.row.uid, turn.latest)

    def event(
        self,
        kind: EventType,
        turn_id: TurnId | None,
        told: Object,
        place: Place,
        at_ms: int | None,
    ) -> None:
        """Append a lifecycle event. Members of its payload `told` that are None are left out."""
        self.changes.event(kind, turn_id, told, place.offset, at_ms)

    def note(
        self, kind: str, place: Place, detail: str, *, undecoded: Object | None = None
    ) -> None:
        """Append an anomaly of a record or line.

        `undecoded`: the record, if Codex cannot decode it.
        """
        if undecoded is not None:
            self.numbers.note_undecoded(undecoded)
        self.changes.note(kind, place.offset, place.end - place.offset, detail)

    def note_strange(self, what: str, name: str, place: Place, record: Object) -> None:
        """Append an anomaly for an unknown kind, with the rollouts it names, once per rollout."""
        self.numbers.note_undecoded(record)
        shown = plain_name(name)
        if what == "record" and (type(place) is not Line or _ROLLOUT in place.data):
            shown = ", ".join([shown, *rollouts_named(record.get("payload"))])
        key = f"{what}:{shown}"
        if key in self.strange or len(self.strange) >= _STRANGE_MAX + _FIELDS_MAX:
            return
        self.strange.add(key)
        self.saved.strange.append(key)
        self.note(f"unknown_{what}", place, shown)

    def note_fields(self, names: Sequence[str], place: Place) -> None:
        """Note members that are not known, each the first time that it comes."""
        for name in names:
            key = f"{_FIELD}{name}"
            if key not in self.strange and self._fields_left > 0:
                self._fields_left -= 1
                self.strange.add(key)
                self.saved.strange.append(key)
                self.note("unknown_field", place, name)

    def refused(self, what: str, why: str, place: Place, record: Object) -> None:
        """Append an anomaly for a record that Codex refuses."""
        self.note("refused_record", place, f"{what}: {why}", undecoded=record)

    def some_time(self, record: Object, place: Place, index: int, completed: int | None) -> int:
        """Return a time for an item without one: of the record before, or the best known."""
        if not is_unlike_a_stamp(record.get("timestamp")):  # else it was noted
            self.note("bad_time", place, "an item whose time cannot be read")
        before = self.time_before(index)
        for known in (before, completed, self.saved.header.created_at_ms):
            if known is not None:
                return known
        return 0

    def time_before(self, index: int) -> int | None:
        """Return the last readable time before the line at `index`, or of earlier batches."""
        for at in range(index - 1, self.timed - 1, -1):
            if b"timestamp" not in self.lines[at].data and b"\\" not in self.lines[at].data:
                continue
            found = [to_ms(each.value.get("timestamp")) for each in parse(self.lines[at]).objects]
            known = [ms for ms in found if ms is not None]
            if known:
                self.last_ms = known[-1]
                break
        self.timed = max(self.timed, index)
        return self.last_ms


def _is_field(key: str) -> bool:
    return key.startswith(_FIELD)


def plain_name(name: str) -> str:
    """Return a name for an anomaly: names with other characters are replaced by their length."""
    return name if _PLAIN_NAME(name) else f"a name of {len(name)} characters"


def is_unlike_a_stamp(stamp: Any) -> bool:
    """True if a timestamp is not in the form that Codex writes, and must be parsed."""
    return type(stamp) is not str or len(stamp) != STAMP


def ordinal_of(record: Object) -> Ordinal | None:
    """Return the ordinal of a record; None if a row cannot hold it."""
    ordinal = record.get("ordinal")
    return Ordinal(ordinal) if type(ordinal) is int and 0 <= ordinal <= I64_MAX else None
