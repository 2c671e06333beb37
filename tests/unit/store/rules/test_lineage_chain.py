"""The chain of a thread's parts and the positions along it, without a database."""

from __future__ import annotations

import pytest

from projector.model.ids import RolloutId, ThreadId
from projector.store.rules import lineage
from projector.store.rules.lineage import EVERYTHING, MAX_ORDINAL, MAX_PARTS, OFFSET_BITS, Link


def links(told: str) -> dict[RolloutId, Link]:
    """Make rollouts: `b<a` has base a, `b<<a` is attached to it, `c:b<b` is of thread b.

    Each base is cut at byte 300, ordinal 3.
    """
    made = {}
    for number, one in enumerate(told.split()):
        who, _, base = one.replace("<<", "<").partition("<")
        name, _, thread = who.partition(":")
        made[RolloutId(name)] = Link(
            rollout=number,
            rollout_id=RolloutId(name),
            thread_id=ThreadId(thread or name),
            base_id=RolloutId(base) if base else None,
            end_ordinal=3 if base else 0,
            end_offset=300 if base else 0,
            attached="<<" in one,
        )
    return made


# fmt: off
CHAINS = [
    # the last rollout is               all of them          parts   end
    ("one alone",                       "a",                 "a",    "whole"),
    ("a fork",                          "a b<a",             "ab",   "whole"),
    ("a revert of a fork",              "a b<a c:b<b",       "abc",  "whole"),
    ("an attached fork: not its base",  "a b<<a",            "b",    "whole"),
    ("an attached fork's revert",       "a b<<a c:b<<b",     "bc",   "whole"),
    ("a fork of what is not here",      "b<a",               "b",    "missing"),
    ("attached to what is not here",    "b<<a",              "b",    "whole"),
    ("an attached revert of the like",  "c:b<<b",            "c",    "missing"),
    ("its own base",                    "a<a",               "a",    "cycle"),
    ("one of a cycle of two",           "a<b b<a",           "b",    "cycle"),
    ("a fork of a cycle",               "a<b b<a c<b",       "bc",   "cycle"),
    ("on a cycle behind an attachment", "a<b b<<a",          "b",    "cycle"),
]
# fmt: on


@pytest.mark.parametrize(
    ("told", "parts", "end"), [pytest.param(*case[1:], id=case[0]) for case in CHAINS]
)
def test_chain(told: str, parts: str, end: str) -> None:
    """From the last rollout back; oldest first."""
    known = links(told)

    found = lineage.chain(list(known.values())[-1], known.get)

    assert "".join(part.link.rollout_id for part in found.parts) == parts
    assert found.end == end
    assert [part.upto for part in found.parts] == [300] * (len(parts) - 1) + [None]


def test_no_chain_is_deeper_than_the_bound() -> None:
    many = MAX_PARTS + 5
    known = links("0 " + " ".join(f"{n}<{n - 1}" for n in range(1, many)))

    found = lineage.chain(list(known.values())[-1], known.get)

    assert (len(found.parts), found.end) == (MAX_PARTS, "deep")
    assert found.parts[-1].upto is None


def test_the_greatest_id_on_disk_is_current_else_the_greatest() -> None:
    a, b, c = (RolloutId(name) for name in "abc")

    def current(*told: tuple[bool, bool, RolloutId]) -> RolloutId:
        return lineage.current(map(lineage.Candidate._make, told))

    assert current((True, True, a), (True, True, b), (False, True, c)) == b
    assert current((False, True, b), (False, True, a)) == b
    assert current((True, True, a), (True, False, b)) == a  # b: a stray file
    assert current((False, True, a), (True, False, b)) == b
    assert current((True, False, a), (True, False, b)) == b


BASE = 2 << OFFSET_BITS

# fmt: off
STARTS = [
    # what is known                           ordinal  offset base  start
    ("no base",                               0,       0,     None, 0),
    ("a base that is not here",               7,       900,   None, 7 << OFFSET_BITS),
    ("a base that is",                        7,       900,   BASE, 7 << OFFSET_BITS),
    ("an ordinal that fell back",             1,       900,   BASE, BASE + 900),
    ("an ordinal below zero",                 -4,      0,     None, 0),
    ("an ordinal too large for a position",   1 << 62, 0,     None, MAX_ORDINAL << OFFSET_BITS),
]
# fmt: on


@pytest.mark.parametrize(
    ("ordinal", "offset", "base_start", "start"),
    [pytest.param(*case[1:], id=case[0]) for case in STARTS],
)
def test_start(ordinal: int, offset: int, base_start: int | None, start: int) -> None:
    """Behind all that is inherited, and from the rollout's own header wherever that can be."""
    assert lineage.start(ordinal, offset, base_start) == start


def test_positions_of_the_longest_chain_stay_below_everything() -> None:
    largest = 1 << OFFSET_BITS
    start = None
    for _ in range(MAX_PARTS):
        start = lineage.start(1 << 62, largest, start)

    assert start is not None
    assert start + largest < EVERYTHING
