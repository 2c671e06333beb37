"""What anomalies mean, by their kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Level = Literal["ok", "info", "warning", "problem"]

#: What an anomaly of a kind means, and what to do: at most a warning, for the rows are right.
KINDS: Final[Mapping[str, tuple[Level, str, str]]] = {
    "ordinal_repeated": (
        "info", "an ordinal came twice; both records are projected",
        "Codex before 0.154 stands still there: update it",
    ),
    "ordinal_fell": ("info", "ordinals fell back; all is projected in the order of the file", ""),
    "ordinal_gap": ("info", "ordinals are missing; nothing else is", ""),
    "no_ordinal": ("info", "records without an ordinal are projected all the same", ""),
    "unknown_record": ("info", "records of kinds that this version does not know", "Upgrade"),
    "unknown_event": ("info", "events of kinds that this version does not know", "Upgrade"),
    "unknown_item": (
        "info", "items of types that this version does not know are kept as written", "Upgrade",
    ),
    "replaced": ("info", "files that were not what they had been were projected anew", ""),
    "torn": (
        "warning", "lines cut short, as a crash or a full disk leaves them",
        "See that the disk has room; what was cut is lost, the records around it are not",
    ),
    "nul_bytes": ("warning", "runs of NUL bytes, as a crash leaves them; left out", ""),
    "joined": ("info", "several records on one line; all are projected", ""),
    "byte_order_mark": (
        "warning", "files begin with a byte order mark, which Codex refuses",
        "An editor or a sync tool wrote it: remove it to have the thread in Codex",
    ),
    "no_header": (
        "warning", "files without a first session_meta, which Codex refuses",
        "Restore them from a backup, if there is one",
    ),
    "refused_header": ("warning", "first lines that Codex refuses", ""),
    "other_thread": (
        "warning", "files whose headers name another thread than the files' names",
        "They are shown where the thread has no other file: give them back the names that they had",
    ),
    "not_utf8": ("warning", "bytes that are not UTF-8 were replaced", ""),
    "lone_surrogate": ("info", "half surrogate pairs were replaced", ""),
    "overlong": (
        "warning", "lines longer than read.max_line_bytes were passed over",
        "Raise the limit and run: projector rebuild",
    ),
    "too_deep": ("warning", "lines nested too deeply were passed over", ""),
    "second_file": (
        "warning", "rollouts lie there twice; one file of each is projected",
        "See the view anomalies for the others; move copies away",
    ),
    "unlisted": ("info", "there are more anomalies of a kind than are listed", ""),
    "second_host": ("info", "another host of this database projects these rollouts", ""),
    "zst_not": ("info", "files named .zst hold plain text, and are read so", ""),
    "lineage.cycle": ("warning", "rollouts continue one another in a circle", ""),
}  # fmt: skip
