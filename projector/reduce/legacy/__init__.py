"""In: records of a legacy rollout, and a small state. Out: changes of rows, and the state."""

from projector.reduce.legacy.reducer import LegacyReducer

__all__ = ["LegacyReducer"]
