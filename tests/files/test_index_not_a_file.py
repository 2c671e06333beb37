"""`session_index.jsonl` that is no plain file: passed over, logged once, and all else goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from projector.discover import names
from projector.discover.names import read_names
from projector.model.ids import ThreadId
from tests.support.generator.rollouts import Rollout
from tests.support.running import running

INDEX = "session_index.jsonl"
ONE = ThreadId("0199f1b2-0000-7000-8000-000000000001")


def _pipe_behind_link(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def _socket(path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(path.parent, os.O_RDONLY)  # the whole path may be too long for a socket
    try:
        listening.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)
        listening.close()


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "is no regular file"),
    "a link to a pipe": (_pipe_behind_link, "is no regular file"),
    "a device without end": (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
    "a terminal": (lambda path: path.symlink_to("/dev/ptmx"), "is no regular file"),
    "a socket": (_socket, "is no regular file"),
    "a folder": (Path.mkdir, "is a folder"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "a link to nothing"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "cannot be read"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_it_is_passed_over(tmp_path: Path, kind: str) -> None:
    make, reason = KINDS[kind]
    make(tmp_path / INDEX)

    found, faults = read_names(str(tmp_path))

    assert not found
    assert [(fault.path, fault.reason.partition(":")[0]) for fault in faults] == [
        (str(tmp_path / INDEX), reason)
    ]


def test_a_file_of_another_user_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / INDEX).write_bytes(b"")

    def refuse(path: str, _flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)

    assert [fault.reason for fault in read_names(str(tmp_path)).faults] == ["permission denied"]


def test_a_sparse_file_of_a_terabyte_costs_what_a_small_one_does(tmp_path: Path) -> None:
    """Its end is read, where the newest names are."""
    line = b'\n{"id":"%s","thread_name":"newest"}\n' % ONE.encode()
    with (tmp_path / INDEX).open("wb") as file:
        file.seek(1 << 40)
        file.write(line)

    found, faults = read_names(str(tmp_path))

    assert found == {ONE: "newest"}
    assert "too long" in faults[0].reason


@pytest.mark.parametrize("limit", ["MAX_BYTES", "MAX_LINES"])
def test_of_a_long_file_the_newest_names_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    line = b'{"id":"0199f1b2-0000-7000-8000-%012d","thread_name":"name %d"}\n'
    lines = [line % (n, n) for n in range(100)]
    most = {"MAX_BYTES": 1 + sum(map(len, lines[90:])), "MAX_LINES": 10}
    monkeypatch.setattr(names, limit, most[limit])
    (tmp_path / INDEX).write_bytes(b"".join(lines))

    found, faults = read_names(str(tmp_path))

    assert sorted(found.values()) == [f"name {n}" for n in range(90, 100)]
    assert len(faults) == 1


@pytest.mark.parametrize("kind", ["a pipe", "a device without end"])
def test_the_daemon_goes_on_and_leaves_when_it_is_told_to(tmp_path: Path, kind: str) -> None:
    """However often it looks again, it is logged once."""
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=3_000)
    KINDS[kind][0](home / INDEX)
    env = {"PROJECTOR_RUN__RESCAN_S": "1", "PROJECTOR_LOG__LEVEL": "debug"}
    with running(home, tmp_path / "p.db", env=env) as daemon:
        daemon.until("daemon.caught_up")
        for _ in range(2):
            daemon.until("scan.finished")

        assert daemon.stop() == 0
        (told,) = daemon.events("names.skipped")
        assert told["path"] == str(home / INDEX)


@pytest.mark.parametrize("command", ["backfill", "verify", "doctor", "rebuild"])
def test_commands_go_on(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=3_000)
    os.mkfifo(home / INDEX)
    common = ["--codex-home", str(home), "--database", f"sqlite:///{tmp_path}/p.db"]
    for one in dict.fromkeys(["backfill", command]):
        done = subprocess.run(
            [sys.executable, "-m", "projector", one, *common],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.stderr + done.stdout).count(f"{INDEX}: is no regular file") == 1
    assert done.returncode == (1 if command == "doctor" else 0)
