"""Compare all bytes before a checkpoint with those that were read, by CRC-32, in steps.

The fingerprints of a checkpoint's first and last bytes do not detect an edit between them that
keeps every length: a secret masked in place, a restored block, another version of the same size.
"""

from __future__ import annotations

import zlib
from contextlib import suppress

from projector.model.errors import RolloutUnreadable
from projector.model.ids import Checkpoint, RolloutFile
from projector.read.file_reader import CHUNK_BYTES, Opener, OpenFile, Unpacked

#: Start of a rollout, and of no zstd frame.
_PLAIN = b"{"


class PrefixCheck:
    """Reads one rollout up to its checkpoint. Synchronous; `close` it."""

    def __init__(
        self, file: RolloutFile, checkpoint: Checkpoint, open_file: Opener = OpenFile
    ) -> None:
        """Open the file.

        Raises:
            RolloutUnreadable: it cannot be read.
        """
        self.checkpoint = checkpoint
        self.bytes_read = 0
        """Uncompressed bytes read."""
        self._checksum = 0
        self._file = open_file(file.path)
        try:
            self.file = self._file.identity().of(file)
            """The file as it was when opened."""
            packed = file.name.compressed and self._file.pread(1, 0) != _PLAIN
            self._stream = Unpacked(self._file) if packed else None
        except RolloutUnreadable:
            self.close()
            raise

    def step(self, max_bytes: int) -> bool | None:
        """Read some more; True if all bytes are equal, False if not.

        None: not all were compared, call again. True also if they cannot be compared.

        Raises:
            RolloutUnreadable: they cannot be read.
        """
        if self.checkpoint.fingerprint.checksum is None:
            return True
        while max_bytes > 0 and self.bytes_read < self.checkpoint.offset:
            piece = self._next(min(CHUNK_BYTES, max_bytes))
            if piece is None:
                return False
            # Input without output takes time too.
            max_bytes -= len(piece) or CHUNK_BYTES
            self._checksum = zlib.crc32(piece, self._checksum)
            self.bytes_read += len(piece)
        if self.bytes_read < self.checkpoint.offset:
            return None
        return self._checksum == self.checkpoint.fingerprint.checksum

    def _next(self, length: int) -> bytes | None:
        """Read the next bytes; None if the file ends before the checkpoint."""
        length = min(length, self.checkpoint.offset - self.bytes_read)
        if self._stream is None:
            return self._file.pread(length, self.bytes_read) or None
        piece = self._stream.read(length)
        if piece or not self._stream.ended:
            return piece
        if self._stream.anomaly is not None:
            raise RolloutUnreadable(f"{self.file.path}: {self._stream.anomaly.detail}")
        return None

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()
