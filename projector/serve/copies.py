"""A further file of a rollout that is not projected: what it holds that the projected one lacks.

Two files of a rollout that went different ways cannot both be its history: the newer is
projected, as it is the one that Codex goes on with. What the older alone holds is neither here
nor in Codex; `doctor` tells of it.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from projector.discover.choose import DIFFERENT
from projector.errors import SetAside
from projector.place import RolloutId, ThreadId
from projector.read.rollout import RolloutReader
from projector.reduce.start import start
from projector.rows import Drop, Found, ItemRow, TurnRow
from projector.serve.shortfall import NOTHING, Missing


def path_of(note: str) -> str | None:
    """Give the file that a `second_file` tells of, if it went another way; None: it did not."""
    path, differs, _ = note.partition(f": {DIFFERENT} ")
    return path if differs else None


def alone(
    path: str,
    rollout_id: RolloutId,
    thread_id: ThreadId,
    turns: AbstractSet[str],
    items: AbstractSet[tuple[str, str]],
) -> Missing:
    """Give what a file holds beyond these turns and items; nothing, where it cannot be read."""
    started: dict[str, tuple[int, int | None]] = {}
    more: dict[bytes, tuple[str, int]] = {}
    reducer = start(rollout_id, thread_id)
    try:
        with RolloutReader(path, compressed=path.endswith(".zst")) as reader:
            reader.resume()
            while not reader.at_end:
                lines = reader.read()
                while wants := reducer.wants(lines):
                    reducer.learn(wants, Found())
                for change in reducer.take(lines):
                    if isinstance(change, TurnRow):
                        started[change.turn_id] = change.offset, change.started_at
                    elif isinstance(change, Drop):
                        more.pop(change.uid, None)
                    elif (
                        isinstance(change, ItemRow)
                        and (change.turn_id, change.item_id) not in items
                    ):
                        more.setdefault(change.uid, (change.turn_id, change.offset))
    except SetAside:
        return NOTHING
    lacked = {turn_id: place for turn_id, (place, _) in started.items() if turn_id not in turns}
    for turn_id, offset in more.values():
        place, _ = started.get(turn_id, (offset, None))
        lacked[turn_id] = min(place, lacked.get(turn_id, place))
    told = tuple(sorted(lacked, key=lacked.__getitem__))
    return Missing(told, len(more), started[told[0]][1] if told and told[0] in started else None)
