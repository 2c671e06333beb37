"""Split chunks of bytes into complete lines with offsets; a partial last line is kept back.

Goals: the same lines at the same offsets however the bytes are chunked; time linear in the bytes,
whatever they are; memory bounded by the longest allowed line.

Each chunk is searched for newlines once, by one `bytes.split`. What follows its last newline is
kept, known to contain none, so a line that arrives byte by byte is not searched again at each byte.
A line that exceeds the limit is counted, not kept. If the bytes can be read again, neither is a
line of more than `HELD_BYTES`: it is read whole once its newline has come, and compared with the
checksum of the bytes that were seen.

Only the byte 0x0A ends a line: U+2028 and similar characters occur unescaped in rollouts.

Where lines are so short that their number would cost more than their bytes, adjacent blank lines
are returned as one: it ends where the last of them ends, and is empty.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from functools import partial
from itertools import accumulate, repeat
from typing import Final

from projector.model.errors import RolloutUnreadable
from projector.model.ids import TAIL_BYTES, Line, Offset

#: Longest line that is kept, in bytes without its newline.
MAX_LINE = 256 * 1024 * 1024
#: Longer partial lines are not held if they can be read again.
HELD_BYTES = 4 * 1024 * 1024
#: A longer line that does not begin as a record is passed over: of its end so much is held in which
#: a whole record may stand.
PASSED_BYTES = 16 * 1024 * 1024
WINDOW_BYTES = 4 * 1024 * 1024
_RECORD: Final = b'{"timestamp":'
_BLANK_OR_NUL: Final = b" \t\r\x0c\0"
_BOM: Final = b"\xef"
#: Below this average length, lines are checked for blank ones.
_SHORT: Final = 32
#: Adjacent blank lines: of the bytes `decode.parse.BLANK`.
_blank_lines: Final = re.compile(rb"[ \t\r\x0c\n]*\n").match

#: Reads bytes of the file again: length, offset.
Fetch = Callable[[int, int], bytes]

# Line(...) with keywords costs three times as much, and there is one per record.
_line = partial(tuple.__new__, Line)


class Splitter:
    """Splits one rollout, fed in chunks, into lines."""

    __slots__ = (
        "_begins", "_fetch", "_first", "_kept", "_max_line", "_overlong", "_running", "_unheld",
        "checksum", "left", "offset", "partial_bytes", "tails",
    )  # fmt: skip

    def __init__(
        self,
        offset: Offset,
        *,
        max_line: int = MAX_LINE,
        checksum: int | None = 0,
        fetch: Fetch | None = None,
    ) -> None:
        """Start at `offset`, which is the start of a line.

        Args:
            offset: bytes before the first chunk.
            max_line: longest line that is returned, in bytes without its newline.
            checksum: CRC-32 of all bytes before `offset`; None: unknown.
            fetch: reads fed bytes again; None: not possible.
        """
        self._max_line = max_line
        self._fetch = fetch
        self._kept = bytearray()
        self._overlong = self._unheld = False
        self._first = -1
        """Where in the partial line the first byte is that is not blank or NUL; -1: nowhere."""
        self._begins = False
        """The partial line begins as a record does."""
        self.offset = offset
        """Offset of the first byte that is not part of a complete line."""
        self.checksum = checksum
        """CRC-32 of all bytes before `offset`; None: unknown."""
        self._running = checksum
        self.partial_bytes = 0
        """Number of bytes since `offset`."""
        self.left = b""
        """Rest of the last chunk, not processed because it has more lines than `most`."""
        self.tails: dict[int, bytes] = {}
        """Line end without data → last bytes of the line, at most `TAIL_BYTES`.

        Includes the newline. For overlong lines and merged blank ones: the only source for a
        fingerprint of their ends. `forget` removes entries.
        """

    def feed(self, piece: bytes, most: int = -1) -> list[Line]:
        """Add the next bytes; return the lines that they complete, at most `most`.

        Raises:
            RolloutUnreadable: a long line cannot be read again, or has changed.
        """
        parts = piece.split(b"\n", most)
        looked_at = len(piece) - len(parts[-1])
        if _SHORT < len(parts) > looked_at // _SHORT and len(piece) <= self._max_line:
            return self._feed_short(piece, most)
        rest = parts.pop()
        self.left = b""
        if len(parts) == most:
            self.left, rest = rest, b""
        if not parts:
            self._keep(rest)
            return []
        lines: list[Line] = []
        start = 0
        if self.partial_bytes:
            start = len(parts[0]) + 1
            lines += self._complete(parts[0])
            del parts[0]
        if parts:
            self._sum_lines(piece, start, len(piece) - len(self.left) - len(rest))
            ends = list(accumulate([len(part) + 1 for part in parts], initial=self.offset))
            lines += map(_line, zip(ends, ends[1:], parts, repeat(False), strict=False))
            self.offset = Offset(ends[-1])
            if len(piece) > min(self._max_line, PASSED_BYTES):
                lines = [one for line in lines for one in self._bounded(line)]
        if rest:
            self._keep(rest)
        return lines

    def _feed_short(self, piece: bytes, most: int) -> list[Line]:
        """Do the work of `feed` for short lines: merge adjacent blank lines."""
        lines: list[Line] = []
        self.left = b""
        at = 0
        if self.partial_bytes:
            at = piece.find(b"\n") + 1
            lines += self._complete(piece[: at - 1])
        first = at
        while most < 0 or len(lines) < most:
            start = at
            blank = _blank_lines(piece, start)
            at = piece.find(b"\n", start) + 1 if blank is None else blank.end()
            if not at:
                at = start
                break
            end = Offset(self.offset + at - start)
            if blank is None:
                lines.append(Line(self.offset, end, piece[start : at - 1]))
            else:
                if at - start > 1:
                    self.tails[end] = piece[max(start, at - TAIL_BYTES) : at]
                lines.append(Line(self.offset, end, b""))
            self.offset = end
        else:
            self.left = piece[at:]
        self._sum_lines(piece, first, at)
        if not self.left and at < len(piece):
            self._keep(piece[at:])
        return lines

    def partial_line(self, most: int = MAX_LINE) -> Line | None:
        """Return the partial last line as if its newline had come.

        None: there is none, or it is longer than `most`, or cannot be the end of a record.
        """
        if (
            not self.partial_bytes
            or self._overlong
            or self._is_passed_over
            or self.partial_bytes > most
        ):
            return None
        if not self._kept[-TAIL_BYTES:].rstrip().endswith(b"}"):
            return None
        data = bytes(self._kept)
        if self._unheld:
            assert self._fetch is not None, "else it is held"
            data = self._fetch(self.partial_bytes, self.offset)
            if len(data) != self.partial_bytes:
                return None
        return Line(self.offset, Offset(self.offset + self.partial_bytes + 1), data)

    def forget(self, before: Offset) -> None:
        """Drop the tails of lines that end at or before an offset."""
        if self.tails:
            self.tails = {end: tail for end, tail in self.tails.items() if end > before}

    def release(self) -> None:
        """Release the bytes of a partial line that can be read again."""
        if self.partial_bytes > TAIL_BYTES and self._fetch is not None:
            self._unheld = True
            self._kept = self._kept[-TAIL_BYTES:]

    def _sum_lines(self, piece: bytes, start: int, end: int) -> None:
        """Add complete lines, `piece[start:end]`, to the checksum."""
        if self._running is not None:
            with memoryview(piece) as view:
                self.checksum = self._running = zlib.crc32(view[start:end], self._running)

    def _keep(self, piece: bytes) -> None:
        """Add a chunk to the partial line."""
        if self._running is not None:
            self._running = zlib.crc32(piece, self._running)
        if self._first < 0:
            self._first = _first_byte(piece, self.partial_bytes)
            if self._first >= 0:
                byte = piece[
                    self._first - self.partial_bytes : self._first - self.partial_bytes + 1
                ]
                self._begins = _begins(self.offset, self._first, byte)
        self.partial_bytes += len(piece)
        self._overlong |= self.partial_bytes > self._max_line
        self._unheld |= self.partial_bytes > HELD_BYTES and self._fetch is not None
        if self._overlong or self._unheld:
            self._kept = (self._kept[-TAIL_BYTES:] + piece[-TAIL_BYTES:])[-TAIL_BYTES:]
            return
        self._kept += piece
        if self._is_passed_over and len(self._kept) > 2 * WINDOW_BYTES:
            del self._kept[:-WINDOW_BYTES]

    @property
    def _is_passed_over(self) -> bool:
        return self.partial_bytes > PASSED_BYTES and not self._begins

    def _window(self) -> bytes:
        """Return the end of the partial line, which is passed over.

        Raises:
            RolloutUnreadable: it cannot be read again, or has changed.
        """
        if not self._unheld:
            return bytes(self._kept[-WINDOW_BYTES:])
        assert self._fetch is not None, "else it is held"
        length = min(WINDOW_BYTES, self.partial_bytes)
        data = self._fetch(length, self.offset + self.partial_bytes - length)
        if len(data) != length or not data.endswith(self._kept) or b"\n" in data:
            raise RolloutUnreadable(f"the line at byte {self.offset} changed while it was read")
        return data

    def _passed_over(self, start: Offset, end: Offset, first: int, window: bytes) -> list[Line]:
        """Return a line that is skipped; after it the record that its end may contain.

        `first`: as `_first`. `window`: the end of the line, without its newline.
        """
        before = end - 1 - start - len(window)
        at = window.rfind(_RECORD, TAIL_BYTES)
        if first - before >= TAIL_BYTES and window[first - before : first - before + 1] == b"{":
            at = first - before
        cut = end if at < 0 else Offset(start + before + at)
        self.tails[cut] = ((window + b"\n") if at < 0 else window[:at])[-TAIL_BYTES:]
        only_nuls = first < 0 or start + first >= cut
        lines = [Line(start, cut, b"\0" if only_nuls else b"x", overlong=True)]
        if at >= 0:
            lines.append(Line(cut, end, window[at:]))
        return lines

    def _complete(self, piece: bytes) -> list[Line]:
        """Complete the partial line: `piece` is what came before its newline.

        Raises:
            RolloutUnreadable: it cannot be read again, or has changed.
        """
        self._keep(piece)
        start, end = self.offset, Offset(self.offset + self.partial_bytes + 1)
        if self._overlong:
            self.tails[end] = (bytes(self._kept) + b"\n")[-TAIL_BYTES:]
            lines = [Line(start, end, b"", overlong=True)]
        elif self._is_passed_over:
            lines = self._passed_over(start, end, self._first, self._window())
        else:
            lines = [Line(start, end, self._fetched() if self._unheld else bytes(self._kept))]
        if self._running is not None:
            self._running = zlib.crc32(b"\n", self._running)
        self.checksum = self._running
        self.offset, self.partial_bytes, self._kept = end, 0, bytearray()
        self._overlong = self._unheld = self._begins = False
        self._first = -1
        return lines

    def _fetched(self) -> bytes:
        """Read the partial line again, now complete."""
        assert self._fetch is not None, "else it is held"
        data = self._fetch(self.partial_bytes, self.offset)
        same = len(data) == self.partial_bytes and b"\n" not in data
        if same and self.checksum is not None:
            same = zlib.crc32(data, self.checksum) == self._running
        if not same:
            raise RolloutUnreadable(f"the line at byte {self.offset} changed while it was read")
        return data

    def _bounded(self, line: Line) -> list[Line]:
        """Shorten a line that is too long (only if chunks are larger than the limit)."""
        data = line.data
        if len(data) > self._max_line:
            self.tails[line.end] = (data[-TAIL_BYTES:] + b"\n")[-TAIL_BYTES:]
            return [line._replace(data=b"", overlong=True)]
        if len(data) <= PASSED_BYTES:
            return [line]
        first = _first_byte(data, 0)
        if first >= 0 and _begins(line.offset, first, data[first : first + 1]):
            return [line]
        return self._passed_over(line.offset, line.end, first, data[-WINDOW_BYTES:])


def _first_byte(piece: bytes, before: int) -> int:
    """Return the place of the first byte that is neither blank nor NUL; -1: there is none."""
    rest = len(piece.lstrip(_BLANK_OR_NUL))
    return before + len(piece) - rest if rest else -1


def _begins(offset: int, first: int, byte: bytes) -> bool:
    """True if the byte `first` bytes after `offset`, where a line begins, begins a record."""
    return first < PASSED_BYTES and (byte == b"{" or (offset == 0 and byte == _BOM))
