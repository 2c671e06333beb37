"""Compare Codex's own databases with the projection."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import orjson
from msgspec.structs import replace

from projector.model.errors import RolloutUnreadable
from projector.model.ids import RolloutId, ThreadId
from projector.model.regular_file import open_regular
from projector.read.rollout import RolloutReader
from projector.serve.doctor import duplicates as copies
from projector.serve.doctor.codex_databases import Databases, Listed, reading, threads
from projector.serve.doctor.codex_gaps import NOTHING, UNKNOWN, Held, Missing, Record
from projector.store.questions import paginated
from projector.store.questions.paginated import EVERYTHING, PaginatedRollout
from projector.store.reading import Connection

#: A record at a checkpoint is read up to this many bytes.
_RECORD_BYTES: Final = 8 << 20
#: Codex may be about to read a file that was written less than this many seconds ago.
FRESH_S: Final = 60.0


class Here(NamedTuple):
    """A paginated rollout as projected here."""

    row: PaginatedRollout
    odd: frozenset[str]
    """Kinds of anomalies of the whole file."""
    others: tuple[str, ...]
    """Files of the rollout with different content, which are not projected."""


def rollouts(ours: Connection, home: str) -> list[Here]:
    """Return the paginated rollouts of a home whose files exist."""
    odd: dict[RolloutId, set[str]] = {}
    others: dict[RolloutId, dict[str, None]] = {}
    for rollout_id, kind, detail in paginated.first_anomalies(ours):
        odd.setdefault(rollout_id, set()).add(kind)
        if kind == "second_file" and (path := copies.path_of(detail)) and os.path.exists(path):
            others.setdefault(rollout_id, {})[path] = None
    every = paginated.rollouts(ours)
    real = os.path.realpath(home)
    homes = {name for name in {row.home for row in every} if os.path.realpath(name) == real}
    return [
        Here(row, frozenset(odd.get(row.rollout_id, ())), tuple(others.get(row.rollout_id, ())))
        for row in every
        if row.home in homes
    ]


def held(ours: Connection, databases: Databases, now_s: float) -> Iterator[Held]:
    """Yield every paginated rollout of a home as projected here and in Codex.

    Raises:
        sqlite3.Error: one of Codex's databases cannot be read.
    """
    listed = None if databases.state is None else threads(databases.state)
    every = rollouts(ours, databases.home)
    if databases.history is None:
        for here in every:
            yield _Sources(ours, None, listed, now_s, databases.home).held(here, None)
        return
    with reading(databases.history) as codex:
        stands = {
            name: (offset, ordinal)
            for name, offset, ordinal in codex.execute(
                "SELECT thread_id, next_rollout_byte_offset, next_rollout_ordinal"
                " FROM thread_history_projection_state"
            )
        }
        continued = _continued(ours, stands)
        both = _Sources(ours, codex, listed, now_s, databases.home)
        for here in every:
            found = both.held(here, stands.get(here.row.rollout_id))
            inheritors = continued.get(here.row.rollout_id, ())
            for thread_id, upto in inheritors:
                lacks, _ = _missing(ours, None, here.row, None, upto=upto)
                yield replace(found, thread_id=thread_id, beyond=lacks, inherited=True)
            if not inheritors:
                yield found


def _continued(
    ours: Connection, stands: Mapping[str, object]
) -> dict[RolloutId, list[tuple[ThreadId, int]]]:
    """Return the threads that continue a rollout unknown to Codex, and up to which position."""
    found: dict[RolloutId, list[tuple[ThreadId, int]]] = {}
    for part in paginated.inherited_parts(ours):
        if part.current in stands and part.rollout_id not in stands:
            found.setdefault(part.rollout_id, []).append((part.thread_id, part.upto))
    return found


class _Sources(NamedTuple):
    """The databases that are compared."""

    ours: Connection
    codex: sqlite3.Connection | None
    """None: Codex has no projection at all."""
    listed: Mapping[ThreadId, Listed] | None
    now_s: float
    home: str

    def held(self, here: Here, stands: tuple[int, int] | None) -> Held:
        """Return one rollout; `stands`: Codex's position, None: it never projected the rollout."""
        row = here.row
        offset, ordinal = stands or (None, None)
        passed, beyond = _missing(self.ours, self.codex if stands else None, row, offset)
        if stands is None:
            passed, beyond = NOTHING, passed
        entry = None if self.listed is None else self.listed.get(row.thread_id)
        instead = None
        if entry is not None and row.current and _other(entry.path, row.path, self.home):
            instead = entry.path
        return Held(
            thread_id=row.thread_id,
            rollout_id=row.rollout_id,
            path=row.path,
            end=row.end,
            codex_offset=offset,
            codex_ordinal=ordinal,
            at=record_at(row, offset) if beyond and offset is not None else UNKNOWN,
            passed=passed,
            beyond=beyond,
            listed=None if self.listed is None else entry is not None,
            odd=here.odd,
            incomplete=row.incomplete and row.current,
            older=tuple(self._alone(here)),
            shown_instead=instead,
            fresh=_fresh(row.path, self.now_s),
        )

    def _alone(self, here: Here) -> Iterator[tuple[str, Missing]]:
        """Yield files of a rollout with content that is neither here nor in Codex."""
        if not here.others:
            return
        row = here.row
        turns = {
            turn.turn_id for turn in paginated.living_turns(self.ours, row.rollout_id, row.start)
        }
        items = {
            (item.turn_id, item.item_id)
            for item in paginated.living_items(self.ours, row.rollout_id, row.start)
        }
        for path in here.others:
            if not os.path.exists(row.path) or not os.path.samefile(path, row.path):
                missing = copies.alone(path, row.rollout_id, row.thread_id, turns, items)
                if missing:
                    yield path, missing


