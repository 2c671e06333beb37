"""Meaning of each kind of anomaly. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Level = Literal["ok", "info", "warning", "problem"]

#: Meaning of an anomaly's kind, and what to do: a warning at most, because the rows are right.
KINDS: Final[Mapping[str, tuple[Level, str, str]]] = {
    "ordinal_repeated": (
        "info", "an ordinal occurs twice; both records are projected",
        "Codex before 0.154 stops reading there: update it",
    ),
    "ordinal_fell": ("info", "ordinals decrease; records are projected in file order", ""),
    "ordinal_gap": ("info", "ordinals are missing, but no records", ""),
    "no_ordinal": ("info", "records without an ordinal; they are projected", ""),
    "unknown_record": ("info", "records of kinds unknown to this version", "Upgrade"),
    "unknown_event": ("info", "events of kinds unknown to this version", "Upgrade"),
    "unknown_item": (
        "info", "items of types unknown to this version, stored as written", "Upgrade",
    ),
    "unknown_field": (
        "info", "members unknown to this version, stored as written", "Upgrade",
    ),
    "replaced": ("info", "files with changed content were projected again from their start", ""),
    "torn": (
        "warning", "truncated lines, typically from a crash or a full disk",
        "Free disk space; the truncated records are lost, those around them are not",
    ),
    "nul_bytes": ("warning", "runs of NUL bytes, typically from a crash; skipped", ""),
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
        "They are shown where the thread has no other file: restore their names",
    ),
    "not_utf8": ("warning", "bytes that are not UTF-8 were replaced", ""),
    "lone_surrogate": ("info", "half surrogate pairs were replaced", ""),
    "overlong": (
        "warning", "lines longer than read.max_line_bytes were skipped",
        "Raise the limit and run: projector rebuild",
    ),
    "too_deep": ("warning", "lines nested too deeply were skipped", ""),
    "second_file": (
        "warning", "rollouts with several files; one file of each is projected",
        "See the view anomalies for the others; move copies away",
    ),
    "unlisted": ("info", "more anomalies of a kind than are listed", ""),
    "second_host": ("info", "another host of this database projects these rollouts", ""),
    "zst_not": ("info", "files named .zst contain plain text and are read as such", ""),
    "lineage.cycle": ("warning", "rollouts whose bases form a circle", ""),
}  # fmt: skip
