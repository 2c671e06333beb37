"""Codex's home is only read: no command writes, locks, renames or touches a file of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.generator.rollouts import Rollout
from tests.support.zst import frame

#: Runs a command, and ends with 99 where a file below the home is opened to be written, or changed.
_WATCHED = """
import fcntl, os, sys
home = sys.argv[1]
CHANGES = {"os.rename", "os.remove", "os.chmod", "os.chown", "os.utime", "os.truncate", "os.link",
    "os.symlink", "os.mkdir", "os.rmdir", "os.setxattr", "os.removexattr", "shutil.move"}
WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def is_there(path):
    if isinstance(path, int):
        try:
            path = os.readlink(f"/proc/self/fd/{path}")
        except OSError:
            return False
    return os.fsdecode(path).startswith(home) if isinstance(path, (str, bytes)) else False

def end(*what):
    os.write(2, f"NOT ONLY READ: {what}\\n".encode())
    os._exit(99)

def hook(event, args):
    if event == "open" and is_there(args[0]) and args[2] & WRITE:
        end(event, args)
    if event in CHANGES and any(map(is_there, args[:2])):
        end(event, args)
    if event in {"fcntl.flock", "fcntl.lockf"} and is_there(args[0]):
        end(event, args)
    if event == "sqlite3.connect":
        name = os.fsdecode(args[0])
        if home in name and "mode=ro" not in name and "immutable=1" not in name:
            end(event, args)

sys.addaudithook(hook)
sys.argv[1:] = sys.argv[2:]
from projector.__main__ import main
main()
"""


def stands(home: Path) -> dict[str, tuple[int, ...]]:
    """Tell of each file and folder what changes if it is changed, or read with its time kept."""
    found = {}
    for path in [home, *home.rglob("*")]:
        at = path.lstat()
        times = (at.st_mtime_ns, at.st_ctime_ns) if path.is_file() else (at.st_mtime_ns,)
        found[str(path)] = (at.st_ino, at.st_mode, at.st_nlink, at.st_size, *times)
    return found


def a_home(home: Path) -> None:
    """Make one with all that a command may open: rollouts, names, Codex's databases."""
    plain, packed, legacy = Rollout(seed=1), Rollout(seed=2), Rollout(seed=3, history="legacy")
    for rollout in (plain, packed, legacy):
        rollout.write(home, size=8_000)
    path = home / packed.path
    path.with_name(path.name + ".zst").write_bytes(frame(path.read_bytes()))
    path.unlink()
    with (home / plain.path).open("ab") as file:
        file.write(b'{"torn')
    (home / "session_index.jsonl").write_bytes(b'{"id":"%s","thread_name":"x"}\n' % b"0" * 3)
    for name in ("thread_history_1.sqlite", "state_5.sqlite"):
        with closing(sqlite3.connect(home / name)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE thread_projection_state (thread_id, next_rollout_byte_offset)")
            db.execute("CREATE TABLE threads (id, rollout_path)")
            db.commit()


@pytest.mark.parametrize("fault", ["", "write", "lock", "touch"])
def test_commands_only_read(tmp_path: Path, fault: str) -> None:
    """`fault`: what a command would do to a rollout; then it is seen."""
    home = tmp_path / "home"
    a_home(home)
    before = stands(home)
    one = next(home.rglob("*.jsonl"))
    spoil = {
        "": "",
        "write": f"open({str(one)!r}, 'r+b').close()\n",
        "lock": f"fcntl.flock(os.open({str(one)!r}, os.O_RDONLY), fcntl.LOCK_SH)\n",
        "touch": f"os.utime({str(one)!r})\n",
    }[fault]
    program = _WATCHED.replace("from projector.__main__", f"{spoil}from projector.__main__")
    commands = [("backfill",), ("doctor",), ("verify",), ("rebuild",), ("status",), ("health",)]
    for command in commands[: 1 if fault else None]:
        done = subprocess.run(
            [sys.executable, "-c", program, str(home), *command, "--codex-home", str(home),
             "--database", f"sqlite:///{tmp_path}/p.db"],
            env=os.environ | {"PROJECTOR_CONFIG": os.devnull},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode == 99) == bool(fault), (command, done.stderr)
        assert fault or done.returncode in {0, 1, 2}, (command, done.stderr)
        assert "usage" not in done.stderr.lower()
    if not fault:
        assert stands(home) == before
