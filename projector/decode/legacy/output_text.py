"""Parse the output of a call, as sent to the model, in every format of ten months. Pure.

`read_output` tries the formats in turn: JSON of three kinds, header lines before `Output:`, phrases
at the start of plain text. Anything else is the complete text of a finished command.

A command is declined if a person, a rule (`COMMAND` rejected: REASON), the approval policy, the
reviewer of approvals or a hook prevented it from running. Codex informs the model with a text of
its own, without header lines; the output of a command has them, whatever it quotes.

Source: docs on legacy rollouts, e1 and e2; for declined commands, outputs of Codex 0.171 with rules
and each approval policy, its strings, and public rollouts of 0.40 and 0.146.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.decode import lossless_json as exact
from projector.decode.legacy.fields import Json

_MS: Final = 1000
_I32: Final = 2**31
#: Maximum nesting of outputs within outputs.
_NESTED_MAX: Final = 3
_SECONDS_MAX: Final = 1e12

_EXITED: Final = "Process exited with code "
_RUNNING: Final = "Process running with session ID "
#: The line between the headers and what the command has written.
_BEFORE_OUTPUT: Final = "\nOutput:\n"
_HEADERS: Final = (
    "Command: ",
    "Chunk ID: ",
    "Wall time: ",
    _EXITED,
    _RUNNING,
    "Original token count: ",
    "Exit code: ",
    "Total output lines: ",
    "Warning: truncated output (original token count: ",
)
#: Headers of the form `NAME: VALUE`, and what their values are.
_NAMED: Final = {
    "Wall time": "ms",
    "Exit code": "code",
    "Command": "command",
    "Chunk ID": "",
    "Original token count": "",
    "Total output lines": "",
}
_SESSION_KEYS: Final = frozenset({"chunk_id", "wall_time_seconds", "session_id"})
_NEVER_RAN: Final = (
    "unsupported call:",
    "unsupported custom tool call:",
    "failed to parse function arguments",
    "failed to parse exec_command arguments",
)
_DECLINED: Final = ("exec command rejected", "patch rejected", "rejected by user")
#: Complete texts with which Codex reports a command that was prevented from running.
_KEPT_FROM_RUNNING = re.compile(
    r"`.+` rejected: .+"
    r"|approval policy is .+; reject command .+"
    r"|approval required by policy(?: rule)?, but AskForApproval.+"
    r'|exec_command failed(?: for `.+`)?: CreateProcess { message: "Rejected\(.+\)" }'
    r"|This action was rejected due to unacceptable risk\..*"
    r"|Command blocked by PreToolUse hook: .+",
    re.DOTALL,
).fullmatch
_FAILED: Final = (
    "failed in sandbox",
    "execution error:",
    "exec_command failed",
    "error:",
    "command timed out",
    "unknown session id",
)
_ABORTED_AFTER = re.compile(r"aborted by user after ([0-9]+(?:\.[0-9]+)?)\s*s").match
_ABORTED_IN = re.compile(r"Wall time: ([0-9]+(?:\.[0-9]+)?) seconds\naborted by user").match
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)(?: seconds)?").fullmatch
_CODE = re.compile(r"-?[0-9]{1,10}").fullmatch

Outcome = Literal["completed", "failed", "declined", "running", "aborted", "never"]


class Output(NamedTuple):
    """The parsed output of a call."""

    outcome: Outcome
    """never: the call did not run at all; running: its process continues in `session`."""
    text: str | None
    exit_code: int | None = None
    duration_ms: int | None = None
    session: str | None = None
    command: str | None = None
    """The command line that ran, if the output contains it."""
    plain: bool = False
    """True if it is plain text only."""


# Output(...), in a third of the time: called for nearly every command.
_output = partial(tuple.__new__, Output)


def joined(output: Any) -> str:
    """Return the text of an output: a string, or parts whose texts are joined by newlines.

    Anything else is returned whole, as JSON.
    """
    if type(output) is str:
        return output
    if type(output) is list:
        texts = [part.get("text") for part in output if type(part) is dict]
        return "\n".join(text for text in texts if type(text) is str)
    if type(output) is dict and type(output.get("content")) is str:
        return str(output["content"])  # the first releases' `{content, success}`
    return "" if output is None else exact.dumps(output)


def never_ran(text: str) -> bool:
    """True if an output reports that its call never ran."""
    return text.startswith(_NEVER_RAN)


def parsed(text: str) -> Any:
    """Return the JSON in a text; None if it is invalid or null."""
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def read_output(text: str, depth: int = 0) -> Output:
    """Parse a command's output."""
    if text.startswith("{"):
        value = parsed(text)
        found = _of_json(value) if type(value) is dict else None
        if found is not None:
            return found
    elif text.startswith(_HEADERS):
        found = _of_headers(text, depth)
        if found is not None:
            return found
    # Text after header lines may be the command's own output.
    if depth == 0 and _KEPT_FROM_RUNNING(text.strip()):
        return Output("declined", text, plain=True)
    return _of_plain(text)


