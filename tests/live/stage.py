"""What a session knows while it goes on: Codex, the model, the threads, what may be done to them.

The director's own book, kept without looking into any rollout or database, so that a mistake of
the projector cannot hide in it.
"""

from __future__ import annotations

import base64
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.live.codex import Codex, Home
from tests.live.model import Json, Model
from tests.live.plays import PIXEL, prose
from tests.live.rollouts import rollout_id
from tests.live.voice import Voice

#: A tool that the client offers; Codex calls back to have it run.
ERRAND: Final[Json] = {
    "type": "function",
    "name": "errand",
    "description": "Runs an errand.",
    "inputSchema": {"type": "object", "properties": {"what": {"type": "string"}}},
}


@dataclass(slots=True, kw_only=True)
class Thread:
    """A thread as its user sees it."""

    id: str
    mode: Literal["paginated", "legacy"]
    turns: list[str] = field(default_factory=list)
    """Turns of the visible history that the user began, oldest first."""
    endless: set[str] = field(default_factory=set)
    """Those of them that have no end of their own here: killed, or forked while they ran."""
    loaded: bool = True
    """This Codex process holds it open."""
    archived: bool = False
    base: bool = False
    """Something was forked from it: Codex refuses to delete it."""
    errands: bool = False
    """It was started with the tool of the client."""


class Stage:
    """One session: what there is, and the steps that every operation is made of."""

    def __init__(
        self, home: Home, model: Model, dice: random.Random, voice: Voice | None = None
    ) -> None:
        self.home = home
        self.model = model
        self.dice = dice
        self.voice = voice
        self.threads: list[Thread] = []
        self.deleted: list[Thread] = []
        self.done: Counter[str] = Counter()
        """How often each operation and play was."""
        self._cues = 0
        _furnish(home)
        self.codex = Codex(home)

    @property
    def agents_v2(self) -> bool:
        """Whether this session's Codex has the second form of agents."""
        return bool(self.home.features.get("multi_agent_v2"))

    def cue(self, play: str) -> tuple[int, str]:
        """Write a message that has this play performed: its number, and the text."""
        self._cues += 1
        self.done[f"play:{play}"] += 1
        number = self._cues
        return number, f"{prose(random.Random(f'user:{number}'))} [play {play} {number}]"

    def aside(self) -> str:
        """Write a message that is said in between."""
        self._cues += 1
        return f"{prose(random.Random(f'aside:{self._cues}'), 4)} [play aside {self._cues}]"

    def open(self, thread: Thread) -> None:
        """Have the thread loaded by this Codex process."""
        if not thread.loaded:
            self.codex.call("thread/resume", threadId=thread.id, excludeTurns=True)
            thread.loaded = True

    def turn(self, thread: Thread, play: str, **params: object) -> Json:
        """Take a whole turn."""
        self.open(thread)
        _, text = self.cue(play)
        ended = self.codex.turn(thread.id, text, **params)
        thread.turns.append(ended["id"])
        return ended

    @contextmanager
    def held(self, thread: Thread, play: str = "hold") -> Iterator[str]:
        """Begin a turn that runs until the block is left; its id."""
        self.open(thread)
        number, text = self.cue(play)
        turn = self.codex.begin(thread.id, text)
        thread.turns.append(turn)
        if not self.model.wait_held(number):
            raise AssertionError(f"the model was never asked for {text}")
        try:
            yield turn
        finally:
            self.model.release(number)

    def restart(self, *, kill: bool = False) -> None:
        """End Codex, in good order or not, and start another."""
        self.end(kill=kill)
        self.codex = Codex(self.home)

    def end(self, *, kill: bool = False) -> None:
        """End Codex."""
        if kill:
            self.codex.kill()
        else:
            self.codex.close()
        written = {rollout_id(path) for path in self.home.rollouts()}
        # Of a thread in which nothing was said there is no file: it ends with its process.
        self.threads = [thread for thread in self.threads if thread.id in written]
        for thread in self.threads:
            thread.loaded = False


def _furnish(home: Home) -> None:
    """Put into the workspace what the plays speak of."""
    home.write()
    work = home.workspace
    (work / "parts").mkdir(exist_ok=True)
    (work / "story.txt").write_text("once\nupon\na time\n")
    (work / "two words.txt").write_text("two\nwords\n")
    (work / "parts" / "one.txt").write_text("chapter one\n")
    (work / "pixel.png").write_bytes(base64.b64decode(PIXEL))
