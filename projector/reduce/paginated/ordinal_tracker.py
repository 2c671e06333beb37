"""Ordinals: what Codex would expect next, and where the count is odd. Pure.

Codex counts only records that it can decode. Whether it can is worth knowing for few lines,
because a record that it cannot decode shows only where its ordinal is used again, or at the end
of the file: while ordinals grow by one, the count comes out the same either way. So lines are
kept aside while they grow (`waiting`) and looked at from the last one backwards, up to the first
that Codex takes, when the count is asked for or does not grow.
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode import lossless_json as exact
from projector.decode.acceptance.lines import ordinal_taken, ordinal_taken_by
from projector.decode.fields import I64_MAX
from projector.model.changes import Anomaly
from projector.model.ids import Offset
from projector.reduce.paginated.state import SavedState

#: No record is due: the next one is looked at, whatever its ordinal.
_NONE_DUE: Final = -2


class OrdinalTracker:
    """The count of one rollout, over the saved state."""

    def __init__(self, saved: SavedState) -> None:
        self._saved = saved
        self.waiting: list[bytes] = []
        """Lines with ordinals that grow, each at least `next`, not looked at yet."""
        self.due = self._due()
        """The ordinal of a record that needs no thought: append its line to `waiting`."""

    def _due(self) -> int:
        saved = self._saved
        grows = saved.seen == saved.highest and saved.highest + 1 >= saved.next
        return (
            saved.highest + 1 if grows and saved.lost == 0 and not saved.unnumbered else _NONE_DUE
        )

    def begin(self, first: int) -> None:
        """Set where the rollout's ordinals begin: at 0, or where its base was cut."""
        saved = self._saved
        saved.next = first
        saved.seen = saved.highest = first - 1
        self.due = self._due()

    def take_read(self, record: dict[str, Any], data: bytes) -> None:
        """Take a record that was due and has been read: its line is not kept aside."""
        if exact.has_float(record):
            self.waiting.append(data)
            return
        taken = ordinal_taken_by(record, data)
        if taken is not None and taken >= self._saved.next:
            self._saved.next = taken + 1
            self.waiting.clear()

    def lose(self) -> None:
        """Hear of a line that could not be read: a gap behind it is its."""
        self._flush()
        self._saved.lost += 1
        self.due = _NONE_DUE

    def _flush(self) -> None:
        """Bring `seen` and `highest` up to date with `due`."""
        if self.due != _NONE_DUE:
            self._saved.seen = self._saved.highest = self.due - 1

    def odd(self, ordinal: object, data: bytes, offset: int, length: int) -> Anomaly | None:
        """Take a record whose ordinal is not the one due. Gives what is to be noted."""
        self._flush()
        saved = self._saved
        self.due = _NONE_DUE
        if type(ordinal) is not int or not 0 <= ordinal < I64_MAX:
            saved.lost += 1
            if saved.unnumbered:
                return None
            saved.unnumbered = True
            what = "without an ordinal" if ordinal is None else "with an ordinal that is none"
            return _note("no_ordinal", offset, length, f"a record {what}")
        note: Anomaly | None = None
        if ordinal > saved.highest:
            missing = ordinal - saved.highest - 1 - saved.lost
            if missing > 0 and not (saved.orphan and saved.highest < 0):
                detail = f"{ordinal} after {saved.highest}" if saved.highest >= 0 else f"{ordinal}"
                note = _note("ordinal_gap", offset, length, detail)
            if ordinal >= saved.next:
                self.waiting.append(data)
        else:
            self.resolve()
            if ordinal >= saved.next:
                self.waiting.append(data)
            elif ordinal != saved.seen + 1:
                kind = "ordinal_repeated" if ordinal == saved.seen else "ordinal_fell"
                note = _note(kind, offset, length, f"{ordinal} after {saved.seen}")
        saved.seen = ordinal
        saved.highest = max(saved.highest, ordinal)
        saved.lost = 0
        saved.unnumbered = False
        self.due = self._due()
        return note

    def resolve(self) -> None:
        """Find out what Codex would expect next."""
        self._flush()
        waiting, saved = self.waiting, self._saved
        while waiting:
            taken = ordinal_taken(waiting.pop())
            if taken is not None and taken >= saved.next:
                saved.next = taken + 1
                waiting.clear()


def _note(kind: str, offset: int, length: int, detail: str) -> Anomaly:

    return Anomaly(kind, Offset(offset), length, detail)
