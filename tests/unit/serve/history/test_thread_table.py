"""Which threads are listed, and how."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from projector.reduce.header import header
from projector.serve.history.looks import cells
from projector.serve.history.place import Place
from projector.serve.history.table import SHORT_ID, footnote, table, when
from projector.serve.history.threads import Wanted, choose, document, since, source_of
from tests.support.shown_history import THREAD

SPAWNED = {"subagent": {"thread_spawn": {"parent_thread_id": "x", "depth": 1}}}
AGENT = {"source": "subagent", "source_kind": "thread_spawn"}


def row(**columns: object) -> dict[str, Any]:
    return {**THREAD, "git_origin_url": None, **columns}


# fmt: off
SOURCES: list[tuple[object, str | None, str, list[str]]] = [
    # as written thread_source label asked for by
    ("cli", "user", "cli", ["cli", "CLI"]),
    ("vscode", None, "vscode", ["vscode"]),
    ("mcp", None, "mcp", ["mcp", "appServer"]),
    (None, None, "unknown", ["unknown"]),
    ("", None, "unknown", ["unknown"]),
    ("later", None, "later", ["later"]),
    ({"custom": "atlas"}, None, "atlas", ["custom", "atlas"]),
    ({"later": 1}, None, "later", ["later"]),
    ({"a": 1, "b": 2}, None, "unknown", ["unknown"]),
    ([], None, "unknown", ["unknown"]),
    ({"subagent": "review"}, "subagent", "review",
     ["subagent", "review", "subAgentReview", "sub-agent"]),
    ({"subagent": "memory_consolidation"}, None, "memory_consolidation",
     ["subagent", "memory_consolidation"]),
    (SPAWNED, "subagent", "subagent",
     ["subagent", "thread_spawn", "subAgentThreadSpawn"]),
    ({"subagent": {"other": "guardian"}}, None, "guardian", ["subagent", "guardian"]),
    ({"internal": "memory_consolidation"}, None, "memory_consolidation", ["subagent"]),
    ("exec", "subagent", "exec", ["subagent", "exec"]),
]
# fmt: on


@pytest.mark.parametrize(("source", "thread_source", "label", "asked"), SOURCES)
def test_where_a_thread_comes_from(
    source: object, thread_source: str | None, label: str, asked: list[str]
) -> None:
    read = header({"source": source, "thread_source": thread_source}, None)
    found = source_of(
        row(source=read.source, source_kind=read.source_kind, thread_source=read.thread_source)
    )

    assert label == found.label
    assert all(found.answers(one) for one in asked)
    assert not found.answers("something")


NAMED = "named"
# fmt: off
ASKED = [
    ("all that are neither archived, deleted nor agents, if nothing is asked",
     Wanted(), {}, True),
    ("an archived one is hidden", Wanted(), {"archived": 1}, False),
    ("an archived one is shown if asked", Wanted(archived="only"), {"archived": 1}, True),
    ("only archived ones, if asked", Wanted(archived="only"), {}, False),
    ("a deleted one is hidden", Wanted(), {"deleted": 1}, False),
    ("a deleted one is shown if asked", Wanted(deleted="only"), {"deleted": 1}, True),
    ("only deleted ones, if asked", Wanted(deleted="only"), {}, False),
    ("a sub-agent is hidden", Wanted(), AGENT, False),
    ("a reviewer is hidden", Wanted(), {"source": "subagent", "source_kind": "review"}, False),
    ("a sub-agent is shown with all", Wanted(agents=True), AGENT, True),
    ("a sub-agent is shown if its source is asked for",
     Wanted(sources=("subagent",)), AGENT, True),
    ("another source is not shown", Wanted(sources=("exec", "vscode")), {}, False),
    ("one of several sources", Wanted(sources=("exec", "cli")), {}, True),
    ("the folder itself", Wanted(place=Place(("/w",))), {"cwd": "/w"}, True),
    ("a folder below", Wanted(place=Place(("/w",))), {"cwd": "/w/a/b"}, True),
    ("a folder beside it that begins alike", Wanted(place=Place(("/w",))), {"cwd": "/wx"}, False),
    ("the root has all below it", Wanted(place=Place(("/",))), {"cwd": "/w"}, True),
    ("either spelling of the folder", Wanted(place=Place(("/l", "/w"))), {"cwd": "/w"}, True),
    ("a folder of Windows", Wanted(place=Place(("C:\\w",))), {"cwd": "C:\\w\\a"}, True),
    ("no folder known", Wanted(place=Place(("/w",))), {"cwd": None}, False),
    ("the repository of the origin",
     Wanted(place=Place((), "o/r")), {"git_origin_url": "git@h:o/r"}, True),
    ("another repository", Wanted(place=Place((), "o/r")), {"git_origin_url": "git@h:o/q"}, False),
    ("changed at the very moment", Wanted(since_ms=5), {"updated_at_ms": 5}, True),
    ("changed before", Wanted(since_ms=5), {"updated_at_ms": 4}, False),
    ("changed nobody knows when", Wanted(since_ms=5), {"updated_at_ms": None}, False),
    ("text in the name, in any case", Wanted(text="ÄBC"), {"name": "xäbcx"}, True),
    ("text in the preview", Wanted(text="bc"), {"name": None, "preview": "ABC"}, True),
    ("text in neither", Wanted(text="bc"), {"name": None, "preview": None}, False),
]
# fmt: on


@pytest.mark.parametrize(
    ("wanted", "columns", "shown"), [pytest.param(*case[1:], id=case[0]) for case in ASKED]
)
def test_what_is_asked_for(wanted: Wanted, columns: dict[str, Any], shown: bool) -> None:  # noqa: FBT001 - a column of the table
    one = row(**columns)

    assert ([one] if shown else []) == list(choose([one], wanted).rows)


def test_what_is_hidden_or_behind_the_limit_is_said() -> None:
    rows = [row(), row(archived=1), row(cwd="/elsewhere", archived=1), row(**AGENT), row(**AGENT)]

    listed = choose([*rows, row(), row(archived=1)], Wanted(limit=1, place=Place(("/w",))))

    assert footnote(listed) == (
        "there are older ones (--limit 0: all); 1 archived, 2 sub-agents hidden (--all: shown)"
    )
    assert footnote(choose(rows[:1], Wanted())) is None


def test_what_is_the_opposite_of_what_is_asked_is_not_called_hidden() -> None:
    assert footnote(choose([row(), row(archived=1)], Wanted(archived="only"))) is None


NOW = datetime(2026, 11, 20, 12, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", "2026-11-20T10:30:00+01:00"),
        ("12h", "2026-11-20T00:00:00+01:00"),
        ("1.5 d", "2026-11-19T00:00:00+01:00"),
        ("2w", "2026-11-06T12:00:00+01:00"),
        ("7days", "2026-11-13T12:00:00+01:00"),
        ("7 days ago", "2026-11-13T12:00:00+01:00"),
        ("last week", "2026-11-13T12:00:00+01:00"),
        ("Last 3 days", "2026-11-17T12:00:00+01:00"),
        ("last month", "2026-10-21T12:00:00+01:00"),
        ("1y", "2025-11-20T12:00:00+01:00"),
        ("today", "2026-11-20T00:00:00+01:00"),
        ("Yesterday", "2026-11-19T00:00:00+01:00"),
        ("2026-11-01", "2026-11-01T00:00:00+01:00"),
        ("2026-11-01T10:00", "2026-11-01T10:00:00+01:00"),
        ("2026-11-01 10:00:00Z", "2026-11-01T10:00:00+00:00"),
    ],
)
def test_since(text: str, moment: str) -> None:
    """Spans count back from now; what has no zone is in that of now."""
    assert round(datetime.fromisoformat(moment).timestamp() * 1000) == since(text, NOW)


@pytest.mark.parametrize("text", ["", "7", "7q", "d", "week", "last", "-1d", "soon", "2026-13-01"])
def test_no_point_in_time(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of Python's messages does not matter
        since(text, NOW)


def test_flags_are_booleans_in_json() -> None:
    """A 0 is true for jq."""
    shown = document(row(archived=0, deleted=1, item_count=0))

    assert [shown[name] for name in ("archived", "deleted")] == [False, True]
    assert list(shown) == list(row())


WIDE = "漢字" * 30
NOW_MS = THREAD["updated_at_ms"] + 2000 * 86_400_000


@pytest.mark.parametrize("width", [200, 120, 100, 80, 60, 40])
@pytest.mark.parametrize("name", ["short", "long " * 30, WIDE, "e\u0301" * 60])
def test_a_table_fits_the_terminal(width: int, name: str) -> None:
    """The name comes first; what can be given to `show` is never left out."""
    listed = choose([row(name=name, cwd="/a" * 90), row(archived=1)], Wanted(archived="show"))

    head, lines = table(listed, width=width, now_ms=NOW_MS, zone=UTC)

    assert max(map(cells, [head, *lines])) <= width
    assert head.startswith("NAME")
    assert all(THREAD["thread_id"][:SHORT_ID] in line for line in lines)


def test_eighty_columns_hold_what_people_ask_for() -> None:
    one = row(name="A name that is not short at all", total_tokens=45_090, cwd="/home/robin/teapot")
    listed = choose([one, row(updated_at_ms=NOW_MS - 59_000)], Wanted())

    head, lines = table(listed, width=80, now_ms=NOW_MS, zone=UTC)

    assert head.split() == ["NAME", "AGE", "TURNS", "TOKENS", "FOLDER", "THREAD"]
    assert lines[0].split()[-6:-2] == ["2,000", "d", "1", "45.1k"]
    assert lines[0].endswith("/teapot  00000000-0000")
    assert " now " in lines[1]


def test_a_table_without_a_terminal() -> None:
    """Whole ids, times and numbers; newlines and escapes in names are harmless."""
    listed = choose([row(name="a\nb\x1b[31m"), row(name=None, preview=None)], Wanted())

    head, lines = table(listed, width=None, now_ms=NOW_MS, zone=UTC)

    thread = THREAD["thread_id"]
    assert [
        "NAME               UPDATED  TURNS  TOKENS  FOLDER  MODEL  SOURCE  THREAD",
        f"a b␛[31m  2001-09-09 01:47      1       5  /w      m      cli     {thread}",
        f"-         2001-09-09 01:47      1       5  /w      m      cli     {thread}",
    ] == [head, *lines]


def test_times_out_of_the_calendar_are_numbers() -> None:
    assert [when(None), when(int("9" * 18))] == ["-", "9" * 18]
