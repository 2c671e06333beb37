"""A machine with a live systemd: over the root of this host, with writes that are thrown away.

systemd is PID 1 of its own namespaces (processes, mounts, cgroups, network, names); its root is an
overlay over this host's, its cgroups are a cgroup2 tree of their own. So units are really started,
sandboxed, watched and stopped, and nothing of it is left. It needs root, Linux' overlay and
cgroup2, and Debian's packages systemd, dbus and libpam-systemd: `missing` says which is not there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from tests.support import docs

#: How long anything may take before the test gives up, seconds.
PATIENCE_S: Final = 60
_INIT: Final = "/lib/systemd/systemd"
_NEEDED: Final = {
    _INIT: "systemd",
    "/usr/bin/dbus-daemon": "dbus",
    "/usr/bin/systemd-run": "systemd",
    "/usr/bin/unshare": "unshare",
    "/usr/bin/nsenter": "nsenter",
    "/usr/bin/setpriv": "setpriv",
}
#: Where the program lies in the machine; the rest of a venv is made beside it.
PROGRAM: Final = "/opt/projector/bin/projector"
PYTHON: Final = "/opt/projector/bin/python"
#: The repository, and the folder of libraries, as the machine sees them.
SOURCE: Final = "/opt/python/1"
LIBRARIES: Final = "/opt/python/2"

_SPACES: Final = ("--mount", "--pid", "--cgroup", "--ipc", "--uts", "--net")
#: What a container has no business with, and what would wait for the network.
_MASKED: Final = """
systemd-udevd.service systemd-udev-trigger.service systemd-sysctl.service
systemd-modules-load.service systemd-hwdb-update.service systemd-networkd.service
systemd-timesyncd.service systemd-resolved.service systemd-random-seed.service
dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
""".split()
#: $1: a folder for the overlay, $2: this repository, then folders of libraries.
_BOOT: Final = f"""
set -eu
top=$1; shift
mount --make-rprivate /
mount -t tmpfs -o mode=755 machine "$top"
root=$top/root
mkdir "$top/upper" "$top/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" overlay "$root"
for folder in proc sys dev run tmp opt; do mkdir -p "$root/$folder"; done
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=755 opt "$root/opt"
number=0
for folder; do
    number=$((number + 1))
    mkdir -p "$root/opt/python/$number"
    mount --bind "$folder" "$root/opt/python/$number"
done
mkdir -p "$root/run/systemd/system"
printf '[Unit]\\nRequires=basic.target\\nWants=dbus.socket systemd-logind.service\\n' \\
    >"$root/run/systemd/system/machine.target"
for unit in {" ".join(_MASKED)}; do
    ln -s /dev/null "$root/run/systemd/system/$unit"
