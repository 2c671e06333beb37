"""The daemon's lock on a database: a flock that ends with its process, however that ends."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from projector.model.errors import AlreadyRunning
from projector.store import state_file
from projector.store.heartbeat import DaemonState
from projector.store.protocol import Holder
from projector.store.sqlite.file import refused


def hold(database: Path, holder: Holder) -> int:
    """Lock `DATABASE.lock` and write the holder into it; return the descriptor that keeps the lock.

    Raises:
        AlreadyRunning: another process has it.
        StoreRefused: the file cannot be created.
    """
    path = _path(database)
    try:
        file = state_file.lock(str(path))
    except BlockingIOError as error:
        raise AlreadyRunning(
            f"{database}: {_who(path) or 'another daemon'} follows it already",
            hint="Stop that one first, or give another database",
        ) from error
    except OSError as error:
        raise refused(path, error) from error
    state_file.write(file, DaemonState(holder))
    return file


def is_held(database: Path, file: int) -> bool:
    """True if the lock that `hold` returned is on the file that other processes would lock."""
    try:
        return os.path.samestat(os.stat(_path(database)), os.fstat(file))
    except OSError:
        return False


def _path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def _who(path: Path) -> str:
    """Return who holds the lock; empty if the holder has not written it yet."""
    state = state_file.read(str(path)).state
    if state is None:
        return ""
    found = state.holder
    try:
        since = datetime.fromtimestamp(found.started_at_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, TypeError):
        return ""
    return (
        f"process {found.pid} on {found.host} (codex-projector {found.version}, "
        f"since {since:%Y-%m-%d %H:%M:%S} UTC)"
    )
