"""Rollouts of any size and mix, made up from a seed: the same seed, the same bytes.

From tests:

    rollout = Rollout(seed=7)                        # paginated; history="legacy" for the other
    path = rollout.write(home, size=100 * MB)        # into home/sessions/YYYY/MM/DD/
    path.open("ab").writelines(rollout.turn())       # it goes on as long as it is asked
    write_home(home, rollouts=40, size=1000 * MB)    # many, over many day folders

As a command (see `--help`):

    python -m tests.benchmarks.rollouts HOME --size 100MB
    python -m tests.benchmarks.rollouts HOME --rollouts 5000 --small
    python -m tests.benchmarks.rollouts HOME --size 2GB --history legacy
    python -m tests.benchmarks.rollouts HOME --giant 100MB      # one item, one line
    python -m tests.benchmarks.rollouts HOME --size 90MB --chain 20     # 19 reverts of a thread

The mix is that of real work: 94,000 records in 100 MB, 22,400 of them completed items, the rest
what passes between Codex and the model, token counts and the frame of turns. Ids look like
UUIDv7, ordinals count on through bases. The real Codex projects them without a complaint.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal, NamedTuple

from tests.benchmarks import records
from tests.benchmarks.words import Texts, text

KB: Final = 1_000
MB: Final = 1_000_000
GB: Final = 1_000_000_000

History = Literal["paginated", "legacy"]

#: 2026-11-01T10:00:00Z, when generated time begins; milliseconds since 1970.
EPOCH_MS: Final = 1_793_527_200_000
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How often records of each kind come, and how long their texts are (bytes, on average)."""

    steps: tuple[int, int] = (4, 20)
    """Calls of a tool in a turn: at least, at most."""
    reasons: float = 0.47
    """Share of steps whose reasoning has a summary, and so is an item."""
    comments: float = 0.16
    """Share of steps that begin with a word to the user."""
    world_every: int = 5
    """Turns between two `world_state` records."""
    compacted_every: int = 0
    """Turns between two `compacted` records; 0: none."""
    compacted_bytes: int = 400 * KB
    said: int = 360
    reasoned: int = 260
    encrypted: int = 760
    output: int = 1_055
    base_instructions: int = 3_000
    extended: bool = False
    """Legacy only: with the events of commands, as releases 0.102 to 0.136 could write them."""


TYPICAL: Final = Mix()
#: Conversations of one question: for homes of thousands of files.
SMALL: Final = Mix(steps=(0, 2), base_instructions=400, encrypted=200, output=200, said=120)
#: As many items as can be in few bytes: for long threads.
LEAN: Final = Mix(
    steps=(10, 20), reasons=1, comments=1, said=60, reasoned=60, encrypted=20, output=60
)
#: With the records of several MB that a long conversation has, which no row comes from.
GIANTS: Final = Mix(compacted_every=40)


class Cut(NamedTuple):
    """What a rollout continues: the records of `rollout_id` before this place."""

    rollout_id: str
    ordinal: int
    offset: int


class _Texts(NamedTuple):
    said: Texts
    reasoned: Texts
    encrypted: Texts
    output: Texts
    short: Texts


_texts_of: dict[Mix, _Texts] = {}


def _texts(mix: Mix) -> _Texts:
    """Give the texts of a mix: written once, the same for every seed."""
    if mix not in _texts_of:
        random = Random("words")
        _texts_of[mix] = _Texts(
            said=Texts(random, mix.said, lines=True),
            reasoned=Texts(random, mix.reasoned, lines=True),
            encrypted=Texts(random, mix.encrypted),
            output=Texts(random, mix.output, lines=True),
            short=Texts(random, 40),
        )
    return _texts_of[mix]


