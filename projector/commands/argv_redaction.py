"""Overwrites passwords in this process's own arguments: whoever lists processes sees them.

The arguments lie in our own memory; `ps` shows what stands there. In the first milliseconds, until
Python has started, a password can be seen all the same: better is a file (`database_file`,
~/.pgpass).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from projector.model.database_url import SQLITE, is_path, is_suspect, starred
from projector.model.redaction import Redactor

#: Options whose value is a database's URL.
_OPTIONS: Final = ("--database", "--from", "--to")
#: Index of `arg_start` among the fields of /proc/PID/stat behind the name.
_ARG_START: Final = 45


def suspects(arguments: Iterable[str]) -> dict[str, str]:
    """Return the arguments that may hold a password, each with what `ps` is to show for it."""
    found: dict[str, str] = {}
    before = ""
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if not (argument.startswith("--") and equals):
            option, equals, value = "", "", argument
        is_url = (option or before) in _OPTIONS and not (is_path(value) or value.startswith(SQLITE))
        if is_suspect(value) or (is_url and starred(value) != value):
            found[argument] = option + equals + starred(value)
        before = argument
    return found


def redact_argv(arguments: Iterable[str]) -> None:
    """Overwrite the secrets in this process's arguments. Linux only; elsewhere nothing is done."""
    found = {
        one.encode(errors="surrogateescape"): other.encode(errors="surrogateescape")
        for one, other in suspects(arguments).items()
    }
    if found and sys.platform.startswith("linux"):
        with suppress(OSError, ValueError):
            _overwrite(found)


def redacted_message(message: str, arguments: Iterable[str]) -> str:
    """Return the message of a fault of the command line without arguments that may hold a password.

    For faults found before the URL is known: click quotes what it was given.
    """
    whole = suspects(arguments)
    values = [part for one in whole for part in (one, one.partition("=")[2])]
    return Redactor(values).driver(message)


def _overwrite(found: dict[bytes, bytes]) -> None:
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b") ")[2].split()
    begin, end = int(fields[_ARG_START]), int(fields[_ARG_START + 1])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(begin)
        there = memory.read(end - begin)
        shown = b"\0".join(found.get(one, one) for one in there.split(b"\0"))
        assert len(shown) == len(there), "as many stars as there were bytes"
        memory.seek(begin)
        memory.write(shown)
