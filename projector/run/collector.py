"""Settings of the garbage collector for processes that decode much."""

from __future__ import annotations

import gc


def settle() -> None:
    """Let the collector pass over what there is by now, and come seldom.

    For the time after the imports: what is decoded has no cycles, and lives as long as its batch.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
