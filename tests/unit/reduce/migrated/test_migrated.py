"""What the model's calls tell of stays visible when Codex migrates a rollout in place."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.changes import LookupResult
from projector.model.errors import IncompatibleState
from projector.model.ids import Line, ThreadId
from projector.reduce.detect import resume, start
from projector.reduce.protocol import Reducer
from tests.support.legacy_records import (
    PATCH,
    Record,
    answer,
    call,
    completed,
    event,
    header,
    item,
    lines_from,
    message,
    output,
    ran,
    said,
    started,
    tokens,
)
from tests.support.memory_legacy import ROLLOUT, MemoryStore, lines_of
from tests.support.migration import migrated

THREAD = ThreadId(ROLLOUT)
SHELL = (
    "<user_shell_command>\n<command>\nls\n</command>\n<result>\nExit code: 0\n"
    "Duration: 0.1 seconds\nOutput:\nx\n\n</result>\n</user_shell_command>"
)
RUNS = "Wall time: 0.1 seconds\nProcess running with session ID 7\nOutput:\nsome\n"
ENDS = "Wall time: 0.1 seconds\nProcess exited with code 3\nOutput:\nlast\n"
Told = dict[str, Any]


def fold(
    lines: Sequence[Line], cuts: Sequence[int] = (), restarts: Sequence[bool] = ()
) -> tuple[MemoryStore, Reducer]:
    """Take the lines in pieces, with restarts between some of them."""
    store, reducer = MemoryStore(), start(ROLLOUT, THREAD)
    bounds = [0, *sorted({min(cut, len(lines)) for cut in cuts}), len(lines)]
    for at, (begin, end) in enumerate(itertools.pairwise(bounds)):
        piece = lines[begin:end]
        if wants := reducer.lookup(piece):
            reducer.provide(wants, store.find(wants))
            assert not reducer.lookup(piece)
        store.apply(reducer.apply(piece))
        if at < len(restarts) and restarts[at]:
            reducer = resume(ROLLOUT, THREAD, reducer.dump_state())
    return store, reducer


def rebuilt(data: bytes) -> list[Told]:
    """Give what readers see of the items that calls made, but for places and offsets."""
    store, _ = fold(lines_of(data))
    return [
        row._asdict() | {"offset": None, "ordinal": None, "owner": None}
        for row in store.living_items()
        if row.provenance == "response_item"
    ]


def turn(*records: Record, turn_id: str = "t1") -> list[Record]:
    return [started(turn_id), *said("go"), *records, answer("done"), completed(turn_id)]


def legacy(*records: Record, **fields: Any) -> bytes:
    return lines_from([header(**fields), *records])


KINDS: dict[str, tuple[list[Record], int]] = {
    "a command and its output": (
        [call("c1", ("shell", {"command": ["ls"]})), output("c1", "text")], 1),
    "a command without output, when its turn has ended": (
        [call("c1", ("shell", {"command": ["ls"]}))], 1),
    "a command that never ran": (
        [call("c1", ("shell", {"command": ["ls"]})), output("c1", "unsupported call: x")], 0),
    "a process that is asked for more": (
        [call("c1", ("exec_command", {"cmd": "top"})), output("c1", RUNS),
         call("c2", ("write_stdin", {"session_id": 7, "chars": "x"})), output("c2", ENDS)], 1),
    "a patch": (
        [item("custom_tool_call", name="apply_patch", input=PATCH, call_id="c1"),
         item("custom_tool_call_output", call_id="c1", output="Success. Updated the files:")], 1),
    "an MCP tool": (
        [call("c1", ("mcp__s__t", {"a": 1})), output("c1", '[{"type":"text","text":"r"}]')], 1),
    "an image, which is shown where it was called": (
        [call("c1", ("view_image", {"path": "p.png"})), answer("wait"),
         output("c1", "attached local image path")], 1),
    "a tool of the client's": (
        [call("c1", ("weigh", {})), output("c1", "five")], 1),
    "a search without an event": (
        [item("web_search_call", id="ws1", action={"type": "search", "query": "q"})], 1),
    "an image made without an event": (
        [item("image_generation_call", id="ig1", status="completed", result="A")], 1),
    "a command of the person's": ([message(SHELL, id="m1")], 1),
    "commands in a folder that the turn names": (
        [{"type": "turn_context", "payload": {"cwd": "/v", "model": "m"}},
         call("c1", ("shell", {"command": ["ls"], "workdir": "sub"})), output("c1", "text")], 1),
    "a command of the person's that an event tells of": (
        [ran("c1", "t1", "user_shell"), message(SHELL, id="m1"), message(SHELL, id="m2")], 1),
    "a search that an event tells of": (
        [event("web_search_end", call_id="ws1", query="q", action={"type": "other"}),
         item("web_search_call", action={"type": "other"}),
         item("web_search_call", id="ws2", action={"type": "other"})], 1),
    "a call whose turn ends before its output comes": (
        [call("c1", ("shell", {"command": ["ls"]})), completed("t1"), output("c1", "text"),
         started("t1")], 1),
    "a call id in two turns": (
        [ran("c1", "t1", "agent"), completed("t1"), started("t2"),
         call("c1", ("shell", {"command": ["ls"]})), output("c1", "text"), completed("t2")], 1),
    "calls between turns": (
        [completed("t1"), call("c1", ("shell", {"command": ["ls"]})), output("c1", "text"),
         message(SHELL, id="m1"), item("web_search_call", id="ws1"),
         item("image_generation_call", id="ig1", status="completed", result="A"),
         started("t2"), answer("more"), completed("t2"), started("t1")], 0),
    "a call between turns that names its turn": (
        [completed("t1"),
         item("web_search_call", id="ws1",
              internal_chat_message_metadata_passthrough={"turn_id": "t1"}),
         started("t1")], 1),
    "outputs without a call": ([output("c9", "text")], 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_calls_tell_is_the_same_row_as_before_the_migration(kind: str) -> None:
    records, count = KINDS[kind]
    before = legacy(*turn(*records), dynamic_tools=[{"name": "weigh"}])

    assert len(rebuilt(before)) == count
    assert rebuilt(before) == rebuilt(migrated(before))


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_at_every_line_is_invisible(kind: str) -> None:
    lines = lines_of(migrated(legacy(*turn(*KINDS[kind][0]))))

    once, _ = fold(lines)
    again, _ = fold(lines, range(len(lines)), [True] * len(lines))

    assert once.rows() == again.rows()


def test_an_item_that_the_store_has_not_is_asked_for_once() -> None:
    lines = lines_of(migrated(legacy(*turn(call("c1", ("shell", {"command": ["ls"]}))))))
    reducer = start(ROLLOUT, THREAD)
    reducer.apply(lines[:5])
    reducer = resume(ROLLOUT, THREAD, reducer.dump_state())

    wants = reducer.lookup(lines[5:])
    assert wants.items == {"c1"}
    reducer.provide(wants, LookupResult())

    assert not reducer.lookup(lines[5:])


def test_a_folder_named_before_the_first_message_counts() -> None:
    context = {"type": "turn_context", "payload": {"cwd": "/v", "model": "m"}}
    ran_there = [call("c1", ("shell", {"command": ["ls"]})), output("c1", "text")]
    environment = message("<environment_context><cwd>/e</cwd></environment_context>")
    for before, folder in ((context, "/v"), (environment, "/e")):
        data = migrated(legacy(started("t1"), before, *said("go"), *ran_there, completed("t1")))

        (command,) = rebuilt(data)

        assert json.loads(command["json"])["cwd"] == folder


def test_a_rebuilt_item_stands_where_its_call_does() -> None:
    records = [
        answer("first"),
        call("c1", ("view_image", {"path": "p.png"})),
        call("c2", ("shell", {"command": ["ls"]})),
        answer("second"),
        output("c2", "text"),
        output("c1", "attached local image path"),
    ]
    data = migrated(legacy(*turn(*records)))
    store, _ = fold(lines_of(data))
    calls = {
        json.loads(line.data)["payload"].get("call_id"): line
        for line in reversed(lines_of(data))
        if b"function_call" in line.data
    }

    shown = [(row.type, row.ordinal, row.offset) for row in store.living_items()]

    assert [kind for kind, *_ in shown] == [
        "userMessage", "agentMessage", "imageView", "commandExecution", "agentMessage",
        "agentMessage",
    ]  # fmt: skip
    assert {row.owner for row in store.living_items()} == {None}
    for (_, ordinal, offset), call_id in zip(shown[2:4], ("c1", "c2"), strict=True):
        assert calls[call_id].offset == offset
        assert json.loads(calls[call_id].data)["ordinal"] == ordinal


@pytest.mark.parametrize("late", [False, True])
def test_an_item_of_the_same_call_wins_with_its_own_place_and_times(*, late: bool) -> None:
    told = [ran("c1", "t1", "agent"), output("c1", "text")]
    records = turn(call("c1", ("shell", {"command": ["ls"]})), *(reversed(told) if late else told))
    data = migrated(legacy(*records))
    without = b"".join(
        line + b"\n" for line in data.splitlines() if b"function_call" not in line
    )  # as Codex reads it: no calls
    lines = lines_of(data)
    at = {json.loads(line.data)["ordinal"]: line.offset for line in lines}

    for cut in (False, True):
        store, _ = fold(lines, range(len(lines)) if cut else [], [True] * len(lines))
        plain, _ = fold(lines_of(without))

        have = [row._asdict() | {"offset": None} for row in store.living_items()]
        assert have == [row._asdict() | {"offset": None} for row in plain.living_items()]
        assert all(row.ordinal is not None and at[row.ordinal] == row.offset
                   for row in store.living_items())  # fmt: skip


def native(turn_id: str, *records: Record, user: str = "01a3-u", **more: Any) -> list[Record]:
    """Give a turn as Codex itself writes it."""
    body = {"type": "UserMessage", "id": user, "content": []}
    fields = {"thread_id": ROLLOUT, "turn_id": turn_id, "item": body, "completed_at_ms": 7}
    return [started(turn_id), event("item_completed", **(fields | more)), *records]


def numbered(data: bytes, records: Sequence[Record]) -> bytes:
    """Append records to a paginated rollout."""
    ordinal = data.count(b"\n")
    for at, record in enumerate(records):
        head = {"timestamp": "2026-03-01T12:00:00.000Z", "ordinal": ordinal + at}
        data += orjson.dumps(head | record) + b"\n"
    return data


RAN = [call("c8", ("shell", {"command": ["ls"]})), output("c8", "text")]


@pytest.mark.parametrize("more", [{}, {"started_at_ms": 5}])
def test_calls_of_a_rollout_that_codex_wrote_make_nothing(more: Told) -> None:
    data = numbered(b"", [header(history_mode="paginated"), *native("t1", *RAN, **more)])

    assert rebuilt(data) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"subagent_history_start_ordinal": 1},
        {"history_base": {"rollout_id": ROLLOUT, "end_ordinal_exclusive": 4, "end_byte_offset": 9}},
    ],
)
def test_calls_of_a_rollout_that_goes_on_from_a_migrated_one_make_nothing(fields: Told) -> None:
    head = header(history_mode="paginated", **fields)
    data = numbered(b"", [head, *native("t1", *RAN, user="item-1")])

    assert rebuilt(data) == []


def test_calls_that_codex_appends_to_a_migrated_rollout_make_nothing() -> None:
    before = migrated(legacy(*turn(call("c1", ("shell", {"command": ["ls"]})), output("c1", "t"))))
    went_on = numbered(before, native("t2", *RAN))

    assert [row["item_id"] for row in rebuilt(before)] == ["c1"]
    assert [row["item_id"] for row in rebuilt(went_on)] == ["c1"]


def test_turns_that_no_record_opened_are_the_migrations() -> None:
    records = [*said("go"), call("c1", ("shell", {"command": ["ls"]})), output("c1", "text")]

    (row,) = rebuilt(migrated(legacy(*records, *said("more"))))

    assert (row["turn_id"], row["item_id"]) == ("rollout-2", "c1")


PARENT = "01a3ffff-0000-7000-8000-000000000001"
AGENT = {"source": {"subagent": {"thread_spawn": {"parent_thread_id": PARENT, "depth": 1}}}}
#: All that a thread may hold, calls of the model's among it.
WORK: list[Record] = [
    *turn({"type": "turn_context", "payload": {"cwd": "/v", "model": "m"}},
          *KINDS["a process that is asked for more"][0], tokens(5)),
    event("thread_settings_applied", thread_settings={"cwd": "/x", "model": "n"}),
    *turn(ran("c4", "t2", "agent"), tokens(9), turn_id="t2"),
    *said("no record opens this turn"),
    call("c9", ("shell", {"command": ["ls"]})),
    output("c9", "text"),
]  # fmt: skip


def agents(*records: Record, **fields: Any) -> bytes:
    """Give an agent's rollout as the migration leaves it."""
    return migrated(legacy(*records, **AGENT, **fields))


