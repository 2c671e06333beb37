"""Every error that the program raises, by its consequence.

Faults in the data are not errors but `changes.Anomaly` values. Faults of this program are
assertions.
"""

from __future__ import annotations

from projector.model.redaction import redact


class ProjectorError(Exception):
    """An error that a person can act on: `message` says what and where, `hint` how to fix it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Store both parts; `str()` joins them into the one line shown to people."""
        self.message = redact(message)
        self.hint = redact(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the one line shown to people."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


class TransientError(ProjectorError):
    """A condition that may pass: wait, read the checkpoint from the store, retry."""


class StoreUnavailable(TransientError):
    """It is unknown what was written: read the checkpoint and continue from there."""


class StoreReplaced(StoreUnavailable):
    """The database is no longer the one that was opened.

    Call `Store.reopen`, start from its checkpoints.
    """


class CheckpointMoved(TransientError):
    """Another writer advanced this rollout's checkpoint. Nothing was written."""

    @classmethod
    def found(
        cls, rollout_id: str, expected: tuple[int, int] | None, found: tuple[int, int] | None
    ) -> CheckpointMoved:
        """Create the error from the expected and the stored checkpoint.

        Generation and byte offset.
        """

        def words(place: tuple[int, int] | None) -> str:
            return f"byte {place[1]} of generation {place[0]}" if place else "not there"

        return cls(
            f"rollout {rollout_id}: expected {words(expected)}, found {words(found)}:"
            " another writer"
        )


class RulesMoved(CheckpointMoved):
    """A later revision of the rules has the rollout by now. Nothing was written."""

    @classmethod
    def to(cls, rollout_id: str, revision: int) -> RulesMoved:
        """Create the error from the stored revision."""
        return cls(f"rollout {rollout_id}: a newer program has it, with revision {revision}")


class RolloutUnreadable(ProjectorError):
    """This rollout cannot be read now; the others continue."""


class TooManyOpenFiles(RolloutUnreadable):
    """The process or the system has no file descriptors left: close some, then retry."""

    @classmethod
    def at(cls, path: str) -> TooManyOpenFiles:
        """Create the error for the file that could not be opened."""
        return cls(f"{path}: too many open files", hint="Raise the limit: ulimit -n")


class RolloutMissing(RolloutUnreadable):
    """The file was listed but no longer exists: moved, compressed or deleted."""


class FatalError(ProjectorError):
    """Continuing could do harm or has no use: exit with a message."""


class UsageError(FatalError):
    """A setting, option or argument is wrong. Exit code 2."""


class StoreRefused(FatalError):
    """The database cannot be used as it is: newer schema, not a database, no permission."""


class StoreMissing(StoreRefused):
    """The database does not exist yet: nothing was ever projected into it."""


class StoreDamaged(StoreRefused):
    """The database file is damaged. It can be rebuilt: the rollouts are the source of truth."""


class AlreadyRunning(FatalError):
    """Another daemon serves this database."""


class NewerRules(RolloutUnreadable):
    """The rollout was projected by a later revision of the rules: it is left as it is."""


class IncompatibleState(RolloutUnreadable):
    """The saved reducer state is of another version.

    The rollout must be projected again from its start.
    """
