"""User boundaries, which rollbacks count and remove.

A frame is pushed at each boundary and stored as a row: the newest are held in memory, older ones
are looked up when a rollback reaches them.

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
from projector.reduce.turn_states import LEGACY, Cause
from projector.reduce.turn_states import step as turn_step

#: Maximum number of frames in memory, and how many are evicted at once.
FRAMES_MAX: Final = 4_096
FRAMES_FORGOTTEN: Final = 2_048


class RollbackStack:
    """The frames of one rollout."""

    def __init__(self, ctx: ReducerContext, turns: Turns, *, whole: bool) -> None:
        self._ctx = ctx
        self._turns = turns
        self._frames: list[RollbackFrame] = []
        """The newest frames that are not popped, oldest first."""
        self._floor: int | None = None if whole else _EVERYTHING
        """Frames with smaller keys are not in memory; None: there are none."""

    # Memory

    def missing(self, count: int) -> bool:
        """True if a rollback of this many may reach frames that are not in memory."""
        return self._floor is not None and count > len(self._frames)

    def learn(self, frames: Sequence[RollbackFrame], asked: int) -> None:
        """Add the newest `asked` living frames of the store, given newest first."""
        if self._floor is None:
            return
        # Frames opened since the reducer was created are in memory, and in the store by now.
        floor = self._frames[0].key if self._frames else self._floor
        older = [frame for frame in frames if frame.key < floor]
        older.reverse()
        self._frames[:0] = older
        self._floor = self._frames[0].key if len(frames) >= asked else None

    def forget(self) -> None:
        """Evict the oldest frames if there are too many."""
        if len(self._frames) > FRAMES_MAX:
            del self._frames[:FRAMES_FORGOTTEN]
            self._floor = self._frames[0].key

    def before(self, count: int) -> list[Active]:
        """Return the turns that a rollback of this many may reactivate."""
        befores = [active_of(frame.before) for frame in self._frames[-count:]] if count else []
        return [before for before in befores if before is not None]

    # Records

    def open(self) -> Pair:
        """Open a boundary at this record; return it for the record that may belong to it."""
        state = self._ctx.state
        before = self._turns.snapshot() if state.start is None else state.before_start
        key = self._ctx.record.offset if state.start is None else state.start
        frame = RollbackFrame(key, _id(state.started_last), active_json(before))
        state.open_boundary()
        self._frames.append(frame)
        self._ctx.changes.add(frame)
        if state.started_last is not None:
            self._ctx.rows.turn(state.started_last).bind(frame)
        return Pair(key=key, before=frame.before)

    def bind(self, pair: Pair, turn_id: str) -> None:
        """Store which implicit turn the user's message opened, for readers of frames."""
        frame = RollbackFrame(pair.key, TurnId(turn_id), pair.before)
        if self._frames and self._frames[-1].key == pair.key:
            self._frames[-1] = frame
        self._ctx.changes.add(frame)
        self._ctx.rows.turn(turn_id).bind(frame)

    def roll_back(self, payload: Json) -> None:
        """Apply a `thread_rolled_back`."""
        count = rollback_of(payload)
        if count is None:
            raise DecodeError("num_turns")
        state, rows = self._ctx.state, self._ctx.rows
        popped = self._frames[-count:] if count else []
        at = self._ctx.record.offset
        turn_ids = list(dict.fromkeys(f.turn_id for f in popped if f.turn_id is not None))
        told = {"num_turns": count, "turn_ids": turn_ids}
        self._ctx.event("thread.rolled_back", None, told)
        if count == 0:
            return
        state.forget_start()
        if not popped:
            return
        del self._frames[-len(popped) :]
        first = popped[0]
        if self._floor is not None:
            self._floor = min(self._floor, first.key)
        rows.tombstone_frames(at, first.key)
        state.roll_back(first.key)
        self._go_back(first)

    def _go_back(self, frame: RollbackFrame) -> None:
        """Reactivate the turn that was active before the frame, if it still exists."""
        rows = self._ctx.rows
        before = active_of(frame.before)
        if before is None:
            return
        turn = rows.turn(before.turn)
        if not turn.made:
            return
        cause = Cause.RESUMED if before.explicit else Cause.RESUMED_IMPLICIT
        step = turn_step(LEGACY, turn.state, cause)
        self._ctx.state.resume_turn(before)
        turn.first, turn.final = before.first, before.final
        if not before.explicit:
            turn.final = before.final or before.plain
            turn.completed_at, turn.end_offset = before.last_at, None
        if step is not None:
            turn.status = step.after.status
            for event in step.events:
                self._ctx.event(event, turn.turn_id, turn.told())
        rows.change_turn(turn)


#: No offset is greater: nothing is in memory.
_EVERYTHING: Final = 2**63 - 1


def rollback_of(payload: Json) -> int | None:
    """Return the number of boundaries in a `thread_rolled_back`; None if it is missing."""
    count = payload.get("num_turns")
    return count if type(count) is int and 0 <= count < 2**32 else None


def _id(turn_id: str | None) -> TurnId | None:
    return None if turn_id is None else TurnId(turn_id)
