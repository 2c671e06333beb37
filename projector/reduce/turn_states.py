"""The life of a turn, as tables: which record takes it from which state to which. Pure.

All that a record can do to a turn's status is here, once for each format, with the lifecycle events
that follow. Reducers look up a step and apply it; what a table does not list changes neither the
turn's status nor its end. Not here: what the store does to turns, in rollbacks (`TombstoneFrames`)
and in rollouts that Codex migrated (`store/rules/preserve.py`). The page on the design shows these
tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from projector.model.changes import EventType, Status


class TurnState(StrEnum):
    """Status of a turn's row, and whether the turn has ended. The values are for people."""

    ABSENT = "no row"
    """None yet, or a rollback removed it."""
    NAMED = "completed, only named"
    """Legacy: no record has opened it."""
    RUNNING = "inProgress"
    FAILED_OPEN = "failed, not ended"
    """An error failed it, or an end that Codex refuses; its own end may still come."""
    COMPLETED_OPEN = "completed, not ended"
    """Paginated: Codex refuses its end. Legacy: no record started it, so none need end it."""
    INTERRUPTED_OPEN = "interrupted, not ended"
    """Codex refuses its end."""
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def status(self) -> Status:
        """Return the status of the row, if there is one."""
        return _STATUS[self]


_STATUS: Final[Mapping[TurnState, Status]] = {
    TurnState.NAMED: "completed",
    TurnState.RUNNING: "inProgress",
    TurnState.FAILED_OPEN: "failed",
    TurnState.COMPLETED_OPEN: "completed",
    TurnState.INTERRUPTED_OPEN: "interrupted",
    TurnState.COMPLETED: "completed",
    TurnState.FAILED: "failed",
    TurnState.INTERRUPTED: "interrupted",
}
_OPEN: Final[Mapping[Status, TurnState]] = {
    "inProgress": TurnState.RUNNING,
    "failed": TurnState.FAILED_OPEN,
    "completed": TurnState.COMPLETED_OPEN,
    "interrupted": TurnState.INTERRUPTED_OPEN,
}
_OVER: Final[Mapping[Status, TurnState]] = {
    "inProgress": TurnState.RUNNING,  # no reducer makes it
    "failed": TurnState.FAILED,
    "completed": TurnState.COMPLETED,
    "interrupted": TurnState.INTERRUPTED,
}


def state_of(status: Status, *, ended: bool) -> TurnState:
    """Return the state of a row. `ended`: it has the position of the record that ended it."""
    return (_OVER if ended else _OPEN)[status]


class Step(NamedTuple):
    """What a record does to a turn."""

    after: TurnState
    events: tuple[EventType, ...] = ()
    """Events that are told of it, in this order."""


class Cause(StrEnum):
    """What can happen to a turn. The values are for people."""

    STARTED = "task_started"
    COMPLETED = "task_complete"
    FAILED = "task_complete with an error"
    ABORTED = "turn_aborted"
    ERROR = "error"
    # Paginated: ends that Codex refuses. For it the turn goes on.
    REFUSED_COMPLETED = "refused task_complete"
    REFUSED_FAILED = "refused task_complete with an error"
    REFUSED_ABORTED = "refused turn_aborted"
    # Legacy: turns without records of their own.
    NAMED = "an item names it"
    IMPLIED = "an item or a message opens it"
    CLOSED = "the next message opens another one"
    # Legacy: its own end, after the end of another turn (a review's) has ended it.
    OWN_COMPLETED = "its own task_complete, after another's"
    OWN_FAILED = "its own task_complete with an error, after another's"
    OWN_ABORTED = "its own turn_aborted, after another's"
    # Legacy: rollbacks.
    END_ROLLED_BACK = "a rollback removes its end"
    RESUMED = "a rollback makes it active again"
    RESUMED_IMPLICIT = "a rollback makes it active again, no record having started it"


Life = Mapping[TurnState, Mapping[Cause, Step]]


def step(life: Life, state: TurnState, cause: Cause) -> Step | None:
    """Return what happens to a turn; None: nothing."""
    return life.get(state, _NOTHING).get(cause)


_NOTHING: Final[Mapping[Cause, Step]] = {}

# fmt: off
_S, _C = TurnState, Cause
_ENDS: Final = {
    _C.COMPLETED: Step(_S.COMPLETED, ("turn.completed",)),
    _C.FAILED:    Step(_S.FAILED, ("turn.failed",)),
    _C.ABORTED:   Step(_S.INTERRUPTED, ("turn.cancelled",)),
}
_ERROR: Final = {_C.ERROR: Step(_S.FAILED_OPEN, ("turn.failed",))}
_AGAIN: Final = {_C.STARTED: Step(_S.RUNNING, ("turn.started",))}

