"""What Codex does to many rollouts at once, in place, while the daemon follows.

    python -m tests.live.storm --rollouts 200 --folder FOLDER

Legacy rollouts are migrated by the app-server's own background migration, then all are compressed.
Whatever was shown before must be shown after each, and `verify` must find nothing. Must run in a
network namespace of its own (`tests.live.offline`).
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.live import install, offline
from tests.live.codex import Codex, Home
from tests.live.daemon import PROJECTOR, Daemon
from tests.live.model import Model
from tests.live.plays import PLAYS
from tests.live.rollouts import decoded_sizes, headers
from tests.support.extended import AGENT, RECORDS, THREAD
from tests.support.homes import put
from tests.support.legacy_records import call, completed, lines_from, output, ran, said, started

_SECONDS: Final = 120.0
#: Rollouts that were not written to for so long are compressed.
_OLD_SECONDS: Final = 8 * 86_400
_LOOK_SECONDS: Final = 0.05

_MORE: Final = (
    started("t3"), *said("run"), ran("c1", "t3", "agent"),
    call("c2", ("shell", {"command": ["ls"]})), output("c2", "text"), completed("t3"),
    *said("and now"),
)  # fmt: skip
_ITEMS: Final = "SELECT thread_id, type, item_json FROM thread_history ORDER BY thread_id, position"
_TURNS: Final = (
    "SELECT thread_id, status, error_json, started_at, duration_ms FROM thread_turn_history"
    " ORDER BY thread_id, position"
)

Shown = tuple[list[tuple[str, str, Any]], list[tuple[Any, ...]]]


def write(home: Path, count: int) -> None:
    """Write legacy rollouts of extended history, each a thread of its own."""
    data = lines_from([*RECORDS, *_MORE])
    for number in range(count):
        thread = f"{THREAD[:-4]}{number:04x}"
        assert thread != AGENT
        name = f"sessions/2026/03/01/rollout-2026-03-01T09-00-00-{thread}.jsonl"
        put(home, name, data.replace(THREAD.encode(), thread.encode()))


def shown(database: Path) -> Shown:
    """Give items without their ids, which a migration makes up, and turns."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        items = [(thread, kind, json.loads(text)) for thread, kind, text in db.execute(_ITEMS)]
        turns = db.execute(_TURNS).fetchall()
    for *_, item in items:
        del item["id"]
    return items, turns


def wait(there: Callable[[], bool], what: str) -> None:
    """Wait until all is so."""
    deadline = time.monotonic() + _SECONDS
    while not there():
        if time.monotonic() > deadline:
            raise SystemExit(f"not all is {what} after {_SECONDS:g} s")
        time.sleep(_LOOK_SECONDS)


def _rest(home: Home, daemon: Daemon, before: Shown, what: str) -> list[str]:
    """Let the daemon catch up, and tell what is not as it was."""
    daemon.wait_caught_up(decoded_sizes(home.rollouts()), _SECONDS)
    wrong = [f"{what}: other {name} are shown" for name, one, other in
             zip(("items", "turns"), before, shown(daemon.database), strict=True)
             if one != other]  # fmt: skip
    words = [*PROJECTOR, "verify", "--codex-home", str(home.home)]
    done = subprocess.run(
        [*words, "--database", f"sqlite:///{daemon.database}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [*wrong, *[f"{what}: verify: {done.stdout}{done.stderr}"] * (done.returncode != 0)]


def play(home: Home, folder: Path, count: int) -> list[str]:
    """Have Codex migrate and compress; tell what is wrong."""
    write(home.home, count)
    home.write()
    daemon = Daemon(home.home, folder / "projected.db", folder / "events.log")
    daemon.start()
    try:
        daemon.wait_caught_up(decoded_sizes(home.rollouts()), _SECONDS)
        before = shown(daemon.database)
        home.write(background_paginated_rollout_migration=True)
        codex = Codex(home)
        wait(
            lambda: all(head.mode == "paginated" for head in headers(home.rollouts()).values()),
            "migrated",
        )
        codex.close()
        wrong = _rest(home, daemon, before, "migrated")
        old = time.time() - _OLD_SECONDS
        for path in home.rollouts():
            os.utime(path, (old, old))
        (home.home / ".tmp" / "rollout-compression.lock").unlink(missing_ok=True)
        home.write(local_thread_store_compression=True)
        codex = Codex(home)
        wait(lambda: all(path.suffix == ".zst" for path in home.rollouts()), "compressed")
        codex.close()
        wrong += _rest(home, daemon, before, "compressed")
        daemon.stop()
    finally:
        daemon.discard()
    assert len(before[1]) >= count, "turns are shown"
    return wrong


def main() -> None:
    """Play, print what is wrong; leave with 1 where anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rollouts", type=int, default=200)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--codex-version", default=install.PINNED)
    options = parser.parse_args()
    offline.enter()
    model = Model(PLAYS)
    home = Home(
        binary=install.codex(options.codex_version), home=options.folder / "home",
        workspace=options.folder / "work", port=model.port, python=sys.executable,
        mcp=Path(__file__).with_name("mcp_server.py"),
    )  # fmt: skip
    begun = time.monotonic()
    try:
        wrong = play(home, options.folder, options.rollouts)
    finally:
        model.close()
    seconds = time.monotonic() - begun
    sys.stdout.write("\n".join((f"{options.rollouts} rollouts, {seconds:.1f} s", *wrong, "")))
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
