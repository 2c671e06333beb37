"""All that a user can do to Codex which leaves its mark on a rollout, one function each.

An operation says what it may be done to (`on`) and how often it is drawn (`weight`). When it
returns, the threads are at rest again, but for commands that outlive their turn.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.live.capabilities import can
from tests.live.codex import Codex, Refused, Silent
from tests.live.model import Json
from tests.live.plays import PIXEL
from tests.live.rollouts import rollout_id
from tests.live.stage import ERRAND, Stage, Thread

_DAY_SECONDS: Final = 86_400
#: Codex compresses what was not written to for this long.
_COMPRESS_AFTER_DAYS: Final = 7

Act = Callable[[Stage, Thread], None]
Where = Callable[[Stage, Thread], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something that a user does."""

    name: str
    weight: int
    on: Where
    act: Act


OPERATIONS: Final[list[Operation]] = []


def operation(weight: int, on: Where) -> Callable[[Act], Act]:
    """Make a function an operation, drawn by its weight where `on` says that it may be done."""

    def register(act: Act) -> Act:
        name = act.__name__.lstrip("_").replace("_", "-")
        OPERATIONS.append(Operation(name=name, weight=weight, on=on, act=act))
        return act

    return register


# --- where it may be done ---


def _awake(_stage: Stage, thread: Thread) -> bool:
    return not thread.archived


def _paginated(_stage: Stage, thread: Thread) -> bool:
    return not thread.archived and thread.mode == "paginated"


def _attachable(stage: Stage, thread: Thread) -> bool:
    own = can(stage.home.release, "attached threads that show only what is theirs")
    return own and _has_turns(stage, thread)


def _has_turns(stage: Stage, thread: Thread) -> bool:
    return _paginated(stage, thread) and bool(thread.turns)


def _has_ended_turns(stage: Stage, thread: Thread) -> bool:
    return _paginated(stage, thread) and any(turn not in thread.endless for turn in thread.turns)


def _has_spoken(_stage: Stage, thread: Thread) -> bool:
    return not thread.archived and bool(thread.turns)


def _archived(_stage: Stage, thread: Thread) -> bool:
    return thread.archived


def _closed(stage: Stage, thread: Thread) -> bool:
    return _has_spoken(stage, thread) and not thread.loaded


def _deletable(stage: Stage, thread: Thread) -> bool:
    return _has_spoken(stage, thread) and not thread.base and len(stage.threads) > 2


def _with_errands(_stage: Stage, thread: Thread) -> bool:
    return not thread.archived and thread.errands


# --- turns ---

_PLAYS: Final = (
    "say", "say", "think", "run", "run", "run", "patch", "patch", "spoil", "search", "paint",
    "view", "tools", "tools", "several", "talk", "linger", "fail", "cut", "refuse", "break",
    "empty", "unknown", "cite", "loud",
)  # fmt: skip


#: Turns that need nothing but their message.
PLAIN: Final = tuple(sorted(set(_PLAYS)))


@operation(24, _awake)
def _take_a_turn(stage: Stage, thread: Thread) -> None:
    stage.turn(thread, stage.dice.choice(_PLAYS))


@operation(2, _with_errands)
def _send_on_an_errand(stage: Stage, thread: Thread) -> None:
    stage.turn(thread, "errand")


@operation(2, _awake)
def _use_agents(stage: Stage, thread: Thread) -> None:
    stage.turn(thread, "team" if stage.agents_v2 else "agents")


@operation(2, _awake)
def _plan(stage: Stage, thread: Thread) -> None:
    settings = {"model": "played", "reasoning_effort": None, "developer_instructions": None}
    stage.turn(thread, "plan", collaborationMode={"mode": "plan", "settings": settings})
    stage.turn(thread, "say", collaborationMode={"mode": "default", "settings": settings})


