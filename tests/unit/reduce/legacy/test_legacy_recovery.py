"""Items rebuilt from the model's calls and their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

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
    printed,
    ran,
    rolled_back,
    said,
    script,
    started,
)
from tests.support.memory_legacy import ROLLOUT, MemoryStore, lines_of, project, story

AGENT = "01a30000-0000-7000-8000-00000000a0a0"
DONE = '{"output":"o","metadata":{"exit_code":0,"duration_seconds":0.5}}'
LOST = '{"output":"apply_patch: command not found","metadata":{"exit_code":127}}'
SHELL_PATCH = f"cd sub && apply_patch <<'EOF'\n{PATCH}\nEOF"


def tool(name: str, arguments: Any, told: Any = None, **fields: Any) -> list[Record]:
    """A call, and its output if there is one."""
    made = call("c1", (name, arguments))
    made["payload"] |= fields
    return [made] if told is None else [made, output("c1", told)]


def rebuilt(*records: Record, **head: Any) -> tuple[MemoryStore, list[dict[str, Any]]]:
    store, _ = project(lines_from([header(**head), started("t1"), *records]))
    return store, [shown for _, shown in store.history()]


KINDS: list[tuple[str, list[Record], dict[str, Any]]] = [
    (
        "a shell command",
        tool("shell", {"command": ["bash", "-lc", "ls -l"]}, DONE),
        {
            "type": "commandExecution",
            "command": "bash -lc 'ls -l'",
            "cwd": "/w",
            "exitCode": 0,
            "commandActions": [{"type": "unknown", "command": "ls -l"}],
            "durationMs": 500,
            "aggregatedOutput": "o",
            "status": "completed",
            "source": "agent",
        },
    ),
    (
        "its folder",
        tool("shell_command", {"command": "ls", "workdir": "../v"}, "Exit code: 2\nOutput:\n"),
        {"command": "ls", "cwd": "/v", "exitCode": 2, "status": "failed", "aggregatedOutput": None},
    ),
    (
        "the hosted shell",
        [
            item("local_shell_call", call_id="c1", action={"command": ["echo", "a b"]}),
            output("c1", DONE),
        ],
        {"command": "echo 'a b'", "source": "agent", "status": "completed"},
    ),
    (
        "a command that was declined",
        tool("shell", {"command": ["ls"]}, "exec command rejected by user"),
        {
            "status": "declined",
            "exitCode": None,
            "aggregatedOutput": "exec command rejected by user",
        },
    ),
    (
        "a command under way",
        tool("exec_command", {"cmd": "top"}),
        {"status": "inProgress", "source": "unifiedExecStartup", "command": "top"},
    ),
    (
        "a patch",
        [
            item("custom_tool_call", name="apply_patch", input=PATCH, call_id="c1"),
            item("custom_tool_call_output", call_id="c1", output=DONE),
        ],
        {
            "type": "fileChange",
            "status": "completed",
            "changes": [{"path": "/w/a", "kind": {"type": "add"}, "diff": "x\n"}],
        },
    ),
    (
        "a patch as a function",
        tool("apply_patch", {"input": PATCH}, "patch rejected by user"),
        {"type": "fileChange", "status": "declined"},
    ),
    (
        "a patch in a script",
        tool("exec_command", {"cmd": SHELL_PATCH}, f"Wall time: 0 seconds\nOutput:\n{DONE}"),
        {
            "type": "fileChange",
            "status": "completed",
            "changes": [{"path": "/w/sub/a", "kind": {"type": "add"}, "diff": "x\n"}],
        },
    ),
    (
        "a patch that was run as a command",
        tool("shell", {"command": ["bash", "-lc", SHELL_PATCH]}, LOST),
        {"type": "commandExecution", "status": "failed", "exitCode": 127, "cwd": "/w"},
    ),
    (
        "an MCP call",
        tool("mcp__s__t__u", {"a": 1}, '[{"type":"text","text":"r"}]'),
        {
            "type": "mcpToolCall",
            "server": "s",
            "tool": "t__u",
            "arguments": {"a": 1},
            "result": {
                "content": [{"type": "text", "text": "r"}],
                "structuredContent": None,
                "_meta": None,
            },
        },
    ),
    (
        "an MCP call by namespace",
        tool("t", {}, 'err: "no\\nway"', namespace="mcp__s__"),
        {"server": "s", "tool": "t", "status": "failed", "error": {"message": "no\nway"}},
    ),
    (
        "an MCP call of old that says so",
        tool("s__t", {}, '{"content":[],"isError":true}'),
        {"type": "mcpToolCall", "server": "s", "tool": "t", "status": "failed", "error": None},
    ),
    (
        "an MCP resource",
        tool("read_mcp_resource", {"server": "s"}, '{"a":1}'),
        {
            "server": "s",
            "tool": "read_mcp_resource",
            "result": {
                "content": [{"type": "text", "text": '{"a":1}'}],
                "structuredContent": None,
                "_meta": None,
            },
        },
    ),
    (
        "an image that was shown",
        tool("view_image", {"path": "p.png"}, "attached local image path"),
        {"type": "imageView", "path": "/w/p.png"},
    ),
    (
        "an agent that was spawned",
        tool("spawn_agent", {"message": "go"}, f'{{"agent_id":"{AGENT}"}}'),
        {
            "type": "collabAgentToolCall",
            "tool": "spawnAgent",
            "senderThreadId": ROLLOUT,
            "prompt": "go",
            "receiverThreadIds": [AGENT],
            "agentsStates": {AGENT: {"status": "pendingInit", "message": None}},
        },
    ),
    (
        "an agent that could not be spawned",
        tool("spawn_agent", {"message": "go"}, "limit reached"),
        {"tool": "spawnAgent", "status": "failed", "receiverThreadIds": []},
    ),
    (
        "a wait for agents",
        tool("wait", {"ids": [AGENT]}, f'{{"status":{{"{AGENT}":{{"errored":"e"}}}}}}'),
        {
            "tool": "wait",
            "status": "failed",
            "agentsStates": {AGENT: {"status": "errored", "message": "e"}},
        },
    ),
    (
        "a tool of the client",
        tool("mine", {"a": 1}, "it said"),
        {
            "type": "dynamicToolCall",
            "tool": "mine",
            "arguments": {"a": 1},
            "success": None,
            "contentItems": [{"type": "inputText", "text": "it said"}],
            "status": "completed",
        },
    ),
    (
        "a plan",
        tool("update_plan", {"plan": [{"step": "s", "status": "pending"}]}, "Plan updated"),
        {
            "type": "dynamicToolCall",
            "tool": "update_plan",
            "arguments": {"plan": [{"step": "s", "status": "pending"}]},
            "contentItems": [{"type": "inputText", "text": "Plan updated"}],
            "status": "completed",
        },
    ),
    (
        "a question to the person, and the answer",
        tool("request_user_input", {"questions": [{"id": "q"}]}, '{"answers":{"q":"yes"}}'),
        {
            "tool": "request_user_input",
            "arguments": {"questions": [{"id": "q"}]},
            "contentItems": [{"type": "inputText", "text": '{"answers":{"q":"yes"}}'}],
        },
    ),
    (
        "permissions that were asked for, and not given yet",
        tool("request_permissions", {"reason": "r"}),
        {"tool": "request_permissions", "status": "inProgress", "contentItems": None},
    ),
    (
        "another tool of Codex, in its namespace",
        tool("send_message", "{not json", "ok", namespace="agents"),
        {"namespace": "agents", "tool": "send_message", "arguments": "{not json"},
    ),
    (
        "another custom tool",
        [
            item("custom_tool_call", name="js_repl", input="1 + 1", call_id="c1"),
            item("custom_tool_call_output", call_id="c1", output="2"),
        ],
        {
            "tool": "js_repl",
            "arguments": {"input": "1 + 1"},
            "contentItems": [{"type": "inputText", "text": "2"}],
        },
    ),
    (
        "a search",
        [item("web_search_call", id="c1", action={"type": "search", "queries": ["a", "b"]})],
        {
            "type": "webSearch",
            "query": "a ...",
            "action": {"type": "search", "query": None, "queries": ["a", "b"]},
        },
    ),
    (
        "an image",
        [item("image_generation_call", id="c1", status="completed", result="AA")],
        {"type": "imageGeneration", "result": "AA"},
    ),
]


@pytest.mark.parametrize(
    ("records", "expected"), [pytest.param(*case[1:], id=case[0]) for case in KINDS]
)
def test_what_is_rebuilt(records: Sequence[Record], expected: dict[str, Any]) -> None:
    """Where only the model's calls are in the file, its items are made of them."""
    store, (shown,) = rebuilt(*records, dynamic_tools=[{"name": "mine"}])

    assert {name: shown[name] for name in expected} == expected
    assert shown["id"] == "c1"
    assert [row.provenance for row in store.living_items()] == ["response_item"]


