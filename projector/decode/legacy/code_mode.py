"""Read the scripts of code mode, a custom tool `exec` whose input is JavaScript. Pure.

A script calls tools as `tools.NAME(ARGUMENT)`. Where the argument is a literal, it is what the tool
was called with, and is read here; anything else (a variable, a template with `${`, arithmetic) can
only be known by running the script, and is not guessed.

The output is a list of texts: the first says how the script ended and how long it took, the others
are what it printed, as a rule the result of the tool.

Source: public rollouts of Codex 0.137 to 0.146; Codex shows no item for these calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from projector.decode.errors import DecodeError
from projector.decode.legacy.fields import Json

#: Name of the custom tool.
TOOL: Final = "exec"
#: Maximum nesting of a literal.
_DEPTH: Final = 32

_SKIPPED = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL).match
_STRING = re.compile(
    r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`", re.DOTALL
).match
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w$.])").match
_WORD = re.compile(r"[A-Za-z_$][\w$]*").match
#: What may stand between calls: comments, strings, names, any other character.
_TOKEN: Final = re.compile(
    r"//[^\n]*|/\*.*?\*/|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`"
    r"|(?<![\w$.])tools\s*\.\s*(?P<name>[A-Za-z_$][\w$]*)\s*\(",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(
    r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(.))", re.DOTALL
)
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "",
}  # fmt: skip
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "undefined": None}
_UNICODE: Final = 0x10FFFF

_ENDED = re.compile(
    r"Script (?P<how>\w+)[^\n]*\nWall time:? (?P<s>\d+(?:\.\d+)?) seconds\nOutput:(?:\n|\Z)"
).match


class ToolCall(NamedTuple):
    """A call of a tool in a script."""

    name: str
    argument: Any
    """The literal; None: it is none."""


class Ended(NamedTuple):
    """How a script ended."""

    how: str
    """`completed`, `failed`, another word, or "" where the output does not say."""
    texts: list[str]
    """What it printed."""
    wall_ms: int | None


class _NoLiteral(DecodeError):
    """The text is no literal."""


def tool_calls(script: str) -> list[ToolCall]:
    """Return the calls of tools in a script, in order; comments and strings hold none."""
    return list(_calls(script))


def _calls(script: str) -> Iterator[ToolCall]:
    at = 0
    while (found := _TOKEN.search(script, at)) is not None:
        at = found.end()
        name = found["name"]
        if name is None:
            continue
        try:
            argument, end = _value(script, at, 0)
        except _NoLiteral:
            yield ToolCall(name, None)
            continue
        if script.startswith(")", _skipped(script, end)):
            at = end
            yield ToolCall(name, argument)
        else:  # more arguments, or an expression
            yield ToolCall(name, None)


def _skipped(text: str, at: int) -> int:
    found = _SKIPPED(text, at)
    return at if found is None else found.end()


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    """Parse a literal; return it and where it ends."""
    if depth > _DEPTH:
        raise _NoLiteral
    at = _skipped(text, at)
    first = text[at : at + 1]
    if first == "{":
        return _object(text, at + 1, depth)
    if first == "[":
        return _array(text, at + 1, depth)
    if (string := _STRING(text, at)) is not None:
        return _text(string[0]), string.end()
    if (number := _NUMBER(text, at)) is not None:
        whole = number[0].lstrip("+-").isdigit()
        return (int(number[0]) if whole else float(number[0])), number.end()
    word = _WORD(text, at)
    if word is None or word[0] not in _WORDS:
        raise _NoLiteral
    return _WORDS[word[0]], word.end()


def _object(text: str, at: int, depth: int) -> tuple[Json, int]:
    found: Json = {}
    while True:
        at = _skipped(text, at)
        if text.startswith("}", at):
            return found, at + 1
        if (key := _STRING(text, at)) is not None:
            name = _text(key[0])
        elif (key := _WORD(text, at)) is not None:
            name = key[0]
        else:
            raise _NoLiteral
        at = _skipped(text, key.end())
        if not text.startswith(":", at):
            raise _NoLiteral  # a shorthand, a method
        found[name], at = _value(text, at + 1, depth + 1)
        at = _separated(text, at, "}")


def _array(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while True:
        at = _skipped(text, at)
        if text.startswith("]", at):
            return found, at + 1
        value, at = _value(text, at, depth + 1)
        found.append(value)
        at = _separated(text, at, "]")


def _separated(text: str, at: int, end: str) -> int:
    at = _skipped(text, at)
    if text.startswith(",", at):
        return at + 1
    if not text.startswith(end, at):
        raise _NoLiteral
    return at


def _text(quoted: str) -> str:
    inner = quoted[1:-1]
    if quoted[0] == "`" and "${" in inner:
        raise _NoLiteral
    if "\\" not in inner:
        return inner
    # Pairs of surrogates are one character; one alone is none in JSON.
    units = _ESCAPE.sub(_escaped, inner).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace")


def _escaped(found: re.Match[str]) -> str:
    braced, four, two, other = found.groups()
    if other is not None:
        return _ESCAPES.get(other, other)
    code = int(braced or four or two, 16)
    if code > _UNICODE:
        raise _NoLiteral
    return chr(code)


def ended(output: Any) -> Ended:
    """Read the output of a script."""
    parts = output if type(output) is list else [{"text": output}]
    texts = [part["text"] for part in parts if type(part) is dict and type(part.get("text")) is str]
    found = _ENDED(texts[0]) if texts else None
    if found is None:
        return Ended("", texts, None)
    rest = texts[0][found.end() :]
    printed = [rest, *texts[1:]] if rest else texts[1:]
    return Ended(found["how"], printed, round(float(found["s"]) * 1000))
