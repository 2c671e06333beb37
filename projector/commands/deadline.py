"""Run work in a child process with a time limit, even if the work cannot be interrupted.

A file system that does not answer blocks its caller, so that no signal and no thread helps. The
child makes the calls; the parent only waits for the child, within the limit.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 1 << 16


def answer_within(seconds: float, work: Callable[[], bytes]) -> bytes | None:
    """Return the result of `work`, called in a child; None: no answer within `seconds`.

    A child that cannot be ended is left to the system. It holds nothing that our caller waits for:
    its standard streams lead nowhere. Empty bytes: the work failed.
    """
    begun = time.monotonic()
    there, back = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(there)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            data = work()
            while data:
                data = data[os.write(back, data) :]
        finally:
            os._exit(0)
    os.close(back)
    try:
        answer = _read(there, begun + seconds)
    finally:
        os.close(there)
    if answer is None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return None
    os.waitpid(child, 0)
    return answer


def _read(there: int, until: float) -> bytes | None:
    """Read to the end; None if the time limit is exceeded."""
    poll = select.poll()
    poll.register(there, select.POLLIN)
    parts: list[bytes] = []
    while True:
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None
        part = os.read(there, _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
