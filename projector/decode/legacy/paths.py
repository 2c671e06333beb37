r"""Paths of legacy records, which come relative to a folder or absolute. Pure.

The folder tells whose rules hold. A POSIX path is joined and normalised as Codex does it. On
Windows Codex joins by Rust's `PathBuf::push`, which normalises nothing, except under a verbatim
prefix (source: the documentation of `std::path::PathBuf::push` and `std::path::Prefix`):

    folder              path               joined
    C:\w                x, ..\x, a/b       C:\w\x, C:\w\..\x, C:\w\a/b
    C:\w                \x, /x             C:\x, C:/x: the root of the folder's drive
    C:\w                D:\x, D:x          as it is: whatever has a prefix replaces the folder
    C:\w                \\server\share\x   as it is
    C:                  x                  C:x
    \\server\share\w    \x                 \\server\share\x
    \\?\C:\w            ..\a/b, \x         \\?\C:\a\b, \\?\C:\x
"""

from __future__ import annotations

import re
from typing import Final

from projector.decode.paths import absolute

_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|\\\\").match
_DRIVE = re.compile(r"[A-Za-z]:").fullmatch
_VERBATIM: Final = "\\\\?\\"
#: Verbatim: share, drive, anything; device; share; drive.
_PREFIX = re.compile(
    r"""\\\\\?\\UNC\\[^\\]*(?:\\[^\\]*)?
    |\\\\\?\\[A-Za-z]:(?=\\|\Z)
    |\\\\\?\\[^\\]*
    |[\\/]{2}\.[\\/][^\\/]*
    |[\\/]{2}[^\\/]+[\\/][^\\/]+
    |[A-Za-z]:""",
    re.VERBOSE,
).match
_SEPARATORS: Final = "\\/"
_STEPS = re.compile(r"[\\/]").split


def joined_path(cwd: str, path: str) -> str:
    """Join a path to the folder `cwd`; an empty path means the folder itself."""
    if not path:
        return cwd
    prefix = None if cwd.startswith("/") else _PREFIX(cwd)
    if prefix is not None:
        return _pushed(cwd, prefix[0], path)
    if path.startswith("/"):
        return absolute(path) or path
    if _ABSOLUTE(path):
        return path
    if not cwd.startswith("/"):
        return f"{cwd}/{path}" if cwd else path
    return absolute(f"{cwd}/{path}") or path


def _pushed(cwd: str, prefix: str, path: str) -> str:
    """Join as `PathBuf::push` does on Windows; `prefix`: that of `cwd`."""
    if _PREFIX(path):
        return path
    if prefix.startswith(_VERBATIM):
        return _pushed_verbatim(cwd, prefix, path)
    if path[0] in _SEPARATORS:
        return prefix + path
    joins = cwd[-1] in _SEPARATORS or _DRIVE(cwd) is not None
    return cwd + path if joins else f"{cwd}\\{path}"


def _pushed_verbatim(cwd: str, prefix: str, path: str) -> str:
    """Join to a verbatim path.

    `.`, `..` and slashes are not valid names there, so they are resolved.
    """
    rooted = path[0] in _SEPARATORS
    names = [] if rooted else [name for name in cwd[len(prefix) :].split("\\") if name]
    for step in _STEPS(path):
        if step == "..":
            del names[-1:]
        elif step not in ("", "."):
            names.append(step)
    return "\\".join([prefix, *names]) if names else prefix + "\\"
