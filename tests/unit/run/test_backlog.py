"""Since when work waits: told from turn to turn, by what is queued."""

from __future__ import annotations

from dataclasses import dataclass, field

from projector.model.ids import RolloutId
from projector.run.backlog import Backlog

ONE, OTHER = RolloutId("one"), RolloutId("other")


@dataclass
class Clock:
    """A clock, and the rollouts that are queued when it is looked at."""

    now_ms: int = 0
    queued: list[RolloutId] = field(default_factory=list)

    def turn(
        self,
        backlog: Backlog,
        now_ms: int,
        *queued: RolloutId,
        caught_up: bool = True,
        scan_began_ms: int | None = None,
    ) -> tuple[int | None, int | None]:
        """Note a turn of the loop; return since when it is behind, and as of when current."""
        self.now_ms, self.queued = now_ms, [*queued]
        backlog.note(
            lambda: [*self.queued],
            lambda one: one in self.queued,
            is_behind=bool(queued),
            has_hints=False,
            has_caught_up=caught_up,
            scan_began_ms=scan_began_ms,
        )
        return backlog.since_ms, backlog.current_as_of_ms


def test_it_is_current_once_all_that_was_there_is_projected() -> None:
    clock = Clock()
    backlog = Backlog(lambda: clock.now_ms)

    assert clock.turn(backlog, 10, ONE, caught_up=False) == (10, None)
    assert clock.turn(backlog, 20, ONE, caught_up=False) == (10, None)
    assert clock.turn(backlog, 30, caught_up=False) == (None, None)
    assert clock.turn(backlog, 40) == (None, 40)


def test_what_never_ends_is_behind_no_longer_than_its_oldest_part() -> None:
    """While one rollout follows another, those that waited first are done in the end."""
    clock = Clock()
    backlog = Backlog(lambda: clock.now_ms)

    assert clock.turn(backlog, 10, ONE) == (10, None)
    assert clock.turn(backlog, 20, ONE) == (10, None)  # it is marked now
    assert clock.turn(backlog, 30, ONE, OTHER) == (10, None)
    assert clock.turn(backlog, 40, OTHER) == (20, None)  # what waits came after the mark
    assert clock.turn(backlog, 50, ONE) == (40, None)


def test_what_a_scan_finds_may_have_come_right_after_the_last_one() -> None:
    clock = Clock()
    backlog = Backlog(lambda: clock.now_ms)

    assert clock.turn(backlog, 10, scan_began_ms=5) == (None, 5)
    assert clock.turn(backlog, 40, ONE, scan_began_ms=30) == (5, 5)
    assert clock.turn(backlog, 50, scan_began_ms=30) == (None, 30)
