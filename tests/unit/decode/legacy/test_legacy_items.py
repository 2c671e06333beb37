"""Legacy events as the items that they make."""

from __future__ import annotations

from typing import Any

import pytest

from projector.decode.errors import DecodeError
from projector.decode.legacy import agents, messages, tools

SECOND = {"secs": 1, "nanos": 234_567_890}
EXEC: dict[str, Any] = {
    "call_id": "c",
    "turn_id": "t",
    "command": ["it's", "a b"],
    "cwd": "file:///w/a%20b",
    "parsed_cmd": [
        {"type": "read", "cmd": "cat x", "name": "x", "path": "../x"},
        {"type": "list_files", "cmd": "ls"},
        {"type": "search", "cmd": "rg", "query": "q"},
        {"type": "unknown", "cmd": "x"},
    ],
    "stdout": "o",
    "stderr": "",
    "aggregated_output": "",
    "exit_code": 2,
    "duration": SECOND,
    "status": "failed",
    "source": "unified_exec_startup",
}
PATCH: dict[str, Any] = {
    "call_id": "p",
    "stdout": "",
    "stderr": "",
    "success": False,
    "status": "declined",
    "changes": {
        "/w/b": {"type": "update", "unified_diff": "@@\n", "move_path": "/w/z"},
        "/w/a": {"type": "delete", "content": "gone\n"},
    },
}
MCP: dict[str, Any] = {
    "call_id": "m",
    "invocation": {"server": "s", "tool": "t"},
    "duration": SECOND,
    "result": {"Ok": {"content": [], "isError": True}},
    "connector_id": "con",
    "mcp_app_resource_uri": "ui://x",
    "read_only_hint": True,
}
SAID: dict[str, Any] = {
    "message": "m",
    "text_elements": [{"byte_range": {"start": 0, "end": 1}}],
    "images": ["i1", "i2"],
    "image_details": ["low"],
    "file_ids": ["f1"],
    "image_order": ["inline", "file", "inline"],
    "local_images": ["/p"],
    "audio": ["data:a"],
    "local_audio": ["/a.wav"],
    "client_id": "cid",
}


def test_a_command() -> None:
    """Its line is quoted, its folder a path, its output null when empty."""
    assert tools.command(EXEC) == {
        "type": "commandExecution",
        "id": "c",
        "pluginId": None,
        "scriptPath": None,
        "command": "\"it's\" 'a b'",
        "cwd": "/w/a b",
        "processId": None,
        "source": "unifiedExecStartup",
        "status": "failed",
        "commandActions": [
            {"type": "read", "command": "cat x", "name": "x", "path": "/w/x"},
            {"type": "listFiles", "command": "ls", "path": None},
            {"type": "search", "command": "rg", "query": "q", "path": None},
            {"type": "unknown", "command": "x"},
        ],
        "aggregatedOutput": None,
        "exitCode": 2,
        "durationMs": 1234,
    }


def test_a_patch() -> None:
    """Sorted by path; a move is told in the diff; `success` says nothing."""
    shown = tools.file_change(PATCH)

    assert shown["status"] == "declined"
    assert shown["changes"] == [
        {"path": "/w/a", "kind": {"type": "delete"}, "diff": "gone\n"},
        {
            "path": "/w/b",
            "kind": {"type": "update", "move_path": "/w/z"},
            "diff": "@@\n\n\nMoved to: /w/z",
        },
    ]


def test_an_mcp_call() -> None:
    """An error in the result makes it failed; arguments may be absent."""
    shown = tools.mcp_call(MCP)

    assert (shown["status"], shown["error"], shown["arguments"]) == ("failed", None, None)
    assert shown["result"] == {"content": [], "structuredContent": None, "_meta": None}
    assert shown["appContext"]["resourceUri"] == shown["mcpAppResourceUri"] == "ui://x"
    assert shown["environmentId"] is None
    placed = MCP | {"invocation": MCP["invocation"] | {"environment_id": "e"}}
    assert tools.mcp_call(placed)["environmentId"] == "e"
    assert tools.mcp_call(MCP | {"result": {"Err": "no"}})["error"] == {"message": "no"}


def test_a_user_message() -> None:
    """Text, then images in their order, then what lies on disk."""
    shown = messages.user_message(SAID, "u")

    assert shown["clientId"] == "cid"
    assert shown["content"] == [
        {
            "type": "text",
            "text": "m",
            "text_elements": [{"byteRange": {"start": 0, "end": 1}, "placeholder": None}],
        },
        {"type": "image", "url": "i1", "detail": "low"},
        {"type": "image", "fileId": "f1", "detail": None},
        {"type": "image", "url": "i2", "detail": None},
        {"type": "localImage", "detail": None, "path": "/p"},
        {"type": "audio", "url": "data:a"},
        {"type": "localAudio", "path": "/a.wav"},
    ]


