"""Apply events and the model's input: one method per type of record.

Source: docs on legacy rollouts, a4, b2, b4, b6 and b9.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

from projector.decode import item_types, known_members
from projector.decode.errors import DecodeError
from projector.decode.fields import opt_integer, opt_text, text
from projector.decode.legacy import agents, messages, tools
from projector.decode.legacy import user_context as prompts
from projector.decode.legacy.fields import Json
from projector.decode.record_types import EVENT_TYPES, RECORD_TYPES
from projector.decode.review import review_text
from projector.model.changes import Provenance
from projector.reduce.legacy.context import ReducerContext, named_turn
from projector.reduce.legacy.rollback_stack import RollbackStack
from projector.reduce.legacy.row_buffer import BufferedItem, BufferedTurn
from projector.reduce.legacy.state import ID_MAX, ItemKey
from projector.reduce.legacy.thread import ThreadRecords
from projector.reduce.legacy.tool_call_recovery import ToolCallRecovery
from projector.reduce.legacy.turns import Turns

_NO_ENVELOPE: Final[Json] = {}
#: Records and events removed before the release whose list we have.
_RETIRED: Final = frozenset(
    {"session_state", "undo_started", "undo_completed", "thread_name_updated", "background_event"}
)
#: Known response items without any effect.
_SILENT: Final = frozenset(
    {
        "reasoning",
        "compaction",
        "compaction_summary",
        "context_compaction",
        "ghost_snapshot",
        "tool_search_call",
        "tool_search_output",
        "other",
    }
)

#: Applies the payload of a record.
Handler = Callable[[Json], object]


class EventHandlers:
    """Applies the records of one rollout."""

    def __init__(self, ctx: ReducerContext, *, whole: bool) -> None:
        self._ctx = ctx
        self._state = ctx.state
        self.turns = Turns(ctx)
        self.thread = ThreadRecords(ctx)
        self.boundaries = RollbackStack(ctx, self.turns, whole=whole)
        self.recovery = ToolCallRecovery(ctx, self.turns, self.thread)
        item = self._event_item
        self._events: dict[str, Handler] = {
            "user_message": self._user_message,
            "agent_message": self._agent_message,
            "agent_reasoning": self._summary,
            "agent_reasoning_raw_content": self._thought,
            "token_count": self.thread.tokens,
            "task_started": self._task_started,
            "turn_started": self._task_started,
            "task_complete": self.turns.complete,
            "turn_complete": self.turns.complete,
            "turn_aborted": self.turns.abort,
            "entered_review_mode": self._entered_review,
            "exited_review_mode": self._exited_review,
            "context_compacted": self._compacted,
            "thread_rolled_back": self.boundaries.roll_back,
            "item_completed": self._item_completed,
            "image_generation_end": lambda each: item(each, tools.image(each), None),
            "web_search_end": self._web_search,
            "patch_apply_end": lambda each: item(each, tools.file_change(each), _turn_of(each)),
            "mcp_tool_call_end": lambda each: item(each, tools.mcp_call(each), _turn_of(each)),
            "exec_command_end": self._exec_command,
            "error": self.turns.fail,
            "view_image_tool_call": lambda each: item(each, tools.image_view(each), None),
            "dynamic_tool_call_response": self._dynamic_call,
            "sub_agent_activity": lambda each: item(each, tools.activity(each), None),
            "guardian_assessment": self.recovery.reviewed,
            "thread_goal_updated": self.thread.goal,
            "thread_name_updated": self.thread.named,
            "thread_settings_applied": self.thread.settings,
        }
        for event, tool in agents.ENDED.items():
            self._events[event] = self._agent_call(tool)
        self._items: dict[str, Handler] = {
            "message": self._message,
            "agent_message": lambda _: self.boundaries.open(),
            **self.recovery.items,
        }
        self._records: dict[str, Handler] = {
            "session_meta": self.thread.head,
            "turn_context": self._turn_context,
            "inter_agent_communication": lambda _: self.boundaries.open(),
            "token_usage_record": self.thread.usage,
        }

    def of(self, kind: str, inner: str | None) -> Handler | None:
        """Return what applies the payloads of records of a kind; None: nothing need be done.

        `inner`: the type of the payload; None: it has none that is a string.
        """
        if kind == "event_msg":
            if inner is None:
                return _untyped
            known = inner in EVENT_TYPES or inner in _RETIRED
            return self._events.get(inner, None if known else self._unknown("event", inner))
        if kind == "response_item":
            return _untyped if inner is None else self._of_item(inner)
        known = kind in RECORD_TYPES or kind in _RETIRED
        return self._records.get(kind, None if known else self._unknown("record", kind))

    def _of_item(self, kind: str) -> Handler | None:
        known = kind in _SILENT
        return self._items.get(kind, None if known else self._unknown("response item", kind))

    def _unknown(self, what: str, name: str) -> Handler:
        return lambda _: self._ctx.note_unknown(what, name)

    # Events

    def _agent_call(self, tool: str) -> Callable[[Json], None]:
        def take(payload: Json) -> None:
            self._event_item(payload, agents.ended(payload, tool), None)

        return take

    def _event_item(self, _payload: Json, json: Json, named: str | None) -> BufferedItem | None:
        """Insert the item of a call's event into its turn."""
        turn = self.turns.for_item(named)
        if turn is None:
            return None
        self.recovery.told(turn, json["id"])
        return self._put(turn, json, "event")

    def _put(self, turn: BufferedTurn, json: Json, provenance: Provenance) -> BufferedItem:
        record = self._ctx.record
        if record.type == "event_msg":
            unknown = known_members.of_legacy_event(record.payload)
            if unknown:
                self._ctx.note_fields(unknown)
        item = self._ctx.item(turn, json, provenance)
        active = self._state.active
        if active is not None and active.turn == turn.turn_id:
            self._state.end_reasoning()
        self.turns.touch(turn.turn_id)
        return item

    def _task_started(self, payload: Json) -> None:
        self.turns.start(payload)
        self.thread.turn_began(payload)

    def _user_message(self, payload: Json) -> None:
        state = self._state
        item_id = self._ctx.made_id("user")
        json = messages.user_message(payload, item_id)
        pair = self.boundaries.open() if state.pair is None else state.pair
        if opt_text(payload, "kind") not in (None, "plain"):
            return
        self._state.end_reasoning()
        active = state.active
        shown = active is not None and self._shows_image(active.turn)
        if not (shown and messages.images_only(payload)):
            self.thread.turn_implied()
            if active is not None and active.saw_user:
                self.turns.close_implicit()
        opens = state.active is None
        turn = self.turns.active_or_opened()
        if opens and state.started_last is None:
            self.boundaries.bind(pair, turn.turn_id)
        self._put(turn, json, "event")
        self.turns.user_said(turn, item_id)
        self.thread.said(json)

    def _shows_image(self, turn_id: str) -> bool:
        """True if a view_image call of the turn waits for its output."""
        return any(
            call.kind == "view" and call.turn == turn_id for call in self._state.calls.values()
        )

    def _agent_message(self, payload: Json) -> None:
        json = messages.agent_message(payload, self._ctx.made_id("agent"))
        if json is None:
            return
        turn = self.turns.active_or_opened()
        self._put(turn, json, "event")
        self.turns.agent_said(turn, json["id"], json["phase"])

    def _summary(self, payload: Json) -> None:
        self._reasoning(text(payload, "text"), "summary")

    def _thought(self, payload: Json) -> None:
        self._reasoning(text(payload, "text"), "content")

    def _reasoning(self, words: str, part: str) -> None:
        if not words:
            return
        state, rows = self._state, self._ctx.rows
        turn = self.turns.active_or_opened()
        if state.reasoning is not None:
            item = rows.item(*state.reasoning)
            if item is not None:
                item.json[part].append(words)
                rows.change_item(item, item.json, self._ctx.row_ms)
                self.turns.touch(turn.turn_id)
                return
        json = item_types.reasoning(self._ctx.made_id("reasoning"), [], [])
        json[part].append(words)
        self._put(turn, json, "event")
        state.join_reasoning(ItemKey(turn.turn_id, json["id"]))

    def _entered_review(self, payload: Json) -> None:
        self._review(tools.entered_review(payload, ""), payload, "entered")

    def _exited_review(self, payload: Json) -> None:
        output = payload.get("review_output")
        if output is not None and type(output) is not dict:
            raise DecodeError("review_output")
        json = item_types.exited_review_mode("", review_text(output))
        self._review(json, payload, "exited")

    def _review(self, json: Json, payload: Json, kind: str) -> None:
        item_id = opt_text(payload, "item_id")
        json["id"] = item_id or self._ctx.made_id(kind)
        named = _turn_of(payload)
        turn = self.turns.for_item(named)
        if turn is not None:
            self._put(turn, json, "event")

    def _compacted(self, _payload: Json) -> None:
        turn = self.turns.active_or_opened()
        json = item_types.context_compaction(self._ctx.made_id("compaction"))
        self._put(turn, json, "event")

    def _web_search(self, payload: Json) -> None:
        item = self._event_item(payload, tools.web_search(payload), None)
        if item is not None:
            self._state.remember_search(item.key.item)

    def _exec_command(self, payload: Json) -> None:
        text(payload, "turn_id")
        json = tools.command(payload)
        item = self._event_item(payload, json, _turn_of(payload))
        if item is not None and json["source"] == "userShell":
            self._state.count_user_shell()

    def _dynamic_call(self, payload: Json) -> None:
        text(payload, "turn_id")
        self._event_item(payload, tools.dynamic_call(payload), _turn_of(payload))

    def _item_completed(self, payload: Json) -> None:
        _thread_of(payload)
        text(payload, "turn_id")
        item = payload.get("item")
        if type(item) is not dict:
            raise DecodeError("item")
        json = tools.completed(item)
        started = opt_integer(payload, "started_at_ms")
        completed = opt_integer(payload, "completed_at_ms")
        named = _turn_of(payload)
        turn = None if named is None else self._ctx.rows.turn(named)
        if turn is not None and turn.popped:
            return
        self._state.end_reasoning()
        if json is None or turn is None:
            return
        self._ctx.note_fields(
            (
                *known_members.keep_of_members(item, json),
                *known_members.keep_around_item(_NO_ENVELOPE, payload, json),
            )
        )
        self.recovery.told(turn, json["id"])
        turn = self.turns.named(turn)
        row = self._ctx.item(turn, json, "snapshot", created_ms=started)
        row.started_ms = started if row.started_ms is None else row.started_ms
        if completed is not None:
            row.completed_ms = completed
        self.turns.touch(turn.turn_id)
        active = self._state.active
        if active is not None and active.turn == turn.turn_id:
            if json["type"] == "agentMessage":
                self.turns.agent_said(turn, json["id"], json["phase"])
            elif json["type"] == "userMessage":
                self.turns.user_said(turn, json["id"])

    # The model's input

    def _turn_context(self, payload: Json) -> None:
        model = self.thread.context(payload)
        if model is not None:
            self.turns.model(model)

    def _message(self, payload: Json) -> None:
        if payload.get("role") != "user":
            return
        content = payload.get("content")
        texts = prompts.texts_of(content)
        fragments = prompts.hook_fragments(content)
        if fragments is not None:
            self._hook_prompt(payload, fragments)
            return
        for words in texts:
            self.recovery.context(payload, words)
        if not any(map(prompts.is_context, texts)):
            self._state.expect_message(self.boundaries.open())

    def _hook_prompt(self, payload: Json, fragments: list[Json]) -> None:
        named = payload.get("id")
        kept = type(named) is str and 0 < len(named) <= ID_MAX
        item_id = str(named) if kept else self._ctx.made_id("hook")
        turn = self.turns.active_or_opened()
        self._put(turn, item_types.hook_prompt(item_id, fragments), "event")
        self._state.end_reasoning()

    # Bare lines

    def bare_item(self, kind: str, payload: Json) -> None:
        """Apply a response item of a thread without events (b9)."""
        self._state.note_bare()
        if kind == "message":
            self._bare_message(payload)
        elif kind == "reasoning":
            self._bare_reasoning(payload)
        elif (handle := self._of_item(kind)) is not None:
            handle(payload)

    def _bare_message(self, payload: Json) -> None:
        words = prompts.texts_of(payload.get("content"))
        if payload.get("role") == "assistant":
            joined = "".join(words)
            if not joined:
                return
            item_id = self._own_id(payload, "message")
            json = messages.agent_message({"message": joined}, item_id)
            if json is not None:
                turn = self.turns.active_or_opened()
                self._put(turn, json, "response_item")
                self.turns.agent_said(turn, item_id, None)
            return
        if payload.get("role") != "user":
            return
        for each in words:
            self.recovery.context(payload, each)
        if not words or any(map(_is_bare_context, words)):
            return
        self.boundaries.open()
        self.turns.close_implicit()
        self._state.leave_turn()
        turn = self.turns.active_or_opened()
        item_id = self._own_id(payload, "message")
        images = [
            part["image_url"]
            for part in payload["content"]
            if type(part) is dict and type(part.get("image_url")) is str
        ]
        said = {"message": "\n".join(words), "images": images}
        json = messages.user_message(said, item_id)
        self._put(turn, json, "response_item")
        self.turns.user_said(turn, item_id)
        self.thread.said(json)

    def _bare_reasoning(self, payload: Json) -> None:
        summary = prompts.texts_of(_as_text(payload.get("summary")))
        content = prompts.texts_of(_as_text(payload.get("content")))
        if not summary and not content:
            return
        json = item_types.reasoning(self._own_id(payload, "thought"), summary, content)
        self._put(self.turns.active_or_opened(), json, "response_item")

    def _own_id(self, payload: Json, kind: str) -> str:
        own = payload.get("id")
        kept = type(own) is str and 0 < len(own) <= ID_MAX
        return str(own) if kept else self._ctx.made_id(kind)


def _untyped(_payload: Json) -> None:
    raise DecodeError("type")


def _turn_of(payload: Json) -> str | None:
    opt_text(payload, "turn_id")
    return named_turn(payload)


def _thread_of(payload: Json) -> None:
    try:
        uuid.UUID(text(payload, "thread_id"))
    except ValueError:
        raise DecodeError("thread_id") from None


def _is_bare_context(words: str) -> bool:
    return prompts.is_context(words) or prompts.is_instructions(words)


def _as_text(parts: Any) -> Any:
    """Convert the parts of a reasoning, whose types differ, to text parts."""
    if type(parts) is not list:
        return None
    return [part | {"type": "text"} for part in parts if type(part) is dict]
