"""Revisions of the reducing rules: what changed, and which rollouts a change touches. Pure.

Each rollout is stored with the revision by which it was projected and with the kinds of records,
events and items that were seen in it (`SeenKinds`). So after an upgrade only rollouts are projected
again that hold what a later revision touches.

A kind is named by its record's type, then by the type of its payload if it has one:
`turn_context`, `event_msg/token_count`, `response_item/custom_tool_call`, `realtime_item/frame`;
an item of an `item_completed`, too: `item/CommandExecution`. Names are those in the file.

To add a revision: append it with the next number. `touches` names kinds, whole (`event_msg` stands
for all events), as the revisions before could see them. What cannot be told by kinds, such as the
form of a saved state or how damaged lines are read, touches everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

Mode = Literal["paginated", "legacy"]

#: Kinds that are kept of one rollout. Codex knows some 130.
KINDS_MAX: Final = 400
#: A part of a kind's name that is kept as it is written; others are only counted.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}").fullmatch


class Revision(NamedTuple):
    """A change of the rules."""

    number: int
    """One more than that of the change before it."""
    what: str
    """What changed, in one line for people."""
    touches: frozenset[str] | None = None
    """Kinds of records, events and items whose rows may be others; None: any rollout's may."""
    modes: frozenset[Mode] = frozenset({"paginated", "legacy"})
    """Forms of rollouts that it applies to."""


#: All of them, oldest first.
REVISIONS: tuple[Revision, ...] = (Revision(1, "the rules of the first release"),)


class ProjectedBy(NamedTuple):
    """What is stored of how a rollout was projected."""

    revision: int
    mode: str
    kinds: str
    """As `SeenKinds.text` writes them."""


def current() -> int:
    """Return the number of the newest revision that this program knows."""
    return REVISIONS[-1].number


def is_outdated(stored: ProjectedBy) -> bool:
    """True if a later revision may have other rows for a rollout."""
    later = [one for one in REVISIONS if one.number > stored.revision and stored.mode in one.modes]
    if not later:
        return False
    if any(one.touches is None for one in later):
        return True
    names = stored.kinds.split()
    if any(name.startswith("+") for name in names):
        return True  # what was only counted may be anything
    seen = {*names, *(name.partition("/")[0] for name in names)}
    return any(one.touches and not seen.isdisjoint(one.touches) for one in later)


def is_newer(revision: int) -> bool:
    """True if a rollout was projected by rules that this program does not know."""
    return revision > current()


class SeenKinds:
    """The kinds of records, events and items that were seen in a rollout. Bounded.

    Kinds of which the name is not plain, or for which there is no room, are counted only. The same
    however the lines of a rollout are divided among calls.
    """

    __slots__ = ("_more", "_text", "pairs")

    def __init__(self, text: str = "") -> None:
        """Create it from what `text` gave."""
        self.pairs: set[tuple[str, str | None]] = set()
        """What was seen: type of the record, type of its payload. For the check in a hot loop."""
        self._more = 0
        self._text: str | None = None
        self.add(text.split())

    def add(self, names: Iterable[str]) -> None:
        """Add kinds by name, and the number of those that were only counted."""
        for name in names:
            if name.startswith("+"):
                self._more += int(name)
            else:
                kind, slash, inner = name.partition("/")
                self.pairs.add((kind, inner if slash else None))
        self._text = None

    def see(self, kind: str, inner: object = None) -> None:
        """Add a kind; of `inner` only a string counts."""
        pair = (kind, inner if type(inner) is str else None)
        if pair in self.pairs:
            return
        self._text = None
        is_plain = _PLAIN(kind) and (pair[1] is None or _PLAIN(pair[1]))
        if is_plain and len(self.pairs) < KINDS_MAX:
            self.pairs.add(pair)
        else:
            self._more += 1

    def see_item(self, payload: dict[str, Any]) -> None:
        """Add the kind of the item of an `item_completed`; nothing, if there is none."""
        item = payload.get("item")
        if type(item) is dict:
            kind = item.get("type")
            if type(kind) is str and ("item", kind) not in self.pairs:
                self.see("item", kind)

    @property
    def text(self) -> str:
        """Return the names, sorted, with blanks between; how many more were seen: `+3`."""
        if self._text is None:
            names = [kind if inner is None else f"{kind}/{inner}" for kind, inner in self.pairs]
            more = [f"+{self._more}"] if self._more else []
            self._text = " ".join([*more, *sorted(names)])
        return self._text
