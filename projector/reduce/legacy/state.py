"""State of the legacy reducer in the checkpoint: small, typed, versioned, bounded.

It has one writer: everyone reads its members, and only the methods here change them, each by the
name of what happened. (`meta` and `tokens` are values with writers of their own: `reduce/thread.py`
with `thread.py`, and `reduce/tokens.py`.)

What must grow with the file is in rows (turns, items, the frames of rollbacks); texts that are
still appended to are read back from their items. Bounds hold for hostile files too: ids, paths and
notes longer than any that Codex writes are dropped.

Source: docs on legacy rollouts, c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import orjson
from msgspec import Struct, field
from msgspec.json import encode

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
#: Longest name of such a kind that is reported, in characters.
KIND_MAX: Final = 64
#: Maximum number of unknown members that are reported, and what their names begin with here.
FIELDS_MAX: Final = 100
_FIELD: Final = "field "
#: Maximum length of an id, in characters.
ID_MAX: Final = 512
#: Maximum length of a note on an open call, and of all of them together, in characters.
NOTE_MAX: Final = 32_768
NOTES_MAX: Final = 131_072
#: Maximum length of a path, in characters.
PATH_MAX: Final = 8_192


class ItemKey(NamedTuple):
    """An item of the rollout: ids are unique within their turn only."""

    turn: str
    item: str


# ItemKey(...), in a third of the time: called once per item.
item_key = partial(tuple.__new__, ItemKey)


class Active(Struct, kw_only=True):
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

    def user_said(self, item_id: str, *, counts: bool) -> bool:
        """Record a user message; return True if it is the first one. `counts`: it may be."""
        self.saw_user = True
        if self.first is not None or not counts:
            return False
        self.first = item_id
        return True

    def agent_said(self, item_id: str, phase: str | None) -> str | None:
        """Record an agent message; return the one that is the turn's final message now."""
        if phase == "final_answer":
            self.final = item_id
        elif phase is None:
            self.plain = item_id
        else:
            return None
        return self.final or (None if self.explicit else self.plain)

    def lasts_until(self, now_s: int | None) -> None:
        """Set the time of the last line so far, in seconds."""
        self.last_at = now_s

    def end_softly(self) -> None:
        """Record that the end of another turn has ended it."""
        self.soft = True


class OpenCall(Struct, kw_only=True):
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
    owner: int | None = None
    """Of a script: key of the rollback frame that owns its commands."""


class Session(Struct, kw_only=True):
    """A process that outlived the call that started it."""

    turn: str
    item: str
    offset: int
    """Byte offset of the call's line."""
    at_ms: int | None
    """Time of the call."""


class Pair(Struct, kw_only=True):
    """The boundary that the preceding record opened by a user's message."""

    key: int
    before: str | None


