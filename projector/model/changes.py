"""Rows, their globally unique ids, and the changes that make up one batch.

Pure. Times of turns are in seconds and of items in milliseconds since 1970, as in Codex's own
tables.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import orjson
from msgspec import Struct, field

from projector.model.ids import ItemId, Offset, Ordinal, RolloutId, ThreadId, TurnId

#: Namespace of every uid. Public and permanent: it never changes.
UID_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "codex-projector:uid")

_SEED = UID_NAMESPACE.bytes

#: Greatest token count that is stored: sums of many stay below 63 bits. Beyond that SQLite turns
#: them into floats, which its columns refuse. No real count comes near it.
MOST_TOKENS: Final = 1 << 52

#: Lines and snapshots of at least this many bytes are copied as rarely as possible.
LONG: Final = 1024 * 1024


def uid(kind: Literal["turn", "item", "realtime", "event", "usage"], *name: str | int) -> bytes:
    """Return the 16 bytes of a UUIDv5 computed from the data alone.

    The name hashed under `UID_NAMESPACE` is the JSON array `[kind, *name]` without spaces, in
    UTF-8: for a turn `["turn", rollout_id, turn_id]`, for an item `["item", rollout_id, turn_id,
    item_id]`, for a realtime item `["realtime", rollout_id, item_id]`, for a lifecycle event
    `["event", rollout_id, type, turn_id or "", byte offset]` and for a token usage `["usage",
    rollout_id, byte offset]`. An event without a record of its own (archived, unarchived, deleted,
    renamed) is the thread's n-th of its type: `["event", thread_id, type, "", "n"]`, with n as a
    string, counted from "0". An event that is written again because a migration dropped its record
    (`store/rules/preserve.py`): `["event", hex digits of its uid, "again"]`.
    """
    return _uuid5(hashlib.sha1(_SEED + orjson.dumps((kind, *name)), usedforsecurity=False).digest())


def uids(
    kind: Literal["turn", "item", "event", "usage"], rollout_id: RolloutId
) -> Callable[..., bytes]:
    """Return a faster `uid` for many rows of one kind and one rollout."""
    begun = hashlib.sha1(
        _SEED + orjson.dumps((kind, rollout_id))[:-1] + b",", usedforsecurity=False
    )
    copy, dumps = begun.copy, orjson.dumps

    def give(*name: str | int) -> bytes:
        made = copy()
        made.update(dumps(name)[1:])
        return _uuid5(made.digest())

    return give


def uuids(namespace: uuid.UUID) -> Callable[[str], str]:
    """Return a faster `str(uuid.uuid5(namespace, name))` for many names."""
    copy = hashlib.sha1(namespace.bytes, usedforsecurity=False).copy

    def give(name: str) -> str:
        made = copy()
        made.update(name.encode())
        digits = _uuid5(made.digest()).hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    return give


def _uuid5(digest: bytes) -> bytes:
    """Return the UUID of a SHA-1 digest: its first 16 bytes, with version and variant."""
    return (int.from_bytes(digest, "big") >> 32 & _KEPT | _VERSION_5).to_bytes(16, "big")


#: Bits of a UUID that are not its version and variant, and those that are.
_KEPT: Final = ~((0xF000 << 64) | (0xC0 << 56))
_VERSION_5: Final = (0x5000 << 64) | (0x80 << 56)


Status = Literal["inProgress", "completed", "failed", "interrupted"]
#: Origin of an item: Codex's own snapshot, an event, or a reconstruction from the model's call.
Provenance = Literal["snapshot", "event", "response_item"]


class TurnRow(NamedTuple):
    """A whole turn; it replaces the row that has the same uid."""

    uid: bytes
    turn_id: TurnId
    offset: Offset
    """Byte offset of the line that made the row."""
    ordinal: Ordinal | None
    """None in legacy rollouts, which have no ordinals."""
    status: Status
    error_json: str | None
    started_at: int | None
    completed_at: int | None
    duration_ms: int | None
    first_user_item_id: ItemId | None
    final_agent_item_id: ItemId | None
    end_ordinal: Ordinal | None
    end_offset: Offset | None
    """Byte offset after the line that ended the turn."""
    root_turn_id: TurnId | None
    model: str | None = None
    owner: int | None = None
    """Legacy: key of the rollback frame that owns the row."""
    end_owner: int | None = None
    """Legacy: key of the frame that owns the record that ended the turn."""


class ItemRow(NamedTuple):
    """One record of an item.

    The first record inserts the row, later ones with the same uid update it. On an update `json`,
    `type`, `updated_ordinal`, `provenance` are replaced; `started_at_ms` and `completed_at_ms` are
    filled while they are NULL; position and `created_at_ms` stay (docs: paginated rollouts,
    repeated items). With `completed_wins`, a new `completed_at_ms` replaces the old one (legacy:
    the last line that changed the item). Writing a tombstoned item is an insert, not an update: it
    becomes living again with a new position and new times.
    """

    uid: bytes
    turn_id: TurnId
    item_id: ItemId
    offset: Offset
    ordinal: Ordinal | None
    created_at_ms: int
    started_at_ms: int | None
    completed_at_ms: int | None
    type: str
    json: str | bytes
    """The snapshot: a `ThreadItem` of the app-server protocol.

    Bytes are UTF-8 and are not decoded: that would only be encoded again, and takes four times the
    memory of a long item.
    """
    provenance: Provenance = "snapshot"
    owner: int | None = None
    completed_wins: bool = False
    status: str | None = None
    """Status of a command, as in its snapshot; None: read it from `json`."""
    shown: dict[str, Any] | None = None
    """The snapshot as decoded from `json`; None: decode `json`.

    Owned by the reducer; never leaves the process.
    """
    words: bytes | None = None
    """What full-text search has of it (`Batch.indexing`).

    None: extract it from the snapshot.
    """


class RealtimeRow(NamedTuple):
    """A realtime item. The first record of an id inserts the row; later ones change nothing."""

    uid: bytes
    item_id: ItemId
    offset: Offset
    ordinal: Ordinal
    created_at_ms: int
    type: str
    json: str


class UsageRow(NamedTuple):
    """Tokens used by one model response: one row per record that reports them.

    Repeated lines give one row. No count exceeds `MOST_TOKENS`. Source: `reduce/tokens.py`.
    """

    uid: bytes
    turn_id: TurnId | None
    offset: Offset
    ordinal: Ordinal | None
    response_id: str | None
    model: str | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    total_tokens: int
    recorded_at_ms: int | None
    cache_write_input_tokens: int | None = None
    """None: not told."""
    service_tier: str | None = None
    """From the record, else from the thread's settings; None: in neither."""
    model_provider: str | None = None
    """Provider of the thread's model at this record."""


