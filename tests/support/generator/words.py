"""The words of generated rollouts: texts of many lengths, ready to stand inside a JSON string.

Our own vocabulary and no one's conversation. Everything follows from the seed.
"""

from __future__ import annotations

from random import Random
from typing import Final

_WORDS: Final = (
    "anchor", "ballast", "bearing", "bilge", "bollard", "bowline", "bridge", "buoy", "cabin",
    "cable", "capstan", "cargo", "chart", "coast", "compass", "course", "crew", "current", "deck",
    "depth", "dock", "draft", "drift", "ebb", "fathom", "ferry", "fleet", "fog", "galley",
    "gauge", "harbour", "haul", "heading", "helm", "hull", "jetty", "keel", "knot", "ladder",
    "lantern", "latitude", "ledger", "lighthouse", "lock", "log", "longitude", "mast", "moor",
    "north", "oar", "passage", "pier", "pilot", "port", "quay", "reef", "rigging", "rope",
    "rudder", "sail", "sandbank", "shallow", "shore", "signal", "sound", "spar", "starboard",
    "stern", "storm", "strait", "tack", "tide", "tiller", "tow", "vessel", "voyage", "wake",
    "watch", "wave", "wharf", "wind", "yard",
)  # fmt: skip
#: Words that are not ASCII, or need an escape in JSON: now and then, as in life.
_SPICE: Final = (
    "Überfahrt", "café", "море", "港口", "naïve", "⚓", '\\"lee\\"', "C:\\\\chart", "a\\tb",
)  # fmt: skip
#: How many texts of one kind there are to choose from: enough that no page repeats itself.
VARIETY: Final = 257


def text(random: Random, length: int, *, lines: bool = False) -> bytes:
    r"""Write about `length` bytes of text in UTF-8, escaped for JSON; `lines`: with `\n` in it."""
    words: list[str] = []
    written = 0
    while written < length:
        word = random.choice(_SPICE) if random.random() < 0.01 else random.choice(_WORDS)
        if lines and random.random() < 0.1:
            word += "\\n"
        words.append(word)
        written += len(word) + 1
    return " ".join(words).encode()


class Texts:
    """Texts of one kind; drawing one costs an index."""

    __slots__ = ("_texts",)

    def __init__(self, random: Random, mean: int, *, lines: bool = False) -> None:
        """Write `VARIETY` texts of `mean` bytes on average, most shorter, a few many times it."""
        drawn = [min(random.lognormvariate(0, 0.9), 8.0) for _ in range(VARIETY)]
        scale = mean * VARIETY / sum(drawn)
        self._texts = [text(random, max(int(scale * one), 8), lines=lines) for one in drawn]

    def draw(self, random: Random) -> bytes:
        """Give one of them."""
        return self._texts[int(random.random() * VARIETY)]
