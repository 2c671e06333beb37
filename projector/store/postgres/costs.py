"""What model responses cost: rows, which of them count, and the sums by day.

Several rows may tell of one response, in forks, whoever's they are: one of them counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from projector import escapes
from projector.rows import (
    UsageRow,
)
from projector.store.columns import MOST_TOKENS
from projector.store.postgres.put import put
from projector.store.postgres.wire import Query, Row


@dataclass(slots=True)
class Usage:
    """A row of `usage`."""

    source: str
    """The source's id."""
    rollout_id: str
    uid: bytes
    position: int
    turn_id: str | None
    ordinal: int | None
    response_id: str | None
    model: str | None
    tokens: tuple[int, int, int, int, int]
    recorded_at_ms: int | None
    tombstone: int = 0
    counted: bool = True
    put: bool = True
    """All of it is to be written."""
    was: tuple[object, ...] | None = None
    """What it gave to which day when it was read; () where it did not count."""


def share(row: Usage, day: str) -> tuple[object, ...]:
    """Give what a row adds to which day; (): it does not count."""
    if row.tombstone or not row.counted:
        return ()
    return (row.source, day, (row.model or "")[:256], *row.tokens)


def settle(rows: Iterable[Usage]) -> None:
    """Let one of the rows that tell of one response count; all of them are given."""
    groups: dict[str, list[Usage]] = {}
    for row in rows:
        if row.response_id is None:
            row.counted = True
        else:
            groups.setdefault(row.response_id, []).append(row)
    for group in groups.values():
        living = [row for row in group if not row.tombstone]
        first = min(living, key=lambda row: (row.rollout_id, row.position, row.uid), default=None)
        for row in group:
            row.counted = row is first


COLUMNS: Final = (
    "u.source_id, u.rollout_id, u.uid, u.position, u.turn_id, u.ordinal, u.response_id, u.model,"
    " u.input_tokens, u.cached_input_tokens, u.output_tokens, u.reasoning_output_tokens,"
    " u.total_tokens, u.recorded_at_ms, u.tombstone, u.counted"
)
#: The rows of the responses that are told of, whose ever they are.
_RESPONSES: Final = (
    f"SELECT {COLUMNS} FROM _usage AS u WHERE left(u.response_id, 64) = ANY(%s)"
    " AND u.response_id = ANY(%s)"
)
#: Wait for those who choose a row of one of these responses just now, and let others wait for us.
#: Read committed: what is read next holds what they wrote.
_SETTLE: Final = (
    "INSERT INTO _settling SELECT DISTINCT hashtextextended(k.response_id, 0) AS response"
    " FROM ({}) AS k (response_id) WHERE k.response_id IS NOT NULL ORDER BY response"
)
_SETTLE_NAMED: Final = _SETTLE.format("SELECT unnest(%s::text[])")
_SETTLE_ALL: Final = _SETTLE.format("SELECT u.response_id FROM _usage AS u WHERE u.source_id = %s")
_SETTLE_OF: Final = _SETTLE.format(
    "SELECT u.response_id FROM _usage AS u WHERE u.source_id = %s AND u.rollout_id = ANY(%s)"
)
#: Rows of others are never seen.
_SETTLE_UNSEEN: Final = "DELETE FROM _settling"


def responses(response_ids: Sequence[str]) -> list[Query]:
    """Read the rows of responses, whose ever they are, in the last of some statements.

    Until the end of the transaction nobody else chooses which of them counts.
    """
    return [
        (_SETTLE_NAMED, (list(response_ids),)),
        (_SETTLE_UNSEEN, ()),
        (_RESPONSES, ([one[:64] for one in response_ids], list(response_ids))),
    ]


def usages(source: str, rollout_ids: Sequence[str]) -> list[Query]:
    """Read all usage of rollouts, and of the responses that it tells of, whose ever it is.

    As `responses`.
    """
    rows = (
        f"SELECT {COLUMNS} FROM _usage AS u WHERE u.source_id = %s AND u.rollout_id = ANY(%s)"
        f" UNION SELECT {COLUMNS} FROM _usage AS o JOIN _usage AS u"
        " ON left(u.response_id, 64) = left(o.response_id, 64) AND u.response_id = o.response_id"
        " WHERE o.source_id = %s AND o.rollout_id = ANY(%s)",
        (source, list(rollout_ids)) * 2,
    )
    return [(_SETTLE_OF, (source, list(rollout_ids))), (_SETTLE_UNSEEN, ()), rows]


