"""Compares the rows of two databases for one rollout. Pure.

Rows come sorted and are merged, so that however many there are, only those that differ are kept in
memory, and of these no more than `LISTED`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, NamedTuple, Protocol

import orjson

from projector.model.ids import RolloutId, ThreadId
from projector.model.revisions import ProjectedBy
from projector.store.reading import Sql

#: Differences of one rollout that are listed; further ones are only counted.
LISTED: Final = 1000
#: Maximum length of displayed values; columns with words of a conversation are not displayed.
_SHOWN: Final = 80
_PRIVATE: Final = frozenset({
    "json", "error_json", "payload", "preview", "goal", "name", "before", "state", "cwd",
})  # fmt: skip
_JSON: Final = frozenset({"json", "error_json", "payload", "state", "before"})
_SHOWN_JSON: Final = frozenset({"json", "error_json", "payload"})
#: Number of differing members that are named.
_MEMBERS: Final = 8

Row = tuple[Any, ...]
What = Literal["missing", "extra", "changed"]


class Kind(NamedTuple):
    """A kind of rows: the columns that are compared, in the order of the query."""

    name: str
    columns: tuple[str, ...]
    order: int
    """Number of the first columns, which sort the rows; no two rows are equal in all of them."""
    identity: tuple[str, ...]
    """Columns that identify the row, wherever it is."""
    source: Sql
    """Query for the rows."""
    sequence: bool = False
    """True if compared only if all rows of that name are equal, and none was projected again.
    """


class Field(NamedTuple):
    """A column that differs. Words of a conversation are not shown."""

    name: str
    files: object
    """Value that follows from the files; None if it is not shown."""
    database: object
    """Value in the database; None if it is not shown."""


class Difference(NamedTuple):
    """A row of the database that differs from what follows from the files."""

    thread_id: ThreadId
    rollout_id: RolloutId | None
    kind: str
    where: tuple[tuple[str, object], ...]
    """Identifies the row: turn_id, item_id, offset and the like."""
    what: What
    """missing: the database lacks it; extra: the files do not say so; changed: see `fields`."""
    fields: tuple[Field, ...] = ()


class Rollout(NamedTuple):
    """A rollout's checkpoint in the database."""

    key: object
    """Identifies it within the database: `rollout_key` of the read views."""
    rollout_id: RolloutId
    thread_id: ThreadId
    generation: int
    offset: int
    start: int
    """Position of its first byte."""
    projected: ProjectedBy


class Rows(Protocol):
    """Rows of a database, read only. Blocks."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything inside from one snapshot. Keep it short: the log cannot be reused."""

    def rollouts(self) -> Sequence[RolloutId]:
        """Return all rollouts."""

    def elsewhere(self) -> frozenset[RolloutId]:
        """Return those that another host projects: their rows are not ours."""

    def gone(self) -> frozenset[RolloutId]:
        """Return those whose files are gone."""

    def chains(self, ids: Iterable[str]) -> frozenset[RolloutId]:
        """Return the rollouts of these threads (or of these ids), and all that they continue."""

    def rollout(self, rollout_id: RolloutId) -> Rollout | None:
        """Return a rollout; None: it is unknown."""

    def kinds(self) -> Sequence[Kind]:
        """Return the kinds of rows that are compared, the rollout's own row first."""

    def rows(self, rollout: Rollout, kind: Kind) -> Iterator[Row]:
        """Return the rows of one kind, sorted."""

    def kept(self, rollout: Rollout) -> frozenset[bytes]:
        """Return the uids of rows whose content is not in the rollout's file."""

    def lineage(self, threads: frozenset[ThreadId] | None) -> Iterator[Difference]:
        """Compute chains, positions and counters from the rollouts; yield what differs.

        `threads`: only of these; None: of all, and rows that belong to no rollout too.
        """

    def names(self) -> dict[ThreadId, str]:
        """Return the names of threads."""

    def close(self) -> None:
        """Close the database."""


