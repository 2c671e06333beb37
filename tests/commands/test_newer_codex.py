"""A home that a later Codex wrote: all of it is kept, and everybody is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from projector import cli
from projector.model.codex_release import NEWEST
from projector.serve.health.database_stats import count
from tests.support import paginated
from tests.support.databases import Where, reading, url_of
from tests.support.homes import name_of, put
from tests.support.paginated import agent, complete, event, item, started
from tests.support.projecting import backfilled

LATER = "9.1.0"


def lines(cli_version: str, *records: paginated.Json) -> bytes:
    return paginated.text(paginated.meta(cli_version=cli_version), *records)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One rollout of today's Codex, one of a later one."""
    folder = tmp_path / "home"
    put(folder, f"sessions/2026/11/01/{name_of(1)}", lines(NEWEST, started("A"), complete("A")))
    later = (
        started("A", by_whom="robin"),
        item("A", agent("a") | {"mood": {"tone_of_voice": 1.5}}),
        item("A", {"type": "Hologram", "id": "h", "depth_map": [1]}),
        event("hologram_begin"),
        {"type": "hologram", "payload": {"path": "other.jsonl"}},
        complete("A", error={"message": "m", "codex_error_info": {"too_bright": {"lux": 5}}}),
    )
    written = lines(LATER, *later).replace(b"1.5", b"1.50")
    put(folder, f"sessions/2026/11/01/{name_of(2)}", written)
    return folder


def said(
    capsysbinary: pytest.CaptureFixture[bytes], home: Path, database: Where, words: Sequence[str]
) -> str:
    cli.run([*words, "--codex-home", str(home), "--database", url_of(database)])
    return capsysbinary.readouterr().out.decode()


def test_everybody_is_told(
    home: Path, database: Where, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    backfilled(home, database)

    told = json.loads(said(capsysbinary, home, database, ["status", "--json"]))["codex"]
    assert told == {
        "known_to": NEWEST,
        "newer_rollouts": 1,
        "newest": LATER,
        "unknown": {"records": 1, "events": 1, "items": 1, "fields": 3},
    }
    line = (
        f"Codex is known up to {NEWEST}; 1 rollout was written by newer ones, up to {LATER};"
        " unknown: 1 records, 1 events, 1 items, 3 fields"
    )
    assert line in said(capsysbinary, home, database, ["status"])
    assert f"codex: {line}" in said(capsysbinary, home, database, ["doctor"])
    with reading(database) as db:
        assert count(db).newer_rollouts == 1


def test_nothing_of_it_is_lost(home: Path, database: Where) -> None:
    backfilled(home, database)

    with reading(database) as db:
        items = [str(text) for (text,) in db.rows("SELECT item_json FROM codex_thread_items")]
        errors = [str(text) for (text,) in db.rows("SELECT error_json FROM codex_thread_turns")]
        told = [str(text) for (text,) in db.rows("SELECT payload FROM lifecycle_events")]
    for text, where in (
        ('"mood":{"tone_of_voice":1.50}', items),
        ('"depthMap":[1]', items),
        ('"codex_error_info":{"too_bright":{"lux":5}}', errors),
        ('"by_whom":"robin"', told),
    ):
        assert text in "".join(where).replace(": ", ":").replace(", ", ","), text
