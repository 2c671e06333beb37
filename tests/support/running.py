"""`projector run` as a process of its own, and the lines of its log."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

#: Long enough for a busy machine; a test that gets there has failed.
PATIENCE_S: Final = 60.0


@dataclass
class Running:
    """The process. Its log is JSON, unless it is told otherwise."""

    process: subprocess.Popen[bytes]
    lines: list[bytes] = field(default_factory=list)
    """Of the log, as far as they were read."""

    def until_line(self, text: str) -> bytes:
        """Read the log up to the next line that holds `text`; give that line."""
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.lines.append(line)
            if text.encode() in line:
                return line
        raise AssertionError(f"no {text!r} in the log:\n{b''.join(self.lines[-50:]).decode()}")

    def until(self, event: str) -> dict[str, Any]:
        """Read the log up to the next line with an event; give its fields."""
        fields: dict[str, Any] = json.loads(self.until_line(f'"event":"{event}"'))
        return fields

    def events(self, event: str) -> list[dict[str, Any]]:
        """Give the fields of all lines with an event that were read so far."""
        every = (json.loads(line) for line in self.lines)
        return [fields for fields in every if fields["event"] == event]

    def stop(self) -> int:
        """Send SIGTERM and read the log to its end; give the exit code."""
        assert self.process.stderr is not None
        self.process.terminate()
        self.lines += self.process.stderr.readlines()
        return self.process.wait()


@contextmanager
def running(
    home: Path,
    database: Path,
    *options: str,
    env: Mapping[str, str] = {},
    files: int | tuple[int, int] | None = None,
) -> Iterator[Running]:
    """Run the daemon until the block ends. `files`: limits of open files, soft and hard."""
    limits = (files, files) if isinstance(files, int) else files

    def limit() -> None:
        if limits is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    command = [sys.executable, "-m", "projector", "run", "--codex-home", str(home)]
    process = subprocess.Popen(
        [*command, "--database", f"sqlite:///{database}", *options],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PROJECTOR_LOG__FORMAT": "json", **env},
        preexec_fn=limit,  # noqa: PLW1509 - nothing is locked here
    )
    killer = threading.Timer(PATIENCE_S, process.kill)
    killer.start()
    try:
        yield Running(process)
    finally:
        killer.cancel()
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
