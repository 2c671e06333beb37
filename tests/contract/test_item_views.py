"""What was said, run and changed, as rows: views over the visible history."""

from __future__ import annotations

from typing import Any

import orjson

from projector.model.changes import ItemRow
from tests.contract.backends import Queried, Run
from tests.support.makers import batch, continuing, file_of, item, rollout_id, thread_id


def snapshot(name: str, offset: int, kind: str, **fields: Any) -> ItemRow:
    json = orjson.dumps({"type": kind, "id": name, **fields}).decode()
    return item(1, name, offset, kind=kind, json=json, created=offset)


def rows(store: Queried, run: Run, view: str, columns: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = run(
        store.query(f"SELECT {columns} FROM {view} ORDER BY position")
    )
    return found


def test_messages(store: Queried, run: Run) -> None:
    content = [
        {"type": "text", "text": "hel"},
        {"type": "image", "url": "x"},
        {"type": "text", "text": "lo"},
    ]
    said = [
        snapshot("u", 1, "userMessage", content=content),
        snapshot("v", 2, "userMessage", content=[{"type": "image", "url": "x"}]),
        snapshot("a", 3, "agentMessage", text="hi", phase="final_answer"),
        snapshot("p", 4, "plan", text="no message"),
    ]
    run(store.commit([batch(file_of(1), said)]))

    assert rows(store, run, "messages", "item_id, role, text, phase, created_at_ms") == [
        ("u", "user", "hello", None, 1),
        ("v", "user", "", None, 2),
        ("a", "assistant", "hi", "final_answer", 3),
    ]


def test_commands(store: Queried, run: Run) -> None:
    ran = {
        "command": "ls", "cwd": "/w", "source": "agent", "status": "failed", "exitCode": 2,
        "durationMs": 30, "aggregatedOutput": None,
    }  # fmt: skip
    run(store.commit([batch(file_of(1), [snapshot("c", 1, "commandExecution", **ran)])]))

    columns = "command, cwd, source, status, exit_code, duration_ms, output"
    assert rows(store, run, "commands", columns) == [("ls", "/w", "agent", "failed", 2, 30, None)]


def test_file_changes_are_a_row_each(store: Queried, run: Run) -> None:
    changes = [
        {"path": "/a", "kind": {"type": "add"}, "diff": "x"},
        {"path": "/b", "kind": {"type": "update", "move_path": "/c"}, "diff": "y"},
    ]
    told = [
        snapshot("f", 1, "fileChange", changes=changes, status="completed"),
        snapshot("g", 2, "fileChange", changes=[], status="declined"),
    ]
    run(store.commit([batch(file_of(1), told)]))

    assert rows(store, run, "file_changes", "path, kind, move_path, diff, status") == [
        ("/a", "add", None, "x", "completed"),
        ("/b", "update", "/c", "y", "completed"),
    ]


def test_tool_calls(store: Queried, run: Run) -> None:
    called = [
        snapshot("m", 1, "mcpToolCall", server="s", tool="t", arguments={"a": [1]}, status="failed",
                 result=None, error={"message": "no"}, durationMs=5),
        snapshot("d", 2, "dynamicToolCall", namespace="n", tool="u", arguments="text",
                 status="completed", contentItems=[{"type": "inputText", "text": "x"}]),
        snapshot("c", 3, "collabAgentToolCall", tool="wait", prompt=None, status="completed",
                 agentsStates={}),
    ]  # fmt: skip
    run(store.commit([batch(file_of(1), called)]))

    columns = "item_id, server, tool, arguments, result, error, status, duration_ms"
    assert rows(store, run, "tool_calls", columns) == [
        ("m", "s", "t", '{"a":[1]}', None, "no", "failed", 5),
        ("d", "n", "u", '"text"', '[{"type":"inputText","text":"x"}]', None, "completed", None),
        ("c", None, "wait", None, "{}", None, "completed", None),
    ]


def test_a_fork_shows_what_it_inherits(store: Queried, run: Run) -> None:
    """The same uid in both threads, so that it can be counted once."""
    said = [snapshot("a", 1, "agentMessage", text="hi", phase=None)]
    run(store.commit([batch(file_of(1), said), batch(file_of(2), header=continuing(1, 500))]))

    found = run(store.query("SELECT thread_id, rollout_id, text FROM messages ORDER BY 1"))
    assert found == [(thread_id(n), rollout_id(1), "hi") for n in (1, 2)]
    assert run(store.query("SELECT count(DISTINCT uid) FROM messages")) == [(1,)]
