"""Track ordinals: the greatest one so far, gaps and repetitions. Pure.

Codex gives the ordinal of a record that it cannot decode to the next one: after such records, their
ordinals are no repetitions.
"""

from __future__ import annotations

from typing import Final

from projector.decode.fields import I64_MAX, Object
from projector.model.changes import Anomaly
from projector.model.ids import Offset
from projector.reduce.paginated.state import SavedState

#: No ordinal is expected: the next record is checked, whatever its ordinal.
_NONE_DUE: Final = -2


class OrdinalTracker:
    """The ordinals of one rollout, over the saved state."""

    def __init__(self, saved: SavedState) -> None:
        self._saved = saved
        self.due = self._due()
        """The expected ordinal: a record with it needs no check. Add one for each."""

    def _due(self) -> int:
        saved = self._saved
        grows = saved.seen == saved.highest and saved.lost == 0 and not saved.unnumbered
        return saved.highest + 1 if grows else _NONE_DUE

    def begin(self, first: int) -> None:
        """Set where the rollout's ordinals begin: at 0, or where its base was cut."""
        self._saved.seen = self._saved.highest = first - 1
        self.due = self._due()

    def lose(self, lines: int = 1) -> None:
        """Count unreadable lines: a gap in the ordinals after them is theirs."""
        self.end()
        self._saved.lost += lines
        self.due = _NONE_DUE

    def note_undecoded(self, record: Object) -> None:
        """Record that Codex cannot decode the last record, and gives its ordinal again."""
        ordinal, saved = record.get("ordinal"), self._saved
        if type(ordinal) is not int or not 0 <= ordinal < I64_MAX:
            return
        if saved.undecoded_from - 1 <= ordinal <= saved.undecoded_to + 1:
            saved.undecoded_from = min(saved.undecoded_from, ordinal)
            saved.undecoded_to = max(saved.undecoded_to, ordinal)
        else:
            saved.undecoded_from = saved.undecoded_to = ordinal

    def end(self) -> None:
        """Update the saved state from `due`."""
        if self.due != _NONE_DUE:
            self._saved.seen = self._saved.highest = self.due - 1

    def odd(self, ordinal: object, offset: int, length: int) -> Anomaly | None:
        """Record an ordinal other than the expected one; return its anomaly, if any."""
        self.end()
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
        elif saved.undecoded_to == saved.highest and ordinal >= saved.undecoded_from:
            saved.undecoded_from = ordinal + 1
        elif ordinal != saved.seen + 1:
            kind = "ordinal_repeated" if ordinal == saved.seen else "ordinal_fell"
            note = _note(kind, offset, length, f"{ordinal} after {saved.seen}")
        saved.seen = ordinal
        saved.highest = max(saved.highest, ordinal)
        saved.lost = 0
        saved.unnumbered = False
        self.due = self._due()
        return note


def _note(kind: str, offset: int, length: int, detail: str) -> Anomaly:
    return Anomaly(kind, Offset(offset), length, detail)
