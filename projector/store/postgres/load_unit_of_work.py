"""Reads a source's row, rollouts, and the chains and states of threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from projector.model.ids import RolloutId, ThreadId
from projector.store.postgres.pipeline import Query, Row
from projector.store.postgres.unit_of_work import Part, Rollout, State, Thread, UnitOfWork
from projector.store.schema_names import HEADER, META

#: Columns of a rollout that are read; fingerprints and state are only written.
COLUMNS: Final = tuple(
    dict.fromkeys((
        "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset", "start_position",
        "elsewhere", "home", "path", "archived", "named", "compressed", "size", "mtime_ns",
        "ctime_ns", "device", "inode", "trusted_bytes", "gone_at_ms", "generation",
        "next_offset", "next_ordinal", "read_at_ms", "revision", "records", "items", "turns",
        "lacks", *HEADER, *META,
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
    """Lock rollouts of any source."""
    return (
        "SELECT rollout_id FROM _rollouts WHERE rollout_id = ANY(%s) AND NOT elsewhere"
        " ORDER BY rollout_id FOR UPDATE",
        (list(rollout_ids),),
    )


def rollout_of(row: Row) -> Rollout:
    """Create a rollout from a row of `own` and similar queries."""
    values = dict(zip(COLUMNS, row[2:], strict=True))
    values["device"], values["inode"] = int(values["device"]), int(values["inode"])
    return Rollout(str(row[0]), RolloutId(row[1]), dict(values), values)


# A rollout continues another one; a thread has several. A change of some rollouts can touch: the
# rollouts that continue them (down), the threads of all these, the rollouts of those threads, and
# the rollouts that all of these continue (up).
# Columns are named in each SELECT: Citus drops the names in the list behind WITH.
_FAMILY: Final = f"""
WITH RECURSIVE down (rollout_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C" AS rollout_id
  UNION SELECT c.rollout_id FROM down AS d JOIN _rollouts AS c ON c.base_rollout_id = d.rollout_id
  WHERE NOT c.elsewhere),
of_threads (thread_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C" AS thread_id
  UNION SELECT r.thread_id FROM down AS d JOIN _rollouts AS r ON r.rollout_id = d.rollout_id
  WHERE NOT r.elsewhere),
