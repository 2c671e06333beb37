"""Bytes before the checkpoint are others, every length is what it was: `sed -i`, `dd`, `git`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from projector.discover.scan import scan
from projector.model.ids import RolloutId
from projector.run.batches import limits_of
from projector.run.file_catalog import FileCatalog
from projector.run.scheduler import Scheduler
from projector.store.open import open_store
from tests.support.databases import Where, reading
from tests.support.following import World, following
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import rows_of
from tests.support.zst import frame, zstd

SECRET, MASK = b"SECRETSECRET", b"REDACTED____"
#: Views that do not tell of a rollout's past.
PRESENT = ("thread_history", "thread_turn_history", "token_usage")


def with_secret(home: Path) -> tuple[Rollout, Path]:
    """Write a rollout whose middle holds a secret, far from its start and its end."""
    rollout = Rollout(seed=3)
    rollout.write(home, size=60_000)
    path = home / rollout.path
    data = path.read_bytes()
    found = re.compile(rb'"item_completed".{0,300}?"text":"[A-Za-z ]{12}')
    text = found.search(data, 20_000)
    assert text is not None, "the middle has no text"
    assert b"\n" not in text[0]
    assert text.end() < len(data) - 10_000, "the text is not in the middle"
    path.write_bytes(data[: text.end() - 12] + SECRET + data[text.end() :])
    return rollout, path


def run(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def sed(path: Path) -> None:
    run("sed", "-i", f"s/{SECRET.decode()}/{MASK.decode()}/", path)


def dd(path: Path) -> None:
    at = path.read_bytes().index(SECRET)
    mask = path.with_name("mask")
    mask.write_bytes(MASK)
    run("dd", f"if={mask}", f"of={path}", "conv=notrunc", "bs=1", f"seek={at}")
    mask.unlink()


def git_checkout(path: Path) -> None:
    git = ("git", "-C", path.parent, "-c", "user.name=x", "-c", "user.email=x@example.org")
    run(*git, "init", "-q")
    secret = path.read_bytes()
    path.write_bytes(secret.replace(SECRET, MASK))
    run(*git, "add", path.name)
    run(*git, "commit", "-qm", "masked")
    path.write_bytes(secret)
    run(*git, "checkout", "-q", "-f", "HEAD", "--", path.name)


LINE = b'{"timestamp":"2026-11-01T10:00:00.000Z","type":"compacted","payload":{}}\n'


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(LINE)


def sed_and_append(path: Path) -> None:
    sed(path)
    append(path)


def dd_and_append(path: Path) -> None:
    dd(path)
    append(path)


@contextmanager
def time_put_back(path: Path) -> Iterator[None]:
    before = path.stat()
    yield
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def dd_unseen(path: Path) -> None:
    with time_put_back(path):
        dd(path)


def dd_and_append_unseen(path: Path) -> None:
    with time_put_back(path):
        dd_and_append(path)


def padded(data: bytes) -> bytes:
    """Compress to a length that does not depend on what a few letters are."""
    made = frame(data)
    skipped = len(data) + 1000 - len(made)
    return made + b"\x50\x2a\x4d\x18" + skipped.to_bytes(4, "little") + bytes(skipped)


def write_in_place(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def repacked(path: Path) -> None:
    data = zstd.decompress(path.read_bytes())
    write_in_place(path, padded(data.replace(SECRET, MASK)))


def repacked_unseen(path: Path) -> None:
    size = path.stat().st_size
    with time_put_back(path):
        repacked(path)
    assert path.stat().st_size == size


def repacked_and_append(path: Path) -> None:
    data = zstd.decompress(path.read_bytes())
    write_in_place(path, frame(data.replace(SECRET, MASK)) + frame(LINE))


def packed_masked(path: Path) -> None:
    sed(path)
    packed(path)


EDITS: dict[str, Callable[[Path], None]] = {
    "another file": sed,
    "in place": dd,
    "in place, its time put back": dd_unseen,
    "in place, and a line behind it": dd_and_append,
    "in place, a line behind it, its time put back": dd_and_append_unseen,
    "another version": git_checkout,
    "another file, and a line behind it": sed_and_append,
    "compressed": packed_masked,
}


def touch(path: Path) -> None:
    os.utime(path)


def chmod(path: Path) -> None:
    path.chmod(0o600)


def linked(path: Path) -> None:
    run("cp", "-al", path.parents[4], path.parents[4].with_name("backup"))


def moved(path: Path) -> None:
    folder = path.parents[4] / "archived_sessions"
    folder.mkdir()
    path.rename(folder / path.name)


def copied_back(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.rename(path)


def packed(path: Path) -> None:
    path.with_name(path.name + ".zst").write_bytes(frame(path.read_bytes()))
    path.unlink()


HARMLESS: dict[str, tuple[Callable[[Path], None], int]] = {
    # what was done, how often all of it may be read again
    "touched": (touch, 1),
    "other rights": (chmod, 1),
    "a backup by hard links": (linked, 1),
    "archived": (moved, 0),
    "copied back": (copied_back, 1),
    "compressed": (packed, 1),
}


def shown(database: Where) -> dict[str, object]:
    rows = rows_of(database)
    return {view: rows[view] for view in PRESENT}


def kinds(database: Where) -> list[str]:
    with reading(database) as db:
        return [str(row["kind"]) for row in db.dicts("SELECT kind FROM anomalies")]


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_that_keeps_the_length_is_projected(
    tmp_path: Path, database: Where, edit: Callable[[Path], None]
) -> None:
    """At once by a backfill; what the edit took is in no row any more."""
    _, path = with_secret(tmp_path / "home")
    backfilled(tmp_path / "home", database)
    assert SECRET.decode() in str(shown(database)), "it is in no row: this test shows nothing"
    before = path.stat().st_size
    os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))
    backfilled(tmp_path / "home", database)  # what was remembered of it is of this time

    edit(path)
    summary = backfilled(tmp_path / "home", database)

    assert SECRET.decode() not in str(shown(database))
    assert "replaced" in kinds(database)
    backfilled(tmp_path / "home", tmp_path / "fresh.db")
    assert shown(database) == shown(tmp_path / "fresh.db")
    assert summary.bytes_read < 4 * before
    assert backfilled(tmp_path / "home", database).bytes_read < 5000


@pytest.mark.parametrize(("act", "times"), HARMLESS.values(), ids=HARMLESS)
def test_what_changes_no_byte_is_read_at_most_once(
    tmp_path: Path, database: Where, act: Callable[[Path], None], times: int
) -> None:
    rollout, path = with_secret(tmp_path / "home")
    backfilled(tmp_path / "home", database)
    rows = shown(database)

    act(path)
    once = backfilled(tmp_path / "home", database)
    again = backfilled(tmp_path / "home", database)

    assert once.records == again.records == 0
    assert once.bytes_read <= times * rollout.offset + 10_000
    assert again.bytes_read < 5000
    assert (shown(database), kinds(database)) == (rows, [])


PACKED_EDITS = {
    "in place": repacked,
    "in place, its time put back": repacked_unseen,
    "in place, and a line behind it": repacked_and_append,
}


@pytest.mark.parametrize("edit", PACKED_EDITS.values(), ids=PACKED_EDITS)
def test_a_compressed_rollout_that_was_edited_is_projected(
    tmp_path: Path, database: Where, edit: Callable[[Path], None]
) -> None:
    path = with_secret_packed(tmp_path / "home")
    backfilled(tmp_path / "home", database)

    edit(path)
    backfilled(tmp_path / "home", database)

    assert SECRET.decode() not in str(shown(database))
    assert "replaced" in kinds(database)


def with_secret_packed(home: Path) -> Path:
    _, path = with_secret(home)
    compressed = path.with_name(path.name + ".zst")
    compressed.write_bytes(padded(path.read_bytes()))
    path.unlink()
    return compressed


SEEN_RUNNING = {
    "another file": sed,
    "another file, and a line behind it": sed_and_append,
    "in place": dd,
    "in place, its time put back": dd_unseen,
    "in place, and a line behind it": dd_and_append,
    "compressed": repacked,
    "compressed, its time put back": repacked_unseen,
    "compressed, and a line behind it": repacked_and_append,
}


@pytest.mark.parametrize("edit", SEEN_RUNNING.values(), ids=SEEN_RUNNING)
@pytest.mark.parametrize("running", [True, False])
def test_the_daemon_sees_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edit: Callable[[Path], None],
    *,
    running: bool,
) -> None:
    """While it runs, and what was edited while it did not."""
    monkeypatch.setattr("projector.run.prefix_checks.REST_S", 0)
    world = World(tmp_path)
    if edit in PACKED_EDITS.values():
        path = with_secret_packed(world.home)
    else:
        _, path = with_secret(world.home)
    world.database.parent.mkdir()
    backfilled(world.home, world.database)

    async def play() -> None:
        if not running:
            edit(path)
        async with following(world) as daemon:
            if running:
                await daemon.until_said("daemon.caught_up")
                edit(path)
            await daemon.until_said("rollout.replaced")
            await daemon.until(lambda: SECRET.decode() not in str(shown(world.database)))

    asyncio.run(play())


def test_doubt_outlives_the_process_that_had_it(tmp_path: Path, database: Where) -> None:
    """A rollout is seen in another file by one that does not come to compare it."""
    _, path = with_secret(tmp_path / "home")
    backfilled(tmp_path / "home", database)
    sed(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("projector.run.scheduler.Scheduler.check", lambda *_, **__: asyncio.sleep(0))
        backfilled(tmp_path / "home", database)
    assert SECRET.decode() in str(shown(database)), "it was compared: this test shows nothing"

    backfilled(tmp_path / "home", database)

    assert SECRET.decode() not in str(shown(database))


def test_a_large_rollout_is_not_read_again_for_a_line(
    tmp_path: Path, database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is once it has rested for a day; nor does doubt end before, whatever comes."""
    monkeypatch.setattr("projector.run.prefix_checks.LITTLE_BYTES", 20_000)
    _, path = with_secret(tmp_path / "home")
    backfilled(tmp_path / "home", database)
    dd_and_append(path)
    for _ in range(3):
        assert backfilled(tmp_path / "home", database).bytes_read < 15_000
        append(path)
    assert SECRET.decode() in str(shown(database))

    monkeypatch.setattr("projector.run.prefix_checks.LONG_REST_S", 0)
    backfilled(tmp_path / "home", database)

    assert SECRET.decode() not in str(shown(database))
    assert "replaced" in kinds(database)


