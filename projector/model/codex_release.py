"""Releases of Codex: which one the rules were read from, and which are newer. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

#: The newest release that the rules were read from; `tests/live` compares with it.
NEWEST: Final = "0.171.0"
#: Anomalies that tell of what only a newer release writes, and the name of such things.
UNKNOWN: Final[Mapping[str, str]] = {
    "unknown_record": "records",
    "unknown_event": "events",
    "unknown_item": "items",
    "unknown_field": "fields",
}

#: Parts beyond any real number are none: a header is written by anybody.
_NUMBERS: Final = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?![0-9])").match
_PLAIN: Final = re.compile(r"[0-9A-Za-z.+-]{1,40}").fullmatch


class Newer(NamedTuple):
    """Rollouts that a newer release wrote."""

    rollouts: int
    newest: str | None
    """The newest of these releases; None: there are none."""


def _number(release: str) -> tuple[int, ...]:
    found = _NUMBERS(release)
    return () if found is None or _PLAIN(release) is None else tuple(map(int, found.groups()))


def newer(releases: Mapping[str, int]) -> Newer:
    """Count the rollouts of releases after `NEWEST`. `releases`: rollouts by `cli_version`."""
    later = {name: count for name, count in releases.items() if _number(name) > _number(NEWEST)}
    return Newer(
        sum(later.values()), max(later, key=lambda name: (_number(name), name), default=None)
    )


def unknown(anomalies: Mapping[str, int]) -> dict[str, int]:
    """Return how many unknown things were met, by their name. `anomalies`: by kind."""
    return {name: anomalies.get(kind, 0) for kind, name in UNKNOWN.items()}
