"""Where Codex shows less of a rollout than is projected here, and why.

Pure. Codex keeps its own projection in `thread_history_1.sqlite`, with a checkpoint for each
rollout. Before 0.154 it stopped for ever at a repeated ordinal; since then it skips such records,
including real ones. Source: docs on files, section 5; openai/codex#41079, #42369.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from projector.model.humanize import count, size
from projector.model.ids import RolloutId, ThreadId

Why = Literal[
    "stands still", "passed over", "behind", "refused", "other file", "base missing", "older file"
]

#: Anomalies at the start of a rollout that Codex does not open: it lists no thread for it, or one
#: that cannot be resumed.
REFUSED: Final = frozenset({
    "byte_order_mark", "no_header", "refused_header", "torn", "zst_not", "not_record",
})  # fmt: skip


class Missing(NamedTuple):
    """Rows that Codex lacks in a range of a rollout."""

    turns: tuple[str, ...] = ()
    """Turns that are missing, still running or incomplete in Codex; in file order."""
    items: int = 0
    first_started_at: int | None = None
    """Start of the first of the turns, in seconds since 1970."""

    def __bool__(self) -> bool:
        """True if anything is missing."""
        return bool(self.turns or self.items)


def both(one: Missing, other: Missing) -> Missing:
    """Return the missing rows of two adjacent ranges."""
    turns = tuple(dict.fromkeys((*one.turns, *other.turns)))
    first = one if one.turns else other
    return Missing(turns, one.items + other.items, first.first_started_at)


class Record(NamedTuple):
    """The record in the file at Codex's checkpoint."""

    kind: Literal["record", "inside", "beyond", "unknown"]
    """inside: in the middle of a line; beyond: the file is shorter."""
    ordinal: int | None = None


NOTHING: Final = Missing()
UNKNOWN: Final = Record("unknown")


class Held(Struct, frozen=True, kw_only=True):
    """One paginated rollout, here and in Codex."""

    thread_id: ThreadId
    rollout_id: RolloutId
    path: str
    end: int
    """Number of bytes projected here."""
    codex_offset: int | None
    """Codex's position; None: it never projected this rollout."""
    codex_ordinal: int | None = None
    at: Record = UNKNOWN
    passed: Missing = NOTHING
    """Missing before Codex's checkpoint."""
    beyond: Missing = NOTHING
    """Missing after it; everything, if there is none."""
    listed: bool | None = None
    """True if Codex lists the thread; None: unknown, its database is missing."""
    odd: frozenset[str] = frozenset()
    """Kinds of the rollout's anomalies."""
    incomplete: bool = False
    """True if its base is missing."""
    shown_instead: str | None = None
    """Another file that Codex uses as the thread's current one."""
    inherited: bool = False
    """True if another rollout, which Codex has projected, continues it.

    `thread_id` is that one's.
    """
    older: tuple[tuple[str, Missing], ...] = ()
    """Files with different content that are not projected, and what only they contain."""
    fresh: bool = False
    """True if it was written a moment ago: Codex may be about to read it."""


class Shortfall(Struct, frozen=True, kw_only=True):
    """A thread of which Codex shows less than its rollouts contain."""

    thread_id: ThreadId
    rollout_id: RolloutId
    path: str
    why: Why
    reason: str
    missing: Missing

    def line(self) -> str:
        """Return the line for people: thread, missing rows, first missing turn, and reason."""
        turns = self.missing.turns
        whole = f"{count(len(turns), 'turn')} and {count(self.missing.items, 'item')}"
        since = f"from turn {turns[0]} on " if turns else ""
        name = str(self.thread_id)
        if self.rollout_id != name:
            name += f" (rollout {self.rollout_id})"
        where = "are here that it lacks completely or in part"
        if self.why == "older file":
            where = "are only there, completely or in part"
        return f"thread {name}: {self.reason}; {since}{whole} {where}"


def shortfalls(held: Held) -> Iterator[Shortfall]:
    """Yield what Codex shows less of; nothing if it is complete or was never opened."""
    found = _never_read(held) if held.codex_offset is None else _read(held, held.codex_offset)
    for why, reason, missing in (*found, *_older(held)):
        yield Shortfall(
            thread_id=held.thread_id,
            rollout_id=held.rollout_id,
            path=held.path,
            why=why,
            reason=reason,
            missing=missing,
        )


_Told = tuple[Why, str, Missing]


def _never_read(held: Held) -> Iterator[_Told]:
    """Yield the reasons why Codex shows nothing of a rollout that it has not projected."""
    if not held.beyond:
        return
    if held.inherited:
        reason = "Codex has projected it without this part, which it continues"
        yield "base missing", reason, held.beyond
    elif held.listed is not None and held.odd & REFUSED:
        kinds = ", ".join(sorted(held.odd & REFUSED))
        yield "refused", f"Codex refuses its file ({kinds})", held.beyond
    elif held.incomplete:
        yield "refused", "Codex refuses a thread whose base is missing", held.beyond
    elif held.shown_instead:
        reason = f"Codex uses {held.shown_instead} as its current file"
        yield "other file", reason, held.beyond


def _older(held: Held) -> Iterator[_Told]:
    """Yield the rows in files that neither Codex nor the projector uses for the rollout."""
    for path, missing in held.older:
        reason = f"an older file of it differs from {held.path}: {path}"
        yield "older file", reason, missing


def _read(held: Held, offset: int) -> Iterator[_Told]:
    """Yield what is missing before and after Codex's checkpoint."""
    if held.shown_instead:  # the checkpoint is of that file
        reason = f"Codex reads another file of it, {held.shown_instead}"
        missing = both(held.passed, held.beyond)
        if missing:
            yield "other file", reason, missing
        return
    if held.passed:
        yield "passed over", "Codex has skipped records", held.passed
    if not held.beyond:
        return
    if stuck := _stuck(held):
        yield "stands still", f"Codex {stuck}", held.beyond
    elif not held.fresh:
        yield "behind", f"Codex has read {size(offset)} of {size(held.end)}", held.beyond


def _stuck(held: Held) -> str | None:
    """Return why Codex does not continue at its checkpoint; None if nothing prevents it."""
    where = f"stopped at byte {held.codex_offset} of {held.end}"
    match held.at.kind:
        case "inside":
            return f"{where}, inside a record"
        case "beyond":
            return f"{where}, after the end of the file"
        case "record" if held.at.ordinal != held.codex_ordinal:
            found = "no ordinal" if held.at.ordinal is None else f"ordinal {held.at.ordinal}"
            return f"{where}: it waits for ordinal {held.codex_ordinal}, the record has {found}"
    return None


#: How to fix it.
ADVICE: Final[dict[Why, str]] = {
    "stands still": "Update Codex to 0.154 or later and resume the thread; read it here meanwhile:"
    " projector show THREAD",
    "passed over": "Read it here: projector show THREAD",
    "behind": "Resume the thread in Codex: it then continues to read",
    "refused": "Read it here: projector show THREAD; repair the named place to have it in Codex",
    "other file": "Read it here: projector show THREAD; if the other file is a copy, move it away",
    "older file": "If it is the better one, move the newer away; else move it away itself",
    "base missing": "Read it here: projector show THREAD; if it is a fork, resume its source once"
    " in Codex",
}
