"""Hold back the first lines of an agent's rollout until their owner is known. Pure.

Below `subagent_history_start_ordinal` is what an agent's rollout copied of its parent's history.
But Codex's migration also sets such an ordinal in a legacy agent's rollout, with the whole thread
below it. The two are distinguished early: a copy begins with the parent's header, which the
migration omits; ids made by the migration are recognisable. Until then the records that make rows
are kept, to be applied later.

Source: files that Codex 0.169 migrated, and agents that it started.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field

from projector.decode.fields import I64_MAX
from projector.model.errors import IncompatibleState
from projector.model.ids import Line, Offset
from projector.reduce.paginated.handlers import EVENTS, RECORDS

Json = dict[str, Any]

#: Maximum number of kept lines, and of their bytes. A migrated rollout is recognised at its first
#: message.
LINES_MAX: Final = 256
BYTES_MAX: Final = 262_144


class DeferredLine(Struct, kw_only=True):
    """The lines between the header and the first sign."""

    start: int
    """Ordinal of the first record that is the agent's own, from its header."""
    thread_id: str
    """Thread of the rollout, from its header."""
    lines: list[tuple[int, int, str]] = field(default_factory=list)
    """Offset, end, and the bytes as Latin-1, which represents any bytes."""
    size: int = 0
    """Total size of the lines, bytes."""
    full: bool = False
    """True if there were more than the limit; the first ones are kept."""

    @classmethod
    def by(cls, record: Json) -> DeferredLine | None:
        """Create it after a header.

        None: the rollout begins without a copy, or continues another one.
        """
        payload = record.get("payload")
        if record.get("type") != "session_meta" or type(payload) is not dict:
            return None
        start, thread_id = payload.get("subagent_history_start_ordinal"), payload.get("id")
        goes_on = payload.get("history_base") is not None
        if goes_on or type(thread_id) is not str or type(start) is not int or start > I64_MAX:
            return None
        held = cls(start=start, thread_id=thread_id)
        return None if held.ends_with(record) else held

    @classmethod
    def of(cls, told: Any) -> DeferredLine:
        """Parse a saved state.

        Raises:
            IncompatibleState: it is of another version.
        """
        try:
            lines = [(int(offset), int(end), str(text)) for offset, end, text in told["lines"]]
            return cls(**(told | {"lines": lines}))
        except (KeyError, TypeError, ValueError) as error:
            raise IncompatibleState("saved reducer state cannot be read") from error

    def ends_with(self, record: Json) -> bool:
        """True if a record shows that those before it were copied from a parent."""
        ordinal = record.get("ordinal")
        if type(ordinal) is int and ordinal >= self.start:
            return True
        payload = record.get("payload")
        return (
            record.get("type") == "session_meta"
            and type(payload) is dict
            and payload.get("id") != self.thread_id
        )

    def keep(self, line: Line) -> None:
        """Add a line."""
        if self.full:
            return
        self.size += len(line.data)
        if self.size > BYTES_MAX or len(self.lines) == LINES_MAX:
            self.full = True
            return
        self.lines.append((line.offset, line.end, line.data.decode("latin-1")))

    def taken(self) -> list[Line]:
        """Return the kept lines."""
        return [
            Line(Offset(offset), Offset(end), text.encode("latin-1"))
            for offset, end, text in self.lines
        ]


def does_something(record: Json) -> bool:
    """True if a record would change a row or add an anomaly if it were not copied."""
    kind, payload = record.get("type"), record.get("payload")
    if type(kind) is not str or type(payload) is not dict:
        return False
    if kind != "event_msg":
        return RECORDS.get(kind, ...) is not None
    event = payload.get("type")
    return type(event) is not str or EVENTS.get(event, ...) is not None
