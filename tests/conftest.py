"""What every test stands on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from projector import log
from tests.server import Server


@pytest.fixture(autouse=True, scope="session")
def quiet() -> None:
    """Keep the lines of info and debug out of the reports of failures."""
    log.configure(level="warning", form="json")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Give the PostgreSQL server of this run."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def postgres(server: Server) -> Iterator[str]:
    """Give the address of a PostgreSQL database with the present schema and no rows."""
    with server.database() as url:
        yield url
