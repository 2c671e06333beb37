"""The units: systemd has nothing to say against them, and they are little exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from projector import cli
from projector.install.render import ENABLED, MARK, UNITS, Host, quoted, render, word

#: What `systemd-analyze security` may say at most, of 10.
EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)"
)


def host(
    *, user: str = "daemon", environment: dict[str, str] | None = None, **more: object
) -> Host:
    """Give a host where the program is one that is there."""
    return Host(command=[sys.executable], user=user, environment=environment or {}, **more)  # type: ignore[arg-type]


# fmt: off
HOSTS = [
    ("as it comes",            host()),
    ("a database elsewhere",   host(writable=["/srv/my rows"], environment={"A": 'x "y" %z'})),
    ("an endpoint on TCP",     host(network="loopback")),
    ("a server far away",      host(network="any")),
    ("homes bound",            host(readable=["/home/x/.codex", "/home/x/a b:c"],
                                    writable=["/home/x/.local/state/y"])),
    ("a server by number",     host(network="any", addresses=["192.0.2.7", "2001:db8::1"])),
    ("a user's own",           host(user="", writable=["/home/robin/.local/state/x"])),
    ("a user's, sandboxed",    host(user="", namespaces=True)),
    ("the same, homes bound",  host(user="", namespaces=True, readable=["/home/x/.codex"])),
    ("the newest systemd",     host(version=999)),
]
# fmt: on


def analyzed(command: Sequence[str], folder: Path, found: Host) -> subprocess.CompletedProcess[str]:
    """Write all units, and have systemd look at them; what it is too old for is left out."""
    version = subprocess.check_output(["systemd-analyze", "--version"], text=True).split()[1]
    if found.version > int(version):
        pytest.skip(f"needs a newer systemd than {version}")
    for name in UNITS:
        (folder / name).write_text(render(name, found))
    scope = [] if found.user else ["--user"]
    return subprocess.run(
        ["systemd-analyze", *scope, *command], check=False, capture_output=True, text=True,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin", "HOME": str(folder),
             "XDG_RUNTIME_DIR": str(folder)},
    )  # fmt: skip


@needs_systemd
@pytest.mark.parametrize("found", [pytest.param(case[1], id=case[0]) for case in HOSTS])
def test_systemd_has_nothing_to_say(tmp_path: Path, found: Host) -> None:
    paths = [str(tmp_path / name) for name in UNITS]

    done = analyzed(["verify", "--man=no", "--recursive-errors=no", *paths], tmp_path, found)

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("found", [pytest.param(c[1], id=c[0]) for c in HOSTS[:6]])
@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_they_are_little_exposed(tmp_path: Path, name: str, found: Host) -> None:
    """A user's own are not held to it: what their manager may take away depends on the kernel."""
    done = analyzed(
        ["security", "--offline=true", "--no-pager", str(tmp_path / name)], tmp_path, found
    )

    exposure = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure, done.stderr
    assert float(exposure[1]) <= EXPOSURE


@pytest.mark.parametrize("found", [pytest.param(case[1], id=case[0]) for case in HOSTS])
@pytest.mark.parametrize("name", UNITS)
def test_every_unit_is_marked_as_ours_and_filled(name: str, found: Host) -> None:
    text = render(name, found)

    assert text.startswith(MARK)
    assert not re.search(r"@[A-Z_]+@", text)


def test_they_call_commands_that_there_are() -> None:
    services = [render(name, host()) for name in UNITS if name.endswith(".service")]

    called = {found[1] for text in services for found in re.finditer(r"ExecStart=\S+ (\w+)", text)}

    assert called == {"run", "backfill", "health"}
    assert called <= set(cli.app.every())


def test_bad_settings_are_no_reason_to_start_again() -> None:
    assert f"RestartPreventExitStatus={cli.USAGE}\n" in render("projector.service", host())


def test_what_is_enabled_says_what_wants_it() -> None:
    for name in UNITS:
        assert ("[Install]" in render(name, host())) == (name in ENABLED)


# fmt: off
WORDS = [
    ("a plain path",      "/usr/bin/projector",  "/usr/bin/projector",   "/usr/bin/projector"),
    ("a blank",           "/my rows",            '"/my rows"',           '"/my rows"'),
    ("a specifier",       "/100%h",              "/100%%h",              "/100%%h"),
    ("a quote",           'a"b',                 r'"a\"b"',              r'"a\"b"'),
    ("a backslash",       r"a\b",                r'"a\\b"',              r'"a\\b"'),
    ("a variable",        "/$HOME",              '"/$HOME"',             '"/$$HOME"'),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "value", "argument"), [pytest.param(*case[1:], id=case[0]) for case in WORDS]
)
def test_paths_are_taken_literally(text: str, value: str, argument: str) -> None:
    assert (quoted(text), word(text)) == (value, argument)


@pytest.mark.parametrize("name", ["projector.service", "projector-backfill.service"])
def test_memory_is_bounded(name: str) -> None:
    """Whoever reads rollouts is slowed down before the host runs out of memory."""
    assert "\nMemoryHigh=1G\n" in render(name, host())


def test_of_the_homes_only_what_it_needs_is_seen() -> None:
    """In every service, whatever else it is told."""
    found = host(readable=["/home/x/.codex", "/home/x/a:b"], writable=["/home/x/db", "/srv/node"])

    for name in [name for name in UNITS if name.endswith(".service")]:
        lines = render(name, found).splitlines()
        assert [line for line in lines if line.startswith(("ProtectHome", "Bind"))] == [
            "ProtectHome=tmpfs",
            "BindReadOnlyPaths=-/home/x/.codex",
            'BindReadOnlyPaths="-/home/x/a\\\\:b"',
            "BindPaths=-/home/x/db",
        ]
        assert "LimitCORE=0" in lines


def test_a_server_that_has_a_number_is_all_that_is_reached() -> None:
    text = render("projector.service", host(network="any", addresses=["192.0.2.7", "2001:db8::1"]))

    assert "IPAddressDeny=any\nIPAddressAllow=localhost 192.0.2.7 2001:db8::1\n" in text
    assert "IPAddress" not in render("projector.service", host(network="any"))
