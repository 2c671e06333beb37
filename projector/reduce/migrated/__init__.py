"""Rollouts that Codex migrated in place: paginated, with history that exists only in calls.

The migration rewrites a legacy rollout's events as items and leaves the model's calls and their
outputs unchanged. What the legacy reducer rebuilt from these stays visible: it is rebuilt from the
same records again, under the same ids.
"""

from projector.reduce.migrated.reducer import MigratedReducer

__all__ = ["MigratedReducer"]
