"""Holds the projector's rows against Codex's own: every row, every column, every thread's history.

Nothing passes but what the contract says is meant to differ. Of those, a session with a Codex in
good order can show these; each is counted in `Report.meant`, so that none hides a fault:

1. A turn's `started_at` that Codex lost, since the record that ended the turn lacks it.
2. A turn that nobody runs any more: stored as `inProgress`, listed by Codex as `interrupted`.
3. Rows of rollouts whose files are deleted: Codex forgets them, the projector keeps them.
4. Items rebuilt from the model's calls, in rollouts that Codex migrated: its migration drops them.
5. What an agent's thread held when Codex migrated it: the migration puts it below the ordinal from
   which Codex shows anything.
6. How and when a turn ended of a rollout that Codex migrated: its migration drops what told of it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from projector.serve.spending import grouped
from projector.store.open import open_to_read
from projector.store.questions.spending import spenders, spent
from tests.live.model import Json
from tests.live.shown import TABLES, THREAD_COLUMNS, History, Row, Shown, canonical

_SHOWN_CHARACTERS: Final = 300
#: An id that only the migration gives.
_MADE_UP: Final = re.compile(r"item-\d+").fullmatch

_REBUILT: Final = "rebuilt from the model's calls"
_BELOW: Final = "of an agent's thread before Codex migrated it"

#: What ended a turn, by the status that it left behind.
_ENDS: Final[Mapping[str, str]] = {
    "completed": "turn.completed",
    "failed": "turn.failed",
    "interrupted": "turn.cancelled",
}


@dataclass(slots=True)
class Report:
    """The outcome of a comparison."""

    equal: Counter[str] = field(default_factory=Counter)
    """How much was found equal, by table or list."""
    meant: Counter[str] = field(default_factory=Counter)
    """How much differs as the contract says."""
    differences: list[str] = field(default_factory=list)
    """What differs and must not, a line each."""
    migrated: Collection[str] = ()
    """Rollouts that Codex migrated in place."""
    pinned: bool = True
    """The rows are of the pinned release, and equal as written; of another, absent is null."""

    def means(self, view: str, rollout: str, column: str, want: object, has: object) -> bool:
        """Tell whether a value of a turn is told of, and Codex's migration dropped it."""
        lacks = want is None if column != "status" else want in ("inProgress", "interrupted")
        meant = rollout in self.migrated and lacks and has not in (None, "inProgress")
        if meant:
            self.meant[f"{view}: how a turn ended before Codex migrated it"] += 1
        return meant


def compare(shown: Shown, database: Path, *, pinned: bool = True) -> Report:
    """Compare everything. `pinned`: as of `Report`."""
    report = Report(migrated=_migrated(shown), pinned=pinned)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        more = _more(shown, db, report.migrated)
        for table in TABLES:
            _compare_table(shown, db, table, more, report)
        for thread, history in shown.histories.items():
            _compare_items(db, thread, history, more, report)
            _compare_turns(db, thread, history, more, report)
        _compare_threads(shown, db, report)
        _check_uids(db, report)
        _check_events(db, report)
    return report


def _migrated(shown: Shown) -> frozenset[str]:
    items = shown.rows["thread_items"]
    made = {str(row["thread_id"]) for row in items if _MADE_UP(row["item_id"])}
    return frozenset(made | shown.own_below.keys())


def _more(
    shown: Shown, db: sqlite3.Connection, migrated: Collection[str]
) -> Mapping[tuple[Any, ...], str]:
    """Give why Codex lacks rows of rollouts that it migrated, by the key of its table."""
    found = db.execute(
        "SELECT DISTINCT rollout_id, turn_id, item_id FROM thread_history"
        " WHERE provenance = 'response_item'"
    )
    more = {tuple(row): _REBUILT for row in found if row["rollout_id"] in migrated}
    for table in ("thread_items", "thread_turns"):
        view, key = TABLES[table]
        for rollout, start in shown.own_below.items():
            columns = ", ".join(key)
            below = db.execute(
                f"SELECT {columns} FROM {view} WHERE thread_id = ? AND rollout_ordinal < ?",
                (rollout, start),
            )
            more.update((tuple(row), _BELOW) for row in below)
    return more


