"""Writers and kills: at the end the database is that of an undisturbed backfill.

    python -m tests.faults.soak --kills 200 --seed 1

Ten rollouts are written in random pieces, also in mid-line and mid-character, while they are
archived and unarchived, compressed and unpacked as Codex does it, cut short and written on, and
replaced by other content. `projector run` follows, is killed with SIGKILL again and again, and
started anew. When all is written and read, it ends by SIGTERM. Then:

1. Every view has the rows of a backfill of the final files into an empty database. Left out is
   what tells how a file came to be what it is: that it was archived, unarchived or replaced.
2. No uid is there twice, no event either.
3. `projector verify` finds no difference.

What the writers do follows from the seed; when the kills come follows from the clock too.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from projector import cli
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
from tests.support.rows import Rows, rows_of
from tests.support.zst import zstd

WRITERS = 10
#: How long the last daemon may take to read what is there. Seconds; of a busy machine.
PATIENCE_S = 120
_PIECES = (1, 20, 300, 4_000, 40_000)
_DAMAGE = (
    b"\n",
    b"not json\n",
    b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":3,"type":"event_msg","payl',
    b"\x00\x00\x00\x00",
    '{"text":"Gr\u00fc\u00dfe, \U0001f30d"}\r\n'.encode(),
    b"\xff\xfe\n",
)
#: Kinds of events and anomalies that tell how a file came to be what it is.
_OF_FILES = ("thread.archived", "thread.unarchived", "thread.deleted", "replaced", "second_file")


@dataclass
class Told:
    """What was done."""

    kills: int = 0
    done: Counter[str] = field(default_factory=Counter)
    size: int = 0
    seconds: float = 0.0
    tombstones: int = 0
    rows: int = 0

    def __str__(self) -> str:
        """Give the line that people see."""
        deeds = ", ".join(f"{count} x {deed}" for deed, count in sorted(self.done.items()))
        return (
            f"{self.kills} kills, {self.size / 1e6:.1f} MB, {deeds}; {self.rows} rows equal,"
            f" {self.tombstones} tombstones, {self.seconds:.0f} s"
        )


class Writer:
    """One rollout, and what Codex, a person or a backup does to it."""

    def __init__(self, home: Path, path: Path, content: bytes, chance: Random) -> None:
        self._home, self._chance = home, chance
        self._day = home / path
        self._archive = home / "archived_sessions" / path.name
        self.content = content
        self.written = 0
        self.archived = self.packed = False

    @property
    def path(self) -> Path:
        """Where it lies now."""
        plain = self._archive if self.archived else self._day
        return plain.with_name(plain.name + ".zst") if self.packed else plain

    @property
    def is_done(self) -> bool:
        return self.written == len(self.content)

    def step(self) -> str:
        """Do one thing to it; tell what."""
        deed = self._chance.choices(
            ("append", "move", "pack", "cut", "replace"), weights=(60, 4, 4, 2, 1)
        )[0]
        if not self.written or (deed == "append" and not self.packed):
            self.append(self._chance.choice(_PIECES))
            return "append"
        match deed:
            case "move":
                self.move()
            case "cut" if not self.packed:
                self.written = self._chance.randrange(self.written + 1)
                os.truncate(self.path, self.written)
            case "replace" if not self.packed:
                self._replace()
            case _:
                self.pack()
                return "pack" if self.packed else "unpack"
        return deed

    def append(self, length: int) -> None:
        """Append some bytes, as they come."""
        piece = self.content[self.written : self.written + length]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as out:
            out.write(piece)
        self.written += len(piece)

    def move(self) -> None:
        """Archive it, or bring it back."""
        old = self.path
        self.archived = not self.archived
        self.path.parent.mkdir(parents=True, exist_ok=True)
        old.rename(self.path)

    def pack(self) -> None:
        """Compress it, or unpack it: a new file beside the old one, which then goes."""
        old, data = self.path, self.content[: self.written]
        self.packed = not self.packed
        aside = self.path.with_name("rollout-compress-AAAAAA.tmp")
        aside.write_bytes(zstd.compress(data) if self.packed else data)
        aside.rename(self.path)
        old.unlink()

    def _replace(self) -> None:
        """Put another content in its place: some records are gone."""
        lines = self.content.splitlines(keepends=True)
        for _ in range(self._chance.choice((1, 3))):
            if len(lines) > 2:
                del lines[self._chance.randrange(1, len(lines))]
        self.content = b"".join(lines)
        self.written = self._chance.randrange(len(self.content) + 1)
        aside = self.path.with_name(".rollout-restored.tmp")
        aside.write_bytes(self.content[: self.written])
        aside.rename(self.path)


def _contents(seed: str, size: int) -> Iterator[tuple[Path, bytes]]:
    """Make up rollouts: paginated and legacy ones, reverts, with damage in the middle."""
    chance = Random(seed)
    threads = [Rollout(f"{seed}/{number}") for number in range(WRITERS // 2)]
    others = [Rollout(f"{seed}/old{number}", history="legacy") for number in range(WRITERS // 4)]
    made = [*threads, *others]
    contents = {one.path: _lines(one, size) for one in made}
    for thread in threads[: WRITERS - len(made)]:
        revert = thread.reverted(thread.cut())
        contents[revert.path] = _lines(revert, size)
    for number in range(WRITERS - len(contents)):
        agent = Rollout(f"{seed}/more{number}")
        contents[agent.path] = _lines(agent, size)
    for path, lines in contents.items():
        for _ in range(chance.randrange(4)):
            lines.insert(chance.randrange(1, len(lines)), chance.choice(_DAMAGE))
        yield path, b"".join(lines) + b"\n"


def _lines(rollout: Rollout, size: int) -> list[bytes]:
    lines: list[bytes] = []
    while sum(map(len, lines)) < size:
        lines += rollout.turn()
    return lines


class Daemon:
    """`projector run`, in a child that is forked: it starts in milliseconds."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        config = folder / "config.toml"
        config.write_text("[run]\nrescan_s = 1\nbatch_records = 40\n[log]\nlevel = 'warning'\n")
        self._words = [
            *("--config", str(config), "run", "--codex-home", str(folder / "home")),
            *("--database", f"sqlite:///{folder / 'p.db'}"),
        ]
        self._pid = 0

    def start(self) -> None:
        """Begin; no other one may run."""
        self._pid = os.fork()
        if self._pid:
            return
        code = 70
        try:
            log = os.open(self._log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = cli.run(self._words)
        finally:
            os._exit(code)

    def kill(self) -> None:
        """Kill it as the kernel does when memory runs out."""
        status = self.end(signal.SIGKILL)
        if not os.WIFSIGNALED(status):
            raise AssertionError(f"it left by itself: {self._log.read_text()[-3000:]}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end."""
        pid, self._pid = self._pid, 0
        if not pid:
            return 0
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return os.waitpid(pid, 0)[1]

    def leave(self) -> None:
        """Ask it to leave, and hold it to leaving well."""
        status = self.end(signal.SIGTERM)
        if status:
            raise AssertionError(f"left with {status}: {self._log.read_text()[-3000:]}")


def soak(folder: Path, *, kills: int, seed: str, size: int) -> Told:
    """Write, kill and compare; raises AssertionError where the rows are not as they should be."""
    began, told, chance = time.monotonic(), Told(), Random(seed)
    home = folder / "home"
    (home / "sessions").mkdir(parents=True)
    writers = [
        Writer(home, path, content, Random(f"{seed}/{path.name}"))
        for path, content in _contents(seed, size)
    ]
    daemon = Daemon(folder)
    try:
        while told.kills < kills:
            daemon.start()
            until = time.monotonic() + chance.choice((0.0, 0.02, 0.05, 0.1, 0.2, 0.4))
            while time.monotonic() < until:
                writer = chance.choice(writers)
                told.done[writer.step()] += 1
                if writer.is_done and chance.random() < 0.5:
                    writer.written = chance.randrange(writer.written)
                    if writer.packed:
                        writer.pack()
                    os.truncate(writer.path, writer.written)
                time.sleep(chance.choice((0, 0, 0.001, 0.01)))
            daemon.kill()
            told.kills += 1
        for writer in writers:
            if writer.packed and not writer.is_done:
                writer.pack()
            while not writer.is_done:
                writer.append(40_000)
            told.size += writer.written
        daemon.start()
        _wait(folder / "p.db", writers)
        daemon.leave()
    finally:
        daemon.end(signal.SIGKILL)
    _compare(folder, told)
    told.seconds = time.monotonic() - began
    return told


def _wait(database: Path, writers: list[Writer]) -> None:
    """Wait until all is read, and found where it lies."""
    wanted = sorted((str(writer.path), writer.written) for writer in writers)
    found: list[tuple[str, int]] = []
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with suppress(sqlite3.OperationalError):
            db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            found = sorted(db.execute("SELECT path, next_offset FROM _rollouts"))
            db.close()
        if found == wanted:
            return
        time.sleep(0.02)
    raise AssertionError(f"wanted {set(wanted) - set(found)}, found {set(found) - set(wanted)}")


def _compare(folder: Path, told: Told) -> None:
    backfilled(folder / "home", folder / "fresh.db")
    fresh, rows = (_lasting(rows_of(folder / name)) for name in ("fresh.db", "p.db"))
    for view, wanted in fresh.items():
        if wanted != rows[view]:
            lost = [row for row in wanted if row not in rows[view]]
            more = [row for row in rows[view] if row not in wanted]
            raise AssertionError(
                f"{view}: lost {len(lost)} {lost[:3]}, more {len(more)} {more[:3]}"
            )
    told.rows = sum(map(len, rows.values()))
    with sqlite3.connect(folder / "p.db") as db:
        for table in ("_items", "_turns", "_events", "_realtime_items", "_usage"):
            twice = db.execute(
                f"SELECT uid FROM {table} GROUP BY uid HAVING count(*) > 1"
            ).fetchall()
            if twice:
                raise AssertionError(f"{table}: {len(twice)} uids are there twice")
            (tombstoned,) = db.execute(f"SELECT count(*) FROM {table} WHERE tombstone").fetchone()
            told.tombstones += tombstoned
    db.close()
    verify = ["verify", "--codex-home", str(folder / "home")]
    if cli.run([*verify, "--database", f"sqlite:///{folder / 'p.db'}"]):
        raise AssertionError(f"projector verify found differences, of {folder}")


def _lasting(rows: Rows) -> Rows:
    return {
        view: [row for row in those if not any(word in row for word in _OF_FILES)]
        for view, those in rows.items()
    }


def main() -> int:
    """Soak as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--size", type=int, default=400_000, help="bytes of each rollout")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = soak(Path(folder), kills=given.kills, seed=given.seed, size=given.size)
    sys.stdout.write(f"{told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
