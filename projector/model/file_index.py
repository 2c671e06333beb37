"""Files found by a scan, by rollout id, in a mapping that holds a million.

As objects each takes 900 bytes, most of them for its path and ids. Here a rollout is a number, its
id, and a byte string of its size, times, location and name, with the folder as a number: 200 bytes
together. Objects are created at each access; operations on all entries (what is new, what is
missing, total size) compare the byte strings. Two mappings with the same rollout in the same state
share its bytes.

Pure.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple

from projector.model.ids import RolloutFile, RolloutId, RolloutName

#: A rollout's id as a number; an id that is not a UUID stays a string.
Key = int | str

_BITS: Final = (1 << 64) - 1
#: Size, inode, device, mtime, ctime, number of the folder; then the file's name.
_FORM: Final = struct.Struct("<QQQQQL")
_NAMED: Final = _FORM.size
_SIZE: Final = struct.Struct("<Q")

#: Size, inode, device, mtime and ctime of a file.
Stamp = tuple[int, int, int, int, int]


class Folder(NamedTuple):
    """A folder that contains rollouts."""

    home: str
    """As given."""
    path: str
    archived: bool


#: Folders by number, and numbers of folders. A cache of constants, one entry per folder on disk.
#: Thread-safe: a number is assigned once, and its folder is stored before the number is.
_FOLDERS: Final[dict[int, Folder]] = {}
_NUMBERS: Final[dict[Folder, int]] = {}
_NEXT: Final = count()


def number_of(folder: Folder) -> int:
    """Return the number of a folder, constant for the life of the process."""
    number = _NUMBERS.get(folder)
    if number is not None:
        return number
    number = next(_NEXT)
    _FOLDERS[number] = folder
    return _NUMBERS.setdefault(folder, number)


def folder_of(number: int) -> Folder:
    """Return the folder of a number."""
    return _FOLDERS[number]


def packed(stamp: Stamp, folder: int, name: bytes) -> bytes:
    """Return the record of a rollout as bytes."""
    try:
        return _FORM.pack(*stamp, folder) + name
    except struct.error:  # a time before 1970, or an unusual file system
        return _FORM.pack(*(one & _BITS for one in stamp), folder) + name


def name_in(record: bytes) -> bytes:
    """Return the file name in a rollout's record."""
    return record[_NAMED:]


