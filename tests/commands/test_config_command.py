"""`projector config`: which settings hold, and why."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from projector import cli
from projector.commands import load_settings as config

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home where no settings of ours hold."""
    for name in [name for name in os.environ if name.startswith(("PROJECTOR_", "XDG_", "CODEX"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def printed(capsys: Capture, *arguments: str) -> str:
    assert cli.run([*arguments, "config"]) == 0
    return capsys.readouterr().out


def origins(capsys: Capture, *arguments: str) -> dict[str, tuple[object, str]]:
    assert cli.run([*arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    return {name: (one["value"], one["origin"]) for name, one in found.items()}


def test_each_setting_says_where_it_comes_from(
    capsys: Capture, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later source wins: file, variable, option."""
    file = home / "my.toml"
    file.write_text('database = "sqlite:////a.db"\n[run]\nrescan_s = 5\nbatch_records = 7\n')
    monkeypatch.setenv("PROJECTOR_RUN__RESCAN_S", "6")
    monkeypatch.setenv("CODEX_HOME", "/srv/codex")

    found = origins(
        capsys, "--config", str(file), "config", "--database", "sqlite:////b.db", "--json"
    )

    assert found["database"] == ("sqlite:////b.db", "--database")
    assert found["run.rescan_s"] == (6, "PROJECTOR_RUN__RESCAN_S")
    assert found["run.batch_records"] == (7, f"{file}:4")
    assert found["codex_homes"] == (["/srv/codex"], "CODEX_HOME")
    assert found["log.level"] == ("info", "default")
    assert len(found) == len(config.defaults()) - 1  # of database and database_file one


def test_what_is_printed_is_a_file_of_settings(
    capsys: Capture, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECTOR_RUN__RESCAN_S", "5")
    monkeypatch.setenv("PROJECTOR_CODEX_HOMES", '/srv/a "b" c:/srv/d')
    before = config.load({})
    file = home / "again.toml"
    file.write_text(printed(capsys))
    monkeypatch.delenv("PROJECTOR_RUN__RESCAN_S")
    monkeypatch.delenv("PROJECTOR_CODEX_HOMES")

    assert config.load({}, file=str(file)) == before


def test_a_password_is_left_out(
    capsys: Capture, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an address, and of one that a file holds."""
    address = "postgresql://p:s3cret@db/threads"
    monkeypatch.setenv("PROJECTOR_DATABASE", address)
    assert 'database = "postgresql://p:***@db/threads"' in printed(capsys)

    monkeypatch.delenv("PROJECTOR_DATABASE")
    secret = home / "address"
    secret.write_text(address)
    monkeypatch.setenv("PROJECTOR_DATABASE_FILE", str(secret))
    text = printed(capsys)
    assert f'database_file = "{secret}"' in text
    assert "s3cret" not in text
