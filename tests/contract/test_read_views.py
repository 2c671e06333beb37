"""Questions that have one text for both engines, over the read views."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

from projector.model.errors import ProjectorError
from projector.store import copy, questions
from projector.store.check import derived_check, stored_rows
from projector.store.open import open_store, open_to_read
from tests.conftest import NewDatabase

MODULES = (
    *(
        importlib.import_module(f"{questions.__name__}.{one.name}")
        for one in pkgutil.iter_modules(questions.__path__)
    ),
    derived_check,
    stored_rows,
    copy,
)


def texts() -> Iterator[tuple[str, str]]:
    """Yield the queries of modules that are one text for all engines, by their names."""
    for module in MODULES:
        for name, value in vars(module).items():
            whole = isinstance(value, str) and not value.endswith(" WHERE")
            if whole and value.startswith("SELECT") and "{" not in value:
                yield f"{module.__name__.rpartition('.')[2]}.{name}", value


TEXTS = dict(texts())


@pytest.fixture(scope="module")
def empty_database(new_database: NewDatabase) -> str:
    """Give a database with the schema and the source, and no rows."""
    database = new_database()

    async def made() -> None:
        await (await open_store(database)).close()

    asyncio.run(made())
    return database


def test_each_engine_takes_every_text(empty_database: str) -> None:
    """With the views and columns that it names; a name that one engine lacks is an error."""
    refused = {}
    with open_to_read(empty_database) as db:
        for name, sql in TEXTS.items():
            values = dict.fromkeys(re.findall(r":(\w+)", sql))
            values.pop("source", None)
            try:
                db.rows(f"EXPLAIN {sql}", values)
            except ProjectorError as error:
                refused[name] = str(error)
    assert not refused


def test_texts_are_found() -> None:
    """Of each module that certainly has some."""
    assert {"contents._TOTALS", "history._CHAIN", "paginated._ITEMS", "doctor._KINDS"} <= set(TEXTS)
    assert {"derived_check._PARTS", "stored_rows._CHAINS", "copy._ROLLOUTS"} <= set(TEXTS)
