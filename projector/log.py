"""Every event that we log, by name, and how it is rendered.

An event is `noun.verb_in_past`; its level follows from its name. Its fields carry their units in
their names (`from_byte`, `ms`). Never is a word of a thread logged: ids, paths, places, numbers
and the reasons of errors only. `debug` is for a line a batch, `info` for what an operator did or
would ask about, `warning` for what heals by itself, `error` for what a person must mend.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TextIO

import orjson
import structlog

from projector.settings import Format, Level

Name = Literal[
    "daemon.started", "daemon.caught_up", "daemon.stopped", "backfill.finished",
    "store.lost", "store.recovered", "store.checkpoint_moved",
    "home.missed", "home.found", "watch.started", "watch.fell_back", "scan.finished",
    "rollout.replaced", "rollout.vanished", "rollout.set_aside", "rollout.back", "rollout.rebuilt",
    "batch.committed", "settings.reloaded", "settings.refused", "settings.left",
]  # fmt: skip


class Known(NamedTuple):
    """An event that may be logged."""

    level: Level
    meaning: str


#: All events, with their level and what they tell.
EVENTS: Final[Mapping[Name, Known]] = MappingProxyType({
    "daemon.started":         Known("info",    "it has the database and begins to catch up"),
    "daemon.caught_up":       Known("info",    "all that was there at the start is projected"),
    "daemon.stopped":         Known("info",    "what was read is committed, the daemon leaves"),
    "backfill.finished":      Known("debug",   "a one-shot run is at its end"),
    "store.lost":             Known("warning", "the database cannot be written; tried again"),
    "store.recovered":        Known("info",    "the database can be written again"),
    "store.checkpoint_moved": Known("warning", "another writer moved it; read anew from there"),
    "home.missed":            Known("warning", "a CODEX_HOME is not there or cannot be listed"),
    "home.found":             Known("info",    "a CODEX_HOME that was missed can be listed"),
    "watch.started":          Known("info",    "news is waited for: by file events or by scans"),
    "watch.fell_back":        Known("warning", "no file events can be had; scans find what is new"),
    "scan.finished":          Known("debug",   "all sizes have been compared"),
    "rollout.replaced":       Known("warning", "not what it was; projected anew"),
    "rollout.vanished":       Known("info",    "its file is gone"),
    "rollout.set_aside":      Known("error",   "cannot be read; the others go on"),
    "rollout.back":           Known("info",    "set aside before, can be read again"),
    "rollout.rebuilt":        Known("debug",   "projected anew, as it was asked for"),
    "batch.committed":        Known("debug",   "rows and checkpoint are in the database"),
    "settings.reloaded":      Known("info",    "SIGHUP: what is different holds from now on"),
    "settings.refused":       Known("error",   "SIGHUP: they are wrong; the old ones hold"),
    "settings.left":          Known("warning", "SIGHUP: these hold after the next start only"),
})  # fmt: skip

#: Levels by weight, and by the priorities of syslog (RFC 5424).
_WEIGHT: Final[Mapping[Level, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITY: Final[Mapping[str, int]] = {"debug": 7, "info": 6, "warning": 4, "error": 3}

Fields = MutableMapping[str, Any]


class _Stderr:
    """Standard error as it is when a line is written: a progress bar may stand before it."""

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = msg


def configure(level: Level = "info", form: Format = "auto") -> None:
    """Set up logging for the process; called once, by the command line."""
    structlog.configure(
        processors=[*_renderers(form)],
        wrapper_class=structlog.make_filtering_bound_logger(_WEIGHT[level]),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=False,
    )


def event(name: Name, /, *, exc: BaseException | None = None, **fields: str | float | None) -> None:
    """Log an event of `EVENTS` at its level. `exc`: its trace becomes the field `exception`."""
    if exc is not None:
        fields["exc_info"] = exc  # type: ignore[assignment]  # structlog takes it out again
    _LOGGER.log(_WEIGHT[EVENTS[name].level], name, **fields)


_LOGGER: Final[Any] = structlog.get_logger()


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
