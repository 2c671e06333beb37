"""Legacy rollouts projected into the store in memory, and what readers see of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from projector.model.changes import Anomaly, ItemRow, TurnRow
from projector.model.ids import Line, Offset, RolloutId, ThreadId
from projector.reduce.legacy import LegacyReducer
from tests.support.memory import Memory

ROLLOUT = RolloutId("01a30000-0000-7000-8000-00000000f001")


class MemoryStore(Memory):
    """The rows of one legacy rollout."""

    def living_items(self) -> list[ItemRow]:
        """Give the items that no rollback took, by place."""
        hidden = self.tombstoned | self.dropped
        fields = ItemRow._fields
        rows = [
            ItemRow(**{name: row[name] for name in fields})
            for uid, row in self.items.items()
            if uid not in hidden
        ]
        return sorted(rows, key=lambda row: row.offset)

    def history(self) -> list[tuple[str, dict[str, Any]]]:
        """Give turn and snapshot of each of them."""
        return [(row.turn_id, orjson.loads(row.json)) for row in self.living_items()]

    def living_turns(self) -> list[TurnRow]:
        """Give the turns that no rollback took, by place."""
        rows = [turn for uid, turn in self.turns.items() if uid not in self.tombstoned]
        return sorted(rows, key=lambda row: row.offset)

    def turn(self, turn_id: str) -> TurnRow | None:
        """Give one of them."""
        found = [row for row in self.living_turns() if row.turn_id == turn_id]
        return found[0] if found else None

    def state(self) -> Any:
        """Give all that is there, and the anomalies in their order."""
        return self.rows(), self.noted()

    def noted(self) -> list[Anomaly]:
        """Give the anomalies in their order."""
        return list(self.anomalies)


def story(store: MemoryStore) -> str:
    """Tell the history in a line: turns in letters (or by their ids), items by what they say."""
    letters: dict[str, str] = {}
    told: list[str] = []
    for turn_id, shown in store.history():
        name = turn_id
        if len(turn_id) == len(ROLLOUT):
            name = letters.setdefault(turn_id, "ABCDEFGH"[len(letters)])
        told.append(f"{name}:{_words(shown)}")
    return " ".join(told)


def _words(shown: dict[str, Any]) -> str:
    match shown["type"]:
        case "userMessage":
            return "".join(part.get("text", "") for part in shown["content"])
        case "agentMessage" | "plan":
            return str(shown["text"])
        case "reasoning":
            return "+".join(shown["summary"] + shown["content"])
        case _:
            return str(shown["id"])


def lines_of(data: bytes) -> list[Line]:
    lines: list[Line] = []
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        lines.append(Line(offset=Offset(at), end=Offset(end + 1), data=data[at:end]))
        at = end + 1
    return lines


def step(reducer: LegacyReducer, store: MemoryStore, lines: Sequence[Line]) -> None:
    rounds = 0
    while wants := reducer.lookup(lines):
        reducer.provide(wants, store.find(wants))
        rounds += 1
        assert rounds < 10, "a reducer stops asking"
    store.apply(reducer.apply(lines))


def project(
    data: bytes, cuts: Sequence[int] = (), *, resume: bool = False, rollout: RolloutId = ROLLOUT
) -> tuple[MemoryStore, LegacyReducer]:
    """Project a file, cut before the lines of these numbers; `resume`: made anew at each cut."""
    lines, store = lines_of(data), MemoryStore()
    thread = ThreadId(rollout)
    reducer = LegacyReducer(rollout, thread)
    places = sorted({cut for cut in cuts if 0 < cut < len(lines)})
    for start, end in zip([0, *places], [*places, len(lines)], strict=True):
        step(reducer, store, lines[start:end])
        if resume:
            reducer = LegacyReducer.resume(rollout, thread, reducer.dump_state())
    return store, reducer
