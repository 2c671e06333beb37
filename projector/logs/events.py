"""Every event that we log, by name. How it is rendered: `log_lines.py`.

An event is `noun.verb_in_past`; its level follows from its name. Its fields carry their units in
their names (`from_byte`, `ms`). Never is a word of a thread logged: ids, paths, places, numbers
and the reasons of errors only. `debug` is for a line a batch, `info` for what an operator did or
would ask about, `warning` for what heals by itself, `error` for what a person must mend.
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
    "rollout.back", "rollout.rebuilt",
    "batch.committed", "settings.reloaded", "settings.refused", "settings.left",
    "endpoint.opened", "endpoint.failed", "endpoint.refused", "textfile.failed",
    "feed.pruned",
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
    "store.unavailable":      Known("error",   "for a minute by now; `health` says so, too"),
    "store.recovered":        Known("info",    "the database can be written again"),
    "store.reopened":         Known("warning", "another database was there; filled from the start"),
    "store.checkpoint_moved": Known("warning", "another writer moved it; read anew from there"),
    "home.missed":            Known("warning", "a CODEX_HOME is not there or cannot be listed"),
    "home.found":             Known("info",    "a CODEX_HOME that was missed can be listed"),
    "names.skipped":          Known("warning", "session_index.jsonl cannot be read, or not whole"),
    "watch.started":          Known("info",    "news is waited for: by file events or by scans"),
    "watch.fell_back":        Known("warning", "no file events can be had; scans find what is new"),
    "scan.finished":          Known("debug",   "all sizes have been compared"),
    "rollout.replaced":       Known("warning", "not what it was; projected anew"),
    "rollout.vanished":       Known("info",    "its file is gone"),
    "rollout.set_aside":      Known("error",   "cannot be read; the others go on"),
    "rollout.failed":         Known("error",   "a fault of this program; set aside, report it"),
    "rollout.back":           Known("info",    "set aside before, can be read again"),
    "rollout.rebuilt":        Known("debug",   "projected anew, as it was asked for"),
    "batch.committed":        Known("debug",   "rows and checkpoint are in the database"),
    "settings.reloaded":      Known("info",    "SIGHUP: what is different holds from now on"),
    "settings.refused":       Known("error",   "SIGHUP: they are wrong; the old ones hold"),
    "settings.left":          Known("warning", "SIGHUP: these hold after the next start only"),
    "endpoint.opened":        Known("info",    "the endpoint listens"),
    "endpoint.failed":        Known("error",   "the endpoint cannot listen; all else goes on"),
    "endpoint.refused":       Known("warning", "what was asked for is not; told once an hour"),
    "textfile.failed":        Known("error",   "metrics cannot be written; all else goes on"),
    "feed.pruned":            Known("debug",   "changes older than wanted went out of the feed"),
})  # fmt: skip

#: What one-shot commands tell at their end, in lines of their own.
ONE_SHOT: Final[frozenset[Name]] = frozenset({"rollout.set_aside", "home.missed"})

_WEIGHT: Final[Mapping[Level, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Choice:
    """What `configure` was told, and the logger made of it once there is a line to write."""

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
    """Set up logging for the process; called by the command line, and when settings change.

    `told`: events that are not logged, because the command itself tells of them at its end.
    """
    global _chosen  # noqa: PLW0603 - a process has one log
    _chosen = _Choice(level, form, told)


def event(name: Name, /, *, exc: BaseException | None = None, **fields: str | float | None) -> None:
    """Log an event of `EVENTS` at its level. `exc`: its trace becomes the field `exception`."""
    level = EVENTS[name].level
    if _WEIGHT[level] < _chosen.weight or name in _chosen.told:
        return
    if exc is not None:
        fields["exc_info"] = exc  # type: ignore[assignment]  # it is taken out again
    getattr(_chosen.logger, level)(name, **fields)