@operation(2, _awake)
def _show_pictures(stage: Stage, thread: Thread) -> None:
    work = stage.home.workspace
    shown: list[Json] = [
        {"type": "image", "url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
        {"type": "localImage", "path": str(work / "pixel.png")},
        {"type": "mention", "name": "Ünder", "path": "app://under"},
        {"type": "skill", "name": "story", "path": str(work / "story.txt")},
    ]
    some = stage.dice.sample(shown, stage.dice.randint(1, 4))
    stage.turn(thread, "say", more=some, clientUserMessageId=f"client-{len(thread.turns)}")


@operation(1, _has_spoken)
def _hand_in_an_output(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    since = stage.codex.mark()
    output = {"name": "lookup", "namespace": None, "output": "found 世界"}
    turn = stage.codex.call("turn/start", threadId=thread.id, input=[], toolOutput=output)["turn"]
    stage.codex.ended(thread.id, turn["id"], since=since)


@operation(3, _awake)
def _interrupt_the_model(stage: Stage, thread: Thread) -> None:
    with stage.held(thread, stage.dice.choice(("hold", "hold-at-once"))) as turn:
        _interrupt(stage, thread, turn)


@operation(2, _awake)
def _interrupt_a_command(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    since = stage.codex.mark()
    turn = stage.codex.begin(thread.id, stage.cue("sleep")[1])
    thread.turns.append(turn)
    _command_begun(stage, thread, since)
    _interrupt(stage, thread, turn)


def _interrupt(stage: Stage, thread: Thread, turn: str) -> None:
    since = stage.codex.mark()
    stage.codex.call("turn/interrupt", threadId=thread.id, turnId=turn)
    stage.codex.ended(thread.id, turn, since=since)


def _command_begun(stage: Stage, thread: Thread, since: int) -> None:
    stage.codex.wait(
        "item/started",
        lambda note: note["threadId"] == thread.id and note["item"]["type"] == "commandExecution",
        since=since,
    )


@operation(3, _awake)
def _steer(stage: Stage, thread: Thread) -> None:
    since = stage.codex.mark()
    with stage.held(thread) as turn:
        for _ in range(stage.dice.randint(1, 2)):
            said = [{"type": "text", "text": stage.aside()}]
            stage.codex.call("turn/steer", threadId=thread.id, expectedTurnId=turn, input=said)
    stage.codex.ended(thread.id, turn, since=since)


@operation(2, _awake)
def _work_on_two_threads(stage: Stage, thread: Thread) -> None:
    others = [other for other in stage.threads if other is not thread and not other.archived]
    if not others:
        stage.turn(thread, "run")
        return
    other = stage.dice.choice(others)
    since = stage.codex.mark()
    with stage.held(thread) as turn:
        stage.turn(other, stage.dice.choice(("run", "patch", "think")))
    stage.codex.ended(thread.id, turn, since=since)


@operation(2, _awake)
def _run_a_command_of_the_user(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    since = stage.codex.mark()
    command = stage.dice.choice(("echo 'hi  there'; exit 4", "cat story.txt", "ls parts"))
    stage.codex.call("thread/shellCommand", threadId=thread.id, command=command)
    ran = _user_command_ended(stage, thread, since)
    # Codex runs it in a turn of its own; but in the turn before, if that is told to have ended
    # and has not left the stage yet (seen under load). Then there is no further end to wait for.
    began = stage.codex.notes("turn/started", since)
    if any(note["turn"]["id"] == ran["turnId"] for note in began):
        stage.codex.ended(thread.id, ran["turnId"], since=since)


@operation(1, _awake)
def _run_a_command_in_a_turn(stage: Stage, thread: Thread) -> None:
    since = stage.codex.mark()
    with stage.held(thread) as turn:
        stage.codex.call("thread/shellCommand", threadId=thread.id, command="echo amid")
        _user_command_ended(stage, thread, since)
    stage.codex.ended(thread.id, turn, since=since)


def _user_command_ended(stage: Stage, thread: Thread, since: int) -> Json:
    return stage.codex.wait(
        "item/completed",
        lambda note: note["threadId"] == thread.id and note["item"].get("source") == "userShell",
        since=since,
    )


@operation(2, _has_spoken)
def _review(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    since = stage.codex.mark()
    target = {"type": "custom", "instructions": stage.cue("review")[1]}
    stage.codex.call("review/start", threadId=thread.id, target=target)
    stage.codex.ended(thread.id, since=since)


@operation(2, _has_spoken)
def _compact(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    since = stage.codex.mark()
    stage.codex.call("thread/compact/start", threadId=thread.id)
    stage.codex.ended(thread.id, since=since)


# --- threads ---


@operation(4, lambda stage, _thread: len(stage.threads) < 12)
def _start(stage: Stage, _thread: Thread) -> None:
    start(stage, "paginated")


@operation(1, lambda stage, _thread: len(stage.threads) < 12)
def _start_legacy(stage: Stage, _thread: Thread) -> None:
    stage.turn(start(stage, "legacy"), "run")


def start(stage: Stage, mode: str) -> Thread:
    """Start a thread of this mode; nothing is on disk before its first turn."""
    errands = stage.dice.random() < 0.5
    tools = [ERRAND] if errands else None
    made = stage.codex.start(mode, stage.home.workspace, dynamicTools=tools)
    kind = "legacy" if mode == "legacy" else "paginated"
    thread = Thread(id=made, mode=kind, errands=errands)  # type: ignore[arg-type]
    stage.threads.append(thread)
    return thread


@operation(2, _has_spoken)
def _fork(stage: Stage, thread: Thread) -> None:
    _forked(stage, thread, list(thread.turns))


@operation(2, _has_ended_turns)
def _fork_after_a_turn(stage: Stage, thread: Thread) -> None:
    turn = stage.dice.choice([turn for turn in thread.turns if turn not in thread.endless])
    kept = thread.turns[: thread.turns.index(turn) + 1]
    _forked(stage, thread, kept, lastTurnId=turn)


@operation(2, _has_turns)
def _fork_before_a_turn(stage: Stage, thread: Thread) -> None:
    turn = stage.dice.choice(thread.turns)
    kept = thread.turns[: thread.turns.index(turn)]
    _forked(stage, thread, kept, beforeTurnId=turn)


@operation(2, _paginated)
def _fork_a_running_turn(stage: Stage, thread: Thread) -> None:
    since = stage.codex.mark()
    with stage.held(thread) as turn:
        fork = _forked(stage, thread, list(thread.turns))
        fork.endless.add(turn)
    stage.codex.ended(thread.id, turn, since=since)


@operation(1, _attachable)
def _attach(stage: Stage, thread: Thread) -> None:
    attached = _forked(stage, thread, [], attachToSource=True)
    stage.turn(attached, "run")


def _forked(stage: Stage, thread: Thread, turns: list[str], **params: object) -> Thread:
    stage.open(thread)
    made = stage.codex.call("thread/fork", threadId=thread.id, excludeTurns=True, **params)
    thread.base = True
    fork = Thread(
        id=made["thread"]["id"], mode=thread.mode, turns=turns, endless=set(thread.endless),
        errands=thread.errands,
    )  # fmt: skip
    stage.threads.append(fork)
    return fork


@operation(3, _has_turns)
def _revert(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    turn = stage.dice.choice(thread.turns)
    stage.codex.call("thread/revert", threadId=thread.id, beforeTurnId=turn)
    del thread.turns[thread.turns.index(turn) :]


@operation(1, _has_turns)
def _revert_a_running_turn(stage: Stage, thread: Thread) -> None:
    since = stage.codex.mark()
    with stage.held(thread) as running:
        turn = stage.dice.choice(thread.turns)
        stage.codex.call("thread/revert", threadId=thread.id, beforeTurnId=turn)
        stage.codex.ended(thread.id, running, since=since)
    del thread.turns[thread.turns.index(turn) :]


@operation(2, _awake)
def _rename(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    name = stage.dice.choice(("Name", "Näme 世界", 'with "quotes"', "x" * 200))
    stage.codex.call("thread/name/set", threadId=thread.id, name=name)


@operation(1, _has_spoken)
def _inject(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    said = [{"type": "input_text", "text": "put in"}]
    item = {"type": "message", "role": "user", "content": said}
    stage.codex.call("thread/inject_items", threadId=thread.id, items=[item])


@operation(1, _awake)
def _change_settings(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    effort = stage.dice.choice(("low", "high"))
    stage.codex.call("thread/settings/update", threadId=thread.id, effort=effort)


@operation(1, _has_spoken)
def _set_a_goal(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    # Paused: an active goal would go on taking turns by itself.
    stage.codex.call("thread/goal/set", threadId=thread.id, objective="Größe", status="paused")


@operation(1, _has_spoken)
def _archive(stage: Stage, thread: Thread) -> None:
    stage.codex.call("thread/archive", threadId=thread.id)
    thread.archived = True
    thread.loaded = False


@operation(4, _archived)
def _unarchive(stage: Stage, thread: Thread) -> None:
    stage.codex.call("thread/unarchive", threadId=thread.id)
    thread.archived = False


@operation(1, _deletable)
def _delete(stage: Stage, thread: Thread) -> None:
    stage.codex.call("thread/delete", threadId=thread.id)
    stage.threads.remove(thread)
    stage.deleted.append(thread)


# --- processes ---


@operation(1, _awake)
def _restart_codex(stage: Stage, _thread: Thread) -> None:
    stage.restart()


@operation(1, _awake)
def _switch_agents(stage: Stage, _thread: Thread) -> None:
    """Start Codex anew with the other form of agents."""
    stage.end()
    features = {**stage.home.features, "multi_agent_v2": not stage.agents_v2}
    stage.home = dataclasses.replace(stage.home, features=features)
    stage.home.write()
    stage.codex = Codex(stage.home)


@operation(1, _awake)
def _kill_codex_in_a_turn(stage: Stage, thread: Thread) -> None:
    kill_in_a_turn(stage, thread, stage.dice.choice(("hold", "sleep")))


def kill_in_a_turn(stage: Stage, thread: Thread, play: str) -> None:
    """Kill Codex while the model speaks or a command runs; then go on with the thread."""
    stage.open(thread)
    since = stage.codex.mark()
    number, text = stage.cue(play)
    turn = stage.codex.begin(thread.id, text)
    thread.turns.append(turn)
    thread.endless.add(turn)
    if play == "sleep":
        _command_begun(stage, thread, since)
    else:
        stage.model.wait_held(number)
    stage.restart(kill=True)
    stage.model.release(number)
    stage.turn(thread, "run")


@operation(1, lambda _stage, _thread: True)
def _exec(stage: Stage, _thread: Thread) -> None:
    """Have `codex exec` take a turn of its own, beside the running app-server."""
    before = set(_ids(stage))
    _exec_words(stage, "--", stage.cue("run")[1])
    (made,) = set(_ids(stage)) - before
    stage.threads.append(Thread(id=made, mode="paginated", loaded=False))


@operation(2, _closed)
def _exec_resume(stage: Stage, thread: Thread) -> None:
    _exec_words(stage, "resume", "--", thread.id, stage.cue("think")[1])


def _exec_words(stage: Stage, *words: str) -> None:
    done = stage.home.command("exec", "--skip-git-repo-check", *words)
    if done.returncode != 0:
        raise Refused(f"codex exec left with {done.returncode}: {done.stderr[-500:]}")


def _ids(stage: Stage) -> list[str]:
    """Give the ids of the first rollouts on disk: `codex exec` tells its own only there."""
    return [rollout_id(path) for path in stage.home.rollouts() if "_" not in path.name]


@operation(1, _awake)
def _compress(stage: Stage, _thread: Thread) -> None:
    """Age every rollout and start a Codex that compresses the old ones."""
    stage.end()
    old = time.time() - (_COMPRESS_AFTER_DAYS + 1) * _DAY_SECONDS
    for path in stage.home.rollouts():
        os.utime(path, (old, old))
    (stage.home.home / ".tmp" / "rollout-compression.lock").unlink(missing_ok=True)
    stage.home.write(local_thread_store_compression=True)
    stage.codex = Codex(stage.home)
    _until(lambda: all(path.suffix == ".zst" for path in stage.home.rollouts()), "compressed")
    stage.home.write()


@operation(1, lambda stage, _thread: any(one.mode == "legacy" for one in stage.threads))
def _migrate(stage: Stage, _thread: Thread) -> None:
    """Have Codex rewrite its legacy threads as paginated ones, in place."""
    stage.end()
    done = stage.home.command("migrate-rollouts", "--apply", "--json")
    if done.returncode != 0:
        raise Refused(f"migrate-rollouts left with {done.returncode}: {done.stderr[-500:]}")
    for one in stage.threads:
        if one.mode == "legacy":
            one.mode = "paginated"
            one.turns.clear()  # their ids are new
    stage.codex = Codex(stage.home)


def _until(there: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        if time.monotonic() > deadline:
            raise Silent(f"not all is {what} after {seconds:g} s")
        time.sleep(0.01)
