"""Takes passwords out of the process list: whoever lists processes sees their arguments.

The arguments lie in our own memory, where they may be written over; that is what `ps` shows then.
A password in an address on the command line can be seen for the first milliseconds all the same:
better is a file (`database_file`, ~/.pgpass).
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

from projector.address import POSTGRES, secrets

#: Which of the fields behind the name in /proc/PID/stat say where the arguments lie.
_BEGIN: Final = 45


def hide(arguments: list[str]) -> None:
    """Write stars over the passwords in `arguments`; they themselves stay as they are."""
    hidden = [
        secret.encode(errors="surrogateescape")
        for argument in arguments
        if POSTGRES in argument
        for secret in secrets(argument[argument.index(POSTGRES) :])
    ]
    if not hidden or not sys.platform.startswith("linux"):
        return
    with suppress(OSError, ValueError):
        _overwrite(hidden)


def _overwrite(hidden: list[bytes]) -> None:
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b") ")[2].split()
    begin, end = int(fields[_BEGIN]), int(fields[_BEGIN + 1])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(begin)
        there = memory.read(end - begin)
        shown = there
        for secret in hidden:
            shown = shown.replace(secret, b"*" * len(secret))
        memory.seek(begin)
        memory.write(shown)
