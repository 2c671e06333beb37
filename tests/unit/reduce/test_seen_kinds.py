"""Which kinds of records, events and items reducers have seen: all, those without rows included."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.ids import Line
from projector.reduce.detect import resume, start
from tests.support.legacy_records import header, lines_from, started
from tests.support.memory import Memory
from tests.support.memory_legacy import ROLLOUT, lines_of
from tests.support.paginated import THREAD
from tests.unit.reduce.test_lookups_repeat import ROLLOUTS

STAMP = "2026-11-20T09:24:24.573Z"


def seen(lines: Sequence[Line], cuts: Sequence[int] = ()) -> str:
    """Give the kinds of some lines, taken in pieces by reducers that are saved between them."""
    memory, reducer = Memory(), start(ROLLOUT, THREAD)
    bounds = [0, *sorted({min(cut, len(lines)) for cut in cuts}), len(lines)]
    for begin, end in itertools.pairwise(bounds):
        piece = lines[begin:end]
        while wants := reducer.lookup(piece):
            reducer.provide(wants, memory.find(wants))
        memory.apply(reducer.apply(piece))
        reducer = resume(ROLLOUT, THREAD, reducer.dump_state(), reducer.kinds.text)
    return reducer.kinds.text


def _file(*records: bytes | dict[str, Any]) -> list[Line]:
    written = [one if type(one) is bytes else orjson.dumps(one) for one in records]
    return lines_of(b"\n".join([*written, b""]))


def _paginated(kind: str, payload: object, ordinal: object = None) -> dict[str, Any]:
    return {"timestamp": STAMP, "ordinal": ordinal, "type": kind, "payload": payload}


@pytest.mark.parametrize("kind", ROLLOUTS)
@given(data=st.data())
def test_they_are_the_same_however_the_lines_are_divided(kind: str, data: st.DataObject) -> None:
    """By any reducer, over damaged lines and odd records too."""
    lines = lines_of(data.draw(ROLLOUTS[kind]))
    cuts = data.draw(st.lists(st.integers(0, len(lines)), max_size=6))

    assert seen(lines, cuts) == seen(lines)


def test_those_of_a_paginated_rollout() -> None:
    """Records that change nothing, unknown ones, those on damaged lines, odd names."""
    item = {"type": "item_completed", "turn_id": "t", "item": {"type": "Novel", "id": "i"}}
    lines = _file(
        _paginated("session_meta", {"id": THREAD, "history_mode": "paginated"}),
        _paginated("response_item", {"type": "reasoning"}, 0),
        _paginated("event_msg", {"type": "warning"}, 1),
        _paginated("event_msg", {"type": "task_started", "turn_id": "t"}, 2),
        _paginated("event_msg", item, 3),
        _paginated("event_msg", item | {"item": {"type": "Plan", "id": "j", "text": "x"}}, 4),
        _paginated("event_msg", {"type": "item_completed", "item": 5}, 5),
        _paginated("event_msg", {"type": "brand_new"}, 6),
        _paginated("brand_new", {"type": ["no", "name"]}, 7),
        _paginated("realtime_item", {"type": "frame", "id": "r"}, 9),
        b'{"torn":' + orjson.dumps(_paginated("world_state", {}, 10)),
        _paginated("event_msg", {"type": "a secret of a person"}, 11),
        _paginated("compacted", "no object", 12),
        b"garbage",
    )

    assert seen(lines).split() == [
        "+1", "brand_new", "compacted", "event_msg/brand_new", "event_msg/item_completed",
        "event_msg/task_started", "event_msg/warning", "item/Novel", "item/Plan",
        "realtime_item/frame", "response_item/reasoning", "session_meta", "world_state",
    ]  # fmt: skip
    assert "secret" not in seen(lines)


def test_those_of_a_legacy_rollout() -> None:
    """Those of lines that are not even parsed; bare ones of the first months."""
    unread = [
        {"type": "response_item", "payload": {"type": "message", "role": "assistant"}},
        {"type": "response_item", "payload": {"type": "reasoning", "summary": []}},
        {"type": "response_item", "payload": {"type": "ghost_snapshot"}},
        {"type": "compacted", "payload": {"message": ""}},
        {"type": "world_state", "payload": {}},
    ]
    lines = lines_of(
        lines_from([header(), started("t1"), *({"timestamp": STAMP} | one for one in unread)])
    )

    assert seen(lines).split() == [
        "compacted", "event_msg/task_started", "response_item/ghost_snapshot",
        "response_item/message", "response_item/reasoning", "session_meta", "world_state",
    ]  # fmt: skip
    bare = _file(
        {"id": THREAD, "timestamp": STAMP},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": []},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c"},
    )
    assert seen(bare).split() == [
        "response_item/function_call", "response_item/message", "session_meta",
    ]  # fmt: skip
