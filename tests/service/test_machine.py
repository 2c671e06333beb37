"""Under a live systemd: installed, started, reloaded, hung, stopped, sandboxed, taken away."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from tests.service.machine import PROGRAM, PYTHON, Machine, missing

#: Where the account's rollouts are, and the database of the system's service.
CODEX = "/home/robin/.codex"
STATE = "/var/lib/codex-projector"
SETTINGS = "/etc/codex-projector/config.toml"
#: The repository, as the machine sees it.
SOURCE = "/opt/python/1"
FOLLOWING = "following 5 rollouts, 0 bytes behind"

WHY_NOT = missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"no live systemd here: {WHY_NOT}")


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """Give a machine where robin has rollouts and nothing is installed yet."""
    booted.run("cp", "-r", f"{SOURCE}/projector/sample", CODEX, account="robin")
    booted.run("chmod", "-R", "u+w", CODEX)
    yield booted
    booted.run(PROGRAM, "uninstall")
    booted.call("systemctl", "reset-failed")
    booted.run("rm", "-rf", CODEX, STATE, "/etc/codex-projector", "/etc/credstore")
    booted.run("rm", "-rf", "/etc/systemd/system/projector.service.d")
    booted.run("rm", "-rf", "/etc/systemd/system/projector-health.timer.d")


def install(machine: Machine, *arguments: str) -> str:
    return machine.run(PROGRAM, "install", "--as", "robin", *arguments)


def follows(machine: Machine, status: str = FOLLOWING) -> None:
    """Wait until the daemon says that it has all."""
    machine.until(lambda: machine.show("projector", "StatusText") == status, f'"{status}"')


def drop_in(machine: Machine, unit: str, text: str) -> None:
    """Change a unit, as `systemctl edit` does."""
    machine.write(f"/etc/systemd/system/{unit}.d/override.conf", text)
    machine.run("systemctl", "daemon-reload")


def append(machine: Machine) -> None:
    """Let Codex write one more turn: the last one of a rollout again, under another id."""
    script = (
        "import glob, re\n"
        f"path = sorted(glob.glob('{CODEX}/sessions/2026/01/05/*.jsonl'))[-1]\n"
        "lines = open(path, 'rb').read().splitlines(keepends=True)\n"
        "turn = [n for n, line in enumerate(lines) if b'task_started' in line][-1]\n"
        'old = re.search(rb\'"turn_id":"([^"]+)\', lines[turn])[1]\n'
        "new = old[:-4] + b'ffff'\n"
        "with open(path, 'ab') as file:\n"
        "    for number, line in enumerate(lines[turn:], start=len(lines)):\n"
        "        file.write(re.sub(rb'\"ordinal\":\\d+', b'\"ordinal\":%d' % number,"
        " line.replace(old, new)))\n"
    )
    machine.run("python3", "-c", script, account="robin")


def verified(machine: Machine) -> None:
    """The database says what the rollouts say."""
    machine.run(PROGRAM, "verify", "--codex-home", CODEX, "--database",
                f"sqlite:///{STATE}/projector.db", account="robin")  # fmt: skip


def turns(machine: Machine) -> int:
    said = machine.run(PROGRAM, "status", "--json", "--codex-home", CODEX, "--database",
                       f"sqlite:///{STATE}/projector.db", account="robin")  # fmt: skip
    found = json.loads(said)["turns"]
    assert isinstance(found, int)
    return found


def events(machine: Machine) -> list[str]:
    """Give the names of what the daemon has logged, the last start's and those before."""
    return [line["MESSAGE"].split()[0] for line in machine.journal("projector")]


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

    machine.until(lambda: machine.show("projector-health", "Result") == "exit-code", "CRITICAL")

    assert machine.show("projector-health", "ExecMainStatus") == "2"
    said = [line["MESSAGE"] for line in machine.journal("projector-health")]
    assert any(line.startswith("CRITICAL: nobody follows: the daemon (pid ") for line in said)


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

    assert answer(machine, listen.removeprefix("unix:")).startswith("HTTP/1.0 200 OK")


#: A server on the loopback, to try to reach.
SERVER = "import socket, time\nheard = socket.create_server(('127.0.0.1', 9000))\ntime.sleep(900)\n"
FOLDERS = ("/", "/etc", "/etc/codex-projector", "/var", "/home/robin", CODEX, "/tmp", "/var/tmp",
           "/opt", STATE, "/home/robin/.local/state/codex-projector")  # fmt: skip


