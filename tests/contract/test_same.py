"""Whatever a store is told, both engines show the same of it, and tell of the same changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any, Final
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from projector.model.changes import (
    Anomaly,
    Change,
    LimitRow,
    Lookup,
    NameUsage,
    RetractCounts,
    RollbackFrame,
    SessionHeader,
    ThreadMetadata,
    Tombstone,
    TombstoneFrames,
)
from projector.model.ids import ItemId, Offset, TurnId
from projector.store.protocol import Batch
from projector.store.sqlite import responses
from tests.contract.backends import Fresh, Queried
from tests.support.examples import examples
from tests.support.makers import (
    PAGINATED,
    at,
    batch,
    continuing,
    event,
    file_of,
    item,
    realtime,
    rollout_id,
    thread_id,
    turn,
    usage,
)

ROLLOUTS: Final = 5
TURNS: Final = ("t", "u", "v")
NAMES: Final = ("a", "b", "c", "d")
#: What is compared, and by which columns: not when a row came.
SHOWN: Final = {
    "thread_history": "thread_id, position, rollout_id, turn_id, item_id, uid, type, item_json,"
    " created_at_ms, started_at_ms, completed_at_ms, ordinal, provenance, inherited",
    "thread_turn_history": "thread_id, position, rollout_id, turn_id, uid, status, error_json,"
    " started_at, completed_at, duration_ms, model, input_tokens, cached_input_tokens,"
    " output_tokens, total_tokens, end_position",
    "threads": "thread_id, name, preview, cwd, model, history_mode, archived, deleted, incomplete,"
    " created_at_ms, updated_at_ms, turn_count, item_count, total_tokens, reported_total_tokens,"
    " rollout_id, path",
    "all_items": "rollout_id, position, turn_id, item_id, visible, tombstone, item_json",
    "all_turns": "rollout_id, position, turn_id, status, visible, tombstone",
    "codex_thread_realtime_items": "thread_id, item_id, rollout_ordinal, item_json",
    "token_usage": "thread_id, rollout_id, turn_id, input_tokens, response_id, model,"
    " cache_write_input_tokens, service_tier, model_provider",
    "token_costs": "rollout_id, uid, amount, currency",
    "token_days": "day, model, responses, input_tokens, total_tokens",
    "rate_limits": "rollout_id, slot, used_percent, plan_type, recorded_at",
    "thread_tokens": "thread_id, responses, input_tokens",
    "anomalies": "rollout_id, byte_offset, kind, detail, noted_at_ms",
    "lifecycle_events": "uid, thread_id, rollout_id, turn_id, type, payload, noted_at_ms",
    "codex_projection_state": "thread_id, next_rollout_byte_offset",
}
CHANGES: Final = "kind, op, thread_id, rollout_id, turn_id, item_id, uid, type, committed_at_ms"


#: Parts whose `repeated` is not true.
REPEATED: Final = """
SELECT p.thread_id, p.part, p.repeated FROM _thread_parts AS p WHERE p.repeated <> (
  SELECT count(*) FROM _turns AS t WHERE {0} AND t.position < p.upto AND t.tombstone = 0
    AND EXISTS (SELECT 1 FROM _thread_parts AS q JOIN _turns AS o ON {1}
      AND o.position < q.upto AND o.tombstone = 0
      WHERE q.thread_id = p.thread_id AND q.part < p.part AND o.turn_id = t.turn_id))
