"""Collect the changes that lines make, in the order of the file. Pure.

One buffer for all reducers. A row that changes several times appears once, in its last form, at the
place of its first change: the store handles each row once per batch. `seal` before changes that
remove rows: they apply to the rows as they were then.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import cast

from projector.decode import lossless_json as exact
from projector.decode.fields import Object
from projector.model.changes import Anomaly, Change, Event, EventType, uids
from projector.model.ids import Offset, RolloutId, TurnId

#: Returns a row in its current form; None: there is none.
Latest = Callable[[], Change | None]


class ChangeBuffer:
    """The changes of one rollout since the last `drain`."""

    def __init__(self, rollout_id: RolloutId) -> None:
        self._uid = uids("event", rollout_id)
        self._out: list[Change | None] = []
        """None: the place of a pending row, or of one that was discarded."""
        self._pending: dict[Hashable, tuple[int, Latest]] = {}
        self._sealed: set[Hashable] = set()
        self._holes = False
        """True if `_out` has places of rows that were discarded."""
        self.add = self._out.append
        """Append a change. An attribute, because most changes come by it."""

    def extend(self, changes: Iterable[Change]) -> None:
        """Append changes."""
        self._out.extend(changes)

    def put(self, key: Hashable, latest: Latest) -> None:
        """Append a row that may still change: `latest` is called by `seal` or `drain`.

        Does nothing if the row of this key is pending.
        """
        if key not in self._pending:
            self._pending[key] = len(self._out), latest
            self._out.append(None)

    def is_pending(self, key: Hashable) -> bool:
        """True if a row was put since the last `seal` and `drain`."""
        return key in self._pending

    def is_sealed(self, key: Hashable) -> bool:
        """True if a row was put before the last `seal`, but since the last `drain`."""
        return key in self._sealed

    def discard(self, key: Hashable) -> None:
        """Remove a pending row, as if it had not been put."""
        if self._pending.pop(key, None) is not None:
            self._holes = True

    def event(
        self,
        kind: EventType,
        turn_id: TurnId | None,
        payload: Object,
        offset: Offset,
        at_ms: int | None,
    ) -> None:
        """Append a lifecycle event. Members of `payload` that are None are left out."""
        told = {key: value for key, value in payload.items() if value is not None}
        name = self._uid(kind, turn_id or "", offset)
        self.add(Event(name, kind, turn_id, exact.dumps(told), at_ms))

    def note(self, kind: str, offset: Offset, length: int, detail: str) -> None:
        """Append an anomaly."""
        self.add(Anomaly(kind, offset, length, detail))

    def seal(self) -> None:
        """Fix all pending rows in their current form: their later changes are appended again."""
        self._sealed.update(self._pending)
        self._pass_on()

    def _pass_on(self) -> None:
        for at, latest in self._pending.values():
            row = self._out[at] = latest()
            if row is None:
                self._holes = True
        self._pending.clear()

    def drain(self) -> list[Change]:
        """Return all changes, and keep none."""
        if self._pending:
            self._pass_on()
        if self._sealed:
            self._sealed.clear()
        out, self._out = self._out, []
        self.add = self._out.append
        if not self._holes:
            return cast("list[Change]", out)
        self._holes = False
        return [change for change in out if change is not None]
