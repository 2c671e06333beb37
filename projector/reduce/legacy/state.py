"""State of the legacy reducer in the checkpoint: small, typed, versioned, bounded.

What must grow with the file is in rows (turns, items, the frames of rollbacks); texts that are
still appended to are read back from their items. Bounds hold for hostile files too: ids, paths and
notes longer than any that Codex writes are dropped.

Source: docs on legacy rollouts, c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

import orjson

from projector.decode.legacy.tool_calls import Kind
from projector.model.changes import SessionHeader, ThreadMetadata
from projector.model.errors import IncompatibleState
from projector.reduce.tokens import TokenState, state_of

VERSION: Final = 2

#: Maximum number of open calls and running processes. The oldest are evicted.
CALLS_MAX: Final = 256
SESSIONS_MAX: Final = 256
#: Calls of the active turn with events: their outputs are ignored.
TOLD_MAX: Final = 128
#: Items rebuilt from calls, in case an event of the same call comes later.
REBUILT_MAX: Final = 64
#: Maximum number of names of the client's tools.
TOOLS_MAX: Final = 1024
#: Maximum number of unknown kinds of records that are reported.
UNKNOWN_MAX: Final = 64
#: Maximum number of unknown members that are reported.
FIELDS_MAX: Final = 100
#: Maximum length of an id, in characters.
ID_MAX: Final = 512
#: Maximum length of a note on an open call, and of all of them together, in characters.
NOTE_MAX: Final = 32_768
NOTES_MAX: Final = 131_072
#: Maximum length of a path, in characters.
PATH_MAX: Final = 8_192


@dataclass(slots=True, kw_only=True)
class Active:
    """The active turn: records without a turn's id belong to it."""

    turn: str
    explicit: bool
    """True if a record of its own started it."""
    saw_user: bool = False
    root: str | None = None
    first: str | None = None
    """Its first user message."""
    final: str | None = None
    """Its last agent message with phase final_answer."""
    plain: str | None = None
    """Its last agent message without a phase."""
    last_at: int | None = None
    """Implicit turns: time of the last line so far, in seconds."""
    reasoning: str | None = None
    """In a frame: the item to which further texts were appended then."""
    soft: bool = False
    """True if it was ended by the end of another turn: its own end may still come."""


@dataclass(slots=True, kw_only=True)
class OpenCall:
    """A call without output so far."""

    kind: Kind
    turn: str
    offset: int
    """Byte offset of its line."""
    at_ms: int | None
    note: str = ""
    shown: bool = True
    """True if it has an item."""
    failed: bool = False
    """True if its turn ended before its output came."""


@dataclass(slots=True, kw_only=True)
class Session:
    """A process that outlived the call that started it."""

    turn: str
    item: str
    offset: int
    """Byte offset of the call's line."""
    at_ms: int | None
    """Time of the call."""


@dataclass(slots=True, kw_only=True)
class Pair:
    """The boundary that the preceding record opened by a user's message."""

    key: int
    before: str | None