NOTHING = [
    ("a call that never ran", tool("shell", {"command": ["ls"]}, "unsupported call: shell"), []),
    (
        "a patch that did not apply",
        tool("apply_patch", {"input": PATCH}, "error: no such file"),
        [],
    ),
    ("an image that was not found", tool("view_image", {"path": "p"}, "unable to locate"), []),
    ("a name of old that no MCP output follows", tool("s__t", {}, "it said"), []),
    ("arguments that are not JSON", tool("shell", "{no"), ["bad_arguments"]),
    ("arguments that the tool does not take", tool("shell", {"cmd": "ls"}), ["bad_arguments"]),
    ("an output without a call", [output("c1", DONE)], ["orphan_output"]),
    (
        "an output before its call, and none behind",
        [output("c1", DONE), *tool("view_image", {"path": "p"})],
        ["orphan_output"],
    ),
]


@pytest.mark.parametrize(
    ("records", "kinds"), [pytest.param(*case[1:], id=case[0]) for case in NOTHING]
)
def test_what_is_not(records: Sequence[Record], kinds: list[str]) -> None:
    """What never ran or shows nothing makes no item; what is odd is noted."""
    store, shown = rebuilt(*records)

    assert shown == []
    assert [note.kind for note in store.noted()] == kinds


def test_a_turn_that_ends_fails_its_open_calls() -> None:
    """A later output may still end them."""
    late = [*tool("shell", {"command": ["ls"]}), completed("t1")]

    assert rebuilt(*late)[1][0]["status"] == "failed"
    assert rebuilt(*late, output("c1", DONE))[1][0]["status"] == "completed"


