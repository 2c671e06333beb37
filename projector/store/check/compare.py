"""What two databases say of one rollout, held against each other row by row. Pure.

Rows come sorted and are merged, so that however many there are, only those that differ are held,
and of these no more than `LISTED`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, NamedTuple, Protocol

import orjson

from projector.model.ids import RolloutId, ThreadId
from projector.store.reading import Sql

#: Differences of one rollout that are listed; the others are counted.
LISTED: Final = 1000
#: Values are shown up to this length, and only of columns that hold no words of a conversation.
_SHOWN: Final = 80
_PRIVATE: Final = frozenset({
    "json", "error_json", "payload", "preview", "goal", "name", "before", "state", "cwd",
})  # fmt: skip
_JSON: Final = frozenset({"json", "error_json", "payload", "state", "before"})
#: How many of the members that differ are named.
_MEMBERS: Final = 8

Row = tuple[Any, ...]
What = Literal["missing", "extra", "changed"]


class Kind(NamedTuple):
    """A kind of rows: the columns that are compared, in the order that they come in."""

    name: str
    columns: tuple[str, ...]
    order: int
    """So many of the first columns sort the rows; no two rows agree in all of them."""
    identity: tuple[str, ...]
    """Tell which row it is, wherever it stands."""
    source: Sql
    """How they are found."""
    sequence: bool = False
    """Compared only where all rows of the same name are the same, and nothing was made anew."""


class Field(NamedTuple):
    """A column that differs. What may be words of a conversation is told of, and not shown."""

    name: str
    files: object
    """As it follows from the files; None where it is not shown."""
    database: object
    """As the database has it; None where it is not shown."""


class Difference(NamedTuple):
    """A row of the database that is not what follows from the files."""

    thread_id: ThreadId
    rollout_id: RolloutId | None
    kind: str
    where: tuple[tuple[str, object], ...]
    """What names the row: turn_id, item_id, offset and their like."""
    what: What
    """missing: the database lacks it; extra: the files do not say so; changed: see `fields`."""
    fields: tuple[Field, ...] = ()


class Rollout(NamedTuple):
    """How far the database has a rollout."""

    key: object
    """Names it within the database: `rollout_key` of the read views."""
    rollout_id: RolloutId
    thread_id: ThreadId
    generation: int
    offset: int
    start: int
    """Position of its first byte."""


class Rows(Protocol):
    """Rows of a database, read only. Blocks."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything within it as of one moment. Keep it short: it holds up the log."""

    def rollouts(self) -> Sequence[RolloutId]:
        """Return all rollouts."""

    def elsewhere(self) -> frozenset[RolloutId]:
        """Return those that another host projects: of them there are no rows of ours."""

    def gone(self) -> frozenset[RolloutId]:
        """Return those whose files are gone."""

    def chains(self, ids: Iterable[str]) -> frozenset[RolloutId]:
        """Return the rollouts of these threads (or of these ids), and all that they continue."""

    def rollout(self, rollout_id: RolloutId) -> Rollout | None:
        """Look a rollout up."""

    def kinds(self) -> Sequence[Kind]:
        """Return what is compared of a rollout, its own row first."""

    def rows(self, rollout: Rollout, kind: Kind) -> Iterator[Row]:
        """Return the rows of one kind, sorted."""

    def kept(self, rollout: Rollout) -> frozenset[bytes]:
        """Return the uids of rows with content that the rollout's file does not have."""

    def lineage(self, threads: frozenset[ThreadId] | None) -> Iterator[Difference]:
        """Compute chains, positions and counters anew from the rollouts; return what differs.

        `threads`: only of these; None: of all, and rows that belong to no rollout too.
        """

    def names(self) -> dict[ThreadId, str]:
        """Return the names of threads."""

    def close(self) -> None:
        """Let go of the database."""


class Differences:
    """Gathers what differs in one rollout."""

    def __init__(self, rollout: Rollout, kept: frozenset[bytes] = frozenset()) -> None:
        """`kept`: uids of rows that may tell more than the files, or stand beside theirs."""
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
        """Rows of files whose kept ones may stand at another place."""
        there: set[bytes] = set()
        for one, other in unequal(files, database, kind.order):
            known = one or other
            assert known is not None
            if uid is None or known[uid] not in self._kept:
                self._list(kind, one, other)
            elif other is not None or kind.name == "event":
                there.add(known[uid])  # of an event that was contradicted, only the file tells
            else:
                apart[known[uid]] = known
        for name, row in apart.items():
            if name not in there:
                self._list(kind, row, None)

    def _list(self, kind: Kind, one: Row | None, other: Row | None) -> None:
        """List a row that differs between files and database."""
        named = dict(zip(kind.columns, one or other or (), strict=True))
        name = (kind.name, *(named[column] for column in kind.identity))
        before = self._listed.get(name)
        if before is not None and (before[1] is None) != (one is None):
            # It stands elsewhere: one row that changed, and not two.
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
        """How many there are."""
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
    """Merge two sorted streams; return the pairs that are not equal, None where one lacks a row."""
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


def field(name: str, files: object, database: object) -> list[Field]:
    """Tell of a column that differs: of JSON the members, of words only that they do."""
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
