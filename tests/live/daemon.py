"""The projector beside Codex: `projector run` as its own process, stopped or killed at will."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.rows import show_in_file

#: The command as it is installed; a fault is injected by putting a script in its place.
PROJECTOR: Final = (sys.executable, "-m", "projector")

_LEAVE_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.1


class DaemonFault(Exception):
    """The daemon did what it must not: it left by itself, hung, or did not catch up."""


class Daemon:
    """`projector run` over one CODEX_HOME into one SQLite file, or a database on a server.

    `database`: the file. `server`: the address of an empty database on a server, instead; what its
    views show is in the file once the daemon was stopped.
    """

    def __init__(
        self,
        home: Path,
        database: Path,
        log: Path,
        command: Sequence[str] = PROJECTOR,
        server: str = "",
    ) -> None:
        self._command = command
        self._server = server
        self._where = ["--codex-home", str(home), "--database", server or f"sqlite:///{database}"]
        self.database = database
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self) -> None:
        """Start it, if it is not there."""
        if self._process is None:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [*self._command, "run", *self._where],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment(),
                )

    def _environment(self) -> dict[str, str]:
        """Nobody's settings but the defaults."""
        kept = {name: value for name, value in os.environ.items() if "PROJECTOR" not in name}
        own = {"XDG_CONFIG_HOME": "no-config", "XDG_STATE_HOME": "state"}
        return kept | {name: str(self.database.parent / one) for name, one in own.items()}

    def kill(self) -> None:
        """SIGKILL: what it was in the middle of is lost."""
        process = self._alive()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._process = None
        self.kills += 1

    def stop(self) -> None:
        """SIGTERM, as a service manager does; it must leave in good order."""
        process = self._alive()
        process.send_signal(signal.SIGTERM)
        self._process = None
        try:
            code = process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise DaemonFault(f"SIGTERM did not end it in {_LEAVE_SECONDS} s") from None
        if code != 0:
            raise DaemonFault(f"it left with {code}{self._last_words()}")
        if self._server:
            show_in_file(self._server, self.database)

    def discard(self) -> None:
        """End it, in whatever state it is: for a session that has failed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AssertionError("the daemon was not started")
        code = self._process.poll()
        if code is not None:
            self._process = None
            raise DaemonFault(f"it left by itself with {code}{self._last_words()}")
        return self._process

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "".join(f"\n    {line}" for line in lines[-5:])

    def wait_caught_up(self, sizes: Mapping[str, int], seconds: float) -> None:
        """Wait until each rollout's checkpoint is at its end.

        Args:
            sizes: uncompressed bytes of each rollout, by its id.
            seconds: how long it may take.

        Raises:
            DaemonFault: it left, or was not there in time.

        """
        deadline = time.monotonic() + seconds
        while True:
            self._alive()
            at = self._checkpoints()
            behind = {name: size for name, size in sizes.items() if at.get(name) != size}
            if not behind:
                return
            if time.monotonic() > deadline:
                some = sorted(behind.items())[:5]
                shown = ", ".join(f"{name} at {at.get(name)} of {size}" for name, size in some)
                raise DaemonFault(f"not caught up after {seconds:g} s: {shown}{self._last_words()}")
            time.sleep(_LOOK_SECONDS)

    def _checkpoints(self) -> dict[str, int]:
        words = [*self._command, "status", "--json", "--rollouts", *self._where]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env=self._environment()
        )
        if done.returncode != 0:
            return {}  # the database is not there yet
        return {
            rollout["rollout_id"]: rollout["next_byte_offset"]
            for rollout in json.loads(done.stdout)["per_rollout"]
        }


class Killer:
    """Kills the daemon at a random moment of what is done inside `with`, and starts it again."""

    def __init__(self, daemon: Daemon, dice: random.Random) -> None:
        self._daemon = daemon
        self._delay = dice.choice((0.0, dice.uniform(0, 0.05), dice.uniform(0, 0.6)))
        self._timer = threading.Timer(self._delay, self._kill)
        self._fault: DaemonFault | None = None

    def __enter__(self) -> None:
        """Arm it."""
        self._timer.start()

    def __exit__(self, *exc: object) -> None:
        """Wait for the kill; what happened meanwhile the next daemon finds on disk."""
        self._timer.join()
        if self._fault is not None:
            raise self._fault
        self._daemon.start()

    def _kill(self) -> None:
        try:
            self._daemon.kill()
        except DaemonFault as fault:
            self._fault = fault
