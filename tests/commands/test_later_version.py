"""What one version does not know is kept, and a later one that knows it rebuilds the rows.

The earlier version is this one with something taken from what it knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from projector.decode import thread_item as item
from projector.reduce.paginated import handlers as kinds
from tests.support.databases import reading
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
from tests.support.rows import rows_of
from tests.support.stage import projector

#: Tables, what is taken from them, the anomaly that is noted of it.
UNKNOWN: Final[list[tuple[tuple[dict[str, Any], ...], str, str]]] = [
    ((item._CONVERTERS, item._TEMPLATES), "CommandExecution", "unknown_item"),
    ((item._CONVERTERS, item._TEMPLATES), "AgentMessage", "unknown_item"),
    ((kinds.EVENTS,), "task_complete", "unknown_event"),
    ((kinds.EVENTS,), "token_count", "unknown_event"),
    ((kinds.RECORDS,), "turn_context", "unknown_record"),
]


@pytest.mark.parametrize(("known", "name", "kind"), UNKNOWN, ids=[one[1] for one in UNKNOWN])
def test_what_was_not_known_is_rebuilt_by_a_version_that_knows_it(
    tmp_path: Path, known: tuple[dict[str, Any], ...], name: str, kind: str
) -> None:
    """From the same file; then there is nothing that a first backfill would not have made."""
    home = tmp_path / "home"
    path = Rollout(seed=4).write(home, size=30_000)
    before = path.stat()
    with pytest.MonkeyPatch.context() as earlier:
        for table in known:
            earlier.delitem(table, name)
        backfilled(home, tmp_path / "p.db")
    with reading(tmp_path / "p.db") as db:
        assert db.rows(f"SELECT count(*) FROM anomalies WHERE kind = '{kind}'") != [(0,)]
        if kind == "unknown_item":
            shown = db.rows(
                "SELECT item_json FROM codex_thread_items WHERE item_type = :kind", {"kind": name}
            )
            assert shown, "it was not stored under the type as it was written"
    backfilled(home, tmp_path / "fresh.db")
    assert rows_of(tmp_path / "p.db") != rows_of(tmp_path / "fresh.db")

    assert projector(tmp_path, "rebuild").return_value == 0

    assert rows_of(tmp_path / "p.db") == rows_of(tmp_path / "fresh.db")
    assert path.stat() == before
