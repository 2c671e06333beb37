"""What a legacy rollout's checkpoint carries: small, typed, versioned, bounded.

What must grow with the file lives in rows (turns, items, the frames of rollbacks); texts that
are still being added to are read back from their items. Bounds hold for hostile files, too:
ids, paths and notes that are longer than any Codex writes are not kept.

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

#: Open calls, and processes that still run. The oldest make room.
CALLS_MAX: Final = 256
SESSIONS_MAX: Final = 256
#: Calls of the active turn that events told of: their outputs are to be ignored.
TOLD_MAX: Final = 128
#: Items rebuilt from calls, in case that an event tells of the same call later.
REBUILT_MAX: Final = 64
#: Names of tools that the client brought.
TOOLS_MAX: Final = 1024
#: Kinds of unknown records that are noted once each.
UNKNOWN_MAX: Final = 64
#: Characters of an id that is kept.
ID_MAX: Final = 512
#: Characters of a note on an open call, and of all of them together.
NOTE_MAX: Final = 32_768
NOTES_MAX: Final = 131_072
#: Characters of a path.
PATH_MAX: Final = 8_192


@dataclass(slots=True, kw_only=True)
class Active:
    """The turn that records without a turn's id belong to."""

    turn: str
    explicit: bool
    """A record of its own started it."""
    saw_user: bool = False
    root: str | None = None
    first: str | None = None
    """Its first user message."""
    final: str | None = None
    """Its last agent message of the phase final_answer."""
    plain: str | None = None
    """Its last agent message without a phase."""
    last_at: int | None = None
    """Implicit: time of its last line so far, in seconds."""
    reasoning: str | None = None
    """In a frame: the item that further texts joined then."""
    soft: bool = False
    """The end of another turn ended it: its own end may still come."""


@dataclass(slots=True, kw_only=True)
class OpenCall:
    """A call whose output has not come."""

    kind: Kind
    turn: str
    offset: int
    """Of its line."""
    at_ms: int | None
    note: str = ""
    shown: bool = True
    """It has an item."""
    failed: bool = False
    """Its turn ended before its output came."""


@dataclass(slots=True, kw_only=True)
class Session:
    """A process that outlived the call that began it."""

    turn: str
    item: str
    offset: int
    """Of the line of the call."""
    at_ms: int | None
    """Time of the call."""


@dataclass(slots=True, kw_only=True)
class Pair:
    """The boundary that the record just before opened by a user's message."""

    key: int
    before: str | None


@dataclass(slots=True, kw_only=True)
class State:
    """All that goes on from one line to the next, but for rows."""

    header: SessionHeader = field(default_factory=lambda: SessionHeader(mode="legacy"))
    meta: ThreadMetadata = field(default_factory=ThreadMetadata)
    headed: bool = False
    """The first session_meta has been read; later ones are of copied history."""
    begun: bool = False
    """A record has been read."""
    told_of: bool = False
    """The event of the thread's start has been told."""
    bare: bool = False
    """Lines without an envelope have been read."""
    thread_id: str
    tools: tuple[str, ...] = ()
    cwd: str = ""
    """Where commands run that do not say it."""
    cwd_from_context: bool = False
    """A context named it: a header that comes again, in the midst of a turn, changes it no more."""
    last_ms: int | None = None
    """The last good time of a record."""
    active: Active | None = None
    reasoning: tuple[str, str] | None = None
    """Turn and id of the item that further texts join."""
    started_last: str | None = None
    start: int | None = None
    """Offset of that turn's start, while no boundary has opened in it."""
    before_start: Active | None = None
    pair: Pair | None = None
    calls: dict[str, OpenCall] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    told: dict[str, None] = field(default_factory=dict)
    """Ids of items of the active turn that events made; the newest last."""
    rebuilt: dict[str, str] = field(default_factory=dict)
    """Ids of items that calls made, each with its turn; the newest last."""
    last_search: str | None = None
    user_shells: int = 0
    tokens: TokenState = field(default_factory=TokenState)
    inherited: bool | None = None
    """The records are a fork's copy of its source; None: cannot be told yet."""
    unknown: dict[str, None] = field(default_factory=dict)

    @property
    def created_ms(self) -> int | None:
        """When the thread began, as its header says."""
        return self.header.created_at_ms

    def remember_told(self, item_id: str) -> None:
        """Note that an event made an item of the active turn."""
        if len(item_id) > ID_MAX:
            return
        self.told[item_id] = None
        if len(self.told) > TOLD_MAX:
            del self.told[next(iter(self.told))]

    def remember_rebuilt(self, turn_id: str, item_id: str) -> None:
        """Note that a call made an item."""
        self.rebuilt.pop(item_id, None)
        if len(turn_id) + len(item_id) > ID_MAX:
            return
        self.rebuilt[item_id] = turn_id
        if len(self.rebuilt) > REBUILT_MAX:
            del self.rebuilt[next(iter(self.rebuilt))]

    def open_call(self, call_id: str, call: OpenCall) -> list[tuple[str, OpenCall]]:
        """Note a call, and give those that had to make room for it."""
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
    """Give the active turn as a frame keeps it."""
    return None if active is None else orjson.dumps(active).decode()


def active_of(text: str | None) -> Active | None:
    """Give the active turn that a frame kept."""
    return None if text is None else Active(**orjson.loads(text))


def dumped(state: State) -> bytes:
    """Give the state as JSON with its version."""
    return orjson.dumps({"version": VERSION, "reducer": "legacy", "state": state})


def loaded(data: bytes) -> State:
    """Read what `dumped` gave.

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
