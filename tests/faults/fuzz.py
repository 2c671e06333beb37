"""A fuzzer over reader, decoder, reducers and store: no input may crash, hang or fill the memory.

    python -m tests.faults.fuzz --inputs 1000000 --seed 1
    python -m tests.faults.fuzz --seed 1 --only 4711        # one group again, as it was

An input is a mutated line, a file of mutated bytes, or a mutated .zst. They come in groups; a
group is made from the seed and its number alone, whatever the number of processes. Of each group:

1. `wants` and `take` never raise, and end.
2. What comes out can be stored, read through every view, and is the same rows whether the lines
   were taken in one go or in pieces, with the state saved and a reducer made anew in between.
3. Behind each mutated line stands a sound one, and it is projected.
4. The reader gives the lines that are in the bytes, however they are cut, and what it gives of a
   damaged .zst it gives in order; both within bounded memory.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import multiprocessing
import resource
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

import orjson

from projector.logs import events as log
from projector.model.changes import Change, ItemRow
from projector.model.errors import RolloutUnreadable
from projector.model.ids import (
    Checkpoint,
    Fingerprint,
    Line,
    Offset,
    Ordinal,
    RolloutFile,
    RolloutName,
)
from projector.read.file_reader import File, Identity
from projector.read.frames import unpacked_size
from projector.read.resume import Restart
from projector.read.rollout import RolloutReader
from projector.reduce.detect import resume, start
from projector.reduce.protocol import Reducer
from projector.store.protocol import Batch
from projector.store.sqlite.store import SqliteStore
from tests.faults import corpus
from tests.faults.mutations import garbled, mutated
from tests.support import legacy_records as old
from tests.support import paginated as new
from tests.support.rows import rows_of
from tests.support.zst import frame

#: Mutated lines in a group; files and .zst in one.
LINES = 60
FILES = 8
#: Groups in a pair of databases; then their rows are compared, and new ones begun.
DATABASE = 60
#: A group that takes longer hangs. Seconds; of a busy machine.
HANGS_S = 120
#: What a process holds may not grow by more than this, from where the fuzzer begins. MiB.
MEMORY_MIB = 350


class Fault(AssertionError):
    """What must not be."""


@dataclass
class Tally:
    """What was tried, and what was found."""

    inputs: int = 0
    groups: int = 0
    changes: int = 0
    faults: list[str] = field(default_factory=list)
    peak_mib: float = 0.0
    allowed_mib: float = field(default_factory=lambda: peak_mib() + MEMORY_MIB)
    """Other tests of the same process may have held much before."""


def peak_mib() -> float:
    """Give the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Bytes:
    """A file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def pread(self, length: int, offset: int) -> bytes:
        return self.data[offset : offset + length]

    def identity(self) -> Identity:
        return Identity(1, 1, len(self.data), 1)

    def close(self) -> None:
        """Nothing to let go of."""


# Lines -----------------------------------------------------------------------------------------


def _sound(kind: corpus.Kind, number: int) -> bytes:
    """Give a line that is right, and that must make an item that says its number."""
    if kind == "paginated":
        record = new.item("S", new.agent(f"s{number}", text=f"sound {number} "))
    else:
        record = old.answer(f"sound {number} ")
    stamp = {"timestamp": "2026-11-01T10:00:00.000Z"}
    ordinal = {"ordinal": 10 + 2 * number} if kind == "paginated" else {}
    return orjson.dumps(stamp | ordinal | record)


def lines_of_group(chance: Random) -> tuple[list[bytes], bool]:
    """Give a header and mutated lines, a sound one behind each; whether the header is one, too."""
    kind: corpus.Kind = chance.choice(("paginated", "legacy"))
    lines = corpus.lines(kind)
    if chance.random() < 0.1:
        lines = corpus.lines("legacy" if kind == "paginated" else "paginated")
    made = [corpus.lines(kind)[0]]
    for number in range(LINES):
        made += [mutated(lines, chance), _sound(kind, number)]
    if headless := chance.random() < 0.1:
        made[0] = mutated(made[:1], chance)
    return made, headless


def _pieces(lines: Sequence[Line], chance: Random) -> Iterator[Sequence[Line]]:
    at = 0
    while at < len(lines):
        length = chance.choice((1, 3, 20, 50))
        yield lines[at : at + length]
        at += length


class Projection:
    """One rollout on its way into one database."""

    def __init__(self, store: SqliteStore, number: int) -> None:
        name = RolloutName.parse(f"rollout-01a50000-0000-7000-8000-{number:012x}.jsonl")
        assert name is not None
        self._store, self._name = store, name
        self._file = RolloutFile(
            name=name, home="/h", path=f"/h/{number}.jsonl", archived=False, size=0, mtime_ns=0,
            device=0, inode=0,
        )  # fmt: skip
        self._at: Checkpoint | None = None
        self.reducer: Reducer = start(name.rollout_id, name.thread_id)

    def restart(self) -> None:
        """Go on as another process would, with what was saved."""
        if self._at is not None:
            name = self._name
            self.reducer = resume(name.rollout_id, name.thread_id, self._at.state)

    async def take(self, lines: Sequence[Line]) -> list[Change]:
        """Reduce some lines, and commit what they change."""
        for _ in range(20):
            wants = self.reducer.lookup(lines)
            if not wants:
                break
            self.reducer.provide(wants, await self._store.find(self._name.rollout_id, wants))
        else:
            raise Fault("it always wants more")
        changes = self.reducer.apply(lines)
        end = Checkpoint(
            generation=0,
            offset=lines[-1].end,
            next_ordinal=self.reducer.next_ordinal,
            fingerprint=Fingerprint(head=b"", tail=b""),
            state=self.reducer.dump_state(),
        )
        if len(end.state) > 1_000_000:
            raise Fault(f"a state of {len(end.state)} bytes")
        batch = Batch(
            file=self._file, start=self._at, end=end, header=self.reducer.header,
            meta=self.reducer.meta, changes=changes, records=len(lines),
        )  # fmt: skip
        await self._store.commit([batch])
        self._at = end
        return changes


async def fuzz_lines(stores: Sequence[SqliteStore], number: int, chance: Random) -> int:
    """Project one group of lines in one go and in pieces."""
    made, headless = lines_of_group(chance)
    lines = new.lines_of(made)
    whole, cut = (Projection(store, number) for store in stores)
    changes = await whole.take(lines)
    for piece in _pieces(lines, chance):
        await cut.take(piece)
        if chance.random() < 0.5:
            cut.restart()
    if not headless and whole.reducer.header.subagent_start_ordinal is None:
        said = " ".join(str(change.json) for change in changes if isinstance(change, ItemRow))
        lost = [n for n in range(LINES) if f"sound {n} " not in said]
        if lost:
            raise Fault(f"sound lines {lost} were lost behind mutated ones")
    return len(changes)


# Files -----------------------------------------------------------------------------------------


def _text(chance: Random) -> bytes:
    lines = corpus.lines(chance.choice(("paginated", "legacy")))
    picked = [lines[0], *chance.choices(lines, k=chance.choice((1, 5, 15)))]
    ends = chance.choice((b"\n", b"\n", b"\r\n", b"\n\n"))
    return ends.join(picked) + chance.choice((b"\n", b""))


def _reduce(lines: Sequence[Line]) -> None:
    name = RolloutName.parse("rollout-01a50000-0000-7000-8000-000000000000.jsonl")
    assert name is not None
    reducer = start(name.rollout_id, name.thread_id)
    reducer.apply(lines)
    resume(name.rollout_id, name.thread_id, reducer.dump_state())


def fuzz_bytes(chance: Random) -> None:
    """Read garbled bytes as they grow; the lines must be those that are there."""
    data = garbled(_text(chance), chance)
    max_line = chance.choice((100, 1_000, 1 << 20))
    shown = Bytes(b"")
    reader = RolloutReader(
        "/nowhere", compressed=False, chunk_bytes=chance.choice((7, 500, 1 << 16)),
        max_line=max_line, open_file=lambda _: shown,
    )  # fmt: skip
    lines: list[Line] = []
    while True:
        length = chance.choice((1, 100, 3_000, len(data)))
        shown.data = data[: len(shown.data) + length]
        if isinstance(reader.resume(), Restart):
            raise Fault("started over, though it only grew")
        while not reader.at_end:
            lines += reader.read(chance.choice((50, 5_000)), chance.choice((1, 7, 1_000)))
        reader.close()
        if len(shown.data) == len(data):
            break
    told = b"".join(
        line.data + b"\n" if not line.overlong else data[line.offset : line.end] for line in lines
    )
    if told != data[: data.rfind(b"\n") + 1]:
        raise Fault("not the lines that are in the bytes")
    if any(len(line.data) > max_line for line in lines):
        raise Fault("a line that is longer than the limit")
    _reduce(lines)


def fuzz_packed(chance: Random) -> None:
    """Read a garbled .zst: what comes out is in order, and it comes to an end."""
    text = _text(chance)
    half = chance.randrange(len(text))
    packed = b"".join(
        frame(part, size=chance.random() < 0.7, checksum=chance.random() < 0.3)
        for part in chance.choice(((text,), (text[:half], text[half:]), (b"", text)))
    )
    packed = garbled(packed, chance)
    file: File = Bytes(packed)
    unpacked_size(file.pread)
    at = None
    if chance.random() < 0.3:
        mark = Fingerprint(head=b"x" * 8, tail=b"y" * 8)
        at = Checkpoint(
            generation=0, offset=Offset(half), next_ordinal=Ordinal(0),
            fingerprint=mark, state=b"",
        )  # fmt: skip
    reader = RolloutReader(
        "/nowhere", compressed=True, at=at, chunk_bytes=chance.choice((100, 1 << 16)),
        max_line=1 << 20, open_file=lambda _: file,
    )  # fmt: skip
    try:
        if isinstance(reader.resume(), Restart):
            reader.start_over()
    except RolloutUnreadable:
        return
    lines: list[Line] = []
    for _ in range(200_000):
        if reader.at_end:
            break
        lines += reader.read(1 << 16, 100)
    else:
        raise Fault("a .zst without end")
    if any(one.end != two.offset for one, two in pairwise(lines)):
        raise Fault("lines that do not follow each other")
    _reduce(lines)


# Groups ----------------------------------------------------------------------------------------


def _compare(databases: Sequence[Path]) -> None:
    """Hold the rows of both databases against each other, and read every view."""
    whole, cut = (rows_of(database) for database in databases)
    for view in whole:
        if whole[view] != cut[view]:
            only = [row for row in whole[view] if row not in cut[view]]
            other = [row for row in cut[view] if row not in whole[view]]
            raise Fault(f"{view}: in one go {only[:2]!r}, in pieces {other[:2]!r}")
    with sqlite3.connect(databases[0]) as db:
        for (view,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            try:
                for _ in db.execute(f"SELECT * FROM {view}"):
                    pass
            except sqlite3.OperationalError as error:
                if "no such function" not in str(error):  # ours, for views of our own
                    bad = "SELECT substr(item_json, 1, 3000) FROM codex_thread_items"
                    bad += " WHERE NOT json_valid(item_json)"
                    raise Fault(f"{view}: {error}: {db.execute(bad).fetchall()}") from error
    db.close()


async def fuzz(seed: str, numbers: Sequence[int], tally: Tally, *, most_faults: int = 20) -> None:
    """Try groups, one pair of databases after the other."""
    for first in range(0, len(numbers), DATABASE):
        some = numbers[first : first + DATABASE]
        with tempfile.TemporaryDirectory(dir=_fast()) as folder:
            databases = [Path(folder, name) for name in ("whole.db", "cut.db")]
            stores = [await SqliteStore.open(database) for database in databases]
            try:
                for store in stores:
                    await store.configure_search("all", 64 * 1024)
                for number in some:
                    await _group(stores, seed, number, tally)
            finally:
                for store in stores:
                    await store.close()
            try:
                _compare(databases)
            except Exception:  # noqa: BLE001 - each is what is looked for
                tally.faults.append(f"groups {some[0]} to {some[-1]}: {traceback.format_exc()}")
        if len(tally.faults) >= most_faults:
            break


async def _group(stores: Sequence[SqliteStore], seed: str, number: int, tally: Tally) -> None:
    faulthandler.dump_traceback_later(HANGS_S, exit=True)
    chance = Random(f"{seed}/{number}")
    try:
        tally.changes += await fuzz_lines(stores, number, chance)
        for _ in range(FILES):
            fuzz_bytes(chance)
            fuzz_packed(chance)
        tally.peak_mib = peak_mib()
    except Exception:  # noqa: BLE001 - each is what is looked for
        tally.faults.append(f"group {number}: {traceback.format_exc()}")
    finally:
        faulthandler.cancel_dump_traceback_later()
    if tally.peak_mib > tally.allowed_mib:
        tally.faults.append(f"group {number}: {tally.peak_mib:.0f} MiB of memory")
    tally.inputs += LINES + 2 * FILES
    tally.groups += 1


def _fast() -> str | None:
    """Give a folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def fuzzed(seed: str, numbers: Sequence[int]) -> Tally:
    """Try groups in this process."""
    tally = Tally()
    asyncio.run(fuzz(seed, numbers, tally))
    return tally


