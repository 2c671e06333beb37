"""Reducer of paginated rollouts: records and a small state into changes of rows and the state.

Every readable record is projected, in file order, whatever its ordinal; irregularities become
anomalies.
"""

from projector.reduce.paginated.reducer import PaginatedReducer

__all__ = ["PaginatedReducer"]
