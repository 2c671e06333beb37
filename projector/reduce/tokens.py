"""Which records tell of a model response, and what it cost. Pure.

By turn:

1. A `token_usage_record` is a response. In a turn that has one, no `token_count` is.
2. Elsewhere (releases before 0.154 write nothing else) a `token_count` is a response if its own
   `last_token_usage` names input or output, unless it repeats the totals of the one before.
3. What names neither input nor output is no response: when the context window is full, Codex
   writes a count of nothing but a total.
4. A rollout that continues another one may repeat the last count of its base: whatever comes
   before its first turn does, and, where a release that writes records began it, the first count
   of all in a turn without a record. A copy of another thread's records was paid for there.
5. A count before the first turn is that turn's where rule 1 is asked, one between two turns is the
   earlier turn's. Their rows have no turn.
6. A record takes back the rows of token counts that its turn had before.

Source: docs on legacy rollouts, b7; docs on rollout files, sections 4 and 5.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from projector.decode.fields import I64_MAX, Object
from projector.model.changes import MOST_TOKENS, Anomaly, Change, NameUsage, RetractCounts, UsageRow
from projector.model.ids import Offset, Ordinal, TurnId
from projector.reduce.rate_limits import Limits

_COUNTS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)
_CACHE_WRITE: Final = "cache_write_input_tokens"
_counts_of: Final = itemgetter(*_COUNTS)
_all_of: Final = itemgetter(*_COUNTS, _CACHE_WRITE)
#: Types of the numbers of a usage as Codex writes it; older releases do not tell the last one.
_INTEGERS: Final = (int,) * len(_COUNTS)
_REGULAR: Final = ((*_INTEGERS, int), (*_INTEGERS, type(None)))
#: Turns held in memory with the source of their usage.
_TURNS_MAX: Final = 16
#: Longer turn ids are held as a digest.
_ID_MAX: Final = 64
_TIER_MAX: Final = 64
_VERSION: Final = re.compile(r"(\d{1,6})\.(\d{1,6})\.").match
#: The first release that writes a `token_usage_record` for each response.
_RECORDS_SINCE: Final = (0, 154)
#: Integers beyond 64 bits are read as floats.
_FLOAT_INTEGERS: Final = float(1 << 63)


class Tokens(NamedTuple):
    """The counts of a usage, as read."""

    counts: tuple[int, int, int, int, int]
    """Input, cached input, output, reasoning output and total."""
    cache_write: int | None
    """None: not told."""

    @property
    def is_response(self) -> bool:
        """True if it contains input or output."""
        return self.counts[0] != 0 or self.counts[2] != 0


# Tokens(...) and UsageRow(...), in a third of the time.
_tokens = partial(tuple.__new__, Tokens)
_row = partial(tuple.__new__, UsageRow)


class Source(NamedTuple):
    """The record that reports a usage. Made when a row or an anomaly needs it."""

    uid: bytes
    """Uid of the row that it would make."""
    offset: Offset
    length: int
    ordinal: Ordinal | None
    model: str | None
    """Model of the thread at this record."""
    at_ms: int | None
    provider: str | None = None
    """Provider of the thread's model at this record."""


# Source(...), in a third of the time.
new_source = partial(tuple.__new__, Source)


