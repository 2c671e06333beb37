"""How long bytes have waited that are not projected: from which moment that counts."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.serve.health import collect as gather
from projector.serve.health.snapshot import waiting_since_ms
from projector.store.sqlite.reading import SqliteConnection
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled

HOUR, NOW = 3600, 1_000_000

# fmt: off
CASES = [
    # what, record made, all projected as of, file changed; seconds before now → waits since
    ("idle for hours, then one append",             5,        6 * HOUR, 5,    5),
    ("an append a second for a minute",             60,       6 * HOUR, 0,    60),
    ("the daemon knew a moment ago that none did",  60,       3,        0,    3),
    ("the record does not say",                     None,     90,       5,    90),
    ("nor was it ever at the end",                  None,     None,     5,    5),
    ("never at the end, the record says",           40,       None,     5,    40),
    ("a copy: its records are old",                 900_000,  30,       20,   30),
    ("a file moved in, its records are old",        900_000,  None,     900_000, 900_000),
    ("a record of tomorrow",                        -86_400,  90,       5,    5),
    ("a moment that is yet to come",                60,       -50,      5,    5),
]
# fmt: on


@pytest.mark.parametrize(
    ("record", "current", "changed", "waits"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_since_when(record: int | None, current: int | None, changed: int, waits: int) -> None:
    found = waiting_since_ms(
        record_ms=None if record is None else NOW - record,
        current_ms=None if current is None else NOW - current,
        changed_ms=NOW - changed,
    )

    assert NOW - found == waits


moments = st.none() | st.integers(-(10**6), 10**6)


@given(moments, moments, st.integers(-(10**6), 10**6))
def test_never_after_the_file_and_never_before_all_that_is_known(
    record: int | None, current: int | None, changed: int
) -> None:
    found = waiting_since_ms(record_ms=record, current_ms=current, changed_ms=changed)

    assert found <= changed
    assert found == changed or found in (record, current)
    assert all(one is None or found >= min(one, changed) for one in (record, current))


def line(ago_s: float) -> bytes:
    """Return a record of so many seconds ago."""
    made = datetime.fromtimestamp(time.time() - ago_s, tz=UTC)
    text = made.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return b'{"timestamp":"%s","type":"event_msg","payload":{"type":"x"}}\n' % text.encode()


def waits_s(home: Path, database: Path) -> float:
    with SqliteConnection(str(database)) as db:
        return gather.collect(db, [str(home)], time.time_ns() // 1_000_000).behind_s


@pytest.mark.parametrize(
    ("appended", "least", "most"),
    [
        pytest.param([0], 0, 30, id="one, just now"),
        pytest.param([70], 69, 100, id="one, a while ago, and the file was touched since"),
        pytest.param(range(60, 0, -1), 59, 90, id="one a second for a minute"),
    ],
)
def test_without_a_daemon(tmp_path: Path, appended: list[int], least: float, most: float) -> None:
    """Idle for hours before; what counts is the first record, though the last one is new."""
    home, database = tmp_path / "home", tmp_path / "p.db"
    path = Rollout(seed=1).write(home, size=9_000)
    backfilled(home, database)
    with SqliteConnection(str(database)) as db:
        assert gather.collect(db, [str(home)], 0).behind_bytes == 0
    hours_ago(database, 5)

    with path.open("ab") as file:
        for ago_s in appended:
            file.write(line(ago_s))

    assert least <= waits_s(home, database) <= most


def test_a_record_without_a_time_waits_since_all_was_projected(tmp_path: Path) -> None:
    home, database = tmp_path / "home", tmp_path / "p.db"
    path = Rollout(seed=1).write(home, size=9_000)
    backfilled(home, database)
    hours_ago(database, 1)

    with path.open("ab") as file:
        file.write(b'{"type":"event_msg"}\n')

    # Appended now, so it is too long; that it came later nothing tells.
    assert 3599 <= waits_s(home, database) <= 3700


def test_only_the_head_of_a_long_record_is_read(tmp_path: Path) -> None:
    """A record of 50 MB whose end is torn tells its time as any other."""
    path = tmp_path / "r.jsonl"
    head = line(100)[:-3] + b',"x":"'
    path.write_bytes(b"{}\n" + head)
    os.truncate(path, 50_000_000)  # zeros, which are on no disk

    found = gather._record_ms(str(path), 3)

    assert found is not None
    assert abs(time.time() - 100 - found / 1000) < 60


def hours_ago(database: Path, hours: int) -> None:
    """Have the last batch be committed some hours ago."""
    with sqlite3.connect(database) as db:
        db.execute("UPDATE _rollouts SET read_at_ms = read_at_ms - ?", (hours * HOUR * 1000,))
    db.close()
