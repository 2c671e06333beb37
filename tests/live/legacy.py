"""Legacy threads against what Codex's own migration makes of them, on a copy of the home.

Codex projects no legacy rollout. Its migration rewrites one as a paginated rollout, and that it
projects: so every item and turn of the migration must be in the projector's history of the
unmigrated thread, in the same order, in the same turn. Ids that either side makes up differ
(`item-7`, `rollout-3`). The projector may show more: what is rebuilt from the model's calls.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.live import shown
from tests.live.codex import Codex, Home, Refused
from tests.live.compare import Report
from tests.live.model import Json
from tests.live.rollouts import headers
from tests.live.shown import Row

_MADE_UP: Final = re.compile(r"item-\d+|rollout-\d+")
#: Items that the projector rebuilds from calls and outputs where no event tells of them.
_REBUILT: Final = frozenset({
    "commandExecution", "fileChange", "mcpToolCall", "dynamicToolCall", "collabAgentToolCall",
    "imageView", "webSearch", "imageGeneration",
})  # fmt: skip

Placed = tuple[str, Json]


def compare_with_migration(home: Home, folder: Path, database: Path, report: Report) -> None:
    """Migrate a copy of this home, and hold the legacy histories of `database` against it."""
    copy = dataclasses.replace(home, home=folder)
    heads = headers(home.rollouts())
    legacy = [rollout for rollout, head in heads.items() if head.mode == "legacy"]
    agents = {rollout for rollout in legacy if heads[rollout].agent}
    if agents:
        # All that was copied from its parent counts as not its own there; here it is shown.
        report.meant["legacy: an agent's thread, of which the migration shows nothing"] += len(
            agents
        )
    shutil.copytree(home.home, folder, ignore=shutil.ignore_patterns("*.sqlite*", "*.lock"))
    copy.write()
    done = copy.command("migrate-rollouts", "--apply", "--json")
    if done.returncode != 0:
        raise Refused(f"migrate-rollouts left with {done.returncode}: {done.stderr[-500:]}")
    codex = Codex(copy)
    try:
        while archived := _archived(copy):  # the agents of a thread come back with it
            codex.call("thread/unarchive", threadId=archived[0])
        shown.ask(codex, headers(copy.rollouts()).values())
    finally:
        codex.close()
    rows = shown.rows(folder)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        for thread in sorted(set(legacy) - agents):
            items = [row for row in rows["thread_items"] if row["thread_id"] == thread]
            _compare_items(
                db, thread, sorted(items, key=lambda row: row["rollout_ordinal"]), report
            )
            for row in rows["thread_turns"]:
                if row["thread_id"] == thread and not _MADE_UP.fullmatch(row["turn_id"]):
                    _compare_turn(db, row, report)


def _archived(home: Home) -> list[str]:
    found = headers(home.rollouts()).values()
    return sorted(head.thread for head in found if head.archived)


def _compare_items(
    db: sqlite3.Connection, thread: str, migrated: Sequence[Row], report: Report
) -> None:
    have: list[Placed] = [
        (row["turn_id"], json.loads(row["item_json"]))
        for row in db.execute(
            "SELECT turn_id, item_json FROM thread_history WHERE thread_id = ? ORDER BY position",
            (thread,),
        )
    ]
    at = 0
    for row in migrated:
        wanted = (row["turn_id"], json.loads(row["item_json"]))
        found = next((i for i in range(at, len(have)) if _equal(wanted, have[i])), None)
        if found is None:
            report.differences.append(f"legacy {thread} {_missing(wanted, have)}")
            continue
        _count_more(thread, have[at:found], report)
        report.equal["legacy items"] += 1
        at = found + 1
    _count_more(thread, have[at:], report)


def _count_more(thread: str, more: Sequence[Placed], report: Report) -> None:
    for turn, item in more:
        if item["type"] in _REBUILT:
            report.meant["legacy: rebuilt from the model's calls"] += 1
        else:
            name = f"{turn} {item['type']} {item['id']}"
            report.differences.append(f"legacy {thread} {name}: not in Codex's migration")


def _missing(wanted: Placed, have: Sequence[Placed]) -> str:
    turn, item = wanted
    near = [other for other in have if other[1]["id"] == item["id"]]
    where = "out of order" if any(_equal(wanted, other) for other in have) else "missing"
    beside = f"; found {json.dumps(near[0])[:400]}" if near and where == "missing" else ""
    return f"{turn}: {where}: {json.dumps(item)[:400]}{beside}"


def _equal(wanted: Placed, have: Placed) -> bool:
    if not _MADE_UP.fullmatch(wanted[0]) and wanted[0] != have[0]:
        return False
    # A hook prompt without an id of its own gets a random one from Codex.
    own = not _MADE_UP.fullmatch(wanted[1]["id"]) and wanted[1]["type"] != "hookPrompt"
    return _plain(wanted[1], own=own) == _plain(have[1], own=own)


def _plain(item: Json, *, own: bool) -> Json:
    return {name: value for name, value in shown.bare(item).items() if own or name != "id"}


def _compare_turn(db: sqlite3.Connection, wanted: Row, report: Report) -> None:
    name = f"legacy {wanted['thread_id']} {wanted['turn_id']}"
    have = db.execute(
        "SELECT status, error_json, completed_at, duration_ms FROM thread_turn_history"
        " WHERE thread_id = ? AND turn_id = ?",
        (wanted["thread_id"], wanted["turn_id"]),
    ).fetchone()
    if have is None:
        report.differences.append(f"{name}: missing")
        return
    if wanted["status"] == "inProgress" and have["status"] != "inProgress":
        # A reviewer's turn, which only the end of the reviewed turn closes.
        report.meant["legacy: a turn that the migration leaves open"] += 1
        return
    errors = [None if row["error_json"] is None else shown.bare(json.loads(row["error_json"]))
              for row in (wanted, have)]  # fmt: skip
    if wanted["status"] != have["status"] or errors[0] != errors[1]:
        report.differences.append(
            f"{name}: {wanted['status']} {errors[0]} expected, {have['status']} {errors[1]} found"
        )
    elif wanted["duration_ms"] != have["duration_ms"]:
        report.differences.append(f"{name}: duration {wanted['duration_ms']} expected,"
                                  f" {have['duration_ms']} found")  # fmt: skip
    else:
        report.equal["legacy turns"] += 1
