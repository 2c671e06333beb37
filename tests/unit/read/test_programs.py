"""Random programs of file actions, on the real reader and on a tiny model of it."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from zlib import crc32

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from projector.model.errors import RolloutMissing
from projector.model.ids import HEAD_BYTES, Checkpoint, Line, Offset, Ordinal
from projector.read.resume import Restart, Resume, UpToDate
from projector.read.rollout import RolloutReader
from tests.support.examples import examples
from tests.support.zst import zstd

pieces = st.one_of(
    st.binary(min_size=1, max_size=100),
    st.builds(lambda n, c: bytes([c]) * n + b"\n", st.integers(0, 700), st.integers(97, 122)),
)
MAX_LINE = 600


def lines_of(data: bytes) -> list[tuple[int, bytes]]:
    lines, begin = [], 0
    while (end := data.find(b"\n", begin)) >= 0:
        lines.append((begin, data[begin:end]))
        begin = end + 1
    return lines


def packed(data: bytes, cuts: Sequence[int]) -> bytes:
    """Compress into frames that end at the cuts."""
    places = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    frames = [zstd.compress(data[a:b]) for a, b in pairwise(places)]
    return b"".join(frames) or zstd.compress(b"")


class Programs(RuleBasedStateMachine):
    """What was given since the last start over is always what the file begins with."""

    @initialize(chunk=st.integers(1, 300))
    def create(self, chunk: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "r.jsonl"
        self.path.write_bytes(b"")
        self.data = b""
        self.given: list[Line] = []
        self.seen = b""
        self.checkpoint: Checkpoint | None = None
        self.compressed = False
        self.chunk = chunk
        self.reader = self.open()

    def open(self) -> RolloutReader:
        return RolloutReader(
            str(self.path),
            compressed=self.compressed,
            at=self.checkpoint,
            chunk_bytes=self.chunk,
            max_line=MAX_LINE,
        )

    # What the world does

    @precondition(lambda self: not self.compressed)
    @rule(data=pieces)
    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
        self.data += data

    @precondition(lambda self: not self.compressed)
    @rule(keep=st.floats(0, 1), data=pieces)
    def truncate_and_append(self, keep: float, data: bytes) -> None:
        """In place: same inode."""
        self.data = self.data[: int(keep * len(self.data))] + data
        with self.path.open("r+b") as file:
            file.write(self.data)
            file.truncate()

    @precondition(lambda self: not self.compressed)
    @rule(data=st.lists(pieces, max_size=3).map(b"".join))
    def replace_with_the_same_time(self, data: bytes) -> None:
        """Another inode, and the old mtime, as a migration leaves it."""
        before = self.path.stat()
        fresh = self.path.with_suffix(".tmp")
        fresh.write_bytes(data)
        os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        fresh.rename(self.path)
        self.data = data

    @rule()
    def move(self) -> None:
        target = self.path.with_name("x" + self.path.name)
        self.path.rename(target)
        try:
            self.reader.resume()
        except RolloutMissing:
            pass
        else:
            raise AssertionError("a file that has moved was not missed")
        self.path = target
        self.restart()

    @precondition(lambda self: not self.compressed)
    @rule(cuts=st.lists(st.integers(0, 10**6), max_size=2))
    def compress(self, cuts: list[int]) -> None:
        target = self.path.with_name(self.path.name + ".zst")
        target.write_bytes(packed(self.data, cuts))
        self.path.unlink()
        self.path, self.compressed = target, True
        self.restart()

    @precondition(lambda self: self.compressed)
    @rule()
    def decompress(self) -> None:
        target = self.path.with_suffix("")
        target.write_bytes(self.data)
        self.path.unlink()
        self.path, self.compressed = target, False
        self.restart()

    @rule()
    def restart(self) -> None:
        """End the process: what it knew is the checkpoint."""
        self.reader.close()
        self.reader = self.open()

    # What the reader does

    @rule(budget=st.integers(1, 2000), max_lines=st.integers(1, 5), calls=st.integers(1, 6))
    def follow(self, budget: int, max_lines: int, calls: int) -> None:
        offset = self.reader.offset
        match self.reader.resume():
            case Restart():
                assert not self.same_bytes(), "started over, and the bytes are those that were read"
                self.reader.start_over()
                self.given, self.seen, self.checkpoint = [], b"", None
            case Resume(at):
                assert self.same_bytes() or offset > HEAD_BYTES, "other bytes were not noticed"
                assert at == offset == self.reader.offset
            case UpToDate():
                assert len(lines_of(self.data)) == len(self.given)
        for _ in range(calls):
            if self.reader.at_end:
                break
            lines = self.reader.read(budget, max_lines)
            assert len(lines) <= max_lines
            for line in lines:
                self.check_fingerprint(line.end)
            self.given += lines
            if lines:
                self.seen = self.data[: lines[-1].end]
                self.keep_checkpoint()

    @rule()
    def follow_to_the_end(self) -> None:
        self.follow(10**6, 10**6, 10**6)
        self.follow(10**6, 10**6, 10**6)  # once more where it had to start over

        assert self.reader.partial_bytes == len(self.data) - (self.data.rfind(b"\n") + 1) or (
            self.compressed  # known to end at the checkpoint, or not unpacked again
        )
        if self.same_bytes():
            whole = lines_of(self.data)
            assert [line.offset for line in self.given] == [at for at, _ in whole]
            assert [line.data for line in self.given] == [
                b"" if len(text) > MAX_LINE else text for _, text in whole
            ]

    def keep_checkpoint(self) -> None:
        self.checkpoint = Checkpoint(
            generation=0,
            offset=self.reader.offset,
            next_ordinal=Ordinal(0),
            fingerprint=self.reader.fingerprint(),
            state=b"",
        )

    def check_fingerprint(self, end: Offset) -> None:
        """Hold it against the file as it is: a fresh reader there finds nothing amiss."""
        there = Checkpoint(
            generation=0,
            offset=end,
            next_ordinal=Ordinal(0),
            fingerprint=self.reader.fingerprint(end),
            state=b"",
        )
        with RolloutReader(str(self.path), compressed=self.compressed, at=there) as fresh:
            assert not isinstance(fresh.resume(), Restart)
        checksum = there.fingerprint.checksum
        assert checksum is None or not self.same_bytes() or checksum == crc32(self.data[:end])

    def same_bytes(self) -> bool:
        """Whether what was given is still the beginning of the file."""
        return self.data.startswith(self.seen)

    @invariant()
    def offsets_are_unbroken(self) -> None:
        ends = [0, *(line.end for line in self.given)]
        assert [line.offset for line in self.given] == ends[:-1]

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.reader.close()
            self.folder.cleanup()


TestPrograms = Programs.TestCase
TestPrograms.settings = examples(60, stateful_step_count=25)
