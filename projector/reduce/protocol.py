"""Interface of a reducer: lines of one rollout in, changes of its rows out, with a state.

A reducer does no I/O. It may request earlier rows (`lookup`), which `run/` reads (`Store.find`) and
passes in (`provide`), until nothing more is needed; then it applies the lines (`apply`). Its saved
state (`dump_state`) and the rows are all that a later process needs to continue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from projector.model.changes import Change, Lookup, LookupResult, SessionHeader, ThreadMetadata
from projector.model.ids import Line, Ordinal
from projector.model.revisions import SeenKinds


class Reducer(Protocol):
    """Reducer of one rollout in one process. Discarded after any doubt about a write.

    Laws, held by property tests over every corpus:

    1. However the lines are divided among calls of `apply`, and wherever the reducer is saved and
       created again from its state and the rows, the rows are the same.
    2. `apply` never raises, whatever the lines contain.
    3. The result of `dump_state` is bounded, however long the rollout is.
    4. `lookup` has no visible effects.
    """

    @property
    def header(self) -> SessionHeader:
        """Return the contents of the first session_meta."""

    @property
    def meta(self) -> ThreadMetadata:
        """Return the thread's metadata from the records so far."""

    @property
    def next_ordinal(self) -> Ordinal:
        """One more than the greatest ordinal read; 0 for legacy rollouts."""

    @property
    def kinds(self) -> SeenKinds:
        """Kinds of records, events and items in the lines so far, those without rows included."""

    @property
    def remembered(self) -> int:
        """Return the number of earlier rows held in memory."""

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Return the earlier rows needed before `lines` are applied; empty: none (any more).

        Repeatable: calling it again, or for other lines in between, changes no result of it or of
        `apply`. The decoded lines may be cached for the next call with the same lines.
        A reducer that has read the rollout from its first byte in this process needs nothing
        that it still holds in memory.
        """

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Store the store's answer to `asked`. Rows that are asked for and missing do not exist."""

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Apply complete lines in file order; return their changes."""

    def pass_over(self, torn: int) -> None:
        """Do what `apply` does for so many lines that hold no record, but for their anomalies."""

    def dump_state(self) -> bytes:
        """Return the state after the last `apply`: small JSON with a version number."""
