"""How long work rests that nobody waits for."""

from __future__ import annotations

import time

import pytest

from projector.run import daemon, scheduler


@pytest.mark.parametrize(("share", "rest_s"), [(1.0, 0.0), (0.5, 3.0), (0.2, 12.0)])
def test_it_takes_no_more_than_its_share(
    monkeypatch: pytest.MonkeyPatch, share: float, rest_s: float
) -> None:
    """Three seconds of work by a clock of the test's; the daemon's share is a part."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = scheduler._Pace(share)
    now[0] += 50
    pace.begin()
    now[0] += 3

    assert pace.rest_s == pytest.approx(rest_s)
    assert 0 < daemon.RENEWAL_SHARE < 1