def _other(one: str, path: str, home: str) -> bool:
    """True if two paths are of different rollouts or copies.

    Compared by name, because homes are moved; within the home by location too.
    """
    names = (os.path.basename(each).removesuffix(".zst") for each in (one, path))
    if next(names) != next(names):
        return True
    one, path, home = (os.path.realpath(each) for each in (one, path, home))
    within = one.startswith(home + os.sep)
    return within and os.path.exists(one) and os.path.exists(path) and one != path


def _fresh(path: str, now_s: float) -> bool:
    try:
        return abs(now_s - os.stat(path).st_mtime) < FRESH_S
    except OSError:
        return False


def record_at(here: PaginatedRollout, offset: int) -> Record:
    """Read the record of a rollout at an offset of its uncompressed bytes."""
    try:
        if here.compressed:
            return _record_in_packed(here.path, offset)
        with os.fdopen(open_regular(here.path), "rb") as file:
            if offset > os.fstat(file.fileno()).st_size:
                return Record("beyond")
            if offset:
                file.seek(offset - 1)
                if file.read(1) != b"\n":
                    return Record("inside")
            line = file.readline(_RECORD_BYTES)
    except (OSError, RolloutUnreadable):
        return Record("unknown")
    return _ordinal_of(line)


def _record_in_packed(path: str, offset: int) -> Record:
    with RolloutReader(path, compressed=True) as reader:
        reader.resume()
        while not reader.at_end:
            for line in reader.read():
                if line.offset == offset:
                    return _ordinal_of(line.data)
                if line.end > offset:
                    return Record("inside")
        return Record("unknown" if reader.offset == offset else "beyond")


def _ordinal_of(line: bytes) -> Record:
    try:
        ordinal = orjson.loads(line)["ordinal"]
    except (ValueError, KeyError, TypeError):
        return Record("unknown")
    return Record("record", ordinal if type(ordinal) is int else None)


# Missing rows -------------------------------------------------------------------------------------


class _Gap:
    """Collects the missing rows of one range."""

    def __init__(self) -> None:
        self.turns: dict[str, int] = {}
        self.items = 0

    def turn(self, turn_id: str, offset: int) -> None:
        self.turns[turn_id] = min(offset, self.turns.get(turn_id, offset))

    def told(self, started: Mapping[str, tuple[int, int | None]]) -> Missing:
        def place(turn_id: str) -> int:
            return min(self.turns[turn_id], started.get(turn_id, (EVERYTHING, None))[0])

        turns = tuple(sorted(self.turns, key=place))
        return Missing(turns, self.items, started[turns[0]][1] if turns[:1] and turns[0] in started
                       else None)  # fmt: skip


def _missing(
    ours: Connection,
    codex: sqlite3.Connection | None,
    here: PaginatedRollout,
    offset: int | None,
    upto: int = EVERYTHING,
) -> tuple[Missing, Missing]:
    """Return the rows that Codex lacks before and after its checkpoint.

    Without one, all are before.
    """
    cut = EVERYTHING if offset is None else offset
    before, behind = _Gap(), _Gap()
    status: dict[str, str] = {}
    if codex is not None:
        status = dict(
            codex.execute(
                "SELECT turn_id, status FROM thread_turns WHERE thread_id = ?", (here.rollout_id,)
            )
        )
    started: dict[str, tuple[int, int | None]] = {}
    for turn_id, place, ended, at, end in paginated.living_turns(
        ours, here.rollout_id, here.start, upto
    ):
        started[turn_id] = (place, at)
        if turn_id not in status:
            (before if place < cut else behind).turn(turn_id, place)
        elif status[turn_id] == "inProgress" and ended in ("completed", "interrupted") and end:
            (before if end <= cut else behind).turn(turn_id, place)
    theirs: Iterator[tuple[str, str]] = iter(())
    if codex is not None:
        theirs = codex.execute(
            "SELECT turn_id, item_id FROM thread_items WHERE thread_id = ?"
            " ORDER BY turn_id, item_id",
            (here.rollout_id,),
        )
    other = next(theirs, None)
    for turn_id, item_id, place in paginated.living_items(ours, here.rollout_id, here.start, upto):
        while other is not None and other < (turn_id, item_id):
            other = next(theirs, None)
        if other != (turn_id, item_id):
            gap = before if place < cut else behind
            gap.items += 1
            gap.turn(turn_id, place)
    return before.told(started), behind.told(started)