@dataclass(slots=True, kw_only=True)
class State:
    """State carried from line to line, except for rows."""

    header: SessionHeader = field(default_factory=lambda: SessionHeader(mode="legacy"))
    meta: ThreadMetadata = field(default_factory=ThreadMetadata)
    headed: bool = False
    """The first session_meta has been read; later ones are of copied history."""
    begun: bool = False
    """A record has been read."""
    told_of: bool = False
    """The event of the thread's start has been written."""
    bare: bool = False
    """Lines without an envelope have been read."""
    thread_id: str
    tools: tuple[str, ...] = ()
    cwd: str = ""
    """Folder of commands that do not name one."""
    cwd_from_context: bool = False
    """Set by a context: a repeated header in the middle of a turn no longer changes it."""
    last_ms: int | None = None
    """The last valid time of a record."""
    active: Active | None = None
    reasoning: tuple[str, str] | None = None
    """Turn and id of the item to which further texts are appended."""
    started_last: str | None = None
    start: int | None = None
    """Offset of that turn's start, as long as no boundary has opened in it."""
    before_start: Active | None = None
    pair: Pair | None = None
    calls: dict[str, OpenCall] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    told: dict[str, None] = field(default_factory=dict)
    """Ids of items of the active turn created by events; newest last."""
    rebuilt: dict[str, str] = field(default_factory=dict)
    """Ids of items created by calls, each with its turn; newest last."""
    last_search: str | None = None
    user_shells: int = 0
    tokens: TokenState = field(default_factory=TokenState)
    inherited: bool | None = None
    """True if the records are a fork's copy of its source; None: not known yet."""
    unknown: dict[str, None] = field(default_factory=dict)

    @property
    def created_ms(self) -> int | None:
        """Return the thread's start from its header."""
        return self.header.created_at_ms

    def remember_told(self, item_id: str) -> None:
        """Record that an event created an item of the active turn."""
        if len(item_id) > ID_MAX:
            return
        self.told[item_id] = None
        if len(self.told) > TOLD_MAX:
            del self.told[next(iter(self.told))]

    def remember_rebuilt(self, turn_id: str, item_id: str) -> None:
        """Record that a call created an item."""
        self.rebuilt.pop(item_id, None)
        if len(turn_id) + len(item_id) > ID_MAX:
            return
        self.rebuilt[item_id] = turn_id
        if len(self.rebuilt) > REBUILT_MAX:
            del self.rebuilt[next(iter(self.rebuilt))]

    def open_call(self, call_id: str, call: OpenCall) -> list[tuple[str, OpenCall]]:
        """Add a call; return the calls evicted for it."""
        if len(call.note) > NOTE_MAX:
            call.note = ""
        self.calls.pop(call_id, None)
        self.calls[call_id] = call
        spent = sum(len(each.note) for each in self.calls.values()) if call.note else 0
        if spent > NOTES_MAX:
            for each in self.calls.values():
                spent -= len(each.note)
                each.note = ""
                if spent <= NOTES_MAX:
                    break
        aged: list[tuple[str, OpenCall]] = []
        while len(self.calls) > CALLS_MAX:
            oldest = next(iter(self.calls))
            aged.append((oldest, self.calls.pop(oldest)))
        return aged


def active_json(active: Active | None) -> str | None:
    """Return the active turn as JSON for a frame."""
    return None if active is None else orjson.dumps(active).decode()


def active_of(text: str | None) -> Active | None:
    """Return the active turn from a frame's JSON."""
    return None if text is None else Active(**orjson.loads(text))


def dumped(state: State) -> bytes:
    """Return the state as JSON with its version."""
    return orjson.dumps({"version": VERSION, "reducer": "legacy", "state": state})


def loaded(data: bytes) -> State:
    """Parse the result of `dumped`.

    Raises:
        IncompatibleState: it is of another version.
    """
    saved = orjson.loads(data)
    if saved.get("version") != VERSION or saved.get("reducer") != "legacy":
        raise IncompatibleState("the state of a legacy rollout is of another version")
    raw: dict[str, Any] = saved["state"]
    known = {each.name for each in fields(State)}
    values = {name: value for name, value in raw.items() if name in known}
    values["header"] = SessionHeader(**raw["header"])
    values["meta"] = ThreadMetadata(**raw["meta"])
    values["tools"] = tuple(raw["tools"])
    values["active"] = _maybe(Active, raw["active"])
    values["before_start"] = _maybe(Active, raw["before_start"])
    values["pair"] = _maybe(Pair, raw["pair"])
    values["tokens"] = state_of(raw["tokens"])
    values["reasoning"] = None if raw["reasoning"] is None else tuple(raw["reasoning"])
    values["calls"] = {key: OpenCall(**value) for key, value in raw["calls"].items()}
    values["sessions"] = {key: Session(**value) for key, value in raw["sessions"].items()}
    return State(**values)


def _maybe(kind: Any, value: Mapping[str, Any] | None) -> Any:
    return None if value is None else kind(**value)