class Differences:
    """Collects the differences of one rollout."""

    def __init__(self, rollout: Rollout, kept: frozenset[bytes] = frozenset()) -> None:
        """Create it; `kept`: uids of preserved rows, which files may lack or contradict."""
        self._rollout = rollout
        self._kept = kept
        self._listed: dict[tuple[object, ...], tuple[Kind, Row | None, Row | None]] = {}
        self._more = 0

    def take(self, kind: Kind, files: Iterable[Row], database: Iterable[Row]) -> None:
        """Compare rows of one kind."""
        if kind.sequence and any(
            listed.name == kind.name for listed, _, _ in self._listed.values()
        ):
            return
        uid = kind.columns.index("uid") if "uid" in kind.columns else None
        apart: dict[bytes, Row] = {}
        """Rows of files whose preserved ones may have another position."""
        there: set[bytes] = set()
        for one, other in unequal(files, database, kind.order):
            if one is not None and other is not None and _differ_in_nulls(kind, one, other):
                continue
            known = one or other
            assert known is not None
            if uid is None or known[uid] not in self._kept:
                self._list(kind, one, other)
            elif other is not None or kind.name == "event":
                there.add(
                    known[uid]
                )  # of an event that a preserved one contradicts, only the file has a row
            else:
                apart[known[uid]] = known
        for name, row in apart.items():
            if name not in there:
                self._list(kind, row, None)

    def _list(self, kind: Kind, one: Row | None, other: Row | None) -> None:
        """Add a row that differs between files and database."""
        named = dict(zip(kind.columns, one or other or (), strict=True))
        name = (kind.name, *(named[column] for column in kind.identity))
        before = self._listed.get(name)
        if before is not None and (before[1] is None) != (one is None):
            # The same row at another position: one changed row, not two.
            self._listed[name] = (kind, one or before[1], other or before[2])
        elif len(self._listed) < LISTED:
            self._listed[name if before is None else (*name, len(self._listed))] = (
                kind,
                one,
                other,
            )
        else:
            self._more += 1

    @property
    def count(self) -> int:
        """Return their number."""
        return len(self._listed) + self._more

    def listed(self) -> list[Difference]:
        """Return them, up to `LISTED`."""
        return [self._told(*one) for one in self._listed.values()]

    def _told(self, kind: Kind, files: Row | None, database: Row | None) -> Difference:
        known = files or database
        assert known is not None
        named = dict(zip(kind.columns, known, strict=True))
        what: What = "missing" if database is None else "extra" if files is None else "changed"
        fields: tuple[Field, ...] = ()
        if files is not None and database is not None:
            fields = tuple(
                told
                for name, one, other in zip(kind.columns, files, database, strict=True)
                if one != other
                for told in field(name, one, other)
            )
        where = [
            column
            for column in dict.fromkeys((*kind.identity, "offset"))
            if named.get(column) is not None
        ]
        return Difference(
            self._rollout.thread_id,
            self._rollout.rollout_id,
            kind.name,
            tuple((column, named[column]) for column in where),
            what,
            fields,
        )


def unequal(
    files: Iterable[Row], database: Iterable[Row], order: int
) -> Iterator[tuple[Row | None, Row | None]]:
    """Merge two sorted streams; yield the pairs that are not equal, None if one lacks a row."""
    ones, others = iter(files), iter(database)
    one, other = next(ones, None), next(others, None)
    while one is not None or other is not None:
        if one == other:
            one, other = next(ones, None), next(others, None)
        elif other is None or (one is not None and one[:order] < other[:order]):
            yield one, None
            one = next(ones, None)
        elif one is None or other[:order] < one[:order]:
            yield None, other
            other = next(others, None)
        else:
            yield one, other
            one, other = next(ones, None), next(others, None)


def _differ_in_nulls(kind: Kind, one: Row, other: Row) -> bool:
    """True if rows differ only in members of JSON that are null in one and absent in the other.

    Each release of Codex adds some: rows keep those that they were projected with.
    """
    return all(
        mine == theirs or (name in _SHOWN_JSON and _equal_but_nulls(mine, theirs))
        for name, mine, theirs in zip(kind.columns, one, other, strict=True)
    )


def _equal_but_nulls(one: object, other: object) -> bool:
    """True if two JSON texts tell the same; members that are null count as absent."""
    if not (isinstance(one, (str, bytes)) and isinstance(other, (str, bytes))):
        return False
    try:
        waiting = [(_spelled(one), _spelled(other))]
    except (ValueError, RecursionError):
        return False
    while waiting:
        mine, theirs = waiting.pop()
        if isinstance(mine, dict) and isinstance(theirs, dict):
            names = [name for name, held in mine.items() if held is not None]
            if names != [name for name, held in theirs.items() if held is not None]:
                return False
            waiting += [(mine[name], theirs[name]) for name in names]
        elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
            waiting += zip(mine, theirs, strict=True)
        elif type(mine) is not type(theirs) or mine != theirs:
            return False
    return True


def _spelled(text: str | bytes) -> Any:
    """Read JSON; fractions stay as they are spelled."""
    return json.loads(text, parse_float=lambda number: ("", number))


def field(name: str, files: object, database: object) -> list[Field]:
    """Return a column that differs: of JSON the members, of words no values."""
    if name in _JSON:
        members = _members(_parsed(files), _parsed(database), name)
        return [Field(member, None, None) for member in members[:_MEMBERS]] or [
            Field(name, None, None)
        ]
    if name in _PRIVATE:
        return [Field(name, None, None)]
    return [Field(name, _short(files), _short(database))]


def _parsed(value: object) -> object:
    try:
        return orjson.loads(value) if isinstance(value, (str, bytes)) else value
    except ValueError:
        return value


def _members(one: object, other: object, path: str) -> list[str]:
    """Return the paths at which two JSON values differ."""
    if one == other:
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        names = dict.fromkeys((*one, *other))
        absent = object()
        return [
            found
            for name in names
            for found in _members(one.get(name, absent), other.get(name, absent), f"{path}.{name}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            found
            for at, pair in enumerate(zip(one, other, strict=True))
            for found in _members(*pair, f"{path}[{at}]")
        ]
    return [path]


def _short(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()[:_SHOWN]
    return value[:_SHOWN] if isinstance(value, str) else value
