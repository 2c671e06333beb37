"""What a reducer is: lines of one rollout in, changes of its rows out, state in between.

No reducer touches the world. It may ask for earlier rows (`wants`), which `run/` fetches
(`Store.find`) and hands back (`learn`), until it wants no more; then it takes the lines
(`take`). What it saves (`save`) and the rows are all that a later process needs to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from projector.model.changes import Change, Lookup, LookupResult, SessionHeader, ThreadMetadata
from projector.model.ids import Line, Ordinal


class Reducer(Protocol):
    """One rollout in one process. Thrown away after any doubt about a write.

    Laws, held by property tests over every corpus:

    1. However the lines are cut into calls of `take`, and wherever it is saved and made anew
       from its state and the rows, the rows come out the same.
    2. `take` never raises, whatever the lines hold.
    3. What `save` gives is bounded, however long the rollout is.
    4. `wants` changes nothing that can be seen from outside.
    """

    @property
    def header(self) -> SessionHeader:
        """What the first session_meta said."""

    @property
    def meta(self) -> ThreadMetadata:
        """What the records so far say of the thread."""

    @property
    def next_ordinal(self) -> Ordinal:
        """One more than the greatest ordinal read; 0 for legacy rollouts."""

    @property
    def remembered(self) -> int:
        """How many earlier rows it holds in memory."""

    def lookup(self, lines: Sequence[Line]) -> Lookup:
        """Tell which earlier rows must be known before `lines` are taken; empty: none (any more).

        Repeatable: asking again, or asking for other lines in between, changes no answer and
        nothing that `take` gives. The decoded lines may be kept for the next call with the same.
        A reducer that has seen the rollout from its first byte in this process wants nothing
        that it still remembers.
        """

    def provide(self, asked: Lookup, found: LookupResult) -> None:
        """Remember the store's answer to `asked`. Asked for and not in it: it does not exist."""

    def apply(self, lines: Sequence[Line]) -> list[Change]:
        """Take whole lines, in the order of the file, and give what they change."""

    def dump_state(self) -> bytes:
        """Give the state after the last `take`: small JSON with a version in it."""
