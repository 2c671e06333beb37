"""Rows that a rollout showed before Codex migrated it in place, and its new content lacks. Pure.

The migration drops what Codex itself no longer shows: calls of agents and images that only events
of extended histories report, errors of turns, times. Such rows stay, each after the row that it
followed, and are marked: no file contains them any more, so comparisons of rows with files skip
them. A database that never saw the rollout before the migration lacks them, and is right.

A migration is recognised by the ids that it makes up, and by the rows that occur again: under their
own ids, or, where these were made up, under others, of the same types and times in the same order.
Source: docs on legacy rollouts, a4 and d; files that Codex 0.169 migrated.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from projector.model.changes import Event, ItemRow, Tombstone, TurnRow, uid
from projector.model.ids import Offset, Ordinal, TurnId

#: Ids that the migration makes up, and those that we make up for legacy items: a UUIDv5.
_MIGRATED: Final = re.compile(r"item-\d{1,18}").fullmatch
_OURS: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
).fullmatch

#: Queries for a rollout's content; `start`: position of the rollout's first byte.
TURNS: Final = (
    "SELECT uid, turn_id, position - {start}, ordinal, status, CAST(error_json AS text),"
    " started_at, completed_at, duration_ms, first_user_item_id, final_agent_item_id, end_ordinal,"
    " end_offset, root_turn_id, model FROM {table} WHERE {whose} AND tombstone = 0"
    " ORDER BY position"
)
ITEMS: Final = (
    "SELECT uid, turn_id, item_id, position - {start}, ordinal, created_at_ms, started_at_ms,"
    " completed_at_ms, type, '', provenance FROM {table} WHERE {whose} AND tombstone = 0"
    " ORDER BY position"
)
EVENTS: Final = (
    "SELECT uid, type, turn_id, CAST(payload AS text), recorded_at_ms FROM {table} WHERE {whose}"
    " AND from_record AND tombstone = 0 ORDER BY seq"
)

_KIND: Final = attrgetter("type", "created_at_ms")
_WHAT: Final = attrgetter("type", "turn_id")
Row = TurnRow | ItemRow
T = TypeVar("T")


class Content(NamedTuple):
    """Content of a rollout: living rows by position, items without JSON, events in order."""

    turns: Sequence[TurnRow]
    items: Sequence[ItemRow]
    events: Sequence[Event] = ()

    def rows(self) -> Iterable[Row]:
        """Return its turns and items by position."""
        kinds: tuple[Sequence[Row], ...] = (self.turns, self.items)
        return merge(*kinds, key=lambda row: row.offset)


class Kept(NamedTuple):
    """Rows of the old content, to be written over the new one; items without their JSON."""

    turns: list[TurnRow]
    items: list[ItemRow]
    events: list[Event]
    unsaid: list[bytes]
    """uids of events of the new content that contradict these."""
    alone: frozenset[bytes]
    """uids of the turns and items that the new content has no row of."""

    def moved(self) -> list[Tombstone]:
        """Return tombstones that remove items from their new positions, before they are written."""
        return [
            Tombstone(item.uid, item.offset) for item in self.items if item.uid not in self.alone
        ]

    def marks(self) -> Iterator[tuple[bytes, str, bool]]:
        """Yield the mark of each row: uid, kind, and whether it is alone."""
        uids = {
            "turn": [turn.uid for turn in self.turns],
            "item": [item.uid for item in self.items],
            "event": [*(event.uid for event in self.events), *self.unsaid],
        }
        for kind, some in uids.items():
            yield from ((one, kind, one in self.alone) for one in some)


def kept(old: Content, new: Content, before: frozenset[bytes] | None) -> Kept | None:
    """Return what to preserve; None: the new content is not Codex's migration of the old one.

    `before`: uids of the rows preserved when the rollout was migrated; no others can be. None: it
    was a legacy rollout until now.
    """
    again = _again(old, new)
    if not again or (new.items and not any(_MIGRATED(item.item_id) for item in new.items)):
        return None
    mine = frozenset(row.uid for row in old.rows()) if before is None else before
    alone = {item.uid for item in _lost(old, new, again)} & mine
    shown = {item.turn_id for item in new.items}
    shown |= {item.turn_id for item in old.items if item.uid in alone}
    alone |= {turn.uid for turn in old.turns if turn.turn_id in shown} & mine - again.keys()
    renamed = {turn.turn_id for turn in old.turns if _OURS(turn.turn_id) and turn.uid not in alone}
    stays = Kept([], [], *_events(old, new, renamed, before), frozenset(alone))
    for row, now, place, ordinal in _placed(old, again, alone):
        if row.uid not in mine:
            continue
        if isinstance(row, TurnRow):
            stays.turns.extend(_turn(row, now, place, ordinal))
        else:
            stays.items.extend(_item(row, now, place, ordinal))
    return stays


def _placed(
    old: Content, again: Mapping[bytes, Row], alone: Collection[bytes]
) -> Iterator[tuple[Row, Row | None, Offset, Ordinal]]:
    """Yield each old row that occurs again or is preserved, with its new row, and its place.

    A row that does not occur again is placed after the row before it, within that one's line; so is
    an item that an event reported and only its call reports now: its place was the event.
    """
    place, ordinal = Offset(0), Ordinal(0)
    for row in old.rows():
        now = again.get(row.uid)
        rebuilt = isinstance(row, ItemRow) and _is_only_rebuilt(row, now)
        if now is not None and not rebuilt:
            place, ordinal = now.offset, now.ordinal or ordinal
        elif rebuilt or row.uid in alone:
            place = Offset(place + 1)
        else:
            continue
        yield row, now, place, ordinal


def _again(old: Content, new: Content) -> Mapping[bytes, Row]:
    """Return, by the uids of old rows, the new rows that stand for them."""
    fresh = {row.uid: row for row in new.rows()}
    found = {row.uid: fresh[row.uid] for row in old.rows() if row.uid in fresh}
    others = dict(_named((item for item in new.items if item.uid not in found), _KIND))
    renamed = _named((item for item in old.items if item.uid not in found), _KIND)
    return found | {item.uid: others[name] for name, item in renamed if name in others}


def _named(rows: Iterable[T], key: Callable[[T], object]) -> Iterator[tuple[tuple[object, int], T]]:
    """Name rows by a key, and by their number among those of the same key."""
    numbers = Counter[object]()
    for row in rows:
        numbers[key(row)] += 1
        yield (key(row), numbers[key(row)]), row


def _lost(old: Content, new: Content, again: Mapping[bytes, Row]) -> Iterator[ItemRow]:
    """Yield the items that do not occur again under any id.

    Items with ids that we made up always do: they are messages and the like.
    """
    turns = {item.turn_id for item in old.items}
    elsewhere = {item.item_id for item in new.items if item.turn_id not in turns}
    for item in old.items:
        if item.uid not in again and item.item_id not in elsewhere and not _OURS(item.item_id):
            yield item


def _turn(old: TurnRow, now: Row | None, place: Offset, ordinal: Ordinal) -> Iterator[TurnRow]:
    """Yield a turn with what is only known from the old content: how it ended, and when."""
    if not isinstance(now, TurnRow):
        # Its messages and its end were offsets in the old content.
        yield old._replace(
            offset=place,
            ordinal=ordinal,
            first_user_item_id=None,
            final_agent_item_id=None,
            end_ordinal=None,
            end_offset=None,
        )
        return
    better = now._replace(
        status=now.status if old.status == "inProgress" else old.status,
        error_json=now.error_json or old.error_json,
        started_at=old.started_at if now.started_at is None else now.started_at,
        completed_at=old.completed_at if now.completed_at is None else now.completed_at,
        duration_ms=old.duration_ms if now.duration_ms is None else now.duration_ms,
        model=now.model or old.model,
    )
    if better != now:
        yield better


def _item(old: ItemRow, now: Row | None, place: Offset, ordinal: Ordinal) -> Iterator[ItemRow]:
    """Yield an item that does not occur again, or that only its call reports now."""
    if not isinstance(now, ItemRow) or _is_only_rebuilt(old, now):
        yield old._replace(offset=place, ordinal=ordinal, completed_wins=True)


def _is_only_rebuilt(old: ItemRow, now: Row | None) -> bool:
    """True if an event reported an item that only its call reports now."""
    return (
        isinstance(now, ItemRow)
        and old.uid == now.uid
        and (old.provenance, now.provenance) == ("event", "response_item")
    )


def _events(
    old: Content, new: Content, renamed: Collection[TurnId], before: frozenset[bytes] | None
) -> tuple[list[Event], list[bytes]]:
    """Return the events that do not occur again, and the new events that contradict old ones.

    `renamed`: turns that occur again under other ids, and so do their events. Of a turn that is
    shown before and now, all events are written again, under other ids: in their order, after the
    new ones. Of a turn that was running, and of which the new content reports more, the new events
    stay.
    """
    names = {name for name, _ in _named(old.events, _WHAT)}
    told = {name for name, _ in _named(new.events, _WHAT)}
    lost = [
        event
        for name, event in _named(old.events, _WHAT)
        if name not in told and (before is None or event.uid in before)
    ]
    more = {event.turn_id for name, event in _named(new.events, _WHAT) if name not in names}
    ran = {turn.turn_id for turn in old.turns if turn.status == "inProgress"}
    shown = {turn.turn_id for turn in new.turns}
    both = shown & {turn.turn_id for turn in old.turns}
    again = {event.turn_id for event in lost} & both - (ran & more)
    stays = [event for event in lost if event.turn_id not in {*shown, *renamed}]
    for event in old.events:
        if event.turn_id in again and (before is None or event.uid in before):
            name = uid("event", event.uid.hex(), "again") if before is None else event.uid
            stays.append(event._replace(uid=name))
    unsaid = [
        event.uid
        for event in new.events
        if event.turn_id in again and (before is None or event.uid in before)
    ]
    return stays, unsaid
