"""Find all rollouts by listing folders, without opening files.

Scans are authoritative, file events only hints, so scans are frequent and must be cheap: one `stat`
per rollout, and a rollout unchanged since the previous scan is the same bytes again
(`file_index.py`). An unchanged folder is not listed again (`Listings`). Folders are streamed: one
with a million files takes time, not memory.

A path that cannot be read is a `Fault`, a value: the other folders continue. A file missing from a
scan is deleted only if the scan proves it (`Scan.confirms_missing`): an unreadable folder or an
unmounted home proves nothing about its rollouts.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from projector.model.file_index import (
    FileIndex,
    Folder,
    Key,
    Stamp,
    file_of,
    folder_of,
    key_of,
    name_in,
    number_of,
    packed,
)
from projector.model.ids import RolloutFile, RolloutName

SESSIONS: Final = "sessions"
ARCHIVED: Final = "archived_sessions"
#: Thread names, in the home itself.
SESSION_INDEX: Final = "session_index.jsonl"
#: A folder modified less than this many nanoseconds before it was listed may change again without
#: new times: file system clocks are coarse.
_SETTLED_NS: Final = 2_000_000_000
#: Maximum depth below a root; Codex uses three (year, month, day).
MAX_DEPTH: Final = 8


_MOUNTED: Final = "If it is there again: restart the daemon, it is shown the folder of then"


class Fault(NamedTuple):
    """A path that cannot be read, and why."""

    path: str
    kind: Literal["missing", "unreadable", "not a file", "not a rollout", "too deep"]
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        """Return the one line shown to people."""
        line = f"{self.path}: {self.reason}"
        return f"{line}. {self.hint}" if self.hint else line


class _Folder(NamedTuple):
    """A folder that was listed."""

    device: int
    entries: bool
    """True if it contains anything at all."""


class _Listing(NamedTuple):
    """The contents of a folder.

    Rollouts, folders, and nothing that depends on another path (links).
    """

    times: tuple[int, ...]
    folder: _Folder
    keys: list[Key]
    folders: list[str]


#: Listings by path. A folder with the same times contains the same names; whether the named files
#: changed is not covered. Listings must be discarded now and then: some file systems have
#: unreliable folder times.
Listings = dict[str, _Listing]


class Unchanged(NamedTuple):
    """Files that only need to be reported if they changed.

    Creating a `RolloutFile` takes longer than checking it.
    """

    sizes: Mapping[str, int]
    """Size in bytes, by path."""
    found: set[str]
    """Paths of files found with the same size."""


class Scan(Struct, frozen=True, kw_only=True):
    """The result of a scan."""

    files: tuple[RolloutFile, ...]
    """Unordered. Two may have the same `rollout_id`: `choose` decides."""
    faults: tuple[Fault, ...]
    folders: Mapping[str, _Folder]
    """Folders listed completely: path → the facts that matter."""
    devices: frozenset[int] = frozenset()
    """Devices on which rollouts were found."""

    def confirms_missing(self, file: RolloutFile) -> bool:
        """True if the scan proves that `file`, which is not among `files`, no longer exists.

        False if a parent folder was unreadable or outside the scan, or if its folder is empty and
        on another device than before: not mounted.
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
        return file.device in self.devices or any(
            file.device == folder.device for folder in self.folders.values()
        )


def scan(home: str) -> Scan:
    """Find all rollouts of a CODEX_HOME."""
    step = _Walk(home)
    return _collect(step, step.home())


def scan_folder(folder: str, home: str) -> Scan:
    """Find the rollouts in and below a folder of a home, after an event of that folder."""
    step = _Walk(home)
    return _collect(step, step.below(os.path.abspath(folder)))


def walk(home: str, unchanged: Unchanged | None = None) -> Iterator[RolloutFile | Fault]:
    """Yield all rollouts of a CODEX_HOME within bounded memory.

    `unchanged`: files that match it are recorded there and not yielded.
    """
    return map(_file, _Walk(home, unchanged=unchanged).home())


