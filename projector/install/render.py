"""Render the units from templates, settings and facts about the host.

Pure except for reading templates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

from msgspec import Struct

from projector.install.reach import Network

#: The units, in reading order; those that are enabled.
UNITS: Final = (
    "projector.service",
    "projector-backfill.service",
    "projector-health.service",
    "projector-health.timer",
)
ENABLED: Final = ("projector.service", "projector-health.timer")

#: First line of units that we may overwrite and remove.
MARK: Final = "# Made by `projector install`"

#: Versions of systemd that introduced the options we use.
_NOTIFY_RELOAD: Final = 253
_BACK_OFF: Final = 254

_PLACE = re.compile(r"@([A-Z_]+)@")
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


class Host(Struct, frozen=True, kw_only=True):
    """Facts that the units depend on."""

    command: Sequence[str]
    """The program and the options before the command."""
    user: str = ""
    """Account of a system unit; "": a unit of the user's own manager."""
    environment: Mapping[str, str]
    writable: Sequence[str] = ()
    """Writable folders, except those created by systemd."""
    readable: Sequence[str] = ()
    """Readable files and folders under `HIDDEN`, homes first; empty: everything."""
    network: Network = "none"
    """Network access for the endpoint's address and the database server."""
    addresses: Sequence[str] = ()
    """Addresses of the server, if the network is "any" and no other host is needed."""
    version: int = 0
    """Version of systemd; 0: unknown, use nothing new."""
    namespaces: bool = False
    """True if a user's own manager can create namespaces, so its units get the whole sandbox."""


def render(name: str, host: Host) -> str:
    """Return the text of a unit."""
    head = f"{MARK}; `projector uninstall` takes it away.\n"
    return head + _filled(template(name), _values(host))


def template(name: str) -> str:
    """Read a template."""
    return resources.files(__package__).joinpath("units", name).read_text("utf-8")


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Fill in values; lines that become empty are removed."""
    lines = []
    for line in text.splitlines():
        done = _PLACE.sub(lambda found: values[found[1]], line)
        if done or not line:
            lines.append(done)
    return "\n".join(lines) + "\n"


def _values(host: Host) -> dict[str, str]:
    system = bool(host.user)
    reloads = host.version >= _NOTIFY_RELOAD
    values = {
        # The shell's own kill: not every host has another. +: for user units, a second process
        # cannot enter the sandbox of the first.
        "TYPE": "Type=notify-reload"
        if reloads
        else f"Type=notify\nExecReload={'' if system else '+'}/bin/sh -c 'kill -HUP $MAINPID'",
        "EXEC": " ".join(word(part) for part in host.command),
        "USER": f"User={host.user}" if system else "",
        "ENVIRONMENT": "\n".join(
            f"Environment={quoted(f'{name}={value}')}" for name, value in host.environment.items()
        ),
        "STATE": _state(host),
        # Only for the daemon: a unit that ends deletes the folder, even if others use it.
        "RUNTIME": "RuntimeDirectory=codex-projector" if system else "",
        "RESTART": "RestartSec=1\nRestartSteps=8\nRestartMaxDelaySec=300"
        if host.version >= _BACK_OFF
        else "RestartSec=15",
        "NETWORK": _network(host),
        "HOMES": _homes(host),
        "WANTED_BY": "multi-user.target" if system else "default.target",
        # `SystemCallFilter=@system-service` has no placeholder.
    }
    whole = system or host.namespaces
    sandbox = template("sandbox.conf" if whole else "sandbox-user.conf")
    return values | {"SANDBOX": _filled(sandbox, values).rstrip("\n")}


#: A daemon that only writes a file needs no network; nor does watching files.
_NETWORK: Final[Mapping[Network, str]] = {
    "none": "PrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX\nIPAddressDeny=any",
    "loopback": "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\nIPAddressDeny=any\n"
    "IPAddressAllow=localhost",
    "any": "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
}


#: Folders of people's files; a unit sees of them only what it is given.
HIDDEN: Final = ("/home", "/root", "/run/user")


def hidden(path: str) -> bool:
    """True if `ProtectHome=` applies to an absolute path."""
    return any(path == one or path.startswith(f"{one}/") for one in HIDDEN)


def _network(host: Host) -> str:
    text = _NETWORK[host.network]
    if host.network == "any" and host.addresses:
        text += f"\nIPAddressDeny=any\nIPAddressAllow=localhost {' '.join(host.addresses)}"
    return text


def _homes(host: Host) -> str:
    """Return what the unit sees of /home: an empty folder that contains the homes, read-only."""
    if not host.readable:
        return "ProtectHome=read-only"
    # Nothing else is visible there: no keys, no sources. With "-" one may be missing.
    lines = ["ProtectHome=tmpfs"]
    lines += [f"BindReadOnlyPaths={_bound(path)}" for path in host.readable]
    if not host.user:  # the socket of its manager, below /run/user
        lines.append("BindReadOnlyPaths=-%t/systemd")
    # The empty folder is writable, but its contents are lost: so none may be missing.
    dash = "-" if host.user else ""
    lines += [f"BindPaths={_bound(path, dash)}" for path in host.writable if hidden(path)]
    return "\n".join(lines)


def _bound(path: str, dash: str = "-") -> str:
    return quoted(dash + path.replace("\\", "\\\\").replace(":", "\\:"))


def _state(host: Host) -> str:
    # With "-" a folder may be missing: that of a socket, or of a file for others.
    writable = "\n".join(f"ReadWritePaths={quoted(f'-{path}')}" for path in host.writable)
    if not host.user:
        return writable
    return "\n".join(
        line
        for line in (
            "StateDirectory=codex-projector",
            "StateDirectoryMode=0700",
            "# The database's address, if it is a secret: /etc/credstore/codex-projector.database",
            "LoadCredential=codex-projector.database:codex-projector.database",
            writable,
        )
        if line
    )


def quoted(text: str) -> str:
    """Quote a value for systemd: specifiers and quotes are taken literally."""
    text = text.replace("%", "%%")
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def word(text: str) -> str:
    """Quote one word of a command line: as `quoted`, without expanding variables."""
    return quoted(text.replace("$", "$$"))
