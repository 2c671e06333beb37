"""What a backfill tells people while it runs, and what it comes to.

On a terminal a bar: files, bytes, rate, time left. In a pipe a plain line every few seconds.
With `--json`, or where nobody looks, nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from projector.model.humanize import count, size
from projector.model.terminal_safe import terminal_safe

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

#: Seconds between two lines of plain progress.
PLAIN_INTERVAL_S = 5.0
#: Seconds after which a rate says something.
LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a backfill did."""

    rollouts: int
    """Looked at, also those in which nothing was new."""
    records: int
    """Lines read this time, blank ones left out."""
    items: int
    """Items in the database afterwards, of the rollouts looked at."""
    turns: int
    """Turns in the database afterwards, of the rollouts looked at."""
    anomalies: int
    """Noted this time."""
    bytes_read: int
    """Uncompressed bytes of rollouts read this time."""
    seconds: float
    faults: tuple[str, ...] = ()
    """A line for each thing that could not be read; the command prints them at its end."""
    unreadable: int = 0
    """Rollouts that could not be read at all."""

    def line(self) -> str:
        """Give the one line for people."""
        text = (
            f"{count(self.rollouts, 'rollout')}, {count(self.records, 'record')},"
            f" {count(self.items, 'item')} in {self.seconds:.1f} s"
        )
        if self.anomalies:
            text += f"; {count(self.anomalies, 'anomaly', 'anomalies')} noted"
        if self.unreadable:
            text += f"; {self.unreadable:,} could not be read"
        return text


class Progress(Protocol):
    """Hears how far a backfill is. Totals are bytes on disk."""

    def start(self, total_files: int, total_bytes: int) -> None:
        """There is this much to do. Called once, before the first file."""

    def skip(self, files: int, nbytes: int) -> None:
        """So many files and bytes on disk were done before: they say nothing of the rate."""

    def advance(self, files: int, nbytes: int) -> None:
        """So many more files and bytes on disk are done."""

    def note(self, line: str) -> None:
        """Say something to people, without spoiling the bar."""

    def finish(self, summary: Summary | None = None, /) -> None:
        """Take the bar away; None: the backfill failed midway. Safe to call twice."""


class Silent:
    """Says nothing."""

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
    """How far a run is, how fast, and how long it will take."""

    def __init__(self, total_files: int, total_bytes: int, now: float) -> None:
        """Begin at `now`, in seconds of a clock that only grows."""
        self.total_files, self.total_bytes = total_files, total_bytes
        self.files = self.bytes = 0
        self._began = now
        self._skipped = 0

    def skip(self, files: int, nbytes: int) -> None:
        """Count what was done before the start."""
        self.files += files
        self.bytes += nbytes
        self._skipped += nbytes

    def advance(self, files: int, nbytes: int) -> None:
        """Count what was done."""
        self.files += files
        self.bytes += nbytes

    def line(self, now: float) -> str:
        """Return files, bytes and, after the first second, the rate and the time that is left."""
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
    """A line every few seconds, for pipes and journals; none for what is done sooner."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `out`; `clock` gives seconds that only grow."""
        self._out = out
        self._clock = clock
        self._told = clock()
        self._pace = Pace(0, 0, self._told)

    def start(self, total_files: int, total_bytes: int) -> None:
        """Keep the totals and begin to count time."""
        self._told = self._clock()
        self._pace = Pace(total_files, total_bytes, self._told)

    def skip(self, files: int, nbytes: int) -> None:
        """Count."""
        self._pace.skip(files, nbytes)

    def advance(self, files: int, nbytes: int) -> None:
        """Count, and tell when the last line is long enough ago."""
        self._pace.advance(files, nbytes)
        now = self._clock()
        if now - self._told >= PLAIN_INTERVAL_S:
            self._told = now
            self.note(self._pace.line(now))

    def note(self, line: str) -> None:
        """Write the line."""
        print(terminal_safe(line), file=self._out, flush=True)

    def finish(self, summary: Summary | None = None, /) -> None:
        """Nothing to take away."""


class Terminal:
    """A bar that is gone when the backfill is done."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw on `out`, a terminal; `clock` gives seconds that only grow."""
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
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def choose(*, silent: bool = False) -> Progress:
    """Give what fits standard error: a bar on a terminal, lines in a pipe, or nothing."""
    if silent:
        return Silent()
    return Terminal(sys.stderr) if sys.stderr.isatty() else Plain(sys.stderr)
