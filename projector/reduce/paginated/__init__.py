"""In: lines of a paginated rollout, and a small state. Out: changes of rows, and the state.

Every record that can be read is projected, in the order of the file, whatever its ordinal; what
is odd is noted.
"""

from projector.reduce.paginated.reducer import PaginatedReducer

__all__ = ["PaginatedReducer"]
