"""What a later release of Codex adds: it is kept, and what is known reads as before."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode import known_members, realtime
from projector.decode.errors import DecodeError
from projector.decode.thread_item import to_partial_item, to_thread_item
from tests.unit.decode.test_items import ITEMS, command, it
from tests.unit.decode.test_realtime import SHOWN as VOICES
from tests.unit.decode.test_realtime import item as voice

Json = dict[str, Any]
NEW: Json = {"a_b": [1, {"c_d": None}]}

# fmt: off
#: Item, what its snapshot holds besides, and the names that are told.
CASES: list[tuple[str, Json, Json, list[str]]] = [
    ("at the top",             it("Plan", text="t", new_one=NEW), {"newOne": NEW}, ["Plan.new_one (newOne)"]),
    ("of the same name",       it("Plan", text="t", later=5), {"later": 5}, ["Plan.later"]),
    ("that is null",           it("Plan", text="t", later=None), {"later": None}, ["Plan.later"]),
    ("in another spelling of one that is known", it("McpToolCall", server="s", tool="t", arguments=1, status="failed", environment_id="e"),
     {"environmentId": None, "environment_id": "e"}, ["McpToolCall.environment_id"]),
    ("of a name that only snapshots have", command(commandActions=5, duration_ms=6), {"commandActions": [], "commandActions_": 5, "duration_ms": 6},
     ["CommandExecution.commandActions (commandActions_)", "CommandExecution.duration_ms"]),
    ("of a name of more than 64 characters", it("Plan", text="t", **{"x" * 70: 1}), {"x" * 70: 1}, ["Plan." + "x" * 64]),
    ("of a name that may be content", it("Plan", text="t", **{"is it?": 1}), {"is it?": 1}, ["Plan: a name of 6 characters"]),
    ("in an entry of a list",  command(parsed_cmd=[{"type": "unknown", "cmd": "a", "is_x": 1}, {"type": "unknown", "cmd": "b"}]),
     {"commandActions": [{"type": "unknown", "command": "a", "isX": 1}, {"type": "unknown", "command": "b"}]}, ["CommandExecution.parsed_cmd.is_x (isX)"]),
    ("in an entry of a list that lost one", command(parsed_cmd=[{"type": "read", "cmd": "c", "name": "n", "path": "\0"}, {"type": "unknown", "cmd": "b", "is_x": 1}]),
     {"commandActions": [{"type": "unknown", "command": "b"}], "parsedCmd": [{"type": "read", "cmd": "c", "name": "n", "path": "\0"}, {"type": "unknown", "cmd": "b", "is_x": 1}]}, ["CommandExecution.parsed_cmd.is_x"]),
    ("in what becomes text",   it("AgentMessage", content=[{"type": "Text", "text": "a", "mark_up": 1}]),
     {"text": "a", "content": [{"type": "Text", "text": "a", "mark_up": 1}]}, ["AgentMessage.content.mark_up"]),
    ("in what is dropped",     it("EnteredReviewMode", user_facing_hint="h", target={"type": "custom", "instructions": "i", "depth": 2}),
     {"review": "h", "target": {"type": "custom", "instructions": "i", "depth": 2}}, ["EnteredReviewMode.target.depth"]),
    ("in a change of a file",  it("FileChange", changes={"/b": {"type": "add", "content": "x"}, "/a": {"type": "delete", "content": "", "old_mode": 1}}),
     {"changes": [{"path": "/a", "kind": {"type": "delete"}, "diff": "", "oldMode": 1}, {"path": "/b", "kind": {"type": "add"}, "diff": "x"}]}, ["FileChange.changes.old_mode (oldMode)"]),
    ("in a search of no known kind", it("WebSearch", query="q", action={"type": "translate", "to": "x"}),
     {"action": {"type": "other", "type_": "translate", "to": "x"}}, ["WebSearch.action.type (type_)", "WebSearch.action.to"]),
    ("in a display of Codex 0.171", it("AgentMessage", content=[], moderation={"moderated": True, "by_whom": 1, "display": {"mode": "show", "version": 1, "trustedContacts": "skip", "more": 1}}),
     {"moderation": {"moderated": True, "display": {"mode": "show", "version": 1, "trustedContacts": "skip", "more": 1}, "byWhom": 1}},
     ["AgentMessage.moderation.by_whom (byWhom)", "AgentMessage.moderation.display.more"]),
    ("none, in a display of Codex 0.169", it("AgentMessage", content=[], moderation={"moderated": True, "display": {"action": "hide"}}),
     {"moderation": {"moderated": True, "display": {"action": "hide"}}}, []),
    ("none, but what Codex drops", command(stdout="s", stderr="s", formatted_output="f", interaction_input="i"), {}, []),
]
# fmt: on


@pytest.mark.parametrize(
    ("item", "kept", "names"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_a_member_that_is_not_known_is_kept_and_told(
    item: Json, kept: Json, names: list[str]
) -> None:
    shown = to_thread_item(item)
    before = copy.deepcopy(shown)

    told = known_members.keep_of_members(item, shown)

    assert shown == {**before, **kept}
    assert list(told) == names


LEGACY: list[tuple[Json, list[str]]] = [
    (
        {"type": "exec_command_end", "stdout": "s", "parsed_cmd": [{"type": "unknown", "is_x": 1}]},
        ["exec_command_end.parsed_cmd.is_x"],
    ),
    ({"type": "agent_message", "message": "m", "tone": "t"}, ["agent_message.tone"]),
    (
        {
            "type": "mcp_tool_call_end",
            "invocation": {"host": "h"},
            "result": {"Ok": {"is_error": 1}},
        },
        ["mcp_tool_call_end.invocation.host", "mcp_tool_call_end.result.Ok.is_error"],
    ),
    ({"type": "message", "role": "user"}, []),
]


@pytest.mark.parametrize(("payload", "names"), LEGACY)
def test_of_legacy_events_their_names_are_told(payload: Json, names: list[str]) -> None:
    assert list(known_members.of_legacy_event(payload)) == names


def test_what_is_around_an_item_is_kept_in_it() -> None:
    payload = {"type": "item_completed", "item": it("Plan", text="t"), "turn_id": "A", "by_x": 1}
    record = {"timestamp": "", "ordinal": 1, "type": "event_msg", "payload": payload, "host": "h"}
    shown = to_thread_item(payload["item"])

    told = known_members.keep_of_item(record, payload, shown)

    assert shown == {"type": "plan", "id": "x", "text": "t", "byX": 1, "host": "h"}
    assert list(told) == ["item_completed.by_x (byX)", "record.host"]


def test_what_is_around_a_turn_goes_into_its_event() -> None:
    payload = {"type": "task_started", "turn_id": "A", "status": 1, "new_one": 2}
    record = {"timestamp": "", "ordinal": 1, "type": "event_msg", "payload": payload}

    told, names = known_members.of_turn(record, payload)

    assert told == {"status_": 1, "new_one": 2}
    assert list(names) == ["task_started.status (status_)", "task_started.new_one"]


MARK = "never seen before"


@st.composite
def grown(draw: st.DrawFn, whole: Json) -> tuple[Json, int]:
    """Draw a JSON object with members of new names added to objects at any depth; how many."""
    item = copy.deepcopy(whole)
    boxes: list[Any] = [item]
    objects: list[Json] = []
    while boxes:
        box = boxes.pop()
        if isinstance(box, dict):
            if box.keys() not in FIXED:
                objects.append(box)
            boxes += box.values()
        elif isinstance(box, list):
            boxes += box
    count = draw(st.integers(1, 3))
    for number in range(count):
        name = draw(st.sampled_from(["new_one", "later", "newer"])) + str(number)
        draw(st.sampled_from(objects))[name] = {"held_in": f"{MARK} {number}"}
    return item, count


#: Objects whose members are names from outside, or that Codex takes with no other member.
FIXED: list[set[str]] = [{"secs", "nanos"}, {"title"}, {"completed"}, {"failed"}, {"user"}]
#: Free values: what is in them is nobody's format, and kept anyway.
BODIES = [case[1] for case in ITEMS if "changes" not in case[1] and "agents_states" not in case[1]]


def holds(shown: Any, before: Any) -> bool:
    """True if `shown` has all that `before` has."""
    if isinstance(before, dict):
        return isinstance(shown, dict) and all(
            name in shown and holds(shown[name], held) for name, held in before.items()
        )
    if isinstance(before, list):
        return len(shown) == len(before) and all(map(holds, shown, before))
    return bool(shown == before)


@given(st.sampled_from(BODIES).flatmap(lambda body: st.tuples(st.just(body), grown(body))))
def test_nothing_that_is_new_is_lost_and_the_rest_is_as_before(
    drawn: tuple[Json, tuple[Json, int]],
) -> None:
    body, (item, count) = drawn
    shown = to_thread_item(item)
    known_members.keep_of_members(item, shown)

    assert [n for n in range(count) if f"{MARK} {n}" not in json.dumps(shown)] == []
    assert holds(shown, to_thread_item(body))


@given(
    st.sampled_from([voice(kind, **fields) for kind, fields, _ in VOICES]).flatmap(
        lambda body: st.tuples(st.just(body), grown(body))
    )
)
def test_nor_in_a_voice_session(drawn: tuple[Json, tuple[Json, int]]) -> None:
    body, (payload, count) = drawn
    shown = realtime.convert(payload)
    names = known_members.keep_of_realtime({"type": "realtime_item"}, payload, shown)

    assert [n for n in range(count) if f"{MARK} {n}" not in json.dumps(shown)] == []
    assert holds(shown, realtime.convert(body))
    assert names


@given(data=st.data())
def test_a_value_of_no_known_form_is_kept_and_the_rest_is_as_before(data: st.DataObject) -> None:
    """A renamed word, another form of a number: one member of an item is not as Codex takes it."""
    body = data.draw(st.sampled_from([case[1] for case in ITEMS]))
    name = data.draw(st.sampled_from(sorted(body.keys() - {"type", "id", "kind"} or {"later"})))
    odd = data.draw(st.sampled_from([MARK, [MARK], {MARK: 1}, {"type": MARK}, [{"type": MARK}]]))
    item = body | {name: odd}
    try:
        shown = to_thread_item(item)
        known_members.keep_of_members(item, shown)
    except DecodeError:
        kept = to_partial_item(item)
        assert kept is not None
        shown = kept.shown

    before = to_thread_item(body)
    known_members.keep_of_members(body, before)
    unlike = {key for key, held in before.items() if shown.get(key) != held}
    # By the way: Codex takes any value for a file, and then a result; a read is in a folder.
    assert name == "fileId" or MARK in json.dumps(shown)
    assert len(unlike) <= (2 if name in ("cwd", "connectorId", "mcpAppResourceUri") else 1)


SEEN = json.loads((Path(__file__).parents[2] / "live" / "known.json").read_text())["records"]


@pytest.mark.parametrize("name", [name for name in SEEN if name.startswith("item ")])
def test_members_that_the_real_codex_writes_are_known(name: str) -> None:
    kind = name.removeprefix("item ")
    written = {each[1:] for each in SEEN[name] if "." not in each[1:]}

    item = dict.fromkeys(written) | {
        "type": kind.split(" ", maxsplit=1)[0],
        "kind": kind.split(" ")[-1],
    }

    assert known_members.keep_of_members(item, {}) in ([], [f"{kind}.kind"])
