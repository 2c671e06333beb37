"""`show --format events`: what a live session would have sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.serve.history import replay as module
from projector.serve.history.replay import line, replay
from projector.store.questions.history import Item, Turn
from tests.support.shown_history import THREAD, HeldHistory, item, turn

A, B = "a", "b"


def said(history: HeldHistory) -> list[str]:
    """Give the events in short: `+a` starts, `a` an item, `!a` an error, `-a completed` ends."""
    short = []
    for event in sent(history):
        params = event["params"]
        match event["method"]:
            case "turn/started":
                short.append(f"+{params['turn']['id']}")
            case "item/completed":
                short.append(f"{params['turnId']}{params['item']['id'][1:]}")
            case "error":
                short.append(f"!{params['turnId']}")
            case "turn/completed":
                short.append(f"-{params['turn']['id']} {params['turn']['status']}")
    return short


def sent(history: HeldHistory) -> list[dict[str, Any]]:
    return [json.loads(line(event)) for event in replay(history)]


FAILED = '{"message":"no"}'

# fmt: off
CASES = [
    ("a turn starts, has its items, completes",
     [turn(A, 1, end=9)], [item(A, 2), item(A, 3)],
     ["+a", "a2", "a3", "-a completed"]),
    ("an aborted turn ends as interrupted",
     [turn(A, 1, "interrupted", end=9)], [item(A, 2)],
     ["+a", "a2", "-a interrupted"]),
    ("a failed turn has its error before its end",
     [turn(A, 1, "failed", end=9, error_json=FAILED)], [item(A, 2)],
     ["+a", "a2", "!a", "-a failed"]),
    ("a failed turn without an error has none",
     [turn(A, 1, "failed", end=9)], [],
     ["+a", "-a failed"]),
    ("nothing stands after a turn in progress",
     [turn(A, 1, "inProgress")], [item(A, 2)],
     ["+a", "a2"]),
    ("turns interleave as their records do",
     [turn(A, 1, end=6), turn(B, 3, end=9)], [item(A, 2), item(B, 4), item(A, 5), item(B, 7)],
     ["+a", "a2", "+b", "b4", "a5", "-a completed", "b7", "-b completed"]),
    ("an item that came after the end of its turn stands behind it",
     [turn(A, 1, end=3), turn(B, 4, end=9)], [item(A, 2), item(B, 5), item(A, 6)],
     ["+a", "a2", "-a completed", "+b", "b5", "a6", "-b completed"]),
    ("an item right behind the end of a turn is none before it",
     [turn(A, 1, end=3)], [item(A, 2), item(A, 3)],
     ["+a", "a2", "-a completed", "a3"]),
    ("a turn and an item of one record: the turn first",
     [turn(A, 2, end=9)], [item(A, 2)],
     ["+a", "a2", "-a completed"]),
    ("a turn ends before the one that starts there",
     [turn(A, 1, end=5), turn(B, 5, end=9)], [],
     ["+a", "-a completed", "+b", "-b completed"]),
    ("a fork of a running turn: it starts before its first item and ends in the fork",
     [turn(A, 7, "interrupted", end=9)], [item(A, 2), item(A, 3), item(A, 8)],
     ["+a", "a2", "a3", "a8", "-a interrupted"]),
    ("a turn that no record ends is over with its last item",
     [turn(A, 1), turn(B, 5)], [item(A, 2), item(A, 4), item(B, 6)],
     ["+a", "a2", "a4", "-a completed", "+b", "b6", "-b completed"]),
    ("a turn without items that no record ends",
     [turn(A, 1), turn(B, 5, "inProgress")], [],
     ["+a", "-a completed", "+b"]),
    ("items of a turn that no record tells of are not lost",
     [turn(B, 3, end=9)], [item(A, 2), item(B, 4), item(A, 5)],
     ["a2", "+b", "b4", "a5", "-b completed"]),
    ("nothing", [], [], []),
]
# fmt: on


@pytest.mark.parametrize(
    ("turns", "items", "events"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_the_order_of_events(turns: list[Turn], items: list[Item], events: list[str]) -> None:
    assert events == said(HeldHistory(turns, items))


def test_the_shape_of_the_notifications() -> None:
    """Keys as Codex's app-server sends them, the place and uid of the row beside."""
    history = HeldHistory(
        [turn(A, 1, "failed", end=9, error_json=FAILED, duration_ms=7)], [item(A, 2)]
    )
    base: dict[str, Any] = {"id": A, "rootTurnId": None, "items": [], "itemsView": "notLoaded"}
    place = {"rolloutId": "r", "uid": "turn a", "position": 1}
    thread = {"threadId": THREAD["thread_id"]}

    started, completed, error, ended = sent(history)

    running = {**base, "status": "inProgress", "error": None, "startedAt": 1_000_000_000}
    assert started == {
        "method": "turn/started",
        "params": {**thread, "turn": {**running, "completedAt": None, "durationMs": None}},
        **place,
    }
    assert completed["params"] == {
        "item": {
            "type": "plan",
            "id": "i2",
            "text": "x",
            "startedAtMs": None,
            "completedAtMs": 1_000_000_000_003,
        },
        **thread,
        "turnId": A,
        "completedAtMs": 1_000_000_000_003,
    }
    assert error["params"] == {
        "error": {"message": "no"},
        "willRetry": False,
        **thread,
        "turnId": A,
    }
    assert ended["params"]["turn"] == {
        **running,
        "status": "failed",
        "error": {"message": "no"},
        "completedAt": 1_000_000_001,
        "durationMs": 7,
    }


