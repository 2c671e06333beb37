"""Homes of a shape and a size: what work is counted over, at one size and at twice that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tests.support import legacy_records as legacy

Record = dict[str, Any]
Files = Mapping[str, bytes]
"""Paths under a home → what is in them."""


def id_of(number: int) -> str:
    """Give the id of a rollout, or of a thread: they grow with the number."""
    return f"0199f1b2-0000-7000-8000-{number:012x}"


def rollout(
    number: int,
    records: Iterable[Record | bytes],
    *,
    thread: int | None = None,
    first: int = 0,
    **meta: Any,
) -> dict[str, bytes]:
    """Make a paginated rollout; `first`: ordinal of its header."""
    whose = id_of(number if thread is None else thread)
    head = {
        "id": whose, "timestamp": "2026-11-01T10:00:00.000Z", "cwd": "/w", "originator": "test",
        "cli_version": "0.171.0", "source": "exec", "history_mode": "paginated", **meta,
    }  # fmt: skip
    lines = []
    for at, one in enumerate([{"type": "session_meta", "payload": head}, *records]):
        if isinstance(one, bytes):
            lines.append(one)
            continue
        stamp = f"2026-11-01T10:{at // 60 % 60:02}:{at % 60:02}.000Z"
        lines.append(json.dumps({"timestamp": stamp, "ordinal": first + at} | one).encode())
    own = "" if thread is None or thread == number else f"_{id_of(number)}"
    name = f"sessions/2026/11/01/rollout-2026-11-01T10-00-00-{whose}{own}.jsonl"
    return {name: b"".join(line + b"\n" for line in lines)}


def old(number: int, records: Iterable[Record | bytes]) -> dict[str, bytes]:
    """Make a legacy rollout."""
    lines = legacy.lines_from([legacy.header(id=id_of(number)), *records])
    name = f"sessions/2026/03/01/rollout-2026-03-01T09-00-00-{id_of(number)}.jsonl"
    return {name: lines}


def event(kind: str, **fields: Any) -> Record:
    return {"type": "event_msg", "payload": {"type": kind, **fields}}


def said(turn: str, name: str, text: str = "word") -> Record:
    item = {"type": "AgentMessage", "id": name, "content": [{"type": "Text", "text": text}]}
    return event("item_completed", thread_id=id_of(1), turn_id=turn, item=item, completed_at_ms=1)


def spent(turn: str, response: str) -> Record:
    counts = {
        "input_tokens": 3, "cached_input_tokens": 1, "output_tokens": 2,
        "reasoning_output_tokens": 0, "total_tokens": 5,
    }  # fmt: skip
    ids = {"thread_id": id_of(1), "session_id": id_of(1), "root_turn_id": turn, "turn_id": turn}
    costs = dict.fromkeys(("usage", "turn_token_usage", "thread_token_usage"), counts)
    payload = {**ids, "response_id": response, **costs}
    return {"type": "token_usage_record", "payload": payload}


def turn(name: str, *, response: str | None = None) -> list[Record]:
    """Make a turn with an item and a response."""
    return [
        event("task_started", turn_id=name), said(name, f"{name}-item"),
        spent(name, response or f"{name}-response"), event("task_complete", turn_id=name),
    ]  # fmt: skip


def _base(files: Files, lines: int, number: int, *, first: int = 0) -> dict[str, Any]:
    """Continue a rollout after its first lines, the header among them."""
    (data,) = (data for name, data in files.items() if id_of(number) in name.split("_")[-1])
    end = len(b"".join(data.splitlines(keepends=True)[:lines]))
    return {
        "history_base": {
            "thread_id": id_of(number), "end_ordinal_exclusive": first + lines,
            "end_byte_offset": end,
        }
    }  # fmt: skip


def rollouts(size: int) -> Files:
    found: dict[str, bytes] = {}
    for n in range(size):
        found |= rollout(n + 1, turn(f"t{n}"))
    return found


def copies(size: int) -> Files:
    found: dict[str, bytes] = {}
    for n in range(size):
        found |= rollout(n + 1, [one for t in range(4) for one in turn(f"t{t}")])
    return found


def forks(size: int) -> Files:
    base = rollout(1, [one for t in range(8) for one in turn(f"t{t}")])
    found = dict(base)
    for n in range(size):
        cut = 1 + 4 * (1 + n % 8)
        found |= rollout(n + 2, turn(f"own{n}"), first=cut, **_base(base, cut, 1))
    return found


def reverts(size: int) -> Files:
    """Each continues the one before it, behind its first turn."""
    found = rollout(1, [*turn("t0"), *turn("u0")])
    before, first = dict(found), 0
    for n in range(1, size):
        base = _base(before, 5, n, first=first)
        first += 5
        before = rollout(n + 1, [*turn(f"t{n}"), *turn(f"u{n}")], thread=1, first=first, **base)
        found |= before
    return found


def agents(size: int) -> Files:
    """They begin with a copy of their parent's records."""
    history = [one for t in range(4) for one in turn(f"t{t}")]
    found = rollout(1, history)
    source = {"subagent": {"thread_spawn": {"parent_thread_id": id_of(1), "depth": 1}}}
    parent = {"type": "session_meta", "payload": {"id": id_of(1), "history_mode": "paginated"}}
    for n in range(size):
        found |= rollout(
            n + 2, [parent, *history, *turn(f"own{n}")], source=source,
            parent_thread_id=id_of(1), subagent_history_start_ordinal=2 + len(history),
        )  # fmt: skip
    return found


