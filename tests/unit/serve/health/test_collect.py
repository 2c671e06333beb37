"""Database and files, as they are found."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from projector.model.errors import StoreRefused, StoreUnavailable
from projector.model.ids import RolloutId
from projector.model.settings import Health
from projector.serve.doctor.checks import checks, torn_and_tried
from projector.serve.doctor.probe import probe
from projector.serve.health import collect as gather
from projector.serve.health import status
from projector.serve.health.judge import Level, Verdict, judge
from projector.serve.health.snapshot import Facts
from projector.store.migrations import migrations
from projector.store.sqlite import reading
from projector.store.sqlite.reading import SqliteConnection
from projector.store.sqlite.schema import migrate
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled, settings_for

ONE = "019b8d62-7a80-7000-8000-000000000002"
NOW = 1_767_600_000_000
LINES = b'{"a":1}\n{"b":2}\n'
#: All columns of a rollout that must hold something.
ROW = {
    "rollout": 1, "rollout_id": ONE, "thread_id": ONE, "mode": "paginated", "attached": 0,
    "start_position": 0, "home": "", "path": "", "archived": 0, "compressed": 0, "size": 0,
    "mtime_ns": 0, "device": 0, "inode": 0, "generation": 0, "next_offset": 0, "next_ordinal": 0,
    "head": b"", "tail": b"", "read_at_ms": 0, "records": 2, "items": 3, "turns": 1, "state": b"",
    "revision": 1, "named": 1, "lacks": 0, "kinds": "{}",
}  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Make a database of ours, with nothing in it."""
    path = tmp_path / "state/p.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, path, migrations("sqlite"))
        yield connection


def known(connection: sqlite3.Connection, **columns: object) -> None:
    """Put a rollout into the database."""
    row = ROW | columns
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO _rollouts ({names}) VALUES ({marks})", tuple(row.values()))


def beat(connection: sqlite3.Connection, current_as_of_ms: int) -> None:
    """Put a daemon's sign of life into the database."""
    connection.execute(
        "INSERT INTO _heartbeat (id, pid, host, version, started_at_ms, beat_at_ms, interval_s,"
        " phase, watching, watching_why, behind_bytes, bytes_read, records, batches, set_aside,"
        f" current_as_of_ms) VALUES (1, 1, 'h', '1', 1, {NOW}, 60, 'following', 'events', '', 0,"
        f" 0, 0, 0, 0, {current_as_of_ms})"
    )


def rollout(tmp_path: Path, data: bytes, suffix: str = "") -> Path:
    """Put a rollout into the home."""
    folder = tmp_path / "home/sessions/2026/01/05"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rollout-2026-01-05T09-00-00-{ONE}.jsonl{suffix}"
    path.write_bytes(data)
    return path


def found(tmp_path: Path) -> Facts:
    with SqliteConnection(str(tmp_path / "state/p.db")) as db:
        return gather.collect(db, [str(tmp_path / "home")], NOW)


BEHIND = [
    # what happened, known (offset, size, compressed) or None, on disk (bytes, suffix), behind
    ("never seen", None, (LINES, ""), 16),
    ("never seen, and not a whole line yet", None, (b'{"a":1}', ""), 0),
    ("never seen, compressed", None, (b"\x28\xb5zst", ".zst"), 5),
    ("all read", (16, 16, 0), (LINES, ""), 0),
    ("grown by a line", (8, 8, 0), (LINES, ""), 8),
    ("read in part, the database knows its size", (8, 16, 0), (LINES, ""), 8),
    ("its last line is torn", (8, 15, 0), (LINES[:-1], ""), 0),
    ("its torn last line grows", (8, 10, 0), (LINES[:-1], ""), 0),
    ("a line behind which another is torn", (8, 8, 0), (LINES + b"{", ""), 9),
    ("shorter than it was", (99, 99, 0), (LINES, ""), 16),
    ("compressed since", (16, 16, 0), (b"\x28\xb5zst", ".zst"), 0),
    ("compressed and read", (16, 5, 1), (b"\x28\xb5zst", ".zst"), 0),
    ("decompressed since", (16, 5, 1), (LINES, ""), 0),
    ("decompressed since, and grown", (8, 5, 1), (LINES, ""), 8),
]


@pytest.mark.parametrize(
    ("before", "disk", "behind"), [pytest.param(*case[1:], id=case[0]) for case in BEHIND]
)
def test_behind(
    database: sqlite3.Connection,
    tmp_path: Path,
    before: tuple[int, int, int] | None,
    disk: tuple[bytes, str],
    behind: int,
) -> None:
    """Behind are bytes on disk that hold whole lines and are not projected."""
    rollout(tmp_path, *disk)
    if before is not None:
        offset, size, compressed = before
        known(database, next_offset=offset, size=size, compressed=compressed)

    facts = found(tmp_path)

    assert facts.behind_bytes == behind
    assert facts.files == 1
    assert len(facts.database.rollouts) == (before is not None)


