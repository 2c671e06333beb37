"""A system that gives fewer bytes than were asked for, as FUSE and network file systems may."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.discover.scan import stat_rollout
from projector.model.ids import RolloutFile
from projector.read.compare_files import Agreements
from projector.read.resume import Restart
from tests.support.examples import examples
from tests.support.generator.rollouts import Rollout
from tests.support.homes import NAME, Follower, name_of, put, records
from tests.support.projecting import backfilled
from tests.support.rows import rows_of


@contextmanager
def short_reads(lengths: list[int]) -> Iterator[list[int]]:
    """Let each read of the system give at most the next of `lengths`; give what was given."""
    whole = os.pread
    given_out: list[int] = []

    def short(descriptor: int, length: int, offset: int) -> bytes:
        most = lengths[len(given_out) % len(lengths)]
        data = whole(descriptor, min(length, most), offset)
        given_out.append(len(data))
        return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", short)
        yield given_out


LENGTHS = st.lists(st.sampled_from([1, 2, 7, 64, 511, 5000]), min_size=1, max_size=5)


@given(lengths=LENGTHS, sizes=st.lists(st.integers(0, 40), min_size=1, max_size=4))
@examples(25)
@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_a_rollout_is_read_on(suffix: str, lengths: list[int], sizes: list[int]) -> None:
    """Through appends and restarts: all is read once, and never are there "other bytes"."""
    with TemporaryDirectory() as folder, short_reads(lengths) as given_out:
        path = put(Path(folder), NAME + suffix)
        follower, count = Follower(path), 0
        for size in sizes:
            count += size
            put(Path(folder), NAME + suffix, records(0, count))
            assert not isinstance(follower.follow(), Restart)
            assert follower.text == records(0, count)
            follower.restart()
        assert not count or given_out


@given(lengths=LENGTHS)
@examples(10)
def test_copies_agree(lengths: list[int]) -> None:
    with TemporaryDirectory() as folder, short_reads(lengths):
        one = put(Path(folder), name_of(1), records(0, 30))
        other = put(Path(folder), f"copy/{name_of(1)}", records(0, 40))
        files = [stat_rollout(str(path), folder) for path in (one, other)]
        assert isinstance(files[0], RolloutFile)
        assert isinstance(files[1], RolloutFile)

        assert Agreements().compare(files[0], files[1]) == "shorter"


def test_nothing_is_projected_anew(tmp_path: Path) -> None:
    """The rows are those of whole reads, and no anomaly tells of a replacement."""
    home, rollout = tmp_path / "home", Rollout(seed=3)
    with short_reads([100]):
        for _ in range(3):
            rollout.write(home, size=rollout.offset + 20_000)
            backfilled(home, tmp_path / "short.db")
    backfilled(home, tmp_path / "whole.db")

    assert rows_of(tmp_path / "short.db") == rows_of(tmp_path / "whole.db")
