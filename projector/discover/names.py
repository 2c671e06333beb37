"""The names that people gave their threads: `session_index.jsonl` of a CODEX_HOME."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import orjson

from projector.discover.scan import SESSION_INDEX
from projector.place import ThreadId


def read_names(*homes: str) -> dict[ThreadId, str]:
    """Give the last name of each thread; a home without the file has none.

    In one file the last line of a thread counts. Of several homes that name a thread (one is a
    copy, or was one) the name that was given last counts, and of equally old ones the first
    home's: so the homes do not rename it in turns.

    Source: a line for each name given, `{"id", "thread_name", "updated_at"}`; appended, and
    rewritten without a thread that is deleted. Lines that are none of these are passed over: a
    name is never worth an anomaly.
    """
    names: dict[ThreadId, tuple[str, datetime]] = {}
    for home in homes:
        for thread_id, named in _of_home(home).items():
            if thread_id not in names or named[1] > names[thread_id][1]:
                names[thread_id] = named
    return {thread_id: name for thread_id, (name, _) in names.items()}


def _of_home(home: str) -> dict[ThreadId, tuple[str, datetime]]:
    """Give the names in one home, each with the time at which it was given."""
    names: dict[ThreadId, tuple[str, datetime]] = {}
    try:
        text = Path(home, SESSION_INDEX).read_bytes()
    except OSError:
        return names
    for line in text.split(b"\n"):
        try:
            entry = orjson.loads(line)
            thread_id = ThreadId(str(uuid.UUID(entry["id"])))
            name, at = str(entry["thread_name"]), entry.get("updated_at")
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        names[thread_id] = name, _time(at)
    return names


def _time(written: object) -> datetime:
    """Read when a name was given; what is no time is older than all."""
    try:
        at = datetime.fromisoformat(str(written))
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