def unbounded(data: bytes) -> bytes:
    """Give the same rollout as if Codex showed all of it: the header is as long as before."""
    return data.replace(b'"subagent_history_start_ordinal"', b'"subagent_history_start_0rdinal"')


def test_an_agents_thread_is_whole_after_its_migration() -> None:
    before, after = legacy(*WORK, **AGENT), agents(*WORK)
    old, _ = fold(lines_of(before))
    new, reducer = fold(lines_of(after))
    open_to_all, plain = fold(lines_of(unbounded(after)))

    assert reducer.header.subagent_start_ordinal is None
    assert new.rows() == open_to_all.rows()
    assert (reducer.header, reducer.meta, reducer.next_ordinal) == (
        plain.header, plain.meta, plain.next_ordinal,
    )  # fmt: skip
    assert [row.type for row in new.living_items()] == [row.type for row in old.living_items()]
    assert [row["json"] for row in rebuilt(before)] == [row["json"] for row in rebuilt(after)]
    assert [row.total_tokens for row in new.usage.values()] == [5, 9]
    assert [row.total_tokens for row in old.usage.values()] == [5, 9]


def test_a_restart_at_every_line_of_an_agents_rollout_is_invisible() -> None:
    data = numbered(agents(*WORK), native("t9", *RAN))
    once, reducer = fold(lines_of(data))
    again, other = fold(lines_of(data), range(len(lines_of(data))), [True] * 99)

    assert once.rows() == again.rows()
    assert once.rows() == fold(lines_of(unbounded(data)))[0].rows()
    assert (reducer.header, reducer.meta) == (other.header, other.meta)


