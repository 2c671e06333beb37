"""One database under two names, or put there by somebody else: one writer, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.generator.rollouts import Rollout
from tests.support.manager import Manager, managed
from tests.support.server import user


def projector(
    *arguments: str, uid: int | None = None, home: Path | None = None, before: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own; `before`: what a shell does first."""
    command = [sys.executable, "-m", "projector", *arguments]
    if before:
        command = ["unshare", "-m", "sh", "-c", f'{before} && exec "$@"', "sh", *command]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, user=uid,
        env={"PATH": os.environ["PATH"], "PROJECTOR_CONFIG": os.devnull,
             "CODEX_HOME": str(home or "/nowhere"), "HOME": "/nowhere"},
    )  # fmt: skip


def sound(path: Path) -> bool:
    with sqlite3.connect(path) as db:
        found = db.execute("PRAGMA integrity_check").fetchone()
    db.close()
    return bool(found == ("ok",))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Manager]:
    folder = tmp_path / "a"
    folder.mkdir()
    with managed(folder) as manager:
        yield manager


NAMES: list[tuple[str, Callable[[Path, Path], Path]]] = []


def _name(make: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    NAMES.append((make.__name__, make))
    return make


@_name
def a_symbolic_link(database: Path, folder: Path) -> Path:
    (folder / "q.db").symlink_to(database)
    return folder / "q.db"


@_name
def a_link_to_a_link(database: Path, folder: Path) -> Path:
    (folder / "q.db").symlink_to("r.db")
    (folder / "r.db").symlink_to(os.path.relpath(database, folder))
    return folder / "q.db"


@_name
def a_linked_folder(database: Path, folder: Path) -> Path:
    (folder / "b").symlink_to(database.parent)
    return folder / "b" / database.name


@_name
def with_dots(database: Path, folder: Path) -> Path:
    (folder / "x").mkdir()
    return folder / "x" / ".." / database.parent.name / database.name


@_name
def a_hard_link(database: Path, folder: Path) -> Path:
    os.link(database, folder / "q.db")
    return folder / "q.db"


@pytest.mark.parametrize("make", [one for _, one in NAMES], ids=[name for name, _ in NAMES])
def test_a_second_daemon_by_another_name(
    daemon: Manager, tmp_path: Path, make: Callable[[Path, Path], Path]
) -> None:
    other = make(daemon.database, tmp_path)

    done = projector("run", "--database", f"sqlite:///{other}", home=daemon.home)

    hard = make is a_hard_link
    assert done.returncode == (1 if hard else 3), done.stderr
    assert done.stderr.count("\n") == 1
    assert ("2 names (hard links)" if hard else "follows it already") in done.stderr
    for suffix in ("-wal", "-shm", ".lock"):
        assert not os.path.lexists(f"{tmp_path}/q.db{suffix}")
    assert daemon.process is not None
    assert daemon.process.poll() is None
    Rollout(seed=2).write(daemon.home, size=3_000)
    daemon.until("STATUS", "following 1 rollouts, 0 bytes behind")
    assert sound(daemon.database)


@pytest.mark.parametrize("command", ["backfill", "run", "rebuild"])
def test_no_writer_takes_a_hard_link(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=3_000)
    url = f"sqlite:///{tmp_path}/p.db"
    assert projector("backfill", "--database", url, home=home).returncode == 0
    os.link(tmp_path / "p.db", tmp_path / "q.db")

    for name in ("p.db", "q.db"):
        done = projector(command, "--database", f"sqlite:///{tmp_path}/{name}", home=home)
        assert (done.returncode, done.stdout) == (1, "")
        assert "has 2 names (hard links)" in done.stderr
    assert "hard links" in projector("doctor", "--database", url, home=home).stdout
    (tmp_path / "q.db").unlink()
    assert projector("backfill", "--database", url, home=home).returncode == 0


READERS = ("status", "threads", "health", "doctor", "events", "show 0", "search word")


@pytest.mark.parametrize("state", ["at rest", "written"])
def test_no_reader_takes_a_second_hard_link(daemon: Manager, tmp_path: Path, state: str) -> None:
    """Its log is beside the other name; nothing is made beside this one."""
    if state == "at rest":
        assert daemon.process is not None
        daemon.process.terminate()
        daemon.process.wait()
    os.link(daemon.database, tmp_path / "q.db")
    before = sorted(os.listdir(tmp_path))

    for command in READERS:
        done = projector(
            *command.split(), "--database", f"sqlite:///{tmp_path}/q.db", home=daemon.home
        )
        assert "has 2 names (hard links)" in done.stdout + done.stderr, command
        assert done.returncode, command
        assert sorted(os.listdir(tmp_path)) == before, command


def test_a_name_that_cannot_be_seen(daemon: Manager, tmp_path: Path) -> None:
    """The file alone is mounted elsewhere: one link, another folder, so another log and lock."""
    other = tmp_path / "q.db"
    other.touch()
    mount = f"mount --bind {daemon.database} {other}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False, stderr=-3).returncode:
        pytest.skip("nothing can be mounted here")
    for command in ("run", "backfill"):
        done = projector(
            command, "--database", f"sqlite:///{other}", home=daemon.home, before=mount
        )
        assert done.returncode == 3, done
        assert "writes this file by another name" in done.stderr
    assert sound(daemon.database)


def test_a_link_changes_its_target_while_a_daemon_runs(tmp_path: Path) -> None:
    """The database is the one that the link leads to, and its lock is beside it."""
    with Manager(tmp_path) as manager:
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        manager.database.symlink_to("one/p.db")
        Rollout(seed=2).write(manager.home, size=3_000)
        manager.start()
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        (tmp_path / "new").symlink_to("two/p.db")
        (tmp_path / "new").rename(manager.database)
        Rollout(seed=3).write(manager.home, size=3_000)
        manager.until("STATUS", "following 2 rollouts, 0 bytes behind")
        for _ in range(2):
            manager.until("STATUS", "following 2 rollouts, 0 bytes behind")
        with sqlite3.connect(tmp_path / "two/p.db") as db:
            assert db.execute("SELECT count(*) FROM threads").fetchone() == (2,)
        db.close()
        assert (tmp_path / "two/p.db.lock").exists()


@pytest.fixture
def shared() -> Iterator[Path]:
    """Give a folder that everybody may write, as /tmp is."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


PLANTED = ["p.db", "p.db.lock", "p.db-wal", "p.db-journal"]


@pytest.mark.skipif(os.getuid() != 0, reason="files of another user are needed")
@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("command", ["run", "backfill"])
def test_what_another_user_put_there(shared: Path, planted: str, command: str) -> None:
    (shared / planted).touch()
    os.chown(shared / planted, user() or 65534, -1)

    done = projector(command, "--database", f"sqlite:///{shared}/p.db")

    assert done.returncode == 1
    assert f"{shared / planted}: is another user's" in done.stderr
    assert (shared / planted).read_bytes() == b""


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "hard link"])
def test_a_lock_that_is_no_file_of_its_own(tmp_path: Path, kind: str) -> None:
    """It is written over: what a link leads to would be, too."""
    victim, lock = tmp_path / "victim", tmp_path / "p.db.lock"
    victim.write_text("mine")
    match kind:
        case "link":
            lock.symlink_to(victim)
        case "fifo":
            os.mkfifo(lock)
        case "folder":
            lock.mkdir()
        case _:
            os.link(victim, lock)

    done = projector("run", "--database", f"sqlite:///{tmp_path}/p.db")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert str(lock) in done.stderr
    assert victim.read_text() == "mine"


def test_a_copy_goes_where_a_link_leads_and_over_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=3_000)
    url = f"sqlite:///{tmp_path}/p.db"
    assert projector("backfill", "--database", url, home=home).returncode == 0
    (tmp_path / "b").mkdir()
    (tmp_path / "link.db").symlink_to("b/q.db")
    (tmp_path / "b/q.db-wal").write_bytes(b"of another database")
    to = ("copy", "--from", url, "--to", f"sqlite:///{tmp_path}/link.db")

    done = projector(*to)
    assert (done.returncode, "q.db-wal: is there already" in done.stderr) == (1, True)
    (tmp_path / "b/q.db-wal").unlink()
    assert projector(*to).returncode == 0
    assert (tmp_path / "link.db").is_symlink()
    assert sound(tmp_path / "b/q.db")
    assert projector(*to).returncode == 1