def _local(ms: int, form: str) -> str:
    return time.strftime(form, time.gmtime(ms // 1000))


@dataclass(slots=True)
class _Spent:
    """Tokens since some beginning."""

    read: int = 0
    cached: int = 0
    written: int = 0
    reasoned: int = 0

    def add(self, other: _Spent) -> None:
        self.read += other.read
        self.cached += other.cached
        self.written += other.written
        self.reasoned += other.reasoned

    def json(self) -> bytes:
        total = self.read + self.written
        return records.USAGE % (self.read, self.cached, self.written, self.reasoned, total)


class Rollout:
    """A conversation that goes on as long as it is asked, a turn at a time.

    `ordinal`, `offset`, `records` and `items` tell how much there is of it: the next ordinal,
    and the bytes, lines and records of items that were given out (of this file).
    """

    def __init__(
        self,
        seed: int | str = 0,
        *,
        history: History = "paginated",
        mix: Mix = TYPICAL,
        started_ms: int = EPOCH_MS,
        thread_id: str | None = None,
        base: Cut | None = None,
    ) -> None:
        """Begin a conversation; with `thread_id` and `base`, a revert of that thread."""
        self._random = Random(f"{seed}/{history}/{base}")
        self._mix = mix
        self._texts = _texts(mix)
        self._ms = started_ms
        self._second = -1
        self._second_text = b""
        self.started_ms = started_ms
        self.history: History = history
        self.rollout_id = self._uuid().decode()
        self.thread_id = thread_id or self.rollout_id
        self.base = base
        self.ordinal = base.ordinal if base else 0
        self.offset = 0
        self.records = 0
        self.items = 0
        self.turns = 0
        self._turn = b""
        self._thread = self.thread_id.encode()
        self._sequence = 0
        self._total = _Spent()
        self._of_turn = _Spent()
        self._last = _Spent()

    @property
    def name(self) -> str:
        """File name, as Codex gives it."""
        of_file = "" if self.rollout_id == self.thread_id else f"_{self.rollout_id}"
        started = _local(self.started_ms, "%Y-%m-%dT%H-%M-%S")
        return f"rollout-{started}-{self.thread_id}{of_file}.jsonl"

    @property
    def path(self) -> Path:
        """Place under a CODEX_HOME."""
        return Path("sessions") / _local(self.started_ms, "%Y/%m/%d") / self.name

    def write(
        self, home: Path, *, size: int = 0, items: int = 0, turns: int = 1, archived: bool = False
    ) -> Path:
        """Write it under `home` to at least `size` bytes, `items` items and `turns` turns.

        It ends with the turn that reaches them all. Called again, it goes on with the file.
        """
        path = home / ("archived_sessions/" + self.name if archived else self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=1 << 20) as file:
            while self.offset < size or self.items < items or self.turns < turns:
                file.writelines(self.turn())
        return path

    def told(self) -> dict[str, str | int]:
        """Give what there is of it, as `--json` prints it."""
        return {
            "path": str(self.path),
            "thread_id": self.thread_id,
            "rollout_id": self.rollout_id,
            "history": self.history,
            "bytes": self.offset,
            "records": self.records,
            "items": self.items,
            "ordinal": self.ordinal,
            "turn": self._turn.decode(),
        }

    def turn(self, *, steps: int | None = None) -> list[bytes]:
        """Give the lines of one more turn; the first has the header before it."""
        lines = [] if self.records else [self._header()]
        lines.extend(self._turn_lines(steps))
        return lines

    def item(self, text: str = "Land in sight.") -> bytes:
        """Give one line that makes one row: something said in the turn of before."""
        if not self.records:
            raise ValueError("a rollout begins with a turn")
        return self._agent(self._id(b"msg_"), text.encode(), b"commentary")

    def giant(self, size: int) -> bytes:
        """Give one line of `size` bytes: a command with a very long output."""
        if not self.records:
            raise ValueError("a rollout begins with a turn")
        chunk = text(self._random, 64 * KB, lines=True)
        call = self._id(b"call_")
        self._ms += 5
        around = len(self._command(call, b"", 0))
        self._undo(around)
        room = size - around
        # Whole texts only, so that no escape and no character is cut; dots fill the rest.
        body = chunk * (room // len(chunk))
        return self._command(call, body + b"." * (room - len(body)), 0)

    @classmethod
    def going_on(cls, told: Mapping[str, str | int], mix: Mix = TYPICAL) -> Rollout:
        """Give a rollout that goes on behind what another process `told` of it.

        Good for more lines, not for the same ones that the other would have given.
        """
        history: History = "legacy" if told["history"] == "legacy" else "paginated"
        rollout = cls(f"going on {told['rollout_id']}", history=history, mix=mix)
        rollout.rollout_id = str(told["rollout_id"])
        rollout.thread_id = str(told["thread_id"])
        rollout._thread = rollout.thread_id.encode()
        rollout._turn = str(told["turn"]).encode()
        rollout.ordinal = int(told["ordinal"])
        rollout.offset = int(told["bytes"])
        rollout.records = int(told["records"])
        rollout.items = int(told["items"])
        rollout.turns = 1
        rollout._ms = EPOCH_MS + 300 * 24 * _HOUR_MS
        return rollout

    def filler(self) -> bytes:
        """Give one line that makes no row: the model's words."""
        return self._response(records.MODEL_SAYS, self._id(b"msg_"), b"Aye.", b"commentary")

    def cut(self) -> Cut:
        """Give the place behind all that was given out."""
        return Cut(self.rollout_id, self.ordinal, self.offset)

    def reverted(self, cut: Cut) -> Rollout:
        """Begin the file that continues this thread from `cut`."""
        return Rollout(
            f"revert of {self.rollout_id}",
            history=self.history,
            mix=self._mix,
            started_ms=self._ms + 1000,
            thread_id=self.thread_id,
            base=cut,
        )

    # --- lines -------------------------------------------------------------------------------

    def _header(self) -> bytes:
        base = b"" if self.base is None else (
            records.HISTORY_BASE
            % (self.base.rollout_id.encode(), self.base.ordinal, self.base.offset)
        )  # fmt: skip
        fields = {
            b"thread": self._thread,
            b"base": base,
            b"time": self._time(),
            b"mode": self.history.encode(),
            b"text": text(self._random, self._mix.base_instructions, lines=True),
            b"commit": b"%040x" % self._random.getrandbits(160),
            b"window": self._uuid(),
        }
        return self._line(b"session_meta", records.SESSION_META % fields)

    def _turn_lines(self, steps: int | None) -> Iterator[bytes]:
        random, mix, texts = self._random, self._mix, self._texts
        self._ms += 2_000 + int(random.random() * 60_000)
        self._turn = self._uuid()
        self._of_turn = _Spent()
        began = self._ms
        fields = {b"turn": self._turn, b"second": began // 1000}
        yield self._line(b"event_msg", records.TASK_STARTED % fields)
        first = self.turns == 0
        if first or (mix.world_every and self.turns % mix.world_every == 0):
            yield self._line(
                b"world_state",
                records.WORLD_STATE % (b"true" if first else b"false", texts.said.draw(random)),
            )
        yield self._line(b"turn_context", records.TURN_CONTEXT % fields)
        if first:
            yield self._line(b"event_msg", records.SETTINGS % self._thread)
        if mix.compacted_every and self.turns % mix.compacted_every == mix.compacted_every - 1:
            long = text(random, 4 * KB, lines=True)
            yield self._line(
                b"compacted", records.COMPACTED % (long * (mix.compacted_bytes // len(long) or 1))
            )
        self.turns += 1
        said = texts.said.draw(random)
        yield self._response(records.MODEL_USER, self._id(b"msg_"), said)
        yield self._user(said)
        for _ in range(random.randint(*mix.steps) if steps is None else steps):
            yield from self._step()
        message, said = self._id(b"msg_"), texts.said.draw(random)
        yield self._agent(message, said, b"final_answer")
        yield self._response(records.MODEL_SAYS, message, said, b"final_answer")
        yield self._usage()
        yield self._count()
        yield self._line(
            b"event_msg",
            records.TASK_COMPLETE
            % (self._turn, self._turn, said, began // 1000, self._ms // 1000, self._ms - began),
        )

    def _step(self) -> Iterator[bytes]:
        """Give what one call of a tool leaves: reasoning, a word, the call, its output, costs."""
        random, mix, texts = self._random, self._mix, self._texts
        thought = self._id(b"rs_")
        summary = texts.reasoned.draw(random)
        if random.random() < mix.reasons:
            yield self._reasoning(thought, summary)
        yield self._response(records.MODEL_REASONS, thought, summary, texts.encrypted.draw(random))
        if random.random() < mix.comments:
            message, said = self._id(b"msg_"), texts.short.draw(random)
            yield self._agent(message, said, b"commentary")
            yield self._response(records.MODEL_SAYS, message, said, b"commentary")
        call = self._id(b"call_")
        yield self._response(records.MODEL_CALLS, call, call)
        yield self._usage()
        self._ms += int(random.random() * 3_000)
        failed = int(random.random() < 0.1)
        output = texts.output.draw(random)
        kind = random.random()
        if kind < 0.78:
            if self.history == "paginated" or mix.extended:
                yield self._command(call, output, failed)
        elif kind < 0.92:
            yield self._change(call, output)
        elif kind < 0.97:
            yield self._mcp(call, output)
        else:
            yield self._search(call)
        yield self._response(records.MODEL_HEARS, call, call, failed, output)
        yield self._count()

    def _user(self, said: bytes) -> bytes:
        if self.history == "legacy":
            return self._shown(records.LEGACY_USER % said)
        return self._item(records.USER_ITEM % (self._uuid(), said))

    def _agent(self, message: bytes, said: bytes, phase: bytes) -> bytes:
        if self.history == "legacy":
            return self._shown(records.LEGACY_AGENT % (said, phase))
        return self._item(records.AGENT_ITEM % (message, said, phase))

    def _reasoning(self, thought: bytes, summary: bytes) -> bytes:
        if self.history == "legacy":
            return self._shown(records.LEGACY_REASONING % summary)
        return self._item(records.REASONING_ITEM % (thought, summary))

    def _command(self, call: bytes, output: bytes, failed: int) -> bytes:
        status = b"failed" if failed else b"completed"
        number = 10_000 + int(self._random.random() * 80_000)
        nanos = number * 1_000
        if self.history == "legacy":
            return self._shown(
                records.LEGACY_COMMAND
                % (call, self._turn, number, number, output, failed, nanos, status)
            )
        return self._item(
            records.COMMAND_ITEM % (call, number, number, status, output, failed, nanos)
        )

    def _change(self, call: bytes, diff: bytes) -> bytes:
        if self.history == "legacy":
            return self._shown(records.LEGACY_CHANGE % (call, self._turn, call, diff))
        return self._item(records.CHANGE_ITEM % (call, call, diff))

    def _mcp(self, call: bytes, answer: bytes) -> bytes:
        port = self._texts.short.draw(self._random)
        if self.history == "legacy":
            return self._shown(records.LEGACY_MCP % (call, self._turn, port, 12, answer))
        return self._item(records.MCP_ITEM % (call, port, 12, answer))

    def _search(self, call: bytes) -> bytes:
        query = self._texts.short.draw(self._random)
        if self.history == "legacy":
            return self._shown(records.LEGACY_SEARCH % (call, query, query))
        return self._item(records.SEARCH_ITEM % (call, query, query))

    def _usage(self) -> bytes:
        """Give what a response cost."""
        read = 20_000 + int(self._random.random() * 40_000)
        written = 50 + int(self._random.random() * 900)
        self._last = _Spent(read, read * 9 // 10, written, written // 3)
        self._of_turn.add(self._last)
        self._total.add(self._last)
        fields = {
            b"thread": self._thread,
            b"turn": self._turn,
            b"response": b"%024x" % self._random.getrandbits(96),
            b"last": self._last.json(),
            b"of_turn": self._of_turn.json(),
            b"total": self._total.json(),
        }
        return self._line(b"token_usage_record", records.USAGE_RECORD % fields)

    def _count(self) -> bytes:
        """Give what the last response cost in the older form, which comes a little later."""
        resets = self._ms // 1000 + 9_000
        return self._event(records.TOKEN_COUNT % (self._total.json(), self._last.json(), resets))

    def _item(self, item: bytes) -> bytes:
        self.items += 1
        ms = self._ms + 1
        return self._line(b"event_msg", records.ITEM % (self._thread, self._turn, item, ms - 1, ms))

    def _shown(self, payload: bytes) -> bytes:
        """Give a legacy event that makes an item."""
        self.items += 1
        return self._event(payload)

    def _event(self, payload: bytes) -> bytes:
        return self._line(b"event_msg", payload)

    def _response(self, template: bytes, *values: bytes | int) -> bytes:
        self._sequence += 1
        sequence = self._sequence
        return self._line(
            b"response_item",
            template % (*values, self._turn),
            records.METADATA % (sequence, sequence - 1, sequence // 2),
        )

    def _line(self, kind: bytes, payload: bytes, more: bytes = b"") -> bytes:
        self._ms += 1 + self.records % 7
        if self.history == "legacy":
            line = b'{"timestamp":"%b","type":"%b","payload":%b%b}\n' % (
                self._time(), kind, payload, more,
            )  # fmt: skip
        else:
            line = b'{"timestamp":"%b","ordinal":%d,"type":"%b","payload":%b%b}\n' % (
                self._time(), self.ordinal, kind, payload, more,
            )  # fmt: skip
            self.ordinal += 1
        self.records += 1
        self.offset += len(line)
        return line

    def _undo(self, length: int) -> None:
        """Take back the last line, an item of `length` bytes."""
        self.records -= 1
        self.items -= 1
        self.offset -= length
        if self.history == "paginated":
            self.ordinal -= 1

    # --- values ------------------------------------------------------------------------------

    def _time(self) -> bytes:
        second, ms = divmod(self._ms, 1000)
        if second != self._second:
            self._second = second
            self._second_text = _local(self._ms, "%Y-%m-%dT%H:%M:%S").encode()
        return b"%b.%03dZ" % (self._second_text, ms)

    def _uuid(self) -> bytes:
        """Give an id of the form of a UUIDv7: the time now, the rest from the seed."""
        bits = self._random.getrandbits(74)
        hexa = b"%012x7%03x%04x%012x" % (
            self._ms, bits & 0xFFF, 0x8000 | (bits >> 12) & 0x3FFF, bits >> 26,
        )  # fmt: skip
        return b"-".join((hexa[:8], hexa[8:12], hexa[12:16], hexa[16:20], hexa[20:]))

    def _id(self, prefix: bytes) -> bytes:
        return b"%b%024x" % (prefix, self._random.getrandbits(96))


def conversations(
    count: int, *, seed: int | str = 0, history: History = "paginated", mix: Mix = TYPICAL
) -> Iterator[Rollout]:
    """Begin `count` conversations, some hours apart: a few dozen of them in each day's folder."""
    apart = _HOUR_MS // 60 if count > 1_000 else _HOUR_MS * 5
    for number in range(count):
        yield Rollout(
            f"{seed}/{number}", history=history, mix=mix, started_ms=EPOCH_MS + number * apart
        )


def write_home(
    home: Path,
    *,
    rollouts: int = 1,
    size: int = 0,
    seed: int | str = 0,
    history: History = "paginated",
    items: int = 0,
    mix: Mix = TYPICAL,
) -> list[Rollout]:
    """Write `rollouts` of `size` bytes and `items` items in all; 0: one turn each."""
    made = []
    for rollout in conversations(rollouts, seed=seed, history=history, mix=mix):
        rollout.write(home, size=size // rollouts, items=items // rollouts)
        made.append(rollout)
    return made


def write_chain(
    home: Path,
    *,
    length: int,
    size: int = 0,
    items: int = 0,
    seed: int | str = 0,
    mix: Mix = TYPICAL,
) -> list[Rollout]:
    """Write a thread of `length` rollouts: each reverts the last turn of the one before it.

    `size` and `items` are those of all together, reverted ones included.
    """
    rollout = Rollout(seed, mix=mix)
    made = []
    while True:
        rollout.write(home, size=size // length, items=items // length)
        made.append(rollout)
        if len(made) == length:
            return made
        cut = rollout.cut()
        rollout.write(home, turns=rollout.turns + 1)
        rollout = rollout.reverted(cut)


def parse_size(written: str) -> int:
    """Read `100MB`, `2GB`, `64KB` or a number of bytes.

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(r"(\d+)(B|KB|MB|GB)?", written, re.IGNORECASE)
    if found is None:
        raise ValueError(f"{written!r}: write a size as 100MB or 2GB")
    unit = {"B": 1, "KB": KB, "MB": MB, "GB": GB}[(found[2] or "B").upper()]
    return int(found[1]) * unit


def main() -> None:
    """Write a home, and tell on standard error what is in it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.rollouts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("home", type=Path, help="CODEX_HOME to write into")
    parser.add_argument("--rollouts", type=int, default=1, metavar="N")
    parser.add_argument("--size", type=parse_size, default=0, help="of all together")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--history", choices=("paginated", "legacy"), default="paginated")
    parser.add_argument("--small", action="store_true", help="turns of few and short records")
    parser.add_argument("--compacted", action="store_true", help="with compacted giants")
    parser.add_argument("--extended", action="store_true", help="legacy: events of commands too")
    parser.add_argument("--giant", type=parse_size, default=0, help="end with an item so long")
    parser.add_argument("--lean", action="store_true", help="short texts, many items")
    parser.add_argument("--items", type=int, default=0, metavar="N", help="in all, at least")
    parser.add_argument("--chain", type=int, default=0, metavar="N", help="one thread, N rollouts")
    parser.add_argument("--json", action="store_true", help="tell of each rollout, as JSON")
    given = parser.parse_args()
    mix = dataclasses.replace(
        SMALL if given.small else LEAN if given.lean else GIANTS if given.compacted else TYPICAL,
        extended=given.extended,
    )
    began = time.monotonic()
    if given.chain:
        made = write_chain(
            given.home,
            length=given.chain,
            size=given.size,
            items=given.items,
            seed=given.seed,
            mix=mix,
        )
    else:
        made = write_home(
            given.home,
            rollouts=given.rollouts,
            size=given.size,
            items=given.items,
            seed=given.seed,
            history=given.history,
            mix=mix,
        )
    if given.giant:
        with (given.home / made[-1].path).open("ab") as file:
            file.write(made[-1].giant(given.giant))
    if given.json:
        sys.stdout.write(json.dumps([rollout.told() for rollout in made]))
        return
    size = sum(rollout.offset for rollout in made)
    sys.stderr.write(
        f"{len(made)} rollouts, {size / MB:,.1f} MB, {sum(one.records for one in made):,} records,"
        f" {sum(one.items for one in made):,} items in {time.monotonic() - began:.1f} s\n"
    )


if __name__ == "__main__":
    main()
