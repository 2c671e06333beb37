"""Rules change: a database that older rules made heals by itself, and only what is touched is read.

The next revision is this program with its list of revisions one longer, and a rule that is another.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Final

import pytest

from projector.commands.verify import scratch
from projector.model import revisions
from projector.model.errors import RolloutUnreadable
from projector.read.file_reader import OpenFile
from projector.run.progress import Silent, Summary
from projector.run.rebuild import rebuild
from projector.run.verify import Report, verify
from projector.serve.health.collect import collect
from projector.serve.health.status import document, text
from projector.store.open import open_rows, open_store
from tests.support.databases import SOURCE, Where, reading, url_of
from tests.support.generator.rollouts import Rollout
from tests.support.newer_rules import MARK, MESSAGES, apply, newer_daemon
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import rows_of

NOTHING: Final = "item/NobodyHasSeenThis"
_TEXTS: Final = (
    "SELECT item_json FROM thread_history WHERE type = 'agentMessage' AND thread_id IN"
    " (SELECT t.thread_id FROM threads AS t WHERE t.history_mode = 'paginated')"
)
_FEED: Final = "SELECT seq, kind, op, uid FROM changes ORDER BY seq"
_REVISIONS: Final = "SELECT revision, count(*) FROM _read_rollouts GROUP BY 1 ORDER BY 1"


def _homes(home: Path, count: int = 3, size: int = 6_000) -> list[Rollout]:
    """Write threads, and a legacy one, which has no items of its own."""
    threads = [Rollout(seed=f"rules {seed}") for seed in range(count)]
    for thread in threads:
        thread.write(home, size=size)
    Rollout(seed="rules legacy", history="legacy").write(home, size=size)
    return threads


def _asked(database: Where, sql: str) -> list[tuple[Any, ...]]:
    with reading(database) as db:
        return db.rows(sql)


def _marked(database: Where) -> tuple[int, int]:
    """Count the agents' messages of the newer rules, and all."""
    texts = [json for (json,) in _asked(database, _TEXTS)]
    return sum(MARK in json for json in texts), len(texts)


def _status(home: Path, database: Where) -> tuple[dict[str, Any], str]:
    with reading(database) as db:
        facts = collect(db, [str(home)], 0)
    return document(facts), text(facts)


def _verified(home: Path, database: Where) -> Report:
    settings = settings_for(home, database)
    rows = open_rows(url_of(database), source=SOURCE)
    try:
        return asyncio.run(verify(rows, scratch, settings, threads=(), progress=Silent()))
    finally:
        rows.close()


def _rebuilt_outdated(home: Path, database: Where) -> int:
    async def run() -> int:
        settings = settings_for(home, database)
        store = await open_store(settings.database, source=SOURCE)
        try:
            silent = Silent()
            done = await rebuild(store, settings, chosen=None, progress=silent, outdated=True)
        finally:
            await store.close()
        assert not done.faults
        return done.rollouts

    return asyncio.run(run())


def _fresh(home: Path, folder: Path) -> dict[str, list[tuple[object, ...]]]:
    backfilled(home, folder / "fresh.db")
    return rows_of(folder / "fresh.db")


def _backfill(home: Path, database: Where) -> Summary:
    return backfilled(home, database)


@pytest.mark.parametrize("heal", [_backfill, _rebuilt_outdated])
def test_only_what_is_touched_is_projected_again(
    tmp_path: Path,
    database: Where,
    monkeypatch: pytest.MonkeyPatch,
    heal: Callable[[Path, Where], object],
) -> None:
    """By `backfill` and `rebuild --outdated`; status and verify say what is left before."""
    home = tmp_path / "home"
    _homes(home)
    backfilled(home, database)
    assert _marked(database)[0] == 0
    assert _status(home, database)[0]["rollouts_outdated"] == 0
    apply(monkeypatch, MESSAGES)

    told, shown = _status(home, database)
    assert (told["rollouts_outdated"], told["rollouts_outdated_gone"]) == (3, 0)
    assert told["rules_revision"] == revisions.current()
    assert "3 rollouts with rows of older rules" in shown
    report = _verified(home, database)
    assert report.equal
    assert (report.compared, len(report.outdated), report.newer) == (4, 3, 0)
    assert all(one.rows and one.revision < revisions.current() for one in report.outdated)

    heal(home, database)

    marked, every = _marked(database)
    assert marked == every > 0
    assert rows_of(database) == _fresh(home, tmp_path)
    assert _asked(database, _REVISIONS) == [(revisions.current(), 4)]
    assert _asked(database, "SELECT count(*) FROM anomalies") == [(0,)]
    generations = "SELECT mode, generation FROM _read_rollouts ORDER BY 1, 2"
    assert _asked(database, generations) == [("legacy", 0), *[("paginated", 1)] * 3]
    report = _verified(home, database)
    assert (report.equal, report.outdated) == (True, [])
    assert _status(home, database)[0]["rollouts_outdated"] == 0


