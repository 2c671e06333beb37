"""Overwrite passwords in this process's own arguments, which process listings show.

The arguments are in our own memory, where `ps` reads them. In the first milliseconds, until Python
has started, a password is visible all the same: a file is better (`database_file`, ~/.pgpass).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from projector.model.database_url import SQLITE, is_path, is_suspect, starred
from projector.model.redaction import Redactor

#: Options whose value is a database URL.
_OPTIONS: Final = ("--database", "--from", "--to")
#: Index of `arg_start` among the fields of /proc/PID/stat after the name.
_ARG_START: Final = 45


def suspects(arguments: Iterable[str]) -> dict[str, str]:
    """Return the arguments that may contain a password, each with its replacement for `ps`."""
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
    """Overwrite the secrets in this process's arguments. Linux only; does nothing elsewhere."""
    found = {
        one.encode(errors="surrogateescape"): other.encode(errors="surrogateescape")
        for one, other in suspects(arguments).items()
    }
    if found and sys.platform.startswith("linux"):
        with suppress(OSError, ValueError):
            _overwrite(found)


def redacted_message(message: str, arguments: Iterable[str]) -> str:
    """Return a command line error without arguments that may contain a password.

    For errors found before the URL is known: click quotes its arguments.
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
