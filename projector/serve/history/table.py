"""Threads as a table for people: columns that fit the terminal. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from projector.model.humanize import count
from projector.model.terminal_safe import one_line
from projector.serve.history.threads import Listed, Row, source_of

#: Widest that a title and a folder are shown where there is no terminal to fit.
_TITLE: Final = 100
_FOLDER: Final = 60
#: A title of fewer columns says nothing: other columns go first.
_LEAST_TITLE: Final = 24
#: The columns that go, in this order, where a terminal is too narrow for all.
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
        columns["title"].append(_start(title(row), _TITLE))
    if not any(columns["state"]):
        del columns["state"]
    if not several_hosts(listed.rows):
        del columns["host"]
    if width is not None:
        _fit(columns, width)
    head, *lines = _aligned(columns)
    return head, lines


def several_hosts(rows: Iterable[Row]) -> bool:
    """True if threads are of more than one host; a file has one only, and does not say."""
    return len({row.get("host") for row in rows}) > 1


def footnote(listed: Listed) -> str | None:
    """Say what is there beside the table; None: nothing."""
    said = [f"{listed.more:,} older (--limit 0: all)"] if listed.more else []
    hidden = [
        count(number, what) if what == "sub-agent" else f"{number:,} {what}"
        for what, number in sorted(listed.hidden.items())
    ]
    if hidden:
        said.append(f"{', '.join(hidden)} hidden (--all: shown)")
    return "; ".join(said) or None


def title(row: Row) -> str:
    """Return what a person knows a thread by: its name, else the start of its first message."""
    text = row["name"] or row["preview"] or ""
    return one_line(text[: 4 * _TITLE]) or "-"


def when(ms: int | None, zone: tzinfo | None = None) -> str:
    """Write a time (milliseconds since 1970) in a zone, by default that of the machine."""
    if ms is None:
        return "-"
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return str(ms)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _fit(columns: dict[str, list[str]], width: int) -> None:
    """Leave out columns, then cut titles, until a line fits."""
    for name in (None, *_GOING):
        if name is not None:
            columns.pop(name, None)
        taken = sum(
            max(map(cells, column)) + len(_GAP) for key, column in columns.items() if key != "title"
        )
        if width - taken >= _LEAST_TITLE:
            break
    room = max(width - taken, 4)
    columns["title"] = [_start(text, room) for text in columns["title"]]


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
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _start(text: str, room: int) -> str:
    """Cut a text behind so that it takes no more than `room` columns."""
    if cells(text) <= room:
        return text
    taken = 0
    for at, character in enumerate(text):
        taken += _cell(character)
        if taken > room - 1:
            return text[:at].rstrip() + "…"
    return text


def _end(text: str, room: int) -> str:
    """Cut a text in front."""
    return text if cells(text) <= room else "…" + _start(text[::-1], room - 1)[:-1][::-1]
