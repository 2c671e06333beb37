"""Replay a thread's visible history as the notifications of a live session. Pure.

Names and shapes are those of Codex's app-server protocol (seen from 0.169.0): `turn/started`,
`item/completed`, `error` before the end of a failed turn, `turn/completed` with its status.
Beside `method` and `params` an event has the `position`, `rolloutId` and `uid` of its row.

1. Events are in the order of the records: turns may interleave, and an item that came after
   the end of its turn (a command that was still running) comes after it.
2. A turn starts at its position or, if its first item is before that (a fork of a running
   turn has the turn in its newest part), right before this item. A turn's row in the newest part
   is what the thread shows of it.
3. A turn ends after the record that ended it; without a record of its own, after its last
   item. A turn in progress has no end.
4. Items of a turn without any record have no start and end events.

Memory: a page of turns and items, pending ends, and recently seen turns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any, Final

import orjson

from projector.serve.history.visible import History
from projector.store.questions.history import Item, Turn

#: Number of turns remembered as started; an older one is looked up again.
RECENT: Final = 1024

Event = dict[str, Any]


def replay(history: History) -> Iterator[Event]:
    """Yield the events in order."""
    return _Replay(history).events()


def line(event: Event) -> bytes:
    """Format an event as a line of JSON."""
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


class _Replay:
    def __init__(self, history: History) -> None:
        self._history = history
        self._thread_id: str = history.thread["thread_id"]
        self._ends: list[tuple[int, int, Turn]] = []
        """By position, then in order of starts."""
        self._starts = 0
        self._early: set[str] = set()
        """Turns started before their position, which is still to come."""
        self._recent: OrderedDict[str, None] = OrderedDict()

    def events(self) -> Iterator[Event]:
        turns, items = self._history.turns(), self._history.items()
        turn, item = next(turns, None), next(items, None)
        while turn is not None or item is not None:
            # If a turn and an item come from one record, the turn is first.
            if item is None or (turn is not None and turn.position <= item.position):
                assert turn is not None
                yield from self._ended(turn.position)
                if turn.turn_id in self._early:
                    self._early.remove(turn.turn_id)
                else:
                    yield self._start(turn)
                turn = next(turns, None)
            else:
                yield from self._ended(item.position)
                yield from self._start_before(item)
                yield self._item(item)
                item = next(items, None)
        yield from self._ended(None)

    def _start_before(self, item: Item) -> Iterator[Event]:
        if item.turn_id in self._early:
            return
        if item.turn_id in self._recent:
            self._recent.move_to_end(item.turn_id)
            return
        turn = self._history.turn(item.turn_id)
        if turn is not None and turn.position > item.position:
            self._early.add(turn.turn_id)
            yield self._start(turn)
        else:
            self._remember(item.turn_id)

    def _start(self, turn: Turn) -> Event:
        self._remember(turn.turn_id)
        self._starts += 1
        if turn.status != "inProgress":
            heappush(self._ends, (self._end(turn), self._starts, turn))
        running = turn._replace(
            status="inProgress", error_json=None, completed_at=None, duration_ms=None
        )
        return self._turn("turn/started", running)

    def _end(self, turn: Turn) -> int:
        if turn.end_position is not None:
            return turn.end_position
        span = self._history.spans().get(turn.turn_id)
        return max(turn.position, span.last if span else 0) + 1

    def _ended(self, position: int | None) -> Iterator[Event]:
        """Yield the ends before a position; None: all."""
        while self._ends and (position is None or self._ends[0][0] <= position):
            _, _, turn = heappop(self._ends)
            if turn.status == "failed" and turn.error_json is not None:
                yield self._error(turn)
            yield self._turn("turn/completed", turn)

    def _remember(self, turn_id: str) -> None:
        self._recent[turn_id] = None
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def _turn(self, method: str, turn: Turn) -> Event:
        shown: dict[str, Any] = {
            "id": turn.turn_id,
            "rootTurnId": turn.root_turn_id,
            "items": [],
            "itemsView": "notLoaded",
            "status": turn.status,
            "error": raw(turn.error_json),
            "startedAt": turn.started_at,
            "completedAt": turn.completed_at,
            "durationMs": turn.duration_ms,
        }
        return self._event(method, {"threadId": self._thread_id, "turn": shown}, turn)

    def _error(self, turn: Turn) -> Event:
        params = {
            "error": raw(turn.error_json),
            "willRetry": False,
            "threadId": self._thread_id,
            "turnId": turn.turn_id,
        }
        return self._event("error", params, turn)

    def _item(self, item: Item) -> Event:
        completed = item.created_at_ms if item.completed_at_ms is None else item.completed_at_ms
        params = {
            "item": orjson.Fragment(_timed(item)),
            "threadId": self._thread_id,
            "turnId": item.turn_id,
            "completedAtMs": completed,
        }
        return self._event("item/completed", params, item)

    @staticmethod
    def _event(method: str, params: dict[str, Any], row: Turn | Item) -> Event:
        return {
            "method": method,
            "params": params,
            "position": row.position,
            "rolloutId": row.rollout_id,
            "uid": row.uid,
        }


def raw(text: str | None) -> orjson.Fragment | None:
    """Embed stored JSON unchanged: number spelling and key order are preserved."""
    return None if text is None else orjson.Fragment(text)


def _timed(item: Item) -> str:
    """Return the snapshot with its times as last keys, as the app-server sends it."""
    if '"startedAtMs"' in item.item_json or '"completedAtMs"' in item.item_json:
        return item.item_json  # an item that contains these keys, or mentions them
    times = {"startedAtMs": item.started_at_ms, "completedAtMs": item.completed_at_ms}
    return item.item_json.rstrip().removesuffix("}") + "," + orjson.dumps(times).decode()[1:]
