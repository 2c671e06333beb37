"""What the store is told: rows, their globally unique ids, and the changes of a batch.

Pure. Times of turns are seconds and of items milliseconds since 1970, as in Codex's own tables.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.model.ids import ItemId, Offset, Ordinal, RolloutId, ThreadId, TurnId

#: Namespace of every uid. Part of the public face: it never changes.
UID_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "codex-projector:uid")

_SEED = UID_NAMESPACE.bytes

#: Counts of tokens end here, so that sums of many stay below 63 bits: beyond, SQLite makes them
#: floats, which its columns refuse. No count that was ever true is near it.
MOST_TOKENS: Final = 1 << 52

#: From this many bytes on, a line or snapshot is copied as seldom as can be.
LONG: Final = 1024 * 1024


def uid(kind: Literal["turn", "item", "realtime", "event", "usage"], *name: str | int) -> bytes:
    """Give the 16 bytes of a UUIDv5 made from the data alone.

    The name hashed under `UID_NAMESPACE` is the JSON array `[kind, *name]` without spaces, in
    UTF-8: for a turn `["turn", rollout_id, turn_id]`, for an item
    `["item", rollout_id, turn_id, item_id]`, for a realtime item
    `["realtime", rollout_id, item_id]`, for a lifecycle event
    `["event", rollout_id, type, turn_id or "", byte offset]` and for a token usage
    `["usage", rollout_id, byte offset]`. An event that no record tells of (archived, unarchived,
    deleted, renamed) is the thread's n-th of its type: `["event", thread_id, type, "", "n"]`, with
    n as a string, counted from "0". One that is told again, for a migration dropped its record
    (`store/rules/preserve.py`): `["event", hex digits of its uid, "again"]`.
    """
    made = bytearray(
        hashlib.sha1(_SEED + orjson.dumps((kind, *name)), usedforsecurity=False).digest()[:16]
    )
    made[6] = made[6] & 0x0F | 0x50
    made[8] = made[8] & 0x3F | 0x80
    return bytes(made)


def uids(kind: Literal["item", "usage"], rollout_id: RolloutId) -> Callable[..., bytes]:
    """Give a function that does what `uid` does for many rows of one kind and one rollout."""
    begun = hashlib.sha1(
        _SEED + orjson.dumps((kind, rollout_id))[:-1] + b",", usedforsecurity=False
    )
    copy, dumps = begun.copy, orjson.dumps

    def give(*name: str | int) -> bytes:
        made = copy()
        made.update(dumps(name)[1:])
        digest = made.digest()
        return b"".join(
            (digest[:6], _VERSION[digest[6]], digest[7:8], _VARIANT[digest[8]], digest[9:16])
        )

    return give


_VERSION: Final = tuple(bytes((byte & 0x0F | 0x50,)) for byte in range(256))
_VARIANT: Final = tuple(bytes((byte & 0x3F | 0x80,)) for byte in range(256))


Status = Literal["inProgress", "completed", "failed", "interrupted"]
#: Where an item comes from: Codex's own snapshot, an event, or the model's call rebuilt.
Provenance = Literal["snapshot", "event", "response_item"]


class TurnRow(NamedTuple):
    """A turn, whole: it replaces the row of the same uid."""

    uid: bytes
    turn_id: TurnId
    offset: Offset
    """Of the line that made the row."""
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
    """Just behind the line that ended the turn."""
    root_turn_id: TurnId | None
    model: str | None = None
    owner: int | None = None
    """Legacy: key of the rollback frame that owns the row."""
    end_owner: int | None = None
    """Legacy: key of the frame that owns the record that ended the turn."""


class ItemRow(NamedTuple):
    """One record of an item: the first makes the row, later ones of the same uid update it.

    On an update `json`, `type`, `updated_ordinal`, `provenance` are replaced; `started_at_ms` and
    `completed_at_ms` fill what is still NULL; the place and `created_at_ms` stay
    (docs: paginated rollouts, repeated items). With `completed_wins`, a new `completed_at_ms`
    replaces the old one (legacy: the last line that changed the item). A tombstone that is put
    again is no update: it lives again as if it were new, place and times included.
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
    """The snapshot: a `ThreadItem` of the app-server protocol. Bytes are UTF-8: text would be made
    of them only to be written as bytes again, and a long one would take four times the memory."""
    provenance: Provenance = "snapshot"
    owner: int | None = None
    completed_wins: bool = False
    status: str | None = None
    """Of a command, as in its snapshot; None: look there."""
    shown: dict[str, Any] | None = None
    """The snapshot, as whoever reads `json` would get it; None: read it. It is the reducer's, and
    stays in its process."""
    words: bytes | None = None
    """What full-text search finds it by (`Batch.indexing`), in UTF-8; None: to be made from the
    snapshot."""


