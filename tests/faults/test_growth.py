"""Work grows with what there is, not with its square: counted at one size, and at twice that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.faults import thread_changes
from tests.faults.growth import Work, acts_work, backfill_work, put
from tests.faults.shapes import SHAPES
from tests.support.databases import Where
from tests.support.server import Server

#: Twice the size may take this much more. Linear: 2; by the square: 4.
MOST = 2.3
#: Shapes whose rollouts are told of on PostgreSQL for each push; the others are on schedule.
EACH_PUSH: Final = ("forks", "reverts in a running turn", "strays")
#: What is written whatever the size is small: it is taken off.
LEAST = 2


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_as_much_takes_twice_the_work(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of SQLite's machine, and calls of Python functions."""
    grows(shape, tmp_path, [tmp_path / f"{number}.db" for number in range(4)], monkeypatch)


def grows(
    shape: str,
    folder: Path,
    databases: Sequence[Where],
    patch: pytest.MonkeyPatch,
    measures: Sequence[str] = Work._fields,
) -> None:
    """See that twice the size takes no more than `MOST` times the work."""
    make, size = SHAPES[shape]
    done = []
    for number, each in enumerate((LEAST + 1, LEAST, size, 2 * size)):  # the first one imports
        home = folder / str(number)
        put(home, make(each))
        done.append(backfill_work(home, databases[number], patch))
    _, fixed, one, two = done

    for name, least, less, more in zip(Work._fields, fixed, one, two, strict=True):
        if name not in measures:
            continue
        assert less > least, name
        assert (more - least) / (less - least) <= MOST, (name, done)


@pytest.mark.parametrize("act", thread_changes.ACTS)
@pytest.mark.parametrize("shape", thread_changes.SHAPES)
def test_what_happens_to_threads_costs_what_it_changes(
    shape: str, act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, replaced, missed, moved and purged, on SQLite; each in a home that was built anew."""
    acts_grow(shape, [act], [tmp_path / f"{number}.db" for number in range(3)], monkeypatch, 16)


def acts_grow(
    shape: str,
    acts: Sequence[str],
    databases: Sequence[Where],
    patch: pytest.MonkeyPatch,
    size: int,
) -> None:
    """See that each act over twice as many rollouts takes no more than `MOST` times the work."""
    what = thread_changes.SHAPES[shape], [thread_changes.ACTS[act] for act in acts]
    acts_work(databases[0], patch, *what, LEAST)  # imports
    ones = acts_work(databases[1], patch, *what, size)
    twos = acts_work(databases[2], patch, *what, 2 * size)
    for act, one, two in zip(acts, ones, twos, strict=True):
        for name, less, more in zip(Work._fields, one, two, strict=True):
            assert more > less > 0, (act, name)
            assert more / less <= MOST, (act, name, one, two)


@pytest.fixture
def addresses(server: Server) -> Iterator[list[str]]:
    """Give four empty databases."""
    with ExitStack() as made:
        yield [made.enter_context(server.database()) for _ in range(4)]


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(shape, marks=[pytest.mark.scheduled] * (shape not in EACH_PUSH))
        for shape in thread_changes.SHAPES
    ],
)
def test_what_happens_to_threads_on_postgresql_too(
    shape: str, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another: statements, and the rows that they give; calls of Python functions."""
    acts = [act for act in thread_changes.ACTS if act != "purge"]
    acts_grow(shape, acts, addresses, monkeypatch, 12)


@pytest.mark.parametrize("shape", ["copies", "forks", "reverts"])
def test_on_postgresql_too(
    shape: str, tmp_path: Path, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements, rows that they give, and calls of Python functions."""
    grows(shape, tmp_path, addresses, monkeypatch)
