"""The same homes on both engines: every view has the same rows, whatever the rollouts hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final, get_args

import pytest

from tests.faults.corpus import HOSTILE, Kind, lines
from tests.faults.mutations import mutated
from tests.faults.test_cut import home_of
from tests.faults.test_killed import small_home
from tests.sample import make
from tests.support.databases import Where, reading
from tests.support.generator.rollouts import Rollout
from tests.support.homes import DAY, name_of, put
from tests.support.projecting import backfilled
from tests.support.rows import rows_of
from tests.support.server import Server

#: Views that other tests do not compare, and the columns that say what rows are.
MORE: Final = {
    "all_items": "*",
    "all_turns": "*",
    "messages": "*",
    "commands": "*",
    "file_changes": "*",
    "tool_calls": "*",
    "token_days": "*",
    "changes": "kind, op, thread_id, rollout_id, turn_id, item_id, uid, type",
}
#: SQLite's JSON functions end a text at its first NUL; here it is whole.
ENDS_AT_NUL: Final = ("odd texts", "messages")
_EXTRA: Final = frozenset({"source_id", "escaped"})


def every_kind(folder: Path) -> Path:
    """Make a home of rollouts with every kind of line, and of hostile ones."""
    home = folder / "home"
    for number, kind in enumerate(get_args(Kind), 1):
        some = list(lines(kind))
        Random(number).shuffle(some)
        put(home, f"{DAY}/{name_of(number)}", b"\n".join([lines(kind)[0], *some, b""]))
        spoiled = [lines(kind)[0], *HOSTILE, *some[: len(some) // 2], b""]
        put(home, f"{DAY}/{name_of(10 + number)}", b"\n".join(spoiled))
    return home


def odd_texts(folder: Path) -> Path:
    """Make a home whose items hold what PostgreSQL's text and JSON cannot."""
    home = folder / "home"
    rollout = Rollout(seed=3)
    path = rollout.write(home, size=3_000)
    odd = (
        rb"nul \u0000 here", rb"half \ud83d pair", rb"\udc00 first", rb"whole \ud83d\ude00",
        rb"\\u0000 written out", b"\\uf8f0 and \xef\xa3\xb0",
    )  # fmt: skip
    with path.open("ab") as out:
        for text in odd:
            out.write(rollout.item("REPLACED").replace(b"REPLACED", text))
    return home


HOMES: Final[dict[str, Callable[[Path], Path]]] = {
    "the sample": lambda _: make.SHIPPED,
    "forks and reverts": small_home,
    "damaged lines": lambda folder: home_of(folder, 1),
    "every kind of record": every_kind,
    "odd texts": odd_texts,
}


def shown(where: Where) -> dict[str, list[str]]:
    """Give the rows of views, in one order; JSON as it is written."""
    with reading(where) as db:
        return {
            view: sorted(
                repr([value for name, value in row.items() if name not in _EXTRA])
                for row in db.dicts(f"SELECT {columns} FROM {view}")
            )
            for view, columns in MORE.items()
        }


@pytest.mark.parametrize("home", HOMES)
def test_rows_are_the_same(home: str, tmp_path: Path, postgres: str) -> None:
    made = HOMES[home](tmp_path)
    backfilled(made, tmp_path / "p.db")

    backfilled(made, postgres)

    assert rows_of(postgres) == rows_of(tmp_path / "p.db")
    here, there = shown(postgres), shown(tmp_path / "p.db")
    for view in MORE:
        if (home, view) != ENDS_AT_NUL:
            assert here[view] == there[view], view


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_spoiled_homes_are_the_same(seed: int, tmp_path: Path, server: Server) -> None:
    """Bytes changed at random: what SQLite takes, PostgreSQL takes, and says the same."""
    chance = Random(seed)
    for kind in get_args(Kind):
        home = tmp_path / kind
        for number in range(20):
            some = [mutated(lines(kind), chance) for _ in range(30)]
            put(home, f"{DAY}/{name_of(number)}", b"\n".join([lines(kind)[0], *some, b""]))
        with server.database() as url:
            backfilled(home, url)
            backfilled(home, tmp_path / f"{kind}.db")

            assert rows_of(url) == rows_of(tmp_path / f"{kind}.db")
