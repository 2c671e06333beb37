"""Bytes before the checkpoint are others, every length is what it was: `sed -i`, `dd`, `git`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases import Where, reading
from tests.support.following import World, following
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
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


def sed_and_append(path: Path) -> None:
    sed(path)
    with path.open("ab") as file:
        file.write(b'{"timestamp":"2026-11-01T10:00:00.000Z","type":"compacted","payload":{}}\n')


def repacked(path: Path) -> None:
    data = zstd.decompress(path.read_bytes())
    path.write_bytes(frame(data.replace(SECRET, MASK)))


def packed_masked(path: Path) -> None:
    sed(path)
    packed(path)


EDITS: dict[str, Callable[[Path], None]] = {
    "another file": sed,
    "in place": dd,
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
    "other rights": (chmod, 0),
    "a backup by hard links": (linked, 0),
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


def test_a_compressed_rollout_that_was_edited_is_projected(tmp_path: Path, database: Where) -> None:
    _, path = with_secret(tmp_path / "home")
    packed(path)
    path = path.with_name(path.name + ".zst")
    backfilled(tmp_path / "home", database)

    repacked(path)
    backfilled(tmp_path / "home", database)

    assert SECRET.decode() not in str(shown(database))
    assert kinds(database) == ["replaced"]


@pytest.mark.parametrize("edit", [sed, dd, sed_and_append], ids=["sed", "dd", "sed, append"])
@pytest.mark.parametrize("running", [True, False])
def test_the_daemon_sees_it(tmp_path: Path, edit: Callable[[Path], None], *, running: bool) -> None:
    """While it runs, and what was edited while it did not."""
    world = World(tmp_path)
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
        patch.setattr("projector.run.scheduler.Scheduler.check", lambda *_: asyncio.sleep(0))
        backfilled(tmp_path / "home", database)
    assert SECRET.decode() in str(shown(database)), "it was compared: this test shows nothing"

    backfilled(tmp_path / "home", database)

    assert SECRET.decode() not in str(shown(database))
