"""A rollout is shorter than it was read."""

from pathlib import Path

import pytest

from projector.read.resume import Restart, Resume
from tests.support.homes import NAME, Follower, put, records


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("lines", [0, 1, 99])
def test_a_truncated_rollout_is_read_anew(tmp_path: Path, lines: int, *, restarted: bool) -> None:
    path = put(tmp_path, NAME, records(0, 100))
    follower = Follower(path)
    follower.follow()
    if restarted:
        follower.restart()
    with path.open("r+b") as file:
        file.truncate(len(records(0, lines)))

    decision = follower.follow()

    assert decision == Restart(f"cut to {len(records(0, lines))} of {len(records(0, 100))} bytes")
    assert follower.text == records(0, lines)


def test_truncated_and_grown_beyond_its_checkpoint_it_is_read_anew(tmp_path: Path) -> None:
    """Its size says nothing; the bytes before the checkpoint do."""
    path = put(tmp_path, NAME, records(0, 100))
    follower = Follower(path)
    follower.follow()
    with path.open("r+b") as file:
        file.truncate(len(records(0, 50)))
        file.seek(0, 2)
        file.write(records(700, 90))

    decision = follower.follow()

    assert decision == Restart(f"other bytes before byte {len(records(0, 100))}")
    assert follower.text == records(0, 50) + records(700, 90)


def test_truncated_to_its_checkpoint_it_goes_on(tmp_path: Path) -> None:
    """Only bytes that were never projected are gone."""
    path = put(tmp_path, NAME, records(0, 100) + b"torn")
    follower = Follower(path)
    follower.follow()
    put(tmp_path, NAME, records(0, 101))

    assert follower.follow() == Resume(follower.lines[99].end)
    assert follower.text == records(0, 101)
