"""Keeps which usage rows count, and the sums over them: the driver of `store/rules/usage.py`.

Of the rows that report a response, those that change are read, and the first living one of the
others: by an index in the order of the rules, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from projector.model.changes import UsageRow
from projector.store.postgres import text as escapes
from projector.store.postgres.arrays import arrays
from projector.store.postgres.pipeline import Query, Row
from projector.store.postgres.upsert import ANY_ROW, put
from projector.store.rules import usage as rules
from projector.store.rules.usage import Countable, Sums, Tokens

#: Characters of a model's name in the sums.
_MODEL_MAX: Final = 256


class Usage(Countable, Struct, kw_only=True):
    """A row of `_usage`; texts are escaped."""

    turn_id: str | None
    ordinal: int | None
    full_model: str | None
    recorded_at_ms: int | None
    cache_write: int | None
    tier: str | None
    provider: str | None
    tombstone: int = 0
    put: bool = True
    """True if the whole row is to be written."""

    def mark_tombstone(self, why: int) -> None:
        """Make it a tombstone; `why`: see `schema_names`."""
        self.tombstone, self.living, self.put = why, False, True

    def name(self, model: str) -> None:
        """Set its model."""
        self.full_model, self.model, self.put = model, model[:_MODEL_MAX], True


_STORED: Final = (
    "{0}.source_id, {0}.rollout_id, {0}.uid, {0}.position, {0}.turn_id, {0}.ordinal,"
    " {0}.response_id, {0}.model, {0}.input_tokens, {0}.cached_input_tokens, {0}.output_tokens,"
    " {0}.reasoning_output_tokens, {0}.total_tokens, {0}.recorded_at_ms, {0}.tombstone,"
    " {0}.counted, {0}.cache_write_input_tokens, {0}.service_tier, {0}.model_provider"
)
_COLUMNS: Final = (
    f"{_STORED.format('u')}, (SELECT r.thread_id FROM _rollouts AS r"
    " WHERE r.source_id = u.source_id AND r.rollout_id = u.rollout_id)"
)
#: The first living row of each response, without those of some rollouts.
_FIRST: Final = (
    f"SELECT {_COLUMNS} FROM unnest(%s::text[]) AS k (response_id) CROSS JOIN LATERAL ("
    f"SELECT {_STORED.format('v')} FROM _usage AS v"
    " WHERE left(v.response_id, 64) = left(k.response_id, 64)"
    " AND v.response_id = k.response_id AND v.response_id IS NOT NULL AND v.tombstone = 0"
    " AND NOT (v.source_id = %s AND v.rollout_id = ANY(%s))"
    " ORDER BY v.rollout_id, v.position, v.uid LIMIT 1) AS u"
)
_OWN: Final = (
    f"SELECT {_COLUMNS} FROM _usage AS u WHERE u.source_id = %s AND u.rollout_id = ANY(%s)"
)
#: Wait for transactions that are choosing a row of one of these responses, and make others wait. In
#: read committed isolation the next query sees what they wrote.
_HASHES: Final = (
    "SELECT DISTINCT hashtextextended(k.response_id, 0) AS response"
    " FROM ({}) AS k (response_id) WHERE k.response_id IS NOT NULL ORDER BY response"
)
_NAMED: Final = f"SELECT unnest(%s::text[]) FROM {ANY_ROW}"
_OF: Final = "SELECT u.response_id FROM _usage AS u WHERE u.source_id = %s"
_OF_ROLLOUTS: Final = f"{_OF} AND u.rollout_id = ANY(%s)"


def _settling(responses: str, values: Sequence[Any]) -> list[Query]:
    """Keep others from choosing rows of some responses until the transaction ends.

    The rows are deleted at once, by their keys: nobody sees them, and a transaction that inserts
    the same ones waits.
    """
    hashes = _HASHES.format(responses)
    return [
        (f"INSERT INTO _settling {hashes}", values),
        (f"DELETE FROM _settling WHERE response = ANY(ARRAY({hashes}))", values),
    ]


def settling(source: str) -> list[Query]:
    """Keep others from choosing rows of a source's responses."""
    return _settling(_OF, (source,))


def first_of(response_ids: Sequence[str], source: str, without: Sequence[str] = ()) -> list[Query]:
    """Read the first living row of responses, of any source, in the last statement.

    `without`: rollouts of `source` whose rows are skipped. Until the transaction ends nobody else
    chooses which of them counts.
    """
    ids = list(response_ids)
    return [*_settling(_NAMED, (ids,)), (_FIRST, (ids, source, list(without)))]


def of_rollouts(source: str, rollout_ids: Sequence[str]) -> list[Query]:
    """Read all usage of rollouts, in the last of several statements; else as `first_of`."""
    values = (source, list(rollout_ids))
    return [*_settling(_OF_ROLLOUTS, values), (_OWN, values)]


