"""What legacy rollouts say of their thread: header, metadata, tokens; and their odd lines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.legacy_records import (
    Record,
    answer,
    call,
    event,
    header,
    lines_from,
    message,
    rolled_back,
    said,
    started,
    tokens,
)
from tests.support.memory_legacy import project, story


def counted(total: int, last: int) -> Record:
    return event(
        "token_count",
        info={
            "total_token_usage": {"input_tokens": total - 1, "total_tokens": total},
            "last_token_usage": {"input_tokens": last - 1, "total_tokens": last},
        },
    )


OLD, OWN = "01a30000-0000-7000-8000-00000000e001", "01a30000-0000-7000-8000-00000000f002"
USAGE: list[tuple[str, list[Record], list[int]]] = [
    ("the difference of the totals", [counted(10, 10), counted(25, 15)], [10, 15]),
    ("the same totals again are no response", [counted(10, 10), counted(10, 10)], [10]),
    ("totals that fall were set back", [counted(10, 10), counted(4, 3)], [10, 3]),
    ("no info", [event("token_count", info=None), counted(3, 3)], [3]),
    (
        "totals that are none",
        [event("token_count", info={"total_token_usage": {"total_tokens": "x"}})],
        [],
    ),
]


@pytest.mark.parametrize(
    ("records", "totals"), [pytest.param(*case[1:], id=case[0]) for case in USAGE]
)
def test_tokens(records: list[Record], totals: list[int]) -> None:
    """Each response is counted once."""
    store, reducer = project(lines_from([header(), started("t1"), *records]))

    assert [row.total_tokens for row in store.usage.values()] == totals
    assert {row.turn_id for row in store.usage.values()} <= {"t1"}
    if totals:
        last = records[-1]["payload"]["info"]["total_token_usage"]["total_tokens"]
        assert reducer.meta.reported_total_tokens == last


def cost(response: str, total: int) -> Record:
    usage = {"input_tokens": total - 1, "total_tokens": total}
    said = {"turn_id": "t1", "response_id": response, "usage": usage}
    return {"type": "token_usage_record", "payload": said}


def test_records_of_usage_win_over_counts() -> None:
    """Newer releases write both: the record first, which names its response."""
    records = [cost("r1", 10), counted(10, 10), cost("r2", 15), counted(25, 15)]

    store, reducer = project(lines_from([header(), started("t1"), *records]))

    rows = sorted(store.usage.values(), key=lambda row: row.offset)
    assert [(row.response_id, row.total_tokens) for row in rows] == [("r1", 10), ("r2", 15)]
    assert reducer.meta.reported_total_tokens == 25


def test_a_forks_copy_is_not_counted_again() -> None:
    """Turns older than the child are its source's; after its first own turn all is its own."""
    fork = header(forked_from_id="01a30000-0000-7000-8000-00000000a001")

    store, _ = project(
        lines_from([fork, started(OLD), tokens(10), started(OWN), tokens(30), tokens(35)])
    )

    assert [row.total_tokens for row in store.usage.values()] == [30, 35]


def test_a_fork_without_turn_ids_is_counted() -> None:
    """Its copy cannot be told."""
    fork = header(forked_from_id="01a30000-0000-7000-8000-00000000a001")

    store, _ = project(lines_from([fork, *said("u"), tokens(10)]))

    assert [row.total_tokens for row in store.usage.values()] == [10]


def test_the_header() -> None:
    """It is legacy, whatever a later one says, and knows where the thread came from."""
    first = header(
        source={"subagent": "review"}, agent_nickname="Ohm", git={"branch": "b", "commit_hash": "c"}
    )

    _, reducer = project(
        lines_from([first, header(source="cli", cwd="/v", history_mode="paginated")])
    )

    assert reducer.header.mode == "legacy"
    assert reducer.header.source == "cli"
    assert reducer.header.agent_nickname == "Ohm"
    assert reducer.header.created_at_ms == 1_772_355_600_000
    assert (reducer.meta.git_branch, reducer.meta.git_sha, reducer.meta.cwd) == ("b", "c", "/v")


