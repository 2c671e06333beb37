"""Detect folders without file events, by the type of the file system.

On these, a watch can be set without an error, but changes made by other hosts are never reported
(docs: files, section 5, "WSL /mnt, 9p, NFS, SMB"). Pure: the mount table is a parameter.
"""

from __future__ import annotations

import re
from typing import Final

#: The kernel's table of what is mounted for this process.
MOUNT_TABLE: Final = "/proc/self/mountinfo"
_NETWORK: Final = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "davfs2", "drvfs",
    "fakeowner", "fuse", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "orangefs", "panfs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
    "wekafs",
})  # fmt: skip
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_MOUNT_POINT: Final = 4


def without_events(path: str, mounts: str) -> str | None:
    """Return why a folder has no file events; None if it has.

    `path` is resolved (no symbolic links); `mounts` is the text of `MOUNT_TABLE`.
    """
    kind = file_system(path, mounts)
    if kind is None or not (kind in _NETWORK or kind.startswith("fuse.")):
        return None
    return f"{path} is on {kind}, which has no file events"


def file_system(path: str, mounts: str) -> str | None:
    """Return the file system type of a path; None if the table does not contain it."""
    best, kind = "", None
    for line in mounts.splitlines():
        fields, found, rest = line.partition(" - ")
        words = fields.split(" ")
        if not found or len(words) <= _MOUNT_POINT:
            continue
        point = _ESCAPE.sub(lambda code: chr(int(code[1], 8)), words[_MOUNT_POINT])
        within = path == point or path.startswith(point.rstrip("/") + "/")
        if within and len(point) >= len(
            best
        ):  # of two mounts on one point, the later one covers the other
            best, kind = point, rest.split(" ", 1)[0]
    return kind
