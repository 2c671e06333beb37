"""The laws of `reduce/protocol.py`, for paginated rollouts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.changes import ItemRow, SessionHeader, ThreadMetadata
from projector.model.errors import IncompatibleState
from projector.model.ids import Line
from projector.reduce.detect import resume, start
from projector.reduce.paginated import reducer
from projector.reduce.protocol import Reducer
from tests.support.memory import Memory
from tests.support.paginated import (
    OTHER,
    ROLLOUT,
    THREAD,
    Json,
    aborted,
    agent,
    complete,
    context,
    event,
    item,
    lines_of,
    meta,
    plan,
    realtime,
    said,
    started,
    tokens,
    tool,
    usage,
    user,
    written,
)

TURNS = st.sampled_from(["A", "B", ""])
IDS = st.sampled_from(["x", "y", "z"])
STAMPS = st.sampled_from([..., "soon", 5, "1970-01-01T00:00:01Z", "1970-01-01T00:00:02.000Z"])
ORDINALS = st.none() | st.just(...) | st.integers(-1, 30) | st.sampled_from(["1", 1.0, True])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 64), 1 << 65) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def bodies(identity: str) -> st.SearchStrategy[Json]:
    phases = st.sampled_from([None, "final_answer", "commentary", "odd"])
    return (
        st.just(user(identity))
        | phases.map(lambda phase: agent(identity, phase))
        | st.just(plan(identity))
        | JSON.map(lambda value: tool(identity, value))
        | st.just({"type": "Later", "id": identity, "some_field": 1})
    )


ITEMS = st.builds(item, TURNS, IDS.flatmap(bodies))
LIFE = (
    TURNS.map(started)
    | TURNS.map(complete)
    | TURNS.map(lambda turn: complete(turn, error={"message": "m"}))
    | TURNS.map(aborted)
    | st.just(aborted(None))
    | st.just(event("error", message="m"))
    | TURNS.map(lambda turn: complete(turn, duration_ms=0.5))
    | TURNS.map(lambda turn: started(turn, started_at="soon"))
    | TURNS.map(lambda turn: aborted(turn, reason="later", error=5))
)
ASIDE = (
    st.sampled_from([said("x"), event("later"), {"type": "later", "payload": {}}, realtime("r")])
    | st.integers(0, 9).map(tokens)
    | st.sampled_from(["m", "n"]).map(context)
    | IDS.map(usage)
    | st.sampled_from([meta(cwd="/moved"), meta(id=OTHER)])
)
ODD = st.sampled_from(
    [b"", b" ", b"garbage", b"{}", b"[]", b"\0\0", b'{"timestamp":"x","ty', b"\xff", b'"\\ud800"']
)


@st.composite
def files(draw: st.DrawFn) -> list[bytes]:
    """Draw the lines of a rollout with all that can be odd about it."""
    first = draw(st.just(meta()) | st.just(meta(subagent_history_start_ordinal=4)) | ASIDE | ODD)
    rest = draw(st.lists(ITEMS | LIFE | ASIDE | ODD, max_size=25))
    records: list[Json | bytes] = [first]
    for record in rest:
        if isinstance(record, dict) and draw(st.integers(0, 5)) == 0:
            record = record | {"ordinal": draw(ORDINALS), "timestamp": draw(STAMPS)}  # noqa: PLW2901
        records.append(record)
    lines = written([record for record in records if record != {}])
    glued = draw(st.lists(st.integers(0, max(len(lines) - 2, 0)), max_size=2, unique=True))
    for at in sorted(glued, reverse=True):
        if at + 1 < len(lines):
            lines[at : at + 2] = [lines[at][: draw(st.integers(0, 400))] + lines[at + 1]]
    return lines


def fold(
    lines: Sequence[Line], cuts: Sequence[int], restarts: Sequence[bool]
) -> tuple[Memory, Reducer]:
    """Take the lines in pieces, with restarts between some of them."""
    memory, reducer = Memory(), start(ROLLOUT, THREAD)
    bounds = [0, *sorted({min(cut, len(lines)) for cut in cuts}), len(lines)]
    for at, (begin, end) in enumerate(itertools.pairwise(bounds)):
        piece = lines[begin:end]
        wants = reducer.lookup(piece)
        if wants:
            reducer.provide(wants, memory.find(wants))
            assert not reducer.lookup(piece)
        memory.apply(reducer.apply(piece))
        state = reducer.dump_state()
        if at < len(restarts) and restarts[at]:
            reducer = resume(ROLLOUT, THREAD, state)
    return memory, reducer


def facts(memory: Memory, reducer: Reducer) -> tuple[Any, SessionHeader, ThreadMetadata, int]:
    return memory.rows(), reducer.header, reducer.meta, reducer.next_ordinal


@given(
    data=files(),
    cuts=st.lists(st.integers(0, 26), max_size=8),
    restarts=st.lists(st.booleans(), max_size=9),
)
def test_cuts_and_restarts_are_invisible(
    data: list[bytes], cuts: list[int], restarts: list[bool]
) -> None:
    lines = lines_of(data)

    assert facts(*fold(lines, [], [])) == facts(*fold(lines, cuts, restarts))


@given(data=files())
def test_a_snapshot_is_as_whoever_reads_its_json_gets_it(data: list[bytes]) -> None:
    """Numbers included: words are made from the one or the other."""
    for change in start(ROLLOUT, THREAD).apply(lines_of(data)):
        if isinstance(change, ItemRow) and change.shown is not None:
            assert repr(change.shown) == repr(orjson.loads(change.json))
            assert change.status in (None, change.shown.get("status"))


def test_forgotten_turns_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reducer that remembers few turns comes to the same rows as one that remembers all."""
    names = [f"T{at}" for at in range(12)]
    records = [meta(), *(started(name) for name in names)]
    records += [item(name, agent("a", "final_answer")) for name in names]
    records += [complete(name) for name in reversed(names)]
    lines = lines_of(written(records))
    expected = facts(*fold(lines, [], []))
    monkeypatch.setattr(reducer, "_TURNS_MAX", 4)
    monkeypatch.setattr(reducer, "_TURNS_KEPT", 2)

    assert expected == facts(*fold(lines, list(range(len(lines))), []))


