"""The daemon's state file beside the database: locked, of fixed size, overwritten in place.

It says what the database cannot while it is full, locked or gone: that the daemon is alive, since
when it cannot write, and why. Overwriting blocks works on a full disk, too.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from contextlib import suppress
from typing import Final

from projector.store import newest_entry
from projector.store.heartbeat import STATE_BYTES, DaemonState, Published, decode, encode

_PRIVATE_FILE: Final = 0o600
_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_PRIVATE_FOLDER: Final = 0o700
#: A reader that checks the lock holds it for a moment: seconds to wait for that.
_GLANCE_S: Final = 0.1
_STEP_S: Final = 0.01


def lock(path: str) -> int:
    """Open and lock a state file, created if needed; return the descriptor that keeps the lock.

    The kernel releases a flock with its last descriptor, so also after kill -9. The file stays:
    deleting it would let two processes lock two files of one name.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it cannot be created.
    """
    file = os.open(path, _LOCK_FLAGS, _PRIVATE_FILE)
    try:
        _check(path, os.fstat(file))
        os.fchmod(file, _PRIVATE_FILE)
        until = time.monotonic() + _GLANCE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(_STEP_S)
            else:
                return file
    except BaseException:
        os.close(file)
        raise


def _check(path: str, facts: os.stat_result) -> None:
    """Check that the file may be overwritten: it is neither a link nor a pipe."""
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        raise OSError(errno.EPERM, "is no file of its own", path)


def write(file: int, state: DaemonState) -> None:
    """Overwrite the state in a file that `lock` opened. Never raises."""
    with suppress(OSError):
        os.pwrite(file, encode(state), 0)
        if os.fstat(file).st_size > STATE_BYTES:
            os.ftruncate(file, STATE_BYTES)


def read(path: str) -> Published:
    """Return what a state file says, and whether its writer is alive. Never raises."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return Published(held=False)
    except OSError:
        return Published()
    try:
        state = decode(os.pread(file, STATE_BYTES, 0)) or decode(os.pread(file, STATE_BYTES, 0))
        return Published(held=_held(file), state=state)
    except OSError:
        return Published()
    finally:
        os.close(file)


def _held(file: int) -> bool | None:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # released when the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def remote_path(address: str, source: str, suffix: str = ".lock") -> str:
    """Return the path of a state file on this host for a database on a server.

    `.lock`: the daemon's; `.feed`: see `newest_entry`.
    """
    folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if not folder:
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        folder = f"{state}/codex-projector"
    name = hashlib.sha256(f"{source}\0{address}".encode(errors="surrogateescape")).hexdigest()[:16]
    return f"{folder}/server-{name}{suffix}"


def was_written(address: str, source: str) -> bool:
    """True if a source has written to a database on a server from this host."""
    return os.path.exists(remote_path(address, source, newest_entry.SUFFIX))


def lock_remote(path: str) -> int | None:
    """Lock the state file of a database on a server, if possible: the lease is what counts."""
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), _PRIVATE_FOLDER, exist_ok=True)
        return lock(path)
    return None
