"""Run in the place of the daemon, within its unit: prints what it may do, as JSON."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x00020000


def may(act: Callable[[], object]) -> bool:
    """Whether it is allowed."""
    try:
        act()
    except OSError:
        return False
    return True


def call(name: str, *arguments: object) -> None:
    """Call a function of libc that gives -1 where it fails."""
    if getattr(LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def touch(folder: str) -> None:
    """Make a file, and take it away."""
    path = Path(folder, ".touched")
    path.write_bytes(b"")
    path.unlink()


def connect(address: str, port: int) -> None:
    """Connect by TCP."""
    socket.create_connection((address, port), timeout=2).close()


def main() -> None:
    """Try it all; the arguments are folders, and the port of a server on the loopback."""
    *folders, port = sys.argv[1:]
    listing = os.listdir
    print(  # noqa: T201 - the journal hears it
        json.dumps(
            {
                "writes": [one for one in folders if may(lambda one=one: touch(one))],  # type: ignore[misc]
                "reads": [one for one in folders if may(lambda one=one: listing(one))],  # type: ignore[misc]
                "homes": may(lambda: listing("/home")) and sorted(listing("/home/robin")),
                "connects": may(lambda: connect("127.0.0.1", int(port))),
                "interfaces": may(lambda: socket.socket(socket.AF_NETLINK)),
                "unix sockets": may(lambda: socket.socket(socket.AF_UNIX)),
                "others": sum(name.isdigit() for name in listing("/proc")) - 1,
                "disks": [name for name in listing("/dev") if name[:2] in ("sd", "vd", "nv")],
                "temporary": sorted({*listing("/tmp"), *listing("/var/tmp")}),
                "mounts": may(lambda: call("mount", b"t", b"/tmp", b"tmpfs", 0, 0)),
                "namespaces": may(lambda: call("unshare", CLONE_NEWNS)),
                "code in memory": may(lambda: mmap.mmap(-1, 4096, prot=7)),
                "priority": may(lambda: os.nice(-1)),
                "capabilities": [
                    line.split()[1]
                    for line in Path("/proc/self/status").read_text().splitlines()
                    if line.startswith(("CapEff", "CapBnd"))
                ],
            }
        )
    )


main()
