"""Scripts of code mode: which tools they call, with what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode.legacy.code_mode import ToolCall, ended, tool_calls
from projector.decode.legacy.tool_calls import Setting, called
from projector.decode.legacy.tool_results import answered, answered_each

SETTING = Setting("/w", "thread", (), plain_mcp=False)
SCRIPTS = [
    # a script, its calls
    ('const r = await tools.shell_command({"command":"ls"});\ntext(r);', [{"command": "ls"}]),
    ("await tools.shell_command({command: 'it\\'s', workdir: \"/w\", })", [
        {"command": "it's", "workdir": "/w"}]),
    ("tools.exec_command({cmd: `a\nb`, tty: false, n: 1.5, x: null, y: [1, 2,], z: -3})", [
        {"cmd": "a\nb", "tty": False, "n": 1.5, "x": None, "y": [1, 2], "z": -3}]),
    ('tools.shell_command({"command": "\\u0061\\x62\\u{63}\\n"})', [{"command": "abc\n"}]),
    ("// tools.no({})\n/* tools.no() */ 'tools.no({})'; `tools.no()`; tools.yes({})", [{}]),
    ("tools . shell_command ( /* now */ { a : 1 } // end\n )", [{"a": 1}]),
    ('tools.apply_patch("*** Begin Patch")', ["*** Begin Patch"]),
    ("tools.a({}); tools.b({})", [{}, {}]),
    # what is no literal
    ("tools.shell_command({command: `ls ${dir}`})", [None]),
    ("tools.shell_command({command: 'a' + b})", [None]),
    ("tools.shell_command({command})", [None]),
    ("tools.shell_command({...x})", [None]),
    ("tools.shell_command(args)", [None]),
    ("tools.shell_command({a: 1}, 2)", [None]),
    ("tools.shell_command({a: 1", [None]),
    ("tools.shell_command(" + "[" * 100_000, [None]),
    ("tools.shell_command({a: '\\u{110000}'})", [None]),
    ("tools.a(tools.b({}))", [None, {}]),
    # no call
    ("mytools.a({}); x.tools.b({}); tools.c", []),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("script", "arguments"), SCRIPTS)
def test_calls_of_a_script(script: str, arguments: list[Any]) -> None:
    assert [call.argument for call in tool_calls(script)] == arguments


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_json_is_a_literal(value: dict[str, Any]) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert tool_calls(f"await tools.x({text});") == [ToolCall("x", value)]


@given(st.text(st.sampled_from("tools.x({})[]'\"`\\,:$ /*\n1a")))
def test_any_script_is_read(script: str) -> None:
    tool_calls(f"tools.x({script}")


def ran(script: str, output: Any) -> dict[str, Any] | None:
    payload = {"type": "custom_tool_call", "name": "exec", "input": script, "call_id": "c"}
    what = called(payload, "c", SETTING)
    return answered(what.kind, "c", what.item, what.note, output)


def said(*texts: str, how: str = "completed") -> list[dict[str, str]]:
    first = f"Script {how}\nWall time 0.4 seconds\nOutput:\n"
    return [{"type": "input_text", "text": text} for text in (first, *texts)]


ONE = 'const r = await tools.shell_command({"command":"false","workdir":"d"});\ntext(r);'


@pytest.mark.parametrize(
    ("output", "status", "code", "ms", "text"),
    [
        (said("Exit code: 1\nWall time: 0.3 seconds\nOutput:\nno\n"), "failed", 1, 300, "no\n"),
        (said("Exit code: 0\nWall time: 0.3 seconds\nOutput:\n"), "completed", 0, 300, None),
        (said('{"output":"7","exit_code":0,"wall_time_seconds":0.2}'), "completed", 0, 200, "7"),
        (said(), "completed", None, 400, None),
        (said(how="failed"), "failed", None, 400, None),
        (said("boom", how="failed"), "failed", None, 400, "boom"),
        ("Exit code: 2\nWall time: 1 seconds\nOutput:\nx", "failed", 2, 1000, "x"),
    ],
)
def test_a_script_of_one_command_is_that_command(
    output: Any, status: str, code: int | None, ms: int, text: str | None
) -> None:
    item = ran(ONE, output)

    assert item is not None
    assert (item["type"], item["command"], item["cwd"]) == ("commandExecution", "false", "/w/d")
    assert (item["status"], item["exitCode"]) == (status, code)
    assert (item["durationMs"], item["aggregatedOutput"]) == (ms, text)


def each(script: str, output: Any) -> list[dict[str, Any]]:
    payload = {"type": "custom_tool_call", "name": "exec", "input": script, "call_id": "c"}
    what = called(payload, "c", SETTING)
    assert what.item is not None
    return answered_each(what.item, what.note, output)


TWO = "tools.shell_command({command:'a',workdir:'d'}); await tools.exec_command({cmd:'b'})"
CODE_0, CODE_1 = "Exit code: 0\nOutput:\nx", '{"output":"y","exit_code":1,"wall_time_seconds":2}'
APART = [
    # what the script printed: status, exit code, output, duration of each command
    (said(CODE_0, CODE_1), [("completed", 0, "x", None), ("failed", 1, "y", 2000)]),
    (said(CODE_0, CODE_1, how="failed"), [("completed", 0, "x", None), ("failed", 1, "y", 2000)]),
    (said("x", ""), [("completed", None, "x", None), ("completed", None, None, None)]),
    (said(CODE_0, "exec command rejected by user"), [
        ("completed", 0, "x", None),
        ("declined", None, "exec command rejected by user", None)]),
    # what cannot be told apart
    (said(CODE_0), []),
    (said(CODE_0, CODE_1, "more"), []),
    (said("first:", CODE_0), []),
    (said("x", "boom", how="failed"), []),
    (said(CODE_0, "boom", how="failed"), []),
    (said(CODE_0, "unsupported call: b"), []),
    (f"{CODE_0}\n{CODE_1}", []),
    (None, []),
]  # fmt: skip


@pytest.mark.parametrize(("output", "expected"), APART)
def test_commands_of_a_script_told_apart(output: Any, expected: list[Any]) -> None:
    """As many texts as calls, all of them outputs or none: each command has its own."""
    made = each(TWO, output)

    keys = ("status", "exitCode", "aggregatedOutput", "durationMs")
    assert [tuple(one[key] for key in keys) for one in made] == expected
    if made:
        shown = [(one["id"], one["type"], one["command"], one["cwd"]) for one in made]
        assert shown == [
            ("c", "commandExecution", "a", "/w/d"), ("c/2", "commandExecution", "b", "/w"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [f"{TWO}; tools.exec_command(x)", f"{TWO}; tools.other({{}})",
     f"{TWO}; tools.shell_command({{}})", TWO * 17, "tools.exec_command({cmd:'a'})", "text(1)"],
)  # fmt: skip
def test_other_scripts_are_not_told_apart(script: str) -> None:
    """One call is not literal, is of another tool or none, or there are too many."""
    texts = [CODE_0] * len(tool_calls(script))

    assert each(script, said(*texts)) == []


@pytest.mark.parametrize(
    "script",
    ["tools.shell_command(args)", "tools.exec_command({cmd:'a'});tools.exec_command({cmd:'b'})",
     "tools.shell_command({})", "text(1)", "tools.other({})"],
)  # fmt: skip
def test_any_other_script_is_shown_whole(script: str) -> None:
    item = ran(script, said("one", "two"))

    assert item is not None
    assert (item["type"], item["tool"], item["arguments"]) == (
        "dynamicToolCall", "exec", {"input": script},
    )  # fmt: skip
    assert [part["text"] for part in item["contentItems"]][1:] == ["one", "two"]


def test_a_patch_is_told_by_its_event() -> None:
    payload = {"type": "custom_tool_call", "name": "exec", "input": "tools.apply_patch('x')"}

    assert called(payload, "c", SETTING).kind == "nothing"


def test_how_a_script_ended() -> None:
    assert ended(said("a", "b")) == ("completed", ["a", "b"], 400)
    assert ended("plain") == ("", ["plain"], None)
    assert ended(None) == ("", [], None)
