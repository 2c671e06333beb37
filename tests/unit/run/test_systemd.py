"""What systemd hears."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from projector.run import systemd


@pytest.fixture(params=["a path", "an abstract name"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """Listen where systemd would."""
    name = str(tmp_path / "n") if request.param == "a path" else f"@projector-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


# fmt: off
SAID = [
    ("ready",     lambda: systemd.ready("following"),       b"READY=1\nSTATUS=following"),
    ("status",    lambda: systemd.status("3 MiB\nbehind"),  b"STATUS=3 MiB behind"),
    ("alive",     systemd.watchdog,                         b"WATCHDOG=1"),
    ("stopping",  lambda: systemd.stopping("bye"),          b"STOPPING=1\nSTATUS=bye"),
    ("more time", lambda: systemd.extend(1),                b"EXTEND_TIMEOUT_USEC=1000000"),
]
# fmt: on


@pytest.mark.parametrize(("say", "heard"), [pytest.param(*c[1:], id=c[0]) for c in SAID])
def test_notify(manager: socket.socket, say: Callable[[], bool], heard: bytes) -> None:
    assert say()

    assert manager.recv(4096) == heard


def test_reloading_tells_since_when(manager: socket.socket) -> None:
    assert systemd.reloading()

    reloading, since = manager.recv(4096).split(b"\n")
    assert reloading == b"RELOADING=1"
    assert since.startswith(b"MONOTONIC_USEC=")


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("", id="no manager"),
        pytest.param("/nowhere/notify", id="a manager that has gone"),
        pytest.param("relative", id="no address"),
    ],
)
def test_without_a_manager_nothing_happens(address: str) -> None:
    assert not systemd.notify("READY=1", env={"NOTIFY_SOCKET": address})


# fmt: off
WATCHDOGS = [
    ("half of the limit",      {"WATCHDOG_USEC": "60000000"},                          30.0),
    ("meant for us",           {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "{pid}"},  1.0),
    ("meant for another",      {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"},      None),
    ("no watchdog",            {},                                                     None),
    ("no number",              {"WATCHDOG_USEC": "soon"},                              None),
]
# fmt: on


@pytest.mark.parametrize(("env", "interval"), [pytest.param(*c[1:], id=c[0]) for c in WATCHDOGS])
def test_watchdog_interval(env: dict[str, str], interval: float | None) -> None:
    env = {name: value.format(pid=os.getpid()) for name, value in env.items()}

    assert systemd.watchdog_interval_s(env) == interval
