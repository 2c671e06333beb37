"""install and uninstall on a host without a running systemd: they write, and say what to run."""

from __future__ import annotations

import os
import pwd
import re
import sys
from pathlib import Path

import pytest

from projector import cli
from projector.commands import install
from projector.install import host, render
from projector.install.render import ENABLED, UNITS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give where a user's units lie; no systemd runs, and no settings of ours hold."""
    for name in [name for name in os.environ if name.startswith(("PROJECTOR_", "XDG_", "CODEX"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SUDO_USER", "")
    monkeypatch.setattr(host, "running", lambda *, user: not isinstance(user, bool))
    monkeypatch.setattr(host, "SYSTEM_UNITS", str(tmp_path / "system"))
    return tmp_path / ".config/systemd/user"


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = cli.run(arguments)
    return (code, *capsys.readouterr())


def test_a_dry_run_shows_all_and_does_nothing(capsys: Capture, units: Path) -> None:
    code, out, _ = run(capsys, "install", "--user", "--dry-run")

    assert code == 0
    assert all(f"# {units}/{name}\n" in out for name in UNITS)
    assert out.endswith(f"systemctl --user restart {' '.join(ENABLED)}\n")
    assert not units.exists()


def test_units_are_written_and_the_rest_is_said(capsys: Capture, units: Path) -> None:
    code, out, err = run(capsys, "install", "--user", "--codex-home", "/srv/codex home")

    assert code == 0
    assert {path.name for path in units.iterdir()} == set(UNITS)
    assert out.count(": written\n") == len(UNITS)
    assert "    systemctl --user daemon-reload\n    systemctl --user enable proj" in err
    text = (units / "projector.service").read_text()
    assert 'Environment="PROJECTOR_CODEX_HOMES=/srv/codex home"\n' in text
    assert "/bin/projector run\n" in text


def test_the_folder_of_the_database_is_made_private(capsys: Capture, tmp_path: Path) -> None:
    run(capsys, "install", "--user")

    assert (tmp_path / ".local/state/codex-projector").stat().st_mode & 0o777 == 0o700


def test_installed_twice_is_installed_once(capsys: Capture, units: Path) -> None:
    run(capsys, "install", "--user")
    before = {path: path.stat().st_ino for path in units.iterdir()}

    _, out, _ = run(capsys, "install", "--user")

    assert out.count("as it should be") == len(UNITS)
    assert before == {path: path.stat().st_ino for path in units.iterdir()}


def test_what_a_settings_file_says_is_left_to_it(capsys: Capture, tmp_path: Path) -> None:
    """So that a change of the file is a change of the daemon."""
    file = tmp_path / "my.toml"
    file.write_text('codex_homes = ["/srv/codex"]\n')

    _, out, _ = run(capsys, "--config", str(file), "install", "--user", "--dry-run")

    assert f" --config {file} run\n" in out
    assert "/srv/codex" not in out


def test_an_endpoint_on_tcp_leaves_it_the_loopback(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[serve]\nlisten = "127.0.0.1:9464"\n')

    _, out, _ = run(capsys, "--config", str(file), "install", "--user", "--dry-run")

    assert "IPAddressAllow=localhost" in out
    assert "PrivateNetwork=yes" not in out


def test_what_it_writes_beside_the_database_may_be_written(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('serve.listen = "unix:/run/x/http"\nmetrics.textfile = "/srv/node/p.prom"\n')

    _, out, _ = run(capsys, "--config", str(file), "install", "--user", "--dry-run")

    assert "ReadWritePaths=-/run/x\nReadWritePaths=-/srv/node\n" in out


def test_what_variables_say_goes_into_the_unit(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "address"
    secret.write_text("postgresql://p:s3cret@db.example/threads\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJECTOR_RUN__RESCAN_S", "5")
    monkeypatch.setenv("PROJECTOR_DATABASE_FILE", "address")

    _, out, _ = run(capsys, "install", "--user", "--dry-run")

    assert out.count("Environment=PROJECTOR_RUN__RESCAN_S=5\n") == 3
    assert out.count(f"Environment=PROJECTOR_DATABASE_FILE={secret}\n") == 3
    assert "s3cret" not in out
    assert "PROJECTOR_DATABASE=" not in out
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n" in out
    assert "PrivateNetwork" not in out


def test_a_database_of_the_settings_file_is_left_to_it(capsys: Capture, tmp_path: Path) -> None:
    """A password in a file that it names does not come into the unit."""
    secret = tmp_path / "address"
    secret.write_text("postgresql://p:s3cret@localhost/threads\n")
    file = tmp_path / "my.toml"
    file.write_text(f'database_file = "{secret}"\n')

    _, out, _ = run(capsys, "--config", str(file), "install", "--user", "--dry-run")

    assert "PROJECTOR_DATABASE" not in out
    assert "s3cret" not in out
    assert "IPAddressAllow=localhost" in out


def test_a_credential_is_left_to_systemd(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But it is read, to know where the server is."""
    (tmp_path / "codex-projector.database").write_text("postgresql://p:s3cret@db.example/t\n")
    monkeypatch.setattr(install, "CREDENTIALS", str(tmp_path))

    _, out, _ = run(capsys, "install", "--as", pwd.getpwuid(1).pw_name, "--dry-run")

    assert "s3cret" not in out
    assert "LoadCredential=codex-projector.database:codex-projector.database\n" in out
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n" in out


def test_for_the_system_it_runs_as_whose_rollouts_they_are(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = pwd.getpwuid(1)
    monkeypatch.setenv("SUDO_USER", account.pw_name)

    code, out, _ = run(capsys, "install", "--dry-run")

    assert code == 0
    assert f"User={account.pw_name}\n" in out
    assert f"PROJECTOR_CODEX_HOMES={account.pw_dir}/.codex\n" in out
    assert "StateDirectory=codex-projector\n" in out
    assert "PROJECTOR_DATABASE" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["install"], "Name the account: --as NAME", id="whose they are is not said"),
        pytest.param(["install", "--as", "nobody-here"], "no such account", id="nobody's"),
        pytest.param(["install", "--user", "--as", "root"], "not with --user", id="both"),
        pytest.param(
            ["install", "--user", "--database", "postgresql://p:s3cret@db/t"],
            "password would stand in the unit",
            id="a password that all could read",
        ),
    ],
)
def test_refused(capsys: Capture, arguments: list[str], words: str) -> None:
    code, out, err = run(capsys, *arguments)

    assert (code, out) == (cli.USAGE, "")
    assert words in err
    assert "s3cret" not in err


def test_uninstall_takes_back_what_install_did(capsys: Capture, units: Path) -> None:
    run(capsys, "install", "--user")
    (units / "others.service").write_text("[Unit]\n")
    database = units.parents[2] / ".local/state/codex-projector/projector.db"
    database.write_bytes(b"rows")

    code, out, err = run(capsys, "uninstall", "--user")

    assert code == 0
    assert out.count(": removed\n") == len(UNITS)
    assert f"systemctl --user disable --now {' '.join(ENABLED)}" in err
    assert [path.name for path in units.iterdir()] == ["others.service"]
    assert database.read_bytes() == b"rows"


def test_uninstall_with_nothing_there(capsys: Capture) -> None:
    assert run(capsys, "uninstall", "--user")[0] == 0


def test_an_uninstall_can_be_looked_at_first(capsys: Capture, units: Path) -> None:
    run(capsys, "install", "--user")

    _, out, _ = run(capsys, "uninstall", "--user", "--dry-run")

    assert f"rm {units}/projector.service\n" in out
    assert (units / "projector.service").exists()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_unit_of_somebody_else_stays(capsys: Capture, units: Path, command: str) -> None:
    units.mkdir(parents=True)
    (units / "projector.service").write_text("[Unit]\n")

    code, _, err = run(capsys, command, "--user")

    assert code == cli.FAILED
    assert "was not made by projector install" in err
    assert (units / "projector.service").read_text() == "[Unit]\n"


def test_of_homes_that_are_there_the_unit_sees_no_more(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where links lead out of a home, and what the program and its settings are made of."""
    monkeypatch.setattr(render, "HIDDEN", (str(tmp_path),))
    (tmp_path / "large/sessions").mkdir(parents=True)
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/sessions").symlink_to(tmp_path / "large/sessions")
    (tmp_path / "bin").mkdir()
    (tmp_path / "my.toml").write_text("")
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "bin"))
    account = pwd.getpwuid(1).pw_name

    code, out, _ = run(
        capsys, "--config", str(tmp_path / "my.toml"), "install", "--as", account, "--dry-run",
        "--codex-home", str(tmp_path / ".codex"),
    )  # fmt: skip

    assert code == 0
    wanted = [".codex", "large/sessions", "bin", "my.toml"]
    bound = re.findall(r"^BindReadOnlyPaths=-(.*)$", out, re.MULTILINE)
    assert bound == [str(tmp_path / one) for one in wanted] * 3
    assert out.count("ProtectHome=tmpfs\n") == 3


def test_a_home_that_is_not_there_yet_is_not_hidden(capsys: Capture, tmp_path: Path) -> None:
    """It would be missing for good: what is made after the start of a unit does not come in."""
    account = pwd.getpwuid(1).pw_name

    _, out, _ = run(
        capsys, "install", "--as", account, "--codex-home", str(tmp_path / "no"), "--dry-run"
    )

    assert out.count("ProtectHome=read-only\n") == 3
    assert "BindReadOnlyPaths" not in out