def test_an_order_of_images_that_does_not_count_them_all() -> None:
    """Then inline images come before files."""
    shown = messages.user_message(SAID | {"image_order": ["file", "inline"]}, "u")

    kinds = ["url" if "url" in part else "fileId" for part in shown["content"][1:4]]
    assert kinds == ["url", "url", "fileId"]


def test_agent_messages() -> None:
    """Empty text is none, blank text is one; a citation's rollouts are threads."""
    citation = {"entries": [], "rolloutIds": ["r"]}
    shown = messages.agent_message({"message": " ", "memory_citation": citation}, "a")

    assert messages.agent_message({"message": ""}, "a") is None
    assert shown is not None
    assert shown["memoryCitation"] == {"entries": [], "threadIds": ["r"]}


def test_reviews() -> None:
    """The hint, "" too; without one a sentence of Codex."""
    target: dict[str, Any] = {"target": {"type": "custom"}}

    def review(**fields: Any) -> Any:
        return tools.entered_review(fields, "e")["review"]

    assert review(**target) == "Review requested."
    assert review(**target, user_facing_hint="") == ""
    assert review(prompt="p", user_facing_hint="h") == "h"


AGENTS = [
    ("spawned", "spawnAgent", {"new_thread_id": "n", "status": "pending_init"}, "completed"),
    ("not spawned", "spawnAgent", {"new_thread_id": None, "status": "not_found"}, "failed"),
    ("asked", "sendInput", {"receiver_thread_id": "n", "status": {"completed": "ok"}}, "completed"),
    ("waited for", "wait", {"statuses": {"b": "running", "a": {"errored": "x"}}}, "failed"),
    ("closed", "closeAgent", {"receiver_thread_id": "n", "status": "shutdown"}, "completed"),
]


@pytest.mark.parametrize(
    ("tool", "fields", "status"), [pytest.param(*case[1:], id=case[0]) for case in AGENTS]
)
def test_agents(tool: str, fields: dict[str, Any], status: str) -> None:
    """A bad state makes the call a failed one; receivers of a wait are sorted."""
    shown = agents.ended({"call_id": "k", "sender_thread_id": "s", **fields}, tool)

    assert shown["status"] == status
    assert list(shown["agentsStates"]) == shown["receiverThreadIds"]
    assert shown["receiverThreadIds"] == sorted(shown["receiverThreadIds"])


REFUSED = [
    ("a command without its turn's status", tools.command, EXEC | {"status": None}),
    ("a relative folder", tools.command, EXEC | {"cwd": "."}),
    ("an exit code beyond 32 bits", tools.command, EXEC | {"exit_code": 2**31}),
    ("a duration in words", tools.command, EXEC | {"duration": "1.5s"}),
    ("arguments that are no strings", tools.command, EXEC | {"command": [1]}),
    ("an unknown source", tools.command, EXEC | {"source": "x"}),
    ("a patch without success", tools.file_change, PATCH | {"success": None}),
    (
        "a change without content",
        tools.file_change,
        PATCH | {"changes": {"a": {"type": "add"}}},
    ),
    ("a result that is neither", tools.mcp_call, MCP | {"result": {}}),
    (
        "an image saved nowhere",
        tools.image,
        {"call_id": "i", "status": "s", "result": "", "saved_path": "x"},
    ),
    ("a search without action", tools.web_search, {"call_id": "w", "query": "q"}),
    (
        "an activity of an unknown kind",
        tools.activity,
        {"event_id": "e", "kind": "x", "agent_thread_id": "a", "agent_path": "/root"},
    ),
    ("an item of an unknown type", tools.completed, {"type": "New", "id": "n"}),
]


@pytest.mark.parametrize(
    ("decode", "payload"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED]
)
def test_what_is_refused(decode: Any, payload: dict[str, Any]) -> None:
    """A required field that is missing or of the wrong type: the event is skipped."""
    with pytest.raises(DecodeError):
        decode(payload)


QUERIES = [
    ({"type": "search", "query": "q", "queries": ["a"]}, "q"),
    ({"type": "search", "query": None, "queries": ["a"]}, "a"),
    ({"type": "search", "query": None, "queries": ["a", "b"]}, "a ..."),
    ({"type": "search", "query": None, "queries": None}, ""),
    ({"type": "openPage", "url": "https://x"}, "https://x"),
    ({"type": "findInPage", "url": "https://x", "pattern": "p"}, "'p' in https://x"),
    ({"type": "other"}, ""),
]


@pytest.mark.parametrize(("action", "expected"), QUERIES)
def test_the_query_of_a_search(action: dict[str, Any], expected: str) -> None:
    """What a search without an event was for."""
    assert tools.search_query(action) == expected
