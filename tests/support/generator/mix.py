"""What rollouts are mixed of: how often records of each kind come, how long they are."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, NamedTuple

from tests.support.generator.words import Texts

KB: Final = 1_000
MB: Final = 1_000_000
GB: Final = 1_000_000_000

History = Literal["paginated", "legacy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How often records of each kind come, and how long their texts are (bytes, on average)."""

    steps: tuple[int, int] = (4, 20)
    """Calls of a tool in a turn: at least, at most."""
    reasons: float = 0.47
    """Share of steps whose reasoning has a summary, and so is an item."""
    comments: float = 0.16
    """Share of steps that begin with a word to the user."""
    world_every: int = 5
    """Turns between two `world_state` records."""
    compacted_every: int = 0
    """Turns between two `compacted` records; 0: none."""
    compacted_bytes: int = 400 * KB
    images_every: int = 0
    """Turns between two pictures that the user sends; 0: none."""
    image_bytes: int = 300 * KB
    said: int = 360
    reasoned: int = 260
    encrypted: int = 760
    output: int = 1_055
    base_instructions: int = 3_000
    extended: bool = False
    """Legacy only: with the events of commands, as releases 0.102 to 0.136 could write them."""


TYPICAL: Final = Mix()
#: Conversations of one question: for homes of thousands of files.
SMALL: Final = Mix(steps=(0, 2), base_instructions=400, encrypted=200, output=200, said=120)
#: As many items as can be in few bytes: for long threads.
LEAN: Final = Mix(
    steps=(10, 20), reasons=1, comments=1, said=60, reasoned=60, encrypted=20, output=60
)
#: With the records of several MB that a long conversation has, which no row comes from.
GIANTS: Final = Mix(compacted_every=40)
#: Many and short records: turns of a few calls with hardly any text.
SHORT: Final = Mix(
    steps=(2, 8), base_instructions=400, said=60, reasoned=60, encrypted=60, output=80
)
#: Large outputs, pictures, and compactions of many MB.
BULKY: Final = Mix(
    steps=(2, 10),
    output=20 * KB,
    compacted_every=60,
    compacted_bytes=12 * MB,
    images_every=8,
)
#: In the proportions of a session of Codex 0.169: short turns, one or two calls in each, a count
#: of tokens for each response, little reasoning, outputs of a few lines.
SESSION: Final = Mix(
    steps=(0, 4),
    reasons=0.17,
    comments=0.05,
    world_every=4,
    said=180,
    reasoned=60,
    encrypted=220,
    output=240,
    base_instructions=400,
)
#: By the names that the generator's option `--mix` takes.
MIXES: Final[dict[str, Mix]] = {
    "typical": TYPICAL,
    "small": SMALL,
    "lean": LEAN,
    "compacted": GIANTS,
    "short": SHORT,
    "bulky": BULKY,
    "session": SESSION,
}


class Vocabulary(NamedTuple):
    """Texts of each kind."""

    said: Texts
    reasoned: Texts
    encrypted: Texts
    output: Texts
    short: Texts


_WRITTEN: dict[Mix, Vocabulary] = {}


def vocabulary(mix: Mix) -> Vocabulary:
    """Give the texts of a mix: written once, the same for every seed."""
    if mix not in _WRITTEN:
        random = Random("words")
        _WRITTEN[mix] = Vocabulary(
            said=Texts(random, mix.said, lines=True),
            reasoned=Texts(random, mix.reasoned, lines=True),
            encrypted=Texts(random, mix.encrypted),
            output=Texts(random, mix.output, lines=True),
            short=Texts(random, 40),
        )
    return _WRITTEN[mix]
