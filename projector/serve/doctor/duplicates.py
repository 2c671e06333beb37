"""Compare a file of a rollout that is not projected with the projected one.

The file has a rollout's name, or one that a sync program derived from it.

Two files of a rollout with different content cannot both be its history: the newer one is
projected, as Codex continues that one. What only the older one contains is neither here nor in
Codex; `doctor` reports it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Final

from projector.discover.duplicates import DIFFERENT
from projector.discover.scan import rollout_file
from projector.model.changes import ItemRow, LookupResult, Tombstone, TurnRow
from projector.model.errors import RolloutUnreadable
from projector.model.file_index import Folder
from projector.model.ids import RolloutFile, RolloutId, RolloutName, ThreadId
from projector.read.compare_files import Agreements
from projector.read.rollout import RolloutReader
from projector.reduce.detect import start
from projector.serve.doctor.codex_gaps import NOTHING, Missing

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAMED: Final = re.compile(
    rf"rollout-(?:\d{{4}}-\d\d-\d\d(?:T\d\d-\d\d-\d\d)?-)?{_UUID}(?:_{_UUID})?",
    re.ASCII | re.IGNORECASE,
)


def copied_name(name: str) -> RolloutName | None:
    """Return the name of the rollout of which a file is a copy, by the naming of sync programs.

    Such as `rollout-TIME-ID.sync-conflict-20261101-101010-ABCDEFG.jsonl`, `rollout-TIME-ID
    (1).jsonl`, `rollout-TIME-ID.jsonl.bak`. None: the file has a rollout's own name, or is no copy.
    """
    found = _NAMED.search(name)
    if found is None or ".jsonl" not in name or RolloutName.parse(name) is not None:
        return None
    return RolloutName.parse(f"{found[0]}.jsonl{'.zst' if '.zst' in name else ''}")


def conflicts(files: Iterable[RolloutFile], folders: Iterable[str], limit: int) -> Iterator[str]:
    """Yield the paths of renamed copies that contain records missing from their rollouts.

    `folders`: those with rollouts; `limit`: maximum number of copies compared.
    """
    known: dict[RolloutId, list[RolloutFile]] = {}
    for file in files:
        known.setdefault(file.name.rollout_id, []).append(file)
    agreements = Agreements()
    for copy in islice(_copies(folders), limit):
        held = known.get(copy.name.rollout_id, ())
        no_more = {"same", "shorter", "unreadable"}
        if not any(agreements.compare(copy, one) in no_more for one in held):
            yield copy.path


def _copies(folders: Iterable[str]) -> Iterator[RolloutFile]:
    for folder in sorted(folders):
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError:  # reported by the scan
            continue
        for name in names:
            copied = copied_name(name)
            if copied is None:
                continue
            try:
                found = os.stat(f"{folder}/{name}")
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield rollout_file(copied, Folder("", folder, archived=False), name, found)


def path_of(note: str) -> str | None:
    """Return the path in a `second_file` detail if the file has different content, else None."""
    path, differs, _ = note.partition(f": {DIFFERENT} ")
    return path if differs else None


def alone(
    path: str,
    rollout_id: RolloutId,
    thread_id: ThreadId,
    turns: AbstractSet[str],
    items: AbstractSet[tuple[str, str]],
) -> Missing:
    """Return what a file contains beyond these turns and items; nothing if it cannot be read."""
    started: dict[str, tuple[int, int | None]] = {}
    more: dict[bytes, tuple[str, int]] = {}
    reducer = start(rollout_id, thread_id)
    try:
        with RolloutReader(path, compressed=path.endswith(".zst")) as reader:
            reader.resume()
            while not reader.at_end:
                lines = reader.read()
                while wants := reducer.lookup(lines):
                    reducer.provide(wants, LookupResult())
                for change in reducer.apply(lines):
                    if isinstance(change, TurnRow):
                        started[change.turn_id] = change.offset, change.started_at
                    elif isinstance(change, Tombstone):
                        more.pop(change.uid, None)
                    elif (
                        isinstance(change, ItemRow)
                        and (change.turn_id, change.item_id) not in items
                    ):
                        more.setdefault(change.uid, (change.turn_id, change.offset))
    except RolloutUnreadable:
        return NOTHING
    lacked = {turn_id: place for turn_id, (place, _) in started.items() if turn_id not in turns}
    for turn_id, offset in more.values():
        place, _ = started.get(turn_id, (offset, None))
        lacked[turn_id] = min(place, lacked.get(turn_id, place))
    told = tuple(sorted(lacked, key=lacked.__getitem__))
    return Missing(told, len(more), started[told[0]][1] if told and told[0] in started else None)
