"""What is done to a host: units written or removed, and systemd told of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from projector.errors import ProjectorError
from projector.install.render import ENABLED, MARK, UNITS

SYSTEM_UNITS: Final = "/etc/systemd/system"
#: Is there only while systemd runs the host (sd_booted(3)).
_BOOTED: Final = "/run/systemd/system"
_PUBLIC: Final = 0o644


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, or that is to be done."""

    text: str
    done: bool = True


def folder(*, user: bool) -> str:
    """Give where units lie."""
    if not user:
        return SYSTEM_UNITS
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return f"{config}/systemd/user"


def version() -> int:
    """Give systemd's version; 0: it is not there."""
    try:
        said = subprocess.run(
            ["systemctl", "--version"],  # noqa: S607 - the host's own
            check=True, capture_output=True, text=True, timeout=10,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"systemd (\d+)", said)
    return int(found[1]) if found else 0


def commands(verb: str, *, user: bool) -> list[list[str]]:
    """Give what systemd must be told; `verb`: `enable` or `disable`."""
    control = ["systemctl", *(["--user"] if user else [])]
    change = [*control, verb, "--now", *ENABLED]
    again = [*control, "daemon-reload"]
    return [again, change] if verb == "enable" else [change, again]


def running(*, user: bool) -> bool:
    """Whether there is a systemd that can be told anything."""
    if not os.path.isdir(_BOOTED) or shutil.which("systemctl") is None:
        return False
    return not user or os.path.isdir(
        os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/nowhere"), "systemd")
    )


def write(where: str, units: dict[str, str]) -> list[Step]:
    """Write the units; those that are as they should be stay.

    Raises:
        ProjectorError: a unit is there that is not ours.
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
        ProjectorError: a unit is there that is not ours.
    """
    there = [f"{where}/{name}" for name in UNITS if os.path.lexists(f"{where}/{name}")]
    for path in there:
        _refuse_foreign(path)
    for path in there:
        os.unlink(path)
    return [Step(f"{path}: removed") for path in there]


def tell(orders: Sequence[Sequence[str]]) -> list[Step]:
    """Tell systemd.

    Raises:
        ProjectorError: it refuses.
    """
    steps = []
    for order in orders:
        text = " ".join(order)
        try:
            subprocess.run(order, check=True, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own words
        except subprocess.CalledProcessError as refused:
            reason = " ".join(refused.stderr.split()) or f"exit code {refused.returncode}"
            raise ProjectorError(f"{text}: {reason}", hint="Look at it, then run that again") from (
                refused
            )
        except subprocess.TimeoutExpired as late:
            raise ProjectorError(f"{text}: no answer", hint="Run it yourself") from late
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