def _compare_table(
    shown: Shown,
    db: sqlite3.Connection,
    table: str,
    more: Mapping[tuple[Any, ...], str],
    report: Report,
) -> None:
    view, key = TABLES[table]
    found: dict[tuple[Any, ...], Row] = {}
    for row in db.execute(f"SELECT * FROM {view}"):
        name = tuple(row[column] for column in key)
        if name in found:
            report.differences.append(f"{view} {name}: twice")
        found[name] = dict(row)
    for wanted in shown.rows[table]:
        name = tuple(wanted[column] for column in key)
        have = found.pop(name, None)
        if have is None:
            report.differences.append(f"{view} {name}: missing")
            continue
        wrong = [column for column in wanted if not _same(column, wanted, have, report)]
        if report.pinned:  # columns are null keys of a table: other releases have other ones
            wrong += [f"+{column}" for column in have if column not in wanted]
        if wrong:
            said = "; ".join(_differs(column, wanted, have) for column in wrong)
            report.differences.append(f"{view} {name}: {said}")
        else:
            report.equal[view] += 1
    for name in found:
        if name[0] in shown.gone:
            report.meant[f"{view}: of a deleted rollout"] += 1
        elif name in more:
            report.meant[f"{view}: {more[name]}"] += 1
        else:
            report.differences.append(f"{view} {name}: Codex has no such row")


def _same(column: str, wanted: Row, have: Row, report: Report) -> bool:
    want, has = wanted[column], have.get(column)
    if column.endswith("_json") and isinstance(want, str) and isinstance(has, str):
        return canonical(want, nulls=report.pinned) == canonical(has, nulls=report.pinned)
    if type(want) is type(has) and want == has:
        return True
    ended = wanted.get("rollout_end_ordinal") is not None
    if column == "started_at" and want is None and ended and isinstance(has, int):
        report.meant["codex_thread_turns: started_at that Codex lost"] += 1
        return True
    turn = column in ("status", "error_json", *(name for _, name in _TURN_TIMES))
    rollout = wanted.get("thread_id", "")
    return turn and report.means("codex_thread_turns", rollout, column, want, has)


def _differs(column: str, wanted: Row, have: Row) -> str:
    want, has = wanted.get(column), have.get(column)
    if column.endswith("_json") and isinstance(want, str) and isinstance(has, str):
        return f"{column} {_where(json.loads(want), json.loads(has))}"
    return _cut(column, want, has)


def _cut(column: str, wanted: object, found: object) -> str:
    want, has = repr(wanted), repr(found)
    at = next((i for i, (a, b) in enumerate(zip(want, has, strict=False)) if a != b), 0)
    start = max(0, at - 40)  # long items differ far behind their beginning
    cut = slice(start, start + _SHOWN_CHARACTERS)
    return f"{column}: {want[cut]} expected, {has[cut]} found"


def _where(want: Any, has: Any) -> str:
    """Tell the type of an item, each path at which two of them differ, and both values."""
    kind = want.get("type", "") if isinstance(want, dict) else ""
    return f"of {kind}: " + "; ".join(_cut(path, a, b) for path, a, b in _paths(want, has, ""))


def _paths(want: Any, has: Any, path: str) -> list[tuple[str, Any, Any]]:
    if want == has:
        return []
    if isinstance(want, dict) and isinstance(has, dict):
        return [
            found
            for name in dict.fromkeys((*want, *has))
            for found in _paths(want.get(name, ...), has.get(name, ...), f"{path}.{name}")
        ]
    if isinstance(want, list) and isinstance(has, list) and len(want) == len(has):
        pairs = zip(want, has, strict=True)
        return [found for one, other in pairs for found in _paths(one, other, f"{path}[]")]
    return [(path, want, has)]


def _compare_items(
    db: sqlite3.Connection,
    thread: str,
    history: History,
    more: Mapping[tuple[Any, ...], str],
    report: Report,
) -> None:
    every = db.execute(
        "SELECT rollout_id, turn_id, item_id, item_json FROM thread_history WHERE thread_id = ?"
        " ORDER BY position",
        (thread,),
    ).fetchall()
    want = [(turn, item["id"]) for turn, item in history.items]
    found = [row for row in every if tuple(row)[:3] not in more]
    have = [(row["turn_id"], row["item_id"]) for row in found]
    if want != have:
        report.differences.append(f"thread_history {thread}: {_order(want, have)}")
        return
    for (turn, item), row in zip(history.items, found, strict=True):
        if _plain(item, report) != _told(row["item_json"], report):
            said = f"item {_where(item, json.loads(row['item_json']))}"
            report.differences.append(f"thread_history {thread} {turn} {item['id']}: {said}")
        else:
            report.equal["thread_history"] += 1


