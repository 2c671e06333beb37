"""Which folders give no file events, by the kind of file system they are mounted from.

On these a watch can be set without any error, and what another host writes is never heard of
(docs: files, section 5, "WSL /mnt, 9p, NFS, SMB"). Pure: the mount table is handed in.
"""

from __future__ import annotations

import re
from typing import Final

#: Where the kernel tells what is mounted for this process.
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
    """Tell why a folder gives no file events; None: it does.

    `path` has its links resolved; `mounts` is the text of `MOUNT_TABLE`.
    """
    kind = file_system(path, mounts)
    if kind is None or not (kind in _NETWORK or kind.startswith("fuse.")):
        return None
    return f"{path} is on {kind}, which gives no file events"


def file_system(path: str, mounts: str) -> str | None:
    """Give the kind of file system that a path lies on; None: the table does not say."""
    best, kind = "", None
    for line in mounts.splitlines():
        fields, found, rest = line.partition(" - ")
        words = fields.split(" ")
        if not found or len(words) <= _MOUNT_POINT:
            continue
        point = _ESCAPE.sub(lambda code: chr(int(code[1], 8)), words[_MOUNT_POINT])
        within = path == point or path.startswith(point.rstrip("/") + "/")
        if within and len(point) >= len(best):  # of two on one point, the later covers the other
            best, kind = point, rest.split(" ", 1)[0]
    return kind
