"""Bytes in pieces → whole lines with offsets; a torn tail stays behind.

Wanted: the same lines at the same places however the bytes are cut; time linear in the bytes
whatever they are; memory bounded by the longest line that is allowed.

Plan: each piece is searched for newlines once, by one `bytes.split`, as it comes in. What
follows its last newline is kept, known to hold none, so a line that arrives byte by byte is not
searched again at each byte. A line that outgrows the limit is counted, not kept.

Only the byte 0x0A ends a line: U+2028 and its like stand raw in the strings of rollouts.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate, repeat

from projector.place import TAIL_BYTES, Line, Offset

#: Longest line that is kept, in bytes without its newline.
MAX_LINE = 256 * 1024 * 1024

# Line(...) by keyword costs three times as much, and there is one per record.
_line = partial(tuple.__new__, Line)


class Splitter:
    """Cuts one rollout, given piece by piece, into lines."""

    __slots__ = ("_kept", "_max_line", "_overlong", "left", "offset", "tails", "torn")

    def __init__(self, offset: Offset, *, max_line: int = MAX_LINE) -> None:
        """Begin at `offset`, which is the start of a line."""
        self._max_line = max_line
        self._kept = bytearray()
        self._overlong = False
        self.offset = offset
        """Of the first byte that belongs to no whole line yet."""
        self.torn = 0
        """How many bytes have come since."""
        self.left = b""
        """What of the last piece was not looked at, because it has more lines than `most`."""
        self.tails: dict[int, bytes] = {}
        """End of an overlong line → its last bytes, at most `TAIL_BYTES`, newline included.

        A fingerprint of such a line's end can be had from here only. `forget` empties it.
        """

    def feed(self, piece: bytes, most: int = -1) -> list[Line]:
        """Take the next bytes; give the lines that they complete, at most `most` of them."""
        parts = piece.split(b"\n", most)
        rest = parts.pop()
        self.left = b""
        if len(parts) == most:
            self.left, rest = rest, b""
        if not parts:
            self._keep(rest)
            return []
        lines: list[Line] = []
        if self.torn:
            lines.append(self._complete(parts[0]))
            del parts[0]
        if parts:
            ends = list(accumulate([len(part) + 1 for part in parts], initial=self.offset))
            lines += map(_line, zip(ends, ends[1:], parts, repeat(False), strict=False))
            self.offset = Offset(ends[-1])
            if len(piece) > self._max_line:
                lines = [self._bounded(line) for line in lines]
        if rest:
            self._keep(rest)
        return lines

    def unfinished(self) -> Line | None:
        """Give the line whose newline has not come, as it would be if it came now."""
        if not self.torn or self._overlong:
            return None
        return Line(self.offset, Offset(self.offset + self.torn + 1), bytes(self._kept))

    def forget(self, before: Offset) -> None:
        """Drop the tails of lines that end at or before a place."""
        if self.tails:
            self.tails = {end: tail for end, tail in self.tails.items() if end > before}

    def _keep(self, piece: bytes) -> None:
        """Add to the line whose newline has not come."""
        self.torn += len(piece)
        self._kept += piece
        if self.torn > self._max_line:
            self._overlong = True
            self._kept = self._kept[-TAIL_BYTES:]

    def _complete(self, piece: bytes) -> Line:
        """End the torn line: `piece` is what came before its newline."""
        self._keep(piece)
        start, end = self.offset, Offset(self.offset + self.torn + 1)
        data = bytes(self._kept)
        if self._overlong:
            self.tails[end] = (data + b"\n")[-TAIL_BYTES:]
            line = Line(start, end, b"", overlong=True)
        else:
            line = Line(start, end, data)
        self.offset, self.torn, self._kept, self._overlong = end, 0, bytearray(), False
        return line

    def _bounded(self, line: Line) -> Line:
        """Empty a line that is too long (only where pieces are larger than the limit)."""
        if len(line.data) <= self._max_line:
            return line
        self.tails[line.end] = (line.data[-TAIL_BYTES:] + b"\n")[-TAIL_BYTES:]
        return line._replace(data=b"", overlong=True)
