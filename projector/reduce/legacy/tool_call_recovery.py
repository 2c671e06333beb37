"""Rebuild items that exist only in the model's input, from calls and their outputs.

A call's item is created at the line of the call and ends with its output. An event of the same call
takes precedence, whenever it comes: its item has the position and time of the event's line, so that
commands that ran in parallel are in the order of their ends, as Codex 0.171 migrates them. Without
an event an item keeps the call's position. Open calls, and processes that outlive theirs, are part
of the state; both are bounded, and evicted with an anomaly.

Source: docs on legacy rollouts, e; for positions, the output of Codex 0.171's migration for calls
whose events and outputs come in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from projector.decode import item_types
from projector.decode.errors import DecodeError
from projector.decode.fields import opt_text, text
from projector.decode.legacy import tools
from projector.decode.legacy.fields import Json
from projector.decode.legacy.output_text import joined, read_output
from projector.decode.legacy.tool_calls import (
    COMMANDS_MAX,
    BadArguments,
    Called,
    Setting,
    called,
    command_item,
    further_id,
    new_setting,
)
from projector.decode.legacy.tool_results import answered, answered_each, polled
from projector.decode.legacy.user_context import ShellCommand, folder_of, shell_command
from projector.decode.tools import search_action
from projector.reduce.legacy.context import ReducerContext, named_turn, passed_turn
from projector.reduce.legacy.row_buffer import BufferedItem, BufferedTurn
from projector.reduce.legacy.state import ID_MAX, OpenCall, Session
from projector.reduce.legacy.thread import ThreadRecords
from projector.reduce.legacy.turns import Turns


class ToolCallRecovery:
    """The open calls of one rollout."""

    def __init__(self, ctx: ReducerContext, turns: Turns, thread: ThreadRecords) -> None:
        self._ctx = ctx
        self._turns = turns
        self._thread = thread
        self.items: Final[Mapping[str, Callable[[Json], None]]] = {
            "function_call": self.call,
            "custom_tool_call": self.call,
            "local_shell_call": self.call,
            "function_call_output": self.output,
            "custom_tool_call_output": self.output,
            "web_search_call": self.search,
            "image_generation_call": self.image,
        }
        """What applies response items that are calls or outputs, by type."""

    def context(self, payload: Json, words: str) -> None:
        """Apply a text about the folder, or about a command that the person ran."""
        start = words.lstrip()[:32]
        if start.startswith("<environment_context>"):
            folder = folder_of(words)
            if folder is not None:
                self._thread.folder(folder)
        elif start.startswith("<user_shell_command>"):
            ran = shell_command(words)
            if ran is not None:
                self.shell(payload, ran)

    def call(self, payload: Json) -> None:
        """Apply a call of the model."""
        call_id = payload.get("call_id")
        if call_id is None and payload.get("type") == "local_shell_call":
            call_id = payload.get("id")
        if type(call_id) is not str or not 0 < len(call_id) <= ID_MAX:
            self._ctx.note("bad_arguments", "a call without a call id")
            return
        state = self._ctx.state
        if call_id in state.told:
            return
        turn = self._turns.for_call(passed_turn(payload))
        if turn is None:
            return
        if call_id in state.calls:
            self._ctx.note("duplicate_call", "a call id that is still open")
        try:
            what = called(payload, call_id, self._setting())
        except BadArguments as error:
            self._ctx.note("bad_arguments", f"{error} not as the tool takes them")
            what = Called("nothing")
        if what.item is not None:
            self._put(turn, what.item)
        offset = self._ctx.record.offset
        call = OpenCall(
            kind=what.kind,
            turn=turn.turn_id,
            offset=offset,
            at_ms=self._ctx.now_ms,
            note=what.note,
            shown=what.item is not None,
            owner=self._ctx.owner_of(turn, offset) if what.kind == "commands" else None,
        )
        for _, aged in state.open_call(call_id, call):
            self._ctx.note_at("open_call_aged", aged.offset, "no output in the calls behind it")

    def _setting(self) -> Setting:
        state = self._ctx.state
        return new_setting((state.cwd, state.thread_id, state.tools, self._thread.plain_mcp))

    def output(self, payload: Json) -> None:
        """Apply the output of a call."""
        call_id = payload.get("call_id")
        if type(call_id) is not str:
            return
        state = self._ctx.state
        call = state.close_call(call_id)
        if call is None:
            if call_id not in state.told:
                self._ctx.note("orphan_output", "an output without an open call")
            return
        output = payload.get("output")
        if call.kind == "stdin":
            self._more(call, output)
        elif call.kind == "command":
            self._goes_on(call, self._answer(call_id, call, output))
        elif call.kind == "commands":
            self._commands(call_id, call, output)
        elif call.kind != "nothing":
            self._answer(call_id, call, output)

    def _answer(self, call_id: str, call: OpenCall, output: Any) -> BufferedItem | None:
        """Complete the item of a call; return it if it is still in the history."""
        state, rows = self._ctx.state, self._ctx.rows
        item = rows.item(call.turn, call_id) if call.shown else None
        if call.shown and item is None:
            return None  # removed by a rollback
        made = answered(call.kind, call_id, None if item is None else item.json, call.note, output)
        if item is not None:
            if made is None:
                rows.drop(call.turn, call_id, self._ctx.record.offset)
                item = None
            else:
                rows.change_item(item, made, self._ctx.row_ms)
        elif made is not None:
            at_ms = self._ctx.row_ms if call.at_ms is None else call.at_ms
            turn = rows.turn(call.turn)
            if call.offset < self._ctx.batch:
                # The store expects new rows at the position of the batch, unless older ones change.
                rows.drop(call.turn, call_id, self._ctx.record.offset)
            item = self._ctx.item(turn, made, "response_item", offset=call.offset, created_ms=at_ms)
            state.remember_rebuilt(call.turn, call_id)
        self._turns.touch(call.turn)
        return item

    def _commands(self, call_id: str, call: OpenCall, output: Any) -> None:
        """Show the commands of a script one by one, or its output whole.

        Further commands are at the bytes after the first of the call's line, so that positions
        are unique and in the order of the script, and go with it if a rollback takes it.
        """
        rows, record, state = self._ctx.rows, self._ctx.record, self._ctx.state
        first = rows.item(call.turn, call_id)
        made = [] if first is None else answered_each(first.json, call.note, output)
        if first is None or not made:
            self._answer(call_id, call, output)
            return
        for further in made[1:]:  # of a call with the same id, and see `_answer`
            rows.drop(call.turn, further["id"], record.offset)
        rows.change_item(first, made[0], self._ctx.row_ms)
        self._goes_on(call, first)
        turn, at_ms = rows.turn(call.turn), call.at_ms
        for number, further in enumerate(made[1:], 1):
            item = self._ctx.item(
                turn,
                further,
                "response_item",
                offset=call.offset + number,
                created_ms=self._ctx.row_ms if at_ms is None else at_ms,
                owner=call.owner,
            )
            state.remember_rebuilt(call.turn, further["id"])
            self._goes_on(call, item)
        self._turns.touch(call.turn)

    def _goes_on(self, call: OpenCall, item: BufferedItem | None) -> None:
        """Remember the process of a command that outlives its call."""
        if item is None or item.json["status"] != "inProgress":
            return
        session = item.json["processId"]
        if session is None or len(session) > ID_MAX:
            return
        item_id = item.key.item
        process = Session(turn=call.turn, item=item_id, offset=call.offset, at_ms=call.at_ms)
        aged = self._ctx.state.open_session(session, process)
        if aged is not None:
            self._ctx.note_at("session_aged", aged.offset, "a process that never ended")

    def _more(self, call: OpenCall, output: Any) -> None:
        """Append what a process has written since."""
        state = self._ctx.state
        session = state.sessions.get(call.note)
        if session is None:
            return
        rows = self._ctx.rows
        item = rows.item(session.turn, session.item)
        if item is None:
            state.close_session(call.note)
            return
        read = read_output(joined(output))
        made = polled(item.json, read, session.at_ms, self._ctx.now_ms)
        if made is None:
            return
        rows.change_item(item, made, self._ctx.row_ms)
        self._turns.touch(session.turn)
        if made["status"] != "inProgress":
            state.close_session(call.note)

    def _put(self, turn: BufferedTurn, item: Json) -> None:
        """Insert an item at this line."""
        self._ctx.item(turn, item, "response_item")
        self._ctx.state.remember_rebuilt(turn.turn_id, item["id"])
        self._turns.touch(turn.turn_id)

    def told(self, turn: BufferedTurn, item_id: str) -> None:
        """Replace the item rebuilt from a call by the event's item with its id.

        The position is the event's too.
        """
        state, rows, record = self._ctx.state, self._ctx.rows, self._ctx.record
        made: dict[str, None] = {}
        call = state.close_call(item_id)
        if call is not None and call.shown:
            made[call.turn] = None
        for session in state.close_sessions_of(item_id):
            made[session.turn] = None
        if state.rebuilt.get(item_id) == turn.turn_id:
            made[turn.turn_id] = None
        for turn_id in made:
            if turn_id == turn.turn_id:
                rows.replace(turn, item_id, record.offset, self._ctx.batch)
            else:
                rows.drop(turn_id, item_id, record.offset)
        # Few calls are scripts of several commands, whose ids begin with that of the call.
        has_further = made and f"{item_id}/" in " ".join(state.rebuilt)
        for number in range(2, COMMANDS_MAX + 1) if has_further else ():
            further = further_id(item_id, number)
            owner = state.rebuilt.get(further)
            if owner in made:
                rows.drop(owner, further, record.offset)
                state.forget_rebuilt(further)
        if state.rebuilt.get(item_id) in made:
            state.forget_rebuilt(item_id)
        active = state.active
        if active is not None and active.turn == turn.turn_id:
            state.remember_told(item_id)

    def reviewed(self, payload: Json) -> None:
        """Apply a `guardian_assessment`: one for each state of a review, with the same id."""
        item_id = payload.get("id")
        turn = self._turns.for_call(named_turn(payload))
        if turn is None or type(item_id) is not str or not 0 < len(item_id) <= ID_MAX:
            return
        self._ctx.item(turn, tools.review_of_call(payload, item_id), "event")
        self._turns.touch(turn.turn_id)

    def search(self, payload: Json) -> None:
        """Apply a `web_search_call`: its event, if there is one, comes right before."""
        state = self._ctx.state
        last = state.take_search()
        item_id = payload.get("id")
        named = type(item_id) is str and 0 < len(item_id) <= ID_MAX
        if (named and item_id in state.told) or (not named and last is not None):
            return
        turn = self._turns.for_call(passed_turn(payload))
        if turn is None:
            return
        action = payload.get("action")
        try:
            done = search_action(action)
        except DecodeError:
            done = _OTHER
        if type(item_id) is not str or not named:
            item_id = self._ctx.made_id("search")
        self._put(turn, item_types.web_search(item_id, tools.search_query(done), done, None))

    def image(self, payload: Json) -> None:
        """Apply an `image_generation_call`."""
        item_id = payload.get("id")
        if type(item_id) is not str or not 0 < len(item_id) <= ID_MAX:
            return
        if item_id in self._ctx.state.told:
            return
        turn = self._turns.for_call(passed_turn(payload))
        if turn is None:
            return
        try:
            status = text(payload, "status")
            prompt = opt_text(payload, "revised_prompt")
            result = opt_text(payload, "result") or ""
        except DecodeError:
            self._ctx.note("bad_arguments", "an image that is none")
            return
        image = {"result": result}
        item = item_types.image_generation(item_id, status=status, image=image, prompt=prompt)
        self._put(turn, item)

    def shell(self, payload: Json, ran: ShellCommand) -> None:
        """Apply the person's own command, unless an event reported it."""
        state = self._ctx.state
        if state.take_user_shell():
            return
        turn = self._turns.for_call(passed_turn(payload))
        if turn is None:
            return
        named = payload.get("id")
        kept = type(named) is str and 0 < len(named) <= ID_MAX
        item_id = named if kept else self._ctx.made_id("shell")
        item, _ = command_item(str(item_id), ran.command, state.cwd, "userShell")
        item |= {
            "status": "failed" if ran.exit_code else "completed",
            "aggregatedOutput": ran.output or None,
            "exitCode": ran.exit_code,
            "durationMs": ran.duration_ms,
        }
        self._put(turn, item)


_OTHER: Final[Json] = {"type": "other"}
