"""What makes questions fast says the same as what it is made from."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator

import orjson
import pytest

from projector.model.changes import ItemRow, UsageRow, uid
from projector.store.protocol import Batch
from tests.contract.backends import Backend, Queried, Run
from tests.support.docs import PAGES
from tests.support.makers import at, batch, continuing, file_of, item, rollout_id, usage
from tests.support.questions import questions

TOKENS = "input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens, total_tokens"
COUNTED = f"recorded_at_ms, model, {TOKENS}"
THREADS = """
SELECT thread_id, count(*), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
       sum(reasoning_output_tokens), sum(total_tokens)
FROM token_usage GROUP BY thread_id ORDER BY thread_id
"""


def changed(name: str, offset: int, *paths: str, number: int = 1) -> ItemRow:
    changes = [{"path": path, "kind": {"type": "add"}, "diff": "x"} for path in paths]
    json = orjson.dumps({"type": "fileChange", "changes": changes, "status": "completed"}).decode()
    return item(number, name, offset, kind="fileChange", json=json)


def cost(
    number: int, offset: int, tokens: int, *, response: str | None, day: int = 1, model: str = "m"
) -> UsageRow:
    row = usage(number, offset, tokens, response=response)
    return row._replace(recorded_at_ms=day * 86_400_000 or None, model=model or None)


async def _all(*batches: Batch) -> AsyncIterator[Batch]:
    for one in batches:
        yield one


def paths(store: Queried, run: Run) -> list[tuple[str, str]]:
    """Give what is told of files, held against the items themselves."""
    found: list[tuple[str, str]] = run(
        store.query("SELECT item_id, path FROM file_changes ORDER BY position, path")
    )
    items = run(
        store.query("SELECT item_id, json FROM _items WHERE tombstone = 0 ORDER BY position")
    )
    told = [
        (item_id, path)
        for item_id, json in items
        for path in sorted(change["path"] for change in orjson.loads(json)["changes"])
    ]
    assert found == told
    return found


def test_files_follow_their_items(store: Queried, run: Run) -> None:
    """Updated, made anew, purged."""
    first = batch(file_of(1), [changed("a", 1, "/x", "/y"), changed("b", 2, "/z")])
    run(store.commit([first]))
    assert paths(store, run) == [("a", "/x"), ("a", "/y"), ("b", "/z")]
    run(store.commit([batch(file_of(1), [changed("a", 5, "/w")], start=first.end, end=2000)]))
    assert paths(store, run) == [("a", "/w"), ("b", "/z")]
    anew = batch(file_of(1), [changed("b", 3, "/v")], end=at(900, generation=1))
    run(store.replace(at(2000), _all(anew)))
    assert paths(store, run) == [("b", "/v")]
    run(store.mark_missing([rollout_id(1)], purge=True))

    assert paths(store, run) == []
    assert run(store.query("SELECT * FROM _changed_files")) == []


@pytest.mark.parametrize(
    "json",
    ["{}", '{"changes":3}', '{"changes":{"a":{"path":"x"}}}', '{"changes":["text",{"path":[1]}]}'],
)
def test_a_file_change_of_another_form_spoils_nothing(store: Queried, run: Run, json: str) -> None:
    odd = item(1, "odd", 1, kind="fileChange", json=json)
    run(store.commit([batch(file_of(1), [odd, changed("b", 2, "/z")])]))

    found = run(store.query("SELECT path FROM file_changes WHERE item_id = 'b'"))
    assert found == [("/z",)]


def test_what_is_inherited_is_marked(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [changed("a", 1, "/x")])]))
    own = changed("b", 600, "/y", number=2)
    run(store.commit([batch(file_of(2), [own], header=continuing(1, 500))]))

    for view in ("file_changes", "thread_history"):
        found = run(store.query(f"SELECT item_id, inherited FROM {view} ORDER BY thread_id, 1"))
        assert found == [("a", 0), ("a", 1), ("b", 0)]


def check_tokens(store: Queried, run: Run, backend: Backend) -> None:
    """Of the living rows that tell of one response, that of the oldest rollout, there the first."""
    key = "rollout" if backend.name == "sqlite" else "source_id, rollout_id"
    rows = run(
        store.query(
            f"SELECT uid, response_id FROM _usage JOIN _rollouts USING ({key})"
            " WHERE tombstone = 0 ORDER BY rollout_id, position"
        )
    )
    first: dict[object, str] = {}
    for name, response in rows:
        first.setdefault(response or name, str(uuid.UUID(bytes=name)))
    counted = run(store.query("SELECT uid FROM token_usage ORDER BY 1"))
    assert counted == sorted((name,) for name in first.values())
    days: dict[tuple[str, str], list[int]] = {}
    for at_ms, model, *tokens in run(store.query(f"SELECT {COUNTED} FROM token_usage")):
        day = None if at_ms is None else f"1970-01-{1 + at_ms // 86_400_000:02}"
        sums = days.setdefault((day or "", model or ""), [0] * 6)
        for place, more in enumerate((1, *tokens)):
            sums[place] += more
    told = run(store.query(f"SELECT day, model, responses, {TOKENS} FROM token_days"))
    assert sorted((day or "", model or "", *sums) for day, model, *sums in told) == sorted(
        (*key, *sums) for key, sums in days.items()
    )
    threads = run(store.query("SELECT * FROM thread_tokens ORDER BY thread_id"))
    assert threads == run(store.query(THREADS))


def test_a_response_counts_once_whichever_rollout_comes_first(
    store: Queried, run: Run, backend: Backend
) -> None:
    """A copy that is projected before its original gives way to it, and takes over when it goes."""
    run(store.commit([batch(file_of(2), [cost(2, 1, 10, response="r")])]))
    run(store.commit([batch(file_of(1), [cost(1, 1, 10, response="r")])]))
    assert run(store.query("SELECT rollout_id FROM token_usage")) == [(rollout_id(1),)]
    check_tokens(store, run, backend)
    run(store.mark_missing([rollout_id(1)], purge=True))

    assert run(store.query("SELECT rollout_id FROM token_usage")) == [(rollout_id(2),)]
    check_tokens(store, run, backend)


@pytest.mark.parametrize("seed", range(8))
def test_tokens_add_up_whatever_happens(
    store: Queried, run: Run, backend: Backend, seed: int
) -> None:
    chance = random.Random(seed)
    standing: dict[int, tuple[int, int]] = {}
    for _ in range(50):
        number = chance.randint(1, 3)
        generation, offset = standing.get(number, (0, 0))

        def rows(number: int = number) -> list[UsageRow]:
            return [
                cost(
                    number, chance.randint(0, 9), chance.randint(1, 99),
                    response=chance.choice([None, "r", "s", "t"]), day=chance.randint(0, 2),
                    model=chance.choice(["", "m", "n"]),
                )
                for _ in range(chance.randint(0, 4))
            ]  # fmt: skip

        match chance.choice(["commit", "commit", "replace", "purge"]):
            case "commit":
                start = at(offset, generation=generation) if number in standing else None
                end = at(offset + 100, generation=generation)
                run(store.commit([batch(file_of(number), rows(), start=start, end=end)]))
                standing[number] = generation, offset + 100
            case "replace" if number in standing:
                anew = batch(file_of(number), rows(), end=at(50, generation=generation + 1))
                run(store.replace(at(offset, generation=generation), _all(anew)))
                standing[number] = generation + 1, 50
            case "purge":
                run(store.mark_missing([rollout_id(number)], purge=True))
                standing.pop(number, None)
        check_tokens(store, run, backend)


ASKED = {
    **{one.words: one.sql for one in questions((PAGES / "questions.md").read_text("utf-8"))},
    "a thread's commands": "SELECT command FROM commands WHERE thread_id = 't' ORDER BY position",
    "a thread's failed commands": (
        "SELECT command FROM commands WHERE thread_id = 't' AND status = 'failed'"
    ),
    "newest commands": "SELECT command FROM commands ORDER BY created_at_ms DESC LIMIT 9",
    "a page": (
        "SELECT uid FROM thread_history WHERE thread_id = 't' AND position > 9"
        " ORDER BY position LIMIT 9"
    ),
    "tokens since": "SELECT sum(total_tokens) FROM token_usage WHERE recorded_at_ms > 9",
}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("asked", ASKED)
def test_no_question_reads_all_items(store: Queried, run: Run, asked: str) -> None:
    """Of whatever size the database is: the planner goes by fixed figures."""
    plan = [step for *_, step in run(store.query(f"EXPLAIN QUERY PLAN {ASKED[asked]}"))]

    assert [step for step in plan if step.startswith(("SCAN i", "SCAN u ", "SCAN items"))] == []
    of_a_thread = "thread_id = '" in ASKED[asked] and "all_items" not in ASKED[asked]
    if of_a_thread and "items_by" in str(plan):
        assert "items_by_position" in str(plan)


def test_uids_here_are_those_of_the_makers() -> None:
    """`cost` gives rows of one place the same uid, as repeated lines have it."""
    assert cost(1, 5, 1, response=None).uid == uid("usage", rollout_id(1), 5)
