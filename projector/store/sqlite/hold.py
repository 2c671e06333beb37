"""One daemon a database: a lock that goes with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import orjson

from projector.errors import AlreadyRunning
from projector.store.contract import Holder
from projector.store.sqlite.file import refused


def hold(database: Path, holder: Holder) -> int:
    """Lock `DATABASE.lock` and write into it who has it; gives the descriptor that keeps it.

    The kernel lets go of a flock with the last descriptor, so also after kill -9. The file
    stays: taking it away would let two processes hold two files of one name.

    Raises:
        AlreadyRunning: another process has it.
        StoreRefused: the file cannot be made.
    """
    path = _path(database)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise refused(path, error) from error
    try:
        os.fchmod(file, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        other = _read(file)
        os.close(file)
        raise AlreadyRunning(
            f"{database}: {other or 'another daemon'} follows it already",
            hint="Stop that one first, or give another database",
        ) from error
    except OSError as error:
        os.close(file)
        raise refused(path, error) from error
    text = orjson.dumps(asdict(holder)) + b"\n"
    os.ftruncate(file, 0)
    os.pwrite(file, text, 0)
    return file


def is_held(database: Path, file: int) -> bool:
    """Tell whether the lock that `hold` gave is still the one that others would find."""
    try:
        return os.path.samestat(os.stat(_path(database)), os.fstat(file))
    except OSError:
        return False


def _path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def _read(file: int) -> str:
    """Say who holds the lock; empty while that one has not written it yet."""
    with suppress(ValueError, TypeError, OSError, OverflowError):
        found = Holder(**orjson.loads(os.pread(file, 4096, 0)))
        since = datetime.fromtimestamp(found.started_at_ms / 1000, tz=UTC)
        return (
            f"process {found.pid} on {found.host} (codex-projector {found.version}, "
            f"since {since:%Y-%m-%d %H:%M:%S} UTC)"
        )
    return ""