HOUR_MS = 3_600_000
TORN = [
    # what happened, known (offset, size, compressed) or None, on disk, hours ago, its bytes
    ("torn for long", (8, 15, 0), (LINES[:-1], ""), 2, 7),
    ("not known yet, and torn for long", None, (b'{"a":1}', ""), 2, 7),
    ("torn a moment ago", (8, 15, 0), (LINES[:-1], ""), 0, None),
    ("whole", (16, 16, 0), (LINES, ""), 2, None),
    ("a whole line is behind", (8, 8, 0), (LINES, ""), 2, None),
    ("compressed since", (8, 15, 0), (b"\x28\xb5zst", ".zst"), 2, None),
    ("empty", None, (b"", ""), 2, None),
]


@pytest.mark.parametrize(
    ("before", "disk", "hours", "length"), [pytest.param(*case[1:], id=case[0]) for case in TORN]
)
def test_torn_lines_are_told_once_they_are_old(
    database: sqlite3.Connection,
    tmp_path: Path,
    *,
    before: tuple[int, int, int] | None,
    disk: tuple[bytes, str],
    hours: int,
    length: int | None,
) -> None:
    path = rollout(tmp_path, *disk)
    written_ns = (NOW - hours * HOUR_MS - 1) * 1_000_000
    os.utime(path, ns=(written_ns, written_ns))
    if before is not None:
        offset, size, compressed = before
        known(database, next_offset=offset, size=size, compressed=compressed)

    facts = found(tmp_path)
    told = status.document(facts)["torn"]
    warned = list(torn_and_tried(facts))

    if length is None:
        assert (told, warned) == ([], [])
        assert "no newline" not in status.text(facts)
        return
    assert [(one["rollout_id"], one["bytes"]) for one in told] == [(ONE, length)]
    line = f"{path}: its last 7 B have no newline, for 2 h"
    assert line in status.text(facts)
    assert line in warned[0].text


def read_by(look: Callable[[], Facts]) -> tuple[Facts, int]:
    """Return what a look found, and how many bytes it read."""
    io = Path("/proc/self/io")
    before = int(io.read_text().split()[1])
    facts = look()
    return facts, int(io.read_text().split()[1]) - before


