"""The lines of a rollout: envelopes, ordinals, times, ids, and how many there were."""

from __future__ import annotations

import time
from random import Random
from typing import Final

from tests.support.generator import records
from tests.support.generator.mix import History

#: 2026-11-01T10:00:00Z, when generated time begins; milliseconds since 1970.
EPOCH_MS: Final = 1_793_527_200_000
HOUR_MS: Final = 3_600_000


def local(ms: int, form: str) -> str:
    """Write a time, given in milliseconds since 1970."""
    return time.strftime(form, time.gmtime(ms // 1000))


class Lines:
    """Gives out lines one after another, and counts them."""

    def __init__(self, random: Random, *, history: History, started_ms: int, ordinal: int) -> None:
        """Begin with this ordinal; every value that is made up comes from `random`."""
        self._random = random
        self._ms = started_ms
        self._second = -1
        self._second_text = b""
        self._turn = b""
        self._sequence = 0
        self.history: History = history
        self.ordinal = ordinal
        self.offset = 0
        self.records = 0
        self.items = 0

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

    def _time(self) -> bytes:
        second, ms = divmod(self._ms, 1000)
        if second != self._second:
            self._second = second
            self._second_text = local(self._ms, "%Y-%m-%dT%H:%M:%S").encode()
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