class State(Struct, kw_only=True):
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
    reasoning: ItemKey | None = None
    """The item to which further texts are appended."""
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

    # The thread

    def begin(self) -> None:
        """Record that a record was read."""
        self.begun = True

    def note_bare(self) -> None:
        """Record a line without an envelope."""
        self.bare = True

    def note_time(self, at_ms: int) -> None:
        """Record the time of a record, ms."""
        self.last_ms = self.meta.updated_at_ms = at_ms

    def note_unknown(self, kind: str) -> bool:
        """Record an unknown kind of record; return True if it is to be reported."""
        if kind in self.unknown or len(self.unknown) >= UNKNOWN_MAX + FIELDS_MAX:
            return False
        self.unknown[kind] = None
        return True

    def note_field(self, name: str) -> bool:
        """Record an unknown member of a record; return True if it is to be reported."""
        kind = f"{_FIELD}{name}"
        if kind in self.unknown or sum(map(_is_field, self.unknown)) >= FIELDS_MAX:
            return False
        self.unknown[kind] = None
        return True

    def read_header(
        self, header: SessionHeader, *, thread_id: str | None, tools: tuple[str, ...]
    ) -> None:
        """Take the thread's own header. `thread_id`: as in the header; None: not readable."""
        self.headed = True
        self.header = header
        self.tools = tools
        if thread_id is not None:
            self.thread_id = thread_id

    def renew_header(self, header: SessionHeader) -> None:
        """Replace the header by what a later one of the thread made of it."""
        self.header = header

    def tell_start(self) -> None:
        """Record that the event of the thread's start is written."""
        self.told_of = True

    def enter_folder(self, cwd: str, *, by_context: bool) -> None:
        """Set where commands run. A header no longer changes it once a context has set it."""
        if by_context:
            self.cwd_from_context = True
        elif self.cwd_from_context:
            return
        self.cwd = cwd

    def note_inherited(self, *, inherited: bool) -> None:
        """Record whether the records are a fork's copy of its source."""
        self.inherited = inherited

    # Turns

    def begin_turn(self, active: Active) -> None:
        """Make a turn the active one."""
        self.active = active
        self.told.clear()

    def leave_turn(self) -> None:
        """Leave the active turn, if there is one."""
        self.active = None

    def note_turn_time(self, at_ms: int | None) -> None:
        """Record when the last turn began, ms."""
        self.meta.last_turn_at_ms = at_ms

    def remember_start(self, turn_id: str, offset: int, before: Active | None) -> None:
        """Record the start of a turn: a boundary that opens in it begins there.

        `before`: the turn that was active then.
        """
        self.started_last, self.start, self.before_start = turn_id, offset, before

    def forget_start(self) -> None:
        """Forget the turn that started last: it has ended, or a rollback removed it."""
        self.started_last = self.start = self.before_start = None

    def join_reasoning(self, key: ItemKey) -> None:
        """Append further texts to this item."""
        self.reasoning = key

    def end_reasoning(self) -> None:
        """End the current reasoning item: further texts start another one."""
        self.reasoning = None

    # Boundaries

    def open_boundary(self) -> None:
        """Record a boundary: the next one in the same turn begins where it stands."""
        self.start = self.before_start = None

    def expect_message(self, pair: Pair) -> None:
        """Record that the next record may belong to the boundary of this one."""
        self.pair = pair

    def expire_pair(self, pair: Pair) -> None:
        """Forget a boundary that the record after it did not belong to."""
        if self.pair is pair:
            self.pair = None

    def roll_back(self, key: int) -> None:
        """Forget what the records from offset `key` on have left open."""
        self.reasoning = self.last_search = self.active = None
        self.calls = {name: call for name, call in self.calls.items() if call.offset < key}
        self.sessions = {name: each for name, each in self.sessions.items() if each.offset < key}
        self.told.clear()
        meta = self.meta
        if meta.preview_offset is not None and meta.preview_offset >= key:
            meta.preview = meta.preview_offset = None

    def resume_turn(self, before: Active) -> None:
        """Make a turn active again, with its open reasoning, as Codex does after a rollback."""
        if before.reasoning is not None:
            self.reasoning = ItemKey(before.turn, before.reasoning)
            before.reasoning = None
        self.active = before

    # Calls

    def open_items(self) -> set[ItemKey]:
        """Return the items that later lines may change: of calls, processes, a reasoning."""
        keys = {ItemKey(call.turn, name) for name, call in self.calls.items() if call.shown}
        keys.update(ItemKey(each.turn, each.item) for each in self.sessions.values())
        if self.reasoning is not None:
            keys.add(self.reasoning)
        return keys

    def remember_search(self, item_id: str) -> None:
        """Record the item of a web search's event: its call comes next."""
        if len(item_id) <= ID_MAX:
            self.last_search = item_id

    def take_search(self) -> str | None:
        """Return the item of the last web search's event, once."""
        last, self.last_search = self.last_search, None
        return last

    def count_user_shell(self) -> None:
        """Record that an event told of a command of the person."""
        self.user_shells += 1

    def take_user_shell(self) -> bool:
        """True if an event has told of the person's command that is reported now."""
        if not self.user_shells:
            return False
        self.user_shells -= 1
        return True

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

    def forget_rebuilt(self, item_id: str) -> None:
        """Forget that a call created an item: an event's took its place."""
        self.rebuilt.pop(item_id, None)

    def close_call(self, call_id: str) -> OpenCall | None:
        """Remove a call that has its output, or an event; None: it is not open."""
        return self.calls.pop(call_id, None)

    def fail_calls(self, turn_id: str) -> Iterator[tuple[str, OpenCall]]:
        """Mark the open calls of a turn that has ended as failed; yield those that were not."""
        for call_id, call in self.calls.items():
            if call.turn == turn_id and not call.failed:
                call.failed = True
                yield call_id, call

    def open_session(self, name: str, session: Session) -> Session | None:
        """Add a process that outlives its call; return the one evicted for it."""
        self.sessions.pop(name, None)
        self.sessions[name] = session
        if len(self.sessions) <= SESSIONS_MAX:
            return None
        return self.sessions.pop(next(iter(self.sessions)))

    def close_session(self, name: str) -> None:
        """Remove a process that has ended."""
        self.sessions.pop(name, None)

    def close_sessions_of(self, item_id: str) -> list[Session]:
        """Remove the processes of an item, and return them."""
        if not self.sessions:
            return []
        names = [name for name, each in self.sessions.items() if each.item == item_id]
        return [self.sessions.pop(name) for name in names]

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


def _is_field(kind: str) -> bool:
    return kind.startswith(_FIELD)


def active_json(active: Active | None) -> str | None:
    """Return the active turn as JSON for a frame."""
    return None if active is None else encode(active).decode()


def active_of(text: str | None) -> Active | None:
    """Return the active turn from a frame's JSON."""
    return None if text is None else Active(**orjson.loads(text))


def dumped(state: State) -> bytes:
    """Return the state as JSON with its version."""
    told = {"version": VERSION, "reducer": "legacy", "state": state}
    return encode(told)


def loaded(data: bytes) -> State:
    """Parse the result of `dumped`.

    Raises:
        IncompatibleState: it is of another version.
    """
    saved = orjson.loads(data)
    if saved.get("version") != VERSION or saved.get("reducer") != "legacy":
        found = saved.get("version")
        raise IncompatibleState(
            f"saved reducer state has version {found!r}, this program reads {VERSION}",
            hint="run `projector rebuild THREAD`",
        )
    raw: dict[str, Any] = saved["state"]
    known = set(State.__struct_fields__)
    values = {name: value for name, value in raw.items() if name in known}
    values["header"] = SessionHeader(**raw["header"])
    values["meta"] = ThreadMetadata(**raw["meta"])
    values["tools"] = tuple(raw["tools"])
    values["active"] = _maybe(Active, raw["active"])
    values["before_start"] = _maybe(Active, raw["before_start"])
    values["pair"] = _maybe(Pair, raw["pair"])
    values["tokens"] = state_of(raw["tokens"])
    values["reasoning"] = None if raw["reasoning"] is None else ItemKey(*raw["reasoning"])
    values["calls"] = {key: OpenCall(**value) for key, value in raw["calls"].items()}
    values["sessions"] = {key: Session(**value) for key, value in raw["sessions"].items()}
    return State(**values)


def _maybe(kind: Any, value: Mapping[str, Any] | None) -> Any:
    return None if value is None else kind(**value)
