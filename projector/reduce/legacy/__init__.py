"""Reducer of legacy rollouts: records and a small state into changes of rows and the state."""

from projector.reduce.legacy.reducer import LegacyReducer

__all__ = ["LegacyReducer"]
