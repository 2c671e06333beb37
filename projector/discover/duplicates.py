"""Select the file to project if a rollout has several.

The rules, in this order (docs: "two files with one rollout_id"):

1. A plain file before a compressed one: while Codex compresses or unpacks, both exist for an
   instant, and the plain one is the one that is written to.
2. Of two of a kind whose bytes agree as far as the shorter goes, the longer: a copy, or a
   backup, falls behind.
3. Of two that differ, the newer by modification time.
4. Of two that are the same, the one that comes first in the order given (homes, then paths), so
   that equal copies do not take turns.

Pure: whether bytes agree is asked of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from projector.model.ids import RolloutFile, RolloutId

#: Relation of the uncompressed bytes of two files, as returned by `compare(one, other)`.
Agreement = Literal["same", "longer", "shorter", "differ", "unreadable", "other unreadable"]
#: Reason why a file with different content is not projected.
DIFFERENT: Final = "older than, and different from,"
_COPY: Final = "a copy of"
_BEGINNING: Final = "the beginning of"
_COMPRESSED: Final = "compressed, and there is a plain"
_SAME: Final = "the same file as"
_UNREADABLE: Final = "cannot be read, and there is"
_REASON: Final = re.compile(
    f": (?:{DIFFERENT}|{_COPY}|{_BEGINNING}|{_COMPRESSED}|{_SAME}|{_UNREADABLE}) "
)
#: Whether the other file is selected before the one selected so far, and the reason for the file
#: that is not.
_VERDICTS: Final[Mapping[Agreement, tuple[bool, str]]] = {
    "same": (False, _COPY),
    "longer": (True, _BEGINNING),
    "shorter": (False, _BEGINNING),
    "unreadable": (False, _UNREADABLE),
    "other unreadable": (True, _UNREADABLE),
}
Compare = Callable[[RolloutFile, RolloutFile], Agreement]


class DuplicateFile(Struct, frozen=True, kw_only=True):
    """A file that is not projected because another file of the rollout is."""

    file: RolloutFile
    reason: str
    passing: bool = False
    """True if expected for a moment (Codex compresses or unpacks), or the same file by another
    path.

    Reported only if the next scan still finds it.
    """

    @property
    def note(self) -> str:
        """Return the detail of the anomaly `second_file`: the path and the reason."""
        return f"{self.file.path}: {self.reason}"


def noted_path(note: str) -> str:
    """Return the path in the text of a `DuplicateFile.note`."""
    return _REASON.split(note, maxsplit=1)[0]


class SelectedFile(Struct, frozen=True, kw_only=True):
    """The file selected for a rollout."""

    file: RolloutFile
    passed_over: tuple[DuplicateFile, ...] = ()


def choose(files: Iterable[RolloutFile], compare: Compare) -> Mapping[RolloutId, SelectedFile]:
    """Select one file for each rollout; `compare` is called only if there are several."""
    chosen: dict[RolloutId, SelectedFile] = {}
    for file in files:
        before = chosen.get(file.name.rollout_id)
        chosen[file.name.rollout_id] = (
            SelectedFile(file=file) if before is None else compare_with(before, file, compare)
        )
    return chosen


def compare_with(choice: SelectedFile, other: RolloutFile, compare: Compare) -> SelectedFile:
    """Compare one more file of the rollout with the one selected so far."""
    mine = choice.file
    if (mine.device, mine.inode) == (other.device, other.inode):
        over = DuplicateFile(file=other, reason=f"{_SAME} {mine.path}", passing=True)
        return SelectedFile(file=mine, passed_over=(*choice.passed_over, over))
    wins, why = _beats(other, mine, compare)
    file, loser = (other, mine) if wins else (mine, other)
    passing = mine.name.compressed != other.name.compressed and _stem(mine) == _stem(other)
    over = DuplicateFile(file=loser, reason=f"{why} {file.path}", passing=passing)
    return SelectedFile(file=file, passed_over=(*choice.passed_over, over))


def _beats(other: RolloutFile, mine: RolloutFile, compare: Compare) -> tuple[bool, str]:
    """Return whether `other` is selected before `mine`, and the reason for the one that is not."""
    if mine.name.compressed != other.name.compressed:
        return mine.name.compressed, _COMPRESSED
    verdict = compare(other, mine)
    if verdict == "differ":
        return other.mtime_ns > mine.mtime_ns, DIFFERENT
    return _VERDICTS[verdict]


def _stem(file: RolloutFile) -> str:
    return file.path.removesuffix(".zst")
