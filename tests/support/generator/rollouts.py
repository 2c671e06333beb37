"""Rollouts of any size and mix, made up from a seed: the same seed, the same bytes.

From tests:

    rollout = Rollout(seed=7)                        # paginated; history="legacy" for the other
    path = rollout.write(home, size=100 * MB)        # into home/sessions/YYYY/MM/DD/
    path.open("ab").writelines(rollout.turn())       # it goes on as long as it is asked
    write_home(home, rollouts=40, size=1000 * MB)    # many, over many day folders

As a command (see `--help`):

    python -m tests.support.generator.rollouts HOME --size 100MB
    python -m tests.support.generator.rollouts HOME --rollouts 5000 --small
    python -m tests.support.generator.rollouts HOME --size 2GB --history legacy
    python -m tests.support.generator.rollouts HOME --giant 100MB        # one item, one line
    python -m tests.support.generator.rollouts HOME --size 90MB --chain 20  # 19 reverts of a thread

    python -m tests.support.generator.rollouts HOME --size 100MB --mix bulky  # `mix.py` has more

The typical mix is that of real work: 94,000 records in 100 MB, 22,400 of them completed items, the
rest what passes between Codex and the model, token counts and the frame of turns. Ids look like
UUIDv7, ordinals count on through bases. The real Codex projects them without a complaint.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.generator.lines import EPOCH_MS, HOUR_MS
from tests.support.generator.mix import (
    GB,
    GIANTS,
    KB,
    LEAN,
    MB,
    MIXES,
    SMALL,
    TYPICAL,
    History,
    Mix,
)
from tests.support.generator.rollout import Cut, Rollout

__all__ = [
    "GB",
    "GIANTS",
    "KB",
    "LEAN",
    "MB",
    "MIXES",
    "SMALL",
    "TYPICAL",
    "Cut",
    "History",
    "Mix",
    "Rollout",
    "conversations",
    "parse_size",
    "write_chain",
    "write_home",
]


def conversations(
    count: int, *, seed: int | str = 0, history: History = "paginated", mix: Mix = TYPICAL
) -> Iterator[Rollout]:
    """Begin `count` conversations, some hours apart: a few dozen of them in each day's folder."""
    apart = HOUR_MS // 60 if count > 1_000 else HOUR_MS * 5
    for number in range(count):
        yield Rollout(
            f"{seed}/{number}", history=history, mix=mix, started_ms=EPOCH_MS + number * apart
        )


def write_home(
    home: Path,
    *,
    rollouts: int = 1,
    size: int = 0,
    seed: int | str = 0,
    history: History = "paginated",
    items: int = 0,
    forks: int = 0,
    mix: Mix = TYPICAL,
) -> list[Rollout]:
    """Write `rollouts` of `size` bytes and `items` items in all; 0: one turn each.

    The last `forks` of them continue the first ones, each from the middle of it.
    """
    made: list[Rollout] = []
    cuts: list[Cut] = []
    for rollout in conversations(rollouts, seed=seed, history=history, mix=mix):
        number = len(made) - (rollouts - forks)
        one = rollout.forked(cuts[number]) if number >= 0 else rollout
        if len(made) < forks:
            one.write(home, size=size // rollouts // 2, items=items // rollouts // 2)
            cuts.append(one.cut())
        one.write(home, size=size // rollouts, items=items // rollouts)
        made.append(one)
    return made


def write_chain(
    home: Path,
    *,
    length: int,
    size: int = 0,
    items: int = 0,
    seed: int | str = 0,
    mix: Mix = TYPICAL,
) -> list[Rollout]:
    """Write a thread of `length` rollouts: each reverts the last turn of the one before it.

    `size` and `items` are those of all together, reverted ones included.
    """
    rollout = Rollout(seed, mix=mix)
    made = []
    while True:
        rollout.write(home, size=size // length, items=items // length)
        made.append(rollout)
        if len(made) == length:
            return made
        cut = rollout.cut()
        rollout.write(home, turns=rollout.turns + 1)
        rollout = rollout.reverted(cut)


def parse_size(written: str) -> int:
    """Read `100MB`, `2GB`, `64KB` or a number of bytes.

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(r"(\d+)(B|KB|MB|GB)?", written, re.IGNORECASE)
    if found is None:
        raise ValueError(f"{written!r}: write a size as 100MB or 2GB")
    unit = {"B": 1, "KB": KB, "MB": MB, "GB": GB}[(found[2] or "B").upper()]
    return int(found[1]) * unit


def main() -> None:
    """Write a home, and tell on standard error what is in it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.generator.rollouts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("home", type=Path, help="CODEX_HOME to write into")
    parser.add_argument("--rollouts", type=int, default=1, metavar="N")
    parser.add_argument("--size", type=parse_size, default=0, help="of all together")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--history", choices=("paginated", "legacy"), default="paginated")
    parser.add_argument("--small", action="store_true", help="turns of few and short records")
    parser.add_argument("--compacted", action="store_true", help="with compacted giants")
    parser.add_argument("--extended", action="store_true", help="legacy: events of commands too")
    parser.add_argument("--giant", type=parse_size, default=0, help="end with an item so long")
    parser.add_argument("--lean", action="store_true", help="short texts, many items")
    parser.add_argument("--mix", choices=MIXES, default="typical", help="what they hold")
    parser.add_argument("--items", type=int, default=0, metavar="N", help="in all, at least")
    parser.add_argument("--chain", type=int, default=0, metavar="N", help="one thread, N rollouts")
    parser.add_argument("--forks", type=int, default=0, metavar="N", help="so many are forks")
    parser.add_argument("--json", action="store_true", help="tell of each rollout, as JSON")
    given = parser.parse_args()
    mix = dataclasses.replace(
        SMALL
        if given.small
        else LEAN
        if given.lean
        else GIANTS
        if given.compacted
        else MIXES[given.mix],
        extended=given.extended,
    )
    began = time.monotonic()
    if given.chain:
        made = write_chain(
            given.home,
            length=given.chain,
            size=given.size,
            items=given.items,
            seed=given.seed,
            mix=mix,
        )
    else:
        made = write_home(
            given.home,
            rollouts=given.rollouts,
            size=given.size,
            items=given.items,
            seed=given.seed,
            history=given.history,
            forks=given.forks,
            mix=mix,
        )
    if given.giant:
        with (given.home / made[-1].path).open("ab") as file:
            file.write(made[-1].giant(given.giant))
    if given.json:
        sys.stdout.write(json.dumps([rollout.told() for rollout in made]))
        return
    size = sum(rollout.offset for rollout in made)
    sys.stderr.write(
        f"{len(made)} rollouts, {size / MB:,.1f} MB, {sum(one.records for one in made):,} records,"
        f" {sum(one.items for one in made):,} items in {time.monotonic() - began:.1f} s\n"
    )


if __name__ == "__main__":
    main()
