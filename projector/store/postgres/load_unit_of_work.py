"""Reads the row of a source, rollouts, and what threads are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from projector.model.ids import RolloutId, ThreadId
from projector.store.postgres.pipeline import Query, Row
from projector.store.postgres.unit_of_work import Part, Rollout, State, Thread, UnitOfWork
from projector.store.schema_names import HEADER, META

#: Columns of a rollout that are read; fingerprints and state are only written.
COLUMNS: Final = tuple(
    dict.fromkeys((
        "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset", "start_position",
        "elsewhere", "home", "path", "archived", "compressed", "size", "mtime_ns", "ctime_ns",
        "device", "inode", "trusted_bytes", "gone_at_ms", "generation", "next_offset",
        "next_ordinal", "read_at_ms", "revision", "records", "items", "turns", *HEADER,
        *META,
    ))
)  # fmt: skip
_ROLLOUT: Final = ", ".join(f"r.{name}" for name in ("source_id", "rollout_id", *COLUMNS))
LOCK: Final = (
    "SELECT feed_id, last_seq, last_mark, search_what, search_text_bytes, search_round"
    " FROM _sources WHERE source_id = %s FOR UPDATE"
)
_OWN: Final = (
    f"SELECT {_ROLLOUT} FROM _rollouts AS r WHERE r.source_id = %s AND r.rollout_id = ANY(%s)"
    " ORDER BY r.rollout_id FOR UPDATE"
)


def own(source: str, rollout_ids: Sequence[str]) -> Query:
    """Read rollouts of this source, and lock them."""
    return _OWN, (source, list(rollout_ids))


def locked(rollout_ids: Sequence[str]) -> Query:
    """Lock rollouts, whose ever they are."""
    return (
        "SELECT rollout_id FROM _rollouts WHERE rollout_id = ANY(%s) AND NOT elsewhere"
        " ORDER BY rollout_id FOR UPDATE",
        (list(rollout_ids),),
    )


def rollout_of(row: Row) -> Rollout:
    """Make a rollout of a row of `own` and its like."""
    values = dict(zip(COLUMNS, row[2:], strict=True))
    values["device"], values["inode"] = int(values["device"]), int(values["inode"])
    return Rollout(str(row[0]), RolloutId(row[1]), dict(values), values)


# A rollout continues another one; a thread has several. All that a change of some rollouts can
# touch: what continues them (down), the threads of all these, the rollouts of those threads, and
# what all of them continue (up).
_FAMILY: Final = f"""
WITH RECURSIVE down (rollout_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C"
  UNION SELECT c.rollout_id FROM down AS d JOIN _rollouts AS c ON c.base_rollout_id = d.rollout_id
  WHERE NOT c.elsewhere),
of_threads (thread_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C"
  UNION SELECT r.thread_id FROM down AS d JOIN _rollouts AS r ON r.rollout_id = d.rollout_id
  WHERE NOT r.elsewhere),
up (rollout_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C"
  UNION SELECT d.rollout_id FROM down AS d
  UNION SELECT t.thread_id FROM of_threads AS t
  UNION SELECT r.rollout_id FROM of_threads AS t JOIN _rollouts AS r ON r.thread_id = t.thread_id),
line (rollout_id) AS (
  SELECT rollout_id FROM up
  UNION SELECT b.base_rollout_id FROM line AS l JOIN _rollouts AS b ON b.rollout_id = l.rollout_id
  WHERE b.base_rollout_id IS NOT NULL AND NOT b.elsewhere)
