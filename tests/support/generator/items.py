"""The records of a conversation that people see, in the form of both kinds of rollouts."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.support.generator import records
from tests.support.generator.lines import Lines
from tests.support.generator.mix import History, Mix, vocabulary


@dataclass(slots=True)
class Spent:
    """Tokens since some beginning."""

    read: int = 0
    cached: int = 0
    written: int = 0
    reasoned: int = 0

    def add(self, other: Spent) -> None:
        """Count what another response cost."""
        self.read += other.read
        self.cached += other.cached
        self.written += other.written
        self.reasoned += other.reasoned

    def json(self) -> bytes:
        """Give it as Codex writes it."""
        total = self.read + self.written
        return records.USAGE % (self.read, self.cached, self.written, self.reasoned, total)


class Items(Lines):
    """What was said and done, and what it cost."""

    def __init__(
        self,
        random: Random,
        *,
        history: History,
        mix: Mix,
        started_ms: int,
        ordinal: int,
        thread_id: str | None,
    ) -> None:
        """Begin a rollout; without `thread_id` its own id is the thread's."""
        super().__init__(random, history=history, started_ms=started_ms, ordinal=ordinal)
        self._mix = mix
        self._texts = vocabulary(mix)
        self.rollout_id = self._uuid().decode()
        self.thread_id = thread_id or self.rollout_id
        self._thread = self.thread_id.encode()
        self._total = Spent()
        self._of_turn = Spent()
        self._last = Spent()

    def _user(self, said: bytes) -> bytes:
        if self.history == "legacy":
            return self._shown(records.LEGACY_USER % said)
        return self._item(records.USER_ITEM % (self._uuid(), said))

    def _picture(self, said: bytes, encoded: bytes) -> bytes:
        if self.history == "legacy":
            return self._shown(records.LEGACY_IMAGE % (said, encoded))
        return self._item(records.IMAGE_ITEM % (self._uuid(), said, encoded))

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
        self._last = Spent(read, read * 9 // 10, written, written // 3)
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
