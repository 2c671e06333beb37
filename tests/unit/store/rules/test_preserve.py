"""What a migrated rollout showed before stays, where its new content lacks it."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.changes import Event, ItemRow, Tombstone, TurnRow
from projector.model.ids import ItemId, Offset, Ordinal, TurnId
from projector.store.rules.preserve import Content, Kept
from projector.store.rules.preserve import kept as told_of

#: The form of the ids that are made up for legacy rows.
OURS = "6a37f0a3-c9b9-5f56-8557-62e455fb8384"


def turn(turn_id: str, at: int, status: Any = "completed", **fields: Any) -> TurnRow:
    known: dict[str, Any] = dict.fromkeys(TurnRow._fields[5:15])
    row = (turn_id.encode(), TurnId(turn_id), Offset(at), Ordinal(at), status)
    return TurnRow(*row, **(known | fields))


def item(
    item_id: str, at: int, turn_id: str = "t", kind: str = "imageView", ms: int = 1, **fields: Any
) -> ItemRow:
    known: dict[str, Any] = {"json": "", "provenance": "event"} | fields
    return ItemRow(
        f"{turn_id} {item_id}".encode(), TurnId(turn_id), ItemId(item_id), Offset(at), Ordinal(at),
        ms, None, None, kind, **known,
    )  # fmt: skip


def said(item_id: str, at: int, ms: int = 1) -> ItemRow:
    return item(item_id, at, kind="userMessage", ms=ms)


def kept(old: Content, new: Content, before: frozenset[bytes] | None) -> Kept:
    """Tell what stays, where there was a migration."""
    stays = told_of(old, new, before)
    assert stays is not None
    return stays


def places(stays: Kept) -> list[tuple[str, int, int | None]]:
    rows: list[TurnRow | ItemRow] = [*stays.turns, *stays.items]
    return sorted(((row.uid.decode(), row.offset, row.ordinal) for row in rows), key=itemgetter(1))


OLD = Content(
    [turn("t", 10)],
    [item("v0", 20), said(OURS, 30), item("v1", 40), item("v2", 50),
     said(OURS[:-1] + "5", 60, ms=2), item("v3", 70)],
)  # fmt: skip
NEW = Content([turn("t", 100)], [said("item-1", 200), said("item-2", 300, ms=2)])


def test_what_does_not_come_again_stands_behind_what_it_stood_behind() -> None:
    stays = kept(OLD, NEW, None)

    assert places(stays) == [
        ("t v0", 101, 100), ("t v1", 201, 200), ("t v2", 202, 200), ("t v3", 301, 300),
    ]  # fmt: skip
    assert stays.alone == {row.uid for row in stays.items}
    assert [*stays.marks()] == [(row.uid, "item", True) for row in stays.items]


def test_once_more_it_is_the_same() -> None:
    first = kept(OLD, NEW, None)
    shown = Content(NEW.turns, sorted([*NEW.items, *first.items], key=lambda row: row.offset))

    assert kept(shown, NEW, first.alone) == first


def test_later_nothing_stays_that_did_not_stay_before() -> None:
    assert places(kept(OLD, NEW, frozenset({b"t v2"}))) == [("t v2", 201, 200)]


@pytest.mark.parametrize(
    "other",
    [
        Content([turn("t", 100)], [said("01a3-u", 200)]),  # as Codex itself writes it
        Content([turn("u", 100)], [item("item-1", 200, "u", "userMessage", 9)]),  # another thread's
        Content([], []),
    ],
)
def test_of_another_content_nothing_stays(other: Content) -> None:
    assert told_of(OLD, other, None) is None
    assert told_of(OLD, other, frozenset({b"t v2"})) is None


def test_a_thread_without_messages_is_known_by_its_turns() -> None:
    old = Content([turn("t", 10)], [item("v0", 20)])

    assert places(kept(old, Content([turn("t", 100)], []), None)) == [("t v0", 101, 100)]


def test_what_comes_again_under_another_id_or_in_another_turn_does_not_stay() -> None:
    old = Content(
        [turn("t", 10)],
        [said(OURS, 20), item("named", 30, kind="enteredReviewMode", ms=3), item("c1", 40, ms=4)],
    )
    new = Content(
        [turn("rollout-1", 100)],
        [item("item-1", 200, "rollout-1", "userMessage"),
         item("item-2", 300, "rollout-1", "enteredReviewMode", 3),
         item("c1", 400, "rollout-1", ms=5)],
    )  # fmt: skip

    assert not any(kept(old, new, None))


def test_a_turn_stays_with_the_items_that_it_has() -> None:
    """Codex makes no turn for what comes between turns; its own messages name none of its rows."""
    old = Content(
        [turn("t", 10), turn(OURS, 35, first_user_item_id="x", end_offset=99), turn("gone", 80)],
        [said(OURS, 20), item("v1", 36, OURS)],
    )

    stays = kept(old, NEW, None)

    assert places(stays) == [(OURS, 201, 200), (f"{OURS} v1", 202, 200)]
    assert stays.turns[0].first_user_item_id is None
    assert stays.turns[0].end_offset is None


def test_how_a_turn_ended_and_when_stays_known() -> None:
    old = turn("t", 10, "failed", error_json="{}", started_at=1, completed_at=2, end_offset=5)
    new = turn("t", 100, duration_ms=7, completed_at=3, end_offset=50)

    stays = kept(OLD._replace(turns=[old]), NEW._replace(turns=[new]), None)

    better = new._replace(status="failed", error_json="{}", started_at=1)
    assert stays.turns == [better]
    assert (new.uid, "turn", False) in stays.marks()


def test_a_turn_that_ran_is_as_it_is_now() -> None:
    old, new = turn("t", 10, "inProgress"), turn("t", 100, "interrupted", completed_at=3)

    assert not kept(OLD._replace(turns=[old]), NEW._replace(turns=[new]), None).turns


def test_what_an_event_told_stands_where_it_did_and_not_at_its_call() -> None:
    """Behind the row before it: the new content has its call alone."""
    old = Content([turn("t", 10)], [item("c1", 20), item("c2", 30, provenance="response_item")])
    again = [item(name, at, provenance="response_item") for name, at in (("c1", 200), ("c2", 300))]
    new = NEW._replace(items=[said("item-1", 150, 9), *again])

    stays = kept(old, new, None)

    assert stays.items == [
        old.items[0]._replace(offset=Offset(101), ordinal=Ordinal(100), completed_wins=True)
    ]
    assert not stays.alone
    assert stays.moved() == [Tombstone(old.items[0].uid, Offset(101))]


def event(kind: Any, turn_id: str | None, content: str) -> Event:
    turn = None if turn_id is None else TurnId(turn_id)
    return Event(f"{kind} {turn_id} {content}".encode(), kind, turn, "{}", 1)


def test_an_event_that_is_not_told_again_stays_told() -> None:
    """But those of turns that come again under other ids."""
    old = OLD._replace(
        turns=[turn("t", 10), turn(OURS, 60)],
        events=[
            event("thread.started", None, "old"), event("turn.started", "t", "old"),
            event("turn.started", "back", "old"), event("thread.rolled_back", None, "old"),
            event("turn.completed", "t", "old"), event("turn.completed", OURS, "old"),
        ],
    )  # fmt: skip
    again = [
        event("thread.started", None, "new"), event("turn.started", "t", "new"),
        event("turn.completed", "t", "new"), event("turn.completed", "rollout-1", "new"),
    ]  # fmt: skip
    new = NEW._replace(turns=[turn("t", 100), turn("rollout-1", 400)], events=again)

    stays = kept(old, new, None)

    assert stays.events == old.events[2:4]
    assert stays.unsaid == []


def test_what_is_told_of_a_turn_is_told_once_more_in_its_order() -> None:
    """Under other ids: those that were told have lesser numbers than what is told anew."""
    kinds = ("turn.started", "turn.failed", "turn.cancelled")
    old = OLD._replace(events=[event(kind, "t", "old") for kind in kinds])
    again = [event("turn.started", "t", "new"), event("turn.cancelled", "t", "new")]
    new = NEW._replace(events=again)

    stays = kept(old, new, None)

    assert [(one.type, one.turn_id) for one in stays.events] == [(kind, "t") for kind in kinds]
    assert not {one.uid for one in stays.events} & {one.uid for one in old.events}
    assert stays.unsaid == [one.uid for one in again]
    marks = {uid for uid, kind, alone in stays.marks() if kind == "event" and not alone}
    assert marks == {one.uid for one in (*again, *stays.events)}
    later = kept(old._replace(events=stays.events), new, frozenset(marks))
    assert (later.events, later.unsaid) == (stays.events, stays.unsaid)


@pytest.mark.parametrize("shown", [True, False])
def test_of_a_turn_that_ran_or_was_rolled_back_all_is_told_as_it_is_now(*, shown: bool) -> None:
    kinds = ("turn.started", "turn.failed", "turn.started")
    turns = [turn("t", 10, "inProgress")] if shown else []
    old = OLD._replace(turns=turns, events=[event(kind, "t", "old") for kind in kinds])
    new = NEW._replace(
        events=[event("turn.started", "t", "new"), event("turn.cancelled", "t", "new")]
    )

    stays = kept(old, new, None)

    assert (stays.events, stays.unsaid) == ([], [])


def over(new: Content, stays: Kept) -> Content:
    """Put what stays over a content, as a store does."""
    shown = {row.uid: row for row in new.rows()} | {row.uid: row for row in stays.turns}
    shown |= {row.uid: row for row in stays.items}
    rows = sorted(shown.values(), key=lambda row: row.offset)
    return Content(
        [row for row in rows if isinstance(row, TurnRow)],
        [row for row in rows if isinstance(row, ItemRow)],
    )


@given(kinds=st.lists(st.sampled_from(["said", "told", "rebuilt", "dropped", "turn"]), max_size=30))
def test_all_that_was_shown_is_shown_in_its_order_and_stays_so(kinds: list[str]) -> None:
    old, new, number = Content([turn("t0", 0)], []), Content([turn("t0", 500)], []), 0
    for at, kind in enumerate(["said", *kinds], 1):
        here, there, turn_id = 1000 * at, 1000 * at + 500, old.turns[-1].turn_id
        if kind == "turn":
            old = old._replace(turns=[*old.turns, turn(f"t{at}", here)])
            new = new._replace(turns=[*new.turns, turn(f"t{at}", there)])
            continue
        one = item(f"c{at}", here, turn_id, ms=at)
        again = item(f"c{at}", there, turn_id, ms=at, provenance="response_item")
        if kind == "said":
            number += 1
            ours = f"{OURS[:-2]}{at:02d}"
            one = item(ours, here, turn_id, "userMessage", at)
            again = item(f"item-{number}", there, turn_id, "userMessage", at)
        elif kind == "told":
            again = again._replace(provenance="snapshot")
        old = old._replace(items=[*old.items, one])
        if kind != "dropped":
            new = new._replace(items=[*new.items, again])

    stays = kept(old, new, None)
    shown = over(new, stays)

    assert [(row.turn_id, row.created_at_ms) for row in shown.items] == [
        (row.turn_id, row.created_at_ms) for row in old.items
    ]
    assert len(stays.alone) == kinds.count("dropped")
    assert kept(shown, new, frozenset(uid for uid, *_ in stays.marks())) == stays
