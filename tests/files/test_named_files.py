"""Files that are opened by name, and are pipes, devices or sockets: nothing waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from projector.discover.scan import stat_rollout
from projector.model.ids import RolloutFile
from projector.serve.health.collect import behind_bytes
from tests.support.generator.rollouts import Rollout
from tests.support.homes import NAME

KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "projector", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@every_kind
@pytest.mark.parametrize("setting", ["--config", "database_file"])
def test_settings(tmp_path: Path, kind: str, setting: str) -> None:
    """One line that says what it is, and exit code 2."""
    odd, config = tmp_path / "odd", tmp_path / "c.toml"
    KINDS[kind](odd)
    config.write_text(f'database_file = "{odd}"\n')

    done = run("--config", str(odd if setting == "--config" else config), "status")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{odd}: is " in done.stderr


def test_a_pipe_that_the_shell_opened_is_read(tmp_path: Path) -> None:
    command = f"{sys.executable} -m projector --config <(echo 'source.name = \"piped\"') config"

    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )

    assert 'name = "piped"' in done.stdout.replace("'", '"'), done


@every_kind
@pytest.mark.parametrize("name", ["state_5.sqlite", "thread_history_1.sqlite", "../p.db.lock"])
def test_what_doctor_looks_at(tmp_path: Path, kind: str, name: str) -> None:
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=3_000)
    where = ["--codex-home", str(home), "--database", f"sqlite:///{tmp_path}/p.db"]
    run("backfill", *where)
    (home / name).unlink(missing_ok=True)
    KINDS[kind](home / name)

    done = run("doctor", *where)

    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr


@every_kind
@pytest.mark.parametrize("command", ["status", "health", "search word", "verify"])
def test_a_database_that_is_none(tmp_path: Path, kind: str, command: str) -> None:
    KINDS[kind](tmp_path / "p.db")
    where = ["--codex-home", str(tmp_path), "--database", f"sqlite:///{tmp_path}/p.db"]

    done = run(*command.split(), *where)

    assert "p.db: is no regular file" in done.stderr + done.stdout
    assert (done.stderr + done.stdout).count("\n") == 1
    assert done.returncode == (3 if command == "health" else 1)


@every_kind
def test_a_rollout_that_became_something_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"{}\n")
    file = stat_rollout(str(path), str(tmp_path))
    assert isinstance(file, RolloutFile)
    path.unlink()
    KINDS[kind](path)

    assert behind_bytes(file, None)
