"""A consumer of the change feed: a mirror of what it was told, and what it should hold."""

from __future__ import annotations

from typing import Any

import orjson

from projector.serve.feed import Feed, TimelineLost, Wanted
from projector.store.rules.feed import START, Cursor
from projector.store.rules.lineage import EVERYTHING
from tests.support.databases import Where, reading

_TABLES = {
    "turn": "SELECT uid, position, ordinal, status, error_json, started_at, completed_at,"
    " duration_ms, first_user_item_id, final_agent_item_id, root_turn_id, model, end_ordinal,"
    " end_offset FROM _turns WHERE tombstone = 0",
    "item": "SELECT uid, position, ordinal, updated_ordinal, created_at_ms, started_at_ms,"
    " completed_at_ms, provenance, json FROM _items WHERE tombstone = 0",
    "realtime": "SELECT uid, position, ordinal, created_at_ms, json FROM _realtime_items"
    " WHERE tombstone = 0",
    "event": "SELECT uid, payload, recorded_at_ms FROM _events WHERE tombstone = 0",
}
_PARTS = "SELECT rollout_id, upto FROM _thread_parts WHERE thread_id = :thread ORDER BY part"


class Mirror:
    """What a consumer keeps: rows by their uids, and the cursor that it has dealt with last."""

    def __init__(self) -> None:
        self.cursor = START
        self.seen: list[tuple[Any, ...]] = []
        self.rows: dict[tuple[str, str], Any] = {}

    def read(self, database: Where, pages: int = 1 << 30, limit: int | None = None) -> None:
        """Open the feed, take some pages, and leave; begin anew in another past."""
        with reading(database) as db:
            feed = Feed(db)
            for _ in range(pages):
                try:
                    page = feed.page(self.cursor, Wanted(), limit)
                except TimelineLost:
                    self.cursor, self.seen, self.rows = START, [], {}
                    continue
                for line in page.lines:
                    self.take(orjson.loads(line))
                assert self.cursor == page.cursor
                if not page.more:
                    return

    @property
    def seq(self) -> int:
        """The number of the last change."""
        return self.cursor.seq

    def take(self, change: dict[str, Any]) -> None:
        """Deal with a change."""
        assert change["seq"] > self.seq
        assert change["committed_at_ms"] is not None
        cursor = Cursor.parse(change["cursor"])
        assert cursor is not None
        assert cursor.seq == change["seq"]
        self.cursor = cursor
        self.seen.append((change["seq"], change["kind"], change["op"], change["uid"]))
        key = (change["kind"], (change["uid"] or change["thread_id"]).replace("-", ""))
        if change["row"] is None:
            self.rows.pop(key, None)
        else:
            assert change["op"] != "tombstone" or key in self.rows  # it lives again by now
            self.rows[key] = change["row"]


def rows_to_mirror(database: Where) -> dict[tuple[str, str], Any]:
    """Give what a mirror holds that has read all."""
    rows: dict[tuple[str, str], Any] = {}
    with reading(database) as db:
        for kind, sql in _TABLES.items():
            for stored in db.dicts(sql):
                row = {name.removesuffix("_json"): value for name, value in stored.items()}
                for name in ("json", "error", "payload"):
                    if row.get(name):
                        row[name] = orjson.loads(row[name])
                if kind in ("item", "realtime"):
                    row["item"] = row.pop("json")
                rows[kind, row.pop("uid").hex()] = row
        for thread in db.dicts("SELECT * FROM threads"):
            thread.pop("source_id", None)
            parts = db.rows(_PARTS, {"thread": thread["thread_id"]})
            thread["parts"] = [
                {"rollout_id": name, "upto": None if upto == EVERYTHING else upto}
                for name, upto in parts
            ]
            rows["thread", thread["thread_id"].replace("-", "")] = thread
    return rows


def changes_of(database: Where) -> list[tuple[Any, ...]]:
    """Give all changes that the feed has."""
    with reading(database) as db:
        return db.rows("SELECT seq, kind, op, uid FROM changes ORDER BY seq")