def test_an_event_wins_over_the_call() -> None:
    """Before the output or without a call: the item is the event's."""
    told = ran("c1", "t1", "agent")
    store, shown = rebuilt(*tool("shell", {"command": ["other"]}), told, output("c1", LOST))

    assert [(each["command"], each["status"]) for each in shown] == [("ls", "completed")]
    assert [row.provenance for row in store.living_items()] == ["event"]
    assert store.noted() == []


def review(status: str, **fields: Any) -> Record:
    return event("guardian_assessment", id="c1", turn_id="t1", status=status, **fields)


def test_a_verdict_of_the_reviewer() -> None:
    """An item of its own, whole, where the review began; without a turn there is none."""
    asked = [*tool("shell", {"command": ["ls"]}), review("in_progress", action={"tool": "shell"})]
    verdict = review("denied", risk_level="high", rationale="no")
    _, under_way = rebuilt(*asked)
    store, shown = rebuilt(*asked, answer("w"), verdict, output("c1", DONE))

    assert (under_way[1]["status"], under_way[1]["arguments"]) == (
        "inProgress", {"status": "in_progress", "action": {"tool": "shell"}},
    )  # fmt: skip
    assert [(one["type"], one["id"]) for one in (shown[0], shown[1])] == [
        ("commandExecution", "c1"), ("dynamicToolCall", "c1/review"),
    ]  # fmt: skip
    assert (shown[1]["tool"], shown[1]["status"]) == ("guardian_assessment", "completed")
    assert shown[1]["arguments"] == {"status": "denied", "risk_level": "high", "rationale": "no"}
    assert shown[2]["type"] == "agentMessage"
    assert [row.provenance for row in store.living_items()][1] == "event"
    assert rebuilt(completed("t1"), event("guardian_assessment", id="x"))[1] == []


