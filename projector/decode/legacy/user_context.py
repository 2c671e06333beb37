"""Classify a user message of the model's input: a person's words or context. Pure.

Source: docs on legacy rollouts, b2 (hook prompts), b6 (context text), b9 and e8.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from projector.decode import item_types
from projector.decode.legacy.fields import Json

_HOOK = re.compile(
    r"<hook_prompt\s+hook_run_id\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')\s*>([^<]*)</hook_prompt\s*>"
).fullmatch
_TAG = re.compile(r"<([a-z_][a-z0-9_\-]*)[\s>]", re.IGNORECASE).match
_CONTEXT_TAGS: Final = frozenset(
    {
        "environment_context",
        "skill",
        "user_shell_command",
        "turn_aborted",
        "subagent_notification",
        "recommended_plugins",
        "goal_context",
        "codex_internal_context",
    }
)
_WARNINGS: Final = (
    "Warning: The maximum number of unified exec processes",
    "Warning: apply_patch was requested via ",
    "Warning: Your account was flagged",
)
_ENTITY = re.compile(r"&(#x[0-9A-Fa-f]{1,6}|#[0-9]{1,7}|lt|gt|amp|quot|apos);")
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_CWD = re.compile(r"<cwd>([^<]*)</cwd>")
_SHELL = re.compile(
    r"<user_shell_command>\s*<command>\n(.*)\n</command>\n<result>\n"
    r"Exit code: (-?[0-9]{1,10})\nDuration: ([0-9]+(?:\.[0-9]+)?) seconds\nOutput:\n(.*)</result>"
    r"\s*</user_shell_command>",
    re.DOTALL,
).fullmatch
_CODEPOINT_MAX: Final = 0x10FFFF
_I32: Final = 2**31
_MS: Final = 1000


class ShellCommand(NamedTuple):
    """A command run by the person, as reported to the model."""

    command: str
    exit_code: int
    duration_ms: int
    output: str


def texts_of(content: Any) -> list[str]:
    """Return the text parts of a message's content."""
    if type(content) is str:
        return [content]
    if type(content) is not list:
        return []
    return [
        part["text"]
        for part in content
        if type(part) is dict
        and part.get("type") in ("input_text", "text", "output_text")
        and type(part.get("text")) is str
    ]


def is_context(text: str) -> bool:
    """True if a text was added by Codex, not written by a person."""
    text = text.strip()
    if text.startswith(_WARNINGS):
        return True
    if text[:22].lower() == "# agents.md instructio" and text[:24].lower().startswith(
        "# agents.md instructions"
    ):
        return text[-15:].lower() == "</instructions>"
    if not text.startswith("<"):
        return False
    found = _TAG(text)
    if found is None:
        return False
    name = found[1].lower()
    if name in _CONTEXT_TAGS or name.startswith("external_"):
        closing = f"</{name}>"
        return text[-len(closing) :].lower() == closing
    return name == "hook_prompt" and hook_fragment(text) is not None


def is_instructions(text: str) -> bool:
    """True if a text contains the instructions at the start of bare threads."""
    return text.strip().startswith("<user_instructions>")


def hook_fragment(text: str) -> Json | None:
    """Return the fragment of a hook's prompt; None for other texts."""
    found = _HOOK(text.strip())
    if found is None:
        return None
    run_id = _unescaped(found[1] if found[1] is not None else found[2])
    if run_id is None or not run_id.strip():
        return None
    words = _unescaped(found[3])
    return None if words is None else item_types.hook_fragment(words, run_id)


def hook_fragments(content: Any) -> list[Json] | None:
    """Return the fragments of a message that consists of hook prompts only; None otherwise."""
    if type(content) is not list or not content:
        return None
    fragments: list[Json] = []
    for part in content:
        if type(part) is not dict or type(part.get("text")) is not str:
            return None
        fragment = hook_fragment(part["text"])
        if fragment is None:
            return None
        fragments.append(fragment)
    return fragments


def _unescaped(text: str) -> str | None:
    """Return text with XML's escapes decoded; None if one is invalid."""
    if "&" not in text:
        return text
    if _ENTITY.sub("", text).count("&"):
        return None
    return _ENTITY.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    name = found[1]
    if not name.startswith("#"):
        return _NAMED[name]
    code = int(f"0{name[1:]}" if name[1] == "x" else name[1:], 0 if name[1] == "x" else 10)
    surrogate = 0xD800 <= code < 0xE000  # noqa: PLR2004 - they are no characters
    return "\ufffd" if surrogate or code > _CODEPOINT_MAX else chr(code)


def folder_of(text: str) -> str | None:
    """Return the folder named in an environment context."""
    if not text.lstrip().startswith("<environment_context>"):
        return None
    found = _CWD.search(text)
    return None if found is None else _unescaped(found[1].strip()) or None


def shell_command(text: str) -> ShellCommand | None:
    """Return the person's own command reported in a message; None if there is none."""
    found = _SHELL(text.strip())
    if found is None:
        return None
    exit_code = int(found[2])
    if not -_I32 <= exit_code < _I32:
        return None
    output = found[4].removesuffix("\n")
    return ShellCommand(found[1], exit_code, round(float(found[3]) * _MS), output)