def test_only_turns_that_were_forgotten_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are new: whoever reads ahead of the store could not go on."""
    names = [f"T{at}" for at in range(12)]
    lines = lines_of(written([meta(), *(started(name) for name in names), complete("T0")]))
    monkeypatch.setattr(reducer, "_TURNS_MAX", 4)
    monkeypatch.setattr(reducer, "_TURNS_KEPT", 2)
    made = start(ROLLOUT, THREAD)

    asked = []
    for line in lines:
        asked.append(made.lookup([line]).turns)
        made.apply([line])
        made.dump_state()

    assert asked == [frozenset()] * (len(lines) - 1) + [{"T0"}]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "timestamp": st.just("2026-11-01T10:00:00.000Z") | JSON,
                "ordinal": st.integers(0, 5) | JSON,
                "type": st.sampled_from(
                    ["event_msg", "session_meta", "turn_context", "realtime_item",
                     "token_usage_record", "response_item"]
                ),
                "payload": JSON
                | st.dictionaries(
                    st.sampled_from(
                        ["type", "turn_id", "item", "id", "usage", "error", "thread_id",
                         "started_at_ms", "completed_at_ms", "model", "info", "git",
                         "thread_settings", "goal", "history_base", "source", "history_mode"]
                    ),
                    JSON
                    | st.sampled_from(
                        ["task_started", "task_complete", "turn_aborted", "item_completed", "error",
                         "token_count", "thread_settings_applied", "thread_goal_updated", THREAD,
                         "paginated"]
                    )
                    | st.builds(
                        lambda kind, more: {"type": kind, "id": "i"} | more,
                        st.sampled_from(
                            ["UserMessage", "AgentMessage", "CommandExecution", "FileChange",
                             "McpToolCall", "Extension", "WebSearch", "CollabAgentToolCall",
                             "ExitedReviewMode", "Reasoning", "Later"]
                        ),
                        st.dictionaries(
                            st.sampled_from(
                                ["content", "command", "cwd", "changes", "result", "arguments",
                                 "duration", "review_output", "status", "kind", "action",
                                 "agents_states", "parsed_cmd", "server", "tool"]
                            ),
                            JSON,
                        ),
                    ),
                ),
            }
        ),
        max_size=6,
    )
)  # fmt: skip
def test_no_records_make_it_raise(records: list[Json]) -> None:
    lines = [orjson.dumps(meta() | {"timestamp": "t", "ordinal": 0})]
    for record in records:
        try:
            lines.append(orjson.dumps(record))
        except TypeError:  # an integer that orjson does not write
            continue

    fold(lines_of(lines), [2], [True, True])


def test_what_is_saved_stays_small_however_long_the_rollout_is() -> None:
    def saved(turns: int) -> int:
        records: list[Json | bytes] = [meta()]
        for at in range(turns):
            records += [started(f"T{at}"), item(f"T{at}", user("u")), complete(f"T{at}")]
            records += [{"type": f"later_{at}", "payload": {}}]
        reducer = start(ROLLOUT, THREAD)
        reducer.apply(lines_of(written(records)))
        return len(reducer.dump_state())

    assert saved(3000) < saved(1000) + 100


@pytest.mark.parametrize(
    "state",
    [b"", b"{}", b"null", b'{"reducer":"paginated","state":{}}', b'{"reducer":"later","state":1}'],
)
def test_a_state_of_another_version_is_refused(state: bytes) -> None:
    with pytest.raises(IncompatibleState):
        resume(ROLLOUT, THREAD, state)


def test_a_state_with_a_field_missing_is_refused() -> None:
    reducer = start(ROLLOUT, THREAD)
    reducer.apply(lines_of(written([meta()])))
    state = orjson.loads(reducer.dump_state())
    for name in state["state"]:
        inner = {key: held for key, held in state["state"].items() if key != name}

        with pytest.raises(IncompatibleState):
            resume(ROLLOUT, THREAD, orjson.dumps(state | {"state": inner}))
