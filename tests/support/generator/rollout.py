"""One rollout: a conversation that goes on as long as it is asked, a turn at a time."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.support.generator import records
from tests.support.generator.items import Items, Spent
from tests.support.generator.lines import EPOCH_MS, HOUR_MS, local
from tests.support.generator.mix import KB, TYPICAL, History, Mix
from tests.support.generator.words import text


class Cut(NamedTuple):
    """What a rollout continues: the records of `rollout_id` before this place."""

    rollout_id: str
    ordinal: int
    offset: int


class Rollout(Items):
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
        super().__init__(
            Random(f"{seed}/{history}/{base}"),
            history=history,
            mix=mix,
            started_ms=started_ms,
            ordinal=base.ordinal if base else 0,
            thread_id=thread_id,
        )
        self.started_ms = started_ms
        self.base = base
        self.turns = 0

    @property
    def name(self) -> str:
        """File name, as Codex gives it."""
        of_file = "" if self.rollout_id == self.thread_id else f"_{self.rollout_id}"
        started = local(self.started_ms, "%Y-%m-%dT%H-%M-%S")
        return f"rollout-{started}-{self.thread_id}{of_file}.jsonl"

    @property
    def path(self) -> Path:
        """Place under a CODEX_HOME."""
        return Path("sessions") / local(self.started_ms, "%Y/%m/%d") / self.name

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
        rollout._ms = EPOCH_MS + 300 * 24 * HOUR_MS
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

    def forked(self, cut: Cut) -> Rollout:
        """Begin a thread as this one would have begun, that continues another one from `cut`."""
        return Rollout(
            f"fork of {cut.rollout_id}",
            history=self.history,
            mix=self._mix,
            started_ms=self.started_ms,
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
        self._of_turn = Spent()
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
        if mix.images_every and self.turns % mix.images_every == 0:
            yield self._picture(said, base64.b64encode(random.randbytes(mix.image_bytes * 3 // 4)))
        else:
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
