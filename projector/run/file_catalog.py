"""The current file of each rollout, by scans, for backfill and daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os.path import abspath, lexists
from typing import Final

from msgspec import Struct

from projector.discover.duplicates import (
    DuplicateFile,
    SelectedFile,
    choose,
    compare_with,
    noted_path,
)
from projector.discover.hints import ChangeHints
from projector.discover.paths import scan_path
from projector.discover.scan import (
    ARCHIVED,
    SESSIONS,
    Fault,
    Listings,
    Scan,
    joined,
    scan_folder,
    scan_homes,
    stat_rollout,
)
from projector.model.changes import Anomaly
from projector.model.file_index import FileIndex
from projector.model.ids import Offset, RolloutFile, RolloutId, RolloutName
from projector.read.compare_files import Agreements
from projector.store.protocol import Store

#: Out of this many scans one lists every folder, even if its times are unchanged.
LISTED_EVERY: Final = 10


class Survey(Struct, frozen=True, kw_only=True):
    """The result of a scan of all homes, or of named files."""

    files: FileIndex
    passed_over: tuple[DuplicateFile, ...]
    """Other files of rollouts that are in `files`."""
    faults: tuple[Fault, ...]
    scan: Scan

    def gone(
        self, known: Iterable[Mapping[RolloutId, RolloutFile]]
    ) -> dict[RolloutId, RolloutFile]:
        """Return known rollouts that have no file any more, if the scan proves it.

        `known`: if a rollout is in several mappings, the first one counts.
        """
        missing: dict[RolloutId, RolloutFile] = {}
        for some in known:
            absent = (
                some.without(self.files)
                if isinstance(some, FileIndex)
                else (one for one in some if one not in self.files)
            )
            for rollout_id in absent:
                missing.setdefault(rollout_id, some[rollout_id])
        return {
            rollout_id: file
            for rollout_id, file in missing.items()
            if self.scan.confirms_missing(file)
        }


class Hinted(Struct, frozen=True, kw_only=True):
    """The files at the paths named in file events."""

    files: Mapping[RolloutId, RolloutFile]
    left: frozenset[RolloutId]
    """Rollouts no longer at such a path: moved or deleted."""


class FileCatalog:
    """Scans repeatedly, and caches what need not be read again."""

    def __init__(self, homes: Sequence[str]) -> None:
        """Create a catalog of these CODEX_HOMEs."""
        self.homes = tuple(homes)
        self._agreements = Agreements()
        self._known = FileIndex()
        self._listings: Listings = {}
        self._looks = 0

    def remember(self, known: FileIndex) -> None:
        """Set the known locations of rollouts before the first scan."""
        self._known = known

    def everything(self) -> Survey:
        """Scan all homes. Blocks: call it in a thread."""
        several: dict[RolloutId, SelectedFile] = {}

        def other(mine: RolloutFile, file: RolloutFile) -> RolloutFile:
            choice = several.get(mine.name.rollout_id) or SelectedFile(file=mine)
            paths = {choice.file.path, *(over.file.path for over in choice.passed_over)}
            if file.path not in paths:  # homes may overlap
                choice = compare_with(choice, file, self._agreements.compare)
                several[mine.name.rollout_id] = choice
            return choice.file

        if self._looks % LISTED_EVERY == 0:
            self._listings.clear()
        self._looks += 1
        files, found = scan_homes(self.homes, self._known, other, self._listings)
        self._known = files
        return Survey(
            files=files,
            passed_over=tuple(over for choice in several.values() for over in choice.passed_over),
            faults=found.faults,
            scan=found,
        )

    def named(self, selection: Iterable[str]) -> Survey:
        """Find the files, folders and thread ids that a person named."""
        return self._chosen(joined([scan_path(named, self.homes) for named in selection]))

    def rollout(self, file: RolloutFile) -> RolloutFile | None:
        """Search a known rollout where Codex may have moved it; None: deleted.

        When moved between its day and the archive, compressed or unpacked, a rollout keeps its
        name.
        """
        found = (stat_rollout(path, file.home) for path in _places(file))
        chosen = choose(
            [one for one in found if isinstance(one, RolloutFile)], self._agreements.compare
        )
        choice = chosen.get(file.name.rollout_id)
        return None if choice is None else choice.file

    def _chosen(self, found: Scan) -> Survey:
        chosen = choose(found.files, self._agreements.compare)
        files = FileIndex()
        for rollout_id, choice in chosen.items():
            files[rollout_id] = choice.file
        return Survey(
            files=files,
            passed_over=tuple(over for choice in chosen.values() for over in choice.passed_over),
            faults=found.faults,
            scan=found,
        )

    def hinted(
        self, hints: ChangeHints, where: Callable[[RolloutId], RolloutFile | None]
    ) -> Hinted:
        """Look at what file events named: rollouts, and new folders.

        `where` tells where a rollout was seen last: if it is still there too, one is chosen.
        """
        found: dict[str, RolloutFile] = {}
        left: set[RolloutId] = set()
        for folder in hints.folders:
            for file in scan_folder(folder.path, folder.home).files:
                found[file.path] = file
        for spot in hints.files:
            one = stat_rollout(spot.path, spot.home)
            if isinstance(one, RolloutFile):
                found[one.path] = one
            elif name := RolloutName.parse(spot.path.rpartition("/")[2]):
                left.add(name.rollout_id)
        for file in list(found.values()):
            other = where(file.name.rollout_id)
            if other is not None and other.path != file.path:
                again = stat_rollout(other.path, other.home)
                if isinstance(again, RolloutFile):
                    found.setdefault(again.path, again)
        chosen = choose(found.values(), self._agreements.compare)
        files = {rollout_id: choice.file for rollout_id, choice in chosen.items()}
        return Hinted(files=files, left=frozenset(left - files.keys()))


def _places(file: RolloutFile) -> Iterable[str]:
    """Yield every path that Codex may use for this rollout. Source: docs on files, section 2."""
    folder, _, base = file.path.rpartition("/")
    plain = base.removesuffix(".zst")
    day = "/".join(file.name.started[:10].split("-"))
    home = abspath(file.home)
    folders = dict.fromkeys((folder, f"{home}/{SESSIONS}/{day}", f"{home}/{ARCHIVED}"))
    return [f"{where}/{plain}{suffix}" for where in folders for suffix in ("", ".zst")]


async def note_second_files(
    store: Store, passed_over: Iterable[DuplicateFile], files: Mapping[RolloutId, RolloutFile]
) -> None:
    """Note files that are not projected, and take back what was noted of files that are gone.

    `files`: those that are projected, as a look at everything found them.
    """
    notes = notes_of(passed_over)
    for rollout_id, each in notes.items():
        await store.add_anomalies(rollout_id, each)
    for rollout_id, noted in (await store.noted_anomalies("second_file")).items():
        projected = files.get(rollout_id)
        stale = [
            one
            for one in noted
            if one not in notes.get(rollout_id, ())
            and _is_no_second(noted_path(one.detail), projected)
        ]
        if stale:
            await store.remove_anomalies(rollout_id, stale)


def _is_no_second(path: str, projected: RolloutFile | None) -> bool:
    if projected is not None and projected.path == path:
        return True
    # A path that is not UTF-8 is not stored as it is: it cannot be looked for.
    return "\ufffd" not in path and not lexists(path)


def notes_of(passed_over: Iterable[DuplicateFile]) -> Mapping[RolloutId, tuple[Anomaly, ...]]:
    """Write down the files that are not projected because another one of the rollout is."""
    notes: dict[RolloutId, tuple[Anomaly, ...]] = {}
    for over in passed_over:
        rollout_id = over.file.name.rollout_id
        note = Anomaly("second_file", Offset(0), 0, over.note)
        notes[rollout_id] = (*notes.get(rollout_id, ()), note)
    return notes
