"""What lies in the files themselves, read without the projector."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_NAME_HEAD = len("rollout-YYYY-MM-DDThh-mm-ss-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a rollout's name and first line say."""

    thread: str
    mode: str
    archived: bool
    agent: bool
    """It is the thread of an agent or a reviewer."""


def rollout_id(path: Path) -> str:
    """Give the id that Codex's tables call `thread_id`: the last one in the name."""
    return path.name.split(".jsonl")[0][_NAME_HEAD:].split("_")[-1]


def text(path: Path) -> bytes:
    """Read a rollout, decoded if it is compressed."""
    if path.suffix != ".zst":
        return path.read_bytes()
    return zstd.decompress(path.read_bytes())


def decoded_sizes(paths: Iterable[Path]) -> Mapping[str, int]:
    """Give the uncompressed bytes of each rollout."""
    return {rollout_id(path): len(text(path)) for path in paths}


def headers(paths: Iterable[Path]) -> Mapping[str, Head]:
    """Give the head of each rollout."""
    found = {}
    for path in paths:
        first = json.loads(text(path).split(b"\n", 1)[0])["payload"]
        mode = first.get("history_mode") or "legacy"
        found[rollout_id(path)] = Head(
            thread=first["id"],
            mode=mode,
            archived="archived_sessions" in path.parts,
            agent=isinstance(first.get("source"), dict),
        )
    return found


def own_below(paths: Iterable[Path]) -> Mapping[str, int]:
    """Give the ordinal below which Codex shows nothing of agents' rollouts that it migrated.

    Below such an ordinal lies what an agent's rollout copied of its parent's, without items; the
    migration of a legacy agent's thread puts all that the thread has below it.
    """
    found: dict[str, int] = {}
    for path in paths:
        lines = text(path).split(b"\n")
        start = json.loads(lines[0])["payload"].get("subagent_history_start_ordinal")
        if start is not None and any(b'"id":"item-' in line for line in lines[:start]):
            found[rollout_id(path)] = start
    return found


def responses(paths: Iterable[Path]) -> set[str]:
    """Give the responses of which a rollout says what they cost.

    What an agent's rollout copied of its parent's is told in the parent's.
    """
    paths = list(paths)
    own = own_below(paths)
    found: set[str] = set()
    for path in paths:
        lines = text(path).split(b"\n")
        start = json.loads(lines[0])["payload"].get("subagent_history_start_ordinal") or 0
        start = 0 if rollout_id(path) in own else start
        for line in lines:
            if b'"token_usage_record"' not in line:
                continue
            record = json.loads(line)
            if record.get("type") == "token_usage_record" and record.get("ordinal", start) >= start:
                found.add(record["payload"]["response_id"])
    return found


def names(home: Path) -> Mapping[str, str]:
    """Give the names that were given to threads: the last one counts."""
    index = home / "session_index.jsonl"
    lines = index.read_bytes().split(b"\n") if index.exists() else []
    given = [json.loads(line) for line in lines if line]
    return {one["id"]: one["thread_name"] for one in given}


def ids(database: Path) -> set[str]:
    """Give every rollout that the projector knows."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return {row[0] for row in opened.execute("SELECT thread_id FROM codex_projection_state")}