_KEYS: Final = "unnest(%b::text[], %b::uuid[]) AS k (rollout_id, uid)"
#: Rows by their uids; columns: rollout, uid.
BY_UID: Final = (
    f"SELECT {_COLUMNS} FROM {_KEYS} JOIN _usage AS u ON u.source_id = %s"
    " AND u.rollout_id = k.rollout_id AND u.uid = k.uid ORDER BY u.position"
)
_PLACED: Final = (
    "JOIN _rollouts AS r ON r.source_id = %s AND r.rollout_id = k.rollout_id"
    " JOIN _usage AS u ON u.source_id = r.source_id AND u.rollout_id = r.rollout_id"
    " AND u.tombstone = 0 AND u.position < r.start_position + k.before"
)
#: Rows that a `RetractCounts` may touch.
RETRACTED: Final = (
    f"SELECT {_COLUMNS} FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[])"
    f" AS k (rollout_id, turn_id, before, since) {_PLACED} AND u.response_id IS NULL"
    " AND (left(u.turn_id, 64) = left(k.turn_id, 64) AND u.turn_id = k.turn_id"
    " OR u.turn_id IS NULL AND u.position >= r.start_position + k.since)"
)
#: Rows that a `NameUsage` may touch.
NAMELESS: Final = (
    f"SELECT {_COLUMNS} FROM unnest(%s::text[], %s::bigint[]) AS k (rollout_id, before) {_PLACED}"
    " AND u.model IS NULL"
)


def of_row(row: Row) -> Usage:
    """Create a usage row from a stored one."""
    tokens = (row[8], row[9], row[10], row[11], row[12])
    usage = Usage(
        source=str(row[0]), thread_id=row[19], rollout_id=row[1], uid=row[2].bytes,
        position=row[3], turn_id=row[4], ordinal=row[5], response_id=row[6],
        day=day_of(row[13]), model=(row[7] or "")[:_MODEL_MAX], full_model=row[7], tokens=tokens,
        recorded_at_ms=row[13], living=not row[14], tombstone=row[14], counted=row[15],
        cache_write=row[16], tier=row[17], provider=row[18], put=False,
    )  # fmt: skip
    usage.was = usage.share
    return usage