def test_an_event_wins_over_the_call_of_any_tool() -> None:
    """A later release may tell of a tool by an event with the id of its call."""
    told = event(
        "sub_agent_activity",
        event_id="c1",
        occurred_at_ms=1,
        kind="interacted",
        agent_thread_id=AGENT,
        agent_path="/root/w",
    )
    _, before = rebuilt(*tool("send_message", {}), told, output("c1", "ok"))
    _, behind = rebuilt(*tool("send_message", {}, "ok"), told)

    assert [one["type"] for one in before] == [one["type"] for one in behind]
    assert [one["type"] for one in before] == ["subAgentActivity"]


def test_a_call_id_used_twice() -> None:
    """In one turn the item is replaced; in another one it is another item."""
    ls, pwd = (tool("shell", {"command": [name]}, DONE) for name in ("ls", "pwd"))
    records = [*ls, *pwd, completed("t1"), started("t2"), *ls]

    _, shown = rebuilt(*records)

    assert [each["command"] for each in shown] == ["pwd", "ls"]


def test_a_process_that_outlives_its_call() -> None:
    """Later outputs are appended, in its own turn; its time is that of the lines."""
    poll = call("c2", ("write_stdin", {"session_id": 7, "chars": ""}))
    running = "Process running with session ID 7\nOutput:\n"
    records = [
        *tool("exec_command", {"cmd": "top"}, f"{running}one\n"),
        poll,
        output("c2", f"{running}two\n"),
        completed("t1"),
        started("t2"),
        poll,
        output("c2", "Process exited with code 1\nOutput:\nend\n"),
        call("c3", ("write_stdin", {"session_id": 99})),
        output("c3", "write_stdin failed: Unknown process id 99"),
    ]

    store, (shown,) = rebuilt(*records)

    assert shown["aggregatedOutput"] == "one\ntwo\nend\n"
    assert (shown["status"], shown["exitCode"], shown["processId"]) == ("failed", 1, "7")
    assert shown["durationMs"] == 7000
    assert store.history()[0][0] == "t1"


def test_the_users_own_command() -> None:
    """Rebuilt from what the model is told; an event before it wins."""
    told = message(
        "<user_shell_command>\n<command>\nls\n</command>\n<result>\nExit code: 4\n"
        "Duration: 0.1 seconds\nOutput:\nx\n\n</result>\n</user_shell_command>",
        id="msg",
    )

    _, (shown,) = rebuilt(told)
    _, by_event = rebuilt(ran("c9", "t1", "user_shell"), told)

    assert (shown["id"], shown["source"], shown["exitCode"]) == ("msg", "userShell", 4)
    assert shown["aggregatedOutput"] == "x\n"
    assert [each["id"] for each in by_event] == ["c9"]


def test_a_search_next_to_its_event() -> None:
    """The event makes the item, and the call without an id is its own."""
    told = event("web_search_end", call_id="w", query="q", action={"type": "other"})
    search = item("web_search_call", action={"type": "other"})

    _, shown = rebuilt(told, search, search)

    assert shown[0]["id"] == "w"
    assert len(shown) == 2


def test_images_of_a_view_image_call() -> None:
    """The user message that some releases wrote for it opens no turn (0.98 to 0.104)."""
    image = event("user_message", message="", images=["data:x"])
    records = [
        header(),
        *said("u"),
        *tool("view_image", {"path": "p"}),
        image,
        output("c1", [{"type": "input_image"}]),
    ]

    store, _ = project(lines_from(records))

    assert len(store.living_turns()) == 1
    assert [shown["type"] for _, shown in store.history()] == [
        "userMessage",
        "imageView",
        "userMessage",
    ]


