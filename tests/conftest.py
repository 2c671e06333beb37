"""What every test stands on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from projector.logs import events as log
from projector.model import redaction
from tests.support import citus
from tests.support.databases import ENGINES, Empty, Where, empty_of, url_of
from tests.support.examples import PATIENT
from tests.support.server import Server

settings.load_profile(PATIENT)
# Tests begin hundreds of processes: where none may keep bytecode, each compiles all of it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

#: What the tests of a folder stand on, by its name: also the name of their marker.
MARKS = {
    "unit": ("pure", ""),
    "files": ("files", ""),
    "commands": ("commands", "PostgreSQL"),
    "contract": ("contract", "PostgreSQL"),
    "faults": ("faults", "PostgreSQL"),
    "service": ("service", "systemd in namespaces of its own"),
    "live": ("live", "the real Codex (from npm at the first run, 425 MB)"),
    "browser": ("browser", "a headless Chromium"),
    "wheel": ("wheel", "a wheel in an environment of its own"),
}

#: Whether it has been said what is about to be started.
SAID = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--scheduled`: what takes long runs, and only that."""
    parser.addoption(
        "--scheduled", action="store_true", help="run the tests marked `scheduled`, and no others"
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one process more than there are CPUs: many tests wait. None for a few files."""
    if all(".py" in arg for arg in config.args):
        return 0
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by their folders; leave out those that a schedule runs, or all but those."""
    for item in items:
        mark = _mark_of(item.path)
        if mark is not None:
            item.add_marker(mark[0])
    scheduled = bool(config.getoption("--scheduled"))
    out = [one for one in items if (one.get_closest_marker("scheduled") is None) == scheduled]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [one for one in items if one not in set(out)]


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    """Say what is about to be started."""
    return _starts({item.path for item in items})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Say it once where several processes collect."""
    config: pytest.Config = node.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not config.stash.get(SAID, False):
        config.stash[SAID] = True
        for line in _starts({config.rootpath / one.partition("::")[0] for one in ids}):
            reporter.write_line(line)


def _starts(paths: Iterable[Path]) -> list[str]:
    needed = {mark[1] for path in paths if (mark := _mark_of(path)) is not None and mark[1]}
    return [f"starts: {', '.join(sorted(needed))}"] if needed else []


def _mark_of(path: Path) -> tuple[str, str] | None:
    parts = path.relative_to(Path(__file__).parent).parts
    return MARKS.get(parts[0]) if len(parts) > 1 else None


@pytest.fixture(autouse=True, scope="session")
def quiet() -> None:
    """Keep the lines of info and debug out of the reports of failures."""
    log.configure(level="warning", form="json")


@pytest.fixture(autouse=True)
def nothing_learned() -> Iterator[None]:
    """Forget the passwords of one test before the next: they would be hidden there too."""
    yield
    redaction.forget()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give the PostgreSQL server of this run."""
    server = citus.Cluster() if citus.ADDRESS else Server()
    with pytest.MonkeyPatch.context() as patch:  # where daemons that write there keep their state
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield server
    server.close()


@pytest.fixture(scope="session")
def empty(request: pytest.FixtureRequest) -> Empty:
    """Give a way to have empty databases of an engine."""
    return empty_of(lambda: request.getfixturevalue("server"))


@pytest.fixture
def postgres(server: Server) -> Iterator[str]:
    """Give the address of a PostgreSQL database with the present schema and no rows."""
    with server.database() as url:
        yield url


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Give an engine's name: the test runs on each."""
    return str(request.param)


@pytest.fixture
def database(engine: str, empty: Empty) -> Iterator[Where]:
    """Give an empty database of the engine."""
    with empty(engine) as where:
        yield where


#: Makes a database with no rows, and gives its address.
NewDatabase = Callable[[], str]


@pytest.fixture(scope="module", params=ENGINES)
def new_database(request: pytest.FixtureRequest, empty: Empty) -> Iterator[NewDatabase]:
    """Give databases of each engine, as many as are asked for, for the tests of a module."""
    with ExitStack() as made:
        yield lambda: url_of(made.enter_context(empty(request.param)))
