"""Format threads as a table that fits the terminal. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from projector.model.humanize import count
from projector.model.terminal_safe import one_line
from projector.serve.history.threads import Listed, Row, source_of

#: Maximum width of title and folder without a terminal.
_TITLE: Final = 100
_FOLDER: Final = 60
#: Minimum width of a title: other columns are removed first.
_LEAST_TITLE: Final = 24
#: Columns that are removed, in this order, if a terminal is too narrow.
_GOING: Final = ("model", "folder", "turns", "source", "host", "state")
_GAP: Final = "  "


def table(
    listed: Listed, *, width: int | None, zone: tzinfo | None = None
) -> tuple[str, list[str]]:
    """Return the heading and the lines of a table that fits `width` columns (None: no limit)."""
    columns: dict[str, list[str]] = {
        "updated": ["UPDATED"],
        "thread": ["THREAD"],
        "host": ["HOST"],
        "state": [""],
        "source": ["SOURCE"],
        "turns": ["TURNS"],
        "model": ["MODEL"],
        "folder": ["FOLDER"],
        "title": ["NAME"],
    }
    for row in listed.rows:
        states = [flag for flag in ("archived", "deleted") if row[flag]]
        columns["updated"].append(when(row["updated_at_ms"], zone)[:16])
        columns["thread"].append(row["thread_id"])
        columns["host"].append(one_line(row.get("host") or ""))
        columns["state"].append(", ".join(states))
        columns["source"].append(one_line(source_of(row).label))
        columns["turns"].append(f"{row['turn_count'] or 0:,}")
        columns["model"].append(one_line(row["model"] or ""))
        columns["folder"].append(_end(one_line(row["cwd"] or ""), _FOLDER))
        columns["title"].append(fitting(title(row), _TITLE))
    if not any(columns["state"]):
        del columns["state"]
    if not several_hosts(listed.rows):
        del columns["host"]
    if width is not None:
        _fit(columns, width)
    head, *lines = _aligned(columns)
    return head, lines


def several_hosts(rows: Iterable[Row]) -> bool:
    """True if threads are of more than one host; a file has one host only and does not store it."""
    return len({row.get("host") for row in rows}) > 1


def footnote(listed: Listed) -> str | None:
    """Return what the table does not show; None: nothing."""
    said = ["there are older ones (--limit 0: all)"] if listed.more else []
    hidden = [
        count(number, what) if what == "sub-agent" else f"{number:,} {what}"
        for what, number in sorted(listed.hidden.items())
    ]
    if hidden:
        said.append(f"{', '.join(hidden)} hidden (--all: shown)")
    return "; ".join(said) or None


def title(row: Row) -> str:
    """Return a thread's title: its name, else the start of its first message."""
    text = row["name"] or row["preview"] or ""
    return one_line(text[: 4 * _TITLE]) or "-"


def when(ms: int | None, zone: tzinfo | None = None) -> str:
    """Format a time (milliseconds since 1970) in a zone, by default that of the machine."""
    if ms is None:
        return "-"
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return str(ms)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _fit(columns: dict[str, list[str]], width: int) -> None:
    """Remove columns, then cut titles, until a line fits."""
    for name in (None, *_GOING):
        if name is not None:
            columns.pop(name, None)
        taken = sum(
            max(map(cells, column)) + len(_GAP) for key, column in columns.items() if key != "title"
        )
        if width - taken >= _LEAST_TITLE:
            break
    room = max(width - taken, 4)
    columns["title"] = [fitting(text, room) for text in columns["title"]]


def _aligned(columns: Mapping[str, Sequence[str]]) -> list[str]:
    padded = []
    for name, column in columns.items():
        widest = max(map(cells, column))
        if name == "title":
            padded.append(list(column))
        elif name == "turns":
            padded.append([" " * (widest - cells(text)) + text for text in column])
        else:
            padded.append([text + " " * (widest - cells(text)) for text in column])
    return [_GAP.join(line).rstrip() for line in zip(*padded, strict=True)]


def cells(text: str) -> int:
    """Return the width of a text in terminal columns."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def fitting(text: str, room: int) -> str:
    """Cut the end of a text so that it takes at most `room` columns."""
    if cells(text) <= room:
        return text
    taken = 0
    for at, character in enumerate(text):
        taken += _cell(character)
        if taken > room - 1:
            return text[:at].rstrip() + "…"
    return text


def _end(text: str, room: int) -> str:
    """Cut the start of a text."""
    return text if cells(text) <= room else "…" + fitting(text[::-1], room - 1)[:-1][::-1]