def test_many_lines_are_worth_reading_all_before_them(
    tmp_path: Path, database: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Appended one by one, with a look after each."""
    monkeypatch.setattr("projector.run.prefix_checks.LITTLE_BYTES", 20_000)
    _, path = with_secret(tmp_path / "home")
    backfilled(tmp_path / "home", database)
    size = path.stat().st_size
    dd_and_append(path)
    looks = read = 0
    while SECRET.decode() in str(shown(database)):
        read += backfilled(tmp_path / "home", database).bytes_read
        with path.open("ab") as file:
            file.write(LINE * 20)
        looks += 1

    assert looks > 1, "it was compared at once: this test shows nothing"
    assert path.stat().st_size - size < size // 8
    assert read < 4 * size


def test_an_edit_between_two_looks_of_one_reading_is_seen(tmp_path: Path) -> None:
    """A part that was read is edited while the rest is read; then the rollout grows."""
    rollout, path = with_secret(tmp_path / "home")
    place = path.read_bytes().index(SECRET)
    settings = settings_for(tmp_path / "home", tmp_path / "p.db", batch_bytes=8_192)

    async def play() -> None:
        store = await open_store(settings.database)
        rounds = Scheduler(store, limits_of(settings), FileCatalog(settings.codex_homes).rollout)

        async def look(*, until: int | None = None) -> None:
            rounds.news(scan(str(tmp_path / "home")).files)
            while rounds.waiting:
                await rounds.round()
                checkpoint = await store.checkpoint(RolloutId(rollout.rollout_id))
                if until is not None and checkpoint is not None and checkpoint.offset > until:
                    return

        try:
            await look(until=place + 100)
            assert rounds.waiting, "all of it was read: this test shows nothing"
            dd(path)
            await look(until=0)
            append(path)
            await look()
            while await rounds.check(1_000_000):
                await look()
        finally:
            await rounds.leave()
            rounds.close()
            await store.close()

    asyncio.run(play())

    assert SECRET.decode() not in str(shown(tmp_path / "p.db"))
