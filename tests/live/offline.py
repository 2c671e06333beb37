"""A network namespace in which only loopback is up: what runs in it reaches nobody.

The parent asks `prefix()` for the words to put before a command; the child calls `enter()` first
of all, which brings loopback up and proves that there is no other interface.
"""

from __future__ import annotations

import fcntl
import functools
import shutil
import socket
import struct
import subprocess
import sys
from typing import Final

from tests.live.install import Unavailable

#: Ways to a namespace, best first: as root, in a user namespace, through sudo (as CI hosts allow).
_WAYS: Final = (
    ("unshare", "--net", "--"),
    ("unshare", "--user", "--map-root-user", "--net", "--"),
    ("sudo", "-n", "-E", "unshare", "--net", "--"),
)
# Of <net/if.h> and <linux/sockios.h>.
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_IFREQ: Final = "16sh22x"


@functools.cache
def prefix() -> tuple[str, ...]:
    """Give the command that runs the words behind it without a network.

    Raises:
        Unavailable: none of the ways works here.

    """
    complaints = []
    for way in _WAYS:
        if shutil.which(way[0]) is None:
            complaints.append(f"{way[0]}: not installed")
            continue
        probe = [*way, sys.executable, "-m", "tests.live.offline"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return way
        said = done.stderr.strip().splitlines()[-1:] or ["refused"]
        complaints.append(f"{' '.join(way[:-1])}: {said[0]}")
    raise Unavailable(f"no network namespace can be made here ({'; '.join(complaints)})")


def enter() -> None:
    """Bring loopback up, and make sure that it is alone."""
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    # Tunnel devices that the kernel puts, down, into every namespace (sit0, ip6tnl0) are harmless.
    reachable = [name for name in others if _flags(name) & _IFF_UP]
    if reachable:
        raise SystemExit(f"not in a network namespace of its own: {', '.join(reachable)} is up")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        flags = _flags("lo") | _IFF_UP
        fcntl.ioctl(link, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags))


def _flags(name: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        request = struct.pack(_IFREQ, name.encode(), 0)
        flags: int = struct.unpack(_IFREQ, fcntl.ioctl(link, _SIOCGIFFLAGS, request))[1]
        return flags


if __name__ == "__main__":
    enter()