CONTEXT: Record = {"type": "turn_context", "payload": {"cwd": "/kettle", "model": "m"}}
ENVIRONMENT = message("<environment_context><cwd>/kettle</cwd></environment_context>")
LS = ("shell", {"command": ["ls"]})
AGAIN: list[tuple[str, list[Record], str]] = [
    ("in the midst of a turn", [header(), started("t1"), CONTEXT, header()], "/kettle"),
    ("with another spelling", [header(), started("t1"), CONTEXT, header(cwd="/W")], "/kettle"),
    ("after an old release's context", [header(), ENVIRONMENT, *said("go"), header()], "/kettle"),
    ("before any context", [header(), started("t1"), header(cwd="/new")], "/new"),
    ("only behind a context", [started("t1"), CONTEXT, header()], "/kettle"),
    ("a context without a folder", [header(), started("t1"),
                                    {"type": "turn_context", "payload": {"model": "m"}}], "/w"),
    ("of another thread", [header(), started("t1"), header(id=OWN, cwd="/other")], "/w"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "cwd"), [pytest.param(*case[1:], id=case[0]) for case in AGAIN]
)
@pytest.mark.parametrize("resume", [False, True])
def test_where_commands_run_behind_a_header(
    records: list[Record], cwd: str, *, resume: bool
) -> None:
    """A header that comes again tells nothing of it once a context did."""
    data = lines_from([*records, call("c1", LS)])
    store, _ = project(data, range(len(records) + 1), resume=resume)

    assert [shown["cwd"] for _, shown in store.history() if shown["id"] == "c1"] == [cwd]


def test_a_header_that_comes_again_describes_the_thread() -> None:
    """Its folder is the header's, whatever a turn's is; what is empty changes nothing."""
    again = header(
        cwd="/new", cli_version="0.146.0", source="vscode", model_provider="p2",
        agent_nickname="n", agent_role="r", thread_source="s", git={"branch": "b2"},
        forked_from_id=OWN, timestamp="2027-03-01T09:00:00.000Z",
    )  # fmt: skip
    first = header(source="cli", model_provider="p1", git={"branch": "b1", "commit_hash": "c1"})
    empty = header(cwd="", cli_version="", agent_nickname="", model_provider="")
    _, reducer = project(lines_from([first, started("t1"), CONTEXT, again, empty]))
    told, meta = reducer.header, reducer.meta

    assert (meta.cwd, meta.model_provider) == ("/new", "p2")
    assert (meta.git_branch, meta.git_sha) == ("b2", "c1")
    assert (told.cli_version, told.source, told.thread_source) == ("0.146.0", "vscode", "s")
    assert (told.agent_nickname, told.agent_role) == ("n", "r")
    assert told.forked_from_id is None
    assert told.created_at_ms == 1772355600000


def test_the_metadata() -> None:
    """Preview, model, name, goal and the times of the last record and turn."""
    records: list[Record] = [
        header(),
        event("user_message", message="", images=["data:x"]),
        *said("context\n## My request for Codex:\n do it "),
        *said("later"),
        {"type": "turn_context", "payload": {"cwd": "/t", "model": "m1", "effort": "high"}},
        event("thread_name_updated", thread_name="named"),
        event("thread_goal_updated", goal={"objective": "g1"}),
        started("t1"),
        answer("a"),
    ]

    store, reducer = project(lines_from(records))

    meta = reducer.meta
    assert (meta.preview, meta.name, meta.goal) == ("do it", "named", "g1")
    assert (meta.model, meta.reasoning_effort, meta.cwd) == ("m1", "high", "/w")
    assert meta.updated_at_ms == 1_772_359_210_250
    assert meta.last_turn_at_ms == 1_772_359_209_250
    assert [turn.model for turn in store.living_turns()][-1] == "m1"