def copied(*own: Record, of: bytes, header_of_parent: bool, thread: str = ROLLOUT) -> bytes:
    """Give the rollout of an agent that Codex began with a copy of a parent's records."""
    records = [orjson.loads(line) for line in of.splitlines()]
    for record in records:
        if record["payload"].get("type") == "item_completed":
            record["payload"]["thread_id"] = thread
    copy = records if header_of_parent else records[1:]
    head = header(history_mode="paginated", subagent_history_start_ordinal=len(copy) + 1, **AGENT)
    plain = [{"type": each["type"], "payload": each["payload"]} for each in (head, *copy, *own)]
    return numbered(b"", plain)


@pytest.mark.parametrize(
    ("header_of_parent", "thread"), [(True, PARENT), (True, ROLLOUT), (False, PARENT)]
)
def test_what_an_agent_copied_of_a_migrated_parent_is_not_its_own(
    thread: str, *, header_of_parent: bool
) -> None:
    parent = migrated(legacy(*WORK, id=PARENT))
    own = native("t9", *RAN, thread_id=ROLLOUT)
    data = copied(*own, of=parent, header_of_parent=header_of_parent, thread=thread)
    for cuts in ((), range(99)):
        store, reducer = fold(lines_of(data), cuts, [True] * 99)

        assert [row.turn_id for row in store.living_items()] == ["t9"]
        assert {row.turn_id for row in store.turns.values()} == {"t9"}
        assert not store.usage
        assert reducer.header.subagent_start_ordinal is not None


