"""Parse patches in the model's own format, and shell scripts that consist of one. Pure.

Source: docs on legacy rollouts, e4.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from projector.decode import item_types
from projector.decode.legacy.fields import Json
from projector.decode.legacy.paths import joined_path

_SHELLS: Final = frozenset({"bash", "zsh", "sh"})
_SCRIPT_WORDS: Final = 3
_HEREDOC = re.compile(
    r"\s*(?:cd\s+(?P<dir>'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>'\"]+)\s*&&\s*)?"
    r"(?:apply_patch|applypatch)\s*<<\s*(?P<quote>['\"]?)(?P<word>[A-Za-z0-9_]+)(?P=quote)[ \t]*\n"
    r"(?P<body>.*)\n[ \t]*(?P=word)\s*",
    re.DOTALL,
).fullmatch
_AROUND = re.compile(r"<<\s*(['\"]?)([A-Za-z0-9_]+)\1[ \t]*\n(.*)\n[ \t]*\2", re.DOTALL).fullmatch
_BEGIN: Final = "*** Begin Patch"
_END: Final = "*** End Patch"
_ADD: Final = "*** Add File: "
_DELETE: Final = "*** Delete File: "
_UPDATE: Final = "*** Update File: "
_MOVE: Final = "*** Move to: "


class Script(NamedTuple):
    """A script that only applies a patch."""

    patch: str
    folder: str | None
    """Folder that the script changes to first."""


def script_of(argv: list[str]) -> str | None:
    """Return the script of `SHELL -lc SCRIPT`; None for other commands."""
    if len(argv) != _SCRIPT_WORDS or argv[1] not in ("-lc", "-c"):
        return None
    return argv[2] if argv[0].rsplit("/", 1)[-1] in _SHELLS else None


def patch_in(script: str) -> Script | None:
    """Return the patch of a script that consists of one; None otherwise."""
    if "<<" not in script:
        return None
    found = _HEREDOC(script)
    if found is None:
        return None
    folder = found["dir"]
    if folder is not None and folder[0] in "'\"":
        folder = folder[1:-1]
    return Script(found["body"], folder)


def changes_of(patch: str, cwd: str) -> list[Json] | None:
    """Return the changes of a patch, sorted by path; None if it is not a patch."""
    patch = patch.strip()
    around = _AROUND(patch)
    if around is not None:
        patch = around[3].strip()
    lines = patch.split("\n")
    if lines[0].strip() != _BEGIN or lines[-1].strip() != _END or len(lines) == 1:
        return None
    changes: dict[str, Json] = {}
    at, last = 1, len(lines) - 1
    while at < last:
        line = lines[at].removesuffix("\r")
        at += 1
        if line.startswith(_ADD):
            path = joined_path(cwd, line[len(_ADD) :].strip())
            start = at
            while at < last and lines[at].startswith("+"):
                at += 1
            diff = "".join(f"{each[1:]}\n" for each in lines[start:at])
            changes[path] = item_types.changed_file(path, "add", diff)
        elif line.startswith(_DELETE):
            path = joined_path(cwd, line[len(_DELETE) :].strip())
            changes[path] = item_types.changed_file(path, "delete", "")
        elif line.startswith(_UPDATE):
            path = joined_path(cwd, line[len(_UPDATE) :].strip())
            moved: str | None = None
            if at < last and lines[at].startswith(_MOVE):
                moved = joined_path(cwd, lines[at].removesuffix("\r")[len(_MOVE) :].strip())
                at += 1
            start = at
            while at < last and not lines[at].startswith((_ADD, _DELETE, _UPDATE)):
                at += 1
            changes[path] = item_types.updated_file(path, _hunks(lines[start:at]), moved)
    return [changes[path] for path in sorted(changes, key=_bytes)]


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")


def _hunks(lines: list[str]) -> str:
    """Return hunk lines unchanged; a missing first `@@` is added."""
    kept = [line or " " for line in lines if not line.startswith("*** ")]
    if kept and not kept[0].startswith("@@"):
        kept.insert(0, "@@")
    return "".join(f"{line}\n" for line in kept)
