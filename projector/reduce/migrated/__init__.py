"""Rollouts that Codex migrated in place: paginated, with history that only the calls tell of.

The migration rewrites a legacy rollout's events as items and leaves the model's calls and their
outputs as they are. What the legacy reducer rebuilt from these stays visible: it is rebuilt from
the same records again, under the same ids.
"""

from projector.reduce.migrated.reducer import MigratedReducer

__all__ = ["MigratedReducer"]