class FileIndex(MutableMapping[RolloutId, RolloutFile]):
    """Files by rollout id. Iterates over ids in order of insertion."""

    __slots__ = ("_odd", "_records")

    _records: dict[Key, bytes]

    def __init__(self) -> None:
        """Create an empty index."""
        self._records = {}
        self._odd: dict[RolloutId, RolloutFile] = {}
        """Rollouts whose file names do not contain their ids; they are among the records too."""

    def __len__(self) -> int:
        """Return the number of rollouts."""
        return len(self._records)

    def __iter__(self) -> Iterator[RolloutId]:
        """Yield the ids."""
        return map(id_of, self._records)

    def __contains__(self, rollout_id: object) -> bool:
        """True if a rollout is in the index."""
        return type(rollout_id) is str and key_of(rollout_id) in self._records

    def __getitem__(self, rollout_id: RolloutId) -> RolloutFile:
        """Return the file of a rollout."""
        odd = self._odd.get(rollout_id) if self._odd else None
        return file_of(self._records[key_of(rollout_id)]) if odd is None else odd

    def __setitem__(self, rollout_id: RolloutId, file: RolloutFile) -> None:
        """Store the file of a rollout."""
        folder, _, base = file.path.rpartition("/")
        stamp = file.size, file.inode, file.device, file.mtime_ns, file.ctime_ns
        self._put(rollout_id, Folder(file.home, folder, file.archived), base, stamp)
        if RolloutName.parse(base) != file.name or file.name.rollout_id != rollout_id:
            self._odd[rollout_id] = file

    def put(self, rollout_id: RolloutId, folder: Folder, base: str, stamp: Stamp) -> bool:
        """Store a rollout without creating its object.

        False if the file name does not contain its id.
        """
        name = RolloutName.parse(base)
        if name is None or name.rollout_id != rollout_id:
            return False
        self._put(rollout_id, folder, base, stamp)
        return True

    def _put(self, rollout_id: RolloutId, folder: Folder, base: str, stamp: Stamp) -> None:
        if self._odd:
            self._odd.pop(rollout_id, None)
        name = base.encode(errors="surrogateescape")
        self._records[key_of(rollout_id)] = packed(stamp, number_of(folder), name)

    def __delitem__(self, rollout_id: RolloutId) -> None:
        """Remove a rollout."""
        del self._records[key_of(rollout_id)]
        self._odd.pop(rollout_id, None)

    def clear(self) -> None:
        """Remove all rollouts."""
        self._records.clear()
        self._odd.clear()

    # Operations on all entries

    def bytes_on_disk(self) -> int:
        """Return the total size of all files, bytes."""
        size = _SIZE.unpack_from
        return sum(size(record)[0] for record in self._records.values())

    def bytes_beyond(self, others: FileIndex) -> int:
        """Return by how many bytes all files together exceed their sizes in `others`."""
        beyond, theirs, size = 0, others._records, _SIZE.unpack_from
        for key, record in self._records.items():
            known = theirs.get(key)
            behind = size(record)[0] if known is None else size(record)[0] - size(known)[0]
            beyond += max(0, behind)
        return beyond

    def oldest_first(self) -> FileIndex:
        """Return a copy in order of ids, which grow with the start time of the rollout."""
        ordered = FileIndex()
        keys = sorted(self._records, key=lambda key: key if type(key) is int else 0)
        ordered._records = {key: self._records[key] for key in keys}
        ordered._odd = self._odd
        return ordered

    def unlike(self, others: FileIndex) -> Iterator[Key]:
        """Yield the keys of rollouts that are missing from `others` or differ there."""
        theirs, odd = others._records, self._odd or others._odd
        for key, record in self._records.items():
            known = theirs.get(key)
            if known is record:
                continue
            if known == record and not odd:
                theirs[key] = record  # share one record
                continue
            if known is None or self[id_of(key)] != others[id_of(key)]:
                yield key

    def without(self, found: FileIndex) -> Iterator[RolloutId]:
        """Yield the rollouts that are not in `found`."""
        theirs = found._records
        return (id_of(key) for key in self._records if key not in theirs)

    def sizes(self) -> Iterator[tuple[Key, int, bool]]:
        """Yield the key, size in bytes and compression flag of each rollout."""
        for key, record in self._records.items():
            yield key, _SIZE.unpack_from(record)[0], record.endswith(b".zst")

    def give(self, key: Key, to: FileIndex) -> None:
        """Copy a rollout's record to another index, sharing its bytes."""
        to._records[key] = self._records[key]
        if self._odd and id_of(key) in self._odd:
            to._odd[id_of(key)] = self._odd[id_of(key)]
        elif to._odd:
            to._odd.pop(id_of(key), None)

    # Used while folders are scanned

    def key_of_name(self, name: str) -> Key | None:
        """Return the key of the rollout stored under this file name; None if there is none."""
        end = -10 if name.endswith(".zst") else -6  # before `.jsonl`
        try:
            key = int(name[end - 36 : end].replace("-", ""), 16)
            record = self._records.get(key)
            return key if record is not None and name_in(record) == name.encode("ascii") else None
        except ValueError:
            return None

    def record(self, key: Key) -> bytes | None:
        """Return the record stored under a key."""
        return self._records.get(key)

    def put_record(self, key: Key, record: bytes) -> None:
        """Store the record of a rollout whose file name contains its id."""
        self._records[key] = record


class WorkQueue(FileIndex):
    """Rollouts waiting to be processed."""

    __slots__ = ()

    _records: OrderedDict[Key, bytes]

    def __init__(self) -> None:
        """Create an empty queue."""
        super().__init__()
        self._records = OrderedDict()

    def put_first(self, rollout_id: RolloutId) -> None:
        """Move a waiting rollout to the front."""
        self._records.move_to_end(key_of(rollout_id), last=False)

    def pop_first(self) -> tuple[RolloutId, RolloutFile]:
        """Remove the first rollout and return it."""
        rollout_id = id_of(next(iter(self._records)))
        return rollout_id, self.pop(rollout_id)


@lru_cache(maxsize=512)
def key_of(rollout_id: str) -> Key:
    """Return the key of a rollout."""
    try:
        key = int(rollout_id.replace("-", ""), 16)
    except ValueError:
        return rollout_id
    return key if id_of(key) == rollout_id else rollout_id


def id_of(key: Key) -> RolloutId:
    """Return the rollout id of a key."""
    if type(key) is str:
        return RolloutId(key)
    text = f"{key:032x}"
    return RolloutId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def file_of(record: bytes) -> RolloutFile:
    """Return the file described by a record."""
    size, inode, device, mtime_ns, ctime_ns, number = _FORM.unpack_from(record)
    folder = _FOLDERS[number]
    base = name_in(record).decode(errors="surrogateescape")
    name = RolloutName.parse(base)
    assert name is not None, "otherwise the rollout is in _odd"
    return RolloutFile(
        name=name,
        home=folder.home,
        path=f"{folder.path}/{base}",
        archived=folder.archived,
        size=size,
        mtime_ns=_signed(mtime_ns),
        device=device,
        inode=inode,
        ctime_ns=_signed(ctime_ns),
    )


def _signed(time_ns: int) -> int:
    return time_ns if time_ns <= _BITS >> 1 else time_ns - _BITS - 1
