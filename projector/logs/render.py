r"""Formats of log lines: for people, for machines, for systemd's journal.

Every set of fields gives a valid line without terminal control characters: a path may contain bytes
that are not UTF-8, and names may be hostile. Bytes that cannot be written are escaped with a
backslash, as `\xff`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO

import orjson
import structlog

from projector.model.redaction import redact
from projector.model.settings import Format

#: Levels by the priorities of syslog (RFC 5424).
_PRIORITY: Final[Mapping[str, int]] = {"debug": 7, "info": 6, "warning": 4, "error": 3}

#: Halves of surrogate pairs, which no encoding can write. Python makes them from bytes in paths.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: Terminal control characters, except line ends and tabs.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
#: The same in JSON, which itself escapes the C0 characters.
_CONTROL_IN_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
#: The byte 0x80 in a path, as Python represents it in a string.
_FIRST_BYTE: Final = 0xDC80
_LAST_BYTE: Final = 0xDCFF
_LONGEST_INT: Final = 64

Fields = MutableMapping[str, Any]


class _Stderr:
    """Standard error, looked up for each line: a progress bar may have replaced it."""

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):  # a full disk or a closed pipe does not stop the work
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = msg


def logger(form: Format) -> Any:
    """Return a logger that writes one line per event: `logger.info(name, **fields)`."""
    return structlog.wrap_logger(
        _Stderr(),
        processors=_renderers(form),
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )


def _renderers(form: Format) -> list[structlog.typing.Processor]:
    common: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _redacted,
        _writable,
    ]
    journal = to_journal(sys.stderr, os.environ.get("JOURNAL_STREAM", ""))
    if form == "console" or (form == "auto" and not journal and sys.stderr.isatty()):
        colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        return [
            *common,
            _harmless,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=colors, pad_event_to=20, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    if journal and form == "auto":
        return [*common, _harmless, _as_journal]
    common.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    return [*common, _as_json]


def _redacted(_logger: object, _method: str, fields: Fields) -> Fields:
    """Redact secrets in all fields; the event name is a constant."""
    return {
        name: redact(value) if isinstance(value, str) and name != "event" else value
        for name, value in fields.items()
    }


def to_journal(stream: TextIO, variable: str) -> bool:
    """True if a stream goes to systemd's journal: `$JOURNAL_STREAM` is its device and inode."""
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return variable == f"{facts.st_dev}:{facts.st_ino}"


def _as_json(_logger: object, _method: str, fields: Fields) -> str:
    return _CONTROL_IN_JSON.sub(_json_escaped, orjson.dumps(fields).decode())


def _json_escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _writable(_logger: object, _method: str, fields: Fields) -> Fields:
    """Convert every value to one that can be written in each format."""
    return {_spelled(str(name)): _plain(value) for name, value in fields.items()}


def _harmless(_logger: object, _method: str, fields: Fields) -> Fields:
    """Escape control characters."""
    return {
        name: _CONTROL.sub(_backslashed, value) if isinstance(value, str) else value
        for name, value in fields.items()
    }


def _plain(value: object) -> str | float | None:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        # As hexadecimal text: JSON has no type for it, and Python refuses thousands of digits.
        return value if value.bit_length() < _LONGEST_INT else f"{value:#x}"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 - what is logged must not fail
        text = f"<{type(value).__name__}>"
    return _spelled(text)


def _spelled(text: str) -> str:
    return _SURROGATE.sub(_backslashed, text)


def _backslashed(found: re.Match[str]) -> str:
    code = ord(found[0])
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - a byte


_LOGFMT: Final = structlog.processors.LogfmtRenderer()


def _as_journal(logger: Any, method: str, fields: Fields) -> str:
    """Format priority, event and fields; the journal adds the time itself."""
    name, level = fields.pop("event"), fields.pop("level")
    return f"<{_PRIORITY[level]}>{name} {_LOGFMT(logger, method, fields)}".rstrip()