class TokenState(Struct, kw_only=True):
    """State that later records depend on; saved with the checkpoint. Bounded."""

    totals: Sequence[int] | None = None
    """`total_token_usage` of the last token_count, or `thread_token_usage` of a record."""
    turn: str | None = None
    """The turn that started last."""
    recorded: list[str] = field(default_factory=list)
    """The last turns with a token_usage_record; newest last."""
    counted: list[str] = field(default_factory=list)
    """The last turns with rows from token counts."""
    loose: int | None = None
    """Offset of the first row without a turn that, by rule 5, belongs to the turn that started
    last."""
    nameless: bool = False
    """True if there are rows without a model."""
    tier: str | None = None
    """Service tier from the thread's settings."""
    limits: Limits = field(default_factory=dict)
    """Rate limits as they were reported last: see `rate_limits`."""

    def turn_began(self, turn_id: str) -> None:
        """Record the start of a turn. Usage before the first turn belongs to that turn."""
        if self.turn is not None:
            self.loose = None
        self.turn = _key(turn_id)

    def settings(self, applied: Any) -> None:
        """Set the service tier from a `thread_settings_applied`."""
        if type(applied) is dict:
            self.tier = _tier(applied.get("service_tier"))

    def context(self, payload: Object) -> None:
        """Set the service tier from a `turn_context`, if it has one."""
        if "service_tier" in payload:
            self.tier = _tier(payload["service_tier"])

    def named(self, model: str | None, offset: Offset) -> Sequence[Change]:
        """Return the change that sets the model of rows before the first known model."""
        if not self.nameless or model is None:
            return ()
        self.nameless = False
        return (NameUsage(model, offset),)

    def record(
        self, payload: Object, source: Source, active: str | None, *, copied: bool
    ) -> list[Change]:
        """Apply a `token_usage_record`. `source`: the record; `active`: the running turn."""
        found = read_usage(payload.get("usage"))
        if found is None:
            if copied:
                return []
            return [_note(source, "refused_record", "a token_usage_record that cannot be read")]
        totals = read_usage(payload.get("thread_token_usage"))
        if totals is not None:
            self.totals = list(totals.counts)
        named = payload.get("turn_id")
        turn_id = named if type(named) is str else active
        changes: list[Change] = []
        if turn_id is not None and not self._is_recorded(turn_id):
            key = _key(turn_id)
            if key in self.counted or (key == self.turn and self.loose is not None):
                since = self.loose if key == self.turn else None
                changes.append(
                    RetractCounts(
                        TurnId(turn_id),
                        source.offset,
                        source.offset if since is None else Offset(since),
                    )
                )
                self.loose = None if key == self.turn else self.loose
            self._remember(self.recorded, key)
        if copied or not found.is_response:
            return changes
        response = payload.get("response_id")
        tier = payload.get("service_tier")
        row = self._row(
            found,
            source,
            TurnId(named) if type(named) is str else None,
            response if type(response) is str else None,
            self.tier if tier is None else _tier(tier) or self.tier,
        )
        return changes + row if changes else row

    def count(
        self,
        payload: Object,
        told_by: Callable[[], Source],
        active: str | None,
        *,
        copied: bool | None,
        continues: bool,
        cli_version: str | None,
    ) -> list[Change]:
        """Apply a `token_count`.

        `told_by`: gives the record; `active`: the running turn. `copied`: it came with a copy of
        another thread's records; None: not known yet. `continues`: the rollout has a base.
        """
        info = payload.get("info")
        if type(info) is not dict:
            return []
        before, total, last = self.totals, read_usage(info.get("total_token_usage")), None
        turn_id = self.turn if active is None else active
        told = not copied and (turn_id is None or not self._is_recorded(turn_id))
        if told or total is None:
            last = read_usage(info.get("last_token_usage"))
        now = last if total is None else total
        if now is not None:
            self.totals = list(now.counts)
        if not told or last is None or not last.is_response or self.totals == before:
            return []
        if turn_id is None and continues:
            return []
        if turn_id is None and copied is None and total is not None and total.counts != last.counts:
            return []  # there was more before, and not here
        if before is None and continues and writes_records(cli_version):
            return []
        source = told_by()
        if active is None:
            self.loose = source.offset if self.loose is None else self.loose
        else:
            self._remember(self.counted, _key(active))
        return self._row(last, source, None if active is None else TurnId(active), None, self.tier)

    def _row(
        self,
        tokens: Tokens,
        source: Source,
        turn_id: TurnId | None,
        response_id: str | None,
        tier: str | None,
    ) -> list[Change]:
        self.nameless = self.nameless or source.model is None
        counts, write = tokens
        uid, offset, _, ordinal, model, at_ms, provider = source
        row = _row(
            (
                uid,
                turn_id,
                offset,
                ordinal,
                response_id,
                model,
                *counts,
                at_ms,
                write,
                tier,
                provider,
            )
        )
        fresh, cached, output, reasoning, total = counts
        # Of numbers that are not negative none is greater than all of their bits together.
        if 0 <= (fresh | cached | output | reasoning | total | (write or 0)) <= MOST_TOKENS:
            return [row]
        all_counts = counts if write is None else (*counts, write)
        if min(all_counts) >= -MOST_TOKENS and max(all_counts) <= MOST_TOKENS:
            return [row]
        fresh, cached, output, reasoning, total = map(_cut, counts)
        row = row._replace(
            input_tokens=fresh,
            cached_input_tokens=cached,
            output_tokens=output,
            reasoning_output_tokens=reasoning,
            total_tokens=total,
            cache_write_input_tokens=None if write is None else _cut(write),
        )
        return [row, _note(source, "cut_number", "tokens beyond what a column holds")]

    def _is_recorded(self, turn_id: str) -> bool:
        """True if a turn had a token_usage_record; nearly always it is the last that had one."""
        recorded = self.recorded
        return bool(recorded) and (recorded[-1] == turn_id or _key(turn_id) in recorded)

    def _remember(self, turns: list[str], key: str) -> None:
        if key in turns:
            return
        turns.append(key)
        del turns[:-_TURNS_MAX]