def _compare_turns(
    db: sqlite3.Connection,
    thread: str,
    history: History,
    more: Mapping[tuple[Any, ...], str],
    report: Report,
) -> None:
    every = db.execute(
        "SELECT rollout_id, turn_id, status, error_json, started_at, completed_at, duration_ms"
        " FROM thread_turn_history WHERE thread_id = ? ORDER BY position",
        (thread,),
    ).fetchall()
    found = [row for row in every if (row["rollout_id"], row["turn_id"]) not in more]
    want = [turn["id"] for turn in history.turns]
    have = [row["turn_id"] for row in found]
    if want != have:
        report.differences.append(f"thread_turn_history {thread}: {_order(want, have)}")
        return
    items: dict[str, list[str]] = {}
    for name in db.execute(
        "SELECT rollout_id, turn_id, item_id FROM thread_history WHERE thread_id = ?"
        " ORDER BY position",
        (thread,),
    ):
        if tuple(name) not in more:
            items.setdefault(name["turn_id"], []).append(name["item_id"])
    for turn, row in zip(history.turns, found, strict=True):
        wrong = _turn_differences(turn, row, report)
        listed = [item["id"] for item in turn["items"]]
        if listed != items.get(turn["id"], []):
            wrong.append(f"items: {_order(listed, items.get(turn['id'], []))}")
        if wrong:
            said = f"thread_turn_history {thread} {turn['id']}"
            report.differences.append(f"{said}: {'; '.join(wrong)}")
        else:
            report.equal["thread_turn_history"] += 1


def _turn_differences(turn: Json, row: sqlite3.Row, report: Report) -> list[str]:
    wrong = []

    def means(column: str, want: object) -> bool:
        return report.means("thread_turn_history", row["rollout_id"], column, want, row[column])

    if (turn["status"], row["status"]) == ("interrupted", "inProgress"):
        report.meant["thread_turn_history: nobody runs it any more"] += 1
    elif turn["status"] != row["status"] and not means("status", turn["status"]):
        wrong.append(f"status: {turn['status']} expected, {row['status']} found")
    error = None if row["error_json"] is None else _told(row["error_json"], report)
    if (None if turn["error"] is None else _plain(turn["error"], report)) != error:
        wrong.append(f"error: {turn['error']} expected, {row['error_json']} found")
    for listed, column in _TURN_TIMES:
        if turn[listed] == row[column]:
            continue
        if column == "started_at" and turn[listed] is None:
            report.meant["thread_turn_history: started_at that Codex lost"] += 1
            continue
        if means(column, turn[listed]):
            continue
        wrong.append(f"{column}: {turn[listed]} expected, {row[column]} found")
    return wrong


_TURN_TIMES: Final = (
    ("startedAt", "started_at"), ("completedAt", "completed_at"), ("durationMs", "duration_ms"),
)  # fmt: skip


def _compare_threads(shown: Shown, db: sqlite3.Connection, report: Report) -> None:
    columns = ", ".join(THREAD_COLUMNS).replace("source", "coalesce(source_json, source) AS source")
    found = {
        row["thread_id"]: row
        for row in db.execute(f"SELECT thread_id, deleted, {columns} FROM threads")
    }
    for thread, wanted in shown.threads.items():
        have = found.get(thread)
        if have is None:
            if thread not in shown.unwritten:
                report.differences.append(f"threads {thread}: missing")
            continue
        wrong = [
            f"{column}: {wanted[column]!r} expected, {have[column]!r} found"
            for column in THREAD_COLUMNS
            if _loose(wanted[column]) != _loose(have[column])
        ]
        if have["deleted"]:
            wrong.append("it is marked deleted, and is not")
        if wrong:
            report.differences.append(f"threads {thread}: {'; '.join(wrong)}")
        else:
            report.equal["threads"] += 1
    for thread, row in found.items():
        if thread not in shown.threads and not row["deleted"]:
            report.differences.append(f"threads {thread}: Codex has no such thread")


def _loose(value: object) -> object:
    """Flags are 0 and 1 here and true and false there; a `source` may be JSON."""
    if isinstance(value, str) and value.startswith("{"):
        return canonical(value)
    return int(value) if isinstance(value, bool) else value


def _check_uids(db: sqlite3.Connection, report: Report) -> None:
    """No two rows of a history share a uid, but by inheriting it: then they are one row."""
    for view, columns in (
        ("thread_history", "rollout_id, turn_id, item_id"),
        ("thread_turn_history", "rollout_id, turn_id"),
    ):
        rows = db.execute(f"SELECT DISTINCT uid, {columns} FROM {view}").fetchall()
        if len({row["uid"] for row in rows}) != len(rows):
            report.differences.append(f"{view}: two rows share a uid")


