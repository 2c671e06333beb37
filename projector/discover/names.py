"""Thread names that people assigned: `session_index.jsonl` of a CODEX_HOME."""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from projector.discover.scan import SESSION_INDEX, Fault
from projector.model.ids import ThreadId
from projector.model.regular_file import NotRegularFile, open_regular, pread_fully
from projector.model.whitespace import WHITE_SPACE

#: Only this much of the end of a longer index is read, in bytes and lines: at least the newest
#: 100,000 names.
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_LINES: Final = 250_000
#: Longer lines are skipped.
MAX_LINE: Final = 256 * 1024
_CHUNK: Final = 1024 * 1024
#: Runs of newlines are skipped cheaply.
_LINE: Final = re.compile(rb"[^\n]+")


class Names(NamedTuple):
    """Thread names, and why there may be more."""

    names: dict[ThreadId, str]
    faults: tuple[Fault, ...]
    """Indexes that were skipped or read in part."""


class _Name(NamedTuple):
    name: str
    at: datetime


def read_names(*homes: str) -> Names:
    """Read the last name of each thread; a home without the file has none.

    In one file the last line of a thread with a name counts: a string that is not blank, without
    surrounding white space. If several homes name a thread (one is, or was, a copy) the name
    assigned last counts, and of equally old ones the first home's: so the name does not alternate.

    Source: one line per assigned name, `{"id", "thread_name", "updated_at"}`; appended, and
    rewritten without a deleted thread. Other lines are skipped: a name is never worth an anomaly.
    A path that is not a regular file is skipped and reported as a `Fault`.
    """
    names: dict[ThreadId, _Name] = {}
    faults: list[Fault] = []
    for home in homes:
        path = str(Path(home, SESSION_INDEX))
        try:
            found = _of_file(path, faults)
        except FileNotFoundError:
            if os.path.islink(path):
                faults.append(Fault(path, "missing", "a link to nothing", "Remove the link"))
            continue
        except OSError as error:
            faults.append(_fault(path, error))
            continue
        for thread_id, named in found.items():
            if thread_id not in names or named.at > names[thread_id].at:
                names[thread_id] = named
    return Names({thread_id: named.name for thread_id, named in names.items()}, tuple(faults))


def _of_file(path: str, faults: list[Fault]) -> dict[ThreadId, _Name]:
    """Read the names of one index, each with the time at which it was assigned."""
    names: dict[ThreadId, _Name] = {}
    descriptor = open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        cut = size > MAX_BYTES
        for count, line in enumerate(_lines_backwards(descriptor, size)):
            if count == MAX_LINES:
                cut = True
                break
            found = _parse(line)
            if found is not None:
                names.setdefault(*found)
    finally:
        os.close(descriptor)
    if cut:
        faults.append(
            Fault(path, "unreadable", "is too long: only its end is read", "Remove old lines")
        )
    return names


def _lines_backwards(descriptor: int, size: int) -> Iterator[bytes]:
    """Yield the lines of the last `MAX_BYTES`, last line first, without blank and overlong ones."""
    lowest = max(0, size - MAX_BYTES)
    rest = b""  # end of a line that begins before the bytes read
    overlong = False  # the line is too long
    while size > lowest:
        start = max(lowest, size - _CHUNK)
        data = pread_fully(descriptor, size - start, start)
        size = start
        head, newline, body = data.partition(b"\n")
        if not newline:
            rest = b"" if overlong else data + rest
        else:
            text = body[: body.rfind(b"\n") + 1] if overlong else body + rest
            yield from (line for line in reversed(_LINE.findall(text)) if len(line) <= MAX_LINE)
            rest, overlong = head, False
        if len(rest) > MAX_LINE:
            rest, overlong = b"", True
    if not lowest and rest:
        yield rest


def _parse(line: bytes) -> tuple[ThreadId, _Name] | None:
    """Parse one line; None if it contains no name."""
    try:
        entry = orjson.loads(line)
        thread_id, name = ThreadId(str(uuid.UUID(entry["id"]))), entry["thread_name"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if type(name) is not str or not (name := name.strip(WHITE_SPACE)):
        return None
    return thread_id, _Name(name, _time(entry.get("updated_at")))


def _time(written: object) -> datetime:
    """Parse the time of a name; an invalid time counts as the oldest."""
    try:
        at = datetime.fromisoformat(str(written))
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _fault(path: str, error: OSError) -> Fault:
    """Create the fault of an index that cannot be read."""
    if isinstance(error, NotRegularFile):
        return Fault(
            path, "not a file", error.strerror or "", "Move it away: Codex keeps names there"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Fault(
            path, "unreadable", "permission denied", f"Fix: chmod u+r {path}, or run as its owner"
        )
    return Fault(path, "unreadable", f"cannot be read: {error.strerror or error}")
