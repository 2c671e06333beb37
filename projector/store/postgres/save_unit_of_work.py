"""Writes rollouts, and the chains and states of threads; counts what only rows can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from projector.model.ids import RolloutId, ThreadId
from projector.store.postgres.pipeline import Query
from projector.store.postgres.unit_of_work import Rollout, State, Thread, UnitOfWork

#: Columns that a commit of some records changes: one statement, which is prepared once, for any of
#: them.
_OFTEN: Final = (
    "next_offset", "next_ordinal", "head", "tail", "checksum", "state", "trusted_bytes", "size",
    "mtime_ns", "ctime_ns", "read_at_ms", "records", "items", "turns", "kinds",
    "reported_total_tokens", "updated_at_ms", "last_turn_at_ms",
)  # fmt: skip


def rollouts(changed: Iterable[Rollout]) -> Iterator[Query]:
    """Insert new rollouts, and update changed columns of others."""
    for row in changed:
        values = row.changed()
        if row.was is None:
            names = ("source_id", "rollout_id", *values)
            yield (
                f"INSERT INTO _rollouts ({', '.join(names)}) VALUES"
                f" ({', '.join('%s' for _ in names)})",
                (row.source, row.rollout_id, *values.values()),
            )
        elif values:
            if "next_offset" in values and values.keys() <= set(_OFTEN):
                values = {name: row.now[name] for name in _OFTEN}
            yield (
                f"UPDATE _rollouts SET {', '.join(f'{name} = %s' for name in values)}"
                " WHERE source_id = %s AND rollout_id = %s",
                (*values.values(), row.source, row.rollout_id),
            )


def moved(unit: UnitOfWork, moves: Mapping[RolloutId, int]) -> Iterator[Query]:
    """Shift the positions of stored rows of rollouts whose start position changed."""
    for rollout_id, by in moves.items():
        source = unit.rollouts[rollout_id].source
        for table in ("_items", "_turns", "_realtime_items", "_usage"):
            yield (
                f"UPDATE {table} SET position = position + %s WHERE source_id = %s"
                " AND rollout_id = %s",
                (by, source, rollout_id),
            )


def threads(unit: UnitOfWork) -> Iterator[Query]:
    """Write the states and parts of threads that changed."""
    for thread_id, thread in unit.threads.items():
        state, parts = unit.stored(thread_id)
        gone = state is not None and (thread.state is None or thread.state.source != state.source)
        if gone and state is not None:
            for table in ("_thread_parts", "_thread_states"):
                yield (
                    f"DELETE FROM {table} WHERE source_id = %s AND thread_id = %s",
                    (state.source, thread_id),
                )
        if thread.state is None:
            continue
        yield from _state(thread_id, thread.state, None if gone else state)
        yield from _parts(thread_id, thread, thread.state.source, {} if gone else parts)


def _state(thread_id: ThreadId, state: State, stored: State | None) -> Iterator[Query]:
    if state == stored:
        return
    yield (
        "INSERT INTO _thread_states (source_id, thread_id, rollout_id, archived, deleted,"
        " incomplete, repeated_turns) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (source_id, thread_id) DO UPDATE SET rollout_id = excluded.rollout_id,"
        " archived = excluded.archived, deleted = excluded.deleted,"
        " incomplete = excluded.incomplete, repeated_turns = excluded.repeated_turns",
        (state.source, thread_id, state.rollout_id, state.archived, state.deleted,
         state.incomplete, state.repeated),
    )  # fmt: skip


def _parts(
    thread_id: ThreadId, thread: Thread, source: str, stored: Mapping[int, tuple[Any, ...]]
) -> Iterator[Query]:
    for number, part in zip(thread.numbers, thread.parts, strict=True):
        if stored.get(number) == part.row():
            continue
        yield (
            "INSERT INTO _thread_parts (source_id, thread_id, part, part_source, rollout_id, upto,"
            " items, turns, repeated) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (source_id, thread_id, part) DO UPDATE SET"
            " part_source = excluded.part_source, rollout_id = excluded.rollout_id,"
            " upto = excluded.upto, items = excluded.items, turns = excluded.turns,"
            " repeated = excluded.repeated",
            (source, thread_id, number, *part.row()),
        )
    last = thread.numbers[-1] if thread.numbers else -1
    if max(stored, default=-1) > last:
        yield (
            "DELETE FROM _thread_parts WHERE source_id = %s AND thread_id = %s AND part > %s",
            (source, thread_id, last),
        )


_COUNTED: Final = (
    "SELECT (SELECT count(*) FROM _items AS i WHERE i.source_id = k.source_id"
    " AND i.rollout_id = k.rollout_id AND i.position < k.upto AND i.tombstone = 0),"
    " (SELECT count(*) FROM _turns AS t WHERE t.source_id = k.source_id"
    " AND t.rollout_id = k.rollout_id AND t.position < k.upto AND t.tombstone = 0)"
    " FROM unnest(%s::text[]::uuid[], %s::text[], %s::bigint[]) WITH ORDINALITY"
    " AS k (source_id, rollout_id, upto, number) ORDER BY k.number"
)
#: The turns of parts that an earlier part has, too. Of a chain of which parts were left out, the
#: rows of a turn are asked whether they are in one of those: they are few, parts may be many.
_REPEATED: Final = """
WITH chain (number, part, source_id, rollout_id, upto) AS MATERIALIZED (
  SELECT k.number, k.part, k.source_id, k.rollout_id, k.upto
  FROM unnest(%s::integer[], %s::integer[], %s::text[]::uuid[], %s::text[], %s::bigint[])
    AS k (number, part, source_id, rollout_id, upto))
