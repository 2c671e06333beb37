"""Releases of Codex that are newer than the rules."""

from __future__ import annotations

import pytest

from projector.model import codex_release
from projector.model.codex_release import NEWEST, Newer, newer, unknown


@pytest.mark.parametrize(
    ("releases", "told"),
    [
        ({}, Newer(0, None)),
        ({NEWEST: 3, "0.169.0": 1, "0.0.0": 1}, Newer(0, None)),
        ({"0.172.0-alpha.1": 2, "0.171.1": 1, NEWEST: 5}, Newer(3, "0.172.0-alpha.1")),
        ({"0.171.0-alpha.9": 1}, Newer(0, None)),
        ({"1.0.0": 1, "0.999.0": 1}, Newer(2, "1.0.0")),
        ({"": 1, "later": 1, "99.9": 1, "9999999.0.0": 1, "0.172.0 \x1b[2J": 1}, Newer(0, None)),
        ({"0.172." + "9" * 5000: 1}, Newer(0, None)),
    ],
)
def test_newer_releases_are_counted(releases: dict[str, int], told: Newer) -> None:
    assert newer(releases) == told


def test_unknown_things_are_counted_by_name() -> None:
    kinds = {"unknown_item": 2, "unknown_field": 5, "torn": 9}

    assert unknown(kinds) == {"records": 0, "events": 0, "items": 2, "fields": 5}
    assert set(codex_release.UNKNOWN.values()) == set(unknown({}))
