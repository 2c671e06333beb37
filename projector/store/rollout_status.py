"""The stored state of every rollout, in little memory (see `file_index.py`). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

from projector.model.file_index import FileIndex, Folder, Key, Stamp, id_of, key_of
from projector.model.ids import Offset, RolloutFile, RolloutId, RolloutName, ThreadId
from projector.store.protocol import RolloutStatus

#: Generation and offset; then the thread's id, if it differs from the rollout's.
_FORM: Final = struct.Struct("<qq")


class RolloutStatuses(Mapping[RolloutId, RolloutStatus]):
    """Statuses by rollout; filled row by row."""

    def __init__(self) -> None:
        """Create an empty mapping."""
        self.files = FileIndex()
        """Rollouts that are not deleted, at their last known locations."""
        self.trusted_bytes: dict[RolloutId, int] = {}
        """Rollouts whose bytes before the checkpoint may have changed: see `RolloutStatus`."""
        self._told: dict[Key, bytes] = {}

    @classmethod
    def of(cls, statuses: Iterable[RolloutStatus]) -> Self:
        """Create them from single statuses."""
        made = cls()
        for one in statuses:
            made.put(one.rollout_id, one.thread_id, one.generation, one.offset)
            if one.trusted_bytes is not None:
                made.trusted_bytes[one.rollout_id] = one.trusted_bytes
            if one.file is not None:
                made.files[one.rollout_id] = one.file
        return made

    def put(self, rollout_id: RolloutId, thread_id: ThreadId, generation: int, offset: int) -> None:
        """Add a rollout of the store."""
        other = "" if str(thread_id) == str(rollout_id) else thread_id
        self._told[key_of(rollout_id)] = _FORM.pack(generation, offset) + other.encode()

    def lies(
        self, rollout_id: RolloutId, thread_id: ThreadId, folder: Folder, base: str, stamp: Stamp
    ) -> None:
        """Add its last known location: this folder and this file name."""
        if self.files.put(rollout_id, folder, base, stamp):
            return
        size, inode, device, mtime_ns, ctime_ns = stamp
        self.files[rollout_id] = RolloutFile(
            name=RolloutName.parse(base)
            or RolloutName(
                thread_id=thread_id,
                rollout_id=rollout_id,
                started="",
                compressed=base.endswith(".zst"),
            ),
            home=folder.home,
            path=f"{folder.path}/{base}",
            archived=folder.archived,
            size=size,
            mtime_ns=mtime_ns,
            device=device,
            inode=inode,
            ctime_ns=ctime_ns,
        )

    def divide(self, whole: FileIndex, rest: FileIndex) -> set[Key]:
        """Divide the files into `whole`, those read to the last byte, and `rest`.

        A plain file's size decides; compressed files go to `rest`. Returns the keys of rollouts
        whose files were deleted.
        """
        for key, size, compressed in self.files.sizes():
            _, offset = _FORM.unpack_from(self._told[key])
            self.files.give(key, rest if compressed or offset != size else whole)
        if len(self._told) == len(self.files):
            return set()
        return {key for key in self._told if self.files.record(key) is None}

    def __len__(self) -> int:
        """Return the number of rollouts."""
        return len(self._told)

    def __iter__(self) -> Iterator[RolloutId]:
        """Yield the ids."""
        return map(id_of, self._told)

    def __contains__(self, rollout_id: object) -> bool:
        """True if the store contains a rollout."""
        return type(rollout_id) is str and key_of(rollout_id) in self._told

    def __getitem__(self, rollout_id: RolloutId) -> RolloutStatus:
        """Return a rollout's status."""
        told = self._told[key_of(rollout_id)]
        generation, offset = _FORM.unpack_from(told)
        other = told[_FORM.size :].decode()
        return RolloutStatus(
            rollout_id=rollout_id,
            thread_id=ThreadId(other or rollout_id),
            generation=generation,
            offset=Offset(offset),
            file=self.files.get(rollout_id),
            trusted_bytes=self.trusted_bytes.get(rollout_id),
        )