def scan_homes(
    homes: Iterable[str],
    before: FileIndex,
    other: Callable[[RolloutFile, RolloutFile], RolloutFile],
    listings: Listings,
) -> tuple[FileIndex, Scan]:
    """Find all rollouts of several CODEX_HOMEs, one file each, with minimal memory.

    Args:
        homes: in order of precedence.
        before: result of the previous scan.
        other: selects between two files of a rollout, the one found first and another.
        listings: of previous scans; updated.

    Returns the rollouts, and a scan without files for everything else.
    """
    found = FileIndex()
    faults: dict[Fault, None] = {}
    folders: dict[str, _Folder] = {}
    devices: set[int] = set()
    known, put = found.record, found.put_record
    for home in homes:
        step = _Walk(home, before, found, listings)
        for one in step.home():
            if isinstance(one, Fault):
                faults[one] = None
                continue
            key, name, base, place, status = one
            devices.add(status.st_dev)
            record = packed(_stamp(status), place, base.encode("ascii"))
            if name is None and (same := before.record(key)) == record:
                record = same
            first = known(key)
            if first is None:
                put(key, record)
            elif first != record:
                mine = file_of(first)
                chosen = other(mine, file_of(record))
                if chosen != mine:
                    put(key, record)
        folders |= step.folders
        devices |= step.devices
    return found, Scan(files=(), faults=tuple(faults), folders=folders, devices=frozenset(devices))


def stat_rollout(path: str, home: str) -> RolloutFile | Fault | None:
    """Return the rollout at one path of a home; None if there is none (any more)."""
    path = os.path.abspath(path)
    name = RolloutName.parse(os.path.basename(path))
    if name is None:
        return None
    found = _status(path)
    if found is None or isinstance(found, Fault):
        return found
    folder, _, base = path.rpartition("/")
    return _file(_Entry(key_of(name.rollout_id), name, base, _Walk(home).place(folder), found))


class _Entry(NamedTuple):
    """A file with the name of a rollout."""

    key: Key
    name: RolloutName | None
    """None: it was already known under this name."""
    base: str
    place: int
    """Number of its folder."""
    status: os.stat_result


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_ino, found.st_dev, found.st_mtime_ns, found.st_ctime_ns


def _file(found: _Entry | Fault) -> RolloutFile | Fault:
    if isinstance(found, Fault):
        return found
    folder, status = folder_of(found.place), found.status
    assert found.name is not None, "nothing is known before"
    return rollout_file(found.name, folder, found.base, status)


def rollout_file(
    name: RolloutName, folder: Folder, base: str, status: os.stat_result
) -> RolloutFile:
    """Return a file of a folder as a rollout, as `os.stat` found it."""
    return RolloutFile(
        name=name,
        home=folder.home,
        path=f"{folder.path}/{base}",
        archived=folder.archived,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        device=status.st_dev,
        inode=status.st_ino,
        ctime_ns=status.st_ctime_ns,
    )


def _collect(step: _Walk, found: Iterable[_Entry | Fault]) -> Scan:
    files: list[RolloutFile] = []
    faults: list[Fault] = []
    for one in map(_file, found):
        if isinstance(one, Fault):
            faults.append(one)
        else:
            files.append(one)
    return Scan(
        files=tuple(files),
        faults=tuple(faults),
        folders=step.folders,
        devices=frozenset(file.device for file in files),
    )