def test_a_copy_without_messages_ends_where_the_agents_own_history_begins() -> None:
    head = header(history_mode="paginated", subagent_history_start_ordinal=3, **AGENT)
    own = [started("t2"), SIGN]
    data = numbered(b"", [head, started("t1"), completed("t1"), *own])

    store, _ = fold(lines_of(data))

    assert {row.turn_id for row in store.turns.values()} == {"t2"}


def test_more_than_is_kept_before_the_first_message_is_noted() -> None:
    head = [{"type": "turn_context", "payload": {"cwd": "/v", "model": "m"}}] * 300
    store, reducer = fold(lines_of(agents(started("t1"), *head, *said("go"), answer("done"))))

    assert [note.kind for note in store.anomalies] == ["lost_item"]
    assert len(store.living_items()) == 2
    assert store.turns
    assert len(reducer.dump_state()) < 4_000


def test_what_is_held_of_a_copy_stays_small() -> None:
    head = header(history_mode="paginated", subagent_history_start_ordinal=99_999, **AGENT)
    context = {"type": "turn_context", "payload": {"cwd": "/v", "model": "m" * 4_000}}
    _, reducer = fold(lines_of(numbered(b"", [head, *[context] * 1_000])), range(0, 1000, 50))

    assert len(reducer.dump_state()) < 300_000


