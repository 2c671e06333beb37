"""Which releases are tested, and what is known of them."""

from __future__ import annotations

import pytest

from tests.live import install
from tests.live.capabilities import can, lacks, recent, version
from tests.live.releases import HEAD, Result, table

PUBLISHED = [
    "0.1.2505", "0.142.5", "0.153.4", "0.154.0", "0.154.2", "0.160.1", "0.168.0", "0.169.0-alpha.1",
    "0.169.0", "0.171.0", "0.172.0-alpha.2", "0.171.0-linux-x64",
]  # fmt: skip


def test_the_last_of_each_minor_version_is_tested_from_the_first_that_can_be() -> None:
    assert recent(PUBLISHED, 9) == ["0.171.0", "0.169.0", "0.168.0", "0.160.1", "0.154.2"]
    assert recent(PUBLISHED, 2) == ["0.171.0", "0.169.0"]


def test_the_pin_can_all() -> None:
    assert lacks(install.PINNED) == []
    assert recent([install.PINNED], 1) == [install.PINNED]


def test_capabilities_come_with_a_release() -> None:
    assert not can("0.149.0", "thread/revert")
    assert can("0.149.1", "thread/revert")
    with pytest.raises(ValueError, match="no stable release"):
        version("0.172.0-alpha.2")


def test_the_table_tells_each_release() -> None:
    told = table([Result("0.154.0", sessions=3, rows=1200), Result("0.169.0", failed=2)])

    assert told.splitlines()[0] == f"| {' | '.join(HEAD)} |"
    assert "| 0.154.0 | 3 | equal | 1,200 | 0 | times of items" in told
    assert "| 0.169.0 | 0 | 2 differ |" in told
