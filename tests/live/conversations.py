"""Voice sessions with Codex: what is said, handed over, broken off."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from tests.live.capabilities import can
from tests.live.codex import Silent
from tests.live.model import Json
from tests.live.operations import operation
from tests.live.stage import Stage, Thread
from tests.live.voice import Protocol, Said

_PROTOCOLS: Final[tuple[Protocol, ...]] = ("v1", "v2")
#: Within which Codex begins the turn for what was left to be said.
_TAIL_SECONDS: Final = 3
_ENDS: Final = ("stop", "stop", "lost", "kill")


def _speaks(stage: Stage, thread: Thread) -> bool:
    able = stage.voice is not None and can(stage.home.release, "voice sessions")
    return able and not thread.archived


@operation(2, _speaks)
def _speak(stage: Stage, thread: Thread) -> None:
    """Speak, hand something over, speak on, and end it in one of the ways that there are."""
    assert stage.voice is not None
    stage.open(thread)
    protocol = stage.dice.choice(_PROTOCOLS)
    flush = stage.dice.random() < 0.5
    codex, since = stage.codex, stage.codex.mark()
    codex.call(
        "thread/realtime/start", threadId=thread.id, transport={"type": "websocket"},
        outputModality="audio", prompt="speak", version=protocol,
        flushTranscriptTailOnSessionEnd=flush,
    )  # fmt: skip
    codex.wait("thread/realtime/started", _of(thread), since=since)
    _say(stage, thread, protocol, ("user", "one  two "), ("assistant", "Größe 世界"))
    if stage.dice.random() < 0.7:
        since = codex.mark()
        stage.voice.say(protocol, ("handoff", stage.cue("run")[1]))
        thread.turns.append(codex.ended(thread.id, since=since)["id"])
    tail = stage.dice.random() < 0.7
    if tail:
        _say(stage, thread, protocol, ("user", stage.cue("say")[1]), ("assistant", "well"))
    end = stage.dice.choice(_ENDS)
    if end == "kill":
        stage.restart(kill=True)
        stage.turn(thread, "say")
        return
    since = codex.mark()
    if end == "lost":
        stage.voice.say(protocol, ("lost", ""))
    else:
        codex.call("thread/realtime/stop", threadId=thread.id)
    codex.wait("thread/realtime/closed", _of(thread), since=since)
    if not (flush and tail):
        return
    with contextlib.suppress(Silent):  # not where the connection was lost in some releases
        codex.wait("turn/started", _of(thread), since=since, seconds=_TAIL_SECONDS)
        thread.turns.append(codex.ended(thread.id, since=since)["id"])


def _say(stage: Stage, thread: Thread, protocol: Protocol, *said: Said) -> None:
    """Say it, and wait until Codex has heard the last of it."""
    assert stage.voice is not None
    codex = stage.codex
    since = codex.mark()
    stage.voice.say(protocol, *said)

    def heard(note: Json) -> bool:
        return _of(thread)(note) and note["delta"] == said[-1][1]

    codex.wait("thread/realtime/transcript/delta", heard, since=since)


def _of(thread: Thread) -> Callable[[Json], bool]:
    return lambda note: note["threadId"] == thread.id
