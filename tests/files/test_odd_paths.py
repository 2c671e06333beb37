"""Folders and links whose names are not UTF-8: what is logged, told and stored of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.generator.rollouts import Rollout
from tests.support.running import running

#: Bytes that are no UTF-8, an escape sequence and an end of a line.
ODD = os.fsdecode(b"o\xfdd \x1b[31m\n\xc2\x9b")
SPELLED = r"o\xfdd"


def a_home(folder: Path, *, name: str = "home") -> tuple[Path, Path, Rollout]:
    """Make a home with a rollout in an odd folder, and an odd link to nothing."""
    home, rollout = folder / name, Rollout(seed=1)
    written = rollout.write(home, size=6_000)
    odd = home / "sessions" / "2026" / ODD
    odd.mkdir()
    (home / "sessions" / f"link {ODD}").symlink_to("/nowhere/x")
    return home, written.rename(odd / written.name), rollout


@pytest.mark.parametrize("name", ["home", ODD])
@pytest.mark.parametrize("form", ["json", "console"])
def test_the_daemon_goes_on(tmp_path: Path, form: str, name: str) -> None:
    """A dead link is logged; so is a rollout that is cut, whose rows are made anew."""
    home, path, rollout = a_home(tmp_path, name=name)
    other = Rollout(seed=2).write(tmp_path / "other", size=3_000).read_bytes()
    env = {
        "PROJECTOR_LOG__FORMAT": form,
        "NO_COLOR": "1",
        "NOTIFY_SOCKET": str(tmp_path / "nobody"),
        "PROJECTOR_RUN__WATCH": "poll",
        "PROJECTOR_RUN__RESCAN_S": "1",
    }
    with running(home, tmp_path / "p.db", env=env) as daemon:
        missed = daemon.until_line("home.missed")
        daemon.until_line("daemon.caught_up")
        path.write_bytes(other[: other.index(b"\n") + 1])
        replaced = daemon.until_line("rollout.replaced")

        assert daemon.stop() == 0
    for line in (missed, replaced):
        assert SPELLED.encode() in line.replace(b"\\\\", b"\\")
        assert not {0x1B, 0x9B, 0x0D} & set(line)
        assert line.endswith(b"\n")
    if form == "json":
        assert json.loads(replaced)["rollout"] == rollout.rollout_id
    assert b"rollout.set_aside" not in b"".join(daemon.lines)
    assert b"Traceback" not in b"".join(daemon.lines)


@pytest.mark.parametrize("name", ["home", ODD])
def test_commands_go_on(tmp_path: Path, name: str) -> None:
    home, path, _ = a_home(tmp_path, name=name)
    common = ["--codex-home", str(home), "--database", f"sqlite:///{tmp_path}/p.db"]

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "projector", *arguments, *common]
        return subprocess.run(command, capture_output=True, check=False)

    for arguments in (
        ["backfill"],
        ["status", "--json", "--rollouts"],
        ["status", "--rollouts"],
        ["health", "--json"],
        ["doctor", "--json"],
        ["doctor"],
        ["verify", "--json"],
        ["backfill", str(path)],
        ["rebuild"],
        ["threads", "--json"],
        ["config"],
    ):
        done = run(*arguments)
        assert b"Traceback" not in done.stderr, (arguments, done.stderr.decode(errors="replace"))
        assert done.returncode in (0, 1, 2 if "health" in arguments else 1), arguments
        if "--json" in arguments:
            json.loads(done.stdout)
