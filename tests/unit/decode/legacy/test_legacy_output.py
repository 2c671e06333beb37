"""The output of a call, in every format that a release has written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from projector.decode.legacy.output_text import (
    Output,
    joined,
    never_ran,
    read_output,
    without_wall_time,
)

OUTPUTS = [
    (
        "shell: JSON with exit code and seconds",
        '{"output":"a\\n","metadata":{"exit_code":0,"duration_seconds":0.1}}',
        Output("completed", "a\n", 0, 100),
    ),
    (
        "shell: any other exit code is a failure",
        '{"output":"e","metadata":{"exit_code":124,"duration_seconds":1}}',
        Output("failed", "e", 124, 1000),
    ),
    (
        "exec_command of 0.49: with an exit code",
        '{"chunk_id":"x","wall_time_seconds":0.2514,"output":"h","exit_code":3}',
        Output("failed", "h", 3, 251),
    ),
    (
        "exec_command of 0.49: still running",
        '{"chunk_id":"x","wall_time_seconds":1,"output":"h","session_id":7}',
        Output("running", "h", None, 1000, "7"),
    ),
    (
        "exec_command of 0.49: neither",
        '{"wall_time_seconds":1,"output":"h"}',
        Output("completed", "h", None, 1000),
    ),
    (
        "unified_exec: over, without exit code",
        '{"session_id":null,"output":"u"}',
        Output("completed", "u"),
    ),
    (
        "unified_exec: still running",
        '{"session_id":"1","output":""}',
        Output("running", "", None, None, "1"),
    ),
    (
        "header lines of 0.28",
        "Wall time: 0.500 seconds\nProcess exited with code 0\nOutput:\na\n",
        Output("completed", "a\n", 0, 500),
    ),
    (
        "header lines since 0.57",
        "Chunk ID: ab\nWall time: 0.2518 seconds\nProcess exited with code 3\nOutput:\nx",
        Output("failed", "x", 3, 252),
    ),
    (
        "the line names the command",
        "Command: /bin/bash -lc 'a'\nWall time: 0.0 seconds\nProcess exited with code 0\nOutput:\n",
        Output("completed", "", 0, 0, None, "/bin/bash -lc 'a'"),
    ),
    (
        "a command of two lines",
        "Command: a\nb\nWall time: 0.0 seconds\nProcess exited with code 0\nOutput:\n",
        Output("completed", "", 0, 0, None, "a\nb"),
    ),
    (
        "a process that goes on",
        "Chunk ID: ab\nWall time: 0.3 seconds\nProcess running with session ID 10567\nOutput:\ns\n",
        Output("running", "s\n", None, 300, "10567"),
    ),
    (
        "shell_command: exit code first",
        "Exit code: 2\nWall time: 0.1 seconds\nOutput:\nsc\n",
        Output("failed", "sc\n", 2, 100),
    ),
    (
        "lines that were counted",
        "Exit code: 0\nWall time: 1 seconds\nTotal output lines: 9\nOutput:\n1\n",
        Output("completed", "1\n", 0, 1000),
    ),
    (
        "a text that looks like a header stays",
        "Wall time: 0 seconds\nProcess exited with code 0\nOutput:\nOutput:\n",
        Output("completed", "Output:\n", 0, 0),
    ),
    (
        "a patch inside of exec_command",
        'Wall time: 0.5 seconds\nOutput:\n{"output":"S","metadata":{"exit_code":0}}',
        Output("completed", "S", 0, 500),
    ),
    (
        "header lines in header lines",
        "Wall time: 0.5 seconds\nOutput:\nExit code: 1\nWall time: 2 seconds\nOutput:\nS",
        Output("failed", "S", 1, 2000),
    ),
    (
        "neither exit code nor session",
        "Wall time: 0.5 seconds\nOutput:\nrest",
        Output("completed", "rest", None, 500, plain=True),
    ),
    (
        "aborted, with its time",
        "Wall time: 2.0 seconds\naborted by user",
        Output("aborted", None, None, 2000),
    ),
    ("aborted in words", "aborted by user after 3.2s", Output("aborted", None, None, 3200)),
    ("aborted in a word", "aborted", Output("aborted", None)),
    (
        "never ran",
        "unsupported call: shell",
        Output("never", "unsupported call: shell", plain=True),
    ),
    (
        "arguments that no tool took",
        "failed to parse function arguments: x",
        Output("never", "failed to parse function arguments: x", plain=True),
    ),
    (
        "rejected",
        "exec command rejected by user",
        Output("declined", "exec command rejected by user", plain=True),
    ),
    (
        "failed in words",
        "failed in sandbox None: x",
        Output("failed", "failed in sandbox None: x", plain=True),
    ),
    (
        "nothing that is known is kept whole",
        "Plan updated",
        Output("completed", "Plan updated", plain=True),
    ),
    ("JSON of no format is kept whole", '{"k":1}', Output("completed", '{"k":1}', plain=True)),
    (
        "an exit code that is none",
        '{"output":"a","metadata":{"exit_code":"0"}}',
        Output("completed", '{"output":"a","metadata":{"exit_code":"0"}}', plain=True),
    ),
    (
        "header lines without a text",
        "Wall time: 1 seconds\nnothing known",
        Output("completed", "Wall time: 1 seconds\nnothing known", plain=True),
    ),
    ("empty", "", Output("completed", "", plain=True)),
]


@pytest.mark.parametrize(
    ("text", "expected"), [pytest.param(*case[1:], id=case[0]) for case in OUTPUTS]
)
def test_read_output(text: str, expected: Output) -> None:
    """Each format gives its text, exit code, time and session; the rest is text."""
    assert expected == read_output(text)


def test_outputs_within_outputs_end() -> None:
    """A text that says `Output:` again and again is not followed for ever."""
    text = "Wall time: 1 seconds\nOutput:\n" * 50 + "end"

    assert read_output(text).text is not None
    assert (read_output(text).text or "").endswith("end")


JOINED: list[tuple[str, Any, str]] = [
    ("a string", "a", "a"),
    (
        "parts, joined by newlines",
        [
            {"type": "input_text", "text": "a"},
            {"type": "input_image", "image_url": "x"},
            {"type": "input_text", "text": "b"},
        ],
        "a\nb",
    ),
    ("an object of the first releases", {"content": "c", "success": True}, "c"),
    ("another value is kept as JSON", {"k": [1]}, '{"k":[1]}'),
    ("nothing", None, ""),
]


@pytest.mark.parametrize(
    ("output", "expected"), [pytest.param(*case[1:], id=case[0]) for case in JOINED]
)
def test_joined(output: Any, expected: str) -> None:
    """An output of any type has a text."""
    assert expected == joined(output)


def test_the_time_before_a_tools_output() -> None:
    """Newer releases put it there; the rest is the output."""
    assert without_wall_time("Wall time: 0.0018 seconds\nOutput:\n[1]") == ("[1]", 2)
    assert without_wall_time("[1]") == ("[1]", None)


def test_what_never_ran() -> None:
    """The two kinds of calls that no tool took."""
    assert never_ran("unsupported custom tool call: x")
    assert not never_ran("error: unsupported")


CMD = "`/bin/bash -lc 'rm -rf /a; echo `x`\n'`"
POLICY = "approval policy is {0}; reject command {1} you should not ask for escalated permissions"
KEPT = [
    f"{CMD} rejected: blocked by policy",
    f"{CMD} rejected: policy forbids commands starting with `rm`",
    f"{CMD} rejected: rm -f style commands are not permitted. Use a safer approach",
    f"{CMD} rejected: blocked by policy\n",
    POLICY.format("Never", "\N{EM DASH}"),
    POLICY.format("OnFailure", "-"),
    POLICY.format("Granular(GranularApprovalConfig { rules: false })", "\N{EM DASH}"),
    "approval required by policy, but AskForApproval is set to Never",
    "approval required by policy rule, but AskForApproval::Granular.rules is false",
    'exec_command failed: CreateProcess { message: "Rejected(\\"rejected by user\\")" }',
    f'exec_command failed for {CMD}: CreateProcess {{ message: "Rejected(\\"no\\")" }}',
    "This action was rejected due to unacceptable risk.\nReason: it deletes files.",
    "Command blocked by PreToolUse hook: no. Command: rm -rf /a",
]
HEADERS = [
    "Exit code: 0\nWall time: 0.1 seconds\nOutput:\n",
    "Chunk ID: ab\nWall time: 0.1 seconds\nProcess exited with code 0\nOutput:\n",
]


@pytest.mark.parametrize("text", KEPT)
def test_a_command_that_was_kept_from_running_is_declined(text: str) -> None:
    """Codex says so in a text of its own."""
    assert read_output(text) == Output("declined", text, plain=True)


@pytest.mark.parametrize("text", KEPT)
def test_a_command_that_prints_such_a_text_ran(text: str) -> None:
    """As one that shows a log: header lines stand before it, or other words."""
    for headers in HEADERS:
        assert read_output(headers + text).outcome == "completed"
    wrapped = orjson.dumps({"output": text, "metadata": {"exit_code": 0}}).decode()
    assert read_output(wrapped) == Output("completed", text, 0)
    assert read_output(f"Wall time: 0.1 seconds\nOutput:\n{text}").outcome != "declined"
    assert read_output(f"The log says:\n{text}").outcome == "completed"


def test_other_failures_of_exec_command_are_failures() -> None:
    """It could not be started, but nobody forbade it."""
    text = 'exec_command failed: CreateProcess { message: "No such file or directory" }'

    assert read_output(text).outcome == "failed"
