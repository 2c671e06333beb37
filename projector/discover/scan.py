"""Which rollouts there are, by a look at the folders alone.

A scan opens no file. It is the truth that file events only hint at, so it is made often and must
cost little: one `stat` a rollout, and a rollout that is as it was in the scan before is the same
bytes again (`known.py`). A folder that is as it was is not listed again (`Listings`). Folders
stream: one with a million files takes time, not memory.

What cannot be looked at is a `Fault`, a value: the other folders go on. A file that is missing
from a scan is gone only if the scan can vouch for that (`Scan.vouches_for`): a folder without
permission or a home that is not mounted says nothing of its rollouts.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, NamedTuple

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
#: Names of threads, in the home itself.
SESSION_INDEX: Final = "session_index.jsonl"
#: A folder that changed less than so many nanoseconds before it was listed may change once more
#: and have the same times: the clocks of file systems are coarse.
_SETTLED_NS: Final = 2_000_000_000
#: Folders below a root that are looked into; Codex uses three (year, month, day).
MAX_DEPTH: Final = 8


_MOUNTED: Final = "If it is there again: restart the daemon, it is shown the folder of then"


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


class _Listing(NamedTuple):
    """What a folder held: rollouts, folders, and nothing whose meaning lies elsewhere (links)."""

    times: tuple[int, ...]
    folder: _Folder
    keys: list[Key]
    folders: list[str]


#: By path. The same folder with the same times holds the same names; whether what they name has
#: changed, that does not tell. Whoever keeps them must forget them now and then: on some file
#: systems the times of a folder are not to be trusted.
Listings = dict[str, _Listing]


class Unchanged(NamedTuple):
    """Files of which only that matters that they lie as they did.

    To make all that a `RolloutFile` is takes longer than to look at it.
    """

    sizes: Mapping[str, int]
    """Bytes by path."""
    found: set[str]
    """Paths of those that are there, with so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a look found."""

    files: tuple[RolloutFile, ...]
    """In no order. Two may have one `rollout_id`: `choose` decides."""
    faults: tuple[Fault, ...]
    folders: Mapping[str, _Folder]
    """Looked into to the end: path → what matters of it."""
    devices: frozenset[int] = frozenset()
    """That rollouts were found on."""

    def confirms_missing(self, file: RolloutFile) -> bool:
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
        return file.device in self.devices or any(
            file.device == folder.device for folder in self.folders.values()
        )


def scan(home: str) -> Scan:
    """Find all rollouts of a CODEX_HOME."""
    step = _Walk(home)
    return _collect(step, step.home())


def scan_folder(folder: str, home: str) -> Scan:
    """Find the rollouts in a folder of a home and below: what an event of the folder asks for."""
    step = _Walk(home)
    return _collect(step, step.below(os.path.abspath(folder)))


def walk(home: str, unchanged: Unchanged | None = None) -> Iterator[RolloutFile | Fault]:
    """Find all rollouts of a CODEX_HOME, one by one, within bounded memory.

    `unchanged`: those that lie as it says are put there and not given.
    """
    return map(_file, _Walk(home, unchanged=unchanged).home())


def scan_homes(
    homes: Iterable[str],
    before: FileIndex,
    other: Callable[[RolloutFile, RolloutFile], RolloutFile],
    listings: Listings,
) -> tuple[FileIndex, Scan]:
    """Find all rollouts of some CODEX_HOMEs, one file each, in as little memory as can be.

    Args:
        homes: in the order in which they count.
        before: what the look before this one found.
        other: chooses between two files of a rollout, the one found first and another.
        listings: of the looks before; brought up to date.

    Gives the rollouts, and a scan without files, of all else.

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
    """Look at one path of a home; None: no rollout is there (any more)."""
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
    """None: it was known under this name."""
    base: str
    place: int
    """Number of its folder."""
    status: os.stat_result


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_ino, found.st_dev, found.st_mtime_ns


def _file(found: _Entry | Fault) -> RolloutFile | Fault:
    if isinstance(found, Fault):
        return found
    folder, status = folder_of(found.place), found.status
    assert found.name is not None, "nothing is known before"
    return RolloutFile(
        name=found.name,
        home=folder.home,
        path=f"{folder.path}/{found.base}",
        archived=folder.archived,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        device=status.st_dev,
        inode=status.st_ino,
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
    """One look through the folders of a home."""

    def __init__(
        self,
        home: str,
        before: FileIndex | None = None,
        found: FileIndex | None = None,
        listings: Listings | None = None,
        unchanged: Unchanged | None = None,
    ) -> None:
        """Begin.

        Args:
            home: as given.
            before: rollouts whose names need not be read again.
            found: gets those of folders that are as they were; they are not given.
            listings: of folders as they were; None: nobody asks for them.
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
        """Of the rollouts that are not given."""

    def home(self) -> Iterator[_Entry | Fault]:
        """Give the rollouts below the two roots of the home; of itself, only whether it is there.

        A root that is missing is none of a fault: Codex makes it when it needs it.
        """
        try:
            found = os.stat(self._base)
            if not found.st_nlink:  # its name leads elsewhere by now; it stays mounted here
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
        """Tell whether a folder holds what it held, and each of its rollouts lies as before.

        Nearly all do, at each scan: so this is all that is done about one of them.
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
        """Give the rollouts of one folder, and queue the folders in it."""
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
        """Tell whether a file lies as it did, and if so put it among those."""
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
        """Give the number of a folder of this home."""
        archived = f"{folder}/".startswith(self._archive)
        return number_of(Folder(self._home, folder, archived))


def _other(
    entry: os.DirEntry[str],
    depth: int,
    queue: deque[tuple[str, int]],
    links: deque[tuple[str, int]],
) -> Fault | None:
    """Queue a folder; give what is wrong with what is no rollout."""
    if _is_folder(entry):
        if depth >= MAX_DEPTH:
            return Fault(entry.path, "too deep", "too many folders deep; passed over")
        (links if entry.is_symlink() else queue).append((entry.path, depth + 1))
    elif entry.is_symlink() and not entry.name.startswith(".") and not os.path.exists(entry.path):
        return _dead_link(entry.path)  # what it led to may be full of rollouts
    return None


def _times(folder: os.stat_result) -> tuple[int, ...]:
    return folder.st_dev, folder.st_ino, folder.st_mtime_ns, folder.st_ctime_ns


def _status(entry: os.DirEntry[str] | str) -> os.stat_result | Fault | None:
    """Look at one file with the name of a rollout; None: it has just gone."""
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
    return Scan(
        files=tuple(files.values()),
        faults=tuple(faults),
        folders=folders,
        devices=frozenset(device for one in scans for device in one.devices),
    )
