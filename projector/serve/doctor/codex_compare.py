"""Compare Codex's own databases with the projection."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import orjson

from projector.model.errors import RolloutUnreadable
from projector.model.ids import RolloutId, ThreadId
from projector.model.regular_file import open_regular
from projector.read.rollout import RolloutReader
from projector.serve.doctor import duplicates as copies
from projector.serve.doctor.codex_databases import Databases, Listed, reading, threads
from projector.serve.doctor.codex_gaps import NOTHING, UNKNOWN, Held, Missing, Record
from projector.store.reading import Connection, Sql

#: A record at a checkpoint is read up to this many bytes.
_RECORD_BYTES: Final = 8 << 20
#: Codex may be about to read a file that was written less than this many seconds ago.
FRESH_S: Final = 60.0


class Here(NamedTuple):
    """A paginated rollout as projected here."""

    number: int
    rollout_id: RolloutId
    thread_id: ThreadId
    path: str
    compressed: bool
    end: int
    start: int
    incomplete: bool
    current: bool
    """True if it is the thread's current rollout."""
    odd: frozenset[str]
    others: tuple[str, ...]
    """Files of the rollout with different content, which are not projected."""

    def values(self, upto: int) -> dict[str, object]:
        """Return the parameters of a query for its rows before a position."""
        return {
            "rollout": self.number,
            "rollout_id": self.rollout_id,
            "start": self.start,
            "upto": upto,
        }


_ODD: Final = Sql(
    "SELECT r.rollout_id, a.kind, a.detail FROM _anomaly_rows AS a JOIN _rollouts AS r"
    " ON r.rollout = a.rollout WHERE a.byte_offset = 0 AND r.mode = 'paginated'",
    "SELECT r.rollout_id, a.kind, a.detail FROM _anomaly_rows AS a JOIN _rollouts AS r"
    " ON r.source_id = a.source_id AND r.rollout_id = a.rollout_id"
    " WHERE a.source_id = :source AND a.byte_offset = 0 AND r.mode = 'paginated'",
)
_HOMES: Final = Sql(
    "SELECT DISTINCT home FROM _rollouts",
    "SELECT DISTINCT home FROM _rollouts WHERE source_id = :source",
)
_HERE: Final = Sql(
    "SELECT r.rollout, r.rollout_id, r.thread_id, r.path, r.compressed, r.next_offset,"
    " r.start_position, coalesce(s.incomplete, 0), s.rollout IS r.rollout"
    " FROM _rollouts AS r LEFT JOIN _thread_states AS s ON s.thread_id = r.thread_id"
    " WHERE r.mode = 'paginated' AND r.gone_at_ms IS NULL"
    "  AND r.home IN (SELECT value FROM json_each(:homes)) ORDER BY 2",
    "SELECT 0, r.rollout_id, r.thread_id, r.path, r.compressed, r.next_offset,"
    " r.start_position, coalesce(s.incomplete, false), coalesce(s.rollout_id = r.rollout_id, false)"
    " FROM _rollouts AS r LEFT JOIN _thread_states AS s ON s.thread_id = r.thread_id"
    " WHERE r.source_id = :source AND NOT r.elsewhere"
    "  AND r.mode = 'paginated' AND r.gone_at_ms IS NULL"
    "  AND r.home IN (SELECT json_array_elements_text(CAST(:homes AS json))) ORDER BY 2",
)


