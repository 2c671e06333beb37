"""Choose the reducer of a rollout. Pure.

The first readable record decides: by its session_meta, or without one by its ordinals. Lines before
it only produce anomalies; none is held back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import orjson

from projector.decode.parse import garbage_kinds, parse
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
from projector.model.revisions import SeenKinds
from projector.reduce.migrated import MigratedReducer
from projector.reduce.protocol import Reducer

_UNDECIDED: Final = b'{"reducer":"undecided","state":null}'
_PAGINATED: Final = b'{"reducer":"paginated","state":'
_LEGACY: Final = b'{"reducer":"legacy","state":'
#: Separates the counts of anomalies by kind, if any, from the reducer's state.
_NOTED: Final = b'{"noted":'
#: Maximum number of anomalies of one kind per rollout. Beyond it only the count is recorded, each
#: time that it has doubled: a few bytes of garbage are a line too.
NOTES_MAX: Final = 1000
#: Lines that have fewer bytes on average may be garbage whose number costs more than its bytes.
_SHORT: Final = 64
#: So many adjacent lines of garbage are counted, not reduced one by one.
_RUN: Final = 4

_data = itemgetter(2)

_HINT: Final = "run `projector rebuild THREAD`"


def start(rollout_id: RolloutId, thread_id: ThreadId) -> Reducer:
    """Return the reducer of a rollout that is read from its first byte."""
    return _Chosen(rollout_id, thread_id, None, {})


def resume(rollout_id: RolloutId, thread_id: ThreadId, state: bytes, kinds: str = "") -> Reducer:
    """Return the reducer of a rollout from its saved state and the kinds that were seen in it.

    Raises:
        IncompatibleState: the state is of another version.
    """
    noted, state = _noted(state)
    if state == _UNDECIDED:
        return _Chosen(rollout_id, thread_id, None, noted)
    inner = state[state.find(b":", len(b'{"reducer":')) + 1 : -1]
    if state.startswith(_PAGINATED):
        chosen: Reducer = MigratedReducer.resume(rollout_id, thread_id, inner)
        chosen.kinds.add(kinds.split())
        return _Chosen(rollout_id, thread_id, chosen, noted)
    if state.startswith(_LEGACY):
        from projector.reduce.legacy import LegacyReducer  # noqa: PLC0415 - few need it

        chosen = LegacyReducer.resume(rollout_id, thread_id, inner)
        chosen.kinds.add(kinds.split())
        return _Chosen(rollout_id, thread_id, chosen, noted)
    raise IncompatibleState("saved reducer state is of an unknown kind", hint=_HINT)


def _noted(state: bytes) -> tuple[dict[str, int], bytes]:
    """Split a saved state into the counts of anomalies and the rest.

    Raises:
        IncompatibleState: the state is of another version.
    """
    if not state.startswith(_NOTED):
        return {}, state
    end = state.find(b"}") + 1
    try:
        return orjson.loads(state[len(_NOTED) : end]), b"{" + state[end + 1 :]
    except orjson.JSONDecodeError as error:
        raise IncompatibleState("saved reducer state cannot be read", hint=_HINT) from error


def _legacy(rollout_id: RolloutId, thread_id: ThreadId) -> Reducer:
    from projector.reduce.legacy import LegacyReducer  # noqa: PLC0415 - few need it

    return LegacyReducer(rollout_id, thread_id)


class _Chosen:
    """A reducer that delegates to a legacy or a paginated one, chosen at the first record."""

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
        """Return the contents of the first session_meta."""
        return self._header if self._chosen is None else self._chosen.header

    @property
    def meta(self) -> ThreadMetadata:
        """Return the thread's metadata from the records so far."""
        return self._meta if self._chosen is None else self._chosen.meta

    @property
    def next_ordinal(self) -> Ordinal:
        """One more than the greatest ordinal read; 0 for legacy rollouts."""
        return Ordinal(0) if self._chosen is None else self._chosen.next_ordinal

    @property
    def kinds(self) -> SeenKinds:
        """Kinds of records, events and items in the lines so far."""
        return SeenKinds() if self._chosen is None else self._chosen.kinds

    @property
    def remembered(self) -> int:
        """Return the number of earlier rows held in memory."""
        return 0 if self._chosen is None else self._chosen.remembered

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Return which earlier rows are needed; before the first record there are none."""
        if self._chosen is None:
            return Lookup()
        if _are_short(lines):
            lines = [line for line in lines if not garbage_kinds(line.data)]
        return self._chosen.lookup(lines)

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Store the store's answer for the rows in `asked`."""
        if self._chosen is not None:
            self._chosen.provide(asked, found)

    def dump_state(self) -> bytes:
        """Return the state, with the name of its reducer."""
        state = _UNDECIDED
        if self._chosen is not None:
            kind = _PAGINATED if isinstance(self._chosen, MigratedReducer) else _LEGACY
            state = kind + self._chosen.dump_state() + b"}"
        if not self._noted:
            return state
        return _NOTED + orjson.dumps(self._noted) + b"," + state[1:]

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Apply complete lines.

        Return their changes, with at most `NOTES_MAX` anomalies of a kind.
        """
        if not _are_short(lines):
            return self._apply_some(lines)
        changes: list[Change] = []
        done = 0
        for start, end, kinds in _runs_of_garbage(lines):
            listed = max(NOTES_MAX - self._noted.get(kind, 0) for kind in kinds)
            if listed > 0:
                start += listed  # noqa: PLW2901 - those are reduced as any others
            if end - start < _RUN:
                continue
            changes += self._apply_some(lines[done:start])
            done = start
            while done < end:
                passed = min(end - done, *map(self._until_listed, kinds))
                self._count_only(passed, kinds)
                # The next one is listed, with how many there were.
                told = done + passed
                done = min(end, told + 1)
                changes += self._apply_some(lines[told:done])
        return changes + self._apply_some(lines[done:])

    def pass_over(self, torn: int) -> None:
        """Count lines that hold no record and are noted elsewhere."""
        if self._chosen is not None:
            self._chosen.pass_over(torn)

    def _count_only(self, lines: int, kinds: tuple[str, ...]) -> None:
        """Count lines of garbage without listing them."""
        if not lines:
            return
        for kind in kinds:
            self._noted[kind] += lines
        if "torn" in kinds:
            self.pass_over(lines)

    def _until_listed(self, kind: str) -> int:
        """Return how many more anomalies of a kind are counted before the next is listed."""
        before, told = self._noted.get(kind, 0), NOTES_MAX
        if before < told:
            return 0
        while told < before:
            told *= 2
        return told - before

    def _apply_some(self, lines: Sequence[Line]) -> list[Change]:
        """Apply lines one by one."""
        changes = self._apply(lines) if lines else []
        if Anomaly not in map(type, changes):
            return changes
        return [
            shown
            for change in changes
            if (shown := self._counted(change) if type(change) is Anomaly else change) is not None
        ]

    def _counted(self, anomaly: Anomaly) -> Anomaly | None:
        """Count an anomaly; return it, its replacement, or None."""
        before = self._noted.get(anomaly.kind, 0)
        self._noted[anomaly.kind] = before + 1
        if before < NOTES_MAX:
            return anomaly
        times, rest = divmod(before, NOTES_MAX)
        if rest or times & (times - 1):
            return None
        detail = f"{before} times {anomaly.kind} before here, and again; not all are listed"
        return Anomaly("unlisted", anomaly.offset, 0, detail)

    def _apply(self, lines: Sequence[Line]) -> list[Change]:
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


def _are_short(lines: Sequence[Line]) -> bool:
    """True if the number of lines may cost more than their bytes."""
    return len(lines) > _RUN and lines[-1].end - lines[0].offset < _SHORT * len(lines)


def _runs_of_garbage(lines: Sequence[Line]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield where adjacent lines of the same kinds begin and end, if they are many."""
    end = 1  # the first of a file may begin with a byte order mark
    for kinds, run in groupby(map(garbage_kinds, map(_data, lines[1:]))):
        start, end = end, end + sum(1 for _ in run)
        if kinds and end - start >= _RUN:
            yield start, end, kinds


def _decides(record: dict[str, Any]) -> bool:
    """True if an object is a record of either kind, including the bare ones of 2025."""
    return bool(record.keys() & {"type", "record_type", "id"})


def _is_paginated(record: dict[str, Any]) -> bool:
    payload = record.get("payload")
    if record.get("type") == "session_meta" and type(payload) is dict:
        return payload.get("history_mode") in ("paginated", {"paginated": None})
    return type(record.get("ordinal")) is int
