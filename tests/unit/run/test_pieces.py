"""What `run` makes of rollouts that grow under it is what `backfill` makes of them whole.

Real rollouts and a real database; the rounds of the daemon in this process, with reducers that go
on, that made room for others, and that are made anew by a later process.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st

from projector.discover.scan import scan
from projector.reduce.legacy import rollback_stack, row_buffer
from projector.reduce.paginated import reducer as paginated
from projector.run import batches as batches_of
from projector.run import scheduler as rounds_of
from projector.run import tailer_cache
from projector.run.batches import limits_of
from projector.run.file_catalog import FileCatalog
from projector.run.open_files import OpenFiles
from projector.run.progress import Silent
from projector.run.rebuild import rebuild
from projector.run.scheduler import Scheduler
from projector.store.sqlite.store import SqliteStore
from tests.support.examples import examples
from tests.support.extended import extended
from tests.support.legacy_records import (
    Record,
    answer,
    call,
    completed,
    event,
    header,
    lines_from,
    output,
    printed,
    ran,
    rolled_back,
    said,
    script,
    started,
    tokens,
)
from tests.support.memory_legacy import ROLLOUT
from tests.support.migration import migrated
from tests.support.paginated import THREAD
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import rows_of
from tests.unit.reduce.legacy import test_legacy_laws
from tests.unit.reduce.paginated import test_paginated_laws

RUNS = "Wall time: 0.1 seconds\nProcess running with session ID {}\nOutput:\nsome\n"
ENDS = "Wall time: 0.1 seconds\nProcess exited with code 3\nOutput:\nlast\n"


def _told(number: int) -> list[Record]:
    """A turn that leaves something open: a call, a process, a reasoning."""
    turn, open_call, process = f"t{number}", f"open{number}", f"runs{number}"
    return [
        started(turn),
        *said(f"go {number}"),
        event("agent_reasoning", text=f"think {number}"),
        call(open_call, ("shell", {"command": ["ls"]})),
        script(f"script{number}", "ls", "pwd"),
        call(process, ("exec_command", {"cmd": "top"})),
        output(process, RUNS.format(number)),
        tokens(number * 10),
        event("agent_reasoning", text="on"),
        answer(f"did {number}"),
        *([completed(turn)] if number % 2 else []),
    ]


def _late(number: int) -> list[Record]:
    """What comes for it when other turns have begun."""
    return [
        output(f"open{number}", "late"),
        printed(f"script{number}", "a", "b"),
        call(f"poll{number}", ("write_stdin", {"session_id": number})),
        output(f"poll{number}", ENDS),
        ran(f"ran{number}", f"t{number}", "agent"),
    ]


def _implicit(number: int) -> list[Record]:
    """Turns without records of their own, the reasoning of the last one open."""
    thought = event("agent_reasoning", text=f"muse {number}")
    return [*said(f"say {number}"), answer("so"), *said(f"ask {number}"), thought]


def story(chance: Random, length: int) -> list[Record]:
    """Give turns, what comes late for them, and rollbacks over them, as chance has it."""
    records: list[Record] = []
    for number in range(1, length + 1):
        records += chance.choice((_told, _told, _implicit))(number)
        if chance.random() < 0.6:
            records += _late(chance.randint(1, number))
        if chance.random() < 0.4:
            records.append(event("agent_reasoning", text="more"))
        if chance.random() < 0.6:
            records.append(rolled_back(chance.choice((0, 1, 1, 2, 3, 9))))
    return records


def contents(chance: Random, drawn: Sequence[bytes]) -> list[bytes]:
    """Give rollouts of every shape, each with an id of its own."""
    parent = story(chance, 4)
    child = header(forked_from_id=ROLLOUT, source={"subagent": {"other": "x"}})
    copy = [child, header(), *parent, *story(chance, 2)]
    made = [
        lines_from([header(), *story(chance, 6)]),
        lines_from([header(), *parent]),
        lines_from(copy),
        extended(),
        migrated(extended()),
        *drawn,
    ]
    named: list[bytes] = []
    for at, data in enumerate(made):
        own = _id(at).encode()
        named.append(data.replace(ROLLOUT.encode(), own).replace(THREAD.encode(), own))
    return named


def _id(at: int) -> str:
    return f"01a30000-0000-7000-8000-{at:012x}"


class Writer:
    """Writes a rollout piece by piece, torn lines among them."""

    def __init__(self, home: Path, at: int, data: bytes, chance: Random) -> None:
        self._path = home / f"sessions/2026/03/01/rollout-2026-03-01T09-00-00-{_id(at)}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rest, self._chance = data, chance

    def write(self) -> bool:
        """Write some more; whether there is any left."""
        chance, rest = self._chance, self._rest
        end = chance.randint(1, max(1, min(len(rest), chance.choice((200, 1_000, 9_000)))))
        if chance.random() < 0.8:
            end = rest.find(b"\n", end) + 1 or len(rest)
        with self._path.open("ab") as out:
            out.write(rest[:end])
        self._rest = rest[end:]
        return bool(self._rest)


async def follow(home: Path, database: Path, writers: list[Writer], chance: Random) -> None:
    """Read the rollouts while they are written."""
    limits = limits_of(settings_for(home, database, batch_records=chance.choice((1, 5, 1_000))))
    store = await SqliteStore.open(database)
    rounds = Scheduler(store, limits, FileCatalog([str(home)]).rollout)
    while writers:
        for writer in chance.sample(writers, chance.randint(1, len(writers))):
            if not writer.write():
                writers.remove(writer)
        then = chance.choice(("go on", "go on", "go on", "drop", "restart"))
        if then == "drop":
            rounds.close()
        elif then == "restart":
            rounds.close()
            await store.close()
            store = await SqliteStore.open(database)
            rounds = Scheduler(store, limits, FileCatalog([str(home)]).rollout)
            rounds.remember(await store.statuses())
        rounds.news(scan(str(home)).files)
        while rounds.waiting:
            await rounds.round()
    rounds.close()
    await store.close()


DRAWN = st.tuples(
    test_legacy_laws.ROLLOUTS,
    test_paginated_laws.files().map(lambda lines: b"\n".join([*lines, b""])),
)


#: To shrink a case takes longer than to understand it.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
#: Rollouts read side by side, and reducers kept for their next news.
ROOMS = st.sampled_from([(64, 1_024), (2, 3), (1, 1)])

#: Bytes that are reduced at a time, of those of a batch.
PIECES = st.sampled_from([1_000, 300, 256 * 1024])


@examples(12, phases=PHASES)
@given(seed=st.integers(0, 1 << 32), room=ROOMS, piece=PIECES, drawn=DRAWN)
@example(seed=1, room=(64, 1_024), piece=1_000, drawn=(b"", b""))
def test_in_pieces_the_rows_are_those_of_a_backfill(
    seed: int, room: tuple[int, int], piece: int, drawn: tuple[bytes, bytes]
) -> None:
    chance = Random(seed)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds_of, "share_of", lambda _: OpenFiles(*room))
        patch.setattr(tailer_cache, "HOT_TAILS", room[1])
        patch.setattr(batches_of, "_PIECE_BYTES", piece)
        home, database = Path(folder, "home"), Path(folder, "pieces.db")
        writers = [
            Writer(home, at, data, chance)
            for at, data in enumerate(contents(chance, drawn))
            if data
        ]
        asyncio.run(follow(home, database, writers, chance))
        backfilled(home, Path(folder, "whole.db"))

        pieces, whole = rows_of(database), rows_of(Path(folder, "whole.db"))

    for view, rows in whole.items():
        assert pieces[view] == rows, view


async def rebuilt(home: Path, database: Path) -> None:
    """Project all rollouts again."""
    store = await SqliteStore.open(database)
    try:
        settings = settings_for(home, database)
        made = await rebuild(store, settings, chosen=None, progress=Silent())
        assert not made.faults
    finally:
        await store.close()


@examples(6, phases=PHASES)
@given(seed=st.integers(0, 1 << 32), piece=PIECES, drawn=DRAWN)
@example(seed=1, piece=1_000, drawn=(b"", b""))
def test_rows_that_are_asked_for_within_a_batch_are_those_of_the_lines_before(
    seed: int, piece: int, drawn: tuple[bytes, bytes]
) -> None:
    """Turns leave the memory with each piece, and come back from the store."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home, database = Path(folder, "home"), Path(folder, "pieces.db")
        chance = Random(seed)
        for at, data in enumerate(contents(chance, drawn)):
            writer = Writer(home, at, data, chance)
            while data and writer.write():
                pass
        backfilled(home, Path(folder, "whole.db"))
        patch.setattr(batches_of, "_PIECE_BYTES", piece)
        patch.setattr(paginated, "_TURNS_MAX", 2)
        patch.setattr(paginated, "_TURNS_KEPT", 1)
        for module, name in ((row_buffer, "TURNS"), (rollback_stack, "FRAMES")):
            patch.setattr(module, f"{name}_MAX", 2)
            patch.setattr(module, f"{name}_FORGOTTEN", 1)
        backfilled(home, database)
        assert rows_of(database) == rows_of(Path(folder, "whole.db"))
        asyncio.run(rebuilt(home, database))

        assert rows_of(database) == rows_of(Path(folder, "whole.db"))
