"""Resolve what a person names (file, folder, thread id) to rollouts."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence

from msgspec.structs import replace

from projector.discover.scan import (
    ARCHIVED,
    SESSIONS,
    Fault,
    Scan,
    joined,
    scan,
    scan_folder,
    stat_rollout,
)


def scan_path(named: str, homes: Sequence[str]) -> Scan:
    """Find the rollouts that `named` refers to.

    A file: that one. A folder: all in it and below; a CODEX_HOME: all of its own. The id of a
    thread or of one rollout: its files in `homes`. Anything else is a fault.
    """
    path = os.path.abspath(named)
    if os.path.isdir(path):
        if _is_home(path):
            return scan(_as_given(path, homes) or path)
        return scan_folder(path, _home_of(path, homes))
    if os.path.lexists(path):
        return _scan_file(path, _home_of(path, homes))
    thread = _as_id(named)
    if thread is not None:
        return _scan_thread(thread, homes)
    hint = "Name a rollout, a folder or a thread id"
    return _one(Fault(named, "missing", "no such file, folder or thread", hint))


def _scan_file(path: str, home: str) -> Scan:
    found = stat_rollout(path, home)
    if found is None:
        hint = "A rollout is named rollout-TIME-THREAD.jsonl, or .jsonl.zst"
        found = Fault(path, "not a rollout", "not the name of a rollout", hint)
    if isinstance(found, Fault):
        return _one(found)
    return Scan(files=(found,), faults=(), folders={}, devices=frozenset((found.device,)))


def _scan_thread(thread: str, homes: Sequence[str]) -> Scan:
    everything = joined([scan(home) for home in homes])
    files = tuple(
        file for file in everything.files if thread in (file.name.thread_id, file.name.rollout_id)
    )
    faults = everything.faults
    if not files:
        hint = f"Looked in {', '.join(homes)}; name another home with --codex-home DIR"
        faults = (*faults, Fault(thread, "missing", "no rollout of this thread", hint))
    return replace(everything, files=files, faults=faults)


def _one(fault: Fault) -> Scan:
    return Scan(files=(), faults=(fault,), folders={})


def _as_id(named: str) -> str | None:
    try:
        return str(uuid.UUID(named))
    except ValueError:
        return None


def _is_home(path: str) -> bool:
    return any(os.path.isdir(f"{path}/{root}") for root in (SESSIONS, ARCHIVED))


def _as_given(path: str, homes: Sequence[str]) -> str | None:
    """Return the home at `path` as given in the settings, with symbolic links resolved."""
    real = os.path.realpath(path)
    return next((home for home in homes if os.path.realpath(home) == real), None)


def _home_of(path: str, homes: Sequence[str]) -> str:
    """Return the home of a path.

    One of `homes`, else the parent of a folder named like Codex's roots.
    """
    within = [home for home in homes if path.startswith(os.path.abspath(home) + os.sep)]
    if within:
        return max(within, key=len)
    at = path
    while (above := os.path.dirname(at)) != at:
        if os.path.basename(at) in (SESSIONS, ARCHIVED):
            return _as_given(above, homes) or above
        at = above
    return path if os.path.isdir(path) else os.path.dirname(path)
