"""A CODEX_HOME made by hand, and a reader that follows one rollout of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from projector.model.ids import Checkpoint, Line, Ordinal, RolloutFile
from projector.read.file_reader import Opener, OpenFile
from projector.read.resume import Decision, Restart
from projector.read.rollout import RolloutReader
from tests.support.zst import zstd

THREAD = "0199f1b2-0000-7000-8000-000000000001"
NAME = f"rollout-2026-11-20T10-00-00-{THREAD}.jsonl"
DAY = "sessions/2026/11/20"


def name_of(thread: int, rollout: int | None = None) -> str:
    """Give a rollout's name by small numbers."""
    first = f"0199f1b2-0000-7000-8000-{thread:012x}"
    second = "" if rollout is None else f"_0199f1b2-0000-7000-9000-{rollout:012x}"
    return f"rollout-2026-11-20T10-00-00-{first}{second}.jsonl"


def records(first: int, count: int) -> bytes:
    """Some lines, each unlike the others."""
    return b"".join(
        b'{"ordinal":%d,"text":"line %d"}\n' % (n, n) for n in range(first, first + count)
    )


def put(home: Path, path: str, data: bytes = b"{}\n", mtime_ns: int | None = None) -> Path:
    """Write a file in a home, with its folders; `.zst` by its name."""
    target = home / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(zstd.compress(data) if path.endswith(".zst") else data)
    if mtime_ns is not None:
        os.utime(target, ns=(mtime_ns, mtime_ns))
    return target


@dataclass
class Follower:
    """What a daemon does with one rollout, without rows: reads, keeps the checkpoint."""

    path: Path
    open_file: Opener = OpenFile
    lines: list[Line] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    bytes_read: int = 0
    reader: RolloutReader | None = None

    def follow(self) -> Decision:
        """Read to the end, by the reader that is open; started over where it has to be."""
        if self.reader is None:
            self.reader = RolloutReader(
                str(self.path),
                compressed=self.path.suffix == ".zst",
                at=self.checkpoint,
                open_file=self.open_file,
            )
        reader, before = self.reader, self.reader.bytes_read
        decision = reader.resume()
        if isinstance(decision, Restart):
            self.lines = []
            reader.start_over()
        while not reader.at_end:
            self.lines += reader.read()
        self.checkpoint = Checkpoint(
            generation=0,
            offset=reader.offset,
            next_ordinal=Ordinal(0),
            fingerprint=reader.fingerprint(),
            state=b"",
        )
        self.bytes_read = reader.bytes_read - before
        return decision

    def restart(self, path: Path | RolloutFile | None = None) -> None:
        """Forget the open reader; perhaps the rollout lies elsewhere now."""
        if self.reader is not None:
            self.reader.close()
        self.reader = None
        if path is not None:
            self.path = Path(path.path if isinstance(path, RolloutFile) else path)

    @property
    def text(self) -> bytes:
        """All lines read, newlines put back."""
        return b"".join(line.data + b"\n" for line in self.lines)
