"""Bytes of plain and compressed files; what is wrong with them, and with the world."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from projector.model.changes import Anomaly
from projector.model.errors import RolloutMissing, RolloutUnreadable
from projector.model.ids import Offset
from projector.read import file_reader as chunks
from projector.read.file_reader import OpenFile, Unpacked, identity_of
from tests.support.zst import NOISE, SKIPPABLE, frame

DATA = b"".join(b"line %d\n" % n for n in range(5000))


def unpack(path: Path, length: int = 1000) -> tuple[bytes, Unpacked]:
    with OpenFile(str(path)) as file:
        stream = Unpacked(file)
        parts = []
        while not stream.ended:
            parts.append(stream.read(length))
            assert len(parts[-1]) <= length
    return b"".join(parts), stream


# fmt: off
WHOLE = [
    ("one frame",                    frame(DATA),                                      DATA),
    ("one frame, its size untold",   frame(DATA, size=False),                          DATA),
    ("with a checksum",              frame(DATA, checksum=True),                       DATA),
    ("several frames",               frame(DATA[:10]) + frame(DATA[10:]),              DATA),
    ("an empty frame between",       frame(DATA[:9]) + frame(b"") + frame(DATA[9:]),   DATA),
    ("a skippable frame first",      SKIPPABLE + frame(DATA),                          DATA),
    ("a skippable frame last",       frame(DATA) + SKIPPABLE,                          DATA),
    ("nothing compressed",           frame(b""),                                       b""),
    ("an empty file",                b"",                                              b""),
]
# fmt: on


@pytest.mark.parametrize(
    ("packed", "content"), [pytest.param(*case[1:], id=case[0]) for case in WHOLE]
)
def test_a_whole_file_is_unpacked_to_its_end(tmp_path: Path, packed: bytes, content: bytes) -> None:
    path = tmp_path / "r.jsonl.zst"
    path.write_bytes(packed)

    data, stream = unpack(path)

    assert data == content
    assert stream.anomaly is None
    assert stream.position == len(content)


# fmt: off
BROKEN = [
    ("cut in its header",             frame(NOISE)[:5],                     "zst_truncated"),
    ("cut in the middle",             frame(NOISE)[:-100],                  "zst_truncated"),
    ("cut in its second frame",       frame(NOISE) + frame(NOISE)[:20],     "zst_truncated"),
    ("cut before its checksum",       frame(NOISE, checksum=True)[:-1],     "zst_truncated"),
    ("no zstd at all",                b'{"type":"session_meta"}\n',         "zst_not"),
    ("something behind the frame",    frame(NOISE) + b"something else",     "zst_damaged"),
    ("a wrong checksum",              frame(NOISE, checksum=True)[:-4] + b"oops", "zst_damaged"),
]
# fmt: on


@pytest.mark.parametrize(
    ("packed", "kind"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN]
)
def test_of_a_broken_file_what_can_be_read_is_given(
    tmp_path: Path, packed: bytes, kind: str
) -> None:
    """And then said what is wrong, and where in the uncompressed bytes."""
    path = tmp_path / "r.jsonl.zst"
    path.write_bytes(packed)

    data, stream = unpack(path)

    assert (NOISE + NOISE).startswith(data)
    assert stream.anomaly is not None
    assert stream.anomaly[:3] == (kind, len(data), 0)
    if packed.startswith(frame(NOISE)):
        assert len(data) >= len(NOISE)


def test_a_frame_that_expands_without_end_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "BOMB_BYTES", 1_000_000)
    path = tmp_path / "r.jsonl.zst"
    path.write_bytes(frame(bytes(300_000_000)))

    data, stream = unpack(path, 100_000)

    assert len(data) < 300_000_000
    assert stream.anomaly == Anomaly(
        "zst_expands", Offset(len(data)), 0, "expands beyond reason; not read further"
    )


def test_lines_of_a_frame_count_as_more_than_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line takes work, however short it is."""
    monkeypatch.setattr(chunks, "BOMB_BYTES", 1_000_000)
    path = tmp_path / "r.jsonl.zst"
    path.write_bytes(frame(b"x\n" * 100_000))

    data, stream = unpack(path, 10_000)

    assert 1_000_000 // 64 * 2 <= len(data) < 50_000
    assert stream.anomaly is not None
    assert stream.anomaly.kind == "zst_expands"


def test_a_window_larger_than_memory_allows_is_refused(tmp_path: Path) -> None:
    """The header alone could ask for gigabytes."""
    path = tmp_path / "r.jsonl.zst"
    exponent = 31 - 10 << 3
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes([0, exponent]) + b"\x01\x00\x00")

    data, stream = unpack(path)

    assert data == b""
    assert stream.anomaly is not None
    assert stream.anomaly.kind == "zst_damaged"


def test_a_folder_is_no_rollout(tmp_path: Path) -> None:
    with pytest.raises(RolloutUnreadable, match="is a folder"):
        OpenFile(str(tmp_path))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(RolloutUnreadable, match="no regular file"):
        OpenFile(str(tmp_path / "pipe"))


def test_a_file_that_is_not_there_has_vanished(tmp_path: Path) -> None:
    for look in (OpenFile, identity_of):
        with pytest.raises(RolloutMissing, match="not there any more"):
            look(str(tmp_path / "none"))


def test_a_folder_that_became_a_file_takes_its_files_along(tmp_path: Path) -> None:
    (tmp_path / "day").write_bytes(b"")

    with pytest.raises(RolloutMissing):
        OpenFile(str(tmp_path / "day" / "r.jsonl"))


def test_links_in_a_circle_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    with pytest.raises(RolloutUnreadable, match="circle"):
        OpenFile(str(tmp_path / "a"))


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "permission denied. Fix: chmod u+r"),
        (errno.EMFILE, "too many open files. Raise the limit"),
        (errno.ENETDOWN, "cannot be read: Network is down"),
    ],
)
def test_an_error_on_opening_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    path = tmp_path / "r.jsonl"
    path.touch()
    monkeypatch.setattr(os, "open", failing(number))

    with pytest.raises(RolloutUnreadable) as raised:
        OpenFile(str(path))

    assert str(raised.value).startswith(f"{path}: {message}")


def test_an_error_of_the_disk_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"{}\n")
    with OpenFile(str(path)) as file:
        monkeypatch.setattr(os, "pread", failing(errno.EIO))
        with pytest.raises(RolloutUnreadable, match="the disk cannot read it"):
            file.pread(3, 0)


def test_a_file_of_another_owner_is_read_though_its_access_time_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O_NOATIME is for owners only."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"{}\n")
    really_open = os.open

    def open_as_stranger(name: str, flags: int) -> int:
        if flags & getattr(os, "O_NOATIME", 0):
            raise PermissionError(errno.EPERM, "no")
        return really_open(name, flags)

    monkeypatch.setattr(os, "open", open_as_stranger)

    with OpenFile(str(path)) as file:
        assert file.pread(10, 0) == b"{}\n"


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"{}\n")
    os.utime(path, ns=(1, 1))
    before = path.stat()

    with OpenFile(str(path)) as file:
        file.pread(10, 0)

    assert path.stat() == before
