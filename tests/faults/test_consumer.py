"""The change feed: a consumer beside a writer, whoever of them is stopped, and when."""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from projector.store.sqlite import damaged_database as salvage
from tests.faults.test_cut import append, home_of, pieces, scratch
from tests.faults.test_killed import _die_at
from tests.support.examples import examples
from tests.support.generator.rollouts import Rollout
from tests.support.mirror import Mirror, changes_of, rows_to_mirror
from tests.support.projecting import backfilled
from tests.support.restoring import Backup

ROLLBACK = (
    b'{"timestamp":"2026-11-01T10:00:00.000Z","type":"event_msg",'
    b'"payload":{"type":"thread_rolled_back","num_turns":%d}}\n'
)


def begun(home: Path, database: Path, die_at: int | None, **run: float | str) -> int:
    """Begin a backfill in a child process, which may die at a statement; give its pid."""
    child = os.fork()
    if child:
        return child
    try:
        if die_at is not None:
            _die_at(die_at)
        backfilled(home, database, **run)
    except BaseException as error:  # noqa: BLE001 - a child must not go on with the tests
        sys.stderr.write(f"child: {error!r}\n")
        os._exit(70)
    os._exit(0)


def consume_beside(child: int, mirror: Mirror, database: Path, chance: Random) -> None:
    """Read, and stop reading, and read again, until a child has ended."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if database.exists() and _has_feed(database):
            mirror.read(database, pages=chance.randrange(3), limit=chance.choice((1, 7, None)))
        if ended:
            assert status in (0, signal.SIGKILL), status
            return


def _has_feed(database: Path) -> bool:
    """Whether the schema was made before the writer was killed."""
    try:
        changes_of(database)
    except Exception:  # noqa: BLE001 - whatever a half-made database says
        return False
    return True


def rolled_back(home: Path, chance: Random) -> None:
    """Put rollbacks into the legacy rollout of a home."""
    for path in home.rglob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        if b'"ordinal"' not in lines[-1]:
            for _ in range(3):
                lines.insert(chance.randrange(1, len(lines)), ROLLBACK % chance.randrange(3))
            path.write_bytes(b"".join(lines))


def shaken(home: Path, chance: Random) -> None:
    """Do to a rollout what should not be done: cut it, or change what was read already."""
    path = chance.choice(sorted(home.rglob("*.jsonl")))
    lines = path.read_bytes().splitlines(keepends=True)
    if len(lines) < 4:
        return
    match chance.randrange(3):
        case 0:
            del lines[chance.randrange(2, len(lines)) :]
        case 1:
            lines.insert(1, b'{"odd": true}\n')
        case _:
            del lines[chance.randrange(1, len(lines))]
    path.unlink()
    path.write_bytes(b"".join(lines))


@given(seed=st.integers(0, 10_000))
@examples(8)
def test_a_consumer_sees_each_change_once(seed: int) -> None:
    """Restarts of either side, at any moment, lose no change and repeat none."""
    with scratch() as folder:
        whole, chance = home_of(folder, seed), Random(seed)
        rolled_back(whole, chance)
        home, database = folder / "home", folder / "p.db"
        mirror = Mirror()
        for path, piece in pieces(whole, chance):
            append(home / path, piece)
            if chance.random() < 0.15:
                die_at = chance.choice((None, chance.randrange(1, 60), chance.randrange(1, 400)))
                batch = chance.choice((1, 7, 2000))
                child = begun(home, database, die_at, batch_records=batch)
                consume_beside(child, mirror, database, chance)
            if chance.random() < 0.05:
                shaken(home, chance)
        backfilled(home, database)
        mirror.read(database)

        assert mirror.seen == changes_of(database)
        assert mirror.rows == rows_to_mirror(database)
        assert all(one[0] < two[0] for one, two in pairwise(mirror.seen))


def away_and_back(home: Path, aside: Path, chance: Random) -> None:
    """Take a rollout out of the home, or put those back that were taken out."""
    taken = sorted(aside.rglob("*.jsonl"))
    if taken:
        for path in taken:
            back = home / path.relative_to(aside)
            if back.exists():  # more of it came meanwhile
                back.unlink()
            path.rename(back)
    else:
        path = chance.choice(sorted(home.rglob("*.jsonl")))
        to = aside / path.relative_to(home)
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)


@given(seed=st.integers(0, 10_000))
@examples(6)
def test_a_consumer_beside_purges_and_restored_backups(seed: int) -> None:
    """Whatever was kept of the lost time goes; what is left is what the tables hold.

    Backups are taken of what the consumer has read, so that it keeps nothing that is newer.
    """
    with scratch() as folder:
        whole, chance = home_of(folder, seed), Random(seed)
        home, database, aside = folder / "home", folder / "p.db", folder / "aside"
        mirror, backups = Mirror(), list[Backup]()
        on_delete = chance.choice(("keep", "purge"))
        for path, piece in pieces(whole, chance):
            append(home / path, piece)
            if chance.random() < 0.15:
                die_at = chance.choice((None, None, chance.randrange(1, 400)))
                child = begun(home, database, die_at, batch_records=7, on_delete=on_delete)
                consume_beside(child, mirror, database, chance)
                if database.exists() and _has_feed(database):
                    mirror.read(database)
                    backups.append(Backup(database))
            if chance.random() < 0.05:
                away_and_back(home, aside, chance)
            if backups and chance.random() < 0.05:
                chance.choice(backups).restore()
        backfilled(home, database, on_delete=on_delete)
        mirror.read(database)

        assert mirror.seen == changes_of(database)
        assert mirror.rows == rows_to_mirror(database)
        seqs = [seq for seq, *_ in changes_of(database)]
        assert seqs == [*range(1, len(seqs) + 1)]


def test_a_second_pass_is_no_change(tmp_path: Path) -> None:
    home = home_of(tmp_path, 3)
    backfilled(home, tmp_path / "p.db")
    before = changes_of(tmp_path / "p.db")

    backfilled(home, tmp_path / "p.db")

    assert before
    assert before == changes_of(tmp_path / "p.db")


def test_a_record_that_waits_for_its_newline_is_told_once(tmp_path: Path) -> None:
    """It is taken ahead, and again when its newline comes: the same rows."""
    home, database = tmp_path / "home", tmp_path / "p.db"
    rollout = Rollout(seed=8)
    path = rollout.write(home, size=3_000)
    line = rollout.item("Without an end")
    append(path, line.rstrip(b"\n"))
    backfilled(home, database)
    before = changes_of(database)

    append(path, b"\n")
    backfilled(home, database)

    assert b"Without an end" in line
    assert any("Without an end" in str(row) for row in rows_to_mirror(database).values())
    assert before == changes_of(database)


def test_a_database_made_anew_goes_on_behind_the_old_one(tmp_path: Path) -> None:
    """Every row is told of once more; whoever stored a number misses nothing."""
    home = home_of(tmp_path, 6)
    mirror = Mirror()
    backfilled(home, tmp_path / "p.db")
    mirror.read(tmp_path / "p.db")
    append(next(home.rglob("*.jsonl")), b"not json\n")
    rollout = Rollout(seed=9)
    rollout.write(home, size=3_000)
    backfilled(home, tmp_path / "new.db")
    told = {(row[1], row[3]) for row in changes_of(tmp_path / "new.db") if row[1] == "event"}

    salvage.keep_numbers(tmp_path / "p.db", tmp_path / "new.db", {})
    backfilled(home, tmp_path / "new.db")
    before = mirror.seq
    mirror.read(tmp_path / "new.db")

    assert mirror.rows == rows_to_mirror(tmp_path / "new.db")
    assert mirror.seen[-1] == changes_of(tmp_path / "new.db")[-1]
    assert told == {
        (row[1], row[3]) for row in changes_of(tmp_path / "new.db") if row[1] == "event"
    }
    assert before < mirror.seq
