"""What was spent: token_costs in sums, and the threads that they are of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

from projector.store.reading import Connection, Sql, among

_DAY: Final = Sql(
    "substr(recorded_at, 1, 10)", "to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
)
#: Sums of responses that differ in nothing that they may be grouped by.
_SUMS: Final = (
    "SELECT {day} AS day, thread_id, {turn} AS turn_id, model, model_provider, service_tier,"
    " currency, price_source, count(*), sum(input_tokens), sum(cached_input_tokens),"
    " sum(cache_write_input_tokens), sum(output_tokens), sum(reasoning_output_tokens),"
    " sum(total_tokens), sum(amount) FROM token_costs {where} GROUP BY 1, 2, {group}4, 5, 6, 7, 8"
)
_THREADS: Final = Sql(
    *(
        "SELECT thread_id, name, preview, cwd, git_origin_url, parent_thread_id FROM threads"
        f" WHERE thread_id IN {threads}"
        for threads in among("threads")
    )
)
#: Threads that are asked for together.
_AT_ONCE: Final = 500
_LOOKED_UP: Final = "SELECT DISTINCT model_provider, model FROM _prices"


class Spent(NamedTuple):
    """A sum over responses of one thread, day, model, provider, tier and price."""

    day: str | None
    """UTC."""
    thread_id: str
    turn_id: str | None
    """None where turns were not asked for, too."""
    model: str | None
    provider: str | None
    service_tier: str | None
    currency: str | None
    """None: these have no price."""
    price_source: str | None
    responses: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_input_tokens: int | None
    output_tokens: int
    reasoning_output_tokens: int
    total_tokens: int
    amount: float | None


class Spender(NamedTuple):
    """A thread, as far as what it cost is told by it."""

    thread_id: str
    name: str | None
    preview: str | None
    cwd: str | None
    git_origin_url: str | None
    parent_thread_id: str | None


def spent(db: Connection, *, since_ms: int | None, turns: bool) -> list[Spent]:
    """Return the sums of token_costs since a time, in milliseconds; `turns`: turn by turn."""
    where = "" if since_ms is None else "WHERE recorded_at_ms >= :since"
    texts = [
        _SUMS.format(
            day=day, turn="turn_id" if turns else "NULL", where=where, group="3, " if turns else ""
        )
        for day in _DAY
    ]
    return [Spent(*row) for row in db.rows(Sql(*texts), {"since": since_ms})]


def spenders(db: Connection, rows: Iterable[Spent]) -> list[Spender]:
    """Return the threads that spent something, and those whose agents they are, up to the top."""
    found: list[Spender] = []
    asked: set[str] = set()
    wanted = {row.thread_id for row in rows}
    while wanted:
        asked |= wanted
        more: list[Spender] = []
        every = sorted(wanted)
        for first in range(0, len(every), _AT_ONCE):
            some = json.dumps(every[first : first + _AT_ONCE])
            more += [Spender(*row) for row in db.rows(_THREADS, {"threads": some})]
        found += more
        wanted = {one.parent_thread_id for one in more if one.parent_thread_id} - asked
    return found


def looked_up(db: Connection) -> set[tuple[str, str]]:
    """Return provider and model of what was looked up in a list of prices, or has an own one."""
    return {(provider, model) for provider, model in db.rows(_LOOKED_UP)}
