"""Collect the facts that `doctor` judges: homes, database, system, and Codex's own databases.

Read-only. Whatever cannot be read becomes a value of its own, and the rest continues.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from projector.discover.mounts import MOUNT_TABLE, file_system, without_events
from projector.discover.names import read_names
from projector.discover.scan import scan
from projector.model.database_url import shown
from projector.model.errors import ProjectorError
from projector.model.settings import Settings
from projector.serve.doctor import codex_compare as codex
from projector.serve.doctor import codex_databases
from projector.serve.doctor.codex_gaps import shortfalls
from projector.serve.doctor.duplicates import conflicts
from projector.serve.doctor.facts import Codex, Examined, Home, Mode, Stored
from projector.serve.health.collect import collect
from projector.store import state_file
from projector.store.free_space import free_bytes
from projector.store.questions import doctor as questions
from projector.store.reading import Connection

#: Time limit of the database's integrity check, seconds.
INTEGRITY_S: Final = 10.0
#: Maximum number of renamed copies compared with their rollouts.
_COPIES: Final = 1000
_WATCHES: Final = "/proc/sys/fs/inotify/max_user_watches"


def probe(
    settings: Settings,
    open_database: Callable[[], Connection],
    *,
    integrity_s: float = INTEGRITY_S,
    secret_file: str = "",
) -> Examined:
    """Collect all facts. `open_database` opens it for reading, or raises as `Connection` does.

    `secret_file`: the file from which the database password was read.
    """
    now_ms = time.time_ns() // 1_000_000
    path = os.path.realpath(settings.database_path) if settings.database_path else ""
    name = settings.database_path or shown(settings.database)
    mounts = _read(MOUNT_TABLE)
    stored, fault = None, ""
    try:
        with open_database() as db:
            stored = _stored(db, settings, now_ms, integrity_s)
    except (ProjectorError, OSError) as error:
        fault = str(error)
    beat = None if stored is None else stored.facts.database.heartbeat
    return Examined(
        now_ms=now_ms,
        homes=tuple(_home(home, mounts) for home in settings.codex_homes),
        database=name,
        database_fault=fault,
        database_network=_network(path, mounts) if path else None,
        modes=tuple(_modes(path, f"{path}-wal", f"{path}-shm")) if path else (),
        secret_files=tuple(_modes(secret_file)) if secret_file else (),
        free=free_bytes(path) if path else None,
        sqlite=sqlite3.sqlite_version_info,
        watches=_number(_read(_WATCHES)),
        held=state_file.read(f"{path}.lock").held if path else _leased(stored),
        readers=_readers(path) if path else (),
        local=beat is not None and beat.holder.host == socket.gethostname(),
        stored=stored,
        codex=tuple(_codex(home, open_database, stored) for home in settings.codex_homes),
    )


def _home(home: str, mounts: str) -> Home:
    found = scan(home)
    faults = [str(fault) for fault in found.faults]
    faults += [str(fault) for fault in read_names(home).faults]
    faults += [
        f"{file.path}: permission denied. Fix: chmod u+r, or run as its owner"
        for file in found.files
        if not os.access(file.path, os.R_OK)
    ]
    real = os.path.realpath(home)
    why = without_events(real, mounts)
    others = tuple(conflicts(found.files, found.folders, _COPIES))
    return Home(home, len(found.files), len(found.folders), tuple(faults), why, others)


def _stored(db: Connection, settings: Settings, now_ms: int, integrity_s: float) -> Stored:
    facts = collect(db, settings.codex_homes, now_ms, codex=True)
    schema = db.schema()
    return Stored(
        facts=facts,
        schema=schema.found,
        newest_schema=schema.newest,
        integrity=db.soundness(integrity_s),
        kinds=questions.anomaly_kinds(db),
        incomplete=questions.incomplete_threads(db),
        latest_ms=questions.latest_ms(db),
        server=db.server(),
        sources=questions.sources(db),
    )


def _network(path: str, mounts: str) -> str | None:
    real = os.path.realpath(os.path.dirname(path))
    return file_system(real, mounts) if without_events(real, mounts) else None


def _modes(*paths: str) -> list[Mode]:
    found = []
    for name in paths:
        with suppress(OSError):
            facts = os.stat(name)
            writable = os.access(name, os.W_OK)
            found.append(Mode(name, facts.st_mode & 0o777, writable, facts.st_nlink))
    return found


def _readers(path: str) -> tuple[str, ...]:
    """Return the processes that have the database open, as far as permissions allow.

    Pid and name.
    """
    try:
        wanted = os.stat(path)
    except OSError:
        return ()
    found = []
    for pid in filter(str.isdigit, _listed("/proc")):
        if int(pid) == os.getpid():
            continue
        for number in _listed(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{number}"), wanted):
                    found.append(f"{pid} ({_read(f'/proc/{pid}/comm').strip()})")
                    break
    return tuple(found)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _leased(stored: Stored | None) -> bool | None:
    """True if a daemon holds this host's source on a server; None if unknown.

    A lease outlives a killed daemon; if it ran on this host, its process is checked.
    """
    if stored is None:
        return None
    beat = stored.facts.database.heartbeat
    if beat is not None and beat.holder.host == socket.gethostname():
        try:
            os.kill(beat.holder.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # it is another user's process
            pass
    return next((one.held for one in stored.sources if one.own), None)


def _codex(home: str, open_database: Callable[[], Connection], stored: Stored | None) -> Codex:
    found = codex_databases.locate(home)
    paths = tuple(one for one in (found.history, found.state) if one is not None)
    if stored is None or not paths:
        return Codex(home=home, found=paths)
    short = []
    unopened = 0
    try:
        with open_database() as ours:
            for held in codex.held(ours, found, time.time()):
                told = list(shortfalls(held))
                short += told
                unopened += held.codex_offset is None and bool(held.beyond) and not told
        listed = {} if found.state is None else codex_databases.threads(found.state)
    except ProjectorError as error:
        return Codex(home=home, found=paths, fault=str(error))
    except sqlite3.Error as error:
        return Codex(home=home, found=paths, fault=f"{' and '.join(paths)}: {error}")
    lost = [
        one
        for one in listed.values()
        if not os.path.exists(one.path) and not os.path.exists(one.path + ".zst")
    ]
    return Codex(
        home=home,
        found=paths,
        shortfalls=tuple(short),
        unopened=unopened,
        lost_files=len(lost),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="surrogateescape")
    except OSError:
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None
