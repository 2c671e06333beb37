"""Rows of the turns of a paginated rollout. Pure.

Which record changes a turn's status: `reduce/turn_states.py`.

An end that Codex refuses updates an open row, and leaves it open: for Codex the turn continues, so
items still count for it, and an end that Codex accepts replaces what the refused one set.

Source: docs on paginated rollouts, section 3. Two things are meant to differ from Codex: a
`started_at` that the closing record lacks is kept, and an `error` event fails the turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from projector.decode.fields import Object
from projector.decode.lifecycle import Ended, Started
from projector.model.changes import Status, StoredTurn, TurnRow
from projector.model.ids import ItemId, Offset, Ordinal, TurnId
from projector.reduce.turn_states import (
    ENDS,
    PAGINATED,
    REFUSED_ENDS,
    Cause,
    Step,
    TurnState,
    state_of,
)
from projector.reduce.turn_states import step as turn_step

Counts = Literal["user", "final", "plain", ""]


class OpenTurn:
    """A turn in memory: its row, and while it is open, its items."""

    __slots__ = ("items", "row")

    row: TurnRow | None
    """None: it has items only."""
    items: dict[str, Counts] | None
    """What each item counts as, in the order of the file; None once the turn has ended."""

    def __init__(self, row: TurnRow | None = None) -> None:
        self.row = row
        self.items = {} if row is None or row.end_offset is None else None

    def latest(self) -> TurnRow | None:
        """Return the row in its current form."""
        return self.row

    @property
    def state(self) -> TurnState:
        """Return where the turn is in its life."""
        if self.row is None:
            return TurnState.ABSENT
        return state_of(self.row.status, ended=self.items is None)

    @classmethod
    def known(cls, known: StoredTurn | None) -> OpenTurn:
        """Create it from the stored turn.

        A tombstoned turn (the rollout was replaced) counts as absent; `known.messages` has its
        items that are in the rollout now.
        """
        if known is None:
            return cls()
        turn = cls(None if known.tombstoned else known.row)
        if turn.items is not None:
            for message in known.messages:
                turn.items[message.item_id] = message.counts
        return turn


#: Types of items that count.
COUNTED: Final = frozenset({"agentMessage", "userMessage"})


def counts_as(shown: Object) -> Counts:
    """Return what an item counts as for its turn's row."""
    kind = shown["type"]
    if kind == "agentMessage":
        phase = shown.get("phase")
        return "final" if phase == "final_answer" else "plain" if phase is None else ""
    return "user" if kind == "userMessage" else ""


def item_counts(turn: OpenTurn, item_id: str, counts: Counts) -> bool:
    """Add an item to the turn; True if the turn's row changed."""
    if turn.items is None:
        return False
    turn.items[item_id] = counts
    row = turn.row
    if row is None or not counts or counts == "plain":
        return False
    if counts == "user":
        if row.first_user_item_id is not None:
            return False
        turn.row = row._replace(first_user_item_id=ItemId(item_id))
        return True
    if row.final_agent_item_id == item_id:
        return False
    turn.row = row._replace(final_agent_item_id=ItemId(item_id))
    return True


def start(
    turn: OpenTurn,
    record: Started,
    *,
    uid: Callable[[TurnId], bytes],
    offset: Offset,
    ordinal: Ordinal | None,
    model: str | None,
) -> Step | None:
    """Start a turn, or start it again; None: that changes nothing."""
    step = turn_step(PAGINATED, turn.state, Cause.STARTED)
    if step is None:
        return None
    row = turn.row
    first, final = _messages(turn, ended=False)
    if row is None:
        turn.row = TurnRow(
            uid=uid(record.turn_id),
            turn_id=record.turn_id,
            offset=offset,
            ordinal=ordinal,
            status=step.after.status,
            error_json=None,
            started_at=record.started_at,
            completed_at=None,
            duration_ms=None,
            first_user_item_id=first,
            final_agent_item_id=final,
            end_ordinal=None,
            end_offset=None,
            root_turn_id=record.root_turn_id,
            model=model,
        )
    else:
        turn.row = row._replace(
            status=step.after.status,
            error_json=None,
            started_at=row.started_at if record.started_at is None else record.started_at,
            completed_at=None,
            duration_ms=None,
            first_user_item_id=first,
            final_agent_item_id=final,
            root_turn_id=record.root_turn_id if row.root_turn_id is None else row.root_turn_id,
            model=row.model if row.model is not None else model,
        )
    return step


