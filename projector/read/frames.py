"""Compute the unpacked size of a .zst from its headers alone.

A .zst is a series of frames; a frame is a header, blocks that each begin with their length, and
optionally a checksum (RFC 8878, 3.1). Walking from block to block reads three bytes per 128 KiB of
content, so a compressed rollout that was read to its end is recognised without unpacking it. One
frame's header is not enough: another frame may follow.
"""

from __future__ import annotations

from collections.abc import Callable

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50
_MAX_HEADER = 18
_RLE = 1
_RESERVED = 3
#: Maximum number of blocks that are walked: 26 GB of content; more suggests a malicious file.
_MAX_BLOCKS = 200_000


def unpacked_size(read: Callable[[int, int], bytes]) -> int | None:
    """Return the sum of all frames' content sizes.

    None if one is missing or the file is incomplete. `read(length, offset)` returns bytes of the
    compressed file, fewer only at its end.
    """
    total, at, blocks = 0, 0, _MAX_BLOCKS
    while True:
        header = read(_MAX_HEADER, at)
        if not header:
            return total
        if len(header) >= 8 and _int(header, 0, 4) & 0xFFFFFFF0 == _SKIPPABLE:  # noqa: PLR2004 - its header
            end = at + 8 + _int(header, 4, 4)
        else:
            frame = _frame(header)
            if frame is None:
                return None
            length, size, checksum = frame
            total += size
            walked = _behind_blocks(read, at + length, blocks)
            if walked is None:
                return None
            end, blocks = walked[0] + checksum, walked[1]
        if end > at and len(read(1, end - 1)) != 1:
            return None  # truncated
        at = end


def _frame(header: bytes) -> tuple[int, int, int] | None:
    """Parse a frame header: return its length, the content's size, the checksum's length."""
    if len(header) < 5 or _int(header, 0, 4) != _MAGIC:  # noqa: PLR2004 - magic and descriptor
        return None
    descriptor = header[4]
    single = descriptor >> 5 & 1
    at = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    width = (single, 2, 4, 8)[descriptor >> 6]
    if not width or len(header) < at + width:
        return None
    size = _int(header, at, width) + (256 if width == 2 else 0)  # noqa: PLR2004 - RFC 8878, 3.1.1.1.4
    return at + width, size, 4 if descriptor & 4 else 0


def _behind_blocks(
    read: Callable[[int, int], bytes], at: int, budget: int
) -> tuple[int, int] | None:
    """Walk the blocks of a frame.

    Return the offset after them and the remaining budget of blocks.
    """
    while budget:
        budget -= 1
        header = read(3, at)
        if len(header) < 3:  # noqa: PLR2004 - a block's header
            return None
        word = _int(header, 0, 3)
        kind, length = word >> 1 & 3, word >> 3
        if kind == _RESERVED:
            return None
        at += 3 + (1 if kind == _RLE else length)
        if word & 1:
            return at, budget
    return None


def _int(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "little")
