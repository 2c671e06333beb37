"""Format what is projected and how far behind, as text and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from projector.model import codex_release, revisions
from projector.model.humanize import count, size
from projector.serve.health.snapshot import Facts, Written

#: Most lines of one kind.
_NAMED: Final = 10


def document(facts: Facts, *, rollouts: bool = False) -> dict[str, Any]:
    """Return the status for `--json`; with `rollouts`, of each rollout too."""
    database, beat = facts.database, facts.database.heartbeat
    counted = database.counted
    found: dict[str, Any] = {
        "database": database.path,
        "database_bytes": database.size,
        "wal_bytes": database.wal_size,
        "free_bytes": database.free,
        "rollouts": counted.rollouts,
        "threads": database.threads,
        "turns": counted.turns,
        "items": counted.items,
        "records": counted.records,
        "anomalies": database.anomalies,
        "rollouts_on_disk": facts.files,
        "rules_revision": revisions.current(),
        "rollouts_outdated": database.rules.outdated,
        "rollouts_outdated_gone": database.rules.outdated_gone,
        "rollouts_newer": database.rules.newer,
        "rollouts_behind": facts.backlog.rollouts,
        "behind_bytes": facts.behind_bytes,
        "behind_seconds": round(facts.behind_s, 3),
        "bytes_read": 0 if beat is None else beat.bytes_read,
        "daemon": None
        if beat is None
        else {
            "pid": beat.holder.pid,
            "host": beat.holder.host,
            "version": beat.holder.version,
            "started_at_ms": beat.holder.started_at_ms,
            "beat_at_ms": beat.beat_at_ms,
            "phase": beat.phase,
            "watching": beat.watching,
            "watching_why": beat.watching_why,
            "bytes_read": beat.bytes_read,
            "records": beat.records,
            "batches": beat.batches,
            "set_aside": beat.set_aside,
        },
        "faults": [str(fault) for fault in facts.faults],
        "torn": [
            {
                "rollout_id": one.file.name.rollout_id,
                "path": one.file.path,
                "bytes": one.bytes,
                "since_ms": one.since_ms,
            }
            for one in facts.torn
        ],
        "failed_attempts": [
            {"rollout_id": rollout_id, "times": times} for rollout_id, times in database.attempts
        ],
    }
    written = database.codex
    if written is not None:
        found["codex"] = {
            "known_to": codex_release.NEWEST,
            "newer_rollouts": written.newer.rollouts,
            "newest": written.newer.newest,
            "unknown": dict(written.unknown),
        }
    if rollouts:
        found["per_rollout"] = _per_rollout(facts)
    return found


def text(facts: Facts, *, rollouts: bool = False) -> str:
    """Return the status for people."""
    every = document(facts, rollouts=rollouts)
    behind = "nothing waits"
    if facts.backlog.rollouts:
        behind = (
            f"{size(facts.behind_bytes)} behind in {count(facts.backlog.rollouts, 'rollout')},"
            f" the oldest for {facts.behind_s:.0f} s"
        )
    total = (
        f"{count(every['rollouts'], 'rollout')}, {count(every['threads'], 'thread')},"
        f" {count(every['turns'], 'turn')}, {count(every['items'], 'item')};"
        f" {count(every['anomalies'], 'anomaly', 'anomalies')} noted"
    )
    lines = [
        total,
        behind,
        *_rules(facts),
        _daemon(facts),
        f"{every['database']}: {size(every['database_bytes'])}, log {size(every['wal_bytes'])}",
        *every["faults"],
        *attempts(facts),
        *torn(facts),
        *newer(facts.database.codex),
    ]
    lines += [_row(one) for one in every.get("per_rollout", ())]
    return "\n".join(lines)


def attempts(facts: Facts) -> list[str]:
    """Return a line for each of the rollouts whose reading has ended the daemon; not of all."""
    return [
        f"rollout {rollout_id}: reading a long line of it has ended the daemon"
        f" {count(times, 'time')}"
        for rollout_id, times in facts.database.attempts[:_NAMED]
    ]


def torn(facts: Facts) -> list[str]:
    """Return a line for each of the rollouts that have long ended in a torn line; not of all."""
    lines = [
        f"{one.file.path}: its last {size(one.bytes)} have no newline, for"
        f" {(facts.now_ms - one.since_ms) // 3_600_000} h; they wait for it"
        for one in facts.torn[:_NAMED]
    ]
    more = len(facts.torn) - _NAMED
    return [*lines, f"{count(more, 'more torn line')}"] if more > 0 else lines


def newer(written: Written | None) -> list[str]:
    """Return a line if a newer Codex wrote rollouts, or wrote what is unknown; else none."""
    if written is None or not (written.newer.rollouts or any(written.unknown.values())):
        return []
    what = "; ".join(
        [
            *_newer_rollouts(written),
            *(["unknown: " + _unknown(written.unknown)] if any(written.unknown.values()) else []),
        ]
    )
    return [f"Codex is known up to {codex_release.NEWEST}; {what}"]


def _newer_rollouts(written: Written) -> list[str]:
    newer = written.newer
    if not newer.rollouts:
        return []
    were = "was" if newer.rollouts == 1 else "were"
    return [
        f"{count(newer.rollouts, 'rollout')} {were} written by newer ones, up to {newer.newest}"
    ]


def _unknown(unknown: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in unknown.items() if number)


def _row(one: dict[str, Any]) -> str:
    return (
        f"{one['rollout_id']}  {one['records']:>9,} records  {one['turns']:>6,} turns"
        f"  {one['items']:>8,} items  {size(one['behind_bytes']):>10} behind"
        f"  {one['anomalies']:>4,} anomalies  {'gone: ' if one['gone'] else ''}{one['path']}"
    )


def _rules(facts: Facts) -> Iterator[str]:
    """Say which rows are not of the rules of this program."""
    rules, present = facts.database.rules, revisions.current()
    if rules.outdated:
        yield (
            f"{count(rules.outdated, 'rollout')} with rows of older rules than revision {present}:"
            " the daemon projects them again in the background; at once:"
            " projector rebuild --outdated"
        )
    if rules.outdated_gone:
        yield (
            f"{count(rules.outdated_gone, 'rollout')} with rows of older rules and without a file:"
            " their rows stay"
        )
    if rules.newer:
        yield (
            f"{count(rules.newer, 'rollout')} with rows of newer rules than revision {present}:"
            " left to a newer program"
        )


def _daemon(facts: Facts) -> str:
    beat = facts.database.heartbeat
    if beat is None:
        return "no daemon has used this database"
    age = facts.heartbeat_age_s or 0.0
    why = f" ({beat.watching_why})" if beat.watching_why else ""
    if facts.alive is False and beat.phase != "stopping":
        doing = "ended unexpectedly"
    elif facts.fault:
        doing = f"cannot write for {facts.fault[1]:.0f} s ({facts.fault[0]})"
    else:
        doing = "stopped" if beat.phase == "stopping" else f"{beat.phase} by {beat.watching}{why}"
    return (
        f"daemon {beat.holder.version}, pid {beat.holder.pid} on {beat.holder.host}: {doing},"
        f" {size(beat.bytes_read)} read, last heartbeat {age:.0f} s ago"
    )


def _per_rollout(facts: Facts) -> list[dict[str, Any]]:
    behind = {one.file.name.rollout_id: one for one in facts.waiting}
    known = facts.database.rollouts
    rows = [
        {
            "rollout_id": one.rollout_id,
            "thread_id": one.thread_id,
            "path": one.path,
            "records": one.records,
            "turns": one.turns,
            "items": one.items,
            "anomalies": one.anomalies,
            "next_byte_offset": one.offset,
            "behind_bytes": behind[name].behind if name in behind else 0,
            "gone": one.gone,
        }
        for name, one in sorted(known.items())
    ]
    rows += [
        {
            "rollout_id": name,
            "thread_id": one.file.name.thread_id,
            "path": one.file.path,
            "records": 0,
            "turns": 0,
            "items": 0,
            "anomalies": 0,
            "next_byte_offset": 0,
            "behind_bytes": one.behind,
            "gone": False,
        }
        for name, one in sorted(behind.items())
        if name not in known
    ]
    return rows
