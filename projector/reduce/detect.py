"""Which reducer a rollout gets. Pure.

The first record that can be read decides: a session_meta says it, and without one ordinals do.
Lines before it hold nothing but what is noted here; none is held back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from projector.decode.parse import parse
from projector.model.changes import (
    Anomaly,
    Change,
    Lookup,
    LookupResult,
    SessionHeader,
    ThreadMetadata,
)
from projector.model.errors import IncompatibleState
from projector.model.ids import Line, Ordinal, RolloutId, ThreadId
from projector.reduce.migrated import MigratedReducer
from projector.reduce.protocol import Reducer

_UNDECIDED: Final = b'{"reducer":"undecided","state":null}'
_PAGINATED: Final = b'{"reducer":"paginated","state":'
_LEGACY: Final = b'{"reducer":"legacy","state":'
#: Before these: how many anomalies of each kind there were, where there were any.
_NOTED: Final = b'{"noted":'
#: Anomalies of one kind that are given of one rollout. Of those beyond only how many there are is
#: told, each time that their number has doubled: a few bytes of garbage are a line, too.
NOTES_MAX: Final = 1000


_HINT: Final = "`projector rebuild` projects the thread anew"


def start(rollout_id: RolloutId, thread_id: ThreadId) -> Reducer:
    """Give the reducer of a rollout that is read from its first byte."""
    return _Chosen(rollout_id, thread_id, None, {})


def resume(rollout_id: RolloutId, thread_id: ThreadId, state: bytes) -> Reducer:
    """Give the reducer of a rollout as `save` left it.

    Raises:
        IncompatibleState: the state is of another version.
    """
    noted, state = _noted(state)
    if state == _UNDECIDED:
        return _Chosen(rollout_id, thread_id, None, noted)
    inner = state[state.find(b":", len(b'{"reducer":')) + 1 : -1]
    if state.startswith(_PAGINATED):
        chosen: Reducer = MigratedReducer.resume(rollout_id, thread_id, inner)
        return _Chosen(rollout_id, thread_id, chosen, noted)
    if state.startswith(_LEGACY):
        from projector.reduce.legacy import LegacyReducer  # noqa: PLC0415 - few need it

        chosen = LegacyReducer.resume(rollout_id, thread_id, inner)
        return _Chosen(rollout_id, thread_id, chosen, noted)
    raise IncompatibleState("a saved state of another version", hint=_HINT)


def _noted(state: bytes) -> tuple[dict[str, int], bytes]:
    """Split a saved state into what was noted and the rest.

    Raises:
        IncompatibleState: the state is of another version.
    """
    if not state.startswith(_NOTED):
        return {}, state
    end = state.find(b"}") + 1
    try:
        return orjson.loads(state[len(_NOTED) : end]), b"{" + state[end + 1 :]
    except orjson.JSONDecodeError as error:
        raise IncompatibleState("a saved state that cannot be read", hint=_HINT) from error


def _legacy(rollout_id: RolloutId, thread_id: ThreadId) -> Reducer:
    from projector.reduce.legacy import LegacyReducer  # noqa: PLC0415 - few need it

    return LegacyReducer(rollout_id, thread_id)


class _Chosen:
    """A reducer that becomes one kind or the other at the first record."""

    def __init__(
        self,
        rollout_id: RolloutId,
        thread_id: ThreadId,
        chosen: Reducer | None,
        noted: dict[str, int],
    ) -> None:
        self._noted = noted
        self._rollout = rollout_id
        self._thread = thread_id
        self._chosen = chosen
        self._header = SessionHeader(mode="paginated")
        self._meta = ThreadMetadata()

    @property
    def header(self) -> SessionHeader:
        """What the first session_meta said."""
        return self._header if self._chosen is None else self._chosen.header

    @property
    def meta(self) -> ThreadMetadata:
        """What the records so far say of the thread."""
        return self._meta if self._chosen is None else self._chosen.meta

    @property
    def next_ordinal(self) -> Ordinal:
        """One more than the greatest ordinal read; 0 for legacy rollouts."""
        return Ordinal(0) if self._chosen is None else self._chosen.next_ordinal

    @property
    def remembered(self) -> int:
        """How many earlier rows it holds in memory."""
        return 0 if self._chosen is None else self._chosen.remembered

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Tell which earlier rows must be known; before the first record there are none."""
        return Lookup() if self._chosen is None else self._chosen.lookup(lines)

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Remember what the store has of the rows in `asked`."""
        if self._chosen is not None:
            self._chosen.provide(asked, found)

    def dump_state(self) -> bytes:
        """Give the state, under the name of the reducer that made it."""
        state = _UNDECIDED
        if self._chosen is not None:
            kind = _PAGINATED if isinstance(self._chosen, MigratedReducer) else _LEGACY
            state = kind + self._chosen.dump_state() + b"}"
        if not self._noted:
            return state
        return _NOTED + orjson.dumps(self._noted) + b"," + state[1:]

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Take whole lines, and give what they change; of anomalies no more than `NOTES_MAX`."""
        changes = self._take(lines)
        if Anomaly not in map(type, changes):
            return changes
        return [
            shown
            for change in changes
            if (shown := self._counted(change) if type(change) is Anomaly else change) is not None
        ]

    def _counted(self, anomaly: Anomaly) -> Anomaly | None:
        """Count an anomaly; give it, or what stands for it, or None."""
        before = self._noted.get(anomaly.kind, 0)
        self._noted[anomaly.kind] = before + 1
        if before < NOTES_MAX:
            return anomaly
        times, rest = divmod(before, NOTES_MAX)
        if rest or times & (times - 1):
            return None
        detail = f"{before} times {anomaly.kind} before here, and again; not all are listed"
        return Anomaly("unlisted", anomaly.offset, 0, detail)

    def _take(self, lines: Sequence[Line]) -> list[Change]:
        if self._chosen is not None:
            return self._chosen.apply(lines)
        changes: list[Change] = []
        for at, line in enumerate(lines):
            parsed = parse(line)
            records = [found.value for found in parsed.objects if _decides(found.value)]
            if not records:
                changes.extend(parsed.anomalies)
                changes.extend(
                    Anomaly(
                        "not_record", line.offset, len(line.data), "an object that is no record"
                    )
                    for _ in parsed.objects
                )
                continue
            self._chosen = self._choose(records[0])
            changes.extend(self._chosen.apply(lines[at:]))
            break
        return changes

    def _choose(self, record: dict[str, Any]) -> Reducer:
        if _is_paginated(record):
            return MigratedReducer.start(self._rollout, self._thread)
        return _legacy(self._rollout, self._thread)


def _decides(record: dict[str, Any]) -> bool:
    """Tell whether an object is a record of either kind, the bare ones of 2025 included."""
    return bool(record.keys() & {"type", "record_type", "id"})


def _is_paginated(record: dict[str, Any]) -> bool:
    payload = record.get("payload")
    if record.get("type") == "session_meta" and type(payload) is dict:
        return payload.get("history_mode") in ("paginated", {"paginated": None})
    return type(record.get("ordinal")) is int
