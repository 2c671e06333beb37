"""However changes are cut into batches, the rows are the same: new rows are written another way."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from projector.model.changes import Change, ItemRow, Tombstone, TombstoneFrames, UsageRow, uid
from projector.model.ids import Offset
from tests.contract.backends import Queried, Run
from tests.support.makers import LEGACY, at, batch, file_of, item, rollout_id, usage

KINDS = ("plan", "commandExecution", "fileChange", "agentMessage")
SHOWN = {
    "items": "SELECT turn_id, item_id, type, item_json, created_at_ms, started_at_ms,"
    " completed_at_ms, ordinal, provenance, tombstone, position FROM all_items",
    "commands": "SELECT item_id, status FROM commands",
    "files": "SELECT item_id, path, kind, move_path, diff FROM file_changes",
    "usage": "SELECT turn_id, substr(response_id, 3), ordinal, total_tokens FROM token_usage",
}


def changes(chance: random.Random, number: int, count: int) -> list[Change]:
    """Give changes of rollout `number` among few items, so that many come again."""
    made: list[Change] = []
    for place in range(0, count * 100, 100):
        kind = chance.random()
        if kind < 0.6:
            made.append(_item(chance, number, place))
        elif kind < 0.9:
            made.append(_usage(chance, number, place))
        elif kind < 0.95:
            made.append(TombstoneFrames(at=Offset(place), owner_from=chance.randrange(place + 1)))
        else:
            name = chance.choice("abcdefgh")
            made.append(Tombstone(uid("item", rollout_id(number), "t", name), Offset(place)))
    return made


def _item(chance: random.Random, number: int, place: int) -> ItemRow:
    name, kind = chance.choice("abcdefgh"), chance.choice(KINDS)
    path = {"path": chance.choice("xyz"), "kind": {"type": "update", "move_path": None}}
    body = {
        "type": kind,
        "id": name,
        "status": chance.choice(("completed", "failed", 7, None, {"completed": None})),
        "changes": [path] * chance.randrange(3),
        "text": chance.choice(("one", "two")),
    }
    return item(
        number,
        name,
        place,
        turn=chance.choice("tu"),
        kind=kind,
        json=orjson.dumps(body).decode(),
        created=place if chance.random() < 0.9 else 1 << 70,
        started=chance.choice((None, place)),
        completed=chance.choice((None, place + 1)),
        owner=chance.choice((None, place)),
        completed_wins=chance.random() < 0.5,
    )


def _usage(chance: random.Random, number: int, place: int) -> UsageRow:
    """Sometimes of the place before, sometimes of a response that was told of already."""
    place = max(0, place - chance.choice((0, 0, 100)))
    response = chance.choice((None, f"{number}:{chance.randrange(5)}"))
    row = usage(number, place, chance.randrange(9), response=response)
    return row._replace(
        recorded_at_ms=chance.choice((None, 5, 200_000_000_000)),
        model="m" if chance.random() < 0.9 else "half a pair \ud800",
    )


def written(store: Queried, run: Run, number: int, made: list[Change], size: int) -> Any:
    """Commit changes, so many at a time, and give what people see of the rollout."""
    start = None
    for end in range(size, len(made) + size, size):
        header = replace(LEGACY, mode="paginated")
        one = batch(file_of(number), made[end - size : end], start=start, end=end, header=header)
        run(store.commit([one]))
        start = at(end)
    whose = f" WHERE thread_id = '{rollout_id(number)}'"
    return {name: sorted(run(store.query(sql + whose)), key=repr) for name, sql in SHOWN.items()}


@pytest.mark.parametrize("seed", range(40))
def test_cuts_between_batches_are_invisible(store: Queried, run: Run, seed: int) -> None:
    """Items that come again, that were tombstoned, that name one turn; and responses."""
    count = 2 + seed % 20
    one_by_one = changes(random.Random(seed), 1, count)
    at_once = changes(random.Random(seed), 2, count)

    expected = written(store, run, 1, one_by_one, 1)

    assert written(store, run, 2, at_once, 1 + seed % count) == expected
    assert written(store, run, 3, changes(random.Random(seed), 3, count), count) == expected
    assert run(store.query("SELECT sum(responses), sum(total_tokens) FROM token_days")) == run(
        store.query("SELECT nullif(count(*), 0), sum(total_tokens) FROM token_usage")
    )
