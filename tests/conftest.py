"""What every test stands on."""

from __future__ import annotations

import pytest

from projector import log


@pytest.fixture(autouse=True, scope="session")
def quiet() -> None:
    """Keep the lines of info and debug out of the reports of failures."""
    log.configure(level="warning", form="json")