SELECT {_ROLLOUT} FROM line AS l JOIN _rollouts AS r ON r.rollout_id = l.rollout_id
WHERE NOT r.elsewhere
"""


def family(rollout_ids: Sequence[str], thread_ids: Sequence[str], bases: Sequence[str]) -> Query:
    """Read all rollouts that a change of some can touch; the last: what they will continue."""
    return _FAMILY, (list(rollout_ids), list(thread_ids), list(bases))


_PARTS: Final = (
    "SELECT p.source_id, p.thread_id, p.part_source, p.rollout_id, p.upto, p.items, p.turns, p.part"
    " FROM _thread_parts AS p WHERE p.thread_id = ANY({threads}) ORDER BY p.thread_id, p.part"
)
#: Of the threads that have a part of some rollouts: those parts, and the last one.
_PART: Final = (
    "z.source_id, z.thread_id, z.part_source, z.rollout_id, z.upto, z.items, z.turns, z.part"
)
_ENDS: Final = (
    "SELECT p.source_id, p.thread_id, p.part_source, p.rollout_id, p.upto, p.items, p.turns, p.part"
    " FROM unnest({threads}) AS w (thread_id) JOIN _thread_states AS s ON s.thread_id = w.thread_id"
    f" JOIN LATERAL (SELECT {_PART} FROM _thread_parts AS z WHERE z.rollout_id = ANY(%s::text[])"
    " AND z.source_id = s.source_id AND z.thread_id = s.thread_id"
    f" UNION (SELECT {_PART} FROM _thread_parts AS z WHERE z.source_id = s.source_id"
    " AND z.thread_id = s.thread_id ORDER BY z.part DESC LIMIT 1)) AS p ON true"
    " ORDER BY p.thread_id, p.part"
)
_STATES: Final = (
    "SELECT s.source_id, s.thread_id, s.rollout_id, s.archived, s.deleted, s.incomplete,"
    " s.repeated_turns FROM _thread_states AS s WHERE s.thread_id = ANY({threads})"
)
_NAMES: Final = (
    "SELECT n.source_id, n.thread_id, n.name FROM _names AS n WHERE n.thread_id = ANY({threads})"
)
_COUNTS: Final = (
    "SELECT thread_id, type, count(*) FROM _events WHERE thread_id = ANY({threads})"
    " AND NOT from_record GROUP BY 1, 2"
)
_OF_PARTS: Final = (
    f"SELECT {_ROLLOUT} FROM _rollouts AS r WHERE NOT r.elsewhere AND r.rollout_id = ANY(ARRAY("
    "SELECT p.rollout_id FROM _thread_parts AS p WHERE p.thread_id = ANY({threads})"
    " UNION SELECT p.thread_id FROM _thread_parts AS p WHERE p.thread_id = ANY({threads})))"
)
_OF_ENDS: Final = (
    f"SELECT {_ROLLOUT} FROM _rollouts AS r WHERE NOT r.elsewhere AND r.rollout_id = ANY(ARRAY("
    "SELECT s.rollout_id FROM _thread_states AS s WHERE s.thread_id = ANY({threads})"
    " UNION SELECT w.thread_id FROM unnest({threads}) AS w (thread_id)"
    " UNION SELECT unnest(%s::text[])))"
)
_THREADS_WITH: Final = (
    "ARRAY(SELECT w.thread_id FROM unnest(%s::text[]) AS k (rollout_id)"
    " JOIN _thread_parts AS w ON w.rollout_id = k.rollout_id"
    " UNION SELECT w.thread_id FROM unnest(%s::text[]) AS k (rollout_id)"
    " JOIN _rollouts AS w ON w.rollout_id = k.rollout_id WHERE NOT w.elsewhere)"
)


def threads(thread_ids: Sequence[str]) -> list[Query]:
    """Read what is stored of threads: see `take_threads`."""
    return [
        (text.format(threads="%s::text[]"), (list(thread_ids),))
        for text in (_STATES, _PARTS, _NAMES, _COUNTS)
    ]


def threads_with(rollout_ids: Sequence[str]) -> list[Query]:
    """Read what is stored of the threads that have one of these rollouts as a part.

    The last query gives the rollouts of all their parts.
    """
    ids = list(rollout_ids)
    found: list[Query] = [
        (text.format(threads=_THREADS_WITH), (ids, ids)) for text in (_STATES, _PARTS, _NAMES)
    ]
    return [*found, (_OF_PARTS.format(threads=_THREADS_WITH), (ids, ids, ids, ids))]


def ends_of_threads_with(rollout_ids: Sequence[str], bases: Sequence[str] = ()) -> list[Query]:
    """Read as `threads_with` does: of all parts, those of these rollouts and each thread's last.

    `bases`: rollouts whose own threads are read, too.
    """
    ids, near = list(rollout_ids), [*rollout_ids, *bases]
    return [
        (_STATES.format(threads=_THREADS_WITH), (ids, near)),
        (_ENDS.format(threads=_THREADS_WITH), (ids, near, near)),
        (_NAMES.format(threads=_THREADS_WITH), (ids, near)),
        (_OF_ENDS.format(threads=_THREADS_WITH), (ids, near, ids, near, near)),
    ]


def around_reverts(rollout_ids: Sequence[str], thread_ids: Sequence[str]) -> list[Query]:
    """Read whether new rollouts are continued already, and the numbers of their threads' events."""
    return [
        (
            "SELECT 1 FROM _rollouts WHERE base_rollout_id = ANY(%s::text[]) AND NOT elsewhere"
            " LIMIT 1",
            (list(rollout_ids),),
        ),
        (_COUNTS.format(threads="%s::text[]"), (list(thread_ids),)),
    ]


def take_threads(
    world: UnitOfWork, states: Iterable[Row], parts: Iterable[Row], names: Iterable[Row]
) -> None:
    """Put what was read of threads into the world."""
    for source, thread_id, rollout_id, archived, deleted, incomplete, repeated in states:
        thread = world.threads.setdefault(ThreadId(thread_id), Thread())
        thread.state = State(
            str(source), RolloutId(rollout_id), archived, deleted, incomplete, repeated
        )
    for _, thread_id, source, rollout_id, upto, items, turns, number in parts:
        thread = world.threads.setdefault(ThreadId(thread_id), Thread())
        thread.parts.append(Part(str(source), RolloutId(rollout_id), upto, items, turns))
        thread.numbers.append(number)
    for source, thread_id, name in names:
        world.names[str(source), ThreadId(thread_id)] = name