def state_of(told: Any) -> TokenState:
    """Parse a saved state.

    Raises:
        KeyError, TypeError: it is not of this version.
    """
    state = TokenState(**told)
    lists = [state.recorded, state.counted, *([] if state.totals is None else [state.totals])]
    if (
        not all(type(each) is list for each in (*lists, *state.limits.values()))
        or type(state.nameless) is not bool
    ):
        raise TypeError("tokens")
    return state


def read_usage(usage: Any) -> Tokens | None:
    """Parse a usage object; None: it has no count, or one that is not an integer.

    Missing counts are 0; a missing total is the sum of input and output.
    """
    if type(usage) is not dict:
        return None
    try:
        numbers = _all_of(usage) if _CACHE_WRITE in usage else (*_counts_of(usage), None)
    except KeyError:
        return _irregular(usage)
    if (*map(type, numbers),) not in _REGULAR:
        return _irregular(usage)
    return _tokens((numbers[:-1], numbers[-1]))


def _irregular(usage: Object) -> Tokens | None:
    if not usage.keys() & set(_COUNTS):
        return None
    numbers = [_integer(usage.get(name, 0)) for name in _COUNTS]
    if "total_tokens" not in usage and numbers[0] is not None and numbers[2] is not None:
        numbers[4] = numbers[0] + numbers[2]
    spent, cached, given, reasoned, total = numbers
    if spent is None or cached is None or given is None or reasoned is None or total is None:
        return None
    return Tokens((spent, cached, given, reasoned, total), _integer(usage.get(_CACHE_WRITE)))


def reported_total(payload: Object) -> tuple[int | None, bool]:
    """Return the thread's tokens reported by a `token_count`, and True if they were cut."""
    info = payload.get("info")
    usage = info.get("total_token_usage") if type(info) is dict else None
    if type(usage) is not dict:
        return None, False
    total = _integer(usage.get("total_tokens"))
    if total is None:
        return None, False
    if -I64_MAX <= total <= I64_MAX:
        return total, False
    return max(-I64_MAX, min(total, I64_MAX)), True


def writes_records(cli_version: str | None) -> bool:
    """True if a release writes a `token_usage_record` for each response."""
    found = None if cli_version is None else _VERSION(cli_version)
    return found is not None and (int(found[1]), int(found[2])) >= _RECORDS_SINCE


def _integer(value: Any) -> int | None:
    if type(value) is int:
        return value
    if type(value) is float and abs(value) >= _FLOAT_INTEGERS and abs(value) != float("inf"):
        return int(value)
    return None


def _cut(count: int) -> int:
    return max(-MOST_TOKENS, min(count, MOST_TOKENS))


def _note(source: Source, kind: str, detail: str) -> Anomaly:
    return Anomaly(kind, source.offset, source.length, detail)


def _tier(value: Any) -> str | None:
    return value if type(value) is str and 0 < len(value) <= _TIER_MAX else None


def _key(turn_id: str) -> str:
    if len(turn_id) <= _ID_MAX:
        return turn_id
    told = turn_id.encode("utf-8", "surrogatepass")
    return hashlib.sha1(told, usedforsecurity=False).hexdigest()
