"""Rollouts as a later Codex may write them: members more, words renamed. Nothing is lost."""

from __future__ import annotations

import copy
import functools
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
from hypothesis import given
from hypothesis import strategies as st

from projector.reduce.detect import start
from tests.live.hand_made import records
from tests.support.generator.rollouts import Rollout
from tests.support.memory import Memory
from tests.support.paginated import ROLLOUT, THREAD, Json, aborted, rollout, started, written
from tests.unit.decode.test_items import ITEMS

MARK: Final = "never seen before"
#: Events whose payloads, and records that, become rows.
PROJECTED: Final = (
    "item_completed", "task_started", "task_complete", "turn_aborted", "error", "realtime_item",
)  # fmt: skip
#: Members of any form: what is below them is nobody's, and kept. Or dropped as a whole, by Codex.
FREE: Final = frozenset({"arguments", "results", "structuredContent", "_meta", "metadata"})
#: Objects that Codex takes with no other member, or whose members are names from outside.
FIXED: Final = ("duration", "agents_states", "questions", "changes", "codex_error_info", "role",
                "mode", "trustedContacts", "status")  # fmt: skip


@functools.cache
def bases() -> list[list[bytes]]:
    """Give lines of rollouts: made by hand with one of each item, and generated as Codex writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Rollout(seed=5).write(Path(folder), turns=2)
        generated = path.read_bytes().splitlines()
    bodies = [body | {"id": f"i{at}"} for at, (_, body, _) in enumerate(ITEMS)]
    fields = {"thread_id": THREAD, "turn_id": "A", "type": "item_completed", "completed_at_ms": 5}
    items = [{"type": "event_msg", "payload": {**fields, "item": body}} for body in bodies]
    whole = records()
    return [written([*whole[:2], *items, *whole[2:], started("B"), aborted("B")]), generated]


def objects(record: Json) -> Iterator[Json]:
    """Give the objects of a record in which a member more is one that Codex may add."""
    waiting: list[Any] = [record["payload"]]
    while waiting:
        box = waiting.pop()
        if isinstance(box, dict):
            yield box
            waiting += [
                held for name, held in box.items() if name not in FREE and name not in FIXED
            ]
        elif isinstance(box, list):
            waiting += box


def projected(lines: list[bytes]) -> Memory:
    memory = Memory()
    memory.apply(start(ROLLOUT, THREAD).apply(rollout(*lines)))
    return memory


def told(memory: Memory) -> str:
    """Give all that a reader can see: items, realtime items, errors, events."""
    texts: list[Any] = [row["json"] for row in memory.items.values()]
    texts += [row.json for row in memory.realtime.values()]
    texts += [row.error_json or "" for row in memory.turns.values()]
    texts += [each.payload for each in memory.events.values()]
    return " ".join(text.decode() if isinstance(text, bytes) else text for text in texts)


def changeable(lines: list[bytes]) -> list[int]:
    """Give the places of records that become rows."""
    found = []
    for at, line in enumerate(lines):
        record = orjson.loads(line)
        if record["type"] in PROJECTED or record["payload"].get("type") in PROJECTED:
            found.append(at)
    return found


@given(data=st.data())
def test_members_that_are_added_are_kept_and_told_once(data: st.DataObject) -> None:
    lines = list(data.draw(st.sampled_from(bases())))
    before = projected(lines)
    marks = []
    places = data.draw(
        st.lists(st.sampled_from(changeable(lines)), min_size=1, max_size=4, unique=True)
    )
    for number, at in enumerate(places):
        record = copy.deepcopy(orjson.loads(lines[at]))
        box = data.draw(st.sampled_from(list(objects(record))))
        box[data.draw(st.sampled_from(["new_one", "later"]))] = [f"{MARK} {number}"]
        lines[at] = orjson.dumps(record)
        marks.append(f"{MARK} {number}")

    after = projected(lines)

    seen = told(after)
    assert [mark for mark in marks if mark not in seen] == []
    assert after.items.keys() == before.items.keys()
    assert [row._replace(error_json=None) for row in map(_placed, after.turns.values())] == [
        row._replace(error_json=None) for row in map(_placed, before.turns.values())
    ]
    noted = Counter(note.detail for note in after.anomalies if note.kind == "unknown_field")
    assert noted
    assert set(noted.values()) == {1}


def _placed(row: Any) -> Any:
    """Leave out where a row stands: lines are longer."""
    return row._replace(offset=0, end_offset=row.end_offset and 1)


#: Words that a later Codex may have others of.
WORDS: Final = (
    "status",
    "source",
    "kind",
    "phase",
    "tool",
    "delivery",
    "outcome",
    "role",
    "reason",
)


@given(data=st.data())
def test_words_that_are_renamed_are_kept_and_the_item_is_there(data: st.DataObject) -> None:
    lines = list(data.draw(st.sampled_from(bases())))
    before = projected(lines)
    able = []
    for at in changeable(lines):
        record = orjson.loads(lines[at])
        body = record["payload"].get("item", record["payload"])
        able += [(at, name) for name in WORDS if isinstance(body.get(name), str)
                 and body.get("type") != "Extension"]  # fmt: skip
    at, name = data.draw(st.sampled_from(able))
    record = orjson.loads(lines[at])
    record["payload"].get("item", record["payload"])[name] = MARK
    lines[at] = orjson.dumps(record)

    after = projected(lines)

    assert MARK in told(after)
    assert after.items.keys() == before.items.keys()
    assert after.realtime.keys() == before.realtime.keys()
