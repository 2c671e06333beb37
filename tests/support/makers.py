"""Short ways to say what the store is told: rollouts, rows and batches of a story."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from msgspec.structs import replace

from projector.model.changes import (
    BaseRef,
    Change,
    Event,
    EventType,
    ItemRow,
    RealtimeRow,
    SessionHeader,
    Status,
    ThreadMetadata,
    TurnRow,
    UsageRow,
    uid,
)
from projector.model.ids import (
    Checkpoint,
    Fingerprint,
    ItemId,
    Offset,
    Ordinal,
    RolloutFile,
    RolloutId,
    RolloutName,
    ThreadId,
    TurnId,
)
from projector.store.protocol import Batch

PAGINATED = SessionHeader(mode="paginated")
LEGACY = SessionHeader(mode="legacy")


def rollout_id(number: int) -> RolloutId:
    """Give the id of the n-th rollout ever: ids grow with time."""
    return RolloutId(str(uuid.UUID(int=number)))


def file_of(
    number: int, *, thread: int | None = None, archived: bool = False, size: int = 0
) -> RolloutFile:
    """Give rollout `number` of a thread (of its own, if none is said) as a scan finds it."""
    own, thread_id = rollout_id(number), rollout_id(number if thread is None else thread)
    suffix = "" if own == thread_id else f"_{own}"
    name = RolloutName.parse(f"rollout-2026-01-02T03-04-05-{thread_id}{suffix}.jsonl")
    assert name is not None
    folder = "archived_sessions" if archived else "sessions/2026/01/02"
    return RolloutFile(
        name=name,
        home="/home/x/.codex",
        path=f"/home/x/.codex/{folder}/rollout-2026-01-02T03-04-05-{thread_id}{suffix}.jsonl",
        archived=archived,
        size=size,
        mtime_ns=1,
        device=2,
        inode=number,
    )


def at(offset: int, *, generation: int = 0, state: bytes = b"{}") -> Checkpoint:
    """Give a checkpoint."""
    return Checkpoint(
        generation=generation,
        offset=Offset(offset),
        next_ordinal=Ordinal(offset // 100),
        fingerprint=Fingerprint(head=b"head", tail=offset.to_bytes(8)),
        state=state,
    )


def batch(
    file: RolloutFile,
    changes: Sequence[Change] = (),
    *,
    start: Checkpoint | None = None,
    end: Checkpoint | int = 1000,
    header: SessionHeader = PAGINATED,
    meta: ThreadMetadata | None = None,
    records: int = 1,
) -> Batch:
    """Give a batch; `end`: a checkpoint, or its offset."""
    if isinstance(end, int):
        end = at(end, generation=start.generation if start else 0)
    return Batch(
        file=file,
        start=start,
        end=end,
        header=header,
        meta=meta or ThreadMetadata(),
        changes=changes,
        records=records,
    )


def continuing(base: int, end_offset: int, *, attached: bool = False) -> SessionHeader:
    """Give the header of a rollout that continues another one up to a cut, 100 bytes a record."""
    cut = BaseRef(
        rollout_id=rollout_id(base),
        end_ordinal=Ordinal(end_offset // 100),
        end_offset=Offset(end_offset),
    )
    return replace(PAGINATED, base=cut, attached=attached)


def item(
    number: int,
    name: str,
    offset: int,
    *,
    turn: str = "t",
    kind: str = "plan",
    json: str | None = None,
    ordinal: int | None = -1,
    created: int = 1,
    started: int | None = None,
    completed: int | None = None,
    owner: int | None = None,
    completed_wins: bool = False,
) -> ItemRow:
    """Give an item of rollout `number`; its ordinal is that of its place, if none is said."""
    return ItemRow(
        uid=uid("item", rollout_id(number), turn, name),
        turn_id=TurnId(turn),
        item_id=ItemId(name),
        offset=Offset(offset),
        ordinal=Ordinal(offset // 100) if ordinal == -1 else _ordinal(ordinal),
        created_at_ms=created,
        started_at_ms=started,
        completed_at_ms=completed,
        type=kind,
        json=json or f'{{"type":"{kind}","id":"{name}"}}',
        owner=owner,
        completed_wins=completed_wins,
    )


def turn(
    number: int,
    name: str,
    offset: int,
    *,
    status: Status = "inProgress",
    ordinal: int | None = -1,
    end_offset: int | None = None,
    owner: int | None = None,
    end_owner: int | None = None,
    error: str | None = None,
    completed_at: int | None = None,
) -> TurnRow:
    """Give a turn of rollout `number`."""
    return TurnRow(
        uid=uid("turn", rollout_id(number), name),
        turn_id=TurnId(name),
        offset=Offset(offset),
        ordinal=Ordinal(offset // 100) if ordinal == -1 else _ordinal(ordinal),
        status=status,
        error_json=error,
        started_at=7,
        completed_at=completed_at,
        duration_ms=None,
        first_user_item_id=None,
        final_agent_item_id=None,
        end_ordinal=None if end_offset is None else Ordinal(end_offset // 100 - 1),
        end_offset=None if end_offset is None else Offset(end_offset),
        root_turn_id=None,
        owner=owner,
        end_owner=end_owner,
    )


def usage(
    number: int, offset: int, tokens: int, *, turn: str | None = "t", response: str | None = None
) -> UsageRow:
    """Give what a response of rollout `number` cost."""
    return UsageRow(
        uid=uid("usage", rollout_id(number), offset),
        turn_id=None if turn is None else TurnId(turn),
        offset=Offset(offset),
        ordinal=Ordinal(offset // 100),
        response_id=response,
        model="m",
        input_tokens=tokens,
        cached_input_tokens=0,
        output_tokens=1,
        reasoning_output_tokens=0,
        total_tokens=tokens + 1,
        recorded_at_ms=5,
    )


def realtime(number: int, name: str, offset: int, json: str = "{}") -> RealtimeRow:
    return RealtimeRow(
        uid("realtime", rollout_id(number), name), ItemId(name), Offset(offset), Ordinal(offset),
        7, "transcript_segment", json,
    )  # fmt: skip


def event(number: int, kind: EventType, offset: int, *, turn: str | None = "t") -> Event:
    """Give a lifecycle event that a record of rollout `number` tells of."""
    return Event(
        uid=uid("event", rollout_id(number), kind, turn or "", offset),
        type=kind,
        turn_id=None if turn is None else TurnId(turn),
        payload="{}",
        recorded_at_ms=5,
    )


def thread_id(number: int) -> ThreadId:
    """Give the id of the thread whose first rollout is the n-th."""
    return ThreadId(rollout_id(number))


def _ordinal(ordinal: int | None) -> Ordinal | None:
    return None if ordinal is None else Ordinal(ordinal)
