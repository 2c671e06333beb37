"""Processes and what they cost: to their end, or while they go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.benchmarks.bench import ROOT, Failed

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
MIB: Final = 1 << 20
#: How many of the last lines of a failed command are shown.
_SHOWN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process cost from its start to its end."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads, user and system."""
    peak: float
    """Largest resident memory, in MiB."""
    start: float = 0.0
    """Seconds of its start that `wall` leaves out."""


def _last(said: bytes) -> str:
    """Give the last lines of what a command said, as one."""
    return " / ".join(said.decode(errors="replace").strip().splitlines()[-_SHOWN:])


def environment(scratch: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a contestant: nobody's settings, nobody's home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    own = {"HOME": str(scratch), "XDG_STATE_HOME": str(scratch / "state")}
    return {**kept, **own, **(more or {})}


def projector(*words: str | Path) -> list[str]:
    """Give the command line of the projector of this checkout."""
    return [sys.executable, "-m", "projector", *map(str, words)]


def backfill(home: Path, database: Path) -> list[str]:
    """Give the command line of a backfill into a SQLite file."""
    return projector("backfill", "--codex-home", home, "--database", f"sqlite:///{database}")


def measured(
    command: Sequence[str],
    scratch: Path,
    *,
    env: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Cost:
    """Run a command to its end; `before`: words that go before all (a namespace).

    Raises:
        Failed: it ended with another code than 0.
    """
    report = scratch / "cost.json"
    with (scratch / "said.log").open("w+b") as said:
        subprocess.run(
            [*before, sys.executable, "-I", "-S", _LAUNCHER, report, *command],
            cwd=ROOT,
            env=environment(scratch, env),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            check=False,
        )
        said.seek(0)
        words = _last(said.read())
    if not report.exists():
        raise Failed(f"{command[0]} could not be started: {words}")
    cost = json.loads(report.read_text())
    report.unlink()
    if cost["exit"] != 0:
        raise Failed(f"{' '.join(command[:5])} ended with {cost['exit']}: {words}")
    return Cost(wall=cost["wall"], cpu=cost["user"] + cost["system"], peak=cost["peak"] / MIB)


def peak_of(pid: int) -> float:
    """Give the largest resident memory of a living process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_of(pid: int) -> float:
    """Give the CPU seconds of a living process and its living children, to the nanosecond.

    From the scheduler's own count of each thread: the ticks of `/proc/PID/stat` are too coarse
    for a process that works a millisecond at a time.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
            children = (task / "children").read_text().split()
        except OSError:
            continue  # the thread has just ended
        total += sum(int(cpu_of(int(child)) * 1e9) for child in children)
    return total / 1e9


class Daemon:
    """`projector run`, from its start to its end."""

    def __init__(self, home: Path, database: Path, scratch: Path) -> None:
        """Start it; it is not ready yet."""
        self._scratch = scratch
        self._log = (scratch / "daemon.log").open("ab")
        address = scratch / "notify"
        address.unlink(missing_ok=True)
        # What systemd would listen on: the daemon says READY=1 there.
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(address))
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            projector("run", "--codex-home", home, "--database", f"sqlite:///{database}"),
            cwd=ROOT,
            env=environment(scratch, {"NOTIFY_SOCKET": str(address)}),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.perf_counter() - self._began

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_of(self.pid)

    def peak(self) -> float:
        """Largest resident memory so far, in MiB."""
        return peak_of(self.pid)

    def wait_ready(self, seconds: float = 120) -> float:
        """Wait for its READY=1; seconds from its start to then.

        Raises:
            Failed: it ended, or said nothing for so long.
        """
        self._notify.settimeout(0.25)
        while self.age < seconds:
            self.check()
            try:
                said = self._notify.recv(4096)
            except TimeoutError:
                continue
            if b"READY=1" in said.splitlines():
                return self.age
        raise Failed(f"projector run was not ready after {seconds:.0f} s")

    def check(self) -> None:
        """Raise `Failed` when it has ended by itself."""
        if self._process.poll() is not None:
            said = _last((self._scratch / "daemon.log").read_bytes())
            raise Failed(f"projector run ended with {self._process.returncode}: {said}")

    def stop(self) -> None:
        """Stop it with SIGTERM, and in the end with SIGKILL. Safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._notify.close()
        self._log.close()
