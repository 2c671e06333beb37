"""Database and files → facts, read-only.

Works with the daemon alive, stopped or hung: it asks neither it nor for any lock. The database
is read in one short snapshot.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from projector.discover.scan import Fault, walk
from projector.place import RolloutFile, RolloutId
from projector.serve.counts import THREADS
from projector.serve.facts import Database, Facts, Projected, Waiting
from projector.store.heartbeat import Heartbeat, Holder
from projector.store.reading import Connection, Sql

_CHUNK: Final = 1 << 16
#: Longest tail that is searched for a newline: the answer is due in a fraction of a second, and
#: many rollouts may have one.
_TORN_BYTES: Final = 1 << 20
#: Columns of the heartbeat that are named as its fields.
_BEAT: Final = (
    "beat_at_ms", "interval_s", "phase", "watching", "watching_why", "behind_bytes",
    "behind_since_ms", "bytes_read", "records", "batches", "set_aside",
)  # fmt: skip
_ROLLOUT: Final = (
    "rollout_id, thread_id, path, compressed, size, next_offset, records, items, turns,"
    " gone_at_ms IS NOT NULL FROM _rollouts"
)
_ROLLOUTS: Final = Sql(
    f"SELECT rollout, {_ROLLOUT}", f"SELECT rollout_id, {_ROLLOUT} WHERE source_id = :source"
)
_ODD: Final = Sql(
    "SELECT rollout, count(*) FROM _anomaly_rows GROUP BY rollout",
    "SELECT rollout_id, count(*) FROM _anomaly_rows WHERE source_id = :source GROUP BY rollout_id",
)
_BEATS: Final = f"SELECT pid, host, version, started_at_ms, {', '.join(_BEAT)} FROM _heartbeat"
_HEARTBEAT: Final = Sql(_BEATS, f"{_BEATS} WHERE source_id = :source")


def gather(db: Connection, homes: Iterable[str], now_ms: int) -> Facts:
    """Read the database and look at the rollouts under `homes`. Raises as `Connection` does."""
    database = read_database(db)
    faults: list[str] = []
    count = 0
    waiting = []
    for file in _that_count(homes, database.rollouts, faults):
        count += 1
        behind = behind_bytes(file, database.rollouts.get(file.name.rollout_id))
        if behind:
            waiting.append(Waiting(file=file, behind=behind, since_ms=_since_ms(file)))
    return Facts(now_ms=now_ms, database=database, files=count, waiting=waiting, faults=faults)


def _that_count(
    homes: Iterable[str], projected: Mapping[RolloutId, Projected], faults: list[str]
) -> Iterator[RolloutFile]:
    """Give one file of each rollout, and put into `faults` what cannot be looked at.

    Of several the one counts that is projected, which was decided by their bytes
    (`discover.choose`); else the plain one, then the longer. That is found out without keeping
    those of which there is one, where the database says.
    """
    given: set[RolloutId] = set()
    others: dict[RolloutId, RolloutFile] = {}
    for home in homes:
        for found in walk(home):
            if isinstance(found, Fault):
                faults.append(str(found))
                continue
            name = found.name.rollout_id
            known = projected.get(name)
            if known is not None and known.path == found.path:
                if name not in given:  # of homes that overlap
                    given.add(name)
                    yield found
            elif name not in others or _rank(found) > _rank(others[name]):
                others[name] = found
    yield from (file for name, file in others.items() if name not in given)


def read_database(db: Connection) -> Database:
    """Read what the database says, in one snapshot. Raises as `Connection` does."""
    with db.snapshot():
        # Few, and by an index: a subquery for each rollout costs as much as all else together.
        odd = dict(db.rows(_ODD))
        rollouts = {
            row[0]: Projected._make((*row, odd.get(number, 0)))
            for number, *row in db.rows(_ROLLOUTS)
        }
        ((threads,),) = db.rows(THREADS)
        beats = db.rows(_HEARTBEAT)
    size = db.size()
    return Database(
        path=db.shown,
        size=size.database,
        wal_size=size.log,
        rollouts=rollouts,
        threads=threads,
        anomalies=sum(odd.values()),
        heartbeat=_heartbeat(*beats[0]) if beats else None,
    )


def _heartbeat(pid: int, host: str, version: str, started_at_ms: int, *beat: Any) -> Heartbeat:
    holder = Holder(pid=pid, host=host, version=version, started_at_ms=started_at_ms)
    return Heartbeat(holder=holder, **dict(zip(_BEAT, beat, strict=True)))


def behind_bytes(file: RolloutFile, known: Projected | None) -> int:
    """Give the bytes of a rollout on disk that hold whole lines and are not projected."""
    if known is None:
        return file.size if file.name.compressed or _has_line(file.path, 0) else 0
    if file.name.compressed:
        # Compressed since it was read: the bytes are the same ones.
        return file.size if known.compressed and file.size != known.size else 0
    behind = file.size - known.offset
    if behind < 0:
        return file.size
    return behind if behind and _has_line(file.path, known.offset) else 0


def _has_line(path: str, offset: int) -> bool:
    """False if all that stands at or after `offset` is a short torn line.

    Reads at most `_TORN_BYTES`: of a longer tail it is not told whether it is torn, and it counts
    as waiting. So does a file that cannot be opened.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            left = _TORN_BYTES
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                if b"\n" in chunk:
                    return True
                left -= len(chunk)
            return left <= 0 and bool(file.read(1))
    except OSError:
        return True


def _since_ms(file: RolloutFile) -> int:
    try:
        changed = os.stat(file.path).st_ctime_ns
    except OSError:
        changed = 0
    return max(file.mtime_ns, changed) // 1_000_000


def _rank(file: RolloutFile) -> tuple[bool, int]:
    return not file.name.compressed, file.size