def sandboxed(machine: Machine, unit: str, *, user: bool) -> dict[str, object]:
    """Run `sandboxed.py` as the daemon's unit would."""
    machine.run("ip", "link", "set", "lo", "up")
    machine.run("systemd-run", "--unit=server", "--collect", "python3", "-c", SERVER)
    machine.run("touch", "/tmp/of-others", "/var/tmp/of-others")
    words = shlex.join([PYTHON, f"{SOURCE}/tests/service/sandboxed.py", *FOLDERS, "9000"])
    lines = [
        f"ExecStart={words}" if line.startswith("ExecStart=") else line
        for line in machine.run("cat", unit).splitlines()
        if not line.startswith(("Restart", "Watchdog"))
    ]
    text = "\n".join(lines).replace("Type=notify-reload", "Type=exec").replace("=notify", "=exec")
    machine.write(unit.replace("projector.service", "sandboxed.service"), text + "\n")
    scope = ["--user"] if user else []
    account = "robin" if user else ""
    env = ["env", f"XDG_RUNTIME_DIR={machine.runtime}"] if user else []
    machine.run(*env, "systemctl", *scope, "daemon-reload", account=account)
    machine.run(*env, "systemctl", *scope, "start", "sandboxed", account=account)
    machine.until(
        lambda: machine.show("sandboxed", "ActiveState", account=account) == "inactive", "its end"
    )
    machine.run("journalctl", "--sync")
    field = "_SYSTEMD_USER_UNIT" if user else "_SYSTEMD_UNIT"
    said = machine.run("journalctl", "--output=cat", f"{field}=sandboxed.service")
    machine.run("systemctl", "stop", "server")
    found: dict[str, object] = json.loads(said.strip().splitlines()[-1])
    return found


def test_the_sandbox_of_the_system_is_in_force(machine: Machine) -> None:
    """Rollouts can be read and its state written, and that is all."""
    install(machine)
    follows(machine)

    found = sandboxed(machine, "/etc/systemd/system/projector.service", user=False)

    assert found == {
        "writes": ["/tmp", "/var/tmp", STATE],
        "reads": [one for one in FOLDERS if one not in ("/etc/codex-projector", FOLDERS[-1])],
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


@pytest.fixture
def own(machine: Machine) -> Iterator[Machine]:
    """Give a machine where robin has a systemd of its own, logged in or not."""
    machine.run("loginctl", "enable-linger", "robin")
    machine.until(
        lambda: machine.call("test", "-S", f"{machine.runtime}/systemd/private").returncode == 0,
        "robin's systemd",
    )
    yield machine
    machine.run(PROGRAM, "uninstall", "--user", account="robin")
    machine.run("rm", "-rf", "/home/robin/.local", "/home/robin/.config")


def control(machine: Machine, *words: str) -> str:
    return machine.run(
        "env", f"XDG_RUNTIME_DIR={machine.runtime}", "systemctl", "--user", *words, account="robin"
    )


def test_for_oneself(own: Machine) -> None:
    """It starts, reloads, stops and is taken away, without root; the database stays."""
    own.run(PROGRAM, "install", "--user", account="robin")
    own.until(lambda: own.show("projector", "StatusText", account="robin") == FOLLOWING, FOLLOWING)
    own.write("/home/robin/.config/codex-projector/config.toml", "run.rescan_s = 5\n")
    control(own, "reload", "projector")
    control(own, "start", "projector-health")
    assert (
        control(own, "is-enabled", "projector", "projector-health.timer").split() == ["enabled"] * 2
    )
    control(own, "stop", "projector")
    assert own.show("projector", "Result", account="robin") == "success"

    own.run(PROGRAM, "uninstall", "--user", account="robin")

    assert own.show("projector", "LoadState", account="robin") == "not-found"
    assert "projector.db" in own.run("ls", "/home/robin/.local/state/codex-projector")
    said = own.run("journalctl", "--output=cat", "_SYSTEMD_USER_UNIT=projector.service")
    assert "settings.reloaded changed=run.rescan_s" in said
    assert "daemon.stopped" in said


def test_the_sandbox_of_a_user_is_in_force(own: Machine) -> None:
    """As that of the system, but that other processes of the host can be seen."""
    own.run(PROGRAM, "install", "--user", account="robin")

    found = sandboxed(own, "/home/robin/.config/systemd/user/projector.service", user=True)

    assert found["writes"] == ["/tmp", "/var/tmp", "/home/robin/.local/state/codex-projector"]
    assert CODEX in found["reads"]  # type: ignore[operator]
    words = ("connects", "interfaces", "mounts", "namespaces", "code in memory", "priority")
    assert [found[word] for word in words] == [False] * len(words)
    assert (found["disks"], found["temporary"]) == ([], [])


def test_a_user_without_namespaces(own: Machine) -> None:
    """The manager would not start a unit that asks for one: so it is not asked."""
    drop_in(own, "user@.service", "[Service]\nRestrictNamespaces=yes\n")
    own.run("systemctl", "restart", f"user@{own.runtime.rpartition('/')[2]}")

    own.run(PROGRAM, "install", "--user", account="robin")

    unit = "/home/robin/.config/systemd/user/projector.service"
    assert "PrivateUsers" not in own.run("cat", unit)
    own.until(lambda: own.show("projector", "StatusText", account="robin") == FOLLOWING, FOLLOWING)
    own.run("rm", "-r", "/etc/systemd/system/user@.service.d")
    own.run("systemctl", "daemon-reload")