done
: >"$root/etc/fstab"
rm -rf "$root/etc/systemd/system" "$root/etc/credstore" "$root/etc/codex-projector"
mkdir -p "$root/etc/systemd/system" "$root/run/before"
cd "$root"
pivot_root . run/before
umount -l /run/before
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    {_INIT} --system --unit=machine.target --log-target=journal --show-status=no </dev/null
"""
_TRIED: Final = """
mount --make-rprivate /
mount -t tmpfs t /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work o /mnt/root
mount -t cgroup2 c /mnt/root/mnt
"""


def missing() -> str:
    """Say why there can be no machine here; "": there can be one."""
    if os.getuid() != 0:
        return "needs root"
    for path, package in _NEEDED.items():
        if not os.path.exists(path):
            return f"needs {package}"
    if not list(Path("/lib").glob("*/security/pam_systemd.so")):
        return "needs libpam-systemd"
    tried = subprocess.run(
        ["unshare", *_SPACES, "--fork", "sh", "-ec", _TRIED],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return "" if tried.returncode == 0 else f"no machine in a machine: {tried.stderr.strip()}"


class Machine:
    """A host on which systemd runs, with one account, robin."""

    def __init__(self, folder: Path) -> None:
        """Boot it, and put the program where the README says: /opt/projector."""
        self._log = (folder / "console").open("w+")
        self._since: list[str] = []
        top = folder / "machine"
        top.mkdir()
        self._outer = subprocess.Popen(
            # It ends with us, however we end.
            ["setpriv", "--pdeathsig=KILL",
             "unshare", *_SPACES, "--fork", "--kill-child", "sh", "-c", _BOOT, "boot",
             str(top), str(docs.ROOT), *_libraries()],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        try:
            self._pid = self._first()
            self.until(self._booted, "systemd to be up")
            self._settle()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Use it for the length of a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Switch it off."""
        self.close()

    def close(self) -> None:
        """Switch it off: with its PID 1 all of its processes end, with them its mounts."""
        self._outer.kill()  # and with it, --kill-child
        self._outer.wait()
        self._log.close()

    def call(
        self, *command: str, account: str = "", given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root or as `account`."""
        if account:
            command = ("runuser", "-u", account, "--", "env", f"HOME=/home/{account}", *command)
        return subprocess.run(
            ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--cgroup", "--ipc", "--uts",
             "--net", "--root", "--wd", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
             "LANG=C.UTF-8", *command],
            check=False, capture_output=True, text=True, input=given, timeout=PATIENCE_S * 3,
        )  # fmt: skip

    def run(self, *command: str, account: str = "", given: str = "") -> str:
        """Run a command that must succeed; gives what it prints."""
        done = self.call(*command, account=account, given=given)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str, *, mode: str = "644") -> None:
        """Write a file."""
        self.run("sh", "-c", f'mkdir -p "$(dirname {path})"; cat >{path}; chmod {mode} {path}',
                 given=text)  # fmt: skip

    def show(self, unit: str, name: str, *, account: str = "") -> str:
        """Give a property of a unit."""
        scope = ["--user"] if account else []
        if account:
            scope = ["env", f"XDG_RUNTIME_DIR={self.runtime}", "systemctl", *scope]
        else:
            scope = ["systemctl"]
        return self.run(
            *scope, "show", unit, f"--property={name}", "--value", account=account
        ).strip()

    @property
    def runtime(self) -> str:
        """Where robin's own manager listens."""
        return f"/run/user/{self.uid}"

    @property
    def uid(self) -> int:
        """Give robin's number."""
        return int(self.run("id", "-u", "robin"))

    def journal(self, unit: str) -> list[dict[str, str]]:
        """Give what a unit of the system, or systemd of it, has logged."""
        return [json.loads(line) for line in self.log("--unit", unit, "--output=json")]

    def log(self, *options: str) -> list[str]:
        """Give lines of the journal, from what was not yet forgotten."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", *options, *self._since).splitlines()

    def forget(self) -> None:
        """Look at what is logged from now on."""
        self._since = [f"--since=@{time.time():.6f}"]

    def until(self, ask: Callable[[], bool], what: str) -> None:
        """Wait for something."""
        end = time.monotonic() + PATIENCE_S
        while not ask():
            assert self._outer.poll() is None, self.console()
            assert time.monotonic() < end, f"waited {PATIENCE_S} s for {what}\n{self.console()}"
            time.sleep(0.05)

    def console(self) -> str:
        """Give what went wrong at boot."""
        self._log.flush()
        return Path(self._log.name).read_text()

    def _first(self) -> int:
        """Give PID 1 as this host numbers it."""
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        end = time.monotonic() + PATIENCE_S
        while not (found := children.read_text().split()):
            assert self._outer.poll() is None, self.console()
            assert time.monotonic() < end, "unshare has no child"
            time.sleep(0.02)
        return int(found[0])

    def _booted(self) -> bool:
        state = self.call("systemctl", "is-system-running").stdout.strip()
        return state in ("running", "degraded")

    def _settle(self) -> None:
        self.run("useradd", "--create-home", "--shell", "/bin/sh", "robin")
        base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        # It may lie where only root comes, /root/.pyenv for one; the overlay alone is changed.
        self.run("chmod", "o+x", *map(str, Path(base).parents))
        self.run(base, "-m", "venv", "--without-pip", "/opt/projector")
        # What CI has installed is as good as installing it again; editable, so the source too.
        site = self.run(PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        folders = range(1, 2 + len(_libraries()))
        self.write(
            f"{site.strip()}/here.pth", "".join(f"/opt/python/{number}\n" for number in folders)
        )
        script = "from projector.__main__ import main\nmain()\n"
        self.write(PROGRAM, f"#!{PYTHON}\n{script}", mode="755")
        self.run(PROGRAM, "--version")


def _libraries() -> Sequence[str]:
    paths = sysconfig.get_paths()
    return list(dict.fromkeys([paths["purelib"], paths["platlib"]]))