class LimitRow(NamedTuple):
    """A window of a rate limit, as a record reported it when it had changed."""

    offset: Offset
    window: str
    """primary or secondary."""
    limit_id: str | None
    window_minutes: int | None
    used_percent: float
    resets_at_ms: int | None
    plan_type: str | None
    recorded_at_ms: int | None
    """Time of the record; None if it has no readable time."""


EventType = Literal[
    "thread.started", "thread.forked", "thread.renamed", "thread.reverted", "thread.rolled_back",
    "thread.archived", "thread.unarchived", "thread.deleted", "thread.restored",
    "turn.started", "turn.completed", "turn.failed", "turn.cancelled",
]  # fmt: skip


class Event(NamedTuple):
    """A lifecycle event, written in the same transaction as the state change that it reports."""

    uid: bytes
    type: EventType
    turn_id: TurnId | None
    payload: str
    """JSON object."""
    recorded_at_ms: int | None
    """Time of the record; None if it has no readable time."""


class Anomaly(NamedTuple):
    """A byte range of a rollout that could not be read as written. Never quotes content."""

    kind: str
    offset: Offset
    length: int
    detail: str


class RollbackFrame(NamedTuple):
    """Legacy: a user boundary that a rollback may pop.

    A later frame with the same key replaces it.
    """

    key: int
    """Byte offset of the first record that the frame owns; grows along the file.

    If the boundary is the first one of its turn, this is the offset of the turn's start. The owner
    of a row is an offset too: of the record that made it, or the key of the frame whose turn the
    record named. So the frame owns what was made between the start of a turn and its boundary.
    """
    turn_id: TurnId | None
    """The turn started last when the frame opened.

    Records that name this turn belong to the frame. Without one: the implicit turn opened by the
    user's message, as soon as it exists.
    """
    before: str | None
    """JSON: the active turn before the first record that the frame owns."""
    popped: bool = False


class TombstoneFrames(NamedTuple):
    """Legacy rollback: write tombstones for the living rows of frames `owner_from` and later.

    The frames are marked popped. A surviving turn whose `end_owner` is one of these frames becomes
    `inProgress` again, without `completed_at`, `duration_ms`, `error_json` and end position. A row
    that is written again under the same uid becomes living again. Changes before and after a
    `TombstoneFrames` are never reordered across it.
    """

    at: Offset
    owner_from: int


class Tombstone(NamedTuple):
    """Remove one turn or item from the history: a call that turned out never to have run.

    Cheap for one of the rollout's newest rows.
    """

    uid: bytes
    at: Offset


class RetractCounts(NamedTuple):
    """Write tombstones for usage rows derived from a turn's token counts.

    The turn has usage records of its own. Affects the rollout's living rows without a response id,
    before `before`: rows of this turn, and rows without a turn from `since` on. Changes of usage
    before and after it are never reordered across it.
    """

    turn_id: TurnId
    before: Offset
    since: Offset


class NameUsage(NamedTuple):
    """Set the model of usage rows before an offset that have none.

    Changes of usage before and after it are never reordered across it.
    """

    model: str
    before: Offset


