"""Turns of a legacy rollout: how they open, what belongs to them, how they end.

Which record changes a turn's status: `reduce/turn_states.py`.

At most one turn is active. A record of its own opens it (`explicit`, since 0.100), or the first
record that needs one. An implicit turn is completed from the start, because no record ends it; its
`completed_at` is the time of its last line so far.

The owner of a row is a byte offset: of the line that made it, unless the line names a turn that a
user boundary binds: then that boundary's frame. A rollback to a frame removes the rows whose owner
is not below the frame's key. No owner changes when a boundary opens late in its turn: its frame's
key is the offset of the turn's start.

Source: docs on legacy rollouts, b1, b3, b5 and b6.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from projector.decode import turn_error
from projector.decode.errors import DecodeError
from projector.decode.fields import opt_integer, opt_text
from projector.decode.legacy.fields import Json
from projector.model.changes import Status
from projector.reduce.legacy.context import ReducerContext, named_turn
from projector.reduce.legacy.row_buffer import BufferedTurn
from projector.reduce.legacy.state import ID_MAX, Active
from projector.reduce.turn_states import ENDS, LEGACY, OWN_ENDS, Cause, Step, TurnState
from projector.reduce.turn_states import step as turn_step

_REASONS = frozenset({"interrupted", "replaced", "review_ended", "budget_limited"})


class Turns:
    """The turns of one rollout."""

    def __init__(self, ctx: ReducerContext) -> None:
        self._ctx = ctx
        self._state = ctx.state
        self._rows = ctx.rows

    # Turns of records

    def for_item(self, named: str | None) -> BufferedTurn | None:
        """Return the turn of an item, opening or creating it if needed.

        None: removed by a rollback.
        """
        active = self._state.active
        if named is None or (active is not None and active.turn == named):
            turn = self.active_or_opened()
            return None if turn.popped and named is not None else turn
        turn = self._rows.turn(named)
        if turn.popped:
            return None
        if active is None and turn_step(LEGACY, turn.state, Cause.IMPLIED) is not None:
            return self._open(named)
        return self.named(turn)

    def named(self, turn: BufferedTurn) -> BufferedTurn:
        """Return a turn that an item names: it is not opened, but known from now on."""
        step = turn_step(LEGACY, turn.state, Cause.NAMED)
        if step is not None:
            self._make(turn, step)
            self._tell(step, turn)
        return turn

    def active_or_opened(self) -> BufferedTurn:
        """Return the active turn; without one, open an implicit turn."""
        active = self._state.active
        return self._open(None) if active is None else self._rows.turn(active.turn)

    def for_call(self, passed: str | None) -> BufferedTurn | None:
        """Return the turn of a response item; None: it has none."""
        active = self._state.active
        if active is not None:
            return self._rows.turn(active.turn)
        if passed is None:
            return None
        turn = self._rows.turn(passed)
        return turn if turn.made and not turn.popped else None

    def touch(self, turn_id: str) -> None:
        """Record that an item of a turn changed: an implicit turn lasts until now."""
        active = self._state.active
        if active is None or active.explicit or active.turn != turn_id:
            return
        turn, now = self._rows.turn(turn_id), self._ctx.now_s
        if turn.completed_at != now:
            turn.completed_at = now
            active.lasts_until(now)
            self._rows.change_turn(turn)

    def user_said(self, turn: BufferedTurn, item_id: str) -> None:
        """Record a user message; `turn` is the active one."""
        active = self._state.active
        if active is not None and active.user_said(item_id, counts=not self._is_over(turn)):
            turn.first = item_id
            self._rows.change_turn(turn)

    def agent_said(self, turn: BufferedTurn, item_id: str, phase: str | None) -> None:
        """Record an agent message; `turn` is the active one."""
        active = self._state.active
        if active is None or len(item_id) > ID_MAX or self._is_over(turn):
            return
        final = active.agent_said(item_id, phase)
        if final != turn.final and final is not None:
            turn.final = final
            self._rows.change_turn(turn)

    def snapshot(self) -> Active | None:
        """Return the active turn for a frame, so that a rollback can reactivate it."""
        active, reasoning = self._state.active, self._state.reasoning
        if active is None:
            return None
        joined = reasoning if reasoning is not None and reasoning.turn == active.turn else None
        return replace(active, reasoning=None if joined is None else joined.item)

    def _is_over(self, turn: BufferedTurn) -> bool:
        """True if the turn has ended: its items no longer change its row."""
        active = self._state.active
        return turn.end_offset is not None and active is not None and not active.soft

    # Starts

    def _make(self, turn: BufferedTurn, step: Step) -> None:
        """Create the turn's row at this line."""
        # A turn already named by an item keeps its position.
        place = turn.offset if turn.made else self._ctx.record.offset
        turn.clear()
        turn.made, turn.status = True, step.after.status
        turn.offset, turn.owner = place, self._ctx.record.offset
        turn.model = self._state.meta.model
        self._rows.change_turn(turn)

    def _open(self, named: str | None) -> BufferedTurn:
        turn_id = self._ctx.made_id("turn") if named is None else named
        turn = self._rows.turn(turn_id)
        now = self._ctx.now_s
        step = LEGACY[TurnState.ABSENT][Cause.IMPLIED]  # a row that is there is made again
        self._make(turn, step)
        turn.started_at = turn.completed_at = now
        self._state.begin_turn(Active(turn=turn_id, explicit=False, last_at=now))
        self._state.tokens.turn_began(turn_id)
        self._state.note_turn_time(self._ctx.now_ms)
        self._state.end_reasoning()
        self._tell(step, turn)
        return turn

    def start(self, payload: Json) -> None:
        """Apply a `task_started`."""
        turn_id = self._needed(payload)
        started_at = opt_integer(payload, "started_at")
        root = _root(payload)
        turn = self._rows.turn(turn_id)
        before = self.snapshot()
        self._state.end_reasoning()
        again = before is not None and before.explicit and before.turn == turn_id
        if not again:
            self._leave()
        step = turn_step(LEGACY, turn.state, Cause.STARTED)
        if step is not None:
            self._make(turn, step)
            turn.started_at = self._ctx.now_s if started_at is None else started_at
            turn.root = root
            self._tell(step, turn)
        state = self._state
        if not again:
            active = Active(
                turn=turn_id,
                explicit=True,
                saw_user=turn.first is not None,
                root=root,
                first=turn.first,
                final=turn.final,
            )
            state.begin_turn(active)
            state.tokens.turn_began(turn_id)
        state.remember_start(turn_id, self._ctx.record.offset, before)
        state.note_turn_time(self._ctx.now_ms)

    def _leave(self) -> None:
        """Leave the active turn: an implicit one ends, an explicit one stays open."""
        active = self._state.active
        if active is None:
            return
        if not active.explicit:
            self.close_implicit()
            return
        turn = self._rows.turn(active.turn)
        if turn.made and turn.final is None and active.plain is not None:
            turn.final = active.plain
            self._rows.change_turn(turn)
        self._state.leave_turn()

    def close_implicit(self) -> None:
        """End the active turn before this line, if it is an implicit one."""
        active = self._state.active
        if active is None or active.explicit:
            return
        turn = self._rows.turn(active.turn)
        step = turn_step(LEGACY, turn.state, Cause.CLOSED)
        if step is not None:
            turn.status = step.after.status
            turn.end_offset = self._ctx.record.offset
            self._rows.change_turn(turn)
        self._state.leave_turn()
        self._state.end_reasoning()
        self.fail_calls(turn.turn_id)

    # Ends

    def complete(self, payload: Json) -> None:
        """Apply a `task_complete`."""
        turn_id = self._needed(payload)
        error = payload.get("error")
        error_json = None if error is None else turn_error.error_json(error)
        self._ctx.note_fields(turn_error.unknown_members(error))
        self._end(turn_id, "failed" if error_json else "completed", error_json, payload)

    def abort(self, payload: Json) -> None:
        """Apply a `turn_aborted`, of a named or the active turn."""
        reason = payload.get("reason")
        if type(reason) is not str or reason not in _REASONS:
            raise DecodeError("reason")
        opt_text(payload, "turn_id")
        turn_id = named_turn(payload)
        if turn_id is None:
            active = self._state.active
            self._state.end_reasoning()
            if active is None:
                return
            self._end(active.turn, "interrupted", None, payload, named=False)
        else:
            self._end(turn_id, "interrupted", None, payload)

    def _end(
        self,
        turn_id: str,
        status: Status,
        error_json: str | None,
        payload: Json,
        *,
        named: bool = True,
    ) -> None:
        times = _Times(payload)
        turn = self._rows.turn(turn_id)
        if turn.popped and named:
            return
        state = self._state
        self._state.end_reasoning()
        active = state.active
        if active is not None and active.turn == turn_id:
            self._ended(turn, status, error_json, times, over=active.soft)
            self.fail_calls(turn_id)
            state.leave_turn()
        elif turn.made:
            self._ended(turn, status, error_json, times)
            self.fail_calls(turn_id)
            if active is not None and active.root == turn_id:
                self._end_soft(active, status, error_json, times)
        elif active is not None and active.explicit:
            self._end_soft(active, status, error_json, times)
        if named and state.started_last == turn_id:
            state.forget_start()

    def _end_soft(
        self, active: Active, status: Status, error_json: str | None, times: _Times
    ) -> None:
        """End the active turn by the end of another one, as reviews do.

        It stays active, because Codex appends what follows to it, and its own end still counts.
        """
        turn = self._rows.turn(active.turn)
        if turn.end_offset is None:
            self._ended(turn, status, error_json, times)
            active.end_softly()
            self.fail_calls(turn.turn_id)
            if self._state.started_last == active.turn:
                self._state.forget_start()

    def _ended(
        self,
        turn: BufferedTurn,
        status: Status,
        error_json: str | None,
        times: _Times,
        *,
        over: bool = False,
    ) -> None:
        """End a turn. `over`: another turn's end has ended it, and this is its own."""
        ends = OWN_ENDS if over and turn.end_offset is not None else ENDS
        step = turn_step(LEGACY, turn.state, ends[status])
        if step is None:
            return
        turn.status = step.after.status
        if error_json is not None:
            turn.error_json = error_json
        elif over and status == "completed":
            turn.error_json = None
        record = self._ctx.record
        turn.end_offset = record.end
        turn.end_owner = self._owner(turn)
        if times.started_at is not None:
            turn.started_at = times.started_at
        completed = times.completed_at
        turn.completed_at = self._ctx.now_s if completed is None else completed
        turn.duration_ms = times.duration_ms
        active = self._state.active
        if active is not None and active.turn == turn.turn_id:
            turn.final = active.final or active.plain
        self._rows.change_turn(turn)
        more = None
        if turn.status == "failed":
            more = _error(times.error)
        elif turn.status == "interrupted":
            more = {"reason": times.reason}
        self._tell(step, turn, more)

    def _owner(self, turn: BufferedTurn) -> int:
        frame, offset = turn.frame, self._ctx.record.offset
        active = self._state.active
        if frame is None or (active is not None and active.turn == turn.turn_id):
            return offset
        return min(frame, offset)

    def fail(self, payload: Json) -> None:
        """Apply an `error` event: the active turn fails, if the error is one of the turn."""
        info = payload.get("codex_error_info")
        error_json = turn_error.error_json(payload)
        self._ctx.note_fields(turn_error.unknown_members(payload))
        active = self._state.active
        if active is None or turn_error.kind(info) in turn_error.HARMLESS:
            return
        turn = self._rows.turn(active.turn)
        step = turn_step(LEGACY, turn.state, Cause.ERROR)
        if step is None:
            return
        turn.status, turn.error_json = step.after.status, error_json
        self._rows.change_turn(turn)
        self._tell(step, turn, _error(payload))

    def fail_calls(self, turn_id: str) -> None:
        """Mark the items of a turn's calls without output as failed: the turn has ended."""
        now = self._ctx.row_ms
        for call_id, call in self._state.fail_calls(turn_id):
            item = self._rows.item(turn_id, call_id) if call.shown else None
            if item is not None and item.json.get("status") == "inProgress":
                self._rows.change_item(item, item.json | {"status": "failed"}, now)

    # Settings

    def model(self, model: str) -> None:
        """Set the model of the active turn."""
        active = self._state.active
        if active is None:
            return
        turn = self._rows.turn(active.turn)
        if turn.made and turn.model != model:
            turn.model = model
            self._rows.change_turn(turn)

    def _needed(self, payload: Json) -> str:
        turn_id = named_turn(payload)
        if turn_id is None:
            raise DecodeError("turn_id")
        return turn_id

    def _tell(self, step: Step, turn: BufferedTurn, more: Json | None = None) -> None:
        """Add the events of what happened to a turn. `more`: what only they tell."""
        if step.events:
            told = turn.told() | (more or {}) | self._ctx.unknown_of_turn()
            for event in step.events:
                self._ctx.event(event, turn.turn_id, told)


class _Times:
    """The times of a record that ends a turn."""

    __slots__ = ("completed_at", "duration_ms", "error", "reason", "started_at")

    def __init__(self, payload: Json) -> None:
        self.started_at = opt_integer(payload, "started_at")
        self.completed_at = opt_integer(payload, "completed_at")
        self.duration_ms = opt_integer(payload, "duration_ms")
        self.reason = payload.get("reason")
        self.error = payload.get("error")


def _error(error: Any) -> Json:
    """Return the error in an event's payload."""
    if type(error) is not dict:
        return {}
    kind = turn_error.kind(error.get("codex_error_info"))
    told = {"message": error.get("message"), "kind": kind}
    return {"error": {name: value for name, value in told.items() if value is not None}}


def _root(payload: Json) -> str | None:
    root = opt_text(payload, "root_turn_id")
    return root if root and len(root) <= ID_MAX else None
