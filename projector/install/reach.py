"""Determine from the settings which network access the units need. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from projector.model.database_url import is_postgres, options
from projector.model.settings import Settings

Network = Literal["none", "loopback", "any"]
_WIDER: Final[tuple[Network, ...]] = ("none", "loopback", "any")

_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


def network(settings: Settings) -> Network:
    """Return the least access with which the endpoint and the database server are reachable."""
    return max(_endpoint(settings), _database(settings.database), key=_WIDER.index)


def addresses(settings: Settings) -> tuple[str, ...]:
    """Return the addresses that the daemon connects to, if these are all the network it needs.

    Empty if the endpoint serves other hosts, or if the server is given by name: its address may
    change, and resolving it is another connection.
    """
    if _endpoint(settings) == "any" or network(settings) != "any":
        return ()
    hosts = _hosts(settings.database) or ("",)
    found = [one for one in hosts if _host(one) == "any"]
    return tuple(found) if found and all(_ADDRESS.fullmatch(one) for one in found) else ()


def _endpoint(settings: Settings) -> Network:
    listen = settings.serve.listen
    if not listen or listen.startswith("unix:"):
        return "none"
    return "any" if settings.serve.allow_remote else "loopback"


def _database(url: str) -> Network:
    hosts = _hosts(url)
    if hosts is None:
        return "any"
    return max((_host(one) for one in hosts), key=_WIDER.index, default="none")


def _hosts(url: str) -> list[str] | None:
    """Return the hosts of a database URL; None if they are in a file of libpq's."""
    if not is_postgres(url):
        return []
    found = options(url)
    if "service" in found:
        return None
    # As in libpq: an address takes precedence over its name.
    return (found.get("hostaddr") or found.get("host") or "").split(",")


def _host(host: str) -> Network:
    if not host or host.startswith(("/", "@")):
        return "none"  # a Unix socket, or libpq's default location for one
    return "loopback" if _LOOPBACK.fullmatch(host) else "any"
