"""Items of a rollout as `ThreadItem`s."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode import lossless_json as exact
from projector.decode.errors import DecodeError
from projector.decode.thread_item import to_partial_item, to_thread_item

Json = dict[str, Any]

THREAD = "01A40000-0000-7000-8000-00000000000F"
SHOWN = THREAD.lower()


def it(kind: str, /, **fields: Any) -> Json:
    return {"type": kind, "id": "x"} | fields


def command(**fields: Any) -> Json:
    usual = {"command": ["ls", "a b"], "cwd": "file:///w", "parsed_cmd": []}
    usual |= {"source": "user_shell", "status": "in_progress"}
    return it("CommandExecution", **(usual | fields))


REVIEW: Json = {
    "findings": [
        {
            "title": "T", "body": "one\r\n\ntwo\n", "confidence_score": 0.5, "priority": 1,
            "code_location": {"absolute_file_path": "/w/a.py", "line_range": {"start": 3, "end": 4}},
        }
    ],
    "overall_correctness": "c",
    "overall_explanation": " E\u0085",
    "overall_confidence_score": 1,
}  # fmt: skip

# fmt: off
ITEMS: list[tuple[str, Json, Json]] = [
    ("UserMessage with each kind of content",
     it("UserMessage", content=[
         {"type": "text", "text": "t", "text_elements": [{"byte_range": {"start": 0, "end": 1}}]},
         {"type": "image", "image_url": "u", "file_id": "f", "detail": "low"},
         {"type": "image", "file_id": "f"}, {"type": "local_image", "path": "p"},
         {"type": "audio", "audio_url": "u"}, {"type": "local_audio", "path": "p"},
         {"type": "mention", "name": "n", "path": "p"}]),
     {"type": "userMessage", "id": "x", "clientId": None, "content": [
         {"type": "text", "text": "t", "text_elements": [{"byteRange": {"start": 0, "end": 1}, "placeholder": None}]},
         {"type": "image", "url": "u", "detail": "low"},
         {"type": "image", "fileId": "f", "detail": None}, {"type": "localImage", "detail": None, "path": "p"},
         {"type": "audio", "url": "u"}, {"type": "localAudio", "path": "p"},
         {"type": "mention", "name": "n", "path": "p"}]}),
    ("AgentMessage joins its parts",
     it("AgentMessage", content=[{"type": "Text", "text": "a"}, {"type": "Text", "text": "b"}], phase="final_answer",
        memory_citation={"entries": [], "rolloutIds": ["r"]}, questions=[{"title": "q"}]),
     {"type": "agentMessage", "moderation": None, "id": "x", "text": "ab", "phase": "final_answer",
      "memoryCitation": {"entries": [], "threadIds": ["r"]}, "delivery": None,
      "questions": [{"title": "q", "options": None}]}),
    ("Reasoning", it("Reasoning", summary_text=["s"]), {"type": "reasoning", "id": "x", "summary": ["s"], "content": []}),
    ("CommandExecution", command(aggregated_output="", exit_code=3, duration={"secs": 1, "nanos": 1_999_999},
                                 parsed_cmd=[{"type": "read", "cmd": "cat a", "name": "a", "path": "../a"}, {"type": "read", "cmd": "c", "name": "n", "path": "\0"}]),
     {"type": "commandExecution", "id": "x", "pluginId": None, "scriptPath": None, "command": "ls 'a b'", "cwd": "/w",
      "processId": None, "source": "userShell", "status": "inProgress",
      "commandActions": [{"type": "read", "command": "cat a", "name": "a", "path": "/a"}],
      "aggregatedOutput": None, "exitCode": 3, "durationMs": 1001}),
    ("McpToolCall with an app", it("McpToolCall", server="s", tool="t", status="inProgress", arguments=None, connectorId="c",
                                   mcpAppResourceUri="u", result={"content": [1], "isError": True}),
     {"type": "mcpToolCall", "id": "x", "server": "s", "environmentId": None, "tool": "t", "status": "inProgress", "arguments": None,
      "appContext": {"connectorId": "c", "linkId": None, "resourceUri": "u", "appName": None, "actionName": None},
      "mcpAppResourceUri": "u", "mcpAppUi": None, "pluginId": None, "readOnlyHint": None,
      "result": {"content": [1], "structuredContent": None, "_meta": None}, "error": None, "durationMs": None}),
    ("McpToolCall in an environment", it("McpToolCall", server="s", environmentId="e", tool="t", status="failed", arguments=1, error={"message": "m"}),
     {"type": "mcpToolCall", "id": "x", "server": "s", "environmentId": "e", "tool": "t", "status": "failed", "arguments": 1,
      "appContext": None, "mcpAppUi": None, "pluginId": None, "readOnlyHint": None, "result": None, "error": {"message": "m"}, "durationMs": None}),
    ("CollabAgentToolCall", it("CollabAgentToolCall", tool="spawn_agent", status="completed", sender_thread_id=THREAD,
                               agents_states={THREAD: {"completed": "m"}}),
     {"type": "collabAgentToolCall", "id": "x", "tool": "spawnAgent", "status": "completed", "senderThreadId": SHOWN,
      "receiverThreadIds": [], "prompt": None, "model": None, "reasoningEffort": None,
      "agentsStates": {SHOWN: {"status": "completed", "message": "m"}}}),
    ("SubAgentActivity has its own order", it("SubAgentActivity", kind="started", agent_thread_id=THREAD, agent_path="/root/a_1"),
     {"type": "subAgentActivity", "model": None, "reasoningEffort": None, "id": "x", "kind": "started",
      "agentThreadId": SHOWN, "agentPath": "/root/a_1"}),
    ("WebSearch of an unknown action", it("WebSearch", query="q", action={"type": "openPage"}),
     {"type": "webSearch", "id": "x", "query": "q", "action": {"type": "other"}, "results": None}),
    ("Extension that sleeps", it("Extension", kind="clock.sleep", durationMs=5), {"type": "sleep", "id": "x", "durationMs": 5}),
    ("Extension that makes an image", it("Extension", kind="image_gen.generation", status="s", fileId="f", savedPath="/a//b/"),
     {"type": "imageGeneration", "id": "x", "status": "s", "revisedPrompt": None, "fileId": "f",
      "transparentBackground": None, "failure": None, "savedPath": "/a/b", "generationId": None}),
    ("FileChange sorts, merges and tells of moves",
     it("FileChange", changes={"/b": {"type": "add", "content": "x"}, "/a/": {"type": "add", "content": "first"}, "/a": {"type": "update", "unified_diff": "d", "move_path": ""}}),
     {"type": "fileChange", "id": "x", "changes": [
         {"path": "/a/", "kind": {"type": "update", "move_path": ""}, "diff": "d\n\nMoved to: "},
         {"path": "/b", "kind": {"type": "add"}, "diff": "x"}], "status": "inProgress"}),
    ("ExitedReviewMode as text", it("ExitedReviewMode", review_output=REVIEW),
     {"type": "exitedReviewMode", "id": "x", "review": "E\n\nReview comment:\n\n- T — /w/a.py:3-4\n  one\n  \n  two"}),
    ("ExitedReviewMode without output", it("ExitedReviewMode"),
     {"type": "exitedReviewMode", "id": "x", "review": "Reviewer failed to output a response."}),
    ("DynamicToolCall", it("DynamicToolCall", tool="t", arguments=None, status="failed", content_items=[{"type": "inputText", "text": "t"}]),
     {"type": "dynamicToolCall", "id": "x", "namespace": None, "tool": "t", "arguments": None, "status": "failed",
      "contentItems": [{"type": "inputText", "text": "t"}], "success": None, "durationMs": None}),
    ("an enum as an object", it("DynamicToolCall", tool="t", arguments=1, status={"failed": None}),
     {"type": "dynamicToolCall", "id": "x", "namespace": None, "tool": "t", "arguments": 1, "status": "failed",
      "contentItems": None, "success": None, "durationMs": None}),
]
# fmt: on


@pytest.mark.parametrize(("item", "shown"), [pytest.param(*case[1:], id=case[0]) for case in ITEMS])
def test_an_item_is_shown_with_its_keys_in_order(item: Json, shown: Json) -> None:
    assert orjson.dumps(shown) == orjson.dumps(to_thread_item(item))


#: What is written of a message that was moderated, and what Codex 0.171 shows; ...: as written.
DISPLAYS: list[tuple[Any, Any]] = [
    ({"trustedContacts": "skip", "version": 1, "mode": "show"}, {"mode": "show", "version": 1, "trustedContacts": "skip"}),
    ({"version": 1, "mode": {"show": None}, "trustedContacts": "check"}, ...),
    ({"version": 1, "mode": "show", "trustedContacts": {"check": None}, "annotation": {"subject": "prompt", "kind": "wellbeingHelpline"}},
     {"mode": "show", "version": 1, "annotation": {"kind": "wellbeingHelpline", "subject": "prompt"}, "trustedContacts": "check"}),
    ({"version": 1, "mode": "show", "trustedContacts": "check", "annotation": None}, {"mode": "show", "version": 1, "trustedContacts": "check"}),
    ({"version": 1, "mode": "hide", "replacement": {"kind": "wellbeingPromptHelpline"}}, {"mode": "hide", "version": 1, "replacement": {"kind": "wellbeingPromptHelpline"}}),
    ({"version": 1, "mode": "block", "reason": {"trustedAccess": False, "kind": "cyber"}}, {"mode": "block", "version": 1, "reason": {"kind": "cyber", "trustedAccess": False}}),
    ({"version": 1, "mode": "block", "reason": {"kind": "protection", "protectionType": "p"}}, {"mode": "block", "version": 1, "reason": {"kind": "protection", "protectionType": "p"}}),
    ({"version": 1, "mode": "block", "reason": {"kind": "protection"}}, ...),
    ({"version": 1.0, "mode": "show", "trustedContacts": "check"}, ...),
    ({"version": 2, "mode": "show", "trustedContacts": "check"}, ...),
    ({"version": 1, "mode": "blink"}, ...),
    ({"action": "hide", "blockType": "soft"}, ...),
    ("show", ...), ([1], ...), (None, ...),
]  # fmt: skip


@pytest.mark.parametrize(("display", "shown"), DISPLAYS)
def test_how_a_moderated_message_is_shown(display: Any, shown: Any) -> None:
    """What Codex would show as null, a form of another release, is kept as written."""
    item = it("AgentMessage", content=[], moderation={"moderated": True, "display": display})

    found = to_thread_item(item)["moderation"]["display"]

    assert orjson.dumps(found) == orjson.dumps(display if shown is ... else shown)


# fmt: off
REFUSED: list[tuple[str, Json]] = [
    ("an unknown type",                    it("Sleep", durationMs=5)),
    ("no id",                              {"type": "Plan", "text": "t"}),
    ("an id that is no text",              it("Plan", text="t") | {"id": 5}),
    ("content that is null",               it("UserMessage", content=None)),
    ("moderation without its word",        it("AgentMessage", content=[], moderation={"moderated": 0})),
    ("an environment that is no text",     it("McpToolCall", server="s", tool="t", status="failed", arguments=1, environmentId=5)),
    ("an unknown phase",                   it("AgentMessage", content=[], phase="last")),
    ("a question with another key",        it("AgentMessage", content=[], questions=[{"title": "t", "hint": 1}])),
    ("a path for a URI",                   command(cwd="/w")),
    ("a float exit code",                  command(exit_code=1.0)),
    ("an exit code beyond 32 bits",        command(exit_code=1 << 31)),
    ("true for an integer",                command(exit_code=True)),
    ("a duration with another key",        command(duration={"secs": 1, "nanos": 0, "x": 0})),
    ("a duration beyond 64 bits",          command(duration={"secs": (1 << 64) - 1, "nanos": 1_000_000_000})),
    ("a status in the other spelling",     command(status="inProgress")),
    ("snake case in an MCP status",        it("McpToolCall", server="s", tool="t", arguments=1, status="in_progress")),
    ("no arguments",                       it("DynamicToolCall", tool="t", status="failed")),
    ("an agent path outside the root",     it("SubAgentActivity", kind="started", agent_thread_id=THREAD, agent_path="/a")),
    ("a root below the root",              it("SubAgentActivity", kind="started", agent_thread_id=THREAD, agent_path="/root/root")),
    ("a search without action",            it("WebSearch", query="q", action=None)),
    ("a change without content, merged away", it("FileChange", changes={"/a": {"type": "add"}, "/a/": {"type": "add", "content": ""}})),
    ("a review finding without priority",  it("ExitedReviewMode", review_output=REVIEW | {"findings": [{"title": "T"}]})),
]
# fmt: on


@pytest.mark.parametrize("item", [pytest.param(case[1], id=case[0]) for case in REFUSED])
def test_what_codex_refuses_is_refused(item: Json) -> None:
    with pytest.raises(DecodeError):
        to_thread_item(item)


def test_a_duration_beyond_a_signed_integer_is_null() -> None:
    assert (
        to_thread_item(command(duration={"secs": 9_223_372_036_854_776, "nanos": 0}))["durationMs"]
        is None
    )


def test_what_is_kept_of_refused_items_reads_as_ever() -> None:
    kept = to_partial_item(command(status="paused", duration={"secs": 2, "nanos": 0}))

    assert kept is not None
    assert kept.known
    shown = kept.shown
    assert (shown["type"], shown["command"], shown["cwd"]) == ("commandExecution", "ls 'a b'", "/w")
    assert (shown["status"], shown["durationMs"]) == ("paused", 2000)


VALUES = st.sampled_from(
    [None, True, 0, -1, 1.5, 1 << 63, "", "x", [], {}, [None], {"a": 1}, ["x"], "file:///w"]
)


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """Draw an item of which some fields, at any depth, are not what they were."""
    item = copy.deepcopy(draw(st.sampled_from([case[1] for case in ITEMS + REFUSED])))
    for _ in range(draw(st.integers(1, 4))):
        box: Any = item
        while True:
            keys = list(box) if isinstance(box, dict) else list(range(len(box)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(box[key], (dict, list)) or draw(st.booleans()):
                if draw(st.booleans()):
                    box[key] = copy.deepcopy(draw(VALUES))
                else:
                    del box[key]
                break
            box = box[key]
    return item


@given(mutated())
def test_any_item_is_converted_refused_or_kept(item: Json) -> None:
    try:
        shown = to_thread_item(item)
    except DecodeError:
        kept = to_partial_item(item)
        if kept is None:
            assert type(item.get("type")) is not str or type(item.get("id")) is not str
            return
        shown = kept.shown
    assert orjson.loads(exact.dumps(shown))["id"] == item["id"]