def _of_json(value: Json) -> Output | None:
    text, metadata = value.get("output"), value.get("metadata")
    if type(text) is not str:
        return None
    if type(metadata) is dict:
        code = _code(metadata.get("exit_code"))
        return None if code is None else _ended(code, text, _ms(metadata.get("duration_seconds")))
    if not value.keys() & _SESSION_KEYS:
        return None
    ms = _ms(value.get("wall_time_seconds"))
    code = _code(value.get("exit_code"))
    if code is not None:
        return _ended(code, text, ms)
    session = _session(value.get("session_id"))
    return Output("completed" if session is None else "running", text, None, ms, session)


def _of_headers(text: str, depth: int) -> Output | None:
    head, behind, rest = text.partition(_BEFORE_OUTPUT)
    if not behind:
        head = text.removesuffix(_BEFORE_OUTPUT[:-1])
        if head == text:
            return _aborted(text)
    headers: dict[str, str] = {}
    for line in head.split("\n"):
        name, colon, value = line.partition(": ")
        if colon and name in _NAMED:
            headers[_NAMED[name]] = value
        elif line.startswith(_EXITED):
            headers["code"] = line[len(_EXITED) :]
        elif not _add_header(headers, line):
            return _aborted(text)
    code, ms, command = _code_of(headers.get("code", "")), _wall_ms(headers), headers.get("command")
    session = headers.get("session", "").strip() or None
    if code is not None:
        return _ended(code, rest, ms, command)
    if session is not None:
        return Output("running", rest, None, ms, session, command)
    if depth >= _NESTED_MAX:
        return Output("completed", rest, None, ms, None, command)
    inner = read_output(rest, depth + 1)
    return inner._replace(
        duration_ms=inner.duration_ms if inner.duration_ms is not None else ms,
        command=inner.command or command,
    )


def _add_header(headers: dict[str, str], line: str) -> bool:
    """Add a header of another form, or a further line of a command; False: it is neither."""
    if line.startswith(_RUNNING):
        headers["session"] = line[len(_RUNNING) :]
    elif not line.startswith(_HEADERS):
        if "command" not in headers or _wall_ms(headers) is not None:
            return False
        headers["command"] += "\n" + line  # a command of several lines is included unchanged
    return True


def _wall_ms(headers: dict[str, str]) -> int | None:
    told = headers.get("ms")
    return None if told is None else _ms_of(told)


def _aborted(text: str) -> Output | None:
    found = _ABORTED_IN(text)
    return None if found is None else Output("aborted", None, None, _ms_of(found[1]))


def _of_plain(text: str) -> Output:
    if text.startswith(_NEVER_RAN):
        return Output("never", text, plain=True)
    if text.startswith(_DECLINED):
        return Output("declined", text, plain=True)
    if text.startswith("aborted"):
        found = _ABORTED_AFTER(text)
        return Output("aborted", None, None, None if found is None else _ms_of(found[1]))
    if text.startswith(_FAILED):
        return Output("failed", text, plain=True)
    return Output("completed", text, plain=True)


def _ended(code: int, text: str, ms: int | None, command: str | None = None) -> Output:
    return _output(("failed" if code else "completed", text, code, ms, None, command, False))


def _code(value: Any) -> int | None:
    return value if type(value) is int and -_I32 <= value < _I32 else None


def _code_of(text: str) -> int | None:
    return _code(int(text)) if _CODE(text) else None


def _ms(value: Any) -> int | None:
    if type(value) is not int and type(value) is not float:
        return None
    return round(value * _MS) if 0 <= value < _SECONDS_MAX else None


def _ms_of(text: str) -> int | None:
    found = _SECONDS(text.strip())
    seconds = _SECONDS_MAX if found is None else float(found[1])
    return round(seconds * _MS) if seconds < _SECONDS_MAX else None


def _session(value: Any) -> str | None:
    if type(value) is str:
        return value
    return str(value) if type(value) is int else None


_WALL = re.compile(r"Wall time: ([0-9]+(?:\.[0-9]+)?) seconds\nOutput:(?:\n|\Z)").match


def without_wall_time(text: str) -> tuple[str, int | None]:
    """Remove the wall time that newer releases put before a tool's own output."""
    found = _WALL(text)
    if found is None:
        return text, None
    return text[found.end() :], _ms_of(found[1])
