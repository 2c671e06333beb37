"""Which rollouts there are, by a look at the folders alone.

A scan opens no file. It is the truth that file events only hint at, so it is made often and must
cost little: one `scandir` a folder, one `stat` a rollout, and a rollout that is as it was in the
scan before is the same object again. Folders stream: one with a million files takes time, not
memory.

What cannot be looked at is a `Fault`, a value: the other folders go on. A file that is missing
from a scan is gone only if the scan can vouch for that (`Scan.vouches_for`): a folder without
permission or a home that is not mounted says nothing of its rollouts.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from projector.place import RolloutFile, RolloutName

SESSIONS: Final = "sessions"
ARCHIVED: Final = "archived_sessions"
#: Names of threads, in the home itself.
SESSION_INDEX: Final = "session_index.jsonl"
#: Folders below a root that are looked into; Codex uses three (year, month, day).
MAX_DEPTH: Final = 8

_NOTHING_KNOWN: Final[Mapping[str, RolloutFile]] = {}


class Fault(NamedTuple):
    """What cannot be looked at, and why."""

    path: str
    kind: Literal["missing", "unreadable", "not a file", "not a rollout", "too deep"]
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        """Give the one line that people see."""
        line = f"{self.path}: {self.reason}"
        return f"{line}. {self.hint}" if self.hint else line


class _Folder(NamedTuple):
    """A folder that was looked into."""

    device: int
    entries: bool
    """It holds anything at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a look found."""

    files: tuple[RolloutFile, ...]
    """In no order. Two may have one `rollout_id`: `choose` decides."""
    faults: tuple[Fault, ...]
    folders: Mapping[str, _Folder]
    """Looked into to the end: path → what matters of it."""

    def vouches_for(self, file: RolloutFile) -> bool:
        """Tell whether `file`, which is not among `files`, is really gone.

        Not so when a folder above it could not be looked into, lies outside of the scan, or when
        what should hold it is empty and on another device than it was: not mounted.
        """
        blind = {fault.path for fault in self.faults}
        path, lowest = file.path, None
        home = os.path.abspath(file.home)
        while True:
            if path in blind:
                return False
            lowest = lowest or self.folders.get(path)
            if path == home or path == (path := os.path.dirname(path)):
                break
        if lowest is None:
            return False
        if lowest.entries:
            return True
        devices = {folder.device for folder in self.folders.values()}
        return file.device in devices or any(file.device == one.device for one in self.files)


def scan(home: str, known: Mapping[str, RolloutFile] = _NOTHING_KNOWN) -> Scan:
    """Find all rollouts of a CODEX_HOME.

    `known`: path → rollout of the scan before; one that did not change comes out as it went in.
    """
    step = _Walk(home, known)
    return _collect(step, step.home())


def scan_folder(folder: str, home: str, known: Mapping[str, RolloutFile] = _NOTHING_KNOWN) -> Scan:
    """Find the rollouts in a folder of a home and below: what an event of the folder asks for."""
    step = _Walk(home, known)
    return _collect(step, step.below(os.path.abspath(folder)))


def walk(
    home: str, known: Mapping[str, RolloutFile] = _NOTHING_KNOWN
) -> Iterator[RolloutFile | Fault]:
    """Find all rollouts of a CODEX_HOME, one by one, within bounded memory."""
    return _Walk(home, known).home()


def look(path: str, home: str) -> RolloutFile | Fault | None:
    """Look at one path of a home; None: no rollout is there (any more)."""
    path = os.path.abspath(path)
    name = RolloutName.parse(os.path.basename(path))
    return None if name is None else _Walk(home, _NOTHING_KNOWN).file(path, name)


def _collect(step: _Walk, found: Iterable[RolloutFile | Fault]) -> Scan:
    files: list[RolloutFile] = []
    faults: list[Fault] = []
    for one in found:
        if isinstance(one, Fault):
            faults.append(one)
        else:
            files.append(one)
    return Scan(files=tuple(files), faults=tuple(faults), folders=step.folders)


class _Walk:
    """One look through the folders of a home."""

    def __init__(self, home: str, known: Mapping[str, RolloutFile]) -> None:
        self._home = home
        self._base = os.path.abspath(home)
        self._archive = f"{self._base}/{ARCHIVED}/"
        self._known = known
        self._seen: set[tuple[int, int]] = set()
        self.folders: dict[str, _Folder] = {}

    def home(self) -> Iterator[RolloutFile | Fault]:
        """Give the rollouts below the two roots of the home; of itself, only whether it is there.

        A root that is missing is none of a fault: Codex makes it when it needs it.
        """
        try:
            found = os.stat(self._base)
            self._seen.add((found.st_dev, found.st_ino))
            with os.scandir(self._base) as listing:
                self.folders[self._base] = _Folder(found.st_dev, any(True for _ in listing))
        except OSError as error:
            yield _fault(self._base, error, home=True)
            return
        for root in (SESSIONS, ARCHIVED):
            yield from self.below(f"{self._base}/{root}", optional=True)

    def below(self, root: str, *, optional: bool = False) -> Iterator[RolloutFile | Fault]:
        """Give the rollouts in and below a folder.

        Folders before links, so that a linked folder is known by its own path if it has one
        here. None is looked into twice: links in a circle end.
        """
        queue = deque([(root, 0)])
        links: deque[tuple[str, int]] = deque()
        while queue or links:
            folder, depth = (queue or links).popleft()
            try:
                found = os.stat(folder)
                if (found.st_dev, found.st_ino) in self._seen:
                    continue
                self._seen.add((found.st_dev, found.st_ino))
                yield from self._entries(folder, depth, found.st_dev, queue, links)
            except OSError as error:
                vanished = isinstance(error, FileNotFoundError)
                if not vanished or (folder == root and not optional):
                    yield _fault(folder, error)
                elif os.path.islink(folder):
                    yield _dead_link(folder)

    def _entries(
        self,
        folder: str,
        depth: int,
        device: int,
        queue: deque[tuple[str, int]],
        links: deque[tuple[str, int]],
    ) -> Iterator[RolloutFile | Fault]:
        """Give the rollouts of one folder, and queue the folders in it."""
        entries = False
        with os.scandir(folder) as listing:
            for entry in listing:
                entries = True
                before = self._known.get(entry.path)
                name = RolloutName.parse(entry.name) if before is None else before.name
                if name is not None:
                    rollout = self.file(entry.path, name, entry)
                    if rollout is not None:
                        yield rollout
                elif _is_folder(entry):
                    if depth < MAX_DEPTH:
                        (links if entry.is_symlink() else queue).append((entry.path, depth + 1))
                    else:
                        yield Fault(entry.path, "too deep", "too many folders deep; passed over")
                elif (
                    entry.is_symlink()
                    and not entry.name.startswith(".")
                    and not os.path.exists(entry.path)
                ):
                    yield _dead_link(entry.path)  # what it led to may be full of rollouts
        self.folders[folder] = _Folder(device, entries)

    def file(
        self, path: str, name: RolloutName, entry: os.DirEntry[str] | None = None
    ) -> RolloutFile | Fault | None:
        """Look at one file with the name of a rollout; None: it has just gone."""
        try:
            found = os.stat(path) if entry is None else entry.stat()
        except FileNotFoundError:
            if os.path.islink(path):
                return _dead_link(path)
            return None
        except OSError as error:
            return _fault(path, error)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            return Fault(path, "not a file", f"is {what}", "Move it away: its name is a rollout's")
        before = self._known.get(path)
        if (
            before is not None
            and before.size == found.st_size
            and before.mtime_ns == found.st_mtime_ns
            and before.inode == found.st_ino
            and before.device == found.st_dev
            and before.home == self._home
        ):
            return before
        return RolloutFile(
            name=name,
            home=self._home,
            path=path,
            archived=path.startswith(self._archive),
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            device=found.st_dev,
            inode=found.st_ino,
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _dead_link(path: str) -> Fault:
    return Fault(path, "missing", "a link to nothing", "Remove it, or mend its target")


def _fault(path: str, error: OSError, *, home: bool = False) -> Fault:
    """Say why a path cannot be looked at."""
    match error:
        case FileNotFoundError():
            hint = "Name Codex's home with --codex-home DIR or CODEX_HOME" if home else ""
            return Fault(path, "missing", "not there", hint)
        case PermissionError():
            hint = f"Mend: chmod u+rx {path}, or run as its owner"
            return Fault(path, "unreadable", "permission denied", hint)
        case NotADirectoryError():
            return Fault(path, "unreadable", "not a folder")
        case _:
            return Fault(path, "unreadable", f"cannot be read: {error.strerror or error}")


def joined(scans: Sequence[Scan]) -> Scan:
    """Make one of several: of several homes, or of several paths."""
    folders: dict[str, _Folder] = {}
    files: dict[str, RolloutFile] = {}
    for one in scans:
        folders |= one.folders
        for file in one.files:
            files.setdefault(file.path, file)
    faults = dict.fromkeys(fault for one in scans for fault in one.faults)
    return Scan(files=tuple(files.values()), faults=tuple(faults), folders=folders)
