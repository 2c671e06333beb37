"""Paths of legacy records, which come relative to a folder or absolute. Pure."""

from __future__ import annotations

import re

from projector.decode.paths import absolute

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\").match


def joined_path(cwd: str, path: str) -> str:
    """Join a path to a folder: absolute paths stay, `.` and `..` are resolved."""
    if not path:
        return cwd
    if path.startswith("/"):
        return absolute(path) or path
    if _WINDOWS(path):
        return path
    if _WINDOWS(cwd):
        return cwd.rstrip("\\/") + "\\" + path
    if not cwd.startswith("/"):
        return f"{cwd}/{path}" if cwd else path
    return absolute(f"{cwd}/{path}") or path
