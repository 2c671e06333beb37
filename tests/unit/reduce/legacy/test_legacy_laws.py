"""The laws of a reducer, over legacy rollouts of every kind.

Cuts and restarts are invisible, nothing raises, and what is saved stays small.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.errors import IncompatibleState
from projector.model.ids import Offset, RolloutId, ThreadId
from projector.reduce.legacy import LegacyReducer
from tests.support.examples import examples
from tests.support.legacy_records import (
    PATCH,
    Record,
    call,
    event,
    header,
    item,
    lines_from,
    message,
    printed,
    ran,
    script,
    tokens,
)
from tests.support.memory_legacy import ROLLOUT, MemoryStore, lines_of, project, step

TURNS = st.sampled_from(["t1", "t2", "01a30000-0000-7000-8000-00000000e001", ""])
CALLS = st.sampled_from(["c1", "c2", "c3"])
WORDS = st.sampled_from(["", " ", "hi", "more", "Success. Updated the following files:"])
OUTPUTS = st.sampled_from(
    [
        "plain",
        "aborted by user after 1.5s",
        "unsupported call: x",
        "exec command rejected by user",
        '{"output":"o","metadata":{"exit_code":0,"duration_seconds":0.1}}',
        '{"output":"apply_patch: command not found","metadata":{"exit_code":127}}',
        "Wall time: 0.1 seconds\nProcess running with session ID 7\nOutput:\nsome\n",
        "Wall time: 0.1 seconds\nProcess exited with code 3\nOutput:\nlast\n",
        "Wall time: 0.1 seconds\nOutput:\nrest",
        '[{"type":"text","text":"r"}]',
        '{"agent_id":"a"}',
        '{"status":{"a":{"errored":"no"}}}',
        "attached local image path",
        [{"type": "input_image", "image_url": "data:x"}, {"type": "input_text", "text": "t"}],
        None,
        5,
    ]
)
COMMANDS = st.sampled_from(
    [
        ("shell", {"command": ["bash", "-lc", "ls"]}),
        ("shell", {"command": ["apply_patch", PATCH]}),
        ("exec_command", {"cmd": "top"}),
        ("exec_command", {"cmd": f"apply_patch <<'EOF'\n{PATCH}\nEOF"}),
        ("write_stdin", {"session_id": 7, "chars": "x"}),
        ("mcp__s__t", {"a": 1}),
        ("s__t", {}),
        ("view_image", {"path": "p.png"}),
        ("spawn_agent", {"message": "go"}),
        ("wait", {"ids": ["a"]}),
        ("close_agent", {"id": "a"}),
        ("update_plan", {}),
        ("request_user_input", "{no json"),
        ("shell", {"command": 5}),
        ("shell", "{no json"),
    ]
)


#: Of a command whose process goes on; as a command, it is one like any other.
RUNS = '{"session_id":7,"output":"some"}'
SHELL = (
    "<user_shell_command>\n<command>\nls\n</command>\n<result>\nExit code: 0\n"
    "Duration: 0.1 seconds\nOutput:\nx\n\n</result>\n</user_shell_command>"
)
SCRIPTS = st.sampled_from([("a", "b"), ("ls", "pwd", "top"), ("x",), (RUNS, RUNS), ("aborted", "")])
ERRORS = st.sampled_from([None, "other", "thread_rollback_failed"])
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(lambda text: event("user_message", message=text), WORDS),
    st.builds(message, WORDS),
    st.builds(
        lambda text, phase: event("agent_message", message=text, phase=phase),
        WORDS,
        st.sampled_from([None, "final_answer", "commentary"]),
    ),
    st.builds(lambda text: event("agent_reasoning", text=text), WORDS),
    st.builds(lambda text: event("agent_reasoning_raw_content", text=text), WORDS),
    st.builds(
        lambda turn, root: event("task_started", turn_id=turn, root_turn_id=root),
        TURNS,
        st.none() | TURNS,
    ),
    st.builds(
        lambda turn, error: event("task_complete", turn_id=turn, error=error),
        TURNS,
        st.sampled_from([None, {"message": "m"}]),
    ),
    st.builds(
        lambda turn: event("turn_aborted", turn_id=turn, reason="interrupted"), st.none() | TURNS
    ),
    st.builds(lambda count: event("thread_rolled_back", num_turns=count), st.integers(0, 4)),
    st.builds(lambda info: event("error", message="e", codex_error_info=info), ERRORS),
    st.builds(ran, CALLS, TURNS, st.sampled_from(["agent", "user_shell"])),
    st.builds(call, CALLS, COMMANDS),
    st.builds(
        lambda call_id, output: item("function_call_output", call_id=call_id, output=output),
        CALLS,
        OUTPUTS,
    ),
    st.builds(lambda call_id, commands: script(call_id, *commands), CALLS, SCRIPTS),
    st.builds(lambda call_id, texts: printed(call_id, *texts), CALLS, SCRIPTS),
    st.builds(
        lambda call_id: item("custom_tool_call", name="apply_patch", input=PATCH, call_id=call_id),
        CALLS,
    ),
    st.builds(
        lambda turn, call_id: event(
            "item_completed",
            thread_id=ROLLOUT,
            turn_id=turn,
            item={"type": "Plan", "id": call_id, "text": "p"},
        ),
        TURNS,
        CALLS,
    ),
    st.builds(
        lambda turn, call_id, status: event(
            "guardian_assessment", id=call_id, turn_id=turn, status=status, rationale="r"
        ),
        TURNS,
        CALLS,
        st.sampled_from(["in_progress", "approved", None]),
    ),
    st.builds(tokens, st.integers(0, 30)),
    st.sampled_from(
        [
            event("context_compacted"),
            event("entered_review_mode", target={"type": "custom"}),
            event("exited_review_mode", review_output=None),
            event("web_search_end", call_id="c1", query="q", action={"type": "other"}),
            event("user_message", message="", images=["data:x"]),
            item("web_search_call", status="completed"),
            item("agent_message"),
            item("image_generation_call", id="c2", status="completed", result="A"),
            message(SHELL),
            message('<hook_prompt hook_run_id="h">x</hook_prompt>'),
            message("<environment_context><cwd>/v</cwd></environment_context>"),
            {"type": "turn_context", "payload": {"cwd": "/v", "model": "m2"}},
            {"type": "inter_agent_communication", "payload": {}},
            {"type": "compacted", "payload": {"message": ""}},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
            {"type": "message", "role": "assistant", "content": "answer"},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s"}]},
            {"id": ROLLOUT, "timestamp": "2025-07-20T10:00:00.000Z"},
            {"record_type": "state"},
            {
                "type": "session_meta",
                "payload": {
                    "id": ROLLOUT,
                    "timestamp": "2026-03-01T09:00:00.000Z",
                    "cwd": "/w",
                    "cli_version": "0.47.0",
                    "forked_from_id": "01a30000-0000-7000-8000-00000000a001",
                },
            },
        ]
    ),
)
ODD = st.sampled_from(
    [
        b"",
        b"  ",
        b"garbage",
        b"[]",
        b'{"timestamp":"x"}',
        b'{"timestamp":"2026-03-01T10:00:00.000Z","type":"event_msg","payload":5}',
        b'{"timestamp":"2026-03-01T10:00:00.000Z","type":"event_msg","payload":{"type":[]}}',
        b'{"timestamp":"2026-03-01T10:00:00.000Z","type":"compacted","payload":{"a":1}}',
        b'{"timestamp":"none","type":"event_msg","payload":{"type":"user_message","message":"z"}}',
        b"\xff\xfe",
        (
            b'{"timestamp":"2026-03-01T1{"timestamp":"2026-03-01T10:00:00.000Z",'
            b'"type":"event_msg","payload":{"type":"user_message","message":"glued"}}'
        ),
    ]
)


ROLLOUTS = st.lists(RECORDS | ODD, max_size=40).map(lines_from)
CUTS = st.lists(st.integers(0, 40), max_size=12)


@given(data=ROLLOUTS, cuts=CUTS)
def test_cuts_and_restarts_are_invisible(data: bytes, cuts: list[int]) -> None:
    """However the lines are cut, and wherever it is made anew, the same rows come out."""
    whole, reducer = project(data)

    for resume in (False, True):
        pieces, again = project(data, cuts, resume=resume)

        assert pieces.state() == whole.state()
        assert again.dump_state() == reducer.dump_state()
        assert again.meta == reducer.meta
        assert again.header == reducer.header


@examples(80)
@given(data=ROLLOUTS)
def test_a_restart_behind_every_line_is_invisible(data: bytes) -> None:
    """A daemon that is killed after each line ends with the rows of one that never was."""
    whole, _ = project(data)

    pieces, _ = project(data, range(60), resume=True)

    assert pieces.state() == whole.state()


KEYS = st.sampled_from(
    """type id turn_id call_id message text content images output arguments name item action
    codex_error_info error num_turns info total_token_usage review_output changes invocation
    result duration status query path role payload timestamp kind image_order text_elements
    summary namespace input git source dynamic_tools last_token_usage statuses target""".split()
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
    | st.sampled_from(["t1", "c1", "exec_command", "apply_patch", "*** Begin Patch"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
KINDS = st.sampled_from(
    """user_message agent_message agent_reasoning token_count task_started task_complete
    turn_aborted thread_rolled_back item_completed error exec_command_end patch_apply_end
    mcp_tool_call_end web_search_end image_generation_end dynamic_tool_call_response
    view_image_tool_call collab_waiting_end collab_agent_spawn_end sub_agent_activity
    entered_review_mode exited_review_mode thread_goal_updated thread_settings_applied message
    function_call function_call_output custom_tool_call local_shell_call web_search_call
    image_generation_call reasoning thread_name_updated guardian_assessment""".split()
)


@given(
    records=st.lists(
        st.tuples(
            st.sampled_from(["event_msg", "response_item", "session_meta", "turn_context", ""]),
            KINDS,
            st.dictionaries(KEYS, JSON, max_size=6),
        ),
        max_size=8,
    )
)
def test_no_record_makes_it_raise(records: list[tuple[str, str, Record]]) -> None:
    """Fields of any type, in any record: rows or anomalies, never an exception."""
    lines: list[Record | bytes] = [header(), event("user_message", message="there is an item")]
    for kind, inner, payload in records:
        if kind:
            lines.append({"type": kind, "payload": {**payload, "type": inner}})
        else:
            lines.append(json.dumps({**payload, "type": inner}).encode())

    store, reducer = project(lines_from(lines), range(len(lines)))

    assert LegacyReducer.resume(ROLLOUT, ThreadId(ROLLOUT), reducer.dump_state()).dump_state() == (
        reducer.dump_state()
    )
    assert all(json.loads(row.json)["type"] == row.type for row in store.living_items())


@given(data=st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    """Lines of any bytes."""
    project(data + b"\n", range(10), resume=True)


LONG = "x" * 200_000


def test_what_is_saved_stays_small_however_long_the_rollout_is() -> None:
    """Calls without outputs, running processes, turns, boundaries, long ids and long patches."""
    sizes: list[int] = []
    store = MemoryStore()
    reducer = LegacyReducer(ROLLOUT, ThreadId(ROLLOUT))
    offset = 0
    running = "Process running with session ID {}\nOutput:\n"
    for batch in range(6):
        records: list[Record | bytes] = []
        for each in range(batch * 200, batch * 200 + 200):
            records += [
                event("task_started", turn_id=f"turn {each}"),
                event("user_message", message=f"{each} {LONG[:2000]}"),
                event("agent_reasoning", text=LONG[:2000]),
                call(f"open {each}", ("exec_command", {"cmd": "top"})),
                call(f"run {each}", ("exec_command", {"cmd": "top"})),
                item("function_call_output", call_id=f"run {each}", output=running.format(each)),
                call(f"patch {each}", ("shell", {"command": ["apply_patch", PATCH + LONG[:9]]})),
                call(f"{LONG[:1000]} {each}", ("exec_command", {"cmd": "top"})),
                ran(f"told {each}", f"turn {each}", "agent"),
                {"type": f"unknown {each}", "payload": {}},
                {"type": "turn_context", "payload": {"cwd": "/" + LONG[: each * 9], "model": "m"}},
            ]
        data = lines_from(records)
        lines = [
            line._replace(offset=Offset(line.offset + offset), end=Offset(line.end + offset))
            for line in lines_of(data)
        ]
        offset += len(data)
        step(reducer, store, lines)
        sizes.append(len(reducer.dump_state()))

    assert max(sizes) < 200_000
    assert sizes[-1] < sizes[2] * 1.2


def test_calls_that_wait_too_long_age_out_with_an_anomaly() -> None:
    """The oldest of more than 256 open calls makes room; its item stays as it is known."""
    records: list[Record | bytes] = [event("task_started", turn_id="t1")]
    records += [call(f"c{each}", ("exec_command", {"cmd": "top"})) for each in range(258)]
    records += [item("function_call_output", call_id="c0", output="late")]

    store, _ = project(lines_from(records))

    kinds = [anomaly.kind for anomaly in store.anomalies]
    assert kinds == ["open_call_aged", "open_call_aged", "orphan_output"]
    assert json.loads(store.living_items()[0].json)["status"] == "inProgress"


def test_turns_beyond_what_is_remembered_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a memory of two turns and two frames the same rows come out."""
    records: list[Record | bytes] = []
    for each in range(12):
        records += [
            event("task_started", turn_id=f"t{each}"),
            message(f"u{each}"),
            event("user_message", message=f"u{each}"),
            event("agent_message", message="a"),
            event("task_complete", turn_id=f"t{each}"),
        ]
    records += [
        ran("c1", "t1", "agent"),
        event("thread_rolled_back", num_turns=9),
        event("task_complete", turn_id="t7"),
        ran("c2", "t2", "agent"),
        ran("c3", "t8", "agent"),
        event("thread_rolled_back", num_turns=2),
        event("user_message", message="end"),
    ]
    data = lines_from(records)
    whole, _ = project(data)
    monkeypatch.setattr("projector.reduce.legacy.row_buffer.TURNS_MAX", 2)
    monkeypatch.setattr("projector.reduce.legacy.row_buffer.TURNS_FORGOTTEN", 2)
    monkeypatch.setattr("projector.reduce.legacy.rollback_stack.FRAMES_MAX", 2)
    monkeypatch.setattr("projector.reduce.legacy.rollback_stack.FRAMES_FORGOTTEN", 1)

    pieces, _ = project(data, range(len(records)))

    assert pieces.state() == whole.state()
    assert [turn.turn_id for turn in whole.living_turns()][:1] == ["t0"]


def test_only_turns_that_were_forgotten_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are new: whoever reads ahead of the store could not go on."""
    records = [event("task_started", turn_id=f"t{each}") for each in range(12)]
    lines = lines_from([*records, ran("c1", "t1", "agent")])
    monkeypatch.setattr("projector.reduce.legacy.row_buffer.TURNS_MAX", 2)
    monkeypatch.setattr("projector.reduce.legacy.row_buffer.TURNS_FORGOTTEN", 2)
    made = LegacyReducer(RolloutId(ROLLOUT), ThreadId(ROLLOUT))

    asked = []
    for line in lines_of(lines):
        asked.append(made.lookup([line]).turns)
        made.apply([line])

    assert asked == [frozenset()] * len(records) + [{"t1"}]


def test_a_state_of_another_version_is_refused() -> None:
    """The rollout is then projected anew."""
    with pytest.raises(IncompatibleState):
        LegacyReducer.resume(RolloutId(ROLLOUT), ThreadId(ROLLOUT), b'{"version":0,"state":{}}')