def test_rollouts_that_are_not_touched_are_not_read(
    tmp_path: Path, database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their revision is raised; no file is opened, no row written."""
    home = tmp_path / "home"
    _homes(home)
    backfilled(home, database)
    before = rows_of(database), _asked(database, _FEED)
    apply(monkeypatch, NOTHING)
    assert _status(home, database)[0]["rollouts_outdated"] == 0

    summary = backfilled(home, database)

    assert summary.bytes_read == 0
    assert _asked(database, _REVISIONS) == [(revisions.current(), 4)]
    assert (rows_of(database), _asked(database, _FEED)) == before
    assert _verified(home, database).count, "the rules have not changed"


def test_equal_rows_are_no_change(
    tmp_path: Path, database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Touched by name, and the same by the new rules: nothing in the feed, no note, no event."""
    home = tmp_path / "home"
    thread, *_ = _homes(home)
    with (home / thread.path).open("ab") as file:
        file.write(b'{"torn":\n{"timestamp":"2026-11-20T09:24:24.573Z","type":"novel"}\n')
    backfilled(home, database)
    noted = "SELECT * FROM anomalies ORDER BY rollout_id, byte_offset, kind"
    events = "SELECT * FROM lifecycle_events ORDER BY seq"
    before = [_asked(database, sql) for sql in (_FEED, noted, events)]
    assert before[1], "nothing odd was noted"
    apply(monkeypatch, MESSAGES, rules=False)

    summary = backfilled(home, database)

    assert summary.bytes_read > 0
    assert summary.anomalies == 0
    assert [_asked(database, sql) for sql in (_FEED, noted, events)] == before
    generations = "SELECT max(generation) FROM _read_rollouts"
    assert _asked(database, generations) == [(1,)], "none was projected again"
    assert _status(home, database)[0]["rollouts_outdated"] == 0


def test_an_append_to_an_outdated_rollout_projects_it_again_first(
    tmp_path: Path, database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no rollout has rows of two revisions; one that is not touched is read on."""
    home = tmp_path / "home"
    thread, other, *_ = _homes(home)
    backfilled(home, database)
    apply(monkeypatch, MESSAGES)
    thread.write(home, size=thread.offset + 3_000)

    backfilled(home, database, str(home / thread.path))

    told = _asked(
        database,
        "SELECT revision, generation FROM _read_rollouts"
        f" WHERE rollout_id IN ('{thread.rollout_id}', '{other.rollout_id}') ORDER BY 1",
    )
    assert told == [(1, 0), (revisions.current(), 1)]
    backfilled(home, database)
    assert rows_of(database) == _fresh(home, tmp_path)


def test_rollouts_without_files_keep_their_rows(
    tmp_path: Path, database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted, and projected again when their file comes back."""
    home = tmp_path / "home"
    thread, *_ = _homes(home)
    backfilled(home, database)
    aside = tmp_path / "aside"
    (home / thread.path).rename(aside)
    backfilled(home, database)
    apply(monkeypatch, MESSAGES)
    backfilled(home, database)

    told, shown = _status(home, database)
    assert (told["rollouts_outdated"], told["rollouts_outdated_gone"]) == (0, 1)
    assert "1 rollout with rows of older rules and without a file" in shown
    assert len(_asked(database, f"{_TEXTS} AND thread_id = '{thread.thread_id}'")) > 0
    assert _verified(home, database).equal

    aside.rename(home / thread.path)
    backfilled(home, database)
    backfilled(home, database)

    marked, every = _marked(database)
    assert marked == every
    assert _status(home, database)[0]["rollouts_outdated_gone"] == 0


def test_one_that_cannot_be_read_now_is_projected_again_later(
    tmp_path: Path, database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows stay as they are, it is counted as outdated, and the others do not wait for it."""
    home = tmp_path / "home"
    thread, *_ = _homes(home)
    backfilled(home, database)
    apply(monkeypatch, MESSAGES)
    real = OpenFile.__init__

    def fail(file: OpenFile, path: str) -> None:
        if thread.rollout_id in path:
            raise RolloutUnreadable("the disk fails")
        real(file, path)

    with monkeypatch.context() as failing:
        failing.setattr(OpenFile, "__init__", fail)
        summary = backfilled(home, database)

    assert summary.unreadable == 1
    assert _status(home, database)[0]["rollouts_outdated"] == 1
    marked, every = _marked(database)
    assert 0 < marked < every

    backfilled(home, database)

    assert rows_of(database) == _fresh(home, tmp_path)
    assert _status(home, database)[0]["rollouts_outdated"] == 0


def test_an_older_program_leaves_newer_rollouts_alone(tmp_path: Path, database: Where) -> None:
    """It says so, and goes on with the others; verify compares none of them."""
    home = tmp_path / "home"
    thread, other, *_ = _homes(home)
    with pytest.MonkeyPatch.context() as later:
        apply(later, MESSAGES)
        backfilled(home, database, str(home / thread.path))
    rows = f"{_TEXTS} AND thread_id = '{thread.thread_id}'"
    before = _asked(database, rows)
    thread.write(home, size=thread.offset + 3_000)

    summary = backfilled(home, database)

    assert (summary.faults, summary.unreadable) == ((), 0)
    assert _asked(database, rows) == before
    assert len(_asked(database, f"{_TEXTS} AND thread_id = '{other.thread_id}'")) > 0
    told, shown = _status(home, database)
    assert (told["rollouts_newer"], told["rollouts_outdated"]) == (1, 0)
    assert "1 rollout with rows of newer rules" in shown
    report = _verified(home, database)
    assert (report.equal, report.newer, report.compared) == (True, 1, 3)
    with pytest.MonkeyPatch.context() as later:
        apply(later, MESSAGES)
        backfilled(home, database)
        assert rows_of(database) == _fresh(home, tmp_path)


# The daemon --------------------------------------------------------------------------------


def _watch(url: str, sql: str, stop: Event, odd: Any, ready: Event) -> None:
    """Read until told to stop; note each moment at which a thread is half of one revision."""
    database: Where = url if url.startswith("postgresql") else Path(url)
    with reading(database) as db:
        while not stop.is_set():
            marked: dict[str, set[bool]] = {}
            for thread_id, json in db.rows(sql):
                marked.setdefault(thread_id, set()).add(MARK in json)
            if any(len(both) > 1 for both in marked.values()):
                odd.value += 1
            ready.set()


def test_the_daemon_heals_a_database_while_others_read_it(tmp_path: Path, database: Where) -> None:
    """Killed in between; what is new comes first; a thread is of one revision at any moment."""
    home = tmp_path / "home"
    threads = _homes(home, count=6, size=40_000)
    backfilled(home, database)
    context = multiprocessing.get_context("spawn")
    stop, ready, odd = context.Event(), context.Event(), context.Value("i", 0)
    sql = "SELECT thread_id, item_json FROM thread_history WHERE type = 'agentMessage'"
    reader = context.Process(target=_watch, args=(str(database), sql, stop, odd, ready))
    reader.start()
    try:
        assert ready.wait(60)
        with newer_daemon(home, database, MESSAGES) as daemon:
            assert daemon.until("rules.outdated")["rollouts"] == 6
            daemon.until("rollout.renewed")
            os.kill(daemon.process.pid, signal.SIGKILL)
        with newer_daemon(home, database, MESSAGES) as daemon:
            left = daemon.until("rules.outdated")["rollouts"]
            assert 0 < left < 6
            daemon.until("daemon.caught_up")
            threads[0].write(home, size=threads[0].offset + 5_000)
            daemon.until("rules.renewed")
            assert not daemon.events("rollout.replaced")
            assert daemon.stop() == 0
    finally:
        stop.set()
        reader.join(60)
    assert (reader.exitcode, odd.value) == (0, 0)
    with pytest.MonkeyPatch.context() as later:
        apply(later, MESSAGES)
        backfilled(home, database)
        assert _asked(database, "SELECT count(*) FROM anomalies") == [(0,)]
        assert rows_of(database) == _fresh(home, tmp_path)


def test_an_older_daemon_beside_a_newer_program(tmp_path: Path, database: Where) -> None:
    """What it had open has moved on: it lets go, logs once, and follows the others."""
    home = tmp_path / "home"
    thread, other, *_ = _homes(home)
    with newer_daemon(home, database) as daemon:  # one without a newer revision
        daemon.until("daemon.caught_up")
        for one in (thread, other):  # both are open there
            one.write(home, size=one.offset + 2_000)
            daemon.until_line(f'"to_byte":{one.offset},')
        with pytest.MonkeyPatch.context() as later:
            apply(later, MESSAGES)
            backfilled(home, database, str(home / thread.path))
        thread.write(home, size=thread.offset + 2_000)
        daemon.until("rules.newer")
        other.write(home, size=other.offset + 2_000)
        daemon.until_line(f'"to_byte":{other.offset},')
        assert daemon.stop() == 0
        assert len(daemon.events("rules.newer")) == 1
        assert not daemon.events("rollout.set_aside")
    told = f"SELECT revision FROM _read_rollouts WHERE rollout_id = '{thread.rollout_id}'"
    assert _asked(database, told) == [(2,)]
    marked = [
        MARK in j for (j,) in _asked(database, f"{_TEXTS} AND thread_id = '{thread.thread_id}'")
    ]
    assert all(marked)
    with pytest.MonkeyPatch.context() as later:
        apply(later, MESSAGES)
        backfilled(home, database)
        assert rows_of(database) == _fresh(home, tmp_path)
