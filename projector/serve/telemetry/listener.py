"""Who may ask the endpoint: so many at a time, in so much time, by a name that is ours.

What is refused is counted and logged once an hour a reason, however often: a port scan or a broken
probe must not fill the journal.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from projector.logs import events as log

#: Connections at one time; each takes memory and a descriptor of the daemon's.
MOST_CONNECTIONS: Final = 32
#: A connection ends after this long, answered or not, in seconds.
DEADLINE_S: Final = 30.0
#: What is refused for one reason is told of again after this long, in seconds.
TOLD_S: Final = 3600.0
#: Mode that a socket in the file system has at most, whatever the umask.
_MODE: Final = 0o660


class Refusals(logging.Handler):
    """What was refused, counted by reason. As a handler it takes what the HTTP library logs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        super().__init__()
        self._clock = clock
        self._untold: Counter[str] = Counter()
        self._told: dict[str, float] = {}
        self.total = 0
        self.logger = logging.Logger("endpoint")  # noqa: LOG001 - none of the process's own
        self.logger.addHandler(self)

    def count(self, reason: str) -> None:
        """Count one, and log those that were not told of if it is time."""
        self.total += 1
        self._untold[reason] += 1
        now = self._clock()
        if now - self._told.get(reason, -TOLD_S) >= TOLD_S:
            self._told[reason] = now
            log.event("endpoint.refused", reason=reason, count=self._untold.pop(reason))

    def emit(self, record: logging.LogRecord) -> None:
        """Count what the library could not read; what was sent is not logged."""
        if record.levelno >= logging.WARNING:
            self.count("not HTTP")


class Gate:
    """Makes the protocols of connections, and lets only so many in."""

    def __init__(self, inner: Callable[[], asyncio.Protocol], refusals: Refusals) -> None:
        """Let in; `inner` makes the protocol that answers."""
        self._inner = inner
        self._refusals = refusals
        self._open = 0

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of one more connection."""
        return _Connection(self, self._inner())

    def enter(self) -> bool:
        """Count a connection; False: there are too many."""
        if self._open >= MOST_CONNECTIONS:
            self.refuse("too many connections")
            return False
        self._open += 1
        return True

    def leave(self) -> None:
        """Count a connection no more."""
        self._open -= 1

    def refuse(self, reason: str) -> None:
        """Count what is refused."""
        self._refusals.count(reason)


class _Connection(asyncio.Protocol):
    """One connection, which ends in time."""

    def __init__(self, gate: Gate, inner: asyncio.Protocol) -> None:
        self._gate = gate
        self._inner = inner
        self._entered = False
        self._transport: asyncio.BaseTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._entered = self._gate.enter()
        if not self._entered:
            self._abort()
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(DEADLINE_S, self._late)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._entered:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._entered else None

    def pause_writing(self) -> None:
        if self._entered:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._entered:
            self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._entered:
            self._gate.leave()
            self._inner.connection_lost(error)

    def _late(self) -> None:
        self._gate.refuse("too slow")
        self._abort()

    def _abort(self) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()


def is_ours(host: str, names: Iterable[str]) -> bool:
    """True if a Host header names this host: by an address, as localhost, or by one of `names`.

    A page in a browser may have its own name lead here (DNS rebinding); it sends that name.
    """
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    with suppress(ValueError):
        ip_address(name)
        return True
    return name in {one.lower().removesuffix(".") for one in names}


def own_names(listen: str, more: Iterable[str]) -> frozenset[str]:
    """Return the names by which the endpoint may be asked."""
    return frozenset((socket.gethostname(), listen, *more))


def unix_socket(path: str) -> socket.socket:
    """Make a socket in the file system that its owner and group may use at most.

    Nobody can connect before its mode is right. A socket that is there is replaced, as one that
    a killed daemon has left.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(path)
        os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) & _MODE)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
