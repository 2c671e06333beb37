"""Select threads from rows of the view `threads`. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct, field

from projector.serve.history.place import ANYWHERE, Place

Row = Mapping[str, Any]

#: Boolean columns of `threads`.
_FLAGS: Final = frozenset({"archived", "deleted", "incomplete", "attached"})
_AGENTS: Final = "subagent"
#: Names of sources in Codex's protocol, and in rollouts.
_ALIASES: Final = {"mcp": "appserver"}

#: `7d`, `7 days`, `7 days ago`, `last 7 days`, `last week`.
_SPAN: Final = re.compile(
    r"(?:(?:the )?last )?(\d+(?:\.\d+)?)?\s*"
    r"(s|sec|second|m|min|minute|h|hour|d|day|w|week|month|y|year)s?(?: ago)?",
    re.ASCII,
)
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "month": timedelta(days=30),
    "y": timedelta(days=365),
}


class Source(NamedTuple):
    """Origin of a thread."""

    family: str
    """cli, vscode, exec, ...; subagent for everything that Codex itself started."""
    kind: str
    """Of a sub-agent: thread_spawn, review, compact, ...; else the family."""

    @property
    def label(self) -> str:
        """Return the label shown in the table."""
        return self.family if self.kind == "thread_spawn" else self.kind

    def answers(self, asked: str) -> bool:
        """True if `--source` matches: a family, a kind, or Codex's name for it."""
        wanted = re.sub(r"[\s_-]", "", asked.casefold())
        names = {self.family, self.kind, _ALIASES.get(self.kind, self.kind)}
        if self.family == _AGENTS:
            names |= {f"{_AGENTS}{name}" for name in tuple(names)}
        return wanted in {name.casefold().replace("_", "") for name in names}


def source_of(row: Row) -> Source:
    """Return the origin of a thread."""
    family = row["source"] or "unknown"
    kind = row["source_kind"] or family
    if family == "internal" or row["thread_source"] == _AGENTS:
        family = _AGENTS
    return Source(family, kind)


class Wanted(Struct, frozen=True, kw_only=True):
    """A filter of threads. What is hidden by default: see `hidden`."""

    place: Place = ANYWHERE
    hosts: tuple[str, ...] = ()
    """Empty: all."""
    archived: Literal["hide", "only", "show"] = "hide"
    deleted: Literal["hide", "only", "show"] = "hide"
    agents: bool = False
    """Include sub-agents and reviewers."""
    sources: tuple[str, ...] = ()
    since_ms: int | None = None
    """Changed at or after this time."""
    until_ms: int | None = None
    """Changed before this time."""
    model: str = ""
    text: str = ""
    """Text in the name or the preview, case-insensitive."""
    limit: int | None = None


class Listed(Struct, frozen=True, kw_only=True):
    """The selected threads, and what is known of others."""

    rows: Sequence[Row]
    more: bool = False
    """There are threads beyond the limit."""
    hidden: Mapping[str, int] = field(default_factory=dict)
    """Hidden by default, down to the last thread shown: archived, deleted, sub-agent."""


class Selection:
    """The threads that a filter leaves, one by one, keeping their order."""

    def __init__(self, rows: Iterable[Row], wanted: Wanted) -> None:
        """`rows`: of the view `threads`. Of one that is hidden those of `newest.Key` will do."""
        self._rows = rows
        self._wanted = wanted
        self.more = False
        """There are threads beyond the limit; known at the end."""
        self._hidden: Counter[str] = Counter()

    @property
    def hidden(self) -> Mapping[str, int]:
        """As of `Listed`; known at the end."""
        return {name: count for name, count in self._hidden.items() if count}

    def __iter__(self) -> Iterator[Row]:
        """Yield them; no more rows are read than are needed."""
        limit, count = self._wanted.limit, 0
        for row in self._rows:
            if not _matches(row, self._wanted):
                continue
            reason = why_hidden(row, self._wanted)
            if reason is not None:
                self._hidden[reason] += reason != ""
            elif limit is not None and count >= limit:
                self.more = True
                return
            else:
                count += 1
                yield row


def choose(rows: Iterable[Row], wanted: Wanted) -> Listed:
    """Select threads, keeping their order."""
    selection = Selection(rows, wanted)
    taken = list(selection)
    return Listed(rows=taken, more=selection.more, hidden=selection.hidden)


def filters_by_content(wanted: Wanted) -> bool:
    """True if more than a thread's own rollout tells is needed to say whether it is wanted."""
    return bool(wanted.text or wanted.model) or not wanted.place.everywhere


def _matches(row: Row, wanted: Wanted) -> bool:
    if wanted.since_ms is not None and (row["updated_at_ms"] or 0) < wanted.since_ms:
        return False
    if wanted.until_ms is not None and (
        row["updated_at_ms"] is None or row["updated_at_ms"] >= wanted.until_ms
    ):
        return False
    if wanted.model and row["model"] != wanted.model:
        return False
    if not (wanted.place.everywhere or wanted.place.has(row["cwd"], row["git_origin_url"])):
        return False
    if wanted.text:
        said = f"{row['name'] or ''}\n{row['preview'] or ''}".casefold()
        if wanted.text.casefold() not in said:
            return False
    return not wanted.sources or any(source_of(row).answers(one) for one in wanted.sources)


def why_hidden(row: Row, wanted: Wanted) -> str | None:
    """Return why a thread is hidden; "" if it is excluded by the filter; None if it is shown."""
    if wanted.deleted == "only" and not row["deleted"]:
        return ""
    if wanted.archived == "only" and not row["archived"]:
        return ""
    if wanted.deleted == "hide" and row["deleted"]:
        return "deleted"
    if wanted.archived == "hide" and row["archived"]:
        return "archived"
    if not wanted.agents and not wanted.sources and source_of(row).family == _AGENTS:
        return "sub-agent"
    return None


def since(text: str, now: datetime) -> int:
    """Parse a point in time; return milliseconds since 1970.

    A span before `now` (`90m`, `12h`, `7d`, `2 weeks`, `last week`; a month is 30 days), `today`,
    `yesterday`, a date, or a date and time in ISO 8601; one without a zone is in that of `now`.

    Raises:
        ValueError: it is none of these.
    """
    said = text.strip().lower()
    span = _SPAN.fullmatch(said)
    if span is not None and span[1] is None and "last" not in said:
        span = None  # "d" alone is none
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if span is not None:
        unit = span[2] if span[2] == "month" else span[2][0]
        moment = now - float(span[1] or 1) * _UNITS[unit]
    elif said in {"today", "yesterday"}:
        moment = midnight - timedelta(days=said == "yesterday")
    else:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=now.tzinfo)
    return round(moment.timestamp() * 1000)


def document(row: Row) -> dict[str, Any]:
    """Return a thread for `--json`: the columns of the view."""
    return {
        name: bool(value) if name in _FLAGS and value is not None else value
        for name, value in row.items()
    }
