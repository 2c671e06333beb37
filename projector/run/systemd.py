"""Notify systemd: READY, WATCHDOG, STATUS, STOPPING, and more time.

The protocol is a datagram to the socket in `$NOTIFY_SOCKET` (sd_notify(3)); a name that starts with
`@` is in the abstract namespace. Without the variable nothing is sent. No library: the two that
exist do no more than this and have no releases or wheels.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

from projector.model.redaction import redact

#: At most so often a `Pulse` sends, in seconds.
PULSE_S: Final = 0.25
#: How much time a `Pulse` asks for at start and stop, in seconds: longer than any one step.
EXTEND_S: Final = 60.0


def notify(*lines: str, env: Mapping[str, str] = os.environ) -> bool:
    """Send the lines as one message; return True if it was sent. Never raises."""
    address = env.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)  # a hung manager must not block the daemon
        out.sendto(
            "\n".join(lines).encode("utf-8", "backslashreplace"), address.replace("@", "\0", 1)
        )
        return True
    return False


def is_service(env: Mapping[str, str] = os.environ) -> bool:
    """True if systemd started this process: nobody sits before it and waits."""
    return "INVOCATION_ID" in env and "NOTIFY_SOCKET" in env


def ready(status: str) -> bool:
    """Report that the schema is migrated and watching has begun."""
    return notify("READY=1", _status(status))


def status(text: str) -> bool:
    """Set the line that `systemctl status` shows."""
    return notify(_status(text))


def watchdog() -> bool:
    """Report that the loop turns. Only the loop that does the work may call it."""
    return notify("WATCHDOG=1")


def stopping(status: str) -> bool:
    """Report that the process is about to exit."""
    return notify("STOPPING=1", _status(status))


def reloading() -> bool:
    """Report that settings are being reloaded; `ready` must follow."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def extend(seconds: float) -> bool:
    """Request this much more time to start or stop, from now on: a migration, a long commit."""
    return notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")


def widen_watchdog(seconds: float) -> bool:
    """Set the watchdog's limit, for work that may rightly pause for a while."""
    return notify(f"WATCHDOG_USEC={int(seconds * 1_000_000)}")


class Watchdog:
    """Signs of life of the work loop, as systemd wants them in each phase.

    Called whenever a piece of work is done, however small, from any thread: it asks for more time
    while we start or stop, and feeds the watchdog in between. Only work may call it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with the start."""
        self._clock = clock
        self._phase: Literal["starting", "running", "stopping"] = "starting"
        self._sent = -PULSE_S
        self.at_ms = time.time_ns() // 1_000_000
        """When it was called last, by the clock of the day."""
        self._called = clock()

    @property
    def quiet_s(self) -> float:
        """Return the time since the last call, in seconds of the monotonic clock."""
        return self._clock() - self._called

    def enter(self, phase: Literal["starting", "running", "stopping"]) -> None:
        """Enter the next phase; the next call sends immediately."""
        self._phase, self._sent = phase, -PULSE_S

    def __call__(self) -> None:
        """Report that the work makes progress."""
        now = self._called = self._clock()
        if now - self._sent < PULSE_S:
            return
        self._sent, self.at_ms = now, time.time_ns() // 1_000_000
        if self._phase == "running":
            watchdog()
        else:
            extend(EXTEND_S)


def watchdog_interval_s(env: Mapping[str, str] = os.environ) -> float | None:
    """Return how often `watchdog` must be called: half of the limit; None: nobody waits for it."""
    try:
        limit = int(env.get("WATCHDOG_USEC", "")) / 1_000_000
        mine = int(env.get("WATCHDOG_PID", "") or os.getpid()) == os.getpid()
    except ValueError:
        return None
    return limit / 2 if mine and limit > 0 else None


def _status(text: str) -> str:
    return "STATUS=" + redact(text).replace("\n", " ")