def _check_events(db: sqlite3.Connection, report: Report) -> None:
    """Every turn's last change of status has its event."""
    events: dict[tuple[str, str], list[str]] = {}
    for row in db.execute(
        "SELECT rollout_id, turn_id, type FROM lifecycle_events WHERE type LIKE 'turn.%'"
        " ORDER BY seq"
    ):
        events.setdefault((row["rollout_id"], row["turn_id"]), []).append(row["type"])
    for row in db.execute("SELECT thread_id, turn_id, status FROM codex_thread_turns"):
        told = events.get((row["thread_id"], row["turn_id"]), [])
        wanted = _ENDS.get(row["status"], "turn.started")
        if not told or told[-1] != wanted:
            name = f"{row['thread_id']} {row['turn_id']}"
            report.differences.append(f"lifecycle_events {name}: {wanted} expected, {told} found")
        else:
            report.equal["lifecycle_events"] += 1


def compare_cost(
    cost: Mapping[str, tuple[int, ...]], recorded: Iterable[str], database: Path, report: Report
) -> None:
    """Hold token usage against what the model said of each response: all, right, and once.

    `recorded`: the responses of which some rollout has a `token_usage_record`. Forks, reverts and
    resumes name them again; they are counted once all the same.
    """
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT response_id, input_tokens, cached_input_tokens, output_tokens,"
            " reasoning_output_tokens, total_tokens FROM token_usage"
            " WHERE response_id IS NOT NULL"
        ).fetchall()
        spent = db.execute(
            "SELECT coalesce(sum(total_tokens), 0), coalesce(sum(input_tokens + output_tokens), 0),"
            " (SELECT coalesce(sum(total_tokens), 0) FROM threads),"
            " (SELECT coalesce(sum(total_tokens), 0) FROM thread_tokens) FROM token_usage"
        ).fetchone()
    counted = Counter(row[0] for row in rows)
    for name, *tokens in rows:
        if cost.get(name) != tuple(tokens):
            report.differences.append(f"token_usage {name}: {cost.get(name)} said, {tokens} found")
        else:
            report.equal["token_usage"] += 1
    # Nothing else is a response: full windows, compactions, what is repeated of a base.
    said = sum(tokens[-1] for name, tokens in cost.items() if name in counted)
    if set(spent) != {said}:
        report.differences.append(f"token_usage: {said} said in all, {spent} found")
    report.differences += [f"token_usage {name}: {n} times" for name, n in counted.items() if n > 1]
    missing = set(recorded) - counted.keys()
    report.differences += [f"token_usage {name}: missing" for name in sorted(missing)]


def compare_amounts(
    cost: Mapping[str, tuple[int, ...]], bound: int, url: str, report: Report
) -> None:
    """Hold what responses cost against list price times what the model said of each.

    Per million tokens: 3 for input, 1 where it was cached, 7 for output; twice that above `bound`
    tokens of input. Agents are summed with the thread that started them, and nothing is lost.
    """
    with open_to_read(url) as db:
        rows = db.rows("SELECT response_id, amount FROM token_costs")
        sums = spent(db, since_ms=None, turns=False)
        threads = spenders(db, sums)
    for name, amount in rows:
        fresh, cached, output, *_ = cost.get(name, (0, 0, 0))
        wanted = ((fresh - cached) * 3 + cached + output * 7) * (2 if fresh > bound else 1) / 1e6
        if amount is None or abs(amount - wanted) > 1e-9:
            report.differences.append(f"token_costs {name}: {wanted} expected, {amount} found")
    whole = sum(amount or 0 for _, amount in rows)
    parents = {thread.thread_id for thread in threads if thread.parent_thread_id is None}
    for agents in (False, True):
        found = grouped(sums, threads, ["thread"], with_agents=agents)
        if abs(sum(one.amount or 0 for one in found) - whole) > 1e-9:
            report.differences.append(f"cost by thread: {found} are not {whole}")
        if agents and not {one.keys["thread"] for one in found} <= parents:
            report.differences.append(f"cost with agents: {found} are not of {parents}")


def _plain(value: Json, report: Report) -> str:
    return _told(json.dumps(value), report)


def _told(text: str, report: Report) -> str:
    return canonical(text, spelling=False, nulls=report.pinned)


def _order(want: list[Any], have: list[Any]) -> str:
    at = next(
        (i for i, pair in enumerate(zip(want, have, strict=False)) if pair[0] != pair[1]),
        min(len(want), len(have)),
    )
    return (
        f"{len(want)} expected, {len(have)} found; from place {at} on"
        f" {want[at : at + 2]} expected, {have[at : at + 2]} found"
    )
