"""Which folders give no file events."""

import pytest

from projector.discover.mounts import file_system, without_events

MOUNTS = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw - proc proc rw
40 21 0:50 / /home/u/net rw,relatime shared:9 - nfs4 host:/export rw,vers=4.2
41 40 0:51 / /home/u/net/local rw - tmpfs tmpfs rw
42 21 0:52 / /mnt/c rw,noatime - 9p drvfs rw,dirsync
43 21 0:53 / /home/u/a\040b\134c rw - fuse.sshfs host: rw
44 21 0:54 / /covered rw - cifs //host/share rw
45 44 0:55 / /covered rw - xfs /dev/sdb rw
46 21 0:56 / /usb rw - fuseblk /dev/sdc rw
malformed
"""


@pytest.mark.parametrize(
    ("path", "kind", "polled"),
    [
        ("/home/u/.codex", "ext4", False),
        ("/home/u/net/.codex", "nfs4", True),
        ("/home/u/net", "nfs4", True),
        ("/home/u/network", "ext4", False),
        ("/home/u/net/local/x", "tmpfs", False),
        ("/mnt/c/Users/u/.codex", "9p", True),
        ("/home/u/a b\\c/.codex", "fuse.sshfs", True),
        ("/covered/x", "xfs", False),
        ("/usb/x", "fuseblk", False),
    ],
)
def test_the_mount_that_holds_a_folder_decides(path: str, kind: str, *, polled: bool) -> None:
    why = without_events(path, MOUNTS)

    assert file_system(path, MOUNTS) == kind
    assert why == (f"{path} is on {kind}, which has no file events" if polled else None)


def test_where_the_system_does_not_tell_events_are_tried() -> None:
    assert without_events("/home/u/.codex", "") is None
