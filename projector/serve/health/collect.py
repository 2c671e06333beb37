"""Collect facts from database and files, read-only.

Works with the daemon alive, stopped or hung: it is not asked, only what it has published is read.
The database is read in one short snapshot.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from projector.discover.scan import Fault, Unchanged, walk
from projector.model import codex_release
from projector.model.ids import RolloutFile, RolloutId
from projector.model.regular_file import open_regular
from projector.serve.health.judge import Level, Verdict, disk_full
from projector.serve.health.snapshot import (
    Backlog,
    Database,
    Facts,
    Torn,
    Waiting,
    Written,
    waiting_since_ms,
)
from projector.store.free_space import free_bytes, is_full
from projector.store.heartbeat import UNPUBLISHED, Heartbeat, Published
from projector.store.questions import contents
from projector.store.questions.contents import Projected
from projector.store.reading import Connection

_CHUNK: Final = 1 << 16
#: Maximum tail searched for a newline if the daemon has not reported it as torn: the answer is due
#: in a fraction of a second.
_TORN_BYTES: Final = 64 << 20
#: Bytes of a tail that are searched in any case.
_SEARCHED_BYTES: Final = 1 << 20
#: Time without writes after which a last line without its newline is reported, milliseconds: Codex
#: writes a line at once.
TORN_MS: Final = 3_600_000
#: From this number of rollouts on, the numbers published by a living daemon are used: reading the
#: state of so many files takes some tenths of a second.
MANY_FILES: Final = 10_000
#: Tolerated delay of a heartbeat, milliseconds.
_LATE_MS: Final = 5_000
#: Bytes of a record that are searched for its timestamp, which comes first.
_HEAD_BYTES: Final = 4096
_TIMESTAMP: Final = re.compile(rb'\{\s*"timestamp"\s*:\s*"([0-9TZ:+. -]{10,40})"')


def collect(
    db: Connection,
    homes: Iterable[str],
    now_ms: int,
    *,
    rollouts: bool = False,
    codex: bool = False,
) -> Facts:
    """Read the database and the state of the rollouts under `homes`. Raises as `Connection` does.

    If a living daemon follows many rollouts, its published numbers are used and no file is read.
    `rollouts`: return each of them, so read all. `codex`: what Codex wrote, too.
    """
    published = db.daemon()
    boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    beat = None if rollouts else _current_beat(published, boot_ms)
    database = read_database(db, rollouts=beat is None, codex=codex, published=published)
    if beat is not None:
        told = Backlog(beat.behind_bytes, beat.waiting, beat.behind_since_ms)
        return Facts(
            now_ms=now_ms, database=database, files=beat.files, waiting=(), faults=(), told=told,
            boot_ms=boot_ms,
        )  # fmt: skip
    faults: list[str] = []
    count = 0
    waiting = []
    torn = []
    current = Current(database)
    unchanged = Unchanged(database.whole, set())
    for file in _that_count(homes, database.rollouts, faults, unchanged):
        count += 1
        known = database.rollouts.get(file.name.rollout_id)
        behind = behind_bytes(file, known, current.all_ms)
        if behind:
            since_ms = _since_ms(file, known, current.of(known))
            waiting.append(Waiting(file=file, behind=behind, since_ms=since_ms))
        elif rest := _torn(file, known, now_ms):
            torn.append(rest)
    return Facts(
        now_ms=now_ms, database=database, files=count + len(unchanged.found), waiting=waiting,
        faults=faults, torn=torn, boot_ms=boot_ms,
    )  # fmt: skip


def full_disk(path: str | None) -> Verdict | None:
    """Return the verdict that a database cannot be read because its disk is full.

    None: another reason. For a database that no process has open, SQLite creates a file to read it.
    """
    if not path or not is_full(path):
        return None
    return Verdict(level=Level.CRITICAL, text=disk_full(path, free_bytes(path)))


def _written(db: Connection) -> Written:
    return Written(
        newer=codex_release.newer(contents.releases(db)),
        unknown=codex_release.unknown(contents.anomaly_counts(db)),
    )


def _current_beat(published: Published, boot_ms: int) -> Heartbeat | None:
    """Return the heartbeat of a daemon whose published numbers are current.

    None: it follows so few rollouts that reading their state is cheap, and exact; or it is not
    alive,
    late, stopping, or cannot write.
    """
    state = published.state
    beat = None if state is None else state.heartbeat
    if state is None or beat is None or not published.held or state.fault:
        return None
    late = boot_ms - beat.boot_ms > beat.interval_s * 1000 + _LATE_MS
    return None if late or beat.phase == "stopping" or beat.files < MANY_FILES else beat


class Current:
    """Times up to which rollouts are known to be completely projected."""

    def __init__(self, database: Database) -> None:
        """Initialise from the database and the published heartbeat."""
        beat = database.heartbeat
        self.all_ms = None if beat is None else beat.current_as_of_ms
        self._start = None if beat is None else beat.holder.started_at_ms

    def of(self, known: Projected | None) -> int | None:
        """Return the latest such time of a rollout, ms; None: there is none.

        A new rollout waits since the daemon could have read it: an archive that is put in place, or
        a first backfill, is not late because its files are old.
        """
        if known is None:
            return self._start if self.all_ms is None else self.all_ms
        moments = [] if self.all_ms is None else [self.all_ms]
        if known.compressed or known.offset == known.size:
            moments.append(known.read_at_ms)
        return max(moments, default=None)


def _that_count(
    homes: Iterable[str],
    projected: Mapping[RolloutId, Projected],
    faults: list[str],
    unchanged: Unchanged,
) -> Iterator[RolloutFile]:
    """Yield one file of each rollout, and append what cannot be read to `faults`.

    Files unchanged since they were completely projected are recorded in `unchanged` instead. If
    there are several, the projected one counts, which was selected by content (`discover.choose`);
    else the plain one, then the longer. Rollouts with one file are not kept in memory if the
    database knows them.
    """
    given: set[RolloutId] = set()
    others: dict[RolloutId, RolloutFile] = {}
    for home in homes:
        for found in walk(home, unchanged):
            if isinstance(found, Fault):
                faults.append(str(found))
                continue
            name = found.name.rollout_id
            known = projected.get(name)
            if known is not None and known.path == found.path:
                if name not in given:  # overlapping homes
                    given.add(name)
                    yield found
            elif name not in others or _rank(found) > _rank(others[name]):
                others[name] = found
    for name, file in others.items():
        known = projected.get(name)
        if name not in given and (known is None or known.path not in unchanged.found):
            yield file


def read_database(
    db: Connection,
    *,
    rollouts: bool = True,
    codex: bool = False,
    published: Published = UNPUBLISHED,
) -> Database:
    """Read the database in one snapshot. Raises as `Connection` does.

    `rollouts`: return each of them; else they are only counted.
    """
    with db.snapshot():
        anomalies = contents.rollouts_with_anomalies(db)
        known = contents.rollouts(db, anomalies) if rollouts else {}
        totals = contents.totals(db)
        threads = contents.thread_count(db)
        beat = contents.heartbeat(db)
        attempts = contents.failed_attempts(db)
        written = _written(db) if codex else None
        rules = contents.rules_behind(db)
    size = db.size()
    state = published.state
    if state is not None and state.heartbeat is not None:
        newer = beat is None or beat.holder == state.holder
        if newer:
            current_ms = None if beat is None else beat.current_as_of_ms
            current_ms = state.heartbeat.current_as_of_ms or current_ms
            beat = replace(state.heartbeat, current_as_of_ms=current_ms)
    return Database(
        path=db.shown,
        size=size.database,
        wal_size=size.log,
        rollouts=known,
        threads=threads,
        rules=rules,
        anomalies=sum(anomalies.values()),
        heartbeat=beat,
        totals=totals,
        free=size.free,
        published=published,
        attempts=attempts,
        codex=written,
    )


def behind_bytes(file: RolloutFile, known: Projected | None, current_ms: int | None = None) -> int:
    """Return the bytes of a rollout on disk that contain complete lines and are not projected.

    A partial last line waits for its newline and does not count. `current_ms`: time up to which the
    daemon has read all complete lines, ms; None: unknown.
    """
    if known is None:
        return file.size if file.name.compressed or _has_line(file.path, 0, _TORN_BYTES) else 0
    if file.name.compressed:
        # Compressed since it was read: the content is the same.
        return file.size if known.compressed and file.size != known.size else 0
    behind = file.size - known.offset
    if behind < 0:
        return file.size
    most = _TORN_BYTES
    if file.size == known.size and current_ms is not None and _changed_ms(file) < current_ms:
        most = 0  # the daemon has searched it for a newline
    return behind if behind and _has_line(file.path, known.offset, most) else 0


def _torn(file: RolloutFile, known: Projected | None, now_ms: int) -> Torn | None:
    """Return the partial last line of a plain rollout that has lacked its newline for long.

    Not of a compressed one: its end is unknown without decompressing it.
    """
    rest = file.size - (0 if known is None else known.offset)
    since_ms = file.mtime_ns // 1_000_000
    if file.name.compressed or rest <= 0 or now_ms - since_ms < TORN_MS:
        return None
    return Torn(file=file, bytes=rest, since_ms=since_ms)


def _has_line(path: str, offset: int, most: int) -> bool:
    """False if everything at or after `offset` is a partial line.

    Reads at most `most` bytes, or `_SEARCHED_BYTES`: if those have no newline, and there are more,
    True unless `most` is 0: then it is known to be partial. True for a file that cannot be opened.
    """
    try:
        with os.fdopen(open_regular(path), "rb", buffering=0) as file:
            file.seek(offset)
            left = max(most, _SEARCHED_BYTES)
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                if b"\n" in chunk:
                    return True
                left -= len(chunk)
            return most > 0 and left <= 0 and bool(file.read(1))
    except OSError:
        return True


def _changed_ms(file: RolloutFile) -> int:
    """Return when the file was last changed, ms: its bytes, name or mode."""
    try:
        return os.stat(file.path).st_ctime_ns // 1_000_000
    except OSError:
        return file.mtime_ns // 1_000_000


def _since_ms(file: RolloutFile, known: Projected | None, current_ms: int | None) -> int:
    """Return since when the oldest byte that is not projected has waited, ms."""
    record_ms = None
    if not file.name.compressed:
        offset = 0 if known is None or known.offset > file.size else known.offset
        record_ms = _record_ms(file.path, offset)
    return waiting_since_ms(
        record_ms=record_ms, current_ms=current_ms, changed_ms=_changed_ms(file)
    )


def _record_ms(path: str, offset: int) -> int | None:
    """Return the timestamp of the record at `offset` from its first bytes.

    None if there is none.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            head = file.read(_HEAD_BYTES).lstrip().partition(b"\n")[0]
    except OSError:
        return None
    found = _TIMESTAMP.match(head)
    if found is None:
        return None
    try:
        made = datetime.fromisoformat(found[1].decode("ascii"))
    except ValueError:
        return None
    return round((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp() * 1000)


def _rank(file: RolloutFile) -> tuple[bool, int]:
    return not file.name.compressed, file.size
