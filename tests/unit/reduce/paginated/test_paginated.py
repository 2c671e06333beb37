"""Paginated rollouts as rows."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

from typing import Any

import orjson
import pytest

from projector.model.changes import ItemRow, SessionHeader, TurnRow
from projector.model.ids import RolloutId
from projector.reduce.detect import start
from tests.support.memory import Memory
from tests.support.paginated import (
    OTHER,
    ROLLOUT,
    THREAD,
    Json,
    aborted,
    agent,
    complete,
    context,
    event,
    item,
    meta,
    plan,
    realtime,
    rollout,
    said,
    started,
    tokens,
    tool,
    usage,
    user,
    written,
)


class Projected:
    """What a rollout comes to."""

    def __init__(self, *records: Json | bytes, rollout_id: RolloutId = ROLLOUT) -> None:
        self.lines = rollout(*records)
        self.reducer = start(rollout_id, THREAD)
        self.memory = Memory()
        self.changes = self.reducer.apply(self.lines)
        self.memory.apply(self.changes)

    @property
    def turns(self) -> dict[str, TurnRow]:
        return {row.turn_id: row for row in self.memory.turns.values()}

    @property
    def items(self) -> dict[str, Any]:
        return {row["item_id"]: row for row in self.memory.items.values()}

    @property
    def notes(self) -> list[tuple[str, int]]:
        """Kinds of anomalies, each with the number of its line."""
        offsets = [line.offset for line in self.lines]
        return [(note.kind, offsets.index(note.offset)) for note in self.memory.anomalies]

    @property
    def events(self) -> list[tuple[str, str | None]]:
        return [(told.type, told.turn_id) for told in self.memory.events.values()]


FAILED: Json = {"message": "busy", "codex_error_info": "server_overloaded"}

# fmt: off
LIVES: list[tuple[str, list[Json], str | None, list[str]]] = [
    ("a start alone is a turn in progress",       [started("A")],                              "inProgress",  ["started"]),
    ("it completes",                              [started("A"), complete("A")],               "completed",   ["started", "completed"]),
    ("it completes with an error",                [started("A"), complete("A", error=FAILED)], "failed",      ["started", "failed"]),
    ("it is aborted, whatever the reason",        [started("A"), aborted("A", reason="replaced")], "interrupted", ["started", "cancelled"]),
    ("an end alone is a turn",                    [complete("A")],                             "completed",   ["completed"]),
    ("the first end wins",                        [started("A"), complete("A"), aborted("A")], "completed",   ["started", "completed"]),
    ("an ended turn does not start again",        [aborted("A"), started("A")],                "interrupted", ["cancelled"]),
    ("an abort that names no turn ends none",     [started("A"), aborted(None)],               "inProgress",  ["started"]),
    ("items make no turn",                        [item("A", user("u"))],                      None,          []),
    ("the older names of records",                [event("turn_started", turn_id="A"), event("turn_complete", turn_id="A")], "completed", ["started", "completed"]),
    ("an end that Codex refuses ends it",         [started("A"), complete("A", duration_ms=1.5)], "completed", ["started", "completed"]),
    ("an error that no form fits fails it",       [started("A"), complete("A", error={})],     "failed",      ["started", "failed"]),
    ("an end of no turn that can be told",        [started("A"), event("task_complete", turn_id=["A"])],             "inProgress",  ["started"]),
    ("an abort of no turn that can be told",      [started("A"), event("turn_aborted", turn_id=5, reason="replaced")], "inProgress", ["started"]),
    ("an error event that Codex refuses",         [started("A"), event("error", message=5)],   "inProgress",  ["started"]),
    ("an error event without a time",             [started("A"), event("error", **FAILED) | {"timestamp": 5}], "inProgress", ["started"]),
    ("an error event fails the turn that runs",   [started("A"), event("error", **FAILED)],    "failed",      ["started", "failed"]),
    ("and completion leaves it failed",           [started("A"), event("error", **FAILED), complete("A")], "failed", ["started", "failed"]),
    ("an abort after it interrupts",              [started("A"), event("error", **FAILED), aborted("A")], "interrupted", ["started", "failed", "cancelled"]),
    ("a harmless error event changes nothing",    [started("A"), event("error", message="m", codex_error_info="thread_rollback_failed")], "inProgress", ["started"]),
    ("an error event after the end, too",         [started("A"), complete("A"), event("error", **FAILED)], "completed", ["started", "completed"]),
]
# fmt: on


@pytest.mark.parametrize(
    ("records", "status", "events"), [pytest.param(*life[1:], id=life[0]) for life in LIVES]
)
def test_lives_of_a_turn(records: list[Json], status: str | None, events: list[str]) -> None:
    projected = Projected(meta(), *records)
    turn = projected.turns.get("A")

    assert status == (None if turn is None else turn.status)
    assert [f"turn.{name}" for name in events] == [
        kind for kind, named in projected.events if named == "A"
    ]


ERROR = {"additionalDetails": None, "misalignment": None, "codexErrorInfo": None}

# fmt: off
REFUSED: list[tuple[str, Json, str, Json]] = [
    ("a start at no whole second",      started("A", started_at=5.5, root_turn_id="R"), "task_started of turn A: started_at",  {"status": "inProgress", "started_at": None, "root_turn_id": "R"}),
    ("a start under a root of no name", started("A", started_at=5, root_turn_id=7), "task_started of turn A: root_turn_id",    {"started_at": 5, "root_turn_id": None}),
    ("a start in a mode not known",     started("A", started_at=5, collaboration_mode_kind="later"), "task_started of turn A: collaboration_mode_kind", {"started_at": 5}),
    ("a start by nobody",               started("A", started_at=5, turn_attribution={}), "task_started of turn A: turn_attribution.turn_id",    {"started_at": 5}),
    ("a start without a time",          started("A", started_at=5) | {"timestamp": 7}, "task_started of turn A: timestamp",    {"started_at": 5, "ordinal": 1}),
    ("a start with half an ordinal",    started("A", started_at=5) | {"ordinal": 1.5}, "task_started of turn A: ordinal",      {"started_at": 5, "ordinal": 1}),
    ("an integer beyond 64 bits",       started("A", started_at=5, more=1 << 64), "task_started of turn A: an integer too large, or nested too deeply", {"started_at": 5}),
    ("nested beyond 127 levels",        started("A", started_at=5, more=orjson.Fragment("[" * 126 + "]" * 126)), "task_started of turn A: an integer too large, or nested too deeply", {"started_at": 5}),
    ("a duration that is a text",       complete("A", completed_at=9, duration_ms="4"), "task_complete of turn A: duration_ms", {"status": "completed", "completed_at": 9, "duration_ms": None}),
    ("only what is odd is unknown",     complete("A", started_at=[], completed_at=9, duration_ms=4), "task_complete of turn A: started_at", {"started_at": None, "completed_at": 9, "duration_ms": 4}),
    ("a last message that is none",     complete("A", completed_at=9, last_agent_message=5), "task_complete of turn A: last_agent_message", {"status": "completed", "completed_at": 9}),
    ("an error of a kind of no form",   complete("A", error={"message": "m", "codex_error_info": 5}), "task_complete of turn A: codex_error_info", {"status": "failed", "error_json": ERROR | {"message": "m", "codex_error_info": 5}}),
    ("an error that says nothing",      complete("A", error={"codex_error_info": "other"}), "task_complete of turn A: error.message", {"status": "failed", "error_json": ERROR | {"message": "", "codexErrorInfo": "other"}}),
    ("an error whose message is none",  complete("A", error={"message": orjson.Fragment("[" * 300 + "]" * 300)}), "task_complete of turn A: error.message", {"status": "failed"}),
    ("an error that is a text",         complete("A", error="m"), "task_complete of turn A: error",                           {"status": "failed", "error_json": ERROR | {"message": "m", "error": "m"}}),
    ("an abort for a reason not known", aborted("A", reason="later", completed_at=9), "turn_aborted of turn A: reason",        {"status": "interrupted", "completed_at": 9}),
    ("an abort with an odd error",      aborted("A", error=[]), "turn_aborted of turn A: error",                              {"status": "interrupted", "error_json": ERROR | {"message": "", "error": []}}),
    ("a turn of no plain name",         complete("A B", duration_ms="4"), "task_complete of turn a name of 3 characters: duration_ms", {"status": "completed"}),
]
# fmt: on


@pytest.mark.parametrize(
    ("record", "noted", "told"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED]
)
def test_a_refused_record_of_a_turn_tells_what_it_can(record: Json, noted: str, told: Json) -> None:
    """Codex passes over such records; none of what they tell is lost, and each is noted."""
    turn = record["payload"]["turn_id"]
    projected = Projected(
        meta(), started(turn), record | {"ordinal": record.get("ordinal", 2)}, said("x")
    )
    (row,) = projected.turns.values()
    found = row._asdict()
    if row.error_json is not None:
        found["error_json"] = orjson.loads(row.error_json)

    assert told == {name: found[name] for name in told}
    assert [
        note.detail for note in projected.memory.anomalies if note.kind == "refused_record"
    ] == [noted]
    assert ("refused_record", 2) in projected.notes


def test_a_turn_stays_open_after_an_end_that_codex_refuses() -> None:
    """Items count for it still, and an end that Codex takes says what holds."""
    life = (started("A", started_at=3), aborted("A", reason="later", completed_at=5))
    items = (item("A", user("u")), item("A", agent("a", "final_answer")))
    open_ = Projected(meta(), *life, *items)
    turn = open_.turns["A"]

    assert (turn.status, turn.completed_at, turn.end_offset) == ("interrupted", 5, None)
    assert (turn.first_user_item_id, turn.final_agent_item_id) == ("u", "a")
    assert open_.events[1:] == [("turn.started", "A"), ("turn.cancelled", "A")]
    again = Projected(meta(), *life, complete("A", duration_ms="4")).turns["A"]
    assert (again.status, again.completed_at) == ("interrupted", 5)
    ended = Projected(meta(), *life, *items, complete("A", completed_at=9))
    turn = ended.turns["A"]
    assert (turn.status, turn.completed_at, turn.end_offset) == (
        "completed", 9, ended.lines[-1].end,
    )  # fmt: skip


def test_a_start_whose_payload_is_refused_begins_a_turn() -> None:
    projected = Projected(meta(), started("A", started_at="soon"), item("A", user("u")))
    turn = projected.turns["A"]

    assert (turn.status, turn.started_at, turn.ordinal) == ("inProgress", None, 1)
    assert turn.first_user_item_id == "u"
    assert projected.notes == [("refused_record", 1)]


@pytest.mark.parametrize(
    "record",
    [complete("A", duration_ms="4"), complete("A") | {"timestamp": 5}, aborted("A", reason="later"),
     started("A") | {"timestamp": 5}, started("A") | {"timestamp": ...}],
)  # fmt: skip
def test_no_other_refused_record_begins_one(record: Json) -> None:
    projected = Projected(meta(), record, said("x"))

    assert projected.turns == {}
    assert ("refused_record", 1) in projected.notes


@pytest.mark.parametrize(
    "record",
    [event("task_started", turn_id=5), event("task_complete"), aborted(None, reason="later"),
     event("turn_aborted", turn_id={}, reason="replaced")],
)  # fmt: skip
def test_a_refused_record_that_names_no_turn_changes_none(record: Json) -> None:
    projected = Projected(meta(), started("A"), record, said("x"))

    assert projected.turns["A"].status == "inProgress"
    assert projected.notes == [("refused_record", 2)]


def test_an_end_replaces_times_but_keeps_a_start_that_it_lacks() -> None:
    life = (started("A", started_at=5), complete("A", completed_at=9, duration_ms=4000))
    turn = Projected(meta(), *life).turns["A"]

    assert (turn.started_at, turn.completed_at, turn.duration_ms) == (5, 9, 4000)


def test_places_of_a_turn_are_its_first_record_and_the_end_of_its_last() -> None:
    projected = Projected(meta(), started("A"), said("x"), complete("A"))
    turn = projected.turns["A"]
    lines = projected.lines

    assert (turn.offset, turn.ordinal) == (lines[1].offset, 1)
    assert (turn.end_offset, turn.end_ordinal) == (lines[3].end, 3)


# fmt: off
MESSAGES: list[tuple[str, list[Json], str | None, str | None]] = [
    ("the first user message, the final agent message", [started("A"), item("A", user("u")), item("A", user("v")), item("A", agent("a", "final_answer"))], "u", "a"),
    ("while it runs, no other agent message counts",    [started("A"), item("A", agent("a")), item("A", agent("b", "commentary"))], None, None),
    ("at its end one without a phase does",             [started("A"), item("A", agent("a")), item("A", agent("b", "commentary")), complete("A")], None, "a"),
    ("a final one wins over a later one without",       [started("A"), item("A", agent("a", "final_answer")), item("A", agent("b")), complete("A")], None, "a"),
    ("items before the start count at the start",       [item("A", user("u")), item("A", agent("a", "final_answer")), started("A")], "u", "a"),
    ("items after the end do not",                      [started("A"), complete("A"), item("A", user("u")), item("A", agent("a"))], None, None),
    ("a repeated one counts at once",                   [started("A"), item("A", agent("a", "final_answer")), item("A", agent("b", "final_answer")), item("A", agent("a", "final_answer"))], None, "a"),
    ("and by its place at the next record of the turn", [started("A"), item("A", agent("a", "final_answer")), item("A", agent("b", "final_answer")), item("A", agent("a", "final_answer")), complete("A")], None, "b"),
    ("an item that turns into another type counts no more", [item("A", user("u")), item("A", plan("u")), item("A", user("v")), started("A")], "v", None),
]
# fmt: on


@pytest.mark.parametrize(
    ("records", "first", "final"), [pytest.param(*case[1:], id=case[0]) for case in MESSAGES]
)
def test_first_and_final_message(records: list[Json], first: str, final: str) -> None:
    turn = Projected(meta(), *records).turns["A"]

    assert (first, final) == (turn.first_user_item_id, turn.final_agent_item_id)


def test_a_repeated_item_keeps_its_place_and_gets_new_content() -> None:
    row = Projected(
        meta(),
        item("A", agent("a", text="one"), started_at_ms=5, completed_at_ms=0),
        item("A", agent("a", text="two"), started_at_ms=6, completed_at_ms=8),
    ).items["a"]

    assert (row["ordinal"], row["updated_ordinal"], row["created_at_ms"]) == (1, 2, 5)
    assert (row["started_at_ms"], row["completed_at_ms"]) == (5, 8)
    assert orjson.loads(row["json"])["text"] == "two"


def test_an_item_without_a_start_is_created_at_the_time_of_its_record() -> None:
    record = item("A", plan("p")) | {"timestamp": "1970-01-01T00:00:01.5Z"}

    assert Projected(meta(), record).items["p"]["created_at_ms"] == 1500


def test_an_item_without_any_time_takes_that_of_the_record_before() -> None:
    before = said("x") | {"timestamp": "1970-01-01T00:00:02.000Z"}
    projected = Projected(meta(), before, item("A", plan("p")) | {"timestamp": "soon"})

    assert projected.items["p"]["created_at_ms"] == 2000
    assert projected.notes == [("bad_time", 2)]
    assert projected.reducer.next_ordinal == 3


# fmt: off
ORDINALS: list[tuple[str, list[Any], list[tuple[str, int]], int]] = [
    ("growing by one",                     [1, 2, 3],                 [],                         4),
    ("repeated",                           [1, 1, 2],                 [("ordinal_repeated", 2)],  3),
    ("fallen back, once for the stretch",  [1, 2, 3, 1, 2, 3, 4],     [("ordinal_fell", 4)],      5),
    ("a gap",                              [1, 5],                    [("ordinal_gap", 2)],       6),
    ("missing, once for the stretch",      [1, ..., ..., 2],          [("no_ordinal", 2)],        3),
    ("no number",                          [1, "2", 2],               [("no_ordinal", 2)],        3),
    ("a float",                            [1, 2.0, 2],               [("no_ordinal", 2)],        3),
    ("true is no number",                  [True],                    [("no_ordinal", 1)],        1),
    ("more than a database holds",         [1, (1 << 63) - 1, 2],     [("no_ordinal", 2)],        3),
]
# fmt: on


@pytest.mark.parametrize(
    ("ordinals", "notes", "due"), [pytest.param(*case[1:], id=case[0]) for case in ORDINALS]
)
def test_every_record_is_projected_whatever_its_ordinal(
    ordinals: list[Any], notes: list[tuple[str, int]], due: int
) -> None:
    records = [item("A", plan(f"p{at}")) | {"ordinal": n} for at, n in enumerate(ordinals)]
    projected = Projected(meta(), *records)

    assert [f"p{at}" for at in range(len(ordinals))] == list(projected.items)
    assert notes == projected.notes
    assert due == projected.reducer.next_ordinal


UNKNOWN = {"type": "later", "payload": {}}


@pytest.mark.parametrize(
    "stranger",
    [UNKNOWN, event("later"), event("task_started"), complete("A", duration_ms="4"),
     item("A", {"type": "Later", "id": "x"}), item("A", {"type": "Plan", "id": "x"}), {"type": 5}],
)  # fmt: skip
def test_codex_uses_the_ordinal_of_a_record_that_it_refuses_again(stranger: Json) -> None:
    """That is its habit and no fault of the file."""
    again = item("A", plan("p")) | {"ordinal": 1}
    projected = Projected(meta(), stranger, again, said("x"))

    assert projected.reducer.next_ordinal == 3
    assert [line for _, line in projected.notes] == [1]


def test_a_stretch_of_ordinals_that_codex_gives_again_is_no_repetition() -> None:
    strangers = [UNKNOWN | {"payload": {"at": at}} for at in range(3)]
    again = [said("x") | {"ordinal": at} for at in (1, 2, 3, 4)]

    assert Projected(meta(), *strangers, *again).notes == [("unknown_record", 1)]
    assert Projected(meta(), *strangers, *again[:2], again[1]).notes == [
        ("unknown_record", 1), ("ordinal_repeated", 6),
    ]  # fmt: skip
    # What Codex took after them has used the ordinals up.
    assert Projected(meta(), *strangers, said("y"), *again[:2]).notes == [
        ("unknown_record", 1), ("ordinal_fell", 5),
    ]  # fmt: skip


@pytest.mark.parametrize("last", [said("x"), UNKNOWN, event("task_started"), event("user_message")])
def test_the_next_ordinal_is_one_more_than_the_greatest_whatever_codex_takes(last: Json) -> None:
    assert Projected(meta(), said("x"), last).reducer.next_ordinal == 3
    fell = last | {"ordinal": 0}
    assert Projected(meta(), said("x"), fell).reducer.next_ordinal == 2


def test_kinds_that_are_not_known_are_noted_once() -> None:
    projected = Projected(meta(), UNKNOWN, UNKNOWN, event("later"), event("later"))

    assert projected.notes == [("unknown_record", 1), ("unknown_event", 3)]


def test_an_unknown_record_is_noted_with_the_rollouts_that_it_names() -> None:
    """As a segment of a long rollout may: a record that refers to another file."""
    one, other = (f"rollout-2026-11-01T10-00-00-{THREAD[:-1]}{at}.jsonl" for at in (1, 2))
    points = [{"type": "segment", "payload": {"at": [{"path": f"/h/{name}"}]}} for name in
              (one, one, other)]  # fmt: skip
    projected = Projected(meta(), *points, UNKNOWN, UNKNOWN, started("A"))

    assert [note.detail for note in projected.memory.anomalies] == [
        f"segment, {one}", f"segment, {other}", UNKNOWN["type"],
    ]  # fmt: skip
    assert projected.turns.keys() == {"A"}


def test_unknown_members_are_kept_and_noted_once_each() -> None:
    odd = item("A", agent("a") | {"new_one": 1.10}) | {"host": "h"}
    end = complete("A", later=[1], error={"message": "m", "retry_at": 5})
    voiced = realtime("r", tone_of_voice="low")
    projected = Projected(meta(), started("A", by_whom="x"), odd, odd, voiced, end)
    (row,), (voice,) = projected.memory.items.values(), projected.memory.realtime.values()
    told = [orjson.loads(each.payload) for each in projected.memory.events.values()]

    shown = orjson.loads(row["json"])
    assert (shown["newOne"], shown["host"], shown["text"]) == (1.1, "h", "Hello.")
    assert orjson.loads(voice.json)["tone_of_voice"] == "low"
    assert [each.get("by_whom") for each in told if "by_whom" in each] == ["x"]
    assert [each.get("later") for each in told if "later" in each] == [[1]]
    assert orjson.loads(projected.turns["A"].error_json or "{}")["retryAt"] == 5
    assert [note.detail for note in projected.memory.anomalies] == [
        "task_started.by_whom",
        "AgentMessage.new_one (newOne)",
        "record.host",
        "realtime_session_started.tone_of_voice",
        "task_complete.later",
        "error.retry_at (retryAt)",
    ]


def test_a_hundred_unknown_members_are_noted_of_a_rollout() -> None:
    bodies = [agent("a") | {f"new{at}": at for at in range(half, half + 70)} for half in (0, 70)]
    projected = Projected(meta(), *(item("A", body) for body in bodies))
    (row,) = projected.memory.items.values()

    assert len(projected.notes) == 100
    assert orjson.loads(row["json"])["new139"] == 139


def test_an_item_of_unknown_type_is_kept_in_camel_case() -> None:
    row = Projected(
        meta(), item("A", {"type": "LaterItem", "id": "x", "some_field": {"a_b": 1.50}})
    ).items["x"]

    assert row["type"] == "LaterItem"
    assert orjson.loads(row["json"]) == {"type": "LaterItem", "id": "x", "someField": {"a_b": 1.5}}


def test_an_item_that_codex_refuses_is_kept() -> None:
    projected = Projected(meta(), item("A", agent("a", "last_words", text="Bye.")))
    row = projected.items["a"]

    assert (row["type"], orjson.loads(row["json"])["text"]) == ("agentMessage", "Bye.")
    assert projected.notes == [("refused_item", 1)]
    assert projected.reducer.next_ordinal == 2


def test_numbers_keep_their_spelling_where_any_value_may_stand() -> None:
    spelled = b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":1,"type":"event_msg","payload":'
    body = orjson.dumps(item("A", tool("t", "HERE"))["payload"])
    line = spelled + body.replace(b'"HERE"', b'[1.10,1e3,-0,1e400,{"b":1,"a":2,"b":3}]') + b"}"
    text = Projected(meta(), line).items["t"]["json"]

    assert b'"arguments":[1.10,1e+3,0,1e+400,{"b":3,"a":2}]' in text


def test_nesting_beyond_what_the_fast_writer_takes_is_written_all_the_same() -> None:
    deep = b"[" * 300 + b"]" * 300
    body = orjson.dumps(item("A", tool("t", "HERE"))["payload"]).replace(b'"HERE"', deep)
    line = b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":1,"type":"event_msg","payload":'
    projected = Projected(meta(), line + body + b"}")

    assert deep.decode() in projected.items["t"]["json"]
    assert projected.reducer.next_ordinal == 2


def test_the_first_record_of_a_realtime_item_makes_its_row() -> None:
    projected = Projected(meta(), realtime("r"), realtime("r", type="realtime_session_closed"))
    (row,) = projected.memory.realtime.values()

    assert (row.item_id, row.type, row.ordinal) == ("r", "realtime_session_started", 1)


def test_the_header_says_where_the_rollout_comes_from() -> None:
    base = {"thread_id": OTHER, "end_ordinal_exclusive": 40, "end_byte_offset": 9000}
    fork = meta(history_base=base, forked_from_id=OTHER, source={"subagent": "review"})
    projected = Projected(fork | {"ordinal": 40}, started("A"))
    header = projected.reducer.header

    assert header.base is not None
    assert (str(header.base.rollout_id), int(header.base.end_ordinal)) == (OTHER, 40)
    assert (header.forked_from_id, header.source) == (OTHER, "subagent")
    assert projected.notes == []
    assert projected.reducer.next_ordinal == 42
    assert [kind for kind, turn in projected.events if turn is None] == [
        "thread.started",
        "thread.forked",
    ]


def test_a_later_file_of_a_thread_is_a_revert() -> None:
    projected = Projected(meta(), rollout_id=RolloutId(str(OTHER)))

    assert projected.events == [("thread.reverted", None)]


def test_a_rollout_without_a_header_is_projected_with_what_is_known() -> None:
    projected = Projected(started("A") | {"ordinal": 1}, complete("A"))

    assert projected.reducer.header == SessionHeader(mode="paginated")
    assert projected.turns["A"].status == "completed"
    assert projected.notes == [("no_header", 0)]


def test_session_metas_of_other_threads_came_with_copied_history() -> None:
    projected = Projected(meta(), meta(id=OTHER, cwd="/other"), meta(cwd="/moved", git={}))

    assert projected.reducer.meta.cwd == "/moved"


def test_the_copy_with_which_an_agent_begins_makes_no_rows() -> None:
    projected = Projected(
        meta(subagent_history_start_ordinal=5),
        started("A"),
        item("A", user("u")),
        usage("r"),
        tokens(9),
        complete("A"),
        item("A", plan("p")),
    )

    assert list(projected.items) == ["p"]
    assert projected.turns["A"].status == "completed"
    assert not projected.memory.usage
    assert projected.reducer.meta.reported_total_tokens is None


def test_what_a_response_cost_is_counted_with_the_model_in_force() -> None:
    (row,) = Projected(meta(), context("m-1"), usage("r", total=8)).memory.usage.values()

    assert (row.response_id, row.model, row.total_tokens) == ("r", "m-1", 8)


def test_a_turn_has_the_model_of_its_context() -> None:
    records = (context("old"), started("A"), context("new", turn_id="A"), complete("A"))

    assert Projected(meta(), *records).turns["A"].model == "new"


def test_what_the_records_say_of_the_thread() -> None:
    settings = {"model": "m", "model_provider_id": "p", "cwd": "/s", "reasoning_effort": "high"}
    meta_of = Projected(
        meta(git={"commit_hash": "c", "branch": "b", "repository_url": "u"}),
        event("thread_settings_applied", thread_settings=settings),
        item("A", user("blank", "  ")),
        item("A", user("u", "IDE says so\n## My request for Codex:\n Do it. ")),
        item("A", user("v", "More.")),
        event("thread_goal_updated", threadId=THREAD, goal={"objective": "Aim"}),
        tokens(12),
        event("token_count", info=None),
    ).reducer.meta

    assert (meta_of.cwd, meta_of.model, meta_of.model_provider) == ("/s", "m", "p")
    assert (meta_of.reasoning_effort, meta_of.preview, meta_of.goal) == ("high", "Do it.", "Aim")
    assert (meta_of.git_sha, meta_of.git_branch, meta_of.git_origin_url) == ("c", "b", "u")
    assert (meta_of.reported_total_tokens, meta_of.updated_at_ms) == (12, 1793527207000)


def test_a_turn_is_put_once_a_call_however_often_it_changes() -> None:
    changes = Projected(meta(), started("A"), item("A", user("u")), complete("A")).changes

    assert [type(change) for change in changes].count(TurnRow) == 1
    assert [type(change) for change in changes].count(ItemRow) == 1


def test_a_token_count_that_codex_refuses_is_noted_and_the_rest_goes_on() -> None:
    odd = written([meta(), event("token_count", rate_limits={"primary": {"used_percent": 7}})])[1]
    after = (said("x") | {"ordinal": 2}, said("y"))
    projected = Projected(meta(), odd.replace(b":7}", b":1e-07}"), *after)

    assert projected.notes == [("refused_record", 1)]
    assert projected.reducer.next_ordinal == 4
    assert Projected(meta(), odd.replace(b":7}", b":1e-7}"), *after).notes == []


def test_a_time_that_cannot_be_read_is_noted_where_it_is_not_needed_either() -> None:
    projected = Projected(meta(), said("x") | {"timestamp": "soon"}, said("y"))

    assert projected.notes == [("bad_time", 1)]
    assert projected.reducer.meta.updated_at_ms == 1793527202000


def test_what_a_torn_header_leaves_is_projected_without_a_word_on_its_gap() -> None:
    projected = Projected(
        b'{"timestamp":"t","ordinal":0,"type":"session_', started("A") | {"ordinal": 1}
    )

    assert projected.notes == [("torn", 0), ("no_header", 1)]
    assert projected.turns["A"].status == "inProgress"


def test_changes_of_status_tell_what_is_known() -> None:
    ended = complete("A", error=FAILED, duration_ms=5)
    told = Projected(meta(), started("A", started_at=3), ended).memory.events.values()

    assert [orjson.loads(each.payload) for each in told if each.turn_id] == [
        {"status": "inProgress", "started_at": 3},
        {
            "status": "failed",
            "started_at": 3,
            "duration_ms": 5,
            "error": {"message": "busy", "kind": "server_overloaded"},
        },
    ]
