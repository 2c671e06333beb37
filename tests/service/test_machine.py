"""Under a live systemd: installed, started, reloaded, hung, stopped, sandboxed, taken away."""

from __future__ import annotations

import pytest

from tests.service.installed import (
    FOLDERS,
    SETTINGS,
    STATE,
    append,
    drop_in,
    events,
    follows,
    install,
    sandboxed,
    turns,
    verified,
)
from tests.service.machine import PROGRAM, Machine


def test_installed_it_runs_and_is_enabled(machine: Machine) -> None:
    """And its private database is there; the health check runs, and says that all is well."""
    done = install(machine)
    follows(machine)
    machine.run("systemctl", "start", "projector-health")

    assert "systemctl enable projector.service projector-health.timer" in done
    for unit in ("projector.service", "projector-health.timer"):
        assert machine.run("systemctl", "is-enabled", unit).strip() == "enabled"
        assert machine.run("systemctl", "is-active", unit).strip() == "active"
    assert "daemon.caught_up" in events(machine)
    found = machine.run("stat", "--format=%U %a", STATE, f"{STATE}/projector.db").split("\n")
    assert found[:2] == ["robin 700", "robin 600"]
    said = [one["MESSAGE"] for one in machine.journal("projector-health")]
    assert any(line.startswith("OK: nothing waits | behind_bytes=0B;") for line in said), said
    verified(machine)


def test_reload_reads_the_settings_again(machine: Machine) -> None:
    """Right ones hold, wrong ones change nothing; either way the service goes on."""
    install(machine)
    follows(machine)
    for text in ('log.level = "debug"\n', 'log.level = "loud"\n'):
        machine.write(SETTINGS, text)
        machine.run("systemctl", "reload", "projector")
        word = "settings.refused" if "loud" in text else "settings.reloaded"
        machine.until(lambda: word in events(machine), word)  # noqa: B023 - called at once
        append(machine)
    machine.until(lambda: "batch.committed" in events(machine), "the turn")

    said = {line["MESSAGE"].split()[0]: line for line in machine.journal("projector")}
    assert "changed=log.level" in said["settings.reloaded"]["MESSAGE"]
    assert "loud" in said["settings.refused"]["MESSAGE"]
    # systemd takes the priorities off the lines: error, info, debug.
    names = ("settings.refused", "settings.reloaded", "batch.committed")
    assert [said[name]["PRIORITY"] for name in names] == ["3", "6", "7"]
    assert machine.show("projector", "NRestarts") == "0"


@pytest.mark.parametrize(
    ("signal", "result"),
    [
        pytest.param("STOP", "watchdog", id="it hangs"),
        pytest.param("KILL", "signal", id="it is killed"),
    ],
)
def test_what_hangs_or_dies_is_started_anew(machine: Machine, signal: str, result: str) -> None:
    """And nothing that was written meanwhile is lost."""
    machine.write(SETTINGS, "store.busy_timeout_s = 0\n")  # the watchdog waits as long as that
    install(machine)
    drop_in(machine, "projector.service", "[Service]\nWatchdogSec=2\nRestartSec=100ms\n")
    machine.run("systemctl", "restart", "projector")
    follows(machine)
    first, before = machine.show("projector", "MainPID"), turns(machine)

    machine.run("kill", f"-{signal}", first)
    append(machine)
    machine.until(lambda: machine.show("projector", "NRestarts") == "1", "a restart")
    follows(machine)

    assert machine.show("projector", "MainPID") != first
    assert any(
        f"Failed with result '{result}'" in one["MESSAGE"] for one in machine.journal("projector")
    )
    assert turns(machine) == before + 1
    verified(machine)


def test_stop_commits_and_leaves_with_0(machine: Machine) -> None:
    install(machine)
    follows(machine)
    before = turns(machine)
    append(machine)
    machine.until(lambda: turns(machine) > before, "the turn")

    machine.run("systemctl", "stop", "projector")

    names = ("Result", "ExecMainCode", "ExecMainStatus", "ActiveState")
    found = [machine.show("projector", name) for name in names]
    assert found == ["success", "1", "0", "inactive"]  # 1: it left by itself
    assert "daemon.stopped" in events(machine)
    verified(machine)


def test_wrong_settings_are_told_once(machine: Machine) -> None:
    """Starting again would not mend them."""
    machine.write(SETTINGS, "[run]\nrescan = 1\n")
    done = machine.call(PROGRAM, "install", "--as", "robin")
    assert done.returncode == 2
    assert 'did you mean "rescan_s"?' in done.stderr

    machine.write(SETTINGS, "")
    install(machine)
    machine.write(SETTINGS, "[run]\nrescan = 1\n")
    done = machine.call("systemctl", "restart", "projector")

    assert done.returncode != 0
    names = ("Result", "ExecMainStatus", "ActiveState", "NRestarts")
    found = [machine.show("projector", name) for name in names]
    assert found == ["exit-code", "2", "failed", "0"]