def test_what_a_fork_copied_costs_nothing_after_its_migration() -> None:
    old, new = "01a2ffff-ffff-7000-8000-000000000000", "01a30000-0001-7000-8000-000000000000"
    records = [
        started(old), *said("go"), tokens(5), completed(old), *said("between"), tokens(7),
        started(new), *said("on"), tokens(9), completed(new), *said("more"), tokens(10),
    ]  # fmt: skip
    before = legacy(*records, forked_from_id=PARENT)

    spent = [
        [row.total_tokens for row in fold(lines_of(data))[0].usage.values()]
        for data in (before, migrated(before), agents(*records))
    ]

    assert spent == [[9, 10]] * 3


TURNS = st.sampled_from(["t1", "t2", "rollout-3", ""])
IDS = st.sampled_from(["c1", "c2", "c3"])
COMMANDS = st.sampled_from(
    [
        ("shell", {"command": ["bash", "-lc", "ls"]}),
        ("shell", {"command": ["apply_patch", PATCH]}),
        ("exec_command", {"cmd": "top"}),
        ("write_stdin", {"session_id": 7, "chars": "x"}),
        ("mcp__s__t", {"a": 1}),
        ("view_image", {"path": "p.png"}),
        ("spawn_agent", {"message": "go"}),
        ("shell", {"command": 5}),
        ("shell", "{no json"),
    ]
)
OUTPUTS = st.sampled_from(
    ["plain", "unsupported call: x", RUNS, ENDS, "attached local image path", None, 5]
)
BODIES = st.sampled_from(
    [
        {"type": "UserMessage", "id": "item-1", "content": []},
        {"type": "AgentMessage", "id": "item-2", "content": []},
        {"type": "UserMessage", "id": "u", "content": []},
        {"type": "WebSearch", "id": "c1", "query": "q", "action": {"type": "other"}},
        {"type": "Plan", "id": "c2", "text": "p"},
        {"type": "Later", "id": "c3"},
        {"type": 5, "id": 5},
    ]
)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(lambda turn: started(turn, root_turn_id="t1"), TURNS),
    TURNS.map(completed),
    st.builds(lambda turn: event("turn_aborted", turn_id=turn, reason="interrupted"),
              st.none() | TURNS),
    st.builds(lambda turn, body, at: event("item_completed", thread_id=ROLLOUT, turn_id=turn,
                                           item=body, started_at_ms=at, completed_at_ms=7),
              TURNS, BODIES, st.sampled_from([None, None, None, 5])),
    st.builds(call, IDS, COMMANDS),
    st.builds(output, IDS, OUTPUTS),
    st.sampled_from([
        message(SHELL),
        message("<environment_context><cwd>/e</cwd></environment_context>"),
        item("web_search_call", status="completed"),
        item("image_generation_call", id="c2", status="completed", result="A"),
        item("local_shell_call", id="c3", action={"command": ["ls"]}),
        item("function_call", name=5, call_id=5),
        {"type": "turn_context", "payload": {"cwd": "/v", "model": "m2"}},
        {"type": "response_item", "payload": None},
        {"type": "response_item", "payload": {"type": ["odd"]}},
        header(history_mode="paginated", cwd="/other"),
    ]),
)  # fmt: skip
ODD = st.sampled_from([b"", b"garbage", b"{}", b"[]", b'{"timestamp":"x","ty', b"\xff"])
SIGN = event(
    "item_completed",
    thread_id=ROLLOUT,
    turn_id="t1",
    item={"type": "UserMessage", "id": "item-1", "content": []},
    completed_at_ms=7,
)


