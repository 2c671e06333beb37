"""How events are rendered: for people, for machines, for systemd's journal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import orjson
import structlog

from projector.settings import Format

#: Levels by the priorities of syslog (RFC 5424).
_PRIORITY: Final[Mapping[str, int]] = {"debug": 7, "info": 6, "warning": 4, "error": 3}

Fields = MutableMapping[str, Any]


class _Stderr:
    """Standard error as it is when a line is written: a progress bar may stand before it."""

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = msg


def logger(form: Format) -> Any:
    """Give what writes a line for each event that it is told: `logger.info(name, **fields)`."""
    return structlog.wrap_logger(
        _Stderr(),
        processors=_renderers(form),
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )


def _renderers(form: Format) -> list[structlog.typing.Processor]:
    common: list[structlog.typing.Processor] = [structlog.processors.add_log_level]
    journal = to_journal(sys.stderr, os.environ.get("JOURNAL_STREAM", ""))
    if form == "console" or (form == "auto" and not journal and sys.stderr.isatty()):
        colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        return [
            *common,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=colors, pad_event_to=20, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    common.append(structlog.processors.format_exc_info)
    if journal and form == "auto":
        return [*common, _as_journal]
    common.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    return [*common, _as_json]


def to_journal(stream: TextIO, variable: str) -> bool:
    """Whether a stream goes to systemd's journal: `$JOURNAL_STREAM` is its device and inode."""
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return variable == f"{facts.st_dev}:{facts.st_ino}"


def _as_json(_logger: object, _method: str, fields: Fields) -> str:
    return orjson.dumps(fields, default=repr).decode()


_LOGFMT: Final = structlog.processors.LogfmtRenderer()


def _as_journal(logger: Any, method: str, fields: Fields) -> str:
    """Render priority, event and fields; the journal knows the time itself."""
    name, level = fields.pop("event"), fields.pop("level")
    return f"<{_PRIORITY[level]}>{name} {_LOGFMT(logger, method, fields)}".rstrip()