TIME = b'"timestamp":"2026-03-01T10:00:05.000Z"'
SAID = b'"type":"event_msg","payload":{"type":"user_message","message":"z"}'
LINES = [
    ("blank", b"   ", "", []),
    ("garbage", b"garbage", "", ["torn"]),
    ("no object", b"[]", "", ["malformed"]),
    ("no timestamp", b"{" + SAID + b"}", "", ["malformed"]),
    ("a number as type", b"{" + TIME + b',"type":5,"payload":{}}', "", ["malformed"]),
    (
        "a payload that is none",
        b"{" + TIME + b',"type":"event_msg","payload":"x"}',
        "",
        ["malformed"],
    ),
    (
        "a required field missing",
        b"{" + TIME + b',"type":"event_msg","payload":{"type":"user_message"}}',
        "",
        ["malformed"],
    ),
    (
        "keys in another order, more keys",
        b'{"ordinal":5,' + SAID + b"," + TIME + b',"x":1}',
        "A:z",
        [],
    ),
    ("a carriage return", b"{" + TIME + b"," + SAID + b"}\r", "A:z", []),
    ("a time that is none", b'{"timestamp":"x",' + SAID + b"}", "A:z", ["bad_timestamp"]),
    (
        "bytes that are not UTF-8",
        b"{" + TIME + b"," + SAID.replace(b"z", b"\xff") + b"}",
        "",
        ["not_utf8"],
    ),
    (
        "a lone surrogate",
        b"{" + TIME + b"," + SAID.replace(b"z", b"\\ud800") + b"}",
        "",
        ["lone_surrogate"],
    ),
    (
        "a record behind a torn one",
        b'{"timestamp":"2026{' + TIME + b"," + SAID + b"}",
        "A:z",
        ["torn"],
    ),
    (
        "an unknown record",
        b"{" + TIME + b',"type":"brand_new","payload":{}}',
        "",
        ["unknown_record"],
    ),
    (
        "an unknown event",
        b"{" + TIME + b',"type":"event_msg","payload":{"type":"new"}}',
        "",
        ["unknown_record"],
    ),
    ("a state line", b'{"record_type":"state","type":"x"}', "", []),
]


@pytest.mark.parametrize(
    ("line", "expected", "kinds"), [pytest.param(*case[1:], id=case[0]) for case in LINES]
)
def test_odd_lines(line: bytes, expected: str, kinds: list[str]) -> None:
    """What can be read is; the rest is noted, once each, and never quoted."""
    store, _ = project(lines_from([header()]) + line + b"\n")

    assert story(store) == expected
    assert [note.kind for note in store.noted()] == kinds


def test_unknown_kinds_are_noted_once_each() -> None:
    """A newer release does not fill the database with anomalies."""
    new: Record = {"type": "new", "payload": {}}

    store, _ = project(lines_from([header(), new, event("new"), new, event("new"), new]))

    assert [note.detail for note in store.noted()] == ["record new", "event new"]


def test_a_bad_time_leaves_the_last_good_one() -> None:
    """Rows have the time of the record before."""
    data = lines_from([header(), answer("a")]) + b'{"timestamp":"x",' + SAID + b"}\n"

    store, _ = project(data)

    first, second = store.living_items()
    assert first.created_at_ms == second.created_at_ms


@pytest.mark.parametrize("records", [[], [rolled_back(3)], [event("error", message="e")]])
def test_files_that_hold_nothing(records: list[Record]) -> None:
    """Empty files, and records without a header: no rows, no stop."""
    store, reducer = project(lines_from(records))

    assert store.living_items() == []
    assert reducer.next_ordinal == 0


def test_the_events_of_a_thread_without_a_header() -> None:
    """The file's name says which thread it is."""
    store, _ = project(lines_from([*said("u")]))

    told: list[Any] = [each.type for each in store.events.values()]
    assert told == ["thread.started", "turn.started", "turn.completed"]
