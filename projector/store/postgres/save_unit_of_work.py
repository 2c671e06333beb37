"""Writes rollouts, and what threads are made of; counts what rows alone can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from projector.model.ids import RolloutId, ThreadId
from projector.store.postgres.pipeline import Query
from projector.store.postgres.unit_of_work import Rollout, State, Thread, UnitOfWork


def rollouts(changed: Iterable[Rollout]) -> Iterator[Query]:
    """Write rollouts that are new, and the columns of others that changed."""
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
            yield (
                f"UPDATE _rollouts SET {', '.join(f'{name} = %s' for name in values)}"
                " WHERE source_id = %s AND rollout_id = %s",
                (*values.values(), row.source, row.rollout_id),
            )


def moved(world: UnitOfWork, moves: Mapping[RolloutId, int]) -> Iterator[Query]:
    """Move the stored rows of rollouts that begin elsewhere now, each by so much."""
    for rollout_id, by in moves.items():
        source = world.rollouts[rollout_id].source
        for table in ("_items", "_turns", "_realtime_items", "_usage"):
            yield (
                f"UPDATE {table} SET position = position + %s WHERE source_id = %s"
                " AND rollout_id = %s",
                (by, source, rollout_id),
            )


def threads(world: UnitOfWork) -> Iterator[Query]:
    """Write the states and parts of threads that changed."""
    for thread_id, thread in world.threads.items():
        state, parts = world.stored(thread_id)
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
        yield from _parts(thread_id, thread, thread.state.source, [] if gone else parts)


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
    thread_id: ThreadId, thread: Thread, source: str, stored: list[tuple[Any, ...]]
) -> Iterator[Query]:
    for at, part in enumerate(thread.parts):
        if at < len(stored) and stored[at] == part.row():
            continue
        number = at if thread.whole else thread.numbers[at]
        yield (
            "INSERT INTO _thread_parts (source_id, thread_id, part, part_source, rollout_id, upto,"
            " items, turns) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (source_id, thread_id, part) DO UPDATE SET"
            " part_source = excluded.part_source, rollout_id = excluded.rollout_id,"
            " upto = excluded.upto, items = excluded.items, turns = excluded.turns",
            (source, thread_id, number, *part.row()),
        )
    if len(stored) > len(thread.parts):
        yield (
            "DELETE FROM _thread_parts WHERE source_id = %s AND thread_id = %s AND part >= %s",
            (source, thread_id, len(thread.parts)),
        )


def counts(world: UnitOfWork) -> list[Query]:
    """Count what can be counted by rows alone: parts, and turns that several parts have.

    Comes after the rows were written. Two queries, or none.
    """
    parts = world.uncounted()
    several = world.several()
    if not parts and not several:
        return []
    chains = [
        (number, part.source, part.rollout_id, part.upto)
        for number, thread_id in enumerate(several)
        for part in world.threads[thread_id].parts
    ]
    left_out = [
        (number, thread_id, state.source, thread.numbers)
        for number, thread_id in enumerate(several)
        if not (thread := world.threads[thread_id]).whole and (state := thread.state)
    ]
    read = [(number, part) for number, *_, numbers in left_out for part in numbers]
    return [
        (
            "SELECT (SELECT count(*) FROM _items AS i WHERE i.source_id = k.source_id"
            " AND i.rollout_id = k.rollout_id AND i.position < k.upto AND i.tombstone = 0),"
            " (SELECT count(*) FROM _turns AS t WHERE t.source_id = k.source_id"
            " AND t.rollout_id = k.rollout_id AND t.position < k.upto AND t.tombstone = 0)"
            " FROM unnest(%s::text[]::uuid[], %s::text[], %s::bigint[]) WITH ORDINALITY"
            " AS k (source_id, rollout_id, upto, number) ORDER BY k.number",
            [[part.place[column] for part in parts] for column in range(3)],
        ),
        (
            "SELECT k.number, count(*) - count(DISTINCT t.turn_id)"
            " FROM (SELECT c.number, c.source_id, c.rollout_id, c.upto"
            " FROM unnest(%s::integer[], %s::text[]::uuid[], %s::text[], %s::bigint[])"
            " AS c (number, source_id, rollout_id, upto)"
            # What was not read stays as it is stored.
            " UNION ALL SELECT s.number, p.part_source, p.rollout_id, p.upto"
            " FROM unnest(%s::integer[], %s::text[], %s::text[]::uuid[])"
            " AS s (number, thread_id, source_id) JOIN _thread_parts AS p"
            " ON p.source_id = s.source_id AND p.thread_id = s.thread_id"
            " WHERE NOT EXISTS (SELECT 1 FROM unnest(%s::integer[], %s::integer[])"
            " AS l (number, part) WHERE l.number = s.number AND l.part = p.part)) AS k"
            " JOIN _turns AS t"
            " ON t.source_id = k.source_id AND t.rollout_id = k.rollout_id AND t.position < k.upto"
            " WHERE t.tombstone = 0 GROUP BY k.number",
            [
                *([one[column] for one in chains] for column in range(4)),
                *([one[column] for one in left_out] for column in range(3)),
                *([one[column] for one in read] for column in range(2)),
            ],
        ),
    ]


def take_counts(world: UnitOfWork, answers: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    """Take what `counts` found."""
    parts, several = world.uncounted(), world.several()
    for part, (items, turns) in zip(parts, answers[0], strict=True):
        part.items, part.turns, part.counted = items, turns, True
    repeated = dict(answers[1])
    for number, thread_id in enumerate(several):
        state = world.threads[thread_id].state
        assert state is not None, thread_id
        state.repeated = repeated.get(number, 0)