def settling(source: str) -> list[Query]:
    """Until the end of the transaction, let nobody else choose what counts of a source's usage."""
    return [(_SETTLE_ALL, (source,)), (_SETTLE_UNSEEN, ())]


def of_row(row: Row) -> Usage:
    """Make a usage of a row."""
    tokens = (row[8], row[9], row[10], row[11], row[12])
    usage = Usage(
        str(row[0]), row[1], row[2].bytes, row[3], row[4], row[5], row[6], row[7], tokens,
        row[13], row[14], row[15], False,
    )  # fmt: skip
    usage.was = share(usage, day_of(usage.recorded_at_ms))
    return usage


def day_of(at_ms: int | None) -> str:
    """Give the day of a time (UTC); "" where it is none that a calendar has."""
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
    "tombstone": "smallint", "counted": "boolean",
}  # fmt: skip


def written(put_rows: Iterable[Usage], settled: Iterable[Usage], source: str) -> Iterator[Query]:
    """Write usage, which rows of responses count, and the sums by day.

    `settled`: rows of the same responses; those of `put_rows` may be among them.
    """
    written = {(row.source, row.rollout_id, row.uid): row for row in put_rows}
    others = [
        row
        for row in settled
        if (row.source, row.rollout_id, row.uid) not in written
        and row.was != share(row, day_of(row.recorded_at_ms))
    ]
    yield from put(
        "_usage",
        _TYPES,
        ("rollout_id", "uid"),
        [_usage_row(row) for row in written.values() if row.put],
        source,
    )
    others += [row for row in written.values() if not row.put]
    if others:
        yield (
            "UPDATE _usage AS u SET counted = k.counted, tombstone = k.tombstone FROM unnest("
            "%s::text[]::uuid[], %s::text[], %s::text[]::uuid[], %s::boolean[], %s::smallint[])"
            " AS k (source_id, rollout_id, uid, counted, tombstone) WHERE u.source_id = k.source_id"
            " AND u.rollout_id = k.rollout_id AND u.uid = k.uid",
            [
                [row.source for row in others],
                [row.rollout_id for row in others],
                [row.uid.hex() for row in others],
                [row.counted for row in others],
                [row.tombstone for row in others],
            ],
        )
    yield from days([*written.values(), *others])


def _usage_row(row: Usage) -> tuple[Any, ...]:
    return (
        row.rollout_id, row.uid.hex(), row.position, row.turn_id, row.ordinal, row.response_id,
        row.model, *row.tokens, row.recorded_at_ms, row.tombstone, row.counted,
    )  # fmt: skip


def days(changed: Iterable[Usage]) -> Iterator[Query]:
    """Bring the sums by day up to date with rows that changed."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    unique = {(row.source, row.rollout_id, row.uid): row for row in changed}
    for row in unique.values():
        for sign, gives in ((-1, row.was or ()), (1, share(row, day_of(row.recorded_at_ms)))):
            if gives:
                total = sums.setdefault(gives[:3], [0] * 6)
                for place, value in enumerate((1, *gives[3:])):
                    assert isinstance(value, int)
                    total[place] += sign * value
    by_source: dict[str, list[tuple[Any, ...]]] = {}
    for (source, day, model), values in sorted(sums.items()):
        if any(values):
            by_source.setdefault(source, []).append((day, model, *values))
    counted = ("responses", "input_tokens", "cached_input_tokens", "output_tokens",
               "reasoning_output_tokens", "total_tokens")  # fmt: skip
    columns = {"day": "text", "model": "text", **dict.fromkeys(counted, "bigint")}
    adding = "DO UPDATE SET " + ", ".join(
        f"{name} = _usage_days.{name} + excluded.{name}" for name in counted
    )
    for source, values_of in by_source.items():
        yield from put("_usage_days", columns, ("day", "model"), values_of, source, changing=adding)


def of_change(source: str, rollout_id: str, new: UsageRow, start: int) -> Usage:
    """Give the row of what a response cost."""
    tokens = [max(-MOST_TOKENS, min(count, MOST_TOKENS)) for count in new[6:11]]
    return Usage(
        source, rollout_id, new.uid, start + new.offset, escapes.opt_text(new.turn_id), new.ordinal,
        escapes.opt_text(new.response_id), escapes.opt_text(new.model),
        (tokens[0], tokens[1], tokens[2], tokens[3], tokens[4]), new.recorded_at_ms,
    )  # fmt: skip
