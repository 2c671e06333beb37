"""Read one rollout from a checkpoint on: the entry point of `read`.

A reader belongs to one path. It may stay open between calls, but never relies on it: `resume` opens
the path again, verifies the bytes before its position, and says what to do. A moved rollout gets a
new reader with its checkpoint, at the cost of two short reads.

1. `offset` is the end of the last returned line; bytes after it that were already read (a partial
   line, lines not yet returned) are kept, and dropped as soon as the file disagrees.
2. Bytes before `offset` are verified by digest before any byte after it is read.
3. Nothing is returned twice, and nothing is skipped without an anomaly.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import Final, Self

from projector.model.changes import Anomaly
from projector.model.errors import RolloutUnreadable
from projector.model.ids import HEAD_BYTES, TAIL_BYTES, Checkpoint, Fingerprint, Line, Offset
from projector.read.file_reader import (
    CHUNK_BYTES,
    File,
    Identity,
    Opener,
    OpenFile,
    Unpacked,
    identity_of,
)
from projector.read.frames import unpacked_size
from projector.read.lines import MAX_LINE, Splitter
from projector.read.resume import (
    Decision,
    FileFacts,
    Restart,
    Undecided,
    decide,
    digest,
    fingerprint,
)

#: Default amount of one call of `read`.
BUDGET_BYTES = 8 * 1024 * 1024
BUDGET_LINES = 50_000
#: Longest partial line that is examined, without its newline: it may grow byte by byte.
UNFINISHED_BYTES = 16 * 1024 * 1024
#: Longer lines are not kept for fingerprints of their ends.
_LONG: Final = 64 * 1024
#: Maximum lines returned at once if they have fewer bytes on average.
_MANY_LINES: Final = 10_000
_LEAST_LINE: Final = 64
#: Reading this much costs no more than reading less.
_LEAST_BYTES: Final = 4096
#: Start of a rollout, and of no zstd frame: some tools rename without compressing.
_PLAIN: Final = b"{"


_data = itemgetter(2)


class RolloutReader:
    """Reads one rollout at one path. Synchronous; not thread-safe."""

    def __init__(
        self,
        path: str,
        *,
        compressed: bool,
        at: Checkpoint | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        max_line: int = MAX_LINE,
        open_file: Opener = OpenFile,
    ) -> None:
        """Start at a checkpoint; None: at the start. Opens nothing until `resume`."""
        self.path = path
        self.compressed = compressed
        """True if the name says so. The content decides how it is read."""
        self._packed = compressed
        self._chunk_bytes = chunk_bytes
        self._max_line = max_line
        self._open_file = open_file
        self._file: File | None = None
        self._identity: Identity | None = None
        self._stream: Unpacked | None = None
        self._size = 0
        self._known: Fingerprint | None = None if at is None else at.fingerprint
        self._checksum: int | None = 0 if at is None else at.fingerprint.checksum
        """CRC-32 of all bytes before `offset`."""
        self._checksum_before: int | None = None
        """That of those before the last lines."""
        self._skipping: tuple[Unpacked, int | None, bytes, bytes] | None = None
        """Progress on the way to `offset`: stream, file size if known, head, tail so far."""
        self._offset = Offset(0) if at is None else at.offset
        self._head = b""
        self._edge = self._tail = self._before = b""
        self._ahead = b""
        """Bytes read but not split into lines yet."""
        self._batch: list[Line] = []
        self._drop(b"")
        self.bytes_read = 0
        """Uncompressed bytes read so far, including those for fingerprints."""

    # Position --------------------------------------------------------------------------------

    @property
    def offset(self) -> Offset:
        """Return the end of the last returned line; before any: the checkpoint's offset."""
        return self._offset

    @property
    def identity(self) -> Identity:
        """Return the identity and length of the file that `resume` opened."""
        assert self._identity is not None, "resume() comes first"
        return self._identity

    @property
    def at_end(self) -> bool:
        """True if all complete lines that `resume` found were returned."""
        return self._exhausted and not self._ahead

    @property
    def partial_bytes(self) -> int:
        """Return the number of bytes read after the last newline."""
        return self._splitter.partial_bytes

    @property
    def partial_line(self) -> Line | None:
        """Return the last line, without a newline yet, as if it had one.

        None: there is none, it is long, or it cannot be a whole record.
        """
        return self._splitter.partial_line(UNFINISHED_BYTES) if self.at_end else None

    @property
    def anomaly(self) -> Anomaly | None:
        """Return why a compressed file cannot be read to its end; None: no fault."""
        if self.compressed and not self._packed:
            return Anomaly("zst_not", Offset(0), 0, "named .zst, and holds plain text")
        return None if self._stream is None else self._stream.anomaly

    def fingerprint(self, end: Offset | None = None) -> Fingerprint:
        """Return the fingerprint where the last `read` began, or at the end of a line of it.

        None: at `offset`.
        """
        place = self._offset if end is None else end
        if place == self._offset and self._known is not None:
            return self._known
        if place == self._offset:
            self._known = fingerprint(place, self._head, self._tail, self._checksum)
            return self._known
        if self._batch and place == self._batch[0].offset:
            return fingerprint(place, self._head, self._before, self._checksum_before)
        return fingerprint(place, self._head, self._tail_at(place), None)

    # Resuming --------------------------------------------------------------------------------

    def resume(self, max_bytes: int | None = None) -> Decision:
        """Open the file and decide whether reading may continue at `offset`.

        After `Resume`, `read` returns what there is; after `Restart`, call `start_over` first;
        after `Undecided`, call it again. `max_bytes`: maximum of a compressed file unpacked per
        call; None: everything before `offset`.

        Raises:
            RolloutMissing: the file no longer exists.
            RolloutUnreadable: it cannot be read, or is too damaged to decide.
        """
        file, identity = self._look()
        if self._packed:
            return self._resume_packed(file, max_bytes)
        return self._resume_plain(identity.size)

    def start_over(self) -> None:
        """Go back to the start of the file that `resume` opened."""
        self._offset, self._known, self._head, self._checksum = Offset(0), None, b"", 0
        self._skipping = None
        self._drop(b"")
        self._exhausted = False
        if self._packed and self._file is not None:
            self._stream = Unpacked(self._file)

    def _look(self) -> tuple[File, Identity]:
        """Open the file at the path, unless it is already open."""
        if self._file is not None:
            now = identity_of(self.path)
            held = self._identity
            if held is not None and now[:2] == held[:2] and (now == held or not self.compressed):
                self._identity = now
                return self._file, now
            self.close()
            self._drop(self._tail)
        self._skipping = None
        self._file = self._open_file(self.path)
        self._identity = self._file.identity()
        self._packed = self.compressed and self._file.pread(1, 0) != _PLAIN
        return self._file, self._identity

    def _resume_plain(self, size: int) -> Decision:
        offset, known = self._offset, self._standing()
        head = self._pread(min(HEAD_BYTES, offset), 0)
        tail = self._pread(min(TAIL_BYTES, offset), max(0, offset - TAIL_BYTES))
        if self._position > offset:
            edge = self._pread(min(TAIL_BYTES, self._position), self._position - len(self._edge))
            if size < self._position or edge != self._edge:
                self._drop(tail)
        decision = decide(
            offset,
            known,
            FileFacts(
                size=size,
                head=digest(head),
                tail=digest(tail),
                read_to=None if self._position == offset or self._ahead else self._position,
            ),
        )
        self._size = size
        if not isinstance(decision, Restart):
            if len(self._head) < len(head):
                self._head = head
            if self._position == offset:
                self._edge = tail
            self._tail = tail
            self._known = known
            self._exhausted = self._position >= size
        return decision

    def _resume_packed(self, file: File, max_bytes: int | None) -> Decision:
        """Do `resume` for a compressed file, whose earlier bytes must be unpacked.

        A file whose frames end at the checkpoint is trusted after its first bytes; otherwise
        everything before the checkpoint is unpacked, and its tail verified.
        """
        if self._stream is not None and self._stream.position >= self._offset:
            return decide(
                self._offset,
                self._standing(),
                FileFacts(
                    size=self._position if self.at_end else None,
                    read_to=self._position if self.at_end else None,
                ),
            )
        offset, known = self._offset, self._standing()
        if self._skipping is None:
            self._stream, stream = None, Unpacked(file)
            size = unpacked_size(file.pread)
            head = self._unpack(stream, min(HEAD_BYTES, offset))
            told = decide(offset, known, FileFacts(size=size, head=digest(head)))
            if isinstance(told, Restart):
                self._refuse_damage(stream)
                return told
            if size == offset and known is not None:
                self._head, self._tail, self._known, self._exhausted = head, b"", known, True
                return told
            self._skipping = stream, size, head, head[-TAIL_BYTES:]
        stream, size, head, tail = self._skipping
        left = offset - stream.position if max_bytes is None else max_bytes
        upto = min(offset, stream.position + left)
        tail = self._skip(stream, upto, tail)
        if stream.position < offset and not stream.ended:
            self._skipping = stream, size, head, tail
            return Undecided()
        self._skipping = None
        if stream.position < offset:
            self._refuse_damage(stream)
            size = stream.position
        decision = decide(offset, known, FileFacts(size=size, tail=digest(tail)))
        if not isinstance(decision, Restart):
            self._stream = stream
            self._head, self._known, self._tail, self._edge = head, known, tail, tail
            self._exhausted = stream.ended
        return decision

    def _refuse_damage(self, stream: Unpacked) -> None:
        """Raise if not every byte before the checkpoint can be unpacked.

        The rows stay unverified.
        """
        if stream.anomaly is not None:
            raise RolloutUnreadable(
                f"{self.path}: {stream.anomaly.detail}: {stream.position} of the {self._offset}"
                " bytes projected from it can be read",
                hint="Its rows stay. Restore the file, or run `projector rebuild` for this thread",
            )

    def _unpack(self, stream: Unpacked, length: int) -> bytes:
        """Return the next `length` bytes, fewer only at the end."""
        parts: list[bytes] = []
        while length and not stream.ended:
            part = stream.read(length)
            parts.append(part)
            length -= len(part)
            self.bytes_read += len(part)
        return b"".join(parts)

    def _skip(self, stream: Unpacked, offset: int, tail: bytes) -> bytes:
        """Unpack up to `offset`; return the last bytes before it.

        `tail`: those before the position.
        """
        while stream.position < offset and not stream.ended:
            part = self._unpack(stream, min(self._chunk_bytes, offset - stream.position))
            tail = (tail + part[-TAIL_BYTES:])[-TAIL_BYTES:]
        return tail

    # Reading ---------------------------------------------------------------------------------

    def read(self, max_bytes: int = BUDGET_BYTES, max_lines: int = BUDGET_LINES) -> list[Line]:
        """Return the next complete lines: at most `max_lines`, from at most `max_bytes` newly read.

        Empty while `at_end` is False: in the middle of a long line; call again.

        Raises:
            RolloutUnreadable: the disk or the network failed.
        """
        assert self._file is not None, "resume() comes first"
        lines: list[Line] = []
        while len(lines) < max_lines and (self._ahead or (max_bytes > 0 and not self._exhausted)):
            piece, self._ahead = self._ahead, b""
            if not piece:
                try:
                    piece = self._pull(min(max_bytes, self._chunk_bytes))
                except RolloutUnreadable:
                    if lines:
                        break  # return what was read; a lasting fault will occur again
                    raise
                # Input without output (frames of a byte, or of none) takes time too.
                max_bytes -= max(_LEAST_BYTES, len(piece)) if piece else self._chunk_bytes
            lines += self._splitter.feed(piece, min(max_lines - len(lines), _MANY_LINES))
            self._ahead = self._splitter.left
            if self._ahead and self._splitter.offset - lines[0].offset < _LEAST_LINE * len(lines):
                break  # each line costs more than its bytes
        if lines:
            self._splitter.forget(self._offset)
            self._before = self._tail
            # Only the ends of long lines: fingerprints need no more.
            self._batch = lines
            if max(map(len, map(_data, lines))) > _LONG:
                self._batch = [
                    line._replace(data=line.data[-TAIL_BYTES:]) if len(line.data) > _LONG else line
                    for line in lines
                ]
            self._tail = self._tail_at(lines[-1].end)
            self._offset, self._known = lines[-1].end, None
            self._checksum_before, self._checksum = self._checksum, self._splitter.checksum
        return lines

    def _pull(self, length: int) -> bytes:
        """Read the next bytes, and keep what fingerprints need."""
        if self._packed:
            assert self._stream is not None, "resume() said Wait"
            piece = self._stream.read(length)
            self.bytes_read += len(piece)
            self._exhausted = self._stream.ended
        else:
            piece = self._pread(min(length, self._size - self._position), self._position)
            self._exhausted = not piece or self._position + len(piece) >= self._size
        if len(self._head) < HEAD_BYTES and len(self._head) == self._position:
            self._head += piece[: HEAD_BYTES - self._position]
        self._position += len(piece)
        self._edge = (self._edge + piece[-TAIL_BYTES:])[-TAIL_BYTES:]
        return piece

    def _pread(self, length: int, offset: int) -> bytes:
        """Read from the plain file: all of it, fewer only at its end."""
        assert self._file is not None
        if length <= 0:
            return b""
        data = self._file.pread(length, offset)
        self.bytes_read += len(data)
        return data

    def _standing(self) -> Fingerprint | None:
        """Return the fingerprint of the bytes before `offset`, if known."""
        if self._known is not None or not self._offset:
            return self._known
        return self.fingerprint()

    def _tail_at(self, end: Offset) -> bytes:
        """Return the last bytes before a line's end of the last batch."""
        at = bisect_left(self._batch, end, key=lambda line: line.end)
        assert at < len(self._batch) and self._batch[at].end == end, "not a line just given"  # noqa: PT018
        tail = b""
        while at >= 0 and len(tail) < TAIL_BYTES:
            line = self._batch[at]
            known = self._splitter.tails.get(line.end)
            if known is not None:
                tail = known + tail
                if line.end - line.offset >= TAIL_BYTES:
                    break
            else:
                tail = line.data[-TAIL_BYTES:] + b"\n" + tail
            at -= 1
        else:
            tail = self._before + tail
        return tail[-TAIL_BYTES:]

    def _drop(self, tail: bytes) -> None:
        """Drop the bytes read after `offset`."""
        self._head = self._head[: self._offset]
        self._splitter = Splitter(
            self._offset,
            max_line=self._max_line,
            checksum=self._checksum,
            fetch=None if self.compressed else self._pread,
        )
        self._position: int = self._offset
        self._edge = self._tail = self._before = tail
        self._batch, self._ahead = [], b""
        self._exhausted = True

    def release_lines(self) -> None:
        """Release the lines last returned: from now on only `offset` has a fingerprint.

        The bytes of a partial line that can be read again are released too.
        """
        self._batch = []
        self._splitter.release()
        if self._position == self._offset and not self._packed:
            # The fingerprint replaces them; `resume` reads them again in any case.
            self._known = self._standing()
            self._head = self._edge = self._tail = self._before = b""

    def close(self) -> None:
        """Close the file. Safe to call twice; `resume` opens it again."""
        file, self._file, self._stream, self._skipping = self._file, None, None, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        """Enter a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()