#: The first end that Codex takes wins, and among those that it refuses the first one. An end
#: without an error does not undo the failure of a turn.
PAGINATED: Final[Life] = {
    _S.ABSENT: {**_AGAIN, **_ENDS},
    _S.RUNNING: {
        _C.STARTED:           Step(_S.RUNNING),
        **_ENDS,
        **_ERROR,
        _C.REFUSED_COMPLETED: Step(_S.COMPLETED_OPEN, ("turn.completed",)),
        _C.REFUSED_FAILED:    Step(_S.FAILED_OPEN, ("turn.failed",)),
        _C.REFUSED_ABORTED:   Step(_S.INTERRUPTED_OPEN, ("turn.cancelled",)),
    },
    _S.FAILED_OPEN: {
        **_AGAIN,
        **_ENDS,
        _C.COMPLETED:         Step(_S.FAILED),
        _C.FAILED:            Step(_S.FAILED),
        _C.ERROR:             Step(_S.FAILED_OPEN),
        _C.REFUSED_COMPLETED: Step(_S.FAILED_OPEN),
        _C.REFUSED_FAILED:    Step(_S.FAILED_OPEN),
        _C.REFUSED_ABORTED:   Step(_S.INTERRUPTED_OPEN, ("turn.cancelled",)),
    },
    _S.COMPLETED_OPEN:   {**_AGAIN, **_ENDS, **_ERROR, _C.COMPLETED: Step(_S.COMPLETED)},
    _S.INTERRUPTED_OPEN: {**_AGAIN, **_ENDS, **_ERROR, _C.ABORTED: Step(_S.INTERRUPTED)},
    _S.COMPLETED:   {},
    _S.FAILED:      {},
    _S.INTERRUPTED: {},
}

_IMPLIED: Final = {_C.IMPLIED: Step(_S.COMPLETED_OPEN, ("turn.started", "turn.completed"))}
_ENDED: Final = {
    _C.OWN_COMPLETED:   _ENDS[_C.COMPLETED],
    _C.OWN_FAILED:      _ENDS[_C.FAILED],
    _C.OWN_ABORTED:     _ENDS[_C.ABORTED],
    _C.END_ROLLED_BACK: Step(_S.RUNNING),
}

#: The first end wins, but for that of another turn. Whether a turn is the active one, to which
#: records without a turn's id belong, is no part of its state: a start of a turn that is there
#: makes it active and changes no row.
LEGACY: Final[Life] = {
    _S.ABSENT: {
        **_AGAIN,
        _C.NAMED: Step(_S.NAMED, ("turn.completed",)),
        **_IMPLIED,
    },
    _S.NAMED: {
        **_AGAIN, **_IMPLIED, **_ENDS, **_ERROR,
        _C.COMPLETED: Step(_S.COMPLETED),
        _C.CLOSED:    Step(_S.COMPLETED),
    },
    _S.RUNNING: {
        **_ENDS, **_ERROR,
        _C.RESUMED:          Step(_S.RUNNING, ("turn.started",)),
        _C.RESUMED_IMPLICIT: Step(_S.COMPLETED_OPEN),
    },
    _S.FAILED_OPEN: {
        **_ENDS,
        _C.COMPLETED: Step(_S.FAILED),
        _C.FAILED:    Step(_S.FAILED),
        _C.ERROR:     Step(_S.FAILED_OPEN),
        _C.CLOSED:    Step(_S.FAILED),
    },
    _S.COMPLETED_OPEN: {
        **_ENDS, **_ERROR,
        _C.COMPLETED: Step(_S.COMPLETED),
        _C.CLOSED:    Step(_S.COMPLETED),
    },
    _S.COMPLETED:   {**_ENDED, _C.RESUMED_IMPLICIT: Step(_S.COMPLETED_OPEN)},
    _S.FAILED:      {**_ENDED, _C.RESUMED_IMPLICIT: Step(_S.FAILED_OPEN)},
    _S.INTERRUPTED: {**_ENDED},
}
# fmt: on

#: Which cause an end is, by the status that it gives.
ENDS: Final[Mapping[Status, Cause]] = {
    "completed": Cause.COMPLETED,
    "failed": Cause.FAILED,
    "interrupted": Cause.ABORTED,
}
REFUSED_ENDS: Final[Mapping[Status, Cause]] = {
    "completed": Cause.REFUSED_COMPLETED,
    "failed": Cause.REFUSED_FAILED,
    "interrupted": Cause.REFUSED_ABORTED,
}
OWN_ENDS: Final[Mapping[Status, Cause]] = {
    "completed": Cause.OWN_COMPLETED,
    "failed": Cause.OWN_FAILED,
    "interrupted": Cause.OWN_ABORTED,
}