def rollouts(ours: Connection, home: str) -> list[Here]:
    """Return the paginated rollouts of a home whose files exist."""
    odd: dict[str, set[str]] = {}
    others: dict[str, dict[str, None]] = {}
    for rollout_id, kind, detail in ours.rows(_ODD):
        odd.setdefault(rollout_id, set()).add(kind)
        if kind == "second_file" and (path := copies.path_of(detail)) and os.path.exists(path):
            others.setdefault(rollout_id, {})[path] = None
    real = os.path.realpath(home)
    homes = [name for (name,) in ours.rows(_HOMES) if os.path.realpath(name) == real]
    rows = ours.rows(_HERE, {"homes": orjson.dumps(homes).decode()})
    return [
        Here._make((*row, frozenset(odd.get(row[1], ())), tuple(others.get(row[1], ()))))
        for row in rows
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
            found = both.held(here, stands.get(here.rollout_id))
            inheritors = continued.get(here.rollout_id, ())
            for thread_id, upto in inheritors:
                lacks, _ = _missing(ours, None, here, None, upto=upto)
                yield replace(found, thread_id=thread_id, beyond=lacks, inherited=True)
            if not inheritors:
                yield found


_BASES: Final = Sql(
    "SELECT p.rollout_id, p.thread_id, c.rollout_id, p.upto FROM _thread_parts AS p"
    " JOIN _thread_states AS s ON s.thread_id = p.thread_id"
    " JOIN _rollouts AS c ON c.rollout = s.rollout WHERE p.rollout <> s.rollout ORDER BY 1, 2",
    "SELECT p.rollout_id, p.thread_id, s.rollout_id, p.upto FROM _thread_parts AS p"
    " JOIN _thread_states AS s ON s.source_id = p.source_id AND s.thread_id = p.thread_id"
    " WHERE p.part_source = :source AND p.rollout_id <> s.rollout_id ORDER BY 1, 2",
)


def _continued(
    ours: Connection, stands: Mapping[str, object]
) -> dict[RolloutId, list[tuple[ThreadId, int]]]:
    """Return the threads that continue a rollout unknown to Codex, and up to which position."""
    found: dict[RolloutId, list[tuple[ThreadId, int]]] = {}
    for base, thread_id, current, upto in ours.rows(_BASES):
        if current in stands and base not in stands:
            found.setdefault(base, []).append((thread_id, upto))
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
        offset, ordinal = stands or (None, None)
        passed, beyond = _missing(self.ours, self.codex if stands else None, here, offset)
        if stands is None:
            passed, beyond = NOTHING, passed
        entry = None if self.listed is None else self.listed.get(here.thread_id)
        instead = None
        if entry is not None and here.current and _other(entry.path, here.path, self.home):
            instead = entry.path
        return Held(
            thread_id=here.thread_id,
            rollout_id=here.rollout_id,
            path=here.path,
            end=here.end,
            codex_offset=offset,
            codex_ordinal=ordinal,
            at=record_at(here, offset) if beyond and offset is not None else UNKNOWN,
            passed=passed,
            beyond=beyond,
            listed=None if self.listed is None else entry is not None,
            odd=here.odd,
            incomplete=here.incomplete and here.current,
            older=tuple(self._alone(here)),
            shown_instead=instead,
            fresh=_fresh(here.path, self.now_s),
        )

    def _alone(self, here: Here) -> Iterator[tuple[str, Missing]]:
        """Yield files of a rollout with content that is neither here nor in Codex."""
        if not here.others:
            return
        values = here.values(_ALL)
        turns = {turn_id for turn_id, *_ in self.ours.stream(_OUR_TURNS, values)}
        items = {(turn, item) for turn, item, _ in self.ours.stream(_OUR_ITEMS, values)}
        for path in here.others:
            if not os.path.exists(here.path) or not os.path.samefile(path, here.path):
                missing = copies.alone(path, here.rollout_id, here.thread_id, turns, items)
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


def record_at(here: Here, offset: int) -> Record:
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

_OUR_TURN: Final = (
    "SELECT turn_id, position - :start, status, started_at, coalesce(end_offset, 0) FROM _turns"
)
_LIVING: Final = "AND tombstone = 0 AND position < :upto"
_OUR_TURNS: Final = Sql(
    f"{_OUR_TURN} WHERE rollout = :rollout {_LIVING} ORDER BY position",
    f"{_OUR_TURN} WHERE source_id = :source AND rollout_id = :rollout_id {_LIVING}"
    " ORDER BY position",
)
# In the order of Codex's unique key: so both can be merged, whatever they contain.
_OUR_ITEMS: Final = Sql(
    "SELECT turn_id, item_id, position - :start FROM _items"
    f" WHERE rollout = :rollout {_LIVING} ORDER BY turn_id, item_id",
    "SELECT turn_id, item_id, position - :start FROM _items"
    f" WHERE source_id = :source AND rollout_id = :rollout_id {_LIVING}"
    " ORDER BY turn_id, item_id",
)
_ALL: Final = (1 << 63) - 1


class _Gap:
    """Collects the missing rows of one range."""

    def __init__(self) -> None:
        self.turns: dict[str, int] = {}
        self.items = 0

    def turn(self, turn_id: str, offset: int) -> None:
        self.turns[turn_id] = min(offset, self.turns.get(turn_id, offset))

    def told(self, started: Mapping[str, tuple[int, int | None]]) -> Missing:
        def place(turn_id: str) -> int:
            return min(self.turns[turn_id], started.get(turn_id, (_ALL, None))[0])

        turns = tuple(sorted(self.turns, key=place))
        return Missing(turns, self.items, started[turns[0]][1] if turns[:1] and turns[0] in started
                       else None)  # fmt: skip


def _missing(
    ours: Connection,
    codex: sqlite3.Connection | None,
    here: Here,
    offset: int | None,
    upto: int = _ALL,
) -> tuple[Missing, Missing]:
    """Return the rows that Codex lacks before and after its checkpoint.

    Without one, all are before.
    """
    values = here.values(upto)
    cut = _ALL if offset is None else offset
    before, behind = _Gap(), _Gap()
    status: dict[str, str] = {}
    if codex is not None:
        status = dict(
            codex.execute(
                "SELECT turn_id, status FROM thread_turns WHERE thread_id = ?", (here.rollout_id,)
            )
        )
    started: dict[str, tuple[int, int | None]] = {}
    for turn_id, place, ended, at, end in ours.stream(_OUR_TURNS, values):
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
    for turn_id, item_id, place in ours.stream(_OUR_ITEMS, values):
        while other is not None and other < (turn_id, item_id):
            other = next(theirs, None)
        if other != (turn_id, item_id):
            gap = before if place < cut else behind
            gap.items += 1
            gap.turn(turn_id, place)
    return before.told(started), behind.told(started)
