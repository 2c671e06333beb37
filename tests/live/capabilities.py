"""What each release of Codex can do, as far as the tests need to know it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

Version = tuple[int, int, int]

#: The first release that was seen to have it: those between it and the one before were not tried.
SINCE: Final[Mapping[str, Version]] = {
    "paginated threads, if asked for": (0, 145, 0),
    "thread/revert": (0, 149, 1),
    "paginated threads by default": (0, 152, 1),
    "token_usage_record": (0, 154, 0),
    "voice sessions": (0, 154, 0),
    "times of items in its tables": (0, 160, 1),
    "attached threads that show only what is theirs": (0, 166, 0),
    "root_turn_id in its tables": (0, 168, 0),
    "moderation of messages": (0, 169, 0),
    "environments of MCP calls, frames of voice sessions": (0, 171, 0),
}
#: From here on a session of every operation can be played and compared.
FIRST: Final = SINCE["token_usage_record"]

_STABLE: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)").fullmatch


def version(text: str) -> Version:
    """Read the number of a stable release.

    Raises:
        ValueError: it is none.

    """
    found = _STABLE(text)
    if found is None:
        raise ValueError(f"{text!r} is no stable release of Codex")
    return int(found[1]), int(found[2]), int(found[3])


def can(release: str, what: str) -> bool:
    """Tell whether a release has one of `SINCE`."""
    return version(release) >= SINCE[what]


def lacks(release: str) -> list[str]:
    """Give what a release does not have yet."""
    return [what for what in SINCE if not can(release, what)]


def recent(published: Iterable[str], count: int) -> list[str]:
    """Choose the last releases that can be tested, newest first: of each minor version the last."""
    newest: dict[tuple[int, int], Version] = {}
    for text in published:
        if _STABLE(text) is not None and (number := version(text)) >= FIRST:
            newest[number[:2]] = max(number, newest.get(number[:2], number))
    return [".".join(map(str, number)) for number in sorted(newest.values(), reverse=True)[:count]]
