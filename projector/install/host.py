"""Apply changes to a host: write or remove units, and run systemctl."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from projector.install.render import ENABLED, MARK, UNITS
from projector.model.errors import ProjectorError, UsageError

SYSTEM_UNITS: Final = "/etc/systemd/system"
#: Exists only while systemd runs the host (sd_booted(3)).
_BOOTED: Final = "/run/systemd/system"
_PUBLIC: Final = 0o644


class Step(Struct, frozen=True):
    """One step that was done, or is to be done."""

    text: str
    done: bool = True


def folder(*, user: bool) -> str:
    """Return the folder of the units."""
    if not user:
        return SYSTEM_UNITS
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    if config.startswith("~"):
        raise UsageError("HOME is not set: it is not known where a user's units lie")
    return f"{config}/systemd/user"


def settings_folder(home: str = "") -> str:
    """Return the configuration folder; `home`: of another account, without our variables."""
    config = "" if home else os.environ.get("XDG_CONFIG_HOME")
    return f"{config or os.path.join(home or os.path.expanduser('~'), '.config')}/codex-projector"


def version() -> int:
    """Return systemd's version; 0: not installed."""
    try:
        said = subprocess.run(
            ["systemctl", "--version"],  # noqa: S607 - the host's own
            check=True, capture_output=True, text=True, timeout=10,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"systemd (\d+)", said)
    return int(found[1]) if found else 0


def commands(verb: Literal["enable", "disable"], *, user: bool) -> list[list[str]]:
    """Return the systemctl commands to run.

    A running daemon is restarted: it may be the old program with the old settings.
    """
    control = ["systemctl", *(["--user"] if user else [])]
    again = [*control, "daemon-reload"]
    if verb == "disable":
        return [[*control, verb, "--now", *ENABLED], again]
    return [again, [*control, verb, *ENABLED], [*control, "restart", *ENABLED]]


def running(*, user: bool) -> bool:
    """True if a systemd is running that accepts commands."""
    if not os.path.isdir(_BOOTED) or shutil.which("systemctl") is None:
        return False
    return not user or os.path.isdir(f"{_runtime()}/systemd")


def namespaces() -> bool:
    """True if the user's own manager can create namespaces, which most of a sandbox needs.

    Without them it starts no unit that requests a user namespace, and silently ignores other
    options that need one. So a test unit is run, as kernel settings do not tell everything.
    """
    probe = ["systemd-run", "--user", "--quiet", "--wait", "--collect"]
    wanted = ["PrivateUsers=yes", "ProtectSystem=strict", "PrivateTmp=yes"]
    order = [*probe, *(f"--property={one}" for one in wanted), "true"]
    try:
        done = subprocess.run(order, check=False, capture_output=True, timeout=30, env=_env())  # noqa: S603 - our own words
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def lingers() -> bool:
    """True if the user's own manager runs while the user is not logged in."""
    import pwd  # noqa: PLC0415 - not all calls need it

    return os.path.exists(f"/var/lib/systemd/linger/{pwd.getpwuid(os.getuid()).pw_name}")


def _runtime() -> str:
    """Return the runtime folder of the user's own manager; shells opened by sudo or su lack it."""
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


def _env() -> dict[str, str]:
    return os.environ | {"XDG_RUNTIME_DIR": _runtime()}


def write(where: str, units: dict[str, str]) -> list[Step]:
    """Write the units; unchanged ones are kept.

    Raises:
        ProjectorError: a unit exists that is not ours.
    """
    for name in units:
        _refuse_foreign(f"{where}/{name}")
    os.makedirs(where, exist_ok=True)
    steps = []
    for name, text in units.items():
        path = Path(where, name)
        if path.exists() and path.read_text("utf-8") == text:
            steps.append(Step(f"{path}: as it should be"))
            continue
        new = path.with_name(f".{name}.new")
        new.write_text(text, "utf-8")
        new.chmod(_PUBLIC)
        new.replace(path)
        steps.append(Step(f"{path}: written"))
    return steps


def remove(where: str) -> list[Step]:
    """Remove the units that are ours.

    Raises:
        ProjectorError: a unit exists that is not ours.
    """
    there = [f"{where}/{name}" for name in UNITS if os.path.lexists(f"{where}/{name}")]
    for path in there:
        _refuse_foreign(path)
    for path in there:
        os.unlink(path)
    return [Step(f"{path}: removed") for path in there]


def tell(orders: Sequence[Sequence[str]]) -> list[Step]:
    """Run systemctl commands.

    Raises:
        ProjectorError: one of them failed.
    """
    steps = []
    for order in orders:
        text = " ".join(order)
        try:
            # No time limit of ours: a start may include a migration, and systemd has its own limit.
            subprocess.run(order, check=True, capture_output=True, text=True, env=_env())  # noqa: S603 - our own words
        except subprocess.CalledProcessError as refused:
            reason = (
                " ".join(refused.stderr.split()).rstrip(".") or f"exit code {refused.returncode}"
            )
            raise ProjectorError(f"{text}: {reason}", hint="Look at it, then run that again") from (
                refused
            )
        steps.append(Step(text))
    return steps


def _refuse_foreign(path: str) -> None:
    try:
        ours = Path(path).read_text("utf-8").startswith(MARK)
    except FileNotFoundError:
        return
    except UnicodeDecodeError:
        ours = False
    if not ours:
        raise ProjectorError(
            f"{path}: was not made by projector install", hint="Move it away first, if you may"
        )
