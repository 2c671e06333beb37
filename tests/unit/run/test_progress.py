"""What people see while a backfill runs, and what it comes to."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from projector.model.humanize import size
from projector.run.progress import Pace, Plain, Progress, Silent, Summary, Terminal


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def summary(**more: int) -> Summary:
    counts = {"rollouts": 318, "records": 1_204_551, "items": 96_020, "turns": 9, "anomalies": 0}
    return Summary(**(counts | more), bytes_read=5, seconds=41.23)  # type: ignore[arg-type]


def test_a_pipe_gets_a_line_every_few_seconds() -> None:
    """Files, bytes, rate and time left; nothing for what is done at once."""
    out, clock = io.StringIO(), Clock()
    progress = Plain(out, clock)
    progress.start(1000, 4 << 20)

    progress.advance(1, 1 << 19)
    clock.now += 8
    progress.advance(250, 1 << 19)
    clock.now += 1
    progress.advance(1, 1)
    progress.finish(summary())

    assert out.getvalue() == ("251 of 1,000 files, 1.0 MiB of 4.0 MiB, 128.0 KiB/s, 24 s left\n")


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Screen()
    progress = Terminal(out)
    progress.start(2, 100)
    progress.advance(1, 50)
    progress.note("/c/[r]: permission denied")
    progress.finish(summary())
    progress.finish()

    assert "0 of 2 files" in out.getvalue()
    assert "1 of 2 files" in out.getvalue()
    assert "/c/[r]: permission denied" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")


def test_what_was_done_before_says_nothing_of_the_rate() -> None:
    """Nor does the first instant: no `12.0 GB/s` of a backfill that only passes over files."""
    pace = Pace(10, 10 << 20, 100.0)

    pace.skip(8, 8 << 20)
    assert pace.line(100.0) == "8 of 10 files, 8.0 MiB of 10.0 MiB"
    pace.advance(1, 1 << 20)
    assert pace.line(100.01) == "9 of 10 files, 9.0 MiB of 10.0 MiB"
    assert pace.line(102.0) == "9 of 10 files, 9.0 MiB of 10.0 MiB, 512.0 KiB/s, 2 s left"


@pytest.mark.parametrize("kind", [lambda _: Silent(), Plain, Terminal])
def test_nothing_happens_before_the_start(kind: Callable[[Screen], Progress]) -> None:
    """A backfill that fails at once has no bar to take away."""
    out = Screen()
    progress = kind(out)
    progress.advance(1, 1)
    progress.finish()

    assert not out.getvalue()


ALL_WELL = "318 rollouts, 1,204,551 new records read in 41.2 s; in all 9 turns, 96,020 items"
ONE_OF_EACH = (
    "1 rollout, 1 new record read in 41.2 s; in all 9 turns, 1 item; 1 anomaly noted;"
    " 1 could not be read"
)
SUMMARIES = [
    (
        "all well",
        summary(),
        ALL_WELL,
    ),
    (
        "anomalies",
        summary(anomalies=3),
        f"{ALL_WELL}; 3 anomalies noted",
    ),
    (
        "one of each, and one that could not be read",
        summary(rollouts=1, records=1, items=1, anomalies=1, unreadable=1),
        ONE_OF_EACH,
    ),
]


@pytest.mark.parametrize(("found", "line"), [pytest.param(*c[1:], id=c[0]) for c in SUMMARIES])
def test_summary(found: Summary, line: str) -> None:
    assert found.line() == line


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (98 << 30, "98.0 GiB"), (3 << 40, "3.0 TiB")],
)
def test_size(number: int, text: str) -> None:
    assert size(number) == text
