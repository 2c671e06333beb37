"""What is seen decides how it stands, and the line says why."""

from __future__ import annotations

import re

import pytest
from msgspec import structs

from projector.model.ids import Offset, RolloutFile, RolloutId, RolloutName, ThreadId
from projector.model.settings import Health
from projector.serve.health import status
from projector.serve.health.judge import Asked, Level, Verdict, judge
from projector.serve.health.ranges import parse
from projector.serve.health.snapshot import Backlog, Database, Facts, Waiting
from projector.store.protocol import Heartbeat, Holder
from projector.store.questions.contents import Projected

NOW = 1_767_600_000_000
LIMITS = Health(
    warning_bytes=1000, critical_bytes=10_000, warning_s=60, critical_s=300, heartbeat_s=90
)
ONE = RolloutId("019b8d62-7a80-7000-8000-000000000002")
NAME = RolloutName(
    thread_id=ThreadId(ONE), rollout_id=ONE, started="2026-01-05T09-00-00", compressed=False
)


def beat(ago_s: float = 1, **more: object) -> Heartbeat:
    """Give a sign of life of a daemon that started an hour ago."""
    sign = Heartbeat(
        holder=Holder(pid=7, host="h", version="1", started_at_ms=NOW - 3_600_000),
        beat_at_ms=int(NOW - ago_s * 1000),
        interval_s=30,
        phase="following",
        watching="events",
        watching_why="",
        behind_bytes=0,
        behind_since_ms=None,
        bytes_read=4096,
        records=10,
        batches=2,
        set_aside=0,
    )
    return structs.replace(sign, **more)


def facts(
    sign: Heartbeat | None,
    behind: int = 0,
    waited_s: float = 0,
    faults: tuple[str, ...] = (),
) -> Facts:
    """Give facts with one rollout, so many bytes of which wait since so long."""
    file = RolloutFile(
        name=NAME, home="/c", path="/c/r", archived=False, size=90, mtime_ns=0, device=1, inode=1
    )
    waiting = Waiting(file=file, behind=behind, since_ms=int(NOW - waited_s * 1000))
    known = Projected(
        rollout_id=ONE,
        thread_id=ThreadId(ONE),
        path="/c/r",
        compressed=False,
        size=90,
        offset=Offset(90),
        records=5,
        items=3,
        turns=1,
        gone=False,
        anomalies=2,
    )
    return Facts(
        now_ms=NOW,
        database=Database(
            path="/d/p.db",
            size=8192,
            wal_size=0,
            rollouts={ONE: known},
            threads=1,
            anomalies=2,
            heartbeat=sign,
        ),
        files=1,
        waiting=[waiting] if behind else [],
        faults=faults,
    )


CASES = [
    ("nothing waits", facts(beat()), "OK: nothing waits"),
    ("a little waits", facts(beat(), 200, 2), "OK: 200 B behind, the oldest for 2 s"),
    ("much waits", facts(beat(), 1000, 2), "WARNING: 1000 B behind"),
    ("very much waits", facts(beat(), 10_000, 2), "CRITICAL: 9.8 KiB behind"),
    ("it waits long", facts(beat(), 1, 60), "WARNING: 1 B behind, the oldest for 60 s"),
    ("it waits too long", facts(beat(), 1, 300), "CRITICAL: 1 B behind, the oldest for 300 s"),
    (
        "rollouts are always in line, and none of them for long",
        facts(beat(behind_since_ms=NOW - 400_000), 1, 2),
        "OK: 1 B behind, the oldest for 2 s",
    ),
    (
        "what a daemon says that follows very many",
        structs.replace(facts(beat()), told=Backlog(70, 1, NOW - 400_000)),
        "CRITICAL: 70 B behind, the oldest for 400 s",
    ),
    (
        "what the daemon knew of has been read since",
        facts(beat(behind_since_ms=NOW - 400_000), 0),
        "OK: nothing waits",
    ),
    (
        "the sign of life grows old",
        facts(beat(45)),
        "WARNING: the daemon (pid 7 on h) has sent no heartbeat for 45 s",
    ),
    (
        "the daemon hangs, or was killed",
        facts(beat(90)),
        "CRITICAL: the daemon (pid 7 on h) has sent no heartbeat for 90 s",
    ),
    (
        "the daemon was stopped",
        facts(beat(100, phase="stopping")),
        "CRITICAL: no daemon is running: the daemon (pid 7 on h) stopped 100 s ago",
    ),
    ("the daemon is being restarted", facts(beat(3, phase="stopping")), "OK: nothing waits"),
    ("there was never a daemon", facts(None), "CRITICAL: no daemon is running: none has ever"),
    ("the clock was set back a little", facts(beat(-80)), "OK: nothing waits"),
    (
        "the clock was set back",
        facts(beat(-500)),
        "WARNING: the daemon (pid 7 on h) sent its last heartbeat 500 s from now",
    ),
    (
        "a rollout cannot be read",
        facts(beat(set_aside=1)),
        "WARNING: 1 of the rollouts cannot be read",
    ),
    (
        "a folder cannot be read",
        facts(beat(), faults=("/c: permission denied",)),
        "WARNING: /c: permission denied",
    ),
    (
        "the worst is told alone",
        facts(beat(90), 1000, 2, ("/c: x",)),
        "CRITICAL: the daemon (pid 7 on h) has sent no heartbeat for 90 s",
    ),
]


