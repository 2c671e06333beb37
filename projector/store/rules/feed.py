"""The change feed: the entries that a transaction appends, and the cursors of its consumers. Pure.

Every transaction that changes what a view shows appends one entry per changed row. Entries are
numbered 1, 2, 3, ... without gaps, in the order of commits. All entries of a commit carry the
commit's *mark*, a random number. A cursor is an entry's number and its mark: after a restored
backup the numbers are given again, the marks are not, so that a cursor of the lost time line is
recognised wherever the database came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple, Self, TypeVar

T = TypeVar("T")

TURN: Final = 1
ITEM: Final = 2
THREAD: Final = 3
EVENT: Final = 4
REALTIME: Final = 5
#: Kinds of entries, by their names in the view `changes`.
KINDS: Final = {"turn": TURN, "item": ITEM, "thread": THREAD, "event": EVENT, "realtime": REALTIME}

INSERT: Final = 1
UPDATE: Final = 2
TOMBSTONE: Final = 3
#: What happened to a row, by its name in the view `changes`.
OPS: Final = {"insert": INSERT, "update": UPDATE, "tombstone": TOMBSTONE}

#: Random bits of a mark: never negative in a signed column of 64 bits.
MARK_BITS: Final = 63
_DIGITS: Final = frozenset("0123456789")
_HEX: Final = _DIGITS | frozenset("abcdef")
_MARK_DIGITS: Final = 16
_MOST: Final = (1 << 63) - 1


def op_of(before: object, now: object) -> int | None:
    """Return what happened to a row between two commits; None if no view shows a difference.

    `before`, `now`: what views show of the row; None: nothing, it does not exist or is a tombstone.
    """
    if before == now:
        return None
    if before is None:
        return INSERT
    return TOMBSTONE if now is None else UPDATE


def numbered(entries: Iterable[T], last: int) -> Iterator[tuple[int, T]]:
    """Number entries: without gaps, from the one after `last`."""
    return enumerate(entries, last + 1)


class Cursor(NamedTuple):
    """A consumer's position in a feed: the last entry that it has dealt with."""

    seq: int
    """Number of the entry; 0: none, the feed is read from its beginning."""
    mark: int | None = None
    """The entry's mark; None: the consumer kept the number only."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse `SEQ-MARK`, as the column `cursor` has it, or a bare number; None: neither."""
        number, dash, digits = text.partition("-")
        if not number or not _DIGITS.issuperset(number) or len(number) > len(str(_MOST)):
            return None
        seq = int(number)
        if seq > _MOST or (dash and (len(digits) != _MARK_DIGITS or not _HEX.issuperset(digits))):
            return None
        return cls(seq, int(digits, 16) if dash and seq else None)

    def __str__(self) -> str:
        """Format as `SEQ-MARK`, the mark in 16 hexadecimal digits, or as a bare number."""
        return str(self.seq) if self.mark is None else f"{self.seq}-{self.mark:016x}"


START: Final = Cursor(0)


class FeedState(NamedTuple):
    """State of a feed: how far it reaches, and what is known of other time lines."""

    last: int
    """Number of the newest entry; 0: there is none."""
    pruned: int
    """Entries up to this number were removed by retention, but for lifecycle events."""
    rewound_after: int = 0
    """The newest entry that all known time lines share."""
    rewound_upto: int = 0
    """Entries from `rewound_after` + 1 to this one were given in a lost time line, too; 0: none."""

    def rewound(self, after: int, upto: int) -> FeedState:
        """Return the state with one more time line that was lost after entry `after`."""
        known = self.rewound_after if self.rewound_upto else after
        return self._replace(
            rewound_after=min(known, after), rewound_upto=max(self.rewound_upto, upto)
        )


Verdict = Literal["held", "pruned", "foreign", "rewound"]
"""Result of checking a cursor.

held: every entry after it is there. pruned: retention deleted some of those. foreign: the database
does not have the cursor's entry: it was restored from a backup, or is another one. rewound: a bare
number that was assigned in two time lines.
"""


def verdict(
    cursor: Cursor, state: FeedState, mark: int | None, *, only_events: bool = False
) -> Verdict:
    """Check whether a consumer can continue from its cursor.

    `mark`: that of the entry numbered `cursor.seq` in this database; None if it has none.
    `only_events`: no other entries are wanted; lifecycle events are never pruned.
    """
    if cursor.seq > state.last:
        return "foreign"
    if cursor.mark is not None and cursor.mark != mark:
        # The mark of a pruned entry may be deleted with it.
        return "pruned" if cursor.seq < state.pruned and not only_events else "foreign"
    if cursor.mark is None and state.rewound_after < cursor.seq <= state.rewound_upto:
        return "rewound"
    return "pruned" if cursor.seq < state.pruned and not only_events else "held"


class Newest(NamedTuple):
    """The newest entry of a feed that its writer knows."""

    feed_id: bytes
    """Id of the feed; empty: none is known."""
    cursor: Cursor


UNKNOWN: Final = Newest(b"", START)


def rewound(
    known: Cursor, state: FeedState, mark: int | None, *, same_feed: bool = True
) -> FeedState | None:
    """Return the state of a feed that has lost entries; None: it has all that it had.

    `known`: the newest entry that its writer knows of; `mark`: of the entry numbered `known.seq`
    now. Where the feed ends before `known`, its end is the last entry of both time lines. Where it
    has grown past it since, or is another feed, they may share none.
    """
    if verdict(known, state, mark) != "foreign":
        return None
    after = state.last if same_feed and state.last < known.seq else 0
    return state.rewound(after, known.seq)
