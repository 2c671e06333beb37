"""What every test stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from projector import log, redaction
from tests.databases import ENGINES, Empty, Where, empty_of, url_of
from tests.server import Server

# A machine with other work is no fault of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


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
    server = Server()
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
