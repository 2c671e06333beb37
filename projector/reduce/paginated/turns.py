"""The life of a turn of a paginated rollout. Pure.

    no row ── started ──→ inProgress ── completed ──→ completed, failed ─┐
       │                    │    ↑  └── aborted ────→ interrupted ───────┤ the first end wins
       │                  error  └ started                               │
       │                    ↓    │                                       │
       │                  failed (no end yet) ── completed ──→ failed ───┤
       └────────────── completed, aborted ───────────────────────────────┘

An end that Codex refuses changes what an open row tells, and leaves it open: for Codex the turn
goes on, so items count for it still, and an end that it takes replaces what the refused one told.

Source: docs on paginated rollouts, section 3. Two things are meant to differ from Codex: a
`started_at` that the closing record lacks is kept, and an `error` event fails the turn.
"""

from __future__ import annotations

from typing import Literal

from projector.decode.fields import Object
from projector.decode.lifecycle import Ended, Started
from projector.model.changes import StoredTurn, TurnRow
from projector.model.ids import ItemId, Offset, Ordinal, TurnId

Counts = Literal["user", "final", "plain", ""]


class OpenTurn:
    """What is remembered of a turn: its row, and while it is open, its items."""

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

    @classmethod
    def known(cls, known: StoredTurn | None) -> OpenTurn:
        """Make it from what the store has.

        A buried one (the rollout was another before) is as if it had never been; its items that
        are in the rollout now are among those told of.
        """
        if known is None:
            return cls()
        turn = cls(None if known.buried else known.row)
        if turn.items is not None:
            for message in known.messages:
                turn.items[message.item_id] = message.counts
        return turn


def counts_as(shown: Object) -> Counts:
    """Tell what an item counts as for its turn's row."""
    kind = shown["type"]
    if kind == "agentMessage":
        phase = shown.get("phase")
        return "final" if phase == "final_answer" else "plain" if phase is None else ""
    return "user" if kind == "userMessage" else ""


def item_counts(turn: OpenTurn, item_id: str, counts: Counts) -> bool:
    """Hear of an item of the turn. Gives whether the turn's row is another one now."""
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
    uid: bytes,
    offset: Offset,
    ordinal: Ordinal | None,
    model: str | None,
) -> bool:
    """Begin a turn, or begin it again. Gives whether its row changed."""
    row = turn.row
    if row is None:
        row = TurnRow(
            uid=uid,
            turn_id=record.turn_id,
            offset=offset,
            ordinal=ordinal,
            status="inProgress",
            error_json=None,
            started_at=record.started_at,
            completed_at=None,
            duration_ms=None,
            first_user_item_id=None,
            final_agent_item_id=None,
            end_ordinal=None,
            end_offset=None,
            root_turn_id=record.root_turn_id,
            model=model,
        )
    elif turn.items is None:
        return False
    else:
        row = row._replace(
            status="inProgress",
            error_json=None,
            started_at=row.started_at if record.started_at is None else record.started_at,
            completed_at=None,
            duration_ms=None,
            root_turn_id=record.root_turn_id if row.root_turn_id is None else row.root_turn_id,
            model=row.model if row.model is not None else model,
        )
    turn.row = _computed(turn, row)
    return True


def end(
    turn: OpenTurn,
    record: Ended,
    turn_id: TurnId,
    *,
    uid: bytes,
    offset: Offset,
    ordinal: Ordinal | None,
    end_offset: Offset,
    model: str | None,
) -> bool:
    """End a turn; the first end wins. Gives whether its row changed."""
    row = turn.row
    if row is not None and turn.items is None:
        return False
    if row is None:
        row = TurnRow(
            uid=uid,
            turn_id=turn_id,
            offset=offset,
            ordinal=ordinal,
            status=record.status,
            error_json=record.error_json,
            started_at=record.started_at,
            completed_at=record.completed_at,
            duration_ms=record.duration_ms,
            first_user_item_id=None,
            final_agent_item_id=None,
            end_ordinal=ordinal,
            end_offset=end_offset,
            root_turn_id=record.root_turn_id,
            model=model,
        )
    else:
        row = _concluded(row, record, model)._replace(end_ordinal=ordinal, end_offset=end_offset)
    turn.row = _computed(turn, row)
    turn.items = None
    return True


def end_refused(turn: OpenTurn, record: Ended, *, model: str | None) -> bool:
    """Take what an end tells that Codex refuses; the turn stays open. True if its row changed.

    The first end wins, among those that are refused, too.
    """
    row = turn.row
    if row is None or turn.items is None or row.status not in ("inProgress", "failed"):
        return False
    turn.row = _concluded(row, record, model)
    return True


def _concluded(row: TurnRow, record: Ended, model: str | None) -> TurnRow:
    """Return the row of a turn with what its end tells."""
    status, error = record.status, record.error_json
    if row.status == "failed" and error is None:  # by an `error` event
        error = row.error_json
        status = "failed" if status == "completed" else status
    return row._replace(
        status=status,
        error_json=error,
        started_at=row.started_at if record.started_at is None else record.started_at,
        completed_at=record.completed_at,
        duration_ms=record.duration_ms,
        root_turn_id=record.root_turn_id if row.root_turn_id is None else row.root_turn_id,
        model=row.model if row.model is not None else model,
    )


def fail(turn: OpenTurn, error_json: str) -> bool:
    """Fail an open turn without ending it. Gives whether its row changed."""
    if turn.row is None or turn.items is None:
        return False
    turn.row = turn.row._replace(status="failed", error_json=error_json)
    return True


def _computed(turn: OpenTurn, row: TurnRow) -> TurnRow:
    """Find the first user item and the final agent item anew among the items so far."""
    items = turn.items or {}
    first = row.first_user_item_id
    if first is None:
        first = next((ItemId(key) for key, counts in items.items() if counts == "user"), None)
    final = _last(items, "final")
    if final is None and row.end_offset is not None:
        final = _last(items, "plain")
    if final is None:
        final = row.final_agent_item_id
    return row._replace(first_user_item_id=first, final_agent_item_id=final)


def _last(items: dict[str, Counts], wanted: Counts) -> ItemId | None:
    return next((ItemId(key) for key in reversed(items) if items[key] == wanted), None)
