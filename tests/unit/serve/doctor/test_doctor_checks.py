"""What was found out, and what `doctor` says of it: a table."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from projector.model.codex_release import Newer
from projector.model.settings import Settings
from projector.serve.doctor.anomaly_kinds import KINDS
from projector.serve.doctor.checks import Check, checks, document, sound
from projector.serve.doctor.facts import Examined, Home, Mode, Stored
from projector.serve.health.snapshot import Database, Facts, Written
from projector.store.protocol import Heartbeat, Holder
from projector.store.questions.doctor import Incomplete, Kind, Source
from projector.store.reading import Server

NOW = 1_000_000_000_000
MIB = 1 << 20


def beat(**more: Any) -> Heartbeat:
    return Heartbeat(
        **{
            "holder": Holder(pid=7, host="h", version="1", started_at_ms=NOW - 10**6),
            "beat_at_ms": NOW - 1000, "interval_s": 30.0, "phase": "following",
            "watching": "events", "watching_why": "", "behind_bytes": 0, "behind_since_ms": None,
            "bytes_read": 0, "records": 0, "batches": 0, "set_aside": 0, **more,
        }
    )  # fmt: skip


def stored(heartbeat: Heartbeat | None = None, **more: Any) -> Stored:
    database = Database(
        path="/p.db", size=MIB, wal_size=more.pop("wal", 0), rollouts={}, threads=0, anomalies=0,
        heartbeat=heartbeat, codex=more.pop("codex", None),
    )  # fmt: skip
    facts = Facts(now_ms=NOW, database=database, files=1, waiting=(), faults=())
    plain: dict[str, Any] = {
        "facts": facts, "schema": 3, "newest_schema": 3, "integrity": "ok", "kinds": (),
        "incomplete": (), "latest_ms": NOW,
    }  # fmt: skip
    return Stored(**{**plain, **more})


SERVER = Server(
    version="15.2", encrypted=True, local=False, standby=False, lag_s=None, may_write=True
)
OTHER = Source("b", "hb", own=False, beat_at_ms=NOW, stopping=False, held=True, claims=0)
SOUND = Examined(
    now_ms=NOW,
    homes=(Home("/home", 3, 5, (), None),),
    database="/p.db",
    database_fault="",
    database_network=None,
    modes=(Mode("/p.db", 0o600, writable=True),),
    secret_files=(),
    free=1 << 40,
    sqlite=(3, 51, 3),
    watches=1000,
    held=True,
    local=True,
    stored=stored(beat()),
    codex=(),
)

CASES: list[tuple[str, dict[str, Any], tuple[str, str] | None]] = [
    ("all is well", {}, None),
    ("a home without rollouts", {"homes": (Home("/h", 0, 1, (), None),)}, ("warning", "home")),
    (
        "a folder without permission",
        {"homes": (Home("/h", 1, 1, ("/x: denied",), None),)},
        ("problem", "home"),
    ),
    (
        "a home on a network disk",
        {"homes": (Home("/h", 1, 1, (), "on nfs"),)},
        ("warning", "watching"),
    ),
    ("more folders than watches", {"watches": 5}, ("problem", "watching")),
    ("nearly so", {"watches": 9}, ("warning", "watching")),
    ("the system does not say", {"watches": None}, None),
    (
        "no database",
        {"database_fault": "no database there", "stored": None},
        ("problem", "database"),
    ),
    ("a database on a network disk", {"database_network": "nfs4"}, ("problem", "database")),
    (
        "readable by others",
        {"modes": (Mode("/p.db", 0o640, writable=True),)},
        ("warning", "privacy"),
    ),
    (
        "of another user",
        {"modes": (Mode("/p.db", 0o600, writable=False),)},
        ("warning", "database"),
    ),
    ("an older SQLite", {"sqlite": (3, 40, 1)}, ("info", "sqlite")),
    ("a full disk", {"free": 10 * MIB}, ("problem", "disk")),
    ("a disk that fills", {"free": 900 * MIB}, ("warning", "disk")),
    ("a damaged file", {"stored": stored(beat(), integrity="Page 3")}, ("problem", "database")),
    ("too large to check", {"stored": stored(beat(), integrity=None)}, None),
    ("a newer schema", {"stored": stored(beat(), schema=4)}, ("problem", "database")),
    ("an older schema", {"stored": stored(beat(), schema=2)}, ("info", "database")),
    ("a large log", {"stored": stored(beat(), wal=600 * MIB)}, ("warning", "database")),
    ("a server", {"stored": stored(beat(), server=SERVER)}, None),
    (
        "an old server",
        {"stored": stored(beat(), server=SERVER._replace(version="12.4"))},
        ("warning", "server"),
    ),
    (
        "a standby",
        {"stored": stored(beat(), server=SERVER._replace(standby=True, lag_s=3.0))},
        ("problem", "server"),
    ),
    (
        "only to be read",
        {"stored": stored(beat(), server=SERVER._replace(may_write=False))},
        ("info", "server"),
    ),
    (
        "a way that others can listen to",
        {"stored": stored(beat(), server=SERVER._replace(encrypted=False))},
        ("warning", "server"),
    ),
    (
        "on this machine",
        {"stored": stored(beat(), server=SERVER._replace(encrypted=False, local=True))},
        None,
    ),
    ("other hosts", {"stored": stored(beat(), sources=(OTHER, OTHER._replace(own=True)))}, None),
    (
        "one that ended without a word",
        {"stored": stored(beat(), sources=(OTHER._replace(held=False),))},
        ("info", "sources"),
    ),
    (
        "one that said that it leaves",
        {"stored": stored(beat(), sources=(OTHER._replace(held=False, stopping=True),))},
        None,
    ),
    (
        "one that has rollouts of ours",
        {"stored": stored(beat(), sources=(OTHER._replace(claims=1),))},
        ("info", "sources"),
    ),
    (
        "one that has them and is gone",
        {"stored": stored(beat(), sources=(OTHER._replace(claims=1, beat_at_ms=1),))},
        ("warning", "sources"),
    ),
    ("no daemon ever", {"stored": stored(None)}, ("info", "daemon")),
    (
        "a daemon that stopped",
        {"stored": stored(beat(phase="stopping")), "held": False},
        ("info", "daemon"),
    ),
    ("a daemon that was killed", {"held": False}, ("problem", "daemon")),
    ("of another host: not known", {"held": False, "local": False}, None),
    (
        "a daemon that hangs",
        {"stored": stored(beat(beat_at_ms=NOW - 200_000))},
        ("problem", "daemon"),
    ),
    ("a daemon that polls", {"stored": stored(beat(watching="polling"))}, ("warning", "daemon")),
    ("rollouts set aside", {"stored": stored(beat(set_aside=2))}, ("problem", "daemon")),
    (
        "rows from the future",
        {"stored": stored(beat(), latest_ms=NOW + 10**7)},
        ("warning", "clock"),
    ),
    (
        "a base that is missing",
        {"stored": stored(beat(), incomplete=(Incomplete("t", "b"),))},
        ("warning", "lineage"),
    ),
    (
        "torn lines",
        {"stored": stored(beat(), kinds=(Kind("torn", 2, 1),))},
        ("warning", "anomalies"),
    ),
    (
        "a rollout of a newer Codex",
        {"stored": stored(beat(), codex=Written(newer=Newer(1, "9.0.0"), unknown={}))},
        ("info", "codex"),
    ),
    (
        "members that are unknown",
        {"stored": stored(beat(), codex=Written(newer=Newer(0, None), unknown={"fields": 3}))},
        ("info", "codex"),
    ),
    (
        "nothing unknown",
        {"stored": stored(beat(), codex=Written(newer=Newer(0, None), unknown={"fields": 0}))},
        None,
    ),
    (
        "repeated ordinals",
        {"stored": stored(beat(), kinds=(Kind("ordinal_repeated", 2, 1),))},
        ("info", "anomalies"),
    ),
    (
        "a rollout that lies there twice",
        {"stored": stored(beat(), kinds=(Kind("second_file", 1, 1),))},
        ("warning", "anomalies"),
    ),
    (
        "a kind without advice",
        {"stored": stored(beat(), kinds=(Kind("brand_new", 1, 1),))},
        ("info", "anomalies"),
    ),
    (
        "a .zst that is cut",
        {"stored": stored(beat(), kinds=(Kind("zst_cut", 1, 1),))},
        ("warning", "anomalies"),
    ),
]


@pytest.mark.parametrize(("facts", "told"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_checks(facts: dict[str, Any], told: tuple[str, str] | None) -> None:
    """One thing is not as it should be: that is said, and nothing else is."""
    found = checks(replace(SOUND, **facts), Settings())

    assert [(one.level, one.topic) for one in found if one.level != "ok"] == (
        [] if told is None else [told]
    )
    assert sound(found) == (told is None or told[0] != "problem")


def test_a_line_says_what_and_how_to_mend_it() -> None:
    check = Check("problem", "disk", "10 MiB free", "Free some space")

    assert check.line() == "problem  disk: 10 MiB free. Free some space"
    assert document([check], ())["ok"] is False


def test_advice_is_at_most_a_warning() -> None:
    """Anomalies are noted, and never a reason to stop."""
    assert {level for level, _, _ in KINDS.values()} <= {"info", "warning"}