@pytest.mark.parametrize(("found", "line"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_judge(found: Facts, line: str) -> None:
    assert judge(found, LIMITS).line().partition(" | ")[0].startswith(line)


def test_without_a_daemon_by_a_timer_only_bytes_count() -> None:
    limits = structs.replace(LIMITS, heartbeat_s=0.0)

    assert judge(facts(None), limits).level is Level.OK
    assert judge(facts(None, 1, 300), limits).level is Level.CRITICAL


def test_numbers_for_graphs() -> None:
    """In the form of a monitoring plugin: label=value[unit];warning;critical."""
    limits = structs.replace(LIMITS, critical_bytes=10_000_000_000)
    line = judge(facts(beat(), 200, 1.5), limits).line()

    assert line.partition(" | ")[2] == (
        "behind_bytes=200B;1000;10000000000 behind_seconds=1.5s;60;300 rollouts=1 anomalies=2"
        " wal_bytes=0B heartbeat_seconds=1s;45;90"
    )


def test_one_line_whatever_the_text() -> None:
    """A bar or a line break in a path cannot begin what a monitoring system takes for numbers."""
    line = Verdict(level=Level.UNKNOWN, text="/a|b\nc: d").line()

    assert line == "UNKNOWN: /a/b c: d"


def test_json() -> None:
    """As health+json, each number a check of its own, and at the top for who wants it alone."""
    found = judge(facts(beat(), 200, 60), LIMITS).document()

    assert (found["status"], found["level"]) == ("warn", "WARNING")
    assert found["output"] == "200 B behind, the oldest for 60 s"
    assert (found["behind_bytes"], found["rollouts"], found["anomalies"]) == (200, 1, 2)
    assert found["checks"]["behind:seconds"] == [
        {"observedValue": 60.0, "observedUnit": "seconds", "status": "warn"}
    ]
    assert found["checks"]["rollouts"] == [{"observedValue": 1, "status": "pass"}]


def test_what_cannot_be_told_is_a_failure() -> None:
    assert Verdict(level=Level.UNKNOWN, text="locked").document()["status"] == "fail"


# fmt: off
ASKED = [
    ("more than is well",        {"behind_bytes": "100"},  {},                   Level.WARNING),
    ("an end belongs to it",     {"behind_bytes": "200"},  {},                   Level.OK),
    ("too few",                  {},                       {"rollouts": "2:"},   Level.CRITICAL),
    ("as many as must be",       {},                       {"rollouts": "1:"},   Level.OK),
    ("inside",                   {"anomalies": "@1:3"},    {},                   Level.WARNING),
    ("inside is beside it",      {"anomalies": "@3:9"},    {},                   Level.OK),
    ("below nothing",            {"anomalies": "~:1"},     {},                   Level.WARNING),
    ("both",                     {"anomalies": "1"},       {"anomalies": "1"},   Level.CRITICAL),
    ("more patient than set",    {"behind_seconds": "90"}, {"behind_seconds": "99"}, Level.OK),
    ("a quiet daemon",           {"heartbeat_seconds": "0.5"}, {},                   Level.WARNING),
]
# fmt: on


@pytest.mark.parametrize(
    ("warning", "critical", "level"), [pytest.param(*case[1:], id=case[0]) for case in ASKED]
)
def test_thresholds_asked_for(
    warning: dict[str, str], critical: dict[str, str], level: Level
) -> None:
    """Each takes the place of the one in the settings, and stands in the numbers as written."""
    asked = Asked(
        warning={label: parse(text) for label, text in warning.items()},
        critical={label: parse(text) for label, text in critical.items()},
    )
    waits = 60 if "behind_seconds" in warning else 1

    found = judge(facts(beat(), 200, waits), LIMITS, asked)

    assert found.level is level
    for label, text in warning.items():
        assert re.search(rf"{label}=[^;]*;{re.escape(text)}(;|$| )", found.line())


@pytest.mark.parametrize("label", ["behind_bytes", "behind_seconds"])
def test_a_threshold_may_be_about_nothing_that_waits(label: str) -> None:
    """Such as: warn where nothing at all is new."""
    found = judge(facts(beat(), 0, 0), LIMITS, Asked(warning={label: parse("@0:0")}))

    assert (found.level, found.text) == (Level.WARNING, f"{label} is 0")


# fmt: off
NO_RANGES = [
    ("nothing",         "",       "is empty"),
    ("a word",          "ten",    "'ten' is not a number"),
    ("upside down",     "20:10",  "starts after its end"),
    ("infinite",        "inf:",   "'inf' is not a number"),
    ("two colons",      "1:2:3",  "'1:2' is not a number"),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "why"), [pytest.param(*case[1:], id=case[0]) for case in NO_RANGES]
)
def test_what_is_no_range(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        parse(text)


def test_exit_codes_are_those_of_plugins() -> None:
    assert [(level.name, level.value) for level in Level] == [
        ("OK", 0),
        ("WARNING", 1),
        ("CRITICAL", 2),
        ("UNKNOWN", 3),
    ]


def test_status_counts_what_is_projected() -> None:
    found = status.document(facts(beat(), 200, 3), rollouts=True)

    assert found["rollouts"] == found["threads"] == found["turns"] == 1
    assert (found["items"], found["records"], found["anomalies"]) == (3, 5, 2)
    assert (found["behind_bytes"], found["behind_seconds"]) == (200, 3.0)
    assert found["bytes_read"] == found["daemon"]["bytes_read"] == 4096
    (one,) = found["per_rollout"]
    assert (one["rollout_id"], one["behind_bytes"], one["anomalies"]) == (ONE, 200, 2)


def test_status_for_people() -> None:
    text = status.text(facts(None, 200, 3), rollouts=True)

    assert text.startswith("1 rollout, 1 thread, 1 turn, 3 items; 2 anomalies noted\n")
    assert "200 B behind in 1 rollout, the oldest for 3 s" in text
    assert "no daemon has used this database" in text
    assert re.search(rf"{ONE} .* 5 records .* 2 anomalies  /c/r$", text)


DAEMONS = [
    ("following", beat(3), "h: following by events, 4.0 KiB read, last heartbeat 3 s ago"),
    (
        "polling, and why",
        beat(watching="polling", watching_why="watch limit"),
        "h: following by polling (watch limit), ",
    ),
    ("stopped", beat(phase="stopping"), "h: stopped, "),
]


@pytest.mark.parametrize(("sign", "words"), [pytest.param(*c[1:], id=c[0]) for c in DAEMONS])
def test_status_tells_of_the_daemon(sign: Heartbeat, words: str) -> None:
    assert f"daemon 1, pid 7 on {words}" in status.text(facts(sign))


@pytest.mark.parametrize(
    ("ago_s", "level"),
    [(-5, Level.OK), (-89, Level.OK), (-91, Level.WARNING), (-1e6, Level.WARNING)],
)
def test_a_sign_of_life_from_the_future_proves_nothing(ago_s: float, level: Level) -> None:
    """The clock was set back; a daemon that is gone must not look alive until it is there again."""
    assert judge(facts(beat(ago_s)), Health()).level == level
