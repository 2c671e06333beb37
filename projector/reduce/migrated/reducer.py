"""Reducer of every paginated rollout, written by Codex itself or migrated from a legacy one. Pure.

Which of the two it is shows at its first message. From then on one that Codex wrote itself costs
nothing beyond `PaginatedReducer`; in a migrated one, calls are applied too, until Codex continues
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
from msgspec.json import encode

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
from projector.reduce.migrated.migration_signs import Beginning, objects, sign_of
from projector.reduce.paginated import PaginatedReducer

if TYPE_CHECKING:
    from projector.reduce.migrated.calls import Calls


class MigratedReducer:
    """Reducer of one paginated rollout (`reduce/protocol.py`); every one comes here."""

    def __init__(
        self,
        rollout_id: RolloutId,
        plain: PaginatedReducer,
        beside: Beginning | Calls | None,
    ) -> None:
        """`beside`: what runs beside the plain reducer; None: the rollout is Codex's own."""
        self._rollout = rollout_id
        self._plain = plain
        self._before: Beginning | None = None
        self._calls: Calls | None = None
        if isinstance(beside, Beginning):
            self._before = beside
        else:
            self._calls = beside

    @classmethod
    def start(cls, rollout_id: RolloutId, thread_id: ThreadId) -> MigratedReducer:
        """Return the reducer of a rollout that is read from its first byte."""
        before = Beginning(thread_id=str(thread_id))
        return cls(rollout_id, PaginatedReducer(rollout_id, thread_id), before)

    @classmethod
    def resume(cls, rollout_id: RolloutId, thread_id: ThreadId, state: bytes) -> MigratedReducer:
        """Create the reducer from a saved state.

        Raises:
            IncompatibleState: it is of another version.
        """
        try:
            told: dict[str, Any] = orjson.loads(state)
            plain, before, calls = told["plain"], told["before"], told["calls"]
        except (ValueError, KeyError, TypeError) as error:
            raise IncompatibleState("saved reducer state cannot be read", hint=_HINT) from error
        beside: Beginning | Calls | None = None
        if before is not None:
            beside = Beginning.of(before)
        elif calls is not None:
            beside = _calls().resume(rollout_id, calls)
        plainly = PaginatedReducer.resume(rollout_id, thread_id, orjson.dumps(plain))
        return cls(rollout_id, plainly, beside)

    @property
    def header(self) -> SessionHeader:
        """Return the contents of the first session_meta."""
        return self._plain.header

    @property
    def meta(self) -> ThreadMetadata:
        """Return the thread's metadata from the records so far."""
        return self._plain.meta

    @property
    def next_ordinal(self) -> Ordinal:
        """One more than the greatest ordinal read."""
        return self._plain.next_ordinal

    @property
    def kinds(self) -> SeenKinds:
        """Kinds of records, events and items in the lines so far."""
        return self._plain.kinds

    @property
    def remembered(self) -> int:
        """Return the number of turns held in memory."""
        return self._plain.remembered

    def dump_state(self) -> bytes:
        """Return the state after the last `apply`."""
        before = encode(self._before)
        calls = b"null" if self._calls is None else self._calls.dump_state()
        plain = self._plain.dump_state()
        return b'{"plain":' + plain + b',"before":' + before + b',"calls":' + calls + b"}"

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Return the turns, and the items of open calls, that are needed."""
        wanted = self._plain.lookup(lines)
        if self._calls is None:
            return wanted
        return Lookup(turns=wanted.turns, items=self._calls.lookup())

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Store the store's answer for the rows in `asked`."""
        self._plain.provide(asked, found)
        if self._calls is not None:
            self._calls.provide(asked, found)

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Apply complete lines in file order; return their changes."""
        before, first = self._before, 0
        if before is not None:
            first = self._look(lines, before)
        if self._calls is None:
            return self._plain.apply(lines)
        changes: list[Change] = []
        held = None if before is None else before.held
        if held is not None:
            # Nothing of it was a copy.
            changes += self._plain.apply(lines[:first])
            changes += self._plain.take_own(held.taken())
            if held.full:
                changes.append(_more_than_kept(lines[first]))
            lines, first = lines[first:], 0
        return changes + self._take(lines, self._calls, first)

    def pass_over(self, torn: int) -> None:
        """Count lines that hold no record: a gap in the ordinals behind them is theirs."""
        self._plain.pass_over(torn)

    def _look(self, lines: Sequence[Line], before: Beginning) -> int:
        """Return the index of the line with the first sign."""
        for index, line in enumerate(lines):
            sign = before.take(line)
            if sign is None:
                continue
            self._before = None
            if sign == "migrated":
                self._calls = _calls().begin(self._rollout, before)
            return index
        return len(lines)

    def _take(self, lines: Sequence[Line], calls: Calls, first: int) -> list[Change]:
        """Apply the lines, and the calls from `first` on.

        The changes of a call come between those of the lines before and after it.
        """
        changes: list[Change] = []
        done = 0
        if first < len(lines):
            calls.begin_batch(lines[first].offset)
        for index in range(first, len(lines)):
            line = lines[index]
            for record in objects(line):
                if sign_of(record) == "native":
                    self._calls = None
                    break
                made = calls.apply(record, line)
                if made:
                    if done < index:
                        changes += self._plain.apply(lines[done:index])
                        done = index
                    changes += made
            if self._calls is None:
                break
        calls.end_batch()
        rest = lines if done == 0 else lines[done:]
        changes += self._plain.apply(rest)
        return changes


def _more_than_kept(line: Line) -> Anomaly:
    detail = "more before the first message of a migrated agent than is kept"
    return Anomaly("lost_item", line.offset, len(line.data), detail)


def _calls() -> type[Calls]:
    from projector.reduce.migrated.calls import Calls  # noqa: PLC0415 - few need it

    return Calls


_HINT = "run `projector rebuild THREAD`"
