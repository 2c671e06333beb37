"""Records that a scripted session cannot have Codex write: what the real one makes of them.

    python -m tests.live.hand_made --folder FOLDER

Voice sessions, moderated messages, environments of MCP calls, errors. A rollout of such records is
opened by Codex and projected by the projector; the rows must be equal. Must run in a network
namespace of its own (`tests.live.offline`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from tests.live import install, offline, shown
from tests.live.codex import Codex, Home
from tests.live.compare import Report, compare
from tests.live.model import Json, Model
from tests.live.plays import PLAYS
from tests.live.rollouts import headers
from tests.support import paginated
from tests.support.homes import put
from tests.support.projecting import backfilled

_SAID: Final[Json] = {"role": "user", "text": "hi"}
_INPUT: Final[Json] = {"source_event_ids": ["f"], "input_item_id": "i", "input": "do it"}
#: Types of realtime items, and what they hold.
VOICES: Final[tuple[tuple[str, Json], ...]] = (
    ("realtime_session_started", {}),
    ("transcript_segment", _SAID),
    ("frame", {"channels": {"voice_transcript": _SAID}}),
    ("bem_item_promoted", {"turn_id": "A", "item_id": "m0",
                           "presentation": {"type": "whole_item"}}),
    ("bem_item_promoted", {"turn_id": "A", "item_id": "m0",
                           "presentation": {"type": "inline_visualization", "index": 2}}),
    ("turn_input_accepted", {"handoff_id": "h", "turn_id": "A", "mode": "start", **_INPUT}),
    ("turn_input_accepted", {"mode": {"steer": None}, **_INPUT, "turn_id": "A", "handoff_id": "h"}),
    ("session_end_input_saved", _INPUT),
    ("realtime_session_closed", {"outcome": "failed"}),
)  # fmt: skip
DISPLAYS: Final[tuple[Json | None, ...]] = (
    None,
    {"trustedContacts": "skip", "version": 1, "mode": "show"},
    {"version": 1, "mode": "show", "trustedContacts": {"check": None},
     "annotation": {"subject": "prompt", "kind": "wellbeingHelpline"}},
    {"version": 1, "mode": "hide", "replacement": {"kind": "wellbeingPromptHelpline"}},
    {"version": 1, "mode": "block", "reason": {"kind": "cyber", "trustedAccess": True}},
    {"version": 1, "mode": "block", "reason": {"kind": "protection", "protectionType": "p"}},
)  # fmt: skip
CALL: Final[Json] = {
    "type": "McpToolCall", "server": "s", "tool": "t", "status": "completed",
    "arguments": {"n": 1}, "result": {"content": []}, "duration": {"secs": 0, "nanos": 1_500_000},
}  # fmt: skip
ENVIRONMENTS: Final[tuple[Json, ...]] = ({}, {"environmentId": None}, {"environmentId": "e"})
ERRORS: Final[tuple[Any, ...]] = (
    "bio_policy", {"bio_policy": None}, "cyber_policy", "invalid_prompt", None,
    {"response_stream_disconnected": {"http_status_code": 502}},
)  # fmt: skip


def records() -> list[Json]:
    """Give all of them, in one rollout."""
    every: list[Json] = [paginated.meta(), paginated.started("A", started_at=1)]
    for at, (kind, fields) in enumerate(VOICES):
        for observed in ({}, {"observed_at_ms": 1_793_527_201_000 + at}):
            name = f"v{at}{len(observed)}"
            every.append(paginated.realtime(name, **fields, **observed, type=kind))
    for at, display in enumerate(DISPLAYS):
        said = paginated.agent(f"m{at}", "final_answer")
        moderation = {"moderated": at % 2 == 0, "display": display}
        every.append(paginated.item("A", {**said, "moderation": moderation}))
    for at, more in enumerate(ENVIRONMENTS):
        every.append(paginated.item("A", {**CALL, "id": f"c{at}", **more}))
    every.append(paginated.complete("A", started_at=1, completed_at=2, duration_ms=900))
    for at, info in enumerate(ERRORS):
        error = {"message": "no", "codex_error_info": info}
        every += [
            paginated.started(f"T{at}", started_at=3),
            paginated.complete(f"T{at}", started_at=3, completed_at=4, error=error),
        ]
    return every


def hold(home: Home, database: Path) -> Report:
    """Have Codex open the rollout, and compare."""
    home.write()
    name = f"sessions/2026/11/01/rollout-2026-11-01T10-00-00-{paginated.THREAD}.jsonl"
    put(home.home, name, paginated.text(*records()))
    codex = Codex(home)
    histories = shown.ask(codex, headers(home.rollouts()).values())
    codex.close()
    backfilled(home.home, database)
    seen = shown.Shown(
        rows=shown.rows(home.home),
        histories=histories,
        threads=shown.threads(home.home),
        gone=frozenset(),
    )
    return compare(seen, database)


def main() -> None:
    """Compare, print what differs; leave with 1 where anything does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    offline.enter()
    model = Model(PLAYS)
    home = Home(
        binary=install.codex(), home=options.folder / "home", workspace=options.folder / "work",
        port=model.port, python=sys.executable, mcp=Path(__file__).with_name("mcp_server.py"),
    )  # fmt: skip
    try:
        report = hold(home, options.folder / "projected.db")
    finally:
        model.close()
    counts = ", ".join(f"{count} {name}" for name, count in sorted(report.equal.items()))
    sys.stdout.write("\n".join((counts, *report.differences, "")))
    raise SystemExit(1 if report.differences else 0)


if __name__ == "__main__":
    main()
