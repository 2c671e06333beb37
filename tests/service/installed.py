"""What is done with a service that is installed on a machine, and what is asked of it."""

from __future__ import annotations

import json
import shlex

from tests.service.machine import PROGRAM, PYTHON, SOURCE, Machine

#: Where the account's rollouts are, and the database of the system's service.
CODEX = "/home/robin/.codex"
STATE = "/var/lib/codex-projector"
SETTINGS = "/etc/codex-projector/config.toml"
FOLLOWING = "following 5 rollouts, 0 bytes behind"


def install(machine: Machine, *arguments: str) -> str:
    """Install it for robin's rollouts, as a service of the system."""
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
    """Count the turns in the database."""
    said = machine.run(PROGRAM, "status", "--json", "--codex-home", CODEX, "--database",
                       f"sqlite:///{STATE}/projector.db", account="robin")  # fmt: skip
    found = json.loads(said)["turns"]
    assert isinstance(found, int)
    return found


def events(machine: Machine) -> list[str]:
    """Give the names of what the daemon has logged, the last start's and those before."""
    return [line["MESSAGE"].split()[0] for line in machine.journal("projector")]


def control(machine: Machine, *words: str) -> str:
    """Call robin's own `systemctl`."""
    return machine.run(
        "env", f"XDG_RUNTIME_DIR={machine.runtime}", "systemctl", "--user", *words, account="robin"
    )


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
    field = "_SYSTEMD_USER_UNIT" if user else "_SYSTEMD_UNIT"
    said = machine.log("--output=cat", f"{field}=sandboxed.service")
    machine.run("systemctl", "stop", "server")
    found: dict[str, object] = json.loads(said[-1])
    return found