up (rollout_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C" AS rollout_id
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
    """Read all rollouts that a change of some can touch; `bases`: those that they will continue."""
    return _FAMILY, (list(rollout_ids), list(thread_ids), list(bases))


#: Columns of `take_parts`.
PART: Final = (
    "{0}.source_id, {0}.thread_id, {0}.part_source, {0}.rollout_id, {0}.upto, {0}.items,"
    " {0}.turns, {0}.repeated, {0}.part"
)
_PARTS: Final = (
    f"SELECT {PART.format('p')}"
    " FROM _thread_parts AS p WHERE p.thread_id = ANY({threads}) ORDER BY p.thread_id, p.part"
)
#: Of threads: the parts of some rollouts and the last one; or all parts from those on.
_ENDS: Final = (
    f"SELECT {PART.format('p')}"
    " FROM unnest({threads}) AS w (thread_id)"
    " JOIN _thread_states AS s ON s.thread_id = w.thread_id"
    f" JOIN LATERAL (SELECT {PART.format('z')} FROM _thread_parts AS z WHERE {{which}}"
    " AND z.source_id = s.source_id AND z.thread_id = s.thread_id"
    f" UNION (SELECT {PART.format('z')} FROM _thread_parts AS z WHERE z.source_id = s.source_id"
    " AND z.thread_id = s.thread_id ORDER BY z.part DESC LIMIT 1)) AS p ON true"
    " ORDER BY p.thread_id, p.part"
)
_ENDS_ONLY: Final = _ENDS.replace("{which}", "z.rollout_id = ANY(%s::text[])")
_TAILS: Final = _ENDS.replace(
    "{which}",
    "z.part >= (SELECT min(x.part) FROM _thread_parts AS x WHERE x.source_id = s.source_id"
    " AND x.thread_id = s.thread_id AND x.rollout_id = ANY(%s::text[]))",
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
    "SELECT unnest(ARRAY[w.thread_id, s.rollout_id]) FROM unnest({threads}) AS w (thread_id)"
    " LEFT JOIN _thread_states AS s ON s.thread_id = w.thread_id"
    " UNION SELECT unnest(%s::text[])))"
)
#: Threads that show rows of rollouts from an offset on, threads of rollouts, and further ones.
_THREADS_WITH: Final = (
    "ARRAY(SELECT w.thread_id FROM unnest(%s::text[], %s::bigint[]) AS k (rollout_id, since)"
    " JOIN _rollouts AS r ON r.rollout_id = k.rollout_id AND NOT r.elsewhere"
    " JOIN _thread_parts AS w ON w.rollout_id = k.rollout_id"
    " AND w.upto > r.start_position + k.since"
    " UNION SELECT w.thread_id FROM unnest(%s::text[]) AS k (rollout_id)"
    " JOIN _rollouts AS w ON w.rollout_id = k.rollout_id WHERE NOT w.elsewhere"
    " UNION SELECT unnest(%s::text[]))"
)
#: An offset before the first byte.
ALL: Final = -1


def threads(thread_ids: Sequence[str]) -> list[Query]:
    """Read the stored state, parts and names of threads: see `take_threads`."""
    return [
        (text.format(threads="%s::text[]"), (list(thread_ids),))
        for text in (_STATES, _PARTS, _NAMES, _COUNTS)
    ]


def threads_with(rollout_ids: Sequence[str]) -> list[Query]:
    """Read the stored rows of the threads that have one of these rollouts as a part.

    The last query reads the rollouts of all their parts.
    """
    ids = list(rollout_ids)
    some = [ids, [ALL] * len(ids), ids, []]
    found: list[Query] = [
        (text.format(threads=_THREADS_WITH), some) for text in (_STATES, _PARTS, _NAMES)
    ]
    return [*found, (_OF_PARTS.format(threads=_THREADS_WITH), [*some, *some])]


def ends_of_threads(
    since: Mapping[RolloutId, int],
    own: Sequence[str] = (),
    thread_ids: Sequence[str] = (),
    *,
    tails: bool = False,
) -> list[Query]:
    """Read as `threads_with` does: of all parts, those of some rollouts and each thread's last.

    `since`: rollouts, and from which byte on threads are wanted that show them. `own`: rollouts
    whose own threads are wanted, too. `tails`: all parts from those of the rollouts on.
    """
    near = [*since, *own]
    some = [[*since], [*since.values()], near, list(thread_ids)]
    ends = _TAILS if tails else _ENDS_ONLY
    return [
        (_STATES.format(threads=_THREADS_WITH), some),
        (ends.format(threads=_THREADS_WITH), [*some, near]),
        (_NAMES.format(threads=_THREADS_WITH), some),
        (_OF_ENDS.format(threads=_THREADS_WITH), [*some, near]),
    ]


def counts_of_threads(rollout_ids: Sequence[str]) -> Query:
    """Count the events, of the threads of rollouts, that no record reports."""
    return _COUNTS.format(threads=_THREADS_WITH), [[], [], list(rollout_ids), []]


_NEXT: Final = (
    f"SELECT {_ROLLOUT} FROM unnest(%s::text[]) AS w (thread_id) JOIN LATERAL ("
    f"SELECT {_ROLLOUT.replace('r.', 'x.')} FROM _rollouts AS x"
    " WHERE x.thread_id = w.thread_id AND NOT x.elsewhere"
    " AND x.rollout_id <> ALL(%s::text[]) ORDER BY x.thread_id DESC, (x.gone_at_ms IS NULL) DESC,"
    " x.named DESC, x.rollout_id DESC LIMIT 1) AS r ON true"
)


def next_current(thread_ids: Sequence[str], but: Sequence[str]) -> Query:
    """Read the current rollout of threads, without some rollouts."""
    return _NEXT, (list(thread_ids), list(but))


#: Rollouts, and what they continue.
_WITH_BASES: Final = (
    f"SELECT {_ROLLOUT} FROM _rollouts AS r WHERE NOT r.elsewhere AND r.rollout_id = ANY(ARRAY("
    "SELECT unnest(%s::text[]) UNION SELECT b.base_rollout_id FROM _rollouts AS b"
    " WHERE b.rollout_id = ANY(%s::text[]) AND NOT b.elsewhere))"
)


def tails(thread_ids: Sequence[str], rollout_ids: Sequence[str]) -> list[Query]:
    """Read the parts of threads from those on of rollouts or of what these continue; and those."""
    ids, bases = list(rollout_ids), "_rollouts AS b WHERE b.rollout_id = ANY(%s::text[])"
    which = (
        "z.part >= (SELECT min(x.part) FROM _thread_parts AS x WHERE x.source_id = s.source_id"
        " AND x.thread_id = s.thread_id AND x.rollout_id = ANY(ARRAY("
        f"SELECT unnest(%s::text[]) UNION SELECT b.base_rollout_id FROM {bases})))"
    )
    text = _ENDS.replace("{which}", which).format(threads="%s::text[]")
    return [(text, (list(thread_ids), ids, ids)), (_WITH_BASES, (ids, ids))]


_CONTINUED: Final = (
    "SELECT k.rollout_id FROM unnest(%s::text[]) AS k (rollout_id) WHERE EXISTS ("
    "SELECT 1 FROM _rollouts AS c WHERE c.base_rollout_id = k.rollout_id AND NOT c.elsewhere)"
)


def continued(rollout_ids: Sequence[str]) -> Query:
    """Read which of some rollouts are continued by others."""
    return _CONTINUED, (list(rollout_ids),)


#: Of those that continue a rollout, only those are read that lack a column, however many there are.
_HEIRS: Final = """
WITH RECURSIVE heirs (origin, rollout_id, columns) AS (
  SELECT k.rollout_id COLLATE "C" AS origin, k.rollout_id COLLATE "C" AS rollout_id,
    k.columns AS columns
  FROM unnest(%s::text[], %s::integer[]) AS k (rollout_id, columns)
  UNION SELECT h.origin, c.rollout_id, h.columns & c.lacks FROM heirs AS h CROSS JOIN LATERAL (
    WITH RECURSIVE kinds (lacks) AS (
      SELECT (
        SELECT min(x.lacks) FROM _rollouts AS x WHERE x.base_rollout_id = h.rollout_id) AS lacks
      UNION ALL SELECT (SELECT min(x.lacks) FROM _rollouts AS x
        WHERE x.base_rollout_id = h.rollout_id AND x.lacks > kinds.lacks)
      FROM kinds WHERE kinds.lacks IS NOT NULL)
    SELECT y.rollout_id, y.lacks FROM kinds JOIN _rollouts AS y
      ON y.base_rollout_id = h.rollout_id AND y.lacks = kinds.lacks
    WHERE kinds.lacks & h.columns <> 0 AND NOT y.elsewhere) AS c)
SELECT DISTINCT s.source_id, s.thread_id, s.rollout_id FROM heirs AS h
JOIN _rollouts AS r ON r.rollout_id = h.rollout_id AND NOT r.elsewhere
JOIN _thread_states AS s ON s.thread_id = r.thread_id AND s.rollout_id = r.rollout_id
WHERE h.rollout_id <> h.origin AND EXISTS (
  SELECT 1 FROM _thread_parts AS p WHERE p.source_id = s.source_id AND p.thread_id = s.thread_id
    AND p.rollout_id = h.origin)
"""


def heirs(columns: Mapping[RolloutId, int]) -> Query:
    """Read the threads that inherit one of some columns from rollouts; columns as bits."""
    return _HEIRS, ([*columns], [*columns.values()])


def events_of(thread_ids: Sequence[str]) -> Query:
    """Count the events of threads that no record reports."""
    return _COUNTS.format(threads="%s::text[]"), (list(thread_ids),)


def take_threads(
    unit: UnitOfWork, states: Iterable[Row], parts: Iterable[Row], names: Iterable[Row]
) -> None:
    """Add the results for threads to the unit of work."""
    for source, thread_id, rollout_id, archived, deleted, incomplete, repeated in states:
        thread = unit.threads.setdefault(ThreadId(thread_id), Thread())
        thread.state = State(
            str(source), RolloutId(rollout_id), archived, deleted, incomplete, repeated
        )
        thread.left_out = repeated
    take_parts(unit, parts)
    for source, thread_id, name in names:
        unit.names[str(source), ThreadId(thread_id)] = name


def take_parts(unit: UnitOfWork, parts: Iterable[Row], *, late: bool = False) -> None:
    """Add parts of threads to the unit of work, except those that it has.

    `late`: threads were kept as they were shown before: these parts are not compared.
    """
    read: dict[ThreadId, dict[int, Part]] = {}
    for _, thread_id, source, rollout_id, upto, items, turns, repeated, number in parts:
        part = Part(str(source), RolloutId(rollout_id), upto, items, turns, repeated, late=late)
        read.setdefault(ThreadId(thread_id), {})[number] = part
    for thread_id, found in read.items():
        unit.add_parts(thread_id, found)
