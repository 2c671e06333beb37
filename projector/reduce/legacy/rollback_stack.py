"""User boundaries: what a rollback counts, and what it takes.

A frame is pushed at each boundary. It lives in a row: the newest are remembered, older ones are
asked for when a rollback reaches them.

Source: docs on legacy rollouts, b6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from projector.decode.errors import DecodeError
from projector.decode.legacy.fields import Json
from projector.model.changes import RollbackFrame
from projector.model.ids import TurnId
from projector.reduce.legacy.context import ReducerContext
from projector.reduce.legacy.state import Active, Pair, active_json, active_of
from projector.reduce.legacy.turns import Turns

#: Frames that are remembered, and how many of them are forgotten at once.
FRAMES_MAX: Final = 4_096
FRAMES_FORGOTTEN: Final = 2_048


class RollbackStack:
    """The frames of one rollout."""

    def __init__(self, desk: ReducerContext, turns: Turns, *, whole: bool) -> None:
        self._desk = desk
        self._turns = turns
        self._frames: list[RollbackFrame] = []
        """The newest that are not popped, oldest first."""
        self._floor: int | None = None if whole else _EVERYTHING
        """Frames with lesser keys are not remembered; None: there are none."""

    # Memory

    def missing(self, count: int) -> bool:
        """Tell whether a rollback of so many may reach frames that are not remembered."""
        return self._floor is not None and count > len(self._frames)

    def learn(self, frames: Sequence[RollbackFrame], asked: int) -> None:
        """Remember the newest `asked` living frames of the store, given newest first."""
        if self._floor is None:
            return
        # What was opened since the reducer was made is remembered, and in the store by now.
        floor = self._frames[0].key if self._frames else self._floor
        older = [frame for frame in frames if frame.key < floor]
        older.reverse()
        self._frames[:0] = older
        self._floor = self._frames[0].key if len(frames) >= asked else None

    def forget(self) -> None:
        """Forget the oldest, if there are too many."""
        if len(self._frames) > FRAMES_MAX:
            del self._frames[:FRAMES_FORGOTTEN]
            self._floor = self._frames[0].key

    def before(self, count: int) -> list[Active]:
        """Give the turns that a rollback of so many may go back to."""
        befores = [active_of(frame.before) for frame in self._frames[-count:]] if count else []
        return [before for before in befores if before is not None]

    # Records

    def open(self, *, by_message: bool) -> None:
        """Open a boundary at this record; `by_message`: the next record may belong to it."""
        state = self._desk.state
        before = self._turns.snapshot() if state.start is None else state.before_start
        key = self._desk.record.offset if state.start is None else state.start
        frame = RollbackFrame(key, _id(state.started_last), active_json(before))
        state.start = state.before_start = None
        self._frames.append(frame)
        self._desk.ledger.add(frame)
        if state.started_last is not None:
            self._desk.ledger.turn(state.started_last).bind(frame)
        if by_message:
            state.pair = Pair(key=key, before=frame.before)

    def bind(self, pair: Pair, turn_id: str) -> None:
        """Tell which implicit turn the user's message opened, for people who read frames."""
        frame = RollbackFrame(pair.key, TurnId(turn_id), pair.before)
        if self._frames and self._frames[-1].key == pair.key:
            self._frames[-1] = frame
        self._desk.ledger.add(frame)
        self._desk.ledger.turn(turn_id).bind(frame)

    def roll_back(self, payload: Json) -> None:
        """Take a `thread_rolled_back`."""
        count = rollback_of(payload)
        if count is None:
            raise DecodeError("num_turns")
        state, ledger = self._desk.state, self._desk.ledger
        popped = self._frames[-count:] if count else []
        at = self._desk.record.offset
        turn_ids = list(dict.fromkeys(f.turn_id for f in popped if f.turn_id is not None))
        told = {"num_turns": count, "turn_ids": turn_ids}
        ledger.event("thread.rolled_back", None, at, told, self._desk.now_ms)
        if count == 0:
            return
        state.started_last = state.start = state.before_start = None
        if not popped:
            return
        self._desk.end_reasoning()
        state.last_search = None
        del self._frames[-len(popped) :]
        first = popped[0]
        if self._floor is not None:
            self._floor = min(self._floor, first.key)
        ledger.bury(at, first.key)
        self._forget_from(first.key)
        self._go_back(first)

    def _forget_from(self, key: int) -> None:
        """Forget what the frames from `key` on have left open."""
        state = self._desk.state
        for calls in (state.calls, state.sessions):
            for call_id in [each for each, call in calls.items() if call.offset >= key]:
                del calls[call_id]
        state.told.clear()
        meta = state.meta
        if meta.preview_offset is not None and meta.preview_offset >= key:
            meta.preview = meta.preview_offset = None

    def _go_back(self, frame: RollbackFrame) -> None:
        """Make the turn active that was so before the frame, if it is still there."""
        state, ledger = self._desk.state, self._desk.ledger
        state.active = None
        before = active_of(frame.before)
        if before is None:
            return
        turn = ledger.turn(before.turn)
        if not turn.made:
            return
        if before.reasoning is not None:
            # Codex goes back to all that it had in hand, the open reasoning too.
            state.reasoning = (before.turn, before.reasoning)
            before.reasoning = None
        state.active = before
        turn.first, turn.final = before.first, before.final
        if not before.explicit:
            turn.final = before.final or before.plain
            turn.completed_at, turn.end_offset = before.last_at, None
            if turn.status == "inProgress":
                turn.status = "completed"
        elif turn.status == "inProgress":
            ledger.event(
                "turn.started",
                turn.turn_id,
                self._desk.record.offset,
                turn.told(),
                self._desk.now_ms,
            )
        ledger.change_turn(turn)


#: No offset is greater: nothing is remembered.
_EVERYTHING: Final = 2**63 - 1


def rollback_of(payload: Json) -> int | None:
    """Give how many boundaries a `thread_rolled_back` takes; None: it does not say."""
    count = payload.get("num_turns")
    return count if type(count) is int and 0 <= count < 2**32 else None


def _id(turn_id: str | None) -> TurnId | None:
    return None if turn_id is None else TurnId(turn_id)
