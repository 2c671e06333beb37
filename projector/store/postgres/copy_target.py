"""Writes the rows of another database into a source of a PostgreSQL database.

See `store.copy.Receiver`. Everything is one transaction, so that a failed attempt leaves nothing;
rows are sent by COPY. Rollouts that another source has claimed stay with that source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import psycopg
from psycopg import sql

from projector.model.database_url import shown, source_id
from projector.model.errors import StoreRefused
from projector.model.ids import RolloutId
from projector.store.copy import Row, Stand, Table
from projector.store.postgres import text as escapes
from projector.store.postgres import usage as usages
from projector.store.postgres.connect import parameters
from projector.store.postgres.ownership import bucket
from projector.store.postgres.pipeline import composed
from projector.store.postgres.reading import explaining
from projector.store.postgres.save import listed_files
from projector.store.rules.feed import KINDS, OPS, Cursor

_JSON: Final = frozenset({"json", "error_json", "payload"})
#: Tables with a column that says whether a row is escaped.
_MARKED: Final = frozenset({"_items", "_turns", "_realtime_items", "_events"})

#: The other sources that have a response of ours.
_SHARING: Final = """
SELECT DISTINCT o.source_id::text FROM _usage AS u JOIN _usage AS o
  ON left(o.response_id, 64) = left(u.response_id, 64) AND o.response_id = u.response_id
WHERE u.source_id = %s AND u.tombstone = 0 AND u.response_id IS NOT NULL
  AND o.source_id <> u.source_id AND o.tombstone = 0 AND o.response_id IS NOT NULL
"""
#: Let the first of the rows of a response that several sources have now count; returns the sources
#: whose rows changed.
_SETTLED: Final = """
WITH first AS (
  SELECT o.source_id, o.rollout_id, o.uid, o.counted, row_number() OVER (
    PARTITION BY o.response_id ORDER BY o.rollout_id, o.position, o.uid) = 1 AS counts
  FROM _usage AS o
  WHERE o.tombstone = 0 AND EXISTS (
    SELECT 1 FROM _usage AS u WHERE u.source_id = %s AND u.tombstone = 0
      AND left(u.response_id, 64) = left(o.response_id, 64) AND u.response_id = o.response_id)
)
UPDATE _usage AS u SET counted = f.counts FROM first AS f
WHERE u.source_id = f.source_id AND u.rollout_id = f.rollout_id AND u.uid = f.uid
  AND f.counted <> f.counts