def end(
    turn: OpenTurn,
    record: Ended,
    turn_id: TurnId,
    *,
    uid: Callable[[TurnId], bytes],
    offset: Offset,
    ordinal: Ordinal | None,
    end_offset: Offset,
    model: str | None,
) -> Step | None:
    """End a turn; None: that changes nothing."""
    step = turn_step(PAGINATED, turn.state, ENDS[record.status])
    if step is None:
        return None
    row = turn.row
    first, final = _messages(turn, ended=True)
    if row is None:
        turn.row = TurnRow(
            uid=uid(turn_id),
            turn_id=turn_id,
            offset=offset,
            ordinal=ordinal,
            status=step.after.status,
            error_json=record.error_json,
            started_at=record.started_at,
            completed_at=record.completed_at,
            duration_ms=record.duration_ms,
            first_user_item_id=first,
            final_agent_item_id=final,
            end_ordinal=ordinal,
            end_offset=end_offset,
            root_turn_id=record.root_turn_id,
            model=model,
        )
    else:
        turn.row = row._replace(
            **_conclusion(row, record, step.after.status, model),
            first_user_item_id=first,
            final_agent_item_id=final,
            end_ordinal=ordinal,
            end_offset=end_offset,
        )
    turn.items = None
    return step


def end_refused(turn: OpenTurn, record: Ended, *, model: str | None) -> Step | None:
    """Apply an end that Codex refuses: the turn stays open. None: it changes nothing."""
    row = turn.row
    step = turn_step(PAGINATED, turn.state, REFUSED_ENDS[record.status])
    if row is None or step is None:
        return None
    turn.row = row._replace(**_conclusion(row, record, step.after.status, model))
    return step


def _conclusion(row: TurnRow, record: Ended, status: Status, model: str | None) -> dict[str, Any]:
    """Return what the end of a turn tells of its row."""
    error = record.error_json
    if row.status == "failed" and error is None:  # by an `error` event
        error = row.error_json
    return {
        "status": status,
        "error_json": error,
        "started_at": row.started_at if record.started_at is None else record.started_at,
        "completed_at": record.completed_at,
        "duration_ms": record.duration_ms,
        "root_turn_id": record.root_turn_id if row.root_turn_id is None else row.root_turn_id,
        "model": row.model if row.model is not None else model,
    }


def fail(turn: OpenTurn, error_json: str) -> Step | None:
    """Fail an open turn without ending it; None: that changes nothing."""
    step = turn_step(PAGINATED, turn.state, Cause.ERROR)
    if turn.row is None or step is None:
        return None
    turn.row = turn.row._replace(status=step.after.status, error_json=error_json)
    return step


def _messages(turn: OpenTurn, *, ended: bool) -> tuple[ItemId | None, ItemId | None]:
    """Return the first user item and the final agent item, from the row and the items so far.

    `ended`: a message of no phase can be the final one, if there is no other.
    """
    row = turn.row
    first = None if row is None else row.first_user_item_id
    final = plain = None
    for item_id, counts in (turn.items or {}).items():
        if counts == "user":
            first = first or ItemId(item_id)
        elif counts == "final":
            final = ItemId(item_id)
        elif counts == "plain":
            plain = ItemId(item_id)
    if final is None and ended:
        final = plain
    if final is None and row is not None:
        final = row.final_agent_item_id
    return first, final
