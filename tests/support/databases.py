"""Databases for tests: a file, or one on the server of this run; told apart by their addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from projector.store.open import open_to_read
from projector.store.reading import Connection
from tests.support.server import Server

ENGINES: Final = ("sqlite", "postgres")
#: A SQLite file, or the address of a database on a server.
Where = Path | str
#: Gives empty databases of an engine for a while: as many as are asked for.
Empty = Callable[[str], AbstractContextManager[Where]]
#: The name of the source that writes, where nobody says another one.
SOURCE: Final = "one"


def url_of(where: Where) -> str:
    """Give a database's address."""
    return where if isinstance(where, str) else f"sqlite:///{where}"


def reading(where: Where) -> Connection:
    """Open a database for reading."""
    return open_to_read(url_of(where), source=SOURCE)


def empty_of(server: Callable[[], Server]) -> Empty:
    """Give a way to have empty databases; the server is asked for when it is needed."""

    @contextmanager
    def give(engine: str) -> Iterator[Where]:
        if engine == "sqlite":
            with TemporaryDirectory() as folder:
                yield Path(folder) / "p.db"
        else:
            with server().database() as url:
                yield url

    return give
