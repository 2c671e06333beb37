"""A machine with a live systemd; where there can be none, its tests are skipped and say why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.installed import CODEX, STATE
from tests.service.machine import PROGRAM, SOURCE, Machine, missing


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if why := missing():
        pytest.skip(f"no live systemd here: {why}")
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """Give a machine where robin has rollouts and nothing is installed yet."""
    booted.forget()
    booted.run("cp", "-r", f"{SOURCE}/projector/sample", CODEX, account="robin")
    booted.run("chmod", "-R", "u+w", CODEX)
    yield booted
    booted.run(PROGRAM, "uninstall")
    booted.call("systemctl", "reset-failed")
    booted.run("rm", "-rf", CODEX, STATE, "/etc/codex-projector", "/etc/credstore")
    booted.run("rm", "-rf", "/etc/systemd/system/projector.service.d")
    booted.run("rm", "-rf", "/etc/systemd/system/projector-health.timer.d")


@pytest.fixture
def own(machine: Machine) -> Iterator[Machine]:
    """Give a machine where robin has a systemd of its own, logged in or not."""
    machine.run("loginctl", "enable-linger", "robin")
    machine.run("systemctl", "start", f"user@{machine.uid}")
    machine.until(
        lambda: machine.call("test", "-S", f"{machine.runtime}/systemd/private").returncode == 0,
        "robin's systemd",
    )
    yield machine
    machine.run(PROGRAM, "uninstall", "--user", account="robin")
    machine.run("rm", "-rf", "/home/robin/.local", "/home/robin/.config")
    machine.run("rm", "-rf", "/etc/systemd/system/user@.service.d")
    machine.run("systemctl", "stop", f"user@{machine.uid}")
    machine.run("systemctl", "daemon-reload")