HEADS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"subagent_history_start_ordinal": 9}, {"subagent_history_start_ordinal": 99},
     {"forked_from_id": PARENT}, {"subagent_history_start_ordinal": 0}]
)  # fmt: skip


@given(
    records=st.lists(RECORDS | RECORDS | ODD, max_size=25),
    signed=st.booleans(),
    fields=HEADS,
    cuts=st.lists(st.integers(0, 28), max_size=8),
    restarts=st.lists(st.booleans(), max_size=9),
)
def test_cuts_and_restarts_are_invisible(
    records: list[Record | bytes],
    fields: Told,
    cuts: list[int],
    restarts: list[bool],
    *,
    signed: bool,
) -> None:
    begun = [started("t1"), SIGN] if signed else []
    head = header(history_mode="paginated", **fields)
    whole = [
        record if isinstance(record, bytes) else {"ordinal": at} | record
        for at, record in enumerate([head, *begun, *records])
    ]
    lines = lines_of(lines_from(whole))
    once, reducer = fold(lines)
    again, other = fold(lines, cuts, restarts)

    assert once.rows() == again.rows()
    assert (reducer.header, reducer.meta, reducer.next_ordinal) == (
        other.header,
        other.meta,
        other.next_ordinal,
    )


def test_what_is_saved_stays_small_however_many_calls_there_are() -> None:
    def saved(calls: int) -> int:
        records = [call(f"c{at}", ("shell", {"command": ["ls"]})) for at in range(1000, calls)]
        _, reducer = fold(lines_of(migrated(legacy(started("t1"), *said("go"), *records))))
        return len(reducer.dump_state())

    assert saved(4000) < saved(2000) + 500


@pytest.mark.parametrize("part", ["plain", "before", "calls"])
@pytest.mark.parametrize("held", [..., 5, {}, {"state": 5}])
def test_a_state_that_is_not_whole_is_refused(part: str, held: Any) -> None:
    data = legacy(*turn(call("c1", ("shell", {"command": ["ls"]}))))
    _, reducer = fold(lines_of(migrated(data)))
    state = orjson.loads(reducer.dump_state())
    state["state"].pop(part)
    if held is not ...:
        state["state"][part] = held

    with pytest.raises(IncompatibleState):
        resume(ROLLOUT, THREAD, orjson.dumps(state))
