"""Every log event, by name. Formats: `render.py`.

An event is `noun.verb_in_past`; its level follows from its name. Field names carry their units
(`from_byte`, `ms`). The content of a thread is never logged: only ids, paths, positions, numbers
and the reasons of errors. `debug` is one line per batch, `info` is for what an operator did or
would ask about, `warning` for what recovers by itself, `error` for what a person must fix.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from projector.model.settings import Format, Level

Name = Literal[
    "daemon.started", "daemon.caught_up", "daemon.stopped", "backfill.finished",
    "store.lost", "store.unavailable", "store.recovered", "store.reopened",
    "store.checkpoint_moved",
    "home.missed", "home.found", "names.skipped",
    "watch.started", "watch.fell_back", "scan.finished",
    "rollout.replaced", "rollout.vanished", "rollout.set_aside", "rollout.failed",
    "rollout.back", "rollout.rebuilt", "rollout.renewed",
    "rules.outdated", "rules.renewed", "rules.newer",
    "batch.committed", "settings.reloaded", "settings.refused", "settings.left",
    "endpoint.opened", "endpoint.failed", "endpoint.refused", "textfile.failed",
    "feed.pruned",
]  # fmt: skip


class Known(NamedTuple):
    """Level and meaning of an event."""

    level: Level
    meaning: str


#: All events, with their level and meaning.
EVENTS: Final[Mapping[Name, Known]] = MappingProxyType({
    "daemon.started":         Known("info",    "the database is open; catching up begins"),
    "daemon.caught_up":       Known("info",    "everything present at the start is projected"),
    "daemon.stopped":         Known("info",    "everything read is committed; the daemon exits"),
    "backfill.finished":      Known("debug",   "a one-shot run has finished"),
    "store.lost":             Known("warning", "the database cannot be written; retrying"),
    "store.unavailable":      Known("error",   "not writable for a minute; `health` reports it"),
    "store.recovered":        Known("info",    "the database can be written again"),
    "store.reopened":         Known("warning", "it is another database; filled from the start"),
    "store.checkpoint_moved": Known("warning", "another writer advanced it; resuming from there"),
    "home.missed":            Known("warning", "a CODEX_HOME is missing or cannot be listed"),
    "home.found":             Known("info",    "a CODEX_HOME reported missing is readable again"),
    "names.skipped":          Known("warning", "session_index.jsonl unreadable or read in part"),
    "watch.started":          Known("info",    "watching for changes by file events or scans"),
    "watch.fell_back":        Known("warning", "no file events; changes are found by scans"),
    "scan.finished":          Known("debug",   "a full scan of all files is complete"),
    "rollout.replaced":       Known("warning", "content replaced; projected again from its start"),
    "rollout.vanished":       Known("info",    "its file no longer exists"),
    "rollout.set_aside":      Known("error",   "cannot be read; other rollouts continue"),
    "rollout.failed":         Known("error",   "a bug in this program, to report; set aside"),
    "rollout.back":           Known("info",    "readable again after rollout.set_aside"),
    "rollout.rebuilt":        Known("debug",   "projected again on request"),
    "rollout.renewed":        Known("debug",   "projected again: newer rules touch it"),
    "rules.outdated":         Known("info",    "rows of older rules; projected again by and by"),
    "rules.renewed":          Known("info",    "no rollout with a file has rows of older rules"),
    "rules.newer":            Known("warning", "newer programs wrote some rollouts; left alone"),
    "batch.committed":        Known("debug",   "rows and checkpoint are committed"),
    "settings.reloaded":      Known("info",    "SIGHUP: changed settings are in effect"),
    "settings.refused":       Known("error",   "SIGHUP: invalid settings; the old ones stay"),
    "settings.left":          Known("warning", "SIGHUP: these take effect after a restart"),
    "endpoint.opened":        Known("info",    "the endpoint is listening"),
    "endpoint.failed":        Known("error",   "the endpoint cannot listen; the rest runs on"),
    "endpoint.refused":       Known("warning", "requests refused; logged once an hour"),
    "textfile.failed":        Known("error",   "metrics cannot be written; the rest runs on"),
    "feed.pruned":            Known("debug",   "changes older than feed.keep_days were deleted"),
})  # fmt: skip

#: Events that one-shot commands report themselves when they finish.
ONE_SHOT: Final[frozenset[Name]] = frozenset({"rollout.set_aside", "home.missed"})

_WEIGHT: Final[Mapping[Level, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Choice:
    """The arguments of `configure`, and the logger, created at the first line."""

    def __init__(self, level: Level, form: Format, told: frozenset[Name] = frozenset()) -> None:
        self.weight = _WEIGHT[level]
        self.told = told
        self.form: Format = form
        self._logger: Any = None

    @property
    def logger(self) -> Any:
        if self._logger is None:
            from projector.logs import render as log_lines  # noqa: PLC0415 - 50 ms that most commands never pay

            self._logger = log_lines.logger(self.form)
        return self._logger


_chosen = _Choice("info", "auto")


def configure(
    level: Level = "info", form: Format = "auto", *, told: frozenset[Name] = frozenset()
) -> None:
    """Set up logging for the process; called by the command line and when settings change.

    `told`: events that are not logged, because the command itself reports them when it finishes.
    """
    global _chosen  # noqa: PLW0603 - a process has one log
    _chosen = _Choice(level, form, told)


def event(name: Name, /, *, exc: BaseException | None = None, **fields: str | float | None) -> None:
    """Log an event of `EVENTS` at its level.

    The traceback of `exc` becomes the field `exception`.
    """
    level = EVENTS[name].level
    if _WEIGHT[level] < _chosen.weight or name in _chosen.told:
        return
    if exc is not None:
        fields["exc_info"] = exc  # type: ignore[assignment]  # it is taken out again
    getattr(_chosen.logger, level)(name, **fields)
