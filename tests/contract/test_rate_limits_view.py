"""Rate limits from rollouts to rows: both forms of rollouts, both engines; replaced, purged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projector.cli import run
from projector.model.changes import LimitRow
from projector.model.ids import Offset
from projector.store.open import open_store
from projector.store.protocol import Batch, Store
from projector.store.questions.limits import last_windows, windows_since
from tests.support.databases import Where, reading, url_of
from tests.support.makers import at, batch, file_of

_SHOWN = (
    "SELECT thread_id, limit_id, slot, window_minutes, used_percent, resets_at_ms, plan_type,"
    " recorded_at FROM rate_limits ORDER BY recorded_at_ms, slot"
)
_RESET = 1_767_610_800


def row(
    offset: int, percent: float, *, window: str = "primary", limit: str | None = "codex"
) -> LimitRow:
    return LimitRow(Offset(offset), window, limit, 300, percent, 1000 * _RESET, "plus", offset)


async def told(where: Where, story: Callable[[Store], Any]) -> None:
    store = await open_store(url_of(where), source="one")
    try:
        await story(store)
    finally:
        await store.close()


def used(where: Where) -> list[tuple[Any, ...]]:
    with closing(reading(where)) as db:
        return db.rows("SELECT slot, used_percent FROM rate_limits ORDER BY recorded_at_ms, slot")


async def anew() -> AsyncIterator[Batch]:
    start, end = at(0, generation=1), at(1000, generation=1)
    yield batch(file_of(1), [row(10, 4.0)], start=start, end=end)


def test_rows_live_and_go_with_their_rollout(database: Where) -> None:
    async def story(store: Store) -> None:
        first = [row(10, 1.5), row(10, 2.0, window="secondary"), row(20, 3.0)]
        await store.commit([batch(file_of(1), first), batch(file_of(2), [row(5, 9.0)])])
        await store.replace(at(1000), anew())
        await store.mark_missing([file_of(2).name.rollout_id], purge=True)

    asyncio.run(told(database, story))

    assert used(database) == [("primary", 4.0)]


def test_the_last_of_each_window(database: Where) -> None:
    async def story(store: Store) -> None:
        await store.commit([
            batch(file_of(1), [row(10, 1.0), row(30, 3.0), row(20, 2.0, window="secondary"),
                               row(15, 7.0, limit=None)]),
            batch(file_of(2), [row(25, 2.5)]),
        ])  # fmt: skip

    asyncio.run(told(database, story))
    with closing(reading(database)) as db:
        last = [(one.limit_id, one.slot, one.used_percent) for one in last_windows(db)]
        since = [one.used_percent for one in windows_since(db, 20)]

    assert last == [(None, "primary", 7.0), ("codex", "primary", 3.0), ("codex", "secondary", 2.0)]
    assert since == [2.0, 2.5, 3.0]


def line(second: int, payload: dict[str, Any], kind: str = "event_msg", **more: Any) -> str:
    at_time = f"2026-01-05T09:00:{second:02}.000Z"
    return json.dumps({"timestamp": at_time, "type": kind, "payload": payload, **more}) + "\n"


def rollout(home: Path, *, paginated: bool) -> None:
    thread = "01a30000-0000-7000-8000-00000000000" + ("1" if paginated else "2")
    meta = {"id": thread, "timestamp": "2026-01-05T09:00:00.000Z", "cwd": "/w", "source": "cli",
            "cli_version": "0.171.0", "originator": "x",
            **({"history_mode": "paginated"} if paginated else {})}  # fmt: skip
    lines: list[tuple[dict[str, Any], str]] = [(meta, "session_meta")]
    for used_percent in (1.0, 1.0, 2.5):
        primary = {"used_percent": used_percent, "window_minutes": 300, "resets_at": _RESET}
        limits = {"limit_id": "codex", "primary": primary, "secondary": None, "plan_type": "plus"}
        lines.append(({"type": "token_count", "info": None, "rate_limits": limits}, "event_msg"))
    folder = home / "sessions/2026/01/05"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"rollout-2026-01-05T09-00-00-{thread}.jsonl").write_text("".join(
        line(second, payload, kind, **({"ordinal": second} if paginated else {}))
        for second, (payload, kind) in enumerate(lines)
    ))  # fmt: skip


@pytest.mark.parametrize("paginated", [True, False], ids=["paginated", "legacy"])
def test_a_rollout_tells_of_limits(
    database: Where, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], *, paginated: bool
) -> None:
    """And verify, which projects it again, finds the same."""
    rollout(tmp_path, paginated=paginated)
    given = ["--codex-home", str(tmp_path), "--database", url_of(database)]
    assert run(["backfill", *given]) == 0
    assert run(["verify", *given]) == 0
    with closing(reading(database)) as db:
        found = db.rows(_SHOWN)
    thread = "01a30000-0000-7000-8000-00000000000" + ("1" if paginated else "2")

    common = (300, 1.0, 1000 * _RESET, "plus")
    assert found == [
        (thread, "codex", "primary", *common, "2026-01-05T09:00:01.000Z"),
        (thread, "codex", "primary", 300, 2.5, *common[2:], "2026-01-05T09:00:03.000Z"),
    ]
    capfdbinary.readouterr()
    assert run(["limits", "--json", *given]) == 0
    (now,) = json.loads(capfdbinary.readouterr().out)
    assert (now["used_percent"], now["reset"]) == (2.5, True)
    assert run(["limits", "--since", "2026-01-01", *given]) == 0
    out = capfdbinary.readouterr().out.decode().splitlines()
    assert ["1.00" in out[1], "2.50" in out[2], len(out)] == [True, True, 3]


def test_there_are_none(database: Where, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    asyncio.run(told(database, lambda store: store.totals()))

    assert run(["limits", "--database", url_of(database)]) == 0
    assert capfdbinary.readouterr() == (b"", b"no limits were reported\n")
