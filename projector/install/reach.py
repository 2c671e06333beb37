"""Settings → which network the units must leave to the daemon. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from projector.address import POSTGRES, is_postgres
from projector.settings import Settings

Network = Literal["none", "loopback", "any"]
_WIDER: Final[tuple[Network, ...]] = ("none", "loopback", "any")

#: user:password@hosts/name?options of an address; a host may be a path, and there may be several.
_PARTS = re.compile(r"(?:[^/?@]*(?:@[^/?@]*)*@)?([^/?]*)(?:/[^?]*)?(?:\?(.*))?")
_CODED = re.compile(r"%([0-9A-Fa-f]{2})")
_PORT = re.compile(r":\d*$")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


def network(settings: Settings) -> Network:
    """Give the least that lets the endpoint be reached, and the database's server."""
    return max(_endpoint(settings), _database(settings.database), key=_WIDER.index)


def addresses(settings: Settings) -> tuple[str, ...]:
    """Return the addresses that the daemon connects to, if that is all the network it needs.

    Empty where the endpoint is for other hosts, or where the server has a name: which address
    that is may change, and to ask for it is another connection.
    """
    if _endpoint(settings) == "any" or network(settings) != "any":
        return ()
    hosts = [_name(one) for one in _hosts(settings.database) or ("",)]
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
    """Return the hosts of a database's address; None: they stand in a file of libpq's."""
    if not is_postgres(url):
        return []
    found = _PARTS.match(url.removeprefix(POSTGRES))
    assert found is not None
    words = (word.partition("=") for word in (found[2] or "").split("&"))
    options = {name: value for name, _, value in words}
    if "service" in options:
        return None
    # As libpq has it: an address is taken before the name that belongs to it.
    hosts = options.get("hostaddr") or options.get("host") or found[1]
    plain = _CODED.sub(lambda code: chr(int(code[1], 16)), hosts)
    return plain.split(",")


def _host(host: str) -> Network:
    name = _name(host)
    if not name or name.startswith(("/", "@")):
        return "none"  # a socket in the file system, or libpq's own place for one
    return "loopback" if _LOOPBACK.fullmatch(name) else "any"


def _name(host: str) -> str:
    """Return a host without its port and brackets."""
    name = _PORT.sub("", host) if host.count(":") == 1 or host.startswith("[") else host
    return name.removeprefix("[").removesuffix("]")
