"""Format threads as a table that fits the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from projector.model.humanize import age, count, short
from projector.model.terminal_safe import one_line
from projector.serve.history.looks import CUT, cells, fitting
from projector.serve.history.threads import Listed, Row, source_of

#: Maximum width of a title and of a folder.
_TITLE: Final = 100
_FOLDER: Final = 60
#: Characters of an id on a terminal: the time of its start, to the millisecond.
SHORT_ID: Final = 13
#: Minimum width of a title: other columns are removed first.
_LEAST_TITLE: Final = 20
_LEAST_FOLDER: Final = 10
#: Columns that are removed, in this order, if a terminal is too narrow.
_GOING: Final = ("model", "source", "host", "folder", "tokens", "turns", "state", "updated")
_NUMBERS: Final = frozenset({"turns", "tokens", "updated"})
_GAP: Final = "  "


def table(
    listed: Listed, *, width: int | None, now_ms: int, zone: tzinfo | None = None
) -> tuple[str, list[str]]:
    """Return the heading and the lines of a table.

    With `width` it fits a terminal: ages, short numbers and ids, only columns that tell something.
    Without (None) it has whole ids, times and numbers, and all columns.
    """
    people = width is not None
    columns: dict[str, list[str]] = {
        "title": ["NAME"],
        "updated": ["AGE" if people else "UPDATED"],
        "turns": ["TURNS"],
        "tokens": ["TOKENS"],
        "folder": ["FOLDER"],
        "model": ["MODEL"],
        "source": ["SOURCE"],
        "state": ["STATE"],
        "host": ["HOST"],
        "thread": ["THREAD"],
    }
    for row in listed.rows:
        states = [flag for flag in ("archived", "deleted") if row[flag]]
        changed, tokens = row["updated_at_ms"], row["total_tokens"] or 0
        columns["title"].append(fitting(title(row), _TITLE))
        columns["updated"].append(age(changed, now_ms) if people else when(changed, zone)[:16])
        columns["turns"].append(f"{row['turn_count'] or 0:,}")
        columns["tokens"].append(short(tokens) if people else f"{tokens:,}")
        columns["folder"].append(end(one_line(row["cwd"] or ""), _FOLDER))
        columns["model"].append(one_line(row["model"] or ""))
        columns["source"].append(one_line(source_of(row).label))
        columns["state"].append(", ".join(states))
        columns["host"].append(one_line(row.get("host") or ""))
        thread_id = row["thread_id"]
        columns["thread"].append(thread_id[:SHORT_ID] if people else thread_id)
    if not any(columns["state"][1:]):
        del columns["state"]
    for name in ("source", "model"):  # one for all tells nothing
        if people and len(set(columns[name][1:])) <= 1:
            del columns[name]
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
    """Cut folders, remove columns, then cut titles, until a line fits."""
    wanted = min(max(map(cells, columns["title"])), _LEAST_TITLE)
    for name in (None, *_GOING):
        if name is not None:
            columns.pop(name, None)
        room = _room(columns, width)
        if "folder" in columns and room < wanted:
            widest = max(map(cells, columns["folder"]))
            columns["folder"] = [
                end(one, max(widest - wanted + room, _LEAST_FOLDER)) for one in columns["folder"]
            ]
            room = _room(columns, width)
        if room >= wanted:
            break
    columns["title"] = [fitting(text, max(room, 4)) for text in columns["title"]]


def _room(columns: Mapping[str, Sequence[str]], width: int) -> int:
    """Return the columns that are left for titles."""
    others = (column for name, column in columns.items() if name != "title")
    return width - sum(max(map(cells, column)) + len(_GAP) for column in others)


def _aligned(columns: Mapping[str, Sequence[str]]) -> list[str]:
    padded = []
    for name, column in columns.items():
        widest = max(map(cells, column))
        gaps = (" " * (widest - cells(text)) for text in column)
        if name in _NUMBERS:
            padded.append([gap + text for gap, text in zip(gaps, column, strict=True)])
        else:
            padded.append([text + gap for gap, text in zip(gaps, column, strict=True)])
    return [_GAP.join(line).rstrip() for line in zip(*padded, strict=True)]


def end(text: str, room: int) -> str:
    """Cut the start of a text."""
    return text if cells(text) <= room else CUT + fitting(text[::-1], room - 1)[:-1][::-1]