class RealtimeRow(NamedTuple):
    """A realtime item. The first record of an id makes the row; later ones change nothing."""

    uid: bytes
    item_id: ItemId
    offset: Offset
    ordinal: Ordinal
    created_at_ms: int
    type: str
    json: str


class UsageRow(NamedTuple):
    """What one model response cost. One row a record that reports it; repeated lines keep one.

    No count is beyond `MOST_TOKENS`. Source: `reduce/tokens.py`.
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
    """As the record says, else the thread's settings; None: neither does."""


EventType = Literal[
    "thread.started", "thread.forked", "thread.renamed", "thread.reverted", "thread.rolled_back",
    "thread.archived", "thread.unarchived", "thread.deleted", "thread.restored",
    "turn.started", "turn.completed", "turn.failed", "turn.cancelled",
]  # fmt: skip


class Event(NamedTuple):
    """A lifecycle event, written in the transaction that changes the state it tells of."""

    uid: bytes
    type: EventType
    turn_id: TurnId | None
    payload: str
    """JSON object."""
    recorded_at_ms: int | None
    """Time of the record; None where it has none that can be read."""


class Anomaly(NamedTuple):
    """A place in a rollout that could not be read as written. Never quotes content."""

    kind: str
    offset: Offset
    length: int
    detail: str


class RollbackFrame(NamedTuple):
    """Legacy: a user boundary that a rollback may pop. One of the same key replaces it."""

    key: int
    """Byte offset of the first record that it owns; grows along the file.

    That of the turn's start, if the boundary is the first one in its turn. A row's owner is an
    offset, too: that of the record that made it, or the key of the frame of the turn that this
    record named. So what was made between a turn's start and its boundary is the frame's.
    """
    turn_id: TurnId | None
    """The turn started last when it opened: records that name it belong to this frame. Without
    one the implicit turn that the user's message opened, once it has."""
    before: str | None
    """JSON: the active turn before the first record that the frame owns."""
    popped: bool = False


class Own(NamedTuple):
    """Legacy: rows made before their boundary opened go over to it. No reducer makes it now."""

    owner: int
    turns: tuple[bytes, ...]
    items: tuple[bytes, ...]


class TombstoneFrames(NamedTuple):
    """Legacy rollback: tombstones for the living rows of frames `owner_from` and later.

    The frames are marked popped. A surviving turn whose `end_owner` is one of theirs is
    `inProgress` again, without `completed_at`, `duration_ms`, `error_json` and end place.
    A row that is put again under the same uid lives again. Changes before and after a `Bury`
    are never reordered across it.
    """

    at: Offset
    owner_from: int


class Tombstone(NamedTuple):
    """Takes one turn or item out of the history: a call that turned out never to have run.

    Cheap for one of the rollout's newest rows, as those of `Own` are too.
    """

    uid: bytes
    at: Offset


class RetractCounts(NamedTuple):
    """Tombstones for the usage rows that token counts of a turn made: it has records of its own.

    Those are the living rows of the rollout without a response id, before `before`, of this turn;
    and those without a turn from `since` on. Changes of usage before and after it are never
    reordered across it.
    """

    turn_id: TurnId
    before: Offset
    since: Offset


class NameUsage(NamedTuple):
    """Gives a model to the usage rows before an offset that have none.

    Changes of usage before and after it are never reordered across it.
    """

    model: str
    before: Offset