SELECT (
  SELECT count(*) FROM _turns AS t WHERE t.source_id = m.source_id AND t.rollout_id = m.rollout_id
    AND t.position < m.upto AND t.tombstone = 0 AND (EXISTS (
      SELECT 1 FROM chain AS c WHERE c.number = m.number AND c.part < m.part AND EXISTS (
        SELECT 1 FROM _turns AS o WHERE o.source_id = c.source_id AND o.rollout_id = c.rollout_id
          AND left(o.turn_id, 64) = left(t.turn_id, 64) AND o.turn_id = t.turn_id
          AND o.position < c.upto AND o.tombstone = 0))
    OR m.thread_id IS NOT NULL AND EXISTS (
      SELECT 1 FROM (
        SELECT x.source_id, x.rollout_id, x.position FROM _turns AS x
        WHERE left(x.turn_id, 64) = left(t.turn_id, 64) AND x.turn_id = t.turn_id
          AND x.rollout_id <> t.rollout_id AND x.tombstone = 0 OFFSET 0) AS o
      WHERE EXISTS (
        SELECT 1 FROM _thread_parts AS q WHERE q.thread_id = m.thread_id
          AND q.rollout_id = o.rollout_id AND q.part_source = o.source_id
          AND q.source_id = m.thread_source AND q.part < m.part AND o.position < q.upto
          AND NOT EXISTS (
            SELECT 1 FROM chain AS l WHERE l.number = m.number AND l.part = q.part)))))
FROM unnest(%s::integer[], %s::integer[], %s::text[]::uuid[], %s::text[], %s::bigint[],
  %s::text[], %s::text[]::uuid[]) WITH ORDINALITY
  AS m (number, part, source_id, rollout_id, upto, thread_id, thread_source, at) ORDER BY m.at
"""


def counts(unit: UnitOfWork) -> list[Query]:
    """Count what can be counted by rows alone: parts, and turns that several parts have.

    Comes after the rows were written. Two queries, or none.
    """
    parts, repeating = unit.uncounted(), unit.repeating()
    if not parts and not repeating:
        return []
    whose = {thread_id: number for number, thread_id in enumerate(dict(repeating))}
    chains = [
        (number, part, *one.place)
        for thread_id, number in whose.items()
        for part, one in zip(
            unit.threads[thread_id].numbers, unit.threads[thread_id].parts, strict=True
        )
    ]
    marked = []
    for thread_id, at in repeating:
        thread, state = unit.threads[thread_id], unit.threads[thread_id].state
        left_out = None if thread.whole or state is None else (thread_id, state.source)
        marked.append((
            whose[thread_id], thread.numbers[at], *thread.parts[at].place,
            *(left_out or (None, None)),
        ))  # fmt: skip
    return [
        (_COUNTED, [[part.place[column] for part in parts] for column in range(3)]),
        (
            _REPEATED,
            [
                *([one[column] for one in chains] for column in range(5)),
                *([one[column] for one in marked] for column in range(7)),
            ],
        ),
    ]


def take_counts(unit: UnitOfWork, answers: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    """Take the results of `counts`."""
    for part, (items, turns) in zip(unit.uncounted(), answers[0], strict=True):
        part.items, part.turns, part.counted = items, turns, True
    for (thread_id, at), (repeated,) in zip(unit.repeating(), answers[1], strict=True):
        unit.threads[thread_id].parts[at].repeated = repeated
