"""Whatever lies in a home, memory stays within bounds and nothing crashes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tracemalloc
from pathlib import Path

import msgspec
import orjson
import pytest

from projector.model.changes import LONG, ItemRow
from projector.model.settings import Read
from projector.reduce.detect import start
from projector.run.backfill import backfill
from projector.run.batches import limits_of
from projector.run.file_catalog import FileCatalog
from projector.run.progress import Silent
from projector.run.scheduler import Scheduler
from projector.store.open import open_store
from tests.support import paginated as new
from tests.support.generator.rollouts import MB, Rollout
from tests.support.homes import DAY, NAME, name_of, put
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import rows_of
from tests.support.zst import frame

#: Backfills a home in a process of its own and tells its largest resident memory, in MiB.
_CHILD = """
import re, sys
from pathlib import Path
from tests.support.projecting import backfilled
backfilled(Path(sys.argv[1]), Path(sys.argv[2]))
# getrusage would tell of the process that this one was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def peak_mib(home: Path, database: Path) -> float:
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, str(home), str(database)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )
    return float(ran.stdout)


def test_an_ordinary_rollout_needs_no_more_for_being_long(tmp_path: Path) -> None:
    Rollout(seed=1).write(tmp_path / "home", size=20 * MB)

    assert peak_mib(tmp_path / "home", tmp_path / "p.db") < 150


def test_a_very_long_line_is_copied_as_seldom_as_can_be(tmp_path: Path) -> None:
    """Its text has letters that Python holds in two bytes each."""
    rollout, size = Rollout(seed=1), 45 * MB
    path = rollout.write(tmp_path / "home")
    with path.open("ab") as out:
        out.write(rollout.giant(size))

    peak = peak_mib(tmp_path / "home", tmp_path / "p.db")

    assert (peak - 60) * 1024 * 1024 / size < 4