Change = (
    TurnRow | ItemRow | RealtimeRow | UsageRow | Event | Anomaly | RollbackFrame | Own
    | TombstoneFrames | Tombstone | RetractCounts | NameUsage
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRef:
    """What a rollout continues: the records of another one before a cut."""

    rollout_id: RolloutId
    end_ordinal: Ordinal
    """Of the first record that is not inherited."""
    end_offset: Offset
    """Just behind the last record that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionHeader:
    """What the first session_meta says of the rollout; without one, what the file name says."""

    mode: Literal["paginated", "legacy"]
    thread_id: ThreadId | None = None
    """Whose rollout it is; None: it does not say, the file name does. Codex lists a rollout under
    this id even where its name has another one."""
    base: BaseRef | None = None
    attached: bool = False
    """The base is context for the model only; not shown."""
    subagent_start_ordinal: Ordinal | None = None
    """Records below it are a copy of the parent's."""
    created_at_ms: int | None = None
    source: str | None = None
    """The string, or the object as compact JSON."""
    thread_source: str | None = None
    originator: str | None = None
    cli_version: str | None = None
    parent_thread_id: ThreadId | None = None
    forked_from_id: ThreadId | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None
    agent_path: str | None = None


@dataclass(slots=True, kw_only=True)
class ThreadMetadata:
    """What the records so far say of the thread; the newest wins. Part of the reducer's state.

    Source: docs on files, section 4 (state_5.sqlite `threads`), where "rebuilt" and "live"
    differ over the visible history.
    """

    cwd: str | None = None
    model: str | None = None
    model_provider: str | None = None
    reasoning_effort: str | None = None
    git_branch: str | None = None
    git_sha: str | None = None
    git_origin_url: str | None = None
    preview: str | None = None
    """First user message with text, in this rollout; "[Image]" for one with only images."""
    preview_offset: int | None = None
    """Where it was said: behind a cut it is no preview of what continues this rollout."""
    goal: str | None = None
    """Objective of the first goal: the preview of a thread without a user message."""
    name: str | None = None
    """As the rollout itself says (old legacy rollouts only)."""
    reported_total_tokens: int | None = None
    """`total_token_usage.total_tokens` of the last token_count."""
    updated_at_ms: int | None = None
    """Time of the last record with a readable time."""
    last_turn_at_ms: int | None = None
    """Time of the last record that started a turn."""


class Message(NamedTuple):
    """A user or agent message of a turn, as far as the turn's row depends on it."""

    item_id: ItemId
    ordinal: Ordinal | None
    counts: Literal["user", "final", "plain", ""]
    """user: userMessage; final: agentMessage with phase final_answer; plain: with phase null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """What the store has of a turn."""

    row: TurnRow | None
    """None: it has items only, or nothing."""
    buried: bool = False
    messages: tuple[Message, ...] = ()
    """All its items by place, also those that count for nothing; none of a turn that has ended."""


class StoredItem(NamedTuple):
    """What the store has of an item: enough to go on with it."""

    uid: bytes
    turn_id: TurnId
    item_id: ItemId
    offset: Offset
    type: str
    json: str
    provenance: Provenance
    owner: int | None
    created_at_ms: int
    buried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What a reducer must know of earlier rows before it can take the next records."""

    turns: frozenset[TurnId] = frozenset()
    items: frozenset[ItemId] = frozenset()
    """By item id, in any turn."""
    frames: int = 0
    """How many of the newest frames that are not popped."""
    frames_of: frozenset[TurnId] = frozenset()
    """The newest frame of each of these turns, popped or not."""

    def __bool__(self) -> bool:
        """Whether anything is wanted."""
        return bool(self.turns or self.items or self.frames or self.frames_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupResult:
    """The store's answer to `Wants`. What is not in it does not exist."""

    turns: dict[TurnId, StoredTurn] = field(default_factory=dict)
    items: dict[ItemId, tuple[StoredItem, ...]] = field(default_factory=dict)
    """By place."""
    frames: tuple[RollbackFrame, ...] = ()
    """Newest first."""
    frames_of: dict[TurnId, RollbackFrame] = field(default_factory=dict)