RETURNING u.source_id
"""


class PostgresReceiver:
    """See `Receiver`."""

    def __init__(self, url: str, source: str) -> None:
        """Connect. The schema and the source's row must exist."""
        self._url = url
        self._source = str(source_id(source))
        self._name = source
        self._rollout_id = ""
        self._files: list[Row] = []
        with explaining(self._url):
            self._db = psycopg.connect(url, **parameters(url))

    def begin(self, stand: Stand, rollout_ids: Sequence[RolloutId]) -> frozenset[RolloutId]:
        """See `Receiver`."""
        with explaining(self._url):
            self._db.execute(
                "SELECT 1 FROM _sources WHERE source_id = %s FOR UPDATE", (self._source,)
            )
            found = self._db.execute(
                "SELECT count(*) FROM _rollouts WHERE source_id = %s", (self._source,)
            ).fetchone()
            if found and found[0]:
                raise StoreRefused(
                    f"{shown(self._url)}: source {self._name} has {found[0]:,} rollouts there",
                    hint="Name another one: [source] name, $PROJECTOR_SOURCE__NAME",
                )
            self._db.execute(
                "UPDATE _sources SET feed_id = %s, pruned = %s, pruned_mark = %s, last_seq = %s,"
                " last_mark = %s, rewound_after = %s, rewound_upto = %s WHERE source_id = %s",
                (stand.feed_id.hex(), *stand[1:], self._source),
            )
            return frozenset(self._claimed(rollout_ids))

    def _claimed(self, rollout_ids: Sequence[RolloutId]) -> Iterator[RolloutId]:
        """Claim rollouts; yield those that another source has."""
        ordered = sorted((bucket(one), one) for one in rollout_ids)
        for at in range(0, len(ordered), 1000):
            some = ordered[at : at + 1000]
            rows = self._db.execute(
                "INSERT INTO _claims (bucket, rollout_id, source_id)"
                " SELECT k.bucket, k.rollout_id, CAST(%s AS uuid)"
                " FROM unnest(%s::smallint[], %s::text[]) AS k (bucket, rollout_id)"
                " ON CONFLICT (bucket, rollout_id) DO UPDATE"
                " SET source_id = coalesce(_claims.source_id, excluded.source_id)"
                " RETURNING rollout_id, source_id",
                (self._source, [number for number, _ in some], [one for _, one in some]),
            )
            for rollout_id, whose in rows:
                if str(whose) != self._source:
                    yield rollout_id

    def rollout(self, row: dict[str, Any]) -> None:
        """See `Receiver`."""
        self._rollout_id = row["rollout_id"]
        self._copy("_rollouts", tuple(row), [tuple(row.values())])

    def take_of(self, table: Table, rows: Iterable[Row]) -> int:
        """See `Receiver`."""
        count = self._copy(table.name, table.columns, rows, {"rollout_id": self._rollout_id})
        files, self._files = self._files, []
        if files:
            columns = ("uid", "number", "path", "kind", "move_path")
            self._copy("_changed_files", columns, files, {"rollout_id": self._rollout_id})
        return count

    def take(self, table: Table, rows: Iterable[Row]) -> int:
        """See `Receiver`."""
        match table.name:
            case "changes":
                columns = [{"cursor": "mark"}.get(name, name) for name in table.columns]
                entries = (_entry(table.columns, row) for row in rows)
                return self._copy("_feed", columns, entries, {"row_source": self._source})
            case "_thread_parts":
                return self._copy(table.name, table.columns, rows, {"part_source": self._source})
            case _:
                return self._copy(table.name, table.columns, rows)

    def _copy(
        self,
        table: str,
        columns: Sequence[str],
        rows: Iterable[Row],
        same: Mapping[str, str] | None = None,
    ) -> int:
        """Copy rows; `same`: columns that have one value in all of them."""
        fixed = {"source_id": self._source, **(same or {})}
        extra = [
            *(["escaped"] if table in _MARKED else ()),
            *(["digest"] if table == "_anomaly_rows" else ()),
        ]
        names = sql.SQL(", ").join(map(sql.Identifier, (*fixed, *columns, *extra)))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        first = tuple(map(_text, fixed.values()))
        files = table == "_items"
        count = 0
        with explaining(self._url), self._db.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                values = [_value(name, value) for name, value in zip(columns, row, strict=True)]
                if "escaped" in extra:
                    values.append(
                        any(escapes.LEAD in value for value in values if isinstance(value, str))
                    )
                if "digest" in extra:
                    values.append(_digest(row[columns.index("detail")]))
                copy.write_row((*first, *values))
                if files:
                    self._note_files(columns, row)
                count += 1
        return count

    def _note_files(self, columns: Sequence[str], row: Row) -> None:
        item = dict(zip(columns, row, strict=True))
        files = listed_files(item["type"], item["json"])
        self._files += [(item["uid"], *file) for file in files]

    def finish(self) -> None:
        """See `Receiver`."""
        with explaining(self._url):
            self._lock_sharing()
            rows = self._db.execute(_SETTLED, (self._source,))
            for source in sorted({self._source, *(str(whose) for (whose,) in rows)}):
                for text, values in usages.add_up(source):
                    self._db.execute(composed(text), values)
            self._db.commit()

    def _lock_sharing(self) -> None:
        """Lock the sources whose sums may change with ours, and no others: they write meanwhile.

        Sources are locked before responses, as every writer does. So one that gets a response of
        ours in between is found only behind the locks: these are given back, and taken with it.
        """
        known: set[str] = set()
        while True:
            with self._db.transaction() as attempt:
                self._db.execute(
                    "SELECT 1 FROM _sources WHERE source_id = ANY(%s::uuid[]) ORDER BY source_id"
                    " FOR UPDATE",
                    (sorted(known),),
                )
                for text, values in usages.settling(self._source):
                    self._db.execute(composed(text), values)
                found = {one for (one,) in self._db.execute(_SHARING, (self._source,))}
                if found <= known:
                    return
                known |= found
                raise psycopg.Rollback(attempt)

    def close(self) -> None:
        """See `Receiver`."""
        self._db.close()


def _entry(columns: Sequence[str], row: Row) -> Row:
    """Return an entry of the feed as stored: its mark instead of its cursor."""
    change = dict(zip(columns, row, strict=True))
    cursor = Cursor.parse(change["cursor"])
    assert cursor is not None, change
    change["kind"], change["op"] = KINDS[change["kind"]], OPS[change["op"]]
    change["thread_id"] = change["thread_id"] or ""
    change["cursor"] = cursor.mark
    return tuple(change.values())


def _value(name: str, value: Any) -> Any:
    """Return a value as the server accepts it."""
    if name == "uid" and isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str):
        return value
    return _json(value) if name in _JSON else _text(value)


def _text(value: str) -> str:
    return escapes.text(value)


def _json(value: str) -> str:
    escaped = escapes.of_json(value)
    try:
        orjson.loads(escaped)
    except ValueError:
        return escapes.of_no_json(value)
    return escaped


def _digest(detail: str) -> str:
    """Return the key of an anomaly's detail, as the store computes it."""
    return hashlib.md5(detail.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
