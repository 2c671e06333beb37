"""Zstandard, the standard library's or its backport.

Imported where a compressed file is read: few are, and it takes 2 ms.
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