def test_a_bare_thread_of_2025() -> None:
    """No envelope, no events: turns and items of the model's input, without times."""

    def bare(role: str, text: str, **fields: Any) -> Record:
        return {
            "type": "message",
            "role": role,
            "content": [{"type": "input_text", "text": text}],
            **fields,
        }

    records: list[Record] = [
        {"id": ROLLOUT, "timestamp": "2025-07-20T10:00:00.000Z", "git": {"branch": "main"}},
        {"record_type": "state"},
        bare("user", "<user_instructions>x</user_instructions>"),
        bare("user", "<environment_context><cwd>/v</cwd></environment_context>"),
        bare("user", "hello"),
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s"}]},
        bare("assistant", "hi", id="m1"),
        {"type": "function_call", "name": "s__t", "arguments": "{}", "call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "no"},
        bare("user", "again"),
    ]

    store, reducer = project(lines_from(records))

    types = [shown["type"] for _, shown in store.history()]
    assert types == ["userMessage", "reasoning", "agentMessage", "mcpToolCall", "userMessage"]
    assert [turn.started_at for turn in store.living_turns()] == [None, None]
    assert {row.created_at_ms for row in store.living_items()} == {reducer.header.created_at_ms}
    assert (reducer.meta.cwd, reducer.meta.git_branch) == ("/v", "main")
    assert store.noted() == []


def test_a_call_without_a_turn_is_passed_over() -> None:
    """Unless it says which, and that one is known."""
    bare = tool("shell", {"command": ["ls"]})
    passed = tool(
        "shell", {"command": ["ls"]}, internal_chat_message_metadata_passthrough={"turn_id": "t1"}
    )

    assert rebuilt(answer("a"), completed("t1"), *bare)[1][1:] == []
    assert len(rebuilt(answer("a"), completed("t1"), *passed)[1]) == 2


RUNS = "Process running with session ID 7\nOutput:\n"
MCP = event(
    "mcp_tool_call_end",
    call_id="m",
    invocation={"server": "s", "tool": "t", "arguments": {}},
    duration={"secs": 1, "nanos": 0},
    result={"Ok": {"content": [], "isError": False}},
)
A, B, M = call("a", ("exec_command", {"cmd": "x"})), call("b", ("shell", {"command": ["y"]})), (
    call("m", ("mcp__s__t", {}))
)  # fmt: skip
ENDED_A, ENDED_B = ran("a", "t1", "agent"), ran("b", "t1", "agent")
PLACES: list[tuple[str, list[Record], str]] = [
    ("as they ended", [A, B, ENDED_B, ENDED_A, output("a", DONE), output("b", DONE)], "b a"),
    ("outputs first", [A, B, output("a", DONE), output("b", DONE), ENDED_B, ENDED_A], "b a"),
    ("words between", [A, B, answer("w"), ENDED_B, answer("x"), output("a", DONE), ENDED_A],
     "w b x a"),
    ("without an event the call's place", [A, B, answer("w"), output("a", DONE), ENDED_B],
     "a w b"),
    ("of every kind", [M, A, ENDED_A, answer("w"), MCP, output("m", "[]")], "a w m"),
    ("a process that goes on", [A, output("a", RUNS), B, output("b", DONE), ENDED_A], "b a"),
    ("a turn that is over", [A, B, completed("t1"), started("t2"), answer("w"), ENDED_B, ENDED_A],
     "w b a"),
    ("told twice", [A, B, ENDED_B, answer("w"), ENDED_A, ENDED_B], "b w a"),
    ("a call that is told of already", [ENDED_B, A, B, output("b", DONE), ENDED_A], "b a"),
    ("the same call twice", [A, output("a", DONE), B, A, answer("w"), ENDED_A], "b w a"),
    ("an item of its own", [A, B, answer("w"), event("item_completed", thread_id=ROLLOUT,
     turn_id="t1", item={"type": "Plan", "id": "a", "text": "a"})], "b w a"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "order"), [pytest.param(*case[1:], id=case[0]) for case in PLACES]
)
def test_the_place_of_an_item_that_an_event_tells_of(records: list[Record], order: str) -> None:
    """That of the event, however the lines come: Codex shows the ends of commands in order."""
    data = lines_from([header(), started("t1"), *records])
    lines = lines_of(data)
    whole, _ = project(data)

    assert story(whole).replace("t1:", "").replace("t2:", "") == order
    for row in whole.living_items():
        at = [line.offset for line in lines].index(row.offset)
        told = b"function_call" not in lines[at].data
        assert told == (row.provenance != "response_item")
        assert row.created_at_ms == 1_772_359_200_250 + at * 1000
    for cut in range(len(lines)):
        for resume in (False, True):
            pieces, _ = project(data, [cut], resume=resume)
            assert pieces.state() == whole.state()
    pieces, _ = project(data, range(len(lines)), resume=True)
    assert pieces.state() == whole.state()


ENDED = ("Exit code: 0\nOutput:\nx", "Exit code: 1\nOutput:\ny", "z")
SEVERAL: list[tuple[str, list[Record], str]] = [
    ("as in the script", [script("a", "p", "q"), printed("a", *ENDED[:2])], "a a/2"),
    ("words between", [script("a", "p", "q"), answer("w"), printed("a", *ENDED[:2]), answer("x")],
     "a a/2 w x"),
    ("under way", [script("a", "p", "q"), answer("w")], "a w"),
    ("more texts", [script("a", "p", "q"), answer("w"), printed("a", *ENDED)], "a w"),
    ("a turn that is over", [script("a", "p", "q"), completed("t1"), started("t2"), answer("w"),
     printed("a", *ENDED[:2])], "a a/2 w"),
    ("the same call twice", [script("a", "p", "q"), printed("a", *ENDED[:2]), answer("w"),
     script("a", "p", "q"), printed("a", *ENDED[:2])], "a w a/2"),
    ("an event of the call", [script("a", "p", "q"), ENDED_A, printed("a", *ENDED[:2])], "a"),
    ("an event behind it", [script("a", "p", "q"), printed("a", *ENDED[:2]), answer("w"), ENDED_A],
     "w a"),
    ("the turn rolled back", [script("a", "p", "q"), printed("a", *ENDED[:2]), rolled_back(1)], ""),
    ("rolled back before its output", [script("a", "p", "q"), rolled_back(1),
     printed("a", *ENDED[:2])], ""),
    ("another turn rolled back", [script("a", "p", "q"), completed("t1"), started("t2"),
     *said("v"), printed("a", *ENDED[:2]), rolled_back(1)], "a a/2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "order"), [pytest.param(*case[1:], id=case[0]) for case in SEVERAL]
)
def test_the_commands_of_a_script(records: list[Record], order: str) -> None:
    """Positions are unique and in the script's order, wherever the lines are cut."""
    data = lines_from([header(), started("t1"), *said("u"), *records])
    whole, _ = project(data)

    rows = whole.living_items()
    assert story(whole).replace("t1:", "").replace("t2:", "").removeprefix("u").strip() == order
    assert len({row.offset for row in rows}) == len(rows)
    for resume in (False, True):
        for cuts in ([cut] for cut in range(len(records) + 4)):
            assert project(data, cuts, resume=resume)[0].state() == whole.state()
        assert project(data, range(99), resume=resume)[0].state() == whole.state()


def test_processes_that_outlive_a_script() -> None:
    """Each has an item of its own, to which later outputs are appended."""
    runs = '{{"session_id":{},"output":"one","wall_time_seconds":1}}'
    _, shown = rebuilt(
        script("a", "p", "q"),
        printed("a", runs.format(7), runs.format(8)),
        call("c2", ("write_stdin", {"session_id": 8})),
        output("c2", "Process exited with code 1\nOutput:\nend\n"),
    )

    told = [(one["id"], one["command"], one["status"], one["aggregatedOutput"]) for one in shown]
    assert told == [("a", "p", "inProgress", "one"), ("a/2", "q", "failed", "oneend\n")]
