"""Limits of the endpoint's connections: number, duration and host names.

Refusals are counted and logged once an hour per reason, however many: a port scan or a broken probe
must not fill the journal.
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

#: Maximum connections at one time; each takes memory and a file descriptor of the daemon.
MOST_CONNECTIONS: Final = 32
#: A connection is closed after this long, answered or not, in seconds.
DEADLINE_S: Final = 30.0
#: Interval between log lines for refusals of one reason, in seconds.
TOLD_S: Final = 3600.0
#: Maximum mode of the Unix socket, whatever the umask.
_MODE: Final = 0o660


class Refusals(logging.Handler):
    """Refusals counted by reason.

    As a logging handler it also counts what the HTTP library logs.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create it with all counts zero."""
        super().__init__()
        self._clock = clock
        self._untold: Counter[str] = Counter()
        self._told: dict[str, float] = {}
        self.total = 0
        self.logger = logging.Logger("endpoint")  # noqa: LOG001 - none of the process's own
        self.logger.addHandler(self)

    def count(self, reason: str) -> None:
        """Count one refusal, and log those not yet logged if it is time."""
        self.total += 1
        self._untold[reason] += 1
        now = self._clock()
        if now - self._told.get(reason, -TOLD_S) >= TOLD_S:
            self._told[reason] = now
            log.event("endpoint.refused", reason=reason, count=self._untold.pop(reason))

    def emit(self, record: logging.LogRecord) -> None:
        """Count a request that the library could not parse; its content is not logged."""
        if record.levelno >= logging.WARNING:
            self.count("not HTTP")


class Gate:
    """Creates protocols of connections, up to a limit."""

    def __init__(self, inner: Callable[[], asyncio.Protocol], refusals: Refusals) -> None:
        """Create it; `inner` creates the protocol that responds."""
        self._inner = inner
        self._refusals = refusals
        self._open = 0

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of one more connection."""
        return _Connection(self, self._inner())

    def enter(self) -> bool:
        """Count a connection; False if there are too many."""
        if self._open >= MOST_CONNECTIONS:
            self.refuse("too many connections")
            return False
        self._open += 1
        return True

    def leave(self) -> None:
        """Stop counting a connection."""
        self._open -= 1

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        self._refusals.count(reason)


class _Connection(asyncio.Protocol):
    """One connection, with a time limit."""

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
    """True if a Host header names this host: an address, localhost, or one of `names`.

    A web page may have its own host name resolve to this address (DNS rebinding); a browser sends
    that name.
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
    """Return the host names accepted by the endpoint."""
    return frozenset((socket.gethostname(), listen, *more))


def unix_socket(path: str) -> socket.socket:
    """Create a Unix socket that at most its owner and group may use.

    Nobody can connect before its mode is right. An existing socket is replaced, such as one left by
    a killed daemon.

    Raises:
        OSError: it cannot be created.
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
