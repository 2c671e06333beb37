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
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


def network(settings: Settings) -> Network:
    """Give the least that lets the endpoint be reached, and the database's server."""
    return max(_endpoint(settings), _database(settings.database), key=_WIDER.index)


def _endpoint(settings: Settings) -> Network:
    listen = settings.serve.listen
    if not listen or listen.startswith("unix:"):
        return "none"
    return "any" if settings.serve.allow_remote else "loopback"


def _database(url: str) -> Network:
    if not is_postgres(url):
        return "none"
    found = _PARTS.match(url.removeprefix(POSTGRES))
    assert found is not None
    words = (word.partition("=") for word in (found[2] or "").split("&"))
    options = {name: value for name, _, value in words}
    if "service" in options:
        return "any"  # it stands in a file of libpq's
    # As libpq has it: an address is taken before the name that belongs to it.
    hosts = options.get("hostaddr") or options.get("host") or found[1]
    plain = _CODED.sub(lambda code: chr(int(code[1], 16)), hosts)
    return max((_host(one) for one in plain.split(",")), key=_WIDER.index)


def _host(host: str) -> Network:
    name = _PORT.sub("", host) if host.count(":") == 1 or host.startswith("[") else host
    name = name.removeprefix("[").removesuffix("]")
    if not name or name.startswith(("/", "@")):
        return "none"  # a socket in the file system, or libpq's own place for one
    return "loopback" if _LOOPBACK.fullmatch(name) else "any"
