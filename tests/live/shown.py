"""What Codex itself makes of its rollouts: the rows of its databases, the lists it shows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.live.codex import Codex, Refused
from tests.live.model import Json
from tests.live.rollouts import Head, names

Row = Mapping[str, Any]

#: Codex's tables, the views that stand for them, and what tells one row from another.
TABLES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "thread_items": ("codex_thread_items", ("thread_id", "turn_id", "item_id")),
    "thread_turns": ("codex_thread_turns", ("thread_id", "turn_id")),
    "thread_realtime_items": ("codex_thread_realtime_items", ("thread_id", "item_id")),
    "thread_history_projection_state": ("codex_projection_state", ("thread_id",)),
}
#: Of state_5.sqlite, as far as the rollouts and the folders they lie in say it too.
THREAD_COLUMNS: Final = (
    "source", "model_provider", "cli_version", "history_mode", "archived", "name",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A thread as `thread/items/list` and `thread/turns/list` show it, oldest first."""

    items: Sequence[tuple[str, Json]]
    """Turn id and item."""
    turns: Sequence[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All that Codex shows at one moment."""

    rows: Mapping[str, Sequence[Row]]
    """By the name of Codex's table."""
    histories: Mapping[str, History]
    """By thread; paginated ones only, Codex lists no others."""
    threads: Mapping[str, Row]
    """By thread: `THREAD_COLUMNS`."""
    gone: frozenset[str]
    """Rollouts whose files are deleted: Codex forgets their rows, the projector keeps them."""
    own_below: Mapping[str, int] = field(default_factory=dict)
    """Rollouts of agents that Codex migrated, and the ordinal below which it shows nothing."""
    unwritten: frozenset[str] = frozenset()
    """Threads of which there is no file: nothing was said in them yet."""


def ask(codex: Codex, heads: Iterable[Head]) -> Mapping[str, History]:
    """Have Codex open, and so project, every thread that is not archived; give all histories.

    The threads are taken from the files: Codex's own list hides those without a first message
    and those that are attached to another.
    """
    archived = {head.thread: head.archived for head in heads if head.mode == "paginated"}
    shown: dict[str, History] = {}
    # By age: an agent cannot be opened before the thread that spawned it.
    for thread in sorted(archived):
        if not archived[thread]:
            try:
                codex.call("thread/resume", threadId=thread, excludeTurns=True)
            except Refused as reason:
                if "through its parent" not in str(reason):  # that is archived: as archived ones
                    raise
        shown[thread] = history(codex, thread)
    return shown


def history(codex: Codex, thread: str) -> History:
    """List one thread."""
    listed = codex.items(thread)
    return History(
        items=[(entry["turnId"], _item(entry["item"])) for entry in listed],
        turns=codex.turns(thread),
    )


def _item(item: Json) -> Json:
    """Take off the times that the lists put into an item: in the tables they are columns."""
    return {name: value for name, value in item.items() if name not in _LIST_ONLY}


_LIST_ONLY: Final = ("startedAtMs", "completedAtMs")


def rows(home: Path) -> Mapping[str, Sequence[Row]]:
    """Read Codex's own projection."""
    return {
        name: _read(home / "thread_history_1.sqlite", f"SELECT * FROM {name}") for name in TABLES
    }


def threads(home: Path) -> Mapping[str, Row]:
    """Read what Codex's state database says of each thread.

    It has no names of legacy threads: these are in Codex's index only.
    """
    columns = ", ".join(("id", *THREAD_COLUMNS))
    found = _read(home / "state_5.sqlite", f"SELECT {columns} FROM threads")
    given = names(home)
    return {row["id"]: {**row, "name": row["name"] or given.get(row["id"])} for row in found}


def _read(database: Path, query: str) -> list[Row]:
    opened = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        opened.row_factory = sqlite3.Row
        return [dict(row) for row in opened.execute(query)]
    finally:
        opened.close()


def canonical(text: str, *, spelling: bool = True, nulls: bool = True) -> str:
    """Bring JSON into one form, so that only its meaning is compared.

    With `spelling`, `1.50` is not `1.5`: Codex keeps numbers of free values as they were written.
    Without `nulls`, a member that is null is as good as none: each release adds some.
    """
    read = json.loads(text, parse_float=_spelt) if spelling else json.loads(text)
    return json.dumps(read if nulls else bare(read), sort_keys=True)


def bare(value: Any) -> Any:
    """Leave out members that are null, at every depth."""
    if isinstance(value, dict):
        return {name: bare(held) for name, held in value.items() if held is not None}
    return [bare(held) for held in value] if isinstance(value, list) else value


def _spelt(number: str) -> str:
    return f"\0{number}"
