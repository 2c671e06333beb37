"""Rollouts as they lay when they were looked at, by id: a mapping that a million fit into.

As objects each takes 900 bytes, most of them for its path and ids. Here a rollout is a number,
its id, and a byte string of its size, time, place and name, with the folder as a number: 190 bytes
together. What comes out is made anew at each look; whatever goes over all of them (what is new,
what is missing, how much there is) compares the byte strings themselves. Two mappings that know
the same rollout as it lay at the same time share them.

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

#: A rollout's id as a number; an id that is no UUID stays as it is.
Key = int | str

_BITS: Final = (1 << 64) - 1
#: Size, inode, device, time, number of the folder; then the file's name.
_FORM: Final = struct.Struct("<QQQQL")
_NAMED: Final = _FORM.size
_SIZE: Final = struct.Struct("<Q")

#: Size, inode, device and time of a file.
Stamp = tuple[int, int, int, int]


class Folder(NamedTuple):
    """Where rollouts lie."""

    home: str
    """As given."""
    path: str
    archived: bool


#: Folders by number, and numbers of folders. A cache of constants: there are as many as on disk.
#: Several threads may ask at once: a number is given once, and a folder is known before its number.
_FOLDERS: Final[dict[int, Folder]] = {}
_NUMBERS: Final[dict[Folder, int]] = {}
_NEXT: Final = count()


def number_of(folder: Folder) -> int:
    """Give the number that stands for a folder, the same for as long as the process runs."""
    number = _NUMBERS.get(folder)
    if number is not None:
        return number
    number = next(_NEXT)
    _FOLDERS[number] = folder
    return _NUMBERS.setdefault(folder, number)


def folder_of(number: int) -> Folder:
    """Give the folder of a number."""
    return _FOLDERS[number]


def packed(stamp: Stamp, folder: int, name: bytes) -> bytes:
    """Give what is known of a rollout as bytes."""
    try:
        return _FORM.pack(*stamp, folder) + name
    except struct.error:  # a time before 1970, or an odd file system
        return _FORM.pack(*(one & _BITS for one in stamp), folder) + name


def name_in(record: bytes) -> bytes:
    """Give the file name in what is known of a rollout as bytes."""
    return record[_NAMED:]


class FileIndex(MutableMapping[RolloutId, RolloutFile]):
    """Rollouts by id. Iterates over ids, in the order in which they came."""

    __slots__ = ("_odd", "_records")

    _records: dict[Key, bytes]

    def __init__(self) -> None:
        """Know none."""
        self._records = {}
        self._odd: dict[RolloutId, RolloutFile] = {}
        """Whose ids their names do not tell. They are among the records, too."""

    def __len__(self) -> int:
        """Tell how many there are."""
        return len(self._records)

    def __iter__(self) -> Iterator[RolloutId]:
        """Give the ids."""
        return map(id_of, self._records)

    def __contains__(self, rollout_id: object) -> bool:
        """Tell whether a rollout is known."""
        return type(rollout_id) is str and key_of(rollout_id) in self._records

    def __getitem__(self, rollout_id: RolloutId) -> RolloutFile:
        """Give a rollout as it lay."""
        odd = self._odd.get(rollout_id) if self._odd else None
        return file_of(self._records[key_of(rollout_id)]) if odd is None else odd

    def __setitem__(self, rollout_id: RolloutId, file: RolloutFile) -> None:
        """Know how a rollout lies."""
        folder, _, base = file.path.rpartition("/")
        stamp = file.size, file.inode, file.device, file.mtime_ns
        self._put(rollout_id, Folder(file.home, folder, file.archived), base, stamp)
        if RolloutName.parse(base) != file.name or file.name.rollout_id != rollout_id:
            self._odd[rollout_id] = file

    def put(self, rollout_id: RolloutId, folder: Folder, base: str, stamp: Stamp) -> bool:
        """Know how a rollout lies, without its object; False: its name does not tell its id."""
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
        """Know a rollout no more."""
        del self._records[key_of(rollout_id)]
        self._odd.pop(rollout_id, None)

    def clear(self) -> None:
        """Know none any more."""
        self._records.clear()
        self._odd.clear()

    # Over all of them

    def bytes_on_disk(self) -> int:
        """Give the bytes of all files together."""
        size = _SIZE.unpack_from
        return sum(size(record)[0] for record in self._records.values())

    def bytes_beyond(self, others: FileIndex) -> int:
        """Give the bytes of all files together that go beyond those that `others` know."""
        beyond, theirs, size = 0, others._records, _SIZE.unpack_from
        for key, record in self._records.items():
            known = theirs.get(key)
            behind = size(record)[0] if known is None else size(record)[0] - size(known)[0]
            beyond += max(0, behind)
        return beyond

    def oldest_first(self) -> FileIndex:
        """Give the same in the order of their ids, which grow with the time of their start."""
        ordered = FileIndex()
        keys = sorted(self._records, key=lambda key: key if type(key) is int else 0)
        ordered._records = {key: self._records[key] for key in keys}
        ordered._odd = self._odd
        return ordered

    def unlike(self, others: FileIndex) -> Iterator[Key]:
        """Give the keys of those that `others` does not know, or knows otherwise."""
        theirs, odd = others._records, self._odd or others._odd
        for key, record in self._records.items():
            known = theirs.get(key)
            if known is record:
                continue
            if known == record and not odd:
                theirs[key] = record  # one for both
                continue
            if known is None or self[id_of(key)] != others[id_of(key)]:
                yield key

    def without(self, found: FileIndex) -> Iterator[RolloutId]:
        """Give those that are not among `found`."""
        theirs = found._records
        return (id_of(key) for key in self._records if key not in theirs)

    def sizes(self) -> Iterator[tuple[Key, int, bool]]:
        """Give of each its key, its bytes, and whether it is compressed."""
        for key, record in self._records.items():
            yield key, _SIZE.unpack_from(record)[0], record.endswith(b".zst")

    def give(self, key: Key, to: FileIndex) -> None:
        """Have `to` know a rollout as it is known here, in the same bytes."""
        to._records[key] = self._records[key]
        if self._odd and id_of(key) in self._odd:
            to._odd[id_of(key)] = self._odd[id_of(key)]
        elif to._odd:
            to._odd.pop(id_of(key), None)

    # While folders are looked through

    def key_of_name(self, name: str) -> Key | None:
        """Give the key of a rollout that is known under this file name; None: it is none."""
        end = -10 if name.endswith(".zst") else -6  # before `.jsonl`
        try:
            key = int(name[end - 36 : end].replace("-", ""), 16)
            record = self._records.get(key)
            return key if record is not None and name_in(record) == name.encode("ascii") else None
        except ValueError:
            return None

    def record(self, key: Key) -> bytes | None:
        """Give what is known by a key."""
        return self._records.get(key)

    def put_record(self, key: Key, record: bytes) -> None:
        """Know a rollout, whose name tells its id, by its key and its bytes."""
        self._records[key] = record


class WorkQueue(FileIndex):
    """Rollouts that stand in line."""

    __slots__ = ()

    _records: OrderedDict[Key, bytes]

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self._records = OrderedDict()

    def put_first(self, rollout_id: RolloutId) -> None:
        """Have one that stands in line be the first."""
        self._records.move_to_end(key_of(rollout_id), last=False)

    def pop_first(self) -> tuple[RolloutId, RolloutFile]:
        """Take the first one out of the line."""
        rollout_id = id_of(next(iter(self._records)))
        return rollout_id, self.pop(rollout_id)


@lru_cache(maxsize=512)
def key_of(rollout_id: str) -> Key:
    """Give the key of a rollout."""
    try:
        key = int(rollout_id.replace("-", ""), 16)
    except ValueError:
        return rollout_id
    return key if id_of(key) == rollout_id else rollout_id


def id_of(key: Key) -> RolloutId:
    """Give the rollout of a key."""
    if type(key) is str:
        return RolloutId(key)
    text = f"{key:032x}"
    return RolloutId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def file_of(record: bytes) -> RolloutFile:
    """Give a rollout by its bytes."""
    size, inode, device, mtime_ns, number = _FORM.unpack_from(record)
    folder = _FOLDERS[number]
    base = name_in(record).decode(errors="surrogateescape")
    name = RolloutName.parse(base)
    assert name is not None, "else it is among the odd ones"
    return RolloutFile(
        name=name,
        home=folder.home,
        path=f"{folder.path}/{base}",
        archived=folder.archived,
        size=size,
        mtime_ns=mtime_ns if mtime_ns <= _BITS >> 1 else mtime_ns - _BITS - 1,
        device=device,
        inode=inode,
    )
