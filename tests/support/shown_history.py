"""A visible history held in memory, and rows to make one of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from projector.store.questions.history import Item, Span, Turn

THREAD: Mapping[str, Any] = {
    "thread_id": "00000000-0000-7000-8000-000000000001",
    "name": "A name",
    "preview": "Do it",
    "cwd": "/w",
    "model": "m",
    "model_provider": "p",
    "reasoning_effort": None,
    "source": "cli",
    "source_kind": None,
    "thread_source": "user",
    "parent_thread_id": None,
    "forked_from_id": None,
    "archived": 0,
    "deleted": 0,
    "incomplete": 0,
    "created_at_ms": 1_000_000_000_000,
    "updated_at_ms": 1_000_000_060_000,
    "turn_count": 1,
    "item_count": 1,
    "total_tokens": 5,
    "git_branch": None,
    "git_sha": None,
}


def turn(
    turn_id: str,
    position: int,
    status: str = "completed",
    *,
    end: int | None = None,
    error_json: str | None = None,
    duration_ms: int | None = None,
) -> Turn:
    """Give a turn."""
    return Turn(
        position=position,
        rollout_id="r",
        turn_id=turn_id,
        uid=f"turn {turn_id}",
        status=status,
        error_json=error_json,
        started_at=1_000_000_000,
        completed_at=None if status == "inProgress" else 1_000_000_001,
        duration_ms=duration_ms,
        model="m",
        input_tokens=None,
        cached_input_tokens=None,
        output_tokens=None,
        reasoning_output_tokens=None,
        total_tokens=None,
        root_turn_id=None,
        end_position=end,
    )


def item(turn_id: str, position: int, kind: str = "plan", /, **fields: object) -> Item:
    """Give an item; its id is its position."""
    snapshot = {"type": kind, "id": f"i{position}", **(fields or {"text": "x"})}
    return Item(
        position=position,
        rollout_id="r",
        turn_id=turn_id,
        item_id=f"i{position}",
        uid=f"item {position}",
        type=kind,
        item_json=json.dumps(snapshot, ensure_ascii=False),
        created_at_ms=1_000_000_000_000 + position,
        started_at_ms=None,
        completed_at_ms=1_000_000_000_001 + position,
    )


class HeldHistory:
    """A visible history whose rows are all here."""

    def __init__(
        self,
        turns: Sequence[Turn],
        items: Sequence[Item],
        thread: Mapping[str, Any] = THREAD,
    ) -> None:
        self._turns = sorted(turns, key=lambda one: one.position)
        self._items = sorted(items, key=lambda one: one.position)
        self._thread = thread

    @property
    def thread(self) -> Mapping[str, Any]:
        return self._thread

    def turns(self) -> Iterator[Turn]:
        return iter(self._turns)

    def turn(self, turn_id: str) -> Turn | None:
        return next((one for one in self._turns if one.turn_id == turn_id), None)

    def items(self) -> Iterator[Item]:
        return iter(self._items)

    def items_of(self, turn_id: str) -> Iterator[Item]:
        return (one for one in self._items if one.turn_id == turn_id)

    def spans(self) -> Mapping[str, Span]:
        found: dict[str, Span] = {}
        for one in self._items:
            first = found[one.turn_id].first if one.turn_id in found else one.position
            found[one.turn_id] = Span("r", first, one.position)
        return found
