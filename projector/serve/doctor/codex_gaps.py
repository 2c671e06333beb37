"""What Codex shows of a rollout, held against what is projected here: where it shows less, and why.

Pure. Codex keeps its own projection in `thread_history_1.sqlite`, with a checkpoint for each
rollout. Before 0.154 it stood still for ever where an ordinal came twice; since then it passes
over such records, real ones too. Source: docs on files, section 5; openai/codex#41079, #42369.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

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
    """What Codex lacks of a stretch of a rollout."""

    turns: tuple[str, ...] = ()
    """Turns that it lacks, has as still running, or lacks items of; in the order of the file."""
    items: int = 0
    first_started_at: int | None = None
    """When the first of the turns started, in seconds since 1970."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.turns or self.items)


def both(one: Missing, other: Missing) -> Missing:
    """Return what is missing of two stretches, one behind the other."""
    turns = tuple(dict.fromkeys((*one.turns, *other.turns)))
    first = one if one.turns else other
    return Missing(turns, one.items + other.items, first.first_started_at)


class Record(NamedTuple):
    """What stands in the file at Codex's checkpoint."""

    kind: Literal["record", "inside", "beyond", "unknown"]
    """inside: in the midst of a line; beyond: the file is shorter."""
    ordinal: int | None = None


NOTHING: Final = Missing()
UNKNOWN: Final = Record("unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One paginated rollout, here and in Codex."""

    thread_id: ThreadId
    rollout_id: RolloutId
    path: str
    end: int
    """Bytes that are projected here."""
    codex_offset: int | None
    """Where Codex stands; None: it never projected this rollout."""
    codex_ordinal: int | None = None
    at: Record = UNKNOWN
    passed: Missing = NOTHING
    """Before Codex's checkpoint."""
    beyond: Missing = NOTHING
    """Behind it; all, where there is none."""
    listed: bool | None = None
    """Codex lists the thread; None: it is not known, for its database is not there."""
    odd: frozenset[str] = frozenset()
    """Kinds of the rollout's anomalies."""
    incomplete: bool = False
    """Its base is not there."""
    shown_instead: str | None = None
    """Another file that Codex takes for the thread's current one."""
    inherited: bool = False
    """It is what another rollout, which Codex has projected, goes on; `thread_id` is that one's."""
    older: tuple[tuple[str, Missing], ...] = ()
    """Files of it that went another way and are not projected, and what they alone hold."""
    fresh: bool = False
    """It was written a moment ago: Codex may be about to read on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A thread of which Codex shows less than its rollouts hold."""

    thread_id: ThreadId
    rollout_id: RolloutId
    path: str
    why: Why
    reason: str
    missing: Missing

    def line(self) -> str:
        """Return the line for people: which thread, what is missing from which turn on, and why."""
        turns = self.missing.turns
        whole = f"{count(len(turns), 'turn')} and {count(self.missing.items, 'item')}"
        since = f"from turn {turns[0]} on " if turns else ""
        name = str(self.thread_id)
        if self.rollout_id != name:
            name += f" (rollout {self.rollout_id})"
        where = "are to be had here that it lacks, wholly or in part"
        if self.why == "older file":
            where = "are in it alone, wholly or in part"
        return f"thread {name}: {self.reason}; {since}{whole} {where}"


def shortfalls(held: Held) -> Iterator[Shortfall]:
    """Say of what of a rollout Codex shows less; nothing: of none, or it never opened it."""
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
    """Say why Codex shows nothing of a rollout that it has not projected, if there is a reason."""
    if not held.beyond:
        return
    if held.inherited:
        reason = "Codex has projected it without this part, which it goes on"
        yield "base missing", reason, held.beyond
    elif held.listed is not None and held.odd & REFUSED:
        kinds = ", ".join(sorted(held.odd & REFUSED))
        yield "refused", f"Codex refuses its file ({kinds})", held.beyond
    elif held.incomplete:
        yield "refused", "Codex refuses a thread whose base is gone", held.beyond
    elif held.shown_instead:
        reason = f"Codex takes {held.shown_instead} for its current file"
        yield "other file", reason, held.beyond


def _older(held: Held) -> Iterator[_Told]:
    """Say what lies in files that neither Codex nor the projector takes for the rollout."""
    for path, missing in held.older:
        reason = f"an older file of it went another way than {held.path}: {path}"
        yield "older file", reason, missing


def _read(held: Held, offset: int) -> Iterator[_Told]:
    """Say what is missing before and behind Codex's checkpoint."""
    if held.shown_instead:  # the checkpoint is one in that file
        reason = f"Codex reads another file of it, {held.shown_instead}"
        missing = both(held.passed, held.beyond)
        if missing:
            yield "other file", reason, missing
        return
    if held.passed:
        yield "passed over", "Codex has passed records over", held.passed
    if not held.beyond:
        return
    if stuck := _stuck(held):
        yield "stands still", f"Codex {stuck}", held.beyond
    elif not held.fresh:
        yield "behind", f"Codex has read {size(offset)} of {size(held.end)}", held.beyond


def _stuck(held: Held) -> str | None:
    """Say why Codex does not go on at its checkpoint; None: nothing keeps it."""
    where = f"stands still at byte {held.codex_offset} of {held.end}"
    match held.at.kind:
        case "inside":
            return f"{where}, inside a record"
        case "beyond":
            return f"{where}, behind the end of the file"
        case "record" if held.at.ordinal != held.codex_ordinal:
            found = "no ordinal" if held.at.ordinal is None else f"ordinal {held.at.ordinal}"
            return f"{where}: it waits for ordinal {held.codex_ordinal}, the record has {found}"
    return None


#: What to do about it.
ADVICE: Final[dict[Why, str]] = {
    "stands still": "Update Codex to 0.154 or later and resume the thread; read it here meanwhile:"
    " projector show THREAD",
    "passed over": "Read it here: projector show THREAD",
    "behind": "Resume the thread in Codex: it reads on",
    "refused": "Read it here: projector show THREAD; repair the named place to have it in Codex",
    "other file": "Read it here: projector show THREAD; if the other file is a copy, move it away",
    "older file": "If it is the better one, move the newer away; else move it away itself",
    "base missing": "Read it here: projector show THREAD; if it is a fork, resume its source once"
    " in Codex",
}
