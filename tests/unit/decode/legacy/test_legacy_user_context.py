"""What a user message of the model's input really is."""

from __future__ import annotations

import pytest

from projector.decode.legacy.user_context import (
    ShellCommand,
    folder_of,
    hook_fragment,
    hook_fragments,
    is_context,
    shell_command,
)

HOOK = '<hook_prompt hook_run_id="stop:0">do it &amp; &#x41;&#66;</hook_prompt>'
CONTEXT = [
    (
        "instructions of a folder",
        "# AGENTS.md instructions for /w\n<INSTRUCTIONS>x</INSTRUCTIONS>",
        True,
    ),
    ("instructions that do not end", "# AGENTS.md instructions for /w", False),
    ("the environment", " <environment_context>\n x\n</environment_context>\n", True),
    (
        "a tag with attributes",
        '<codex_internal_context source="goal">x</codex_internal_context>',
        True,
    ),
    ("a tag of a client's own", "<external_thing>x</external_thing>", True),
    ("a command of the user", "<user_shell_command>x</user_shell_command>", True),
    ("a hook's prompt", HOOK, True),
    ("a hook's prompt without a run", "<hook_prompt>x</hook_prompt>", False),
    ("a warning of Codex", "Warning: apply_patch was requested via shell", True),
    ("another warning", "Warning: mind the gap", False),
    ("another tag", "<b>x</b>", False),
    ("a tag with more behind", "<skill>x</skill> and so on", False),
    ("words", "hello", False),
]


@pytest.mark.parametrize(
    ("text", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CONTEXT]
)
def test_is_context(text: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """What Codex put there is told from what a person said."""
    assert is_context(text) is expected


def test_hook_prompts() -> None:
    """Text and run of a hook's prompt, without XML's escapes; a blank run is none."""
    assert hook_fragment(f" {HOOK}\n") == {"text": "do it & AB", "hookRunId": "stop:0"}
    assert hook_fragment('<hook_prompt hook_run_id=" ">x</hook_prompt>') is None
    assert hook_fragment('<hook_prompt hook_run_id="h">a & b</hook_prompt>') is None


def test_a_message_is_a_hook_prompt_if_every_part_is() -> None:
    """One part that is none makes the message none."""
    part = {"type": "input_text", "text": HOOK}

    assert len(hook_fragments([part, part]) or []) == 2
    assert hook_fragments([part, {"type": "input_text", "text": "x"}]) is None
    assert hook_fragments([]) is None


def test_the_folder_of_an_environment() -> None:
    """The cwd that an environment context names."""
    assert folder_of("<environment_context>\n  <cwd>/a&amp;b</cwd>\n</environment_context>") == (
        "/a&b"
    )
    assert folder_of("<environment_context></environment_context>") is None
    assert folder_of("<cwd>/w</cwd>") is None


def test_a_command_of_the_user() -> None:
    """Command, exit code, time and output; the last newline belongs to the form."""
    text = (
        "<user_shell_command>\n<command>\necho a\nexit 4\n</command>\n<result>\nExit code: 4\n"
        "Duration: 0.1517 seconds\nOutput:\na\n\n</result>\n</user_shell_command>"
    )

    assert shell_command(text) == ShellCommand("echo a\nexit 4", 4, 152, "a\n")
    assert shell_command("<user_shell_command>\nls\n</user_shell_command>") is None
