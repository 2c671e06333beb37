"""How a rollout shows that Codex's migration wrote it, or that it did not. Pure.

The header tells nothing. The ids do that the migration makes up: `item-7` for what an event
told of, `rollout-3` for a turn that no record opened. Codex itself gives every message the
model's id or a UUID, and tells when it began, which no legacy event does. What it appends to a
migrated rollout is as in any other. An agent's rollout may begin with a copy of its parent's
records: `deferred_lines.py`.

Source: docs on legacy rollouts, b7 and d; files that Codex 0.169 migrated.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import orjson
from msgspec import Struct

from projector.decode.legacy import user_context as prompts
from projector.decode.parse import parse
from projector.model.errors import IncompatibleState
from projector.model.ids import Line
from projector.reduce.migrated.deferred_lines import DeferredLine, does_something

Sign = Literal["migrated", "native"]
Json = dict[str, Any]

_ITEM: Final = re.compile(r"item-\d{1,18}").fullmatch
_TURN: Final = re.compile(r"rollout-\d{1,18}").fullmatch
#: The migration gives these an id of its own, always.
_MESSAGES: Final = frozenset({"UserMessage", "AgentMessage", "Reasoning"})
#: Legacy rollouts have them as items already, with times.
_ALREADY: Final = frozenset({"Plan", "Extension"})
#: A line without any of these is no sign, and tells nothing that calls depend on.
_TELLING: Final = re.compile(
    rb"item_completed|session_meta|turn_|task_|environment_context>"
).search
_STARTS: Final = frozenset({"task_started", "turn_started"})
_ENDS: Final = frozenset({"task_complete", "turn_complete", "turn_aborted"})
_TOOLS_MAX: Final = 1024
_TOOL_MAX: Final = 128
_PATH_MAX: Final = 8_192
_NAME_MAX: Final = 512


def objects(line: Line) -> list[Json]:
    """Return the objects on a line, nearly always one."""
    try:
        value = orjson.loads(line.data)
    except orjson.JSONDecodeError:
        return [found.value for found in parse(line).objects]
    return [value] if type(value) is dict else []


def sign_of(record: Json) -> Sign | None:
    """Return who wrote a record; None: undecided."""
    payload = record.get("payload")
    if type(payload) is not dict:
        return None
    kind = record.get("type")
    if kind == "session_meta":
        # Records after a cut of another rollout are Codex's own; copies of a parent may not be.
        begins = payload.get("history_base"), payload.get("subagent_history_start_ordinal")
        return None if begins == (None, None) else "native"
    if kind != "event_msg":
        return None
    event = payload.get("type")
    if event == "item_completed":
        return _sign_of_item(payload)
    turn_id = payload.get("turn_id")
    begun = event == "task_started" and type(turn_id) is str and _TURN(turn_id)
    return "migrated" if begun else None


def _sign_of_item(payload: Json) -> Sign | None:
    item = payload.get("item")
    if type(item) is not dict:
        return None
    item_id, kind, timed = item.get("id"), item.get("type"), payload.get("started_at_ms")
    if type(item_id) is not str or type(kind) is not str or kind in _ALREADY:
        return None
    if timed is not None:
        return "native"
    if _ITEM(item_id):
        return "migrated"
    return "native" if kind in _MESSAGES else None


class Beginning(Struct, kw_only=True):
    """The context from the records before the first sign, as far as calls depend on it."""

    thread_id: str
    cli_version: str | None = None
    tools: tuple[str, ...] = ()
    """Names of the client's tools."""
    cwd: str = ""
    active: str | None = None
    """The running turn."""
    headed: bool = False
    begun: bool = False
    """A record was read."""
    held: DeferredLine | None = None
    """Kept lines of an agent's rollout that may begin with a copy of its parent's records."""

    @classmethod
    def of(cls, told: Any) -> Beginning:
        """Parse a saved state.

        Raises:
            IncompatibleState: it is of another version.
        """
        try:
            held = None if told["held"] is None else DeferredLine.of(told["held"])
            return cls(**(told | {"tools": tuple(told["tools"]), "held": held}))
        except (KeyError, TypeError) as error:
            raise IncompatibleState("the saved beginning of a rollout cannot be read") from error

    def take(self, line: Line) -> Sign | None:
        """Apply a line; return the first sign, and apply nothing of that line."""
        if self.held is None and self.begun and _TELLING(line.data) is None:
            return None
        found, held = objects(line), self.held
        for record in found:
            sign = self._sign_of(record, alone=len(found) == 1)
            if sign is not None:
                return sign
            payload = record.get("payload")
            if type(payload) is dict:
                self._take(record.get("type"), payload)
            self.begun = True
        if held is not None and any(map(does_something, found)):
            held.keep(line)
        return None

    def _sign_of(self, record: Json, *, alone: bool) -> Sign | None:
        """Return who wrote a record. In a possible copy, the turn's id is ignored."""
        held = self.held
        if held is None:
            if alone and not self.begun:
                self.held = DeferredLine.by(record)
            return sign_of(record) if self.held is None else None
        if held.ends_with(record):
            return "native"
        payload = record.get("payload")
        if record.get("type") != "event_msg" or type(payload) is not dict:
            return None
        if payload.get("type") != "item_completed":
            return None
        sign = _sign_of_item(payload)
        its_own = payload.get("thread_id") == held.thread_id
        return "native" if sign == "migrated" and not its_own else sign

    def _take(self, kind: Any, payload: Json) -> None:
        if kind == "event_msg":
            self._turn(payload.get("type"), payload.get("turn_id"))
        elif kind == "turn_context":
            self._folder(payload.get("cwd"))
        elif kind == "response_item":
            if payload.get("type") == "message" and payload.get("role") == "user":
                for words in prompts.texts_of(payload.get("content")):
                    self._folder(prompts.folder_of(words))
        elif kind == "session_meta" and not self.headed:
            self.headed = True
            version, tools = payload.get("cli_version"), payload.get("dynamic_tools")
            self.cli_version = version if _is_name(version) else None
            named = [each.get("name") for each in _list(tools)[:_TOOLS_MAX] if type(each) is dict]
            self.tools = tuple(
                name for name in named if type(name) is str and len(name) <= _TOOL_MAX
            )
            self._folder(payload.get("cwd"))

    def _folder(self, cwd: Any) -> None:
        if type(cwd) is str and 0 < len(cwd) <= _PATH_MAX:
            self.cwd = cwd

    def _turn(self, event: Any, turn_id: Any) -> None:
        if type(event) is not str:
            return
        if event in _STARTS and _is_name(turn_id):
            self.active = turn_id
        elif event in _ENDS and turn_id in (None, self.active):
            self.active = None


def _is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= _NAME_MAX


def _list(value: Any) -> list[Any]:
    return value if type(value) is list else []