@pytest.mark.parametrize(
    "snapshot",
    [
        '{"type":"x","id":"i","n":1.10,"big":1e400,"z":123456789012345678901234567890}',
        '{"type":"x","id":"i","text":"\\ud800 \\u0000 \u2028"}',
        '{"b":1,"type":"x","a":{"id":2},"id":"i" } ',
    ],
    ids=["numbers keep their spelling", "escapes stay", "the order of keys stays"],
)
def test_a_snapshot_is_not_written_anew(snapshot: str) -> None:
    history = HeldHistory([], [item(A, 1)._replace(item_json=snapshot)])

    (event,) = replay(history)

    assert snapshot.rstrip(" }") in line(event).decode()
    assert json.loads(line(event))["params"]["item"]["completedAtMs"] is not None


def test_an_item_with_times_of_its_own_keeps_them() -> None:
    (event,) = sent(HeldHistory([], [item(A, 1, "later", startedAtMs=5)]))

    assert event["params"]["item"] == {"type": "later", "id": "i1", "startedAtMs": 5}


@st.composite
def histories(draw: st.DrawFn) -> HeldHistory:
    """Turns and items anywhere: interleaved, cut, without rows, in progress."""
    names = draw(st.lists(st.sampled_from("abcdef"), unique=True))
    places = st.integers(min_value=0, max_value=60)
    turns = [
        turn(
            name,
            draw(places),
            draw(st.sampled_from(["inProgress", "completed", "failed", "interrupted"])),
            end=draw(st.none() | places),
            error_json=draw(st.none() | st.just(FAILED)),
        )
        for name in names
    ]
    at = draw(st.lists(places, unique=True))
    return HeldHistory(turns, [item(draw(st.sampled_from("abcdefg")), place) for place in at])


def folded(events: list[dict[str, Any]]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Do what a client does: keep the turns by id, the items as they come."""
    turns: dict[str, Any] = {}
    items = []
    for event in events:
        params = event["params"]
        match event["method"]:
            case "turn/started":
                assert params["turn"]["id"] not in turns, "started once"
                turns[params["turn"]["id"]] = params["turn"]
            case "turn/completed":
                assert turns[params["turn"]["id"]]["status"] == "inProgress", "ended once"
                turns[params["turn"]["id"]] = params["turn"]
            case "item/completed":
                items.append((params["turnId"], params["item"]["id"]))
    return turns, items


@given(histories(), st.integers(min_value=1, max_value=3))
def test_folding_the_events_gives_the_history_back(history: HeldHistory, recent: int) -> None:
    """Same items in the same order, same turns with the same ends, however few are remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RECENT", recent)
        turns, items = folded(sent(history))

    assert [(one.turn_id, one.item_id) for one in history.items()] == items
    assert {one.turn_id: one.status for one in history.turns()} == {
        name: one["status"] for name, one in turns.items()
    }
    for one in history.turns():
        if one.status != "inProgress":
            assert one.error_json == (FAILED if turns[one.turn_id]["error"] else None)


@given(histories())
def test_no_item_comes_before_the_start_of_its_turn(history: HeldHistory) -> None:
    started = set()
    known = {one.turn_id for one in history.turns()}
    for event in replay(history):
        if event["method"] == "turn/started":
            started.add(event["params"]["turn"]["id"])
        elif event["method"] == "item/completed":
            name = event["params"]["turnId"]
            assert name in started or name not in known