def turns(size: int) -> Files:
    return rollout(1, [one for n in range(size) for one in turn(f"t{n}")])


def items(size: int) -> Files:
    told = [said("t", f"i{n}") for n in range(size)]
    return rollout(
        1, [event("task_started", turn_id="t"), *told, event("task_complete", turn_id="t")]
    )


def again(size: int) -> Files:
    """One item is told again and again."""
    told = [said("t", "i", f"word {n}") for n in range(size)]
    return rollout(1, [event("task_started", turn_id="t"), *told])


def odd_lines(size: int) -> Files:
    odd = [b'{"type":"event_msg", "pay' if n % 2 else b"\x00\xff no JSON" for n in range(size)]
    return rollout(1, [*turn("t"), *odd])


def rollbacks(size: int) -> Files:
    records: list[Record | bytes] = []
    for n in range(size):
        name = f"t{n}"
        records += [
            legacy.started(name), *legacy.said(f"word {n}"), legacy.answer("yes"),
            legacy.completed(name),
        ]  # fmt: skip
        if n % 2:
            records.append(legacy.rolled_back(1))
    return old(1, records)


def late_outputs(size: int) -> Files:
    """Calls whose outputs come when their turn is over."""
    records: list[Record | bytes] = []
    for n in range(size):
        name, command = f"t{n}", ("shell", {"command": ["ls"]})
        records += [
            legacy.started(name), *legacy.said("go"), legacy.call(f"c{n}", command),
            legacy.completed(name),
        ]  # fmt: skip
        if n:
            records.append(legacy.output(f"c{n - 1}", "done"))
    return old(1, records)


def token_counts(size: int) -> Files:
    counts = []
    for n in range(size):
        usage = {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}
        total = {"input_tokens": 5 * n + 5, "output_tokens": n + 1, "total_tokens": 6 * n + 6}
        counts.append(
            event("token_count", info={"total_token_usage": total, "last_token_usage": usage})
        )
    return rollout(1, [event("task_started", turn_id="t"), *counts], cli_version="0.150.0")


def names(size: int) -> Files:
    """Names of threads, here and not here, each given twice."""
    found = dict(rollouts(size // 4))
    lines = [
        json.dumps({"id": id_of(n + 1), "thread_name": f"{word} {n}", "updated_at": "2026"})
        for word in ("old", "new") for n in range(size)
    ]  # fmt: skip
    return found | {"session_index.jsonl": "".join(f"{one}\n" for one in lines).encode()}


#: Shape, and its lesser size.
SHAPES: Final[Mapping[str, tuple[Callable[[int], Files], int]]] = {
    "distinct rollouts": (rollouts, 40),
    "copies": (copies, 40),
    "forks": (forks, 40),
    "reverts": (reverts, 40),
    "agents": (agents, 40),
    "turns": (turns, 100),
    "items of a turn": (items, 200),
    "one item again and again": (again, 200),
    "odd lines": (odd_lines, 200),
    "rollbacks": (rollbacks, 60),
    "late outputs": (late_outputs, 60),
    "token counts": (token_counts, 200),
    "names": (names, 100),
}