class _Walk:
    """One traversal of the folders of a home."""

    def __init__(
        self,
        home: str,
        before: FileIndex | None = None,
        found: FileIndex | None = None,
        listings: Listings | None = None,
        unchanged: Unchanged | None = None,
    ) -> None:
        """Create a traversal.

        Args:
            home: as given in the settings.
            before: rollouts whose names need not be parsed again.
            found: receives the rollouts of unchanged folders, which are not yielded.
            listings: of unchanged folders; None: do not use listings.
            unchanged: see `walk`.
        """
        self._home = home
        self._base = os.path.abspath(home)
        self._archive = f"{self._base}/{ARCHIVED}/"
        self._before = FileIndex() if before is None else before
        self._found = FileIndex() if found is None else found
        self._listings = listings
        self._unchanged = unchanged
        self._seen: set[tuple[int, int]] = set()
        self.folders: dict[str, _Folder] = {}
        self.devices: set[int] = set()
        """Devices of the rollouts that are not yielded."""

    def home(self) -> Iterator[_Entry | Fault]:
        """Yield the rollouts below the two roots of the home.

        The home itself is only checked to exist. A missing root is not a fault: Codex creates it
        when needed.
        """
        try:
            found = os.stat(self._base)
            if not found.st_nlink:  # replaced while open; still mounted here
                yield Fault(self._base, "missing", "was removed", _MOUNTED)
                return
            self._seen.add((found.st_dev, found.st_ino))
            with os.scandir(self._base) as listing:
                self.folders[self._base] = _Folder(found.st_dev, any(True for _ in listing))
        except OSError as error:
            yield _fault(self._base, error, home=True)
            return
        for root in (SESSIONS, ARCHIVED):
            yield from self.below(f"{self._base}/{root}", optional=True)

    def below(self, root: str, *, optional: bool = False) -> Iterator[_Entry | Fault]:
        """Yield the rollouts in and below a folder.

        Folders come before links, so that a linked folder inside the home is found by its own path.
        No folder is listed twice: circular links end.
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
                listing = self._listings.get(folder) if self._listings else None
                if listing is not None and self._is_as_listed(listing, folder, found):
                    queue.extend((one, depth + 1) for one in listing.folders)
                else:
                    yield from self._entries(folder, depth, found, queue, links)
            except OSError as error:
                vanished = isinstance(error, FileNotFoundError)
                if not vanished or (folder == root and not optional):
                    yield _fault(folder, error)
                elif os.path.islink(folder):
                    yield _dead_link(folder)

    def _is_as_listed(self, listing: _Listing, folder: str, status: os.stat_result) -> bool:
        """True if a folder has the same contents and each of its rollouts is unchanged.

        True for nearly all folders at each scan, so nothing else is done for them.
        """
        if listing.times != _times(status):
            return False
        place, before, found = self.place(folder), self._before.record, self._found.record
        same: list[tuple[Key, bytes]] = []
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for key in listing.keys:
                record = before(key)
                if record is None or found(key) is not None:
                    return False
                lies = os.stat(name_in(record), dir_fd=descriptor, follow_symlinks=False)
                as_before = record.startswith(packed(_stamp(lies), place, b""))
                if not (as_before and stat.S_ISREG(lies.st_mode)):
                    return False
                self.devices.add(lies.st_dev)
                same.append((key, record))
        except FileNotFoundError:
            return False
        finally:
            os.close(descriptor)
        for key, record in same:
            self._found.put_record(key, record)
        self.folders[folder] = listing.folder
        return True

    def _entries(
        self,
        folder: str,
        depth: int,
        status: os.stat_result,
        queue: deque[tuple[str, int]],
        links: deque[tuple[str, int]],
    ) -> Iterator[_Entry | Fault]:
        """Yield the rollouts of one folder, and queue its subfolders."""
        entries = False
        place, known = self.place(folder), self._before.key_of_name
        keys: list[Key] = []
        queued = len(queue)
        age_ns = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns)
        lasting = self._listings is not None and age_ns > _SETTLED_NS
        with os.scandir(folder) as listing:
            for entry in listing:
                entries = True
                base = entry.name
                if self._unchanged is not None and self._is_unchanged(folder, entry):
                    continue
                lasting = lasting and not entry.is_symlink()
                key = known(base)
                name = RolloutName.parse(base) if key is None else None
                if name is not None:
                    key = key_of(name.rollout_id)
                found = _other(entry, depth, queue, links) if key is None else _status(entry)
                if isinstance(found, Fault):
                    lasting = False
                    yield found
                elif key is not None and found is not None:
                    if lasting:
                        keys.append(key)
                    yield _Entry(key, name, base, place, found)
        self.folders[folder] = _Folder(status.st_dev, entries)
        if self._listings is not None and lasting:
            folders = [path for path, _ in islice(queue, queued, None)]
            self._listings[folder] = _Listing(_times(status), self.folders[folder], keys, folders)

    def _is_unchanged(self, folder: str, entry: os.DirEntry[str]) -> bool:
        """Record a file as unchanged; False if it changed."""
        assert self._unchanged is not None, "asked for"
        path = f"{folder}/{entry.name}"
        size = self._unchanged.sizes.get(path)
        if size is None:
            return False
        found = _status(entry)
        if not isinstance(found, os.stat_result) or found.st_size != size:
            return False
        self._unchanged.found.add(path)
        return True

    def place(self, folder: str) -> int:
        """Return the number of a folder of this home."""
        archived = f"{folder}/".startswith(self._archive)
        return number_of(Folder(self._home, folder, archived))


def _other(
    entry: os.DirEntry[str],
    depth: int,
    queue: deque[tuple[str, int]],
    links: deque[tuple[str, int]],
) -> Fault | None:
    """Queue a folder; return a fault for anything else that is not a rollout."""
    if _is_folder(entry):
        if depth >= MAX_DEPTH:
            return Fault(entry.path, "too deep", "too many folders deep; passed over")
        (links if entry.is_symlink() else queue).append((entry.path, depth + 1))
    elif entry.is_symlink() and not entry.name.startswith(".") and not os.path.exists(entry.path):
        return _dead_link(entry.path)  # its target may have been full of rollouts
    return None


def _times(folder: os.stat_result) -> tuple[int, ...]:
    return folder.st_dev, folder.st_ino, folder.st_mtime_ns, folder.st_ctime_ns


def _status(entry: os.DirEntry[str] | str) -> os.stat_result | Fault | None:
    """Return the stat of a file with the name of a rollout; None: it has just disappeared."""
    path = entry if isinstance(entry, str) else entry.path
    try:
        found = os.stat(path) if isinstance(entry, str) else entry.stat()
    except FileNotFoundError:
        return _dead_link(path) if os.path.islink(path) else None
    except OSError as error:
        return _fault(path, error)
    if stat.S_ISREG(found.st_mode):
        return found
    what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
    return Fault(path, "not a file", f"is {what}", "Move it away: its name is a rollout's")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # circular link
        return False


def _dead_link(path: str) -> Fault:
    return Fault(path, "missing", "a link to nothing", "Remove it, or fix its target")


def _fault(path: str, error: OSError, *, home: bool = False) -> Fault:
    """Create the fault for a path that cannot be read."""
    match error:
        case FileNotFoundError():
            hint = "Name Codex's home with --codex-home DIR or CODEX_HOME" if home else ""
            return Fault(path, "missing", "not there", hint)
        case PermissionError():
            hint = f"Fix: chmod u+rx {path}, or run as its owner"
            return Fault(path, "unreadable", "permission denied", hint)
        case NotADirectoryError():
            return Fault(path, "unreadable", "not a folder")
        case _:
            return Fault(path, "unreadable", f"cannot be read: {error.strerror or error}")


def joined(scans: Sequence[Scan]) -> Scan:
    """Merge several scans: of several homes, or of several paths."""
    folders: dict[str, _Folder] = {}
    files: dict[str, RolloutFile] = {}
    for one in scans:
        folders |= one.folders
        for file in one.files:
            files.setdefault(file.path, file)
    faults = dict.fromkeys(fault for one in scans for fault in one.faults)
    return Scan(
        files=tuple(files.values()),
        faults=tuple(faults),
        folders=folders,
        devices=frozenset(device for one in scans for device in one.devices),
    )
