"""The names that people gave their threads: `session_index.jsonl` of a CODEX_HOME."""

from __future__ import annotations

import uuid
from pathlib import Path

import orjson

from projector.discover.scan import SESSION_INDEX
from projector.place import ThreadId


def read_names(home: str) -> dict[ThreadId, str]:
    """Give the last name of each thread; a home without the file has none.

    Source: a line for each name given, `{"id", "thread_name", "updated_at"}`; appended, and
    rewritten without a thread that is deleted. Lines that are none of these are passed over: a
    name is never worth an anomaly.
    """
    names: dict[ThreadId, str] = {}
    try:
        text = Path(home, SESSION_INDEX).read_bytes()
    except OSError:
        return names
    for line in text.split(b"\n"):
        try:
            entry = orjson.loads(line)
            names[ThreadId(str(uuid.UUID(entry["id"])))] = str(entry["thread_name"])
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return names
