"""A session in which tokens are easily counted that nobody used, and what the projector counts.

    python -m tests.live.spending --mode paginated --folder FOLDER

Full windows, compactions, interrupted turns, resumes, reverts, forks, agents. Must run in a network
namespace of its own (`tests.live.offline`).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from pathlib import Path
from statistics import median_low

from projector.model.prices import own_price
from projector.store.open import open_store
from tests.live import install, offline
from tests.live.codex import Home
from tests.live.compare import Report, compare_amounts, compare_cost
from tests.live.model import Model
from tests.live.operations import start
from tests.live.plays import PLAYS
from tests.live.rollouts import responses
from tests.live.stage import Stage, Thread
from tests.support.databases import SOURCE, Where, url_of
from tests.support.projecting import backfilled
from tests.support.rows import show_in_file


def _revert(stage: Stage, thread: Thread, place: int) -> None:
    stage.open(thread)
    turn = thread.turns[place]
    stage.codex.call("thread/revert", threadId=thread.id, beforeTurnId=turn)
    del thread.turns[place:]


def _interrupt(stage: Stage, thread: Thread) -> None:
    """Take a turn without a response: it repeats the last count."""
    with stage.held(thread, "hold-at-once") as turn:
        since = stage.codex.mark()
        stage.codex.call("turn/interrupt", threadId=thread.id, turnId=turn)
        stage.codex.ended(thread.id, turn, since=since)


def _compact(stage: Stage, thread: Thread) -> None:
    stage.open(thread)
    since = stage.codex.mark()
    stage.codex.call("thread/compact/start", threadId=thread.id)
    stage.codex.ended(thread.id, since=since)


def _fork(stage: Stage, thread: Thread) -> Thread:
    stage.open(thread)
    made = stage.codex.call("thread/fork", threadId=thread.id, excludeTurns=True)
    fork = Thread(id=made["thread"]["id"], mode=thread.mode, turns=list(thread.turns))
    stage.threads.append(fork)
    return fork


def spend(stage: Stage, mode: str) -> None:
    """Do what made tokens up."""
    thread = start(stage, mode)
    stage.turn(thread, "run")
    stage.turn(thread, "overflow")
    stage.turn(thread, "say")
    _compact(stage, thread)
    stage.turn(thread, "say")
    _interrupt(stage, thread)
    stage.turn(thread, "overflow")
    stage.restart()
    _interrupt(stage, thread)
    stage.turn(thread, "say")
    stage.restart()
    stage.turn(thread, "overflow")
    stage.turn(thread, "agents")
    if mode == "legacy":
        return
    _revert(stage, thread, -1)
    _interrupt(stage, thread)
    stage.turn(thread, "say")
    fork = _fork(stage, thread)
    _interrupt(stage, fork)
    stage.turn(fork, "say")
    stage.restart()
    _revert(stage, thread, 2)
    stage.turn(thread, "overflow")
    stage.turn(thread, "say")


async def _price(url: str, bound: int) -> None:
    """Give the models that were played a price, and twice of it above so much input."""
    store = await open_store(url, source=SOURCE)
    try:
        texts = [
            f"{provider}/{model} {amounts}"
            for provider, model in await store.models_to_price("9")
            for amounts in (
                "input=3 cached_input=1 output=7",
                f"input=6 cached_input=2 output=14 above_input={bound}",
            )
        ]
        await store.set_prices("", (), [own_price(text) for text in texts])
    finally:
        await store.close()


def main() -> None:
    """Play it, project it, print what differs; leave with 1 where anything does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mode", choices=["paginated", "legacy"], required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--codex-version", default=install.PINNED)
    parser.add_argument("--server", default="", help="project into this empty database on a server")
    options = parser.parse_args()
    offline.enter()
    model = Model(PLAYS)
    home = Home(
        binary=install.codex(options.codex_version), home=options.folder / "home",
        workspace=options.folder / "work", port=model.port, python=sys.executable,
        mcp=Path(__file__).with_name("mcp_server.py"), features={"multi_agent_v2": False},
    )  # fmt: skip
    home.home.mkdir(parents=True)
    stage = Stage(home, model, random.Random(1))
    try:
        spend(stage, options.mode)
    finally:
        stage.codex.close()
        model.close()
    file = options.folder / "projected.db"
    database: Where = options.server or file
    backfilled(home.home, database)
    if options.server:
        show_in_file(database, file)
    report = Report()
    compare_cost(model.cost, responses(home.rollouts()), file, report)
    bound = median_low(tokens[0] for tokens in model.cost.values())
    asyncio.run(_price(url_of(database), bound))
    compare_amounts(model.cost, bound, url_of(database), report)
    sys.stdout.write("\n".join((f"{len(model.cost)} responses", *report.differences, "")))
    raise SystemExit(1 if report.differences or model.faults else 0)


if __name__ == "__main__":
    main()