def test_a_torn_tail_is_searched_up_to_a_bound(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """Of a longer one it cannot be told by itself whether it is torn: its bytes are behind."""
    path = rollout(tmp_path, LINES)
    os.truncate(path, 40 << 20)
    known(database, next_offset=16, size=16)

    assert found(tmp_path).behind_bytes == 0
    os.truncate(path, 256 << 20)
    facts, read = read_by(lambda: found(tmp_path))

    assert read < 68 << 20
    assert facts.behind_bytes == (256 << 20) - 16


@pytest.mark.parametrize(
    ("seen", "later_ms", "behind"), [(0, 1000, 0), (0, -1000, 1), (1, 1000, 1)],
    ids=["all of it was looked at", "changed since", "grown since"],
)  # fmt: skip
def test_a_torn_tail_that_the_daemon_knows_is_not_behind(
    database: sqlite3.Connection, tmp_path: Path, seen: int, later_ms: int, behind: int
) -> None:
    """However long: it waits for its newline."""
    path = rollout(tmp_path, LINES)
    os.truncate(path, 256 << 20)
    size = (256 << 20) - seen
    known(database, next_offset=16, size=size, path=str(path))
    beat(database, current_as_of_ms=path.stat().st_ctime_ns // 1_000_000 + later_ms)

    facts, read = read_by(lambda: found(tmp_path))

    assert facts.behind_bytes == behind * ((256 << 20) - 16)
    assert behind or read < 4 << 20


def test_a_plain_file_counts_before_its_compressed_twin(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """Codex has both for an instant; they are one rollout."""
    known(database, next_offset=16, size=16)
    rollout(tmp_path, b"zzzzzzzzzzzzzzzzzzzzzzzzzzzz", ".zst")
    rollout(tmp_path, LINES)

    facts = found(tmp_path)

    assert (facts.files, facts.behind_bytes) == (1, 0)


def test_counts(database: sqlite3.Connection, tmp_path: Path) -> None:
    known(database, next_offset=16, size=16)
    (tmp_path / "home").mkdir()
    for offset in (1, 2):
        database.execute(
            "INSERT INTO _anomaly_rows VALUES (?, 1, ?, 1, 1, 0, 'x', '')", [offset] * 2
        )

    facts = found(tmp_path)

    one = facts.database.rollouts[RolloutId(ONE)]
    assert facts.database.anomalies == one.anomalies == 2
    assert (one.records, one.items, one.turns) == (2, 3, 1)
    assert facts.database.size > 0
    assert facts.database.heartbeat is None


def test_the_heartbeat(database: sqlite3.Connection, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    database.execute(
        "INSERT INTO _heartbeat (id, pid, host, version, started_at_ms, beat_at_ms, interval_s,"
        " phase, watching, watching_why, behind_bytes, behind_since_ms, bytes_read, records,"
        " batches, set_aside) VALUES (1, 7, 'h', '0.1', 5, 6, 30.0, 'following', 'polling',"
        " 'why', 8, 9, 10, 11, 12, 13)"
    )

    beat = found(tmp_path).database.heartbeat

    assert beat is not None
    assert (beat.holder.pid, beat.holder.host, beat.holder.version) == (7, "h", "0.1")
    assert (beat.beat_at_ms, beat.interval_s, beat.phase) == (6, 30.0, "following")
    assert (beat.watching, beat.watching_why) == ("polling", "why")
    assert (beat.behind_bytes, beat.behind_since_ms, beat.bytes_read) == (8, 9, 10)
    assert (beat.records, beat.batches, beat.set_aside) == (11, 12, 13)


def test_a_missing_home_is_told(database: sqlite3.Connection, tmp_path: Path) -> None:
    assert database

    (fault,) = found(tmp_path).faults

    assert fault.startswith(f"{tmp_path}/home: not there")


def test_a_writer_does_not_hold_up_a_look(database: sqlite3.Connection, tmp_path: Path) -> None:
    """A daemon that hangs in a transaction cannot silence monitoring."""
    (tmp_path / "home").mkdir()
    database.execute("BEGIN IMMEDIATE")
    known(database)

    assert len(found(tmp_path).database.rollouts) == 0


def test_a_look_changes_nothing(database: sqlite3.Connection, tmp_path: Path) -> None:
    known(database)
    database.close()
    (tmp_path / "home").mkdir()
    before = (tmp_path / "state/p.db").read_bytes()

    found(tmp_path)

    assert (tmp_path / "state/p.db").read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_database_at_rest_in_a_folder_of_others(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    """Monitoring may run as a user who cannot write beside the database."""
    known(database)
    database.close()
    (tmp_path / "home").mkdir()
    (tmp_path / "state").chmod(0o500)
    try:
        assert len(found(tmp_path).database.rollouts) == 1
    finally:
        (tmp_path / "state").chmod(0o700)


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"p\.db: no database there\. Make it: projector back"):
        found(tmp_path)


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/p.db").write_bytes(b"no database at all, but some words" * 100)

    with pytest.raises(StoreRefused, match="not a SQLite database"):
        found(tmp_path)


def test_a_database_of_another_program(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with closing(sqlite3.connect(tmp_path / "state/p.db")) as other:
        other.execute("CREATE TABLE cups (handle)")

    with pytest.raises(StoreRefused, match="not a database of this version"):
        found(tmp_path)


def test_a_locked_database(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOCK_TIMEOUT_S", 0)
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreUnavailable, match="locked by another program"):
        found(tmp_path)


def test_of_two_files_the_projected_one_counts(tmp_path: Path) -> None:
    """The other one, longer and different, is passed over: none of its bytes wait."""
    home, database = tmp_path / "home", tmp_path / "p.db"
    path = Rollout(seed=1).write(home, size=20_000)
    other = home / "archived_sessions" / path.name
    other.parent.mkdir()
    other.write_bytes(path.read_bytes()[:5_000].replace(b"a", b"b") + path.read_bytes() * 2)
    os.utime(other, (1, 1))
    backfilled(home, database)

    with SqliteConnection(str(database)) as db:
        facts = gather.collect(db, [str(home)], now_ms=0)

    assert facts.waiting == []


def test_a_long_reader_is_seen_by_the_log_that_it_keeps(tmp_path: Path) -> None:
    """128 MB of log for 2 MB of data, while one transaction reads; doctor names who has it open."""
    home, path = tmp_path / "home", tmp_path / "p.db"
    Rollout(seed=1).write(home, size=9_000)
    backfilled(home, path)
    settings = settings_for(home, path)

    def log_lines() -> list[str]:
        found = probe(settings, lambda: SqliteConnection(str(path)))
        return [one.line() for one in checks(found, settings) if "database's log" in one.text]

    def verdict() -> Verdict:
        with SqliteConnection(str(path)) as db:
            return judge(gather.collect(db, [str(home)], 0), Health(heartbeat_s=0))

    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        for reading_too in (False, True):
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                if reading_too:
                    reader.execute("BEGIN")
                    reader.execute("SELECT count(*) FROM _rollouts").fetchone()
                for _ in range(8):
                    # As many pages as are written before the log is begun anew.
                    writer.execute("CREATE TABLE large AS SELECT zeroblob(12000000) AS x")
                    writer.execute("DROP TABLE large")
                if reading_too:
                    script = (
                        "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
                    )
                    process = subprocess.Popen(
                        [sys.executable, "-c", script, str(path)],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    )  # fmt: skip
                    with process:
                        assert process.stdout is not None
                        process.stdout.readline()
                        (said,) = log_lines()
                        process.stdin.close()  # type: ignore[union-attr]
                    assert said.startswith("warning  database: the database's log has grown to ")
                    assert f"{process.pid} (" in said
                    assert verdict().level is Level.WARNING
                    assert "the database's log has grown to" in verdict().text
                else:
                    assert (log_lines(), verdict().level) == ([], Level.OK)
