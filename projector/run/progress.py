"""Progress display of a backfill, and its summary.

On a terminal a bar: files, bytes, rate, time left. In a pipe one line every few seconds. With
`--json`, or without a reader, nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from msgspec import Struct

from projector.model.humanize import count, size
from projector.model.terminal_safe import terminal_safe

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

#: Interval of plain progress lines, seconds.
PLAIN_INTERVAL_S = 5.0
#: Seconds after which a rate is meaningful.
LEAST_SECONDS = 1.0


class Summary(Struct, frozen=True, kw_only=True):
    """The result of a backfill."""

    rollouts: int
    """Rollouts processed, including unchanged ones."""
    records: int
    """Lines read this time, without blank ones."""
    items: int
    """Items in the database afterwards, of the processed rollouts."""
    turns: int
    """Turns in the database afterwards, of the processed rollouts."""
    anomalies: int
    """Anomalies recorded this time."""
    bytes_read: int
    """Uncompressed bytes of rollouts read this time."""
    seconds: float
    faults: tuple[str, ...] = ()
    """One line for each thing that could not be read; the command prints them at its end."""
    unreadable: int = 0
    """Rollouts that could not be read at all."""

    def line(self) -> str:
        """Return the summary line for people."""
        text = (
            f"{count(self.rollouts, 'rollout')}, {count(self.records, 'new record')} read in"
            f" {self.seconds:.1f} s; in all {count(self.turns, 'turn')},"
            f" {count(self.items, 'item')}"
        )
        if self.anomalies:
            text += f"; {count(self.anomalies, 'anomaly', 'anomalies')} noted"
        if self.unreadable:
            text += f"; {self.unreadable:,} could not be read"
        return text


class Progress(Protocol):
    """Receiver of a backfill's progress. Totals are bytes on disk."""

    def start(self, total_files: int, total_bytes: int) -> None:
        """Set the totals. Called once, before the first file."""

    def skip(self, files: int, nbytes: int) -> None:
        """Add files and bytes that were already done: they do not count for the rate."""

    def advance(self, files: int, nbytes: int) -> None:
        """Add completed files and bytes."""

    def note(self, line: str) -> None:
        """Print a message without breaking the bar."""

    def finish(self, summary: Summary | None = None, /) -> None:
        """Remove the bar; None: the backfill failed. Safe to call twice."""


class Silent:
    """Displays nothing."""

    def start(self, total_files: int, total_bytes: int) -> None:
        """Ignore it."""

    def skip(self, files: int, nbytes: int) -> None:
        """Ignore it."""

    def advance(self, files: int, nbytes: int) -> None:
        """Ignore it."""

    def note(self, line: str) -> None:
        """Ignore it."""

    def finish(self, summary: Summary | None = None, /) -> None:
        """Ignore it."""


class Pace:
    """Computes progress, rate and time left."""

    def __init__(self, total_files: int, total_bytes: int, now: float) -> None:
        """Start at `now`, in seconds of a monotonic clock."""
        self.total_files, self.total_bytes = total_files, total_bytes
        self.files = self.bytes = 0
        self._began = now
        self._skipped = 0

    def skip(self, files: int, nbytes: int) -> None:
        """Add what was done before the start."""
        self.files += files
        self.bytes += nbytes
        self._skipped += nbytes

    def advance(self, files: int, nbytes: int) -> None:
        """Add what was done."""
        self.files += files
        self.bytes += nbytes

    def line(self, now: float) -> str:
        """Return files, bytes and, after the first second, rate and time left."""
        text = (
            f"{self.files:,} of {self.total_files:,} files,"
            f" {size(self.bytes)} of {size(self.total_bytes)}"
        )
        seconds = now - self._began
        rate = (self.bytes - self._skipped) / seconds if seconds >= LEAST_SECONDS else 0.0
        if not rate:
            return text
        left = max(self.total_bytes - self.bytes, 0) / rate
        return f"{text}, {size(rate)}/s, {left:.0f} s left"


class Plain:
    """One line every few seconds, for pipes and journals; none for short runs."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `out`; `clock` returns monotonic seconds."""
        self._out = out
        self._clock = clock
        self._told = clock()
        self._pace = Pace(0, 0, self._told)

    def start(self, total_files: int, total_bytes: int) -> None:
        """Store the totals and start the clock."""
        self._told = self._clock()
        self._pace = Pace(total_files, total_bytes, self._told)

    def skip(self, files: int, nbytes: int) -> None:
        """Count."""
        self._pace.skip(files, nbytes)

    def advance(self, files: int, nbytes: int) -> None:
        """Count, and print a line if the last one is long enough ago."""
        self._pace.advance(files, nbytes)
        now = self._clock()
        if now - self._told >= PLAIN_INTERVAL_S:
            self._told = now
            self.note(self._pace.line(now))

    def note(self, line: str) -> None:
        """Write the line."""
        print(terminal_safe(line), file=self._out, flush=True)

    def finish(self, summary: Summary | None = None, /) -> None:
        """Do nothing."""


class Terminal:
    """A progress bar, removed at the end."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw on `out`, a terminal; `clock` returns monotonic seconds."""
        self._out = out
        self._clock = clock
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._pace = Pace(0, 0, 0.0)

    def start(self, total_files: int, total_bytes: int) -> None:
        """Draw the bar."""
        from rich import progress  # noqa: PLC0415 - 50 ms that only a terminal pays
        from rich.console import Console  # noqa: PLC0415 - same

        now = self._clock()
        self._pace = Pace(total_files, total_bytes, now)
        self._bar = progress.Progress(
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[line]}", markup=False),
            console=Console(file=self._out),
            transient=True,
        )
        self._task = self._bar.add_task("", total=total_bytes, line=self._pace.line(now))
        self._bar.start()

    def skip(self, files: int, nbytes: int) -> None:
        """Move the bar."""
        self._pace.skip(files, nbytes)
        self._draw(nbytes)

    def advance(self, files: int, nbytes: int) -> None:
        """Move the bar."""
        self._pace.advance(files, nbytes)
        self._draw(nbytes)

    def _draw(self, nbytes: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=nbytes, line=self._pace.line(self._clock()))

    def note(self, line: str) -> None:
        """Write the line above the bar."""
        safe = terminal_safe(line)
        if self._bar is None:
            print(safe, file=self._out, flush=True)
        else:
            self._bar.console.print(safe, markup=False, highlight=False, soft_wrap=True)

    def finish(self, _: Summary | None = None, /) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def choose(*, silent: bool = False) -> Progress:
    """Return the display for standard error: a bar on a terminal, lines in a pipe, or nothing."""
    if silent:
        return Silent()
    return Terminal(sys.stderr) if sys.stderr.isatty() else Plain(sys.stderr)
