"""A service manager, as far as the notify protocol goes: sd_notify(3) from its other end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

#: How long anything may take before the test gives up, seconds.
PATIENCE_S: Final = 30


class Manager:
    """Starts a daemon and hears what it says."""

    def __init__(self, folder: Path, *, watchdog_s: float = PATIENCE_S) -> None:
        """Listen. `watchdog_s`: the limit that the daemon is told."""
        self.home = folder / "home"
        (self.home / "sessions").mkdir(parents=True, exist_ok=True)
        self.database = folder / "p.db"
        self.url = f"sqlite:///{self.database}"
        self.settings = folder / "settings.toml"
        self.settings.write_text("run.rescan_s = 1\nstore.busy_timeout_s = 0\n")
        self.log = folder / "log"
        self.limit_s = watchdog_s
        self._name = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._name))
        self.heard: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Use it for the length of a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is left."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._socket.close()

    def start(self, *, fault: str = "", env: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        """Start `projector run`; `fault` is a script that runs before it, in the same process."""
        script = f"{fault}\nfrom projector.__main__ import main\nmain()\n"
        command = [sys.executable, "-c", script, "--config", str(self.settings), "run"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PROJECTOR_", "CODEX"))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.where],
                env=kept
                | {
                    "NOTIFY_SOCKET": str(self._name),
                    "WATCHDOG_USEC": str(int(self.limit_s * 1_000_000)),
                    "HOME": str(self.home),
                }
                | dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    @property
    def where(self) -> Sequence[str]:
        """Give the options that name home and database."""
        return ["--codex-home", str(self.home), "--database", self.url]

    def hear(self, timeout_s: float = PATIENCE_S) -> dict[str, str]:
        """Give the next message. Raises TimeoutError."""
        self._socket.settimeout(timeout_s)
        text = self._socket.recv(4096).decode()
        self.heard.append(text)
        return dict(line.split("=", 1) for line in text.split("\n"))

    def until(self, name: str, value: str = "") -> dict[str, str]:
        """Hear until a message says so; `value` is the beginning of what it must say."""
        while True:
            message = self.hear()
            if name in message and message[name].startswith(value):
                return message

    def fed(self) -> bool:
        """Wait for the watchdog's food as long as systemd would; False: it would start anew."""
        try:
            while "WATCHDOG" not in self.hear(self.limit_s):
                pass
        except TimeoutError:
            return False
        return True


@contextmanager
def managed(folder: Path, *, fault: str = "", watchdog_s: float = PATIENCE_S) -> Iterator[Manager]:
    """Run a daemon that has said that it is ready."""
    with Manager(folder, watchdog_s=watchdog_s) as manager:
        manager.start(fault=fault)
        manager.until("READY")
        yield manager