def _work(job: tuple[str, Sequence[int]]) -> Tally:
    log.configure(level="error", form="json")
    return fuzzed(*job)


def main() -> int:
    """Fuzz as the command line says; 1: something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, help="this group only")
    given = parser.parse_args()
    groups = range(-(-given.inputs // (LINES + 2 * FILES)))
    numbers = groups if given.only is None else [given.only]
    share = DATABASE * 5
    jobs = [(given.seed, list(numbers[at : at + share])) for at in range(0, len(numbers), share)]
    began, total = time.monotonic(), Tally()
    with multiprocessing.get_context("spawn").Pool(given.processes, maxtasksperchild=8) as pool:
        for tally in pool.imap(_work, jobs):
            total.inputs += tally.inputs
            total.groups += tally.groups
            total.changes += tally.changes
            total.peak_mib = max(total.peak_mib, tally.peak_mib)
            for fault in tally.faults:
                sys.stderr.write(fault + "\n")
            total.faults += tally.faults
            sys.stderr.write(f"\r{total.inputs:,} inputs, {len(total.faults)} faults ")
    sys.stderr.write(
        f"\n{total.inputs:,} inputs in {total.groups:,} groups, {total.changes:,} changes stored,"
        f" peak {total.peak_mib:.0f} MiB, {time.monotonic() - began:.0f} s: "
        f"{len(total.faults)} faults\n"
    )
    return 1 if total.faults else 0


if __name__ == "__main__":
    sys.exit(main())