def test_the_timer_hears_of_a_daemon_that_is_gone(machine: Machine) -> None:
    """The health unit fails, which is what OnFailure= waits for."""
    machine.write(SETTINGS, "health.heartbeat_s = 1\n")
    install(machine)
    often = "OnCalendar=\nOnCalendar=*:*:0/1\nAccuracySec=1ms\nRandomizedDelaySec=0\n"
    drop_in(machine, "projector-health.timer", f"[Timer]\n{often}")
    machine.run("systemctl", "restart", "projector-health.timer")
    machine.run("systemctl", "stop", "projector")

    machine.until(
        lambda: any(
            line["MESSAGE"].startswith("CRITICAL: no daemon is running: the daemon (pid ")
            for line in machine.journal("projector-health")
        ),
        "CRITICAL",
    )
    show = ("systemctl", "show", "projector-health", "--property=ExecMainStatus,Result")
    failed = {"ExecMainStatus=2", "Result=exit-code"}  # between two checks, so asked at once
    machine.until(lambda: failed == set(machine.run(*show).split()), "a failure")


def test_a_credential_names_the_database(machine: Machine) -> None:
    """Only root can read it; systemd hands it to the service."""
    machine.write("/etc/credstore/codex-projector.database", f"sqlite:///{STATE}/secret.db\n",
                  mode="600")  # fmt: skip
    install(machine)
    follows(machine)

    assert machine.run("ls", STATE).split()[0] == "secret.db"


def test_an_upgrade_is_an_install(machine: Machine) -> None:
    """Called again it starts the daemon anew, whether or not the units are different."""
    install(machine)
    first = machine.show("projector", "MainPID")

    said = install(machine)

    assert said.count("as it should be") == 4
    assert machine.show("projector", "MainPID") != first
    follows(machine)


def test_the_backfill_unit_is_one_shot(machine: Machine) -> None:
    """Beside the daemon too."""
    install(machine)
    machine.run("systemctl", "start", "projector-backfill")

    said = [line["MESSAGE"] for line in machine.journal("projector-backfill")]
    assert any(line.startswith("5 rollouts, ") for line in said)


def test_uninstall_keeps_the_data(machine: Machine) -> None:
    """Installed again, it goes on where it was."""
    install(machine)
    follows(machine)

    machine.run(PROGRAM, "uninstall")

    assert machine.show("projector", "LoadState") == "not-found"
    assert machine.run("sh", "-c", "ls /etc/systemd/system | grep projector || true") == ""
    verified(machine)
    install(machine)
    follows(machine)
    assert events(machine)[-1] == "daemon.caught_up"


def answer(machine: Machine, listen: str) -> str:
    """Ask an endpoint, from outside of the sandbox."""
    script = f"""
import socket
found = socket.socket(socket.AF_UNIX if "/" in {listen!r} else socket.AF_INET)
found.connect({listen!r} if "/" in {listen!r} else ("127.0.0.1", 9464))
found.sendall(b"GET /readyz HTTP/1.0\\r\\n\\r\\n")
print(found.makefile().read())
"""
    return machine.run("python3", "-c", script)


@pytest.mark.parametrize("listen", ["unix:/run/codex-projector/http", "127.0.0.1:9464"])
def test_the_endpoint_answers_through_the_sandbox(machine: Machine, listen: str) -> None:
    machine.run("ip", "link", "set", "lo", "up")
    machine.write(SETTINGS, f'[serve]\nlisten = "{listen}"\n')
    install(machine)
    follows(machine)
    machine.run("systemctl", "start", "projector-health")  # when it ends it takes nothing away

    assert answer(machine, listen.removeprefix("unix:")).startswith("HTTP/1.0 200 OK")


def test_the_sandbox_of_the_system_is_in_force(machine: Machine) -> None:
    """Rollouts can be read and its state written, and that is all."""
    install(machine)
    follows(machine)

    found = sandboxed(machine, "/etc/systemd/system/projector.service", user=False)

    assert found == {
        "writes": ["/tmp", "/var/tmp", STATE],
        "reads": [one for one in FOLDERS if one not in ("/etc/codex-projector", FOLDERS[-1])],
        "homes": [".codex"],
        "connects": False,
        "interfaces": False,
        "unix sockets": True,
        "others": 0,
        "disks": [],
        "temporary": [],
        "mounts": False,
        "namespaces": False,
        "code in memory": False,
        "priority": False,
        "capabilities": ["0" * 16, "0" * 16],
    }