def test_a_long_line_makes_the_rows_that_a_short_one_would(tmp_path: Path) -> None:
    """Long snapshots go another way into the database."""
    text = '\u00e4\u20ac \U0001f30d \\ " \n \x00' * (LONG // 12)
    records = [new.meta(), new.started("A"), new.item("A", new.agent("a", text=text))]
    records.append(new.item("A", new.tool("t", {"f": 1.50, "x": text})))
    lines = new.lines_of(new.written([*records, new.item("A", new.plan("p"))]))
    assert max(len(line.data) for line in lines) > LONG
    reducer = start(new.ROLLOUT, new.THREAD)

    made = [change for change in reducer.apply(lines) if isinstance(change, ItemRow)]

    put(tmp_path, f"{DAY}/{NAME}", b"".join(line.data + b"\n" for line in lines))
    backfilled(tmp_path, tmp_path / "p.db")
    rows = rows_of(tmp_path / "p.db")
    shown = {row[2]: orjson.loads(str(row[5])) for row in rows["codex_thread_items"]}
    assert isinstance(made[0].json, bytes)
    assert shown["a"]["text"] == text
    assert shown["t"]["arguments"] == {"f": 1.5, "x": text}
    assert (reducer.next_ordinal, reducer.meta.updated_at_ms) == (5, 1793527204000)


HEAD = new.written([new.meta(), new.started("A")])
LAST = new.written([*[{}] * 2, new.item("A", new.plan("last"))])[2]


@pytest.mark.parametrize(
    ("middle", "kind"),
    [
        pytest.param(b'{"a":"' + b"x" * 80_000 + b'"}', "overlong", id="longer than the limit"),
        pytest.param(b"[" * 60_000, "too_deep", id="nested without end"),
        pytest.param(b"[" * 30_000 + b"]" * 30_000, "too_deep", id="nested too deep"),
        pytest.param(b'{"a":' * 9_000 + b"1" + b"}" * 9_000, "too_deep", id="objects too deep"),
        pytest.param(b"\x00" * 60_000, "nul_bytes", id="NULs that a crash left"),
    ],
)
def test_a_line_that_is_out_of_bounds_is_noted(tmp_path: Path, middle: bytes, kind: str) -> None:
    """It costs itself; what stands behind it is projected."""
    data = b"\n".join([*HEAD, middle, LAST, b""])
    put(tmp_path, f"{DAY}/{NAME}", data)

    settings = msgspec.structs.replace(
        settings_for(tmp_path, tmp_path / "p.db"), read=Read(max_line_bytes=64 * 1024)
    )

    async def run() -> None:
        store = await open_store(settings.database)
        await backfill(store, settings, selection=(), progress=Silent())
        await store.close()

    asyncio.run(run())

    rows = rows_of(tmp_path / "p.db")
    where = (len(b"\n".join(HEAD)) + 1, len(middle))
    assert kind in {row[3] for row in rows["anomalies"] if row[1] == where[0]}
    assert [row[2] for row in rows["codex_thread_items"]] == ["last"]


def test_a_zst_that_expands_without_end(tmp_path: Path) -> None:
    """What comes before it expands is projected; the rest is noted, within bounded memory."""
    head = b"\n".join([*HEAD, LAST, b""])
    bomb = frame(head) + frame(b"\x00" * (64 * MB)) * 40
    path = tmp_path / "home" / DAY / f"{NAME}.zst"
    path.parent.mkdir(parents=True)
    path.write_bytes(bomb)

    peak = peak_mib(tmp_path / "home", tmp_path / "p.db")

    rows = rows_of(tmp_path / "p.db")
    assert [row[2] for row in rows["codex_thread_items"]] == ["last"]
    assert "zst_expands" in {row[3] for row in rows["anomalies"]}
    assert peak < 150


@pytest.mark.parametrize(
    ("unit", "kind"), [(b"\0", "nul_bytes"), (b"x", "torn")], ids=["NULs", "letters"]
)
@pytest.mark.parametrize("suffix", [".zst", ""], ids=["compressed", "plain"])
def test_a_giant_line_that_is_no_record_is_not_held(
    tmp_path: Path, unit: bytes, kind: str, suffix: str
) -> None:
    """The record that stands behind it on the same line is found."""
    head = b"\n".join([*HEAD, b""])
    garbage, size = unit * (64 * MB), 3 * 64 * MB
    path = tmp_path / "home" / DAY / f"{NAME}{suffix}"
    path.parent.mkdir(parents=True)
    pack = frame if suffix else bytes
    path.write_bytes(b"".join([pack(head), *[pack(garbage)] * 3, pack(LAST + b"\n")]))

    peak = peak_mib(tmp_path / "home", tmp_path / "p.db")

    rows = rows_of(tmp_path / "p.db")
    assert [row[2] for row in rows["codex_thread_items"]] == ["last"]
    assert (len(head), size, kind) in {tuple(row[1:4]) for row in rows["anomalies"]}
    assert peak < 150


@pytest.mark.parametrize("suffix", [".zst", ""], ids=["compressed", "plain"])
def test_very_many_lines_of_garbage(tmp_path: Path, suffix: str) -> None:
    """Each is passed over; so many are noted that the others are only counted."""
    kinds = [b'{"a":1}', b"x", b"[]", b"{", b'"s"', b"\xff", b"\0", b'{"timestamp":', b"{}"]
    garbage = (b"\n".join(kinds) + b"\n") * 6_000
    path = tmp_path / "home" / DAY / f"{NAME}{suffix}"
    path.parent.mkdir(parents=True)
    pack = frame if suffix else bytes
    path.write_bytes(pack(b"\n".join([*HEAD, b""]) + garbage + LAST + b"\n"))

    peak = peak_mib(tmp_path / "home", tmp_path / "p.db")

    rows = rows_of(tmp_path / "p.db")
    assert [row[2] for row in rows["codex_thread_items"]] == ["last"]
    assert len(rows["anomalies"]) < 10_000
    assert peak < 150


def test_a_folder_of_very_many_rollouts(tmp_path: Path) -> None:
    """What is known of each is a few hundred bytes, also while all are looked at again."""
    count = 5_000
    (tmp_path / DAY).mkdir(parents=True)
    for number in range(count):
        (tmp_path / DAY / name_of(number)).touch()
    settings = settings_for(tmp_path, tmp_path / "p.db")
    surveyor = FileCatalog(settings.codex_homes)

    async def peak_of_two_looks() -> int:
        store = await open_store(settings.database)
        rounds = Scheduler(store, limits_of(settings), surveyor.rollout)
        tracemalloc.start()
        try:
            for _ in range(2):
                look = surveyor.everything()
                rounds.news_of(look.files)
                assert not look.gone(rounds.following)
            assert (len(look.files), rounds.waiting) == (count, count)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            await store.close()

    assert asyncio.run(peak_of_two_looks()) / count < 500


def test_a_folder_of_very_many_files(tmp_path: Path) -> None:
    """What is no rollout is passed over as it is met."""
    Rollout(seed=1).write(tmp_path / "home")
    folder = tmp_path / "home" / DAY
    folder.mkdir(parents=True, exist_ok=True)
    one = folder / "one"
    one.touch()
    for number in range(30_000):
        (folder / f"no-rollout-of-a-name-that-is-long-{number}.jsonl").hardlink_to(one)

    assert peak_mib(tmp_path / "home", tmp_path / "p.db") < 80
    assert len(rows_of(tmp_path / "p.db")["threads"]) == 1
