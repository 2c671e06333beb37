"""Folders for temporary databases."""

from __future__ import annotations

import os
import tempfile
from typing import Final

#: On many systems /tmp is in memory, and a rollout may be larger than that.
_LARGE: Final = "/var/tmp"  # noqa: S108 - a private folder is made in it


def scratch_folder(purpose: str) -> str:
    """Create a private folder under $TMPDIR, else /var/tmp, and return its path.

    Raises:
        OSError: it cannot be created.
    """
    where = os.environ.get("TMPDIR") or (_LARGE if os.access(_LARGE, os.W_OK) else None)
    return tempfile.mkdtemp(prefix=f"codex-projector-{purpose}-", dir=where)