"""
SAME_ROLLOUT: Final = (
    ("t.rollout = p.rollout", "o.rollout = q.rollout"),
    ("t.source_id = p.part_source AND t.rollout_id = p.rollout_id",
     "o.source_id = q.part_source AND o.rollout_id = q.rollout_id"),
)  # fmt: skip
#: Threads whose parts are not added up right.
SUMS: Final = (
    "SELECT s.thread_id FROM _thread_states AS s WHERE s.repeated_turns <> (SELECT"
    " coalesce(sum(p.repeated), 0) FROM _thread_parts AS p WHERE p.thread_id = s.thread_id)"
)


class Story:
    """Tells two stores the same, at random, and holds them against each other."""

    rollouts = ROLLOUTS
    together = 3
    """How many at most are in a commit."""

    def __init__(self, chance: Random, *stores: Queried) -> None:
        self._chance = chance
        self._stores = stores
        self._standing: dict[int, tuple[int, int]] = {}
        """Rollout → its generation and offset."""
        self._headers = {number: self._header(number) for number in range(1, self.rollouts + 1)}
        self._seen = [0, 0]
        self._turns: dict[tuple[int, str], int] = {}
        """Where the line is that made a turn."""
        self._lives: dict[int, int] = {}

    def _header(self, number: int) -> SessionHeader:
        if number > 1 and self._chance.random() < 0.7:
            base = self._chance.randrange(1, number)
            attached = self._chance.random() < 0.2
            return continuing(base, 100 * self._chance.randint(1, 12), attached=attached)
        return replace(PAGINATED, mode=self._chance.choice(("paginated", "legacy")))

    def _thread(self, number: int) -> int:
        return number if number % 3 else number - 1

    def _changes(self, number: int, low: int, high: int) -> list[Change]:
        chance = self._chance
        made: list[Change] = []
        for offset in sorted(chance.sample(range(low, high, 10), chance.randint(0, 8))):
            name, at_turn = chance.choice(NAMES), self._turn(number)
            owner = offset if chance.random() < 0.5 else None
            row = item(
                number, name, offset, turn=at_turn, owner=owner,
                started=chance.choice((None, 3)), completed=chance.choice((None, 4, 5)),
                json=f'{{"n":{chance.randint(0, 2)}}}',
                kind=chance.choice(("plan", "agentMessage")),
                completed_wins=chance.random() < 0.3,
            )  # fmt: skip
            end = offset + 5 if chance.random() < 0.5 else None
            # A turn's place is that of the line that made it, however often it is put.
            place = self._turns.get((number, at_turn), offset)
            own_turn = turn(
                number, at_turn, place, owner=owner, end_offset=end,
                status="completed" if end else "inProgress",
                end_owner=owner if end else None, error=chance.choice((None, '{"e":1}')),
            )  # fmt: skip
            kinds: list[Change] = [
                row, row, row, own_turn, own_turn,
                usage(number, offset, chance.randint(1, 9), turn=at_turn,
                      response=chance.choice((None, "r", "s"))),
                usage(number, offset, chance.randint(1, 9), turn=chance.choice((at_turn, None)))
                ._replace(model=chance.choice((None, "n")), cache_write_input_tokens=offset,
                          service_tier="fast", model_provider=chance.choice((None, "p"))),
                LimitRow(Offset(offset), "primary", None, 300, offset / 7, None, "plus", offset),
                RetractCounts(TurnId(at_turn), Offset(offset), Offset(chance.randint(0, offset))),
                NameUsage("named", Offset(offset)),
                event(number, "turn.started", chance.choice((1, 2, 3)), turn=at_turn),
                realtime(number, name, offset, f"[{chance.randint(0, 1)}]"),
                Anomaly("torn", Offset(chance.randint(0, 3)), 1, "x"),
                RollbackFrame(offset, TurnId(at_turn), None),
                TombstoneFrames(Offset(offset), chance.randint(0, high)),
                Tombstone(row.uid, Offset(offset)),
            ]  # fmt: skip
            made.append(chance.choice(kinds))
            if made[-1] is own_turn:
                self._turns[number, at_turn] = place
            if isinstance(made[-1], (TombstoneFrames, Tombstone)):
                self._lives[number] = self._lives.get(number, 0) + 1
        return made

    def _turn(self, number: int) -> str:
        """Choose a turn: what was tombstoned comes under another name, as reducers have it."""
        return f"{self._chance.choice(TURNS)}{self._lives.get(number, 0) or ''}"

    def _batch(self, number: int, low: int, high: int, generation: int, *, first: bool) -> Batch:
        chance = self._chance
        meta = ThreadMetadata(
            cwd=chance.choice((None, "/a", "/b")), model=chance.choice((None, "m")),
            preview=chance.choice((None, "hello")), preview_offset=chance.choice((None, 50, 700)),
            goal=chance.choice((None, "win")), name=chance.choice((None, "own")),
            reported_total_tokens=chance.choice((None, 7)),
            updated_at_ms=chance.choice((None, 9, high)),
        )  # fmt: skip
        return batch(
            file_of(number, thread=self._thread(number), archived=chance.random() < 0.1),
            self._changes(number, low, high),
            start=None if first else at(low, generation=generation),
            end=at(high, generation=generation), header=self._headers[number], meta=meta,
        )  # fmt: skip

    async def step(self) -> str:
        """Do something."""
        ways = (self._commit,) * 6 + (
            self._replace, self._gone, self._purge, self._found, self._name, self._note,
            self._mend, self._another_header,
        )  # fmt: skip
        return await self._chance.choice(ways)(self._chance.randint(1, self.rollouts))

    async def _commit(self, _number: int) -> str:
        made = []
        count = self._chance.randint(1, self.together)
        for one in self._chance.sample(range(1, self.rollouts + 1), count):
            generation, low = self._standing.get(one, (0, 0))
            first = one not in self._standing
            made.append(self._batch(one, low, low + 300, generation, first=first))
            self._standing[one] = generation, low + 300
        return await self._tell("commit", made)

    async def _gone(self, number: int) -> str:
        return await self._tell("mark_missing", [rollout_id(number)], purge=False)

    async def _purge(self, number: int) -> str:
        self._standing.pop(number, None)
        self._lives[number] = self._lives.get(number, 0) + 1
        return await self._tell("mark_missing", [rollout_id(number)], purge=True)

    async def _found(self, number: int) -> str:
        archived = self._chance.random() < 0.5
        # Sometimes under a name that is not its thread's.
        named = self._thread(number) if self._chance.random() < 0.7 else number + 1
        return await self._tell(
            "update_locations", [file_of(number, thread=named, archived=archived)]
        )

    async def _name(self, number: int) -> str:
        return await self._tell("set_names", {thread_id(number): self._chance.choice(("x", "y"))})

    async def _note(self, number: int) -> str:
        odd = Anomaly("torn", Offset(self._chance.randint(0, 3)), 1, "x")
        return await self._tell("add_anomalies", rollout_id(number), [odd])

    async def _mend(self, _number: int) -> str:
        return await self._tell("rebuild_derived")

    async def _another_header(self, number: int) -> str:
        self._headers[number] = self._header(number)
        return "another header"

    async def _tell(self, method: str, *values: Any, **more: Any) -> str:
        for store in self._stores:
            await getattr(store, method)(*values, **more)
        return f"{method} {values}"

    async def _replace(self, number: int) -> str:
        if number not in self._standing:
            return "nothing"
        self._lives[number] = self._lives.get(number, 0) + 1
        generation, offset = self._standing[number]
        made = [
            self._batch(number, low, low + 300, generation + 1, first=False)
            for low in range(0, 300 * self._chance.randint(1, 3), 300)
        ]

        async def batches() -> AsyncIterator[Batch]:
            for one in made:
                yield one

        for store in self._stores:
            await store.replace(at(offset, generation=generation), batches())
        self._standing[number] = generation + 1, 300 * len(made)
        return f"replace {number}"

    async def compare(self, told: list[str]) -> None:
        """See that both show the same."""
        for store, same in zip(self._stores, SAME_ROLLOUT, strict=True):
            assert not await store.query(REPEATED.format(*same)), (same, told)
            assert not await store.query(SUMS), told
        for view, columns in SHOWN.items():
            one, other = [
                sorted(await store.query(f"SELECT {columns} FROM {view}"), key=repr)
                for store in self._stores
            ]
            assert other == one, (view, told)
        news = []
        for place, store in enumerate(self._stores):
            rows = await store.query(
                f"SELECT seq, {CHANGES} FROM changes WHERE seq > ? ORDER BY seq",
                (self._seen[place],),
            )
            numbers = [row[0] for row in rows]
            first = self._seen[place] + 1
            assert numbers == [*range(first, first + len(rows))], (place, told)
            self._seen[place] += len(rows)
            ((count, last),) = await store.query("SELECT count(*), max(seq) FROM changes")
            assert count == (last or 0) == self._seen[place], (place, told)
            news.append(sorted((row[1:] for row in rows), key=repr))
        # SQLite also tells of a row that is at the end as it was, but was another in between.
        more = Counter(news[0]) - Counter(news[1])
        assert not Counter(news[1]) - Counter(news[0]), told
        assert all(row[0] in ("turn", "item") and row[1] == "update" for row in more), told
        wants = Lookup(
            turns=frozenset(map(TurnId, TURNS)), items=frozenset(map(ItemId, NAMES)), frames=3,
            frames_of=frozenset(map(TurnId, TURNS)),
        )  # fmt: skip
        for number in self._standing:
            here, there = [await store.find(rollout_id(number), wants) for store in self._stores]
            assert there == here, told


@example(seed=228)  # the response that counts, in a rollout that moves
@example(seed=8210)  # two items of one id, in two turns, at one place
@example(seed=324)  # a replacement that moves what continues it
@example(seed=3654124)  # a row that is at the end as it was
@given(seed=st.integers(0, 1 << 40))
@examples(4)
def test_both_engines_do_the_same(fresh: Fresh, seed: int) -> None:
    """Commits, replacements, purges, moves, names, mending, in any order."""

    async def tell() -> None:
        chance = Random(seed)
        with (
            patch.object(responses, "WAITING", (0, 2, responses.WAITING)[seed % 3]),
            fresh("sqlite") as here,
            fresh("postgres") as there,
        ):
            async with here.open() as one, there.open() as other:
                story = Story(chance, one, other)
                told: list[str] = []
                for step in range(25):
                    here.clock = there.clock = step + 1
                    told.append(await story.step())
                    await story.compare(told[-1:])

    asyncio.run(tell())
