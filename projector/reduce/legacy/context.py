"""Shared context of the legacy reducer's parts: state, rows, and the current record."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

from projector.decode import known_members
from projector.decode.legacy.fields import Json
from projector.decode.legacy.records import Record
from projector.decode.record_types import rollouts_named
from projector.decode.times import to_ms
from projector.model.changes import EventType, Provenance, uids, uuids
from projector.model.ids import Offset, RolloutId, TurnId
from projector.reduce.change_buffer import ChangeBuffer
from projector.reduce.legacy.row_buffer import BufferedItem, BufferedTurn, RowBuffer
from projector.reduce.legacy.state import ID_MAX, KIND_MAX, State, item_key

_V7: Final = 7
_MS_SHIFT: Final = 80
_NO_ENVELOPE: Final[Json] = {}
_NOWHERE: Final = Record("nothing", "", {}, 0, 0, None)


class ReducerContext:
    """The current record and its time."""

    def __init__(self, rollout_id: RolloutId, state: State, *, whole: bool) -> None:
        """`whole`: the rollout is read from its first byte, so nothing else has rows of it."""
        self.rollout_id = rollout_id
        self.state = state
        self.changes = ChangeBuffer(rollout_id)
        self.rows = RowBuffer(rollout_id, self.changes, whole=whole)
        self.record: Record = _NOWHERE
        self.batch = 0
        """Offset of the first line of the current batch."""
        self.now_ms: int | None = None
        """Time of the record, else the last valid one; None: bare lines have none."""
        self.usage_uid = uids("usage", rollout_id)
        self._made = uuids(uuid.uuid5(uuid.NAMESPACE_URL, f"codex-rollout:{rollout_id}"))
        self._last_ms = state.last_ms
        """The last valid time of a record; the state has it from `leave` on."""
        self._born_ms = _born_ms(rollout_id)

    @property
    def row_ms(self) -> int:
        """Return the time for rows that require one, ms."""
        if self.now_ms is not None:
            return self.now_ms
        created = self.state.created_ms
        return self._born_ms if created is None else created

    @property
    def now_s(self) -> int | None:
        """Return the time of the record in seconds, for turns."""
        return None if self.now_ms is None else self.now_ms // 1000

    def take(self, record: Record) -> None:
        """Make a record the current one."""
        self.record = record
        at_ms = to_ms(record.time)
        if at_ms is not None:
            self.now_ms = self._last_ms = at_ms
        elif record.form == "bare item":
            self.now_ms = None
        else:
            if record.time is not None:
                self.note("bad_timestamp", "not a time; the last good one counts")
            self.now_ms = self.state.created_ms if self._last_ms is None else self._last_ms

    def leave(self) -> None:
        """Release the current record, which may be very long, and save the time of the last one."""
        self.record = _NOWHERE
        if self._last_ms is not None:
            self.state.note_time(self._last_ms)

    def made_id(self, kind: str) -> str:
        """Return an id for what this line creates, if the file has none.

        A UUIDv5 of the line's byte offset and the kind: the same on every host, after every
        rebuild.
        """
        return self._made(f"{self.record.offset}:{kind}")

    def item(
        self,
        turn: BufferedTurn,
        json: Json,
        provenance: Provenance,
        *,
        offset: int | None = None,
        created_ms: int | None = None,
        owner: int | None = None,
    ) -> BufferedItem:
        """Insert or replace an item of a turn. `owner`: None: what `owner_of` gives now."""
        record = self.record
        at = record.offset if offset is None else offset
        now = self.row_ms if self.now_ms is None else self.now_ms
        return self.rows.put(
            item_key((turn.turn_id, json["id"])),
            json,
            provenance,
            offset=at,
            owner=self.owner_of(turn, at) if owner is None else owner,
            created_ms=now if created_ms is None else created_ms,
            completed_ms=now,
        )

    def owner_of(self, turn: BufferedTurn, offset: int) -> int:
        """Return the key of the rollback frame that owns what a line at `offset` adds to a turn."""
        if turn.frame is None or turn.frame >= offset:
            return offset
        active = self.state.active
        is_newest = active is not None and active.turn == turn.turn_id
        return offset if is_newest else turn.frame

    def note(self, kind: str, detail: str) -> None:
        """Add an anomaly of the current record."""
        record = self.record
        self.changes.note(kind, Offset(record.offset), record.end - record.offset, detail)

    def note_at(self, kind: str, offset: int, detail: str) -> None:
        """Add an anomaly of an earlier line."""
        self.changes.note(kind, Offset(offset), 0, detail)

    def event(self, kind: EventType, turn_id: str | None, payload: Json) -> None:
        """Add a lifecycle event at the current record. Members that are None are left out."""
        turn = None if turn_id is None else TurnId(turn_id)
        self.changes.event(kind, turn, payload, Offset(self.record.offset), self.now_ms)

    def note_unknown(self, what: str, name: str) -> None:
        """Add an anomaly for an unknown kind of record, once per kind and rollouts named in it."""
        shown = name if len(name) <= KIND_MAX and name.isprintable() else "unreadable"
        names = rollouts_named(self.record.payload) if what == "record" else []
        kind = ", ".join([f"{what} {shown}", *names])
        if self.state.note_unknown(kind):
            self.note("unknown_record", kind)

    def note_fields(self, names: Sequence[str]) -> None:
        """Add an anomaly for each member that is not known, once per member."""
        for name in names:
            if self.state.note_field(name):
                self.note("unknown_field", name)

    def unknown_of_turn(self) -> Json:
        """Return the members of the record that are not known, if it begins or ends a turn."""
        more, names = known_members.of_turn(_NO_ENVELOPE, self.record.payload)
        if names:
            self.note_fields(names)
        return more


def named_turn(payload: Json) -> str | None:
    """Return the turn named in a record; None: none, or an invalid one."""
    turn_id = payload.get("turn_id")
    return turn_id if type(turn_id) is str and 0 < len(turn_id) <= ID_MAX else None


def passed_turn(payload: Json) -> str | None:
    """Return the turn to which a response item belongs."""
    passed = payload.get("internal_chat_message_metadata_passthrough")
    return named_turn(passed) if type(passed) is dict else None


def _born_ms(rollout_id: str) -> int:
    """Return the time in a UUIDv7, ms; 0 for other ids."""
    try:
        born = uuid.UUID(rollout_id)
    except ValueError:
        return 0
    return born.int >> _MS_SHIFT if born.version == _V7 else 0