Change = (
    TurnRow | ItemRow | RealtimeRow | UsageRow | LimitRow | Event | Anomaly | RollbackFrame
    | TombstoneFrames | Tombstone | RetractCounts | NameUsage
)  # fmt: skip


class BaseRef(Struct, frozen=True, kw_only=True):
    """The base of a rollout.

    The records of another rollout before a cut, which this one continues.
    """

    rollout_id: RolloutId
    end_ordinal: Ordinal
    """Ordinal of the first record that is not inherited."""
    end_offset: Offset
    """Byte offset after the last inherited record."""


class SessionHeader(Struct, frozen=True, kw_only=True):
    """The rollout's header, from its first session_meta; without one, from the file name."""

    mode: Literal["paginated", "legacy"]
    thread_id: ThreadId | None = None
    """Thread that the rollout belongs to; None: not in the header, use the file name.

    Codex lists a rollout under this id even if its file name has another one.
    """
    base: BaseRef | None = None
    attached: bool = False
    """True if the base is context for the model only and is not shown."""
    subagent_start_ordinal: Ordinal | None = None
    """Records below this ordinal are a copy of the parent's."""
    created_at_ms: int | None = None
    source: str | None = None
    """A word: cli, vscode, exec, mcp, custom, internal, subagent, or as written."""
    source_kind: str | None = None
    """Of an object: its inner word, as `review` or `thread_spawn` of a sub-agent; else None."""
    source_json: str | None = None
    """The source as written, as compact JSON; None: it is a word."""
    thread_source: str | None = None
    originator: str | None = None
    cli_version: str | None = None
    parent_thread_id: ThreadId | None = None
    forked_from_id: ThreadId | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None
    agent_path: str | None = None
    agent_depth: int | None = None
    """Number of agents above and including this one."""


class ThreadMetadata(Struct, kw_only=True):
    """Metadata of the thread from the records so far; the newest value wins.

    Part of the reducer's state. Source: docs on files, section 4 (state_5.sqlite `threads`), where
    "rebuilt" and "live" differ over the visible history.
    """

    cwd: str | None = None
    model: str | None = None
    model_provider: str | None = None
    reasoning_effort: str | None = None
    git_branch: str | None = None
    git_sha: str | None = None
    git_origin_url: str | None = None
    preview: str | None = None
    """First user message with text in this rollout; "[Image]" for a message with images only."""
    preview_offset: int | None = None
    """Byte offset of the preview's message.

    After a cut it is no preview for continuing rollouts.
    """
    goal: str | None = None
    """Objective of the first goal: the preview of a thread without a user message."""
    name: str | None = None
    """Name stored in the rollout itself (old legacy rollouts only)."""
    reported_total_tokens: int | None = None
    """`total_token_usage.total_tokens` of the last token_count."""
    updated_at_ms: int | None = None
    """Time of the last record that has a readable time."""
    last_turn_at_ms: int | None = None
    """Time of the last record that started a turn."""


class Message(NamedTuple):
    """A user or agent message of a turn, reduced to what the turn's row depends on."""

    item_id: ItemId
    ordinal: Ordinal | None
    counts: Literal["user", "final", "plain", ""]
    """user: userMessage; final: agentMessage with phase final_answer; plain: with phase null."""


class StoredTurn(Struct, frozen=True, kw_only=True):
    """The stored state of a turn."""

    row: TurnRow | None
    """None: the turn has items only, or nothing."""
    tombstoned: bool = False
    messages: tuple[Message, ...] = ()
    """All items of the turn in order of position, also those with empty `counts`.

    Empty if the turn has ended.
    """


class StoredItem(NamedTuple):
    """The stored state of an item, enough to continue it."""

    uid: bytes
    turn_id: TurnId
    item_id: ItemId
    offset: Offset
    type: str
    json: str
    provenance: Provenance
    owner: int | None
    created_at_ms: int
    tombstoned: bool


class Lookup(Struct, frozen=True, kw_only=True):
    """Earlier rows that a reducer needs before it can apply the next records."""

    turns: frozenset[TurnId] = frozenset()
    items: frozenset[ItemId] = frozenset()
    """Item ids, looked up in every turn."""
    frames: int = 0
    """Number of newest frames that are not popped."""
    frames_of: frozenset[TurnId] = frozenset()
    """Turns whose newest frame is needed, popped or not."""

    def __bool__(self) -> bool:
        """True if anything is needed."""
        return bool(self.turns or self.items or self.frames or self.frames_of)


class LookupResult(Struct, frozen=True, kw_only=True):
    """The store's answer to a `Lookup`. Rows that are not in it do not exist."""

    turns: dict[TurnId, StoredTurn] = field(default_factory=dict)
    items: dict[ItemId, tuple[StoredItem, ...]] = field(default_factory=dict)
    """In order of position."""
    frames: tuple[RollbackFrame, ...] = ()
    """Newest first."""
    frames_of: dict[TurnId, RollbackFrame] = field(default_factory=dict)
