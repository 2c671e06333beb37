"""Every error that we raise, by what happens next.

The data's faults are no errors: they are `rows.Anomaly` values. Ours are assertions.
"""

from __future__ import annotations

from projector.model.redaction import redact


class ProjectorError(Exception):
    """Something a person can act on: `message` says what and where, `hint` how to mend it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep both parts; `str()` joins them into the one line that people see."""
        self.message = redact(message)
        self.hint = redact(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Give the one line that people see."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


class TransientError(ProjectorError):
    """The world may heal by itself: wait, read the checkpoint from the store, repeat."""


class StoreUnavailable(TransientError):
    """It is not known what was written. Read the checkpoint, go on from there."""


class StoreReplaced(StoreUnavailable):
    """The database is no longer the one that was opened: `Store.reopen`, then start from it."""


class CheckpointMoved(TransientError):
    """Another writer moved this rollout's checkpoint. Nothing was written."""

    @classmethod
    def found(
        cls, rollout_id: str, expected: tuple[int, int] | None, found: tuple[int, int] | None
    ) -> CheckpointMoved:
        """Say where a rollout stands and where it was expected: generation and byte offset."""

        def words(place: tuple[int, int] | None) -> str:
            return f"byte {place[1]} of generation {place[0]}" if place else "not there"

        return cls(
            f"rollout {rollout_id}: expected {words(expected)}, found {words(found)}:"
            " another writer"
        )


class RolloutUnreadable(ProjectorError):
    """This rollout cannot be read now; the others go on."""


class TooManyOpenFiles(RolloutUnreadable):
    """The process or the system can open no more files: close some, then try again."""

    @classmethod
    def at(cls, path: str) -> TooManyOpenFiles:
        """Say which file could not be opened."""
        return cls(f"{path}: too many open files", hint="Raise the limit: ulimit -n")


class RolloutMissing(RolloutUnreadable):
    """It was there when it was listed and is not any more: moved, compressed or deleted."""


class FatalError(ProjectorError):
    """Going on could do harm, or can do no good: leave with a message."""


class UsageError(FatalError):
    """A setting, option or argument is wrong. Exit code 2."""


class StoreRefused(FatalError):
    """The database cannot be used as it is: newer schema, not a database, no permission."""


class StoreMissing(StoreRefused):
    """There is no database yet: nothing was ever projected into it."""


class StoreDamaged(StoreRefused):
    """The database's file is damaged. The rollouts are the truth: it can be made again."""


class AlreadyRunning(FatalError):
    """Another daemon serves this database."""


class IncompatibleState(RolloutUnreadable):
    """A reducer's saved state was made by another version: the rollout must be projected anew."""