def day_of(at_ms: int | None) -> str:
    """Return the day of a time (UTC); "" if it is not in the calendar."""
    if at_ms is None:
        return ""
    try:
        return datetime.fromtimestamp(int(at_ms / 1000), tz=UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return ""


_TYPES: Final = {
    "rollout_id": "text", "uid": "uuid", "position": "bigint", "turn_id": "text",
    "ordinal": "bigint", "response_id": "text", "model": "text", "input_tokens": "bigint",
    "cached_input_tokens": "bigint", "output_tokens": "bigint",
    "reasoning_output_tokens": "bigint", "total_tokens": "bigint", "recorded_at_ms": "bigint",
    "tombstone": "smallint", "counted": "boolean", "cache_write_input_tokens": "bigint",
    "service_tier": "text", "model_provider": "text",
}  # fmt: skip


def settled(put_rows: Iterable[Usage], first: Iterable[Usage]) -> list[Usage]:
    """Choose which rows count; return all rows that take part, each once.

    `put_rows`: rows of the transaction's rollouts. `first`: rows of `first_of`.
    """
    rows = {(row.source, row.rollout_id, row.uid): row for row in first}
    rows |= {(row.source, row.rollout_id, row.uid): row for row in put_rows if row.put}
    rules.settle(rows.values())
    return [*rows.values()]


def written(rows: Sequence[Usage], sums: Sums, source: str) -> Iterator[Query]:
    """Write usage rows, which rows of responses count, and the sums."""
    yield from put(
        "_usage", _TYPES, ("rollout_id", "uid"),
        [_usage_row(row) for row in rows if row.put and row.source == source], source,
    )  # fmt: skip
    flipped = [row for row in rows if not row.put and row.living and row.was != row.share]
    if flipped:
        yield (
            "UPDATE _usage AS u SET counted = k.counted FROM unnest("
            "%b::uuid[], %b::text[], %b::uuid[], %b::boolean[])"
            " AS k (source_id, rollout_id, uid, counted) WHERE u.source_id = k.source_id"
            " AND u.rollout_id = k.rollout_id AND u.uid = k.uid",
            arrays(
                ("uuid", "text", "uuid", "boolean"),
                [(row.source, row.rollout_id, row.uid, row.counted) for row in flipped],
            ),
        )
    yield from _added(sums)


def _usage_row(row: Usage) -> tuple[Any, ...]:
    return (
        row.rollout_id, row.uid, row.position, row.turn_id, row.ordinal, row.response_id,
        row.full_model, *row.tokens, row.recorded_at_ms, row.tombstone, row.counted,
        row.cache_write, row.tier, row.provider,
    )  # fmt: skip


_COUNTED: Final = (
    "responses", "input_tokens", "cached_input_tokens", "output_tokens",
    "reasoning_output_tokens", "total_tokens",
)  # fmt: skip


def _added(sums: Sums) -> Iterator[Query]:
    counted = dict.fromkeys(_COUNTED, "bigint")
    for table, key, values in (
        ("_usage_days", ("day", "model"), sums.days),
        ("_usage_threads", ("thread_id",), sums.threads),
    ):
        columns = {**dict.fromkeys(key, "text"), **counted}
        adding = "DO UPDATE SET " + ", ".join(
            f"{name} = {table}.{name} + excluded.{name}" for name in _COUNTED
        )
        by_source: dict[str, list[tuple[Any, ...]]] = {}
        for (source, *names), amounts in sorted(values.items()):
            by_source.setdefault(source, []).append((*names, *amounts))
        for source, rows in by_source.items():
            yield from put(table, columns, key, rows, source, changing=adding)


_MOVED: Final = (
    "WITH sums AS MATERIALIZED (SELECT u.source_id, {sign}count(*) AS responses,"
    " {sign}sum(input_tokens) AS input, {sign}sum(cached_input_tokens) AS cached_input,"
    " {sign}sum(output_tokens) AS output, {sign}sum(reasoning_output_tokens) AS reasoning,"
    " {sign}sum(total_tokens) AS total FROM _usage AS u"
    " WHERE u.source_id = %s AND u.rollout_id = %s AND u.counted AND u.tombstone = 0"
    " GROUP BY u.source_id)"
    " INSERT INTO _usage_threads SELECT source_id, %s::text, responses, input, cached_input,"
    " output, reasoning, total FROM sums ON CONFLICT (source_id, thread_id) DO UPDATE SET "
    + ", ".join(f"{name} = _usage_threads.{name} + excluded.{name}" for name in _COUNTED)
)


def rethread(source: str, rollout_id: str, old: str, new: str) -> list[Query]:
    """Move the usage of a rollout's rows to another thread's sum."""
    return [
        (_MOVED.format(sign=sign), (source, rollout_id, thread))
        for sign, thread in (("-", old), ("", new))
    ]


_SUMMED: Final = (
    "count(*) AS responses, sum(input_tokens) AS input, sum(cached_input_tokens) AS cached_input,"
    " sum(output_tokens) AS output, sum(reasoning_output_tokens) AS reasoning,"
    " sum(total_tokens) AS total"
)
_SUMS: Final = "responses, input, cached_input, output, reasoning, total"
# A CTE before INSERT: Citus gives the INSERT .. SELECT from tables that it sends a faulty filter.
_ALL_DAYS: Final = f"""
WITH sums AS MATERIALIZED (
  SELECT source_id,
    CASE WHEN recorded_at_ms BETWEEN -62135596800000 AND 253402300799999
    THEN to_char(to_timestamp(recorded_at_ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')
    ELSE '' END AS day, left(coalesce(model, ''), 256) AS model_name, {_SUMMED}
  FROM _usage WHERE source_id = %s AND counted AND tombstone = 0 GROUP BY 1, 2, 3)
INSERT INTO _usage_days SELECT source_id, day, model_name, {_SUMS} FROM sums
"""
_ALL_THREADS: Final = f"""
WITH sums AS MATERIALIZED (
  SELECT u.source_id, r.thread_id, {_SUMMED}
  FROM _usage AS u
  JOIN _rollouts AS r ON r.source_id = u.source_id AND r.rollout_id = u.rollout_id
  WHERE u.source_id = %s AND u.counted AND u.tombstone = 0 GROUP BY 1, 2)
INSERT INTO _usage_threads SELECT source_id, thread_id, {_SUMS} FROM sums
"""


def add_up(source: str) -> list[Query]:
    """Compute the sums of a source again."""
    return [
        ("DELETE FROM _usage_days WHERE source_id = %s", (source,)),
        (_ALL_DAYS, (source,)),
        ("DELETE FROM _usage_threads WHERE source_id = %s", (source,)),
        (_ALL_THREADS, (source,)),
    ]


def of_change(source: str, thread_id: str, rollout_id: str, new: UsageRow, start: int) -> Usage:
    """Create a usage row from a change. `start`: position of its rollout's first byte."""
    model = escapes.opt_text(new.model)
    tokens: Tokens = (
        new.input_tokens, new.cached_input_tokens, new.output_tokens,
        new.reasoning_output_tokens, new.total_tokens,
    )  # fmt: skip
    return Usage(
        source=source, thread_id=thread_id, rollout_id=rollout_id, uid=new.uid,
        position=start + new.offset, turn_id=escapes.opt_text(new.turn_id), ordinal=new.ordinal,
        response_id=escapes.opt_text(new.response_id), day=day_of(new.recorded_at_ms),
        model=(model or "")[:_MODEL_MAX], full_model=model, tokens=tokens,
        recorded_at_ms=new.recorded_at_ms, cache_write=new.cache_write_input_tokens,
        tier=escapes.opt_text(new.service_tier),
        provider=escapes.opt_text(new.model_provider), living=True, counted=True,
    )  # fmt: skip
