"""Lines that the fuzzer begins with: of every kind of record, and hostile ones made by hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

import projector
from tests.support import legacy_records as old
from tests.support import paginated as new
from tests.support.generator.rollouts import Rollout
from tests.unit.decode.test_items import ITEMS

Kind = Literal["paginated", "legacy"]

#: What breaks readers, none of it longer than some KB.
HOSTILE: tuple[bytes, ...] = (
    b"",
    b" \t",
    b"\0" * 300,
    b"\xef\xbb\xbf{}",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"1e999",
    b"-" * 50,
    b"[" * 5_000,
    b'{"a":' * 3_000,
    b"[" * 1_100 + b"]" * 1_100,
    b'{"timestamp":' * 40,
    b'{"timestamp":"","ordinal":1,"type":"event_msg","payload":{}}' * 3,
    rb'{"type":"event_msg","payload":{"type":"item_completed","item":{"type":"\ud800","id":"\ud"}}}',
    b'{"ordinal":18446744073709551616,"type":"x","payload":{"a":NaN,"b":-Infinity}}',
    b'{"type":"event_msg","type":"event_msg","payload":{"type":"error","type":5}}',
    '{"type":"\u2028\u0085","payload":{"\x7f":"\U0010ffff"}}'.encode(),
    b'{"type":"session_meta","payload":{"id":"x","history_mode":{"paginated":null}}}',
    b'{"timestamp":"9999-99-99T99:99:99.999Z","ordinal":-1,"type":"turn_context","payload":{}}',
    b'{"timestamp":"-0001-01-01T00:00:00Z","ordinal":2.5,"type":"compacted","payload":null}',
    b'{"timestamp":{},"ordinal":[],"type":{},"payload":[]}',
    b'"\xed\xa0\x80"',
    b'{"\\u0000":"\\u0000","type":"\\u0000","payload":{"type":"\\u0000"}}',
)

_CALLS: tuple[tuple[str, Any], ...] = (
    ("shell", {"command": ["bash", "-lc", "ls"]}),
    ("shell", {"command": ["apply_patch", old.PATCH]}),
    ("exec_command", {"cmd": "top"}),
    ("exec_command", {"cmd": f"apply_patch <<'EOF'\n{old.PATCH}\nEOF"}),
    ("write_stdin", {"session_id": 7, "chars": "x"}),
    ("mcp__s__t", {"a": 1}),
    ("view_image", {"path": "p.png"}),
    ("spawn_agent", {"message": "go"}),
    ("wait", {"ids": ["a"]}),
    ("close_agent", {"id": "a"}),
    ("update_plan", {"plan": [{"step": "s", "status": "pending"}]}),
    ("shell", "{no json"),
)
_OUTPUTS: tuple[Any, ...] = (
    "plain",
    "aborted by user after 1.5s",
    "unsupported call: x",
    '{"output":"o","metadata":{"exit_code":0,"duration_seconds":0.1}}',
    "Wall time: 0.1 seconds\nProcess running with session ID 7\nOutput:\nsome\n",
    "Wall time: 0.1 seconds\nProcess exited with code 3\nOutput:\nlast\n",
    '{"agent_id":"a"}',
    '{"status":{"a":{"errored":"no"}}}',
    [{"type": "input_image", "image_url": "data:x"}, {"type": "input_text", "text": "t"}],
)


def _paginated() -> list[bytes]:
    records: list[new.Json | bytes] = [
        new.meta(),
        new.meta(subagent_history_start_ordinal=4, source={"subagent": {"other": "x"}}),
        new.meta(history_base={"thread_id": new.OTHER, "end_ordinal_exclusive": 9,
                               "end_byte_offset": 900}, forked_from_id=new.OTHER),
        new.started("A", started_at=5, root_turn_id="A"),
        new.started("B"),
        *(new.item("A", item) for _, item, _ in ITEMS),
        new.item("A", new.user("u")),
        new.item("A", new.agent("a", "final_answer")),
        new.item("B", {"type": "Later", "id": "l", "some_field": 1}),
        new.realtime("r"),
        new.realtime("s", type="realtime_transcript_delta"),
        new.tokens(7),
        new.usage("response"),
        new.context("model"),
        new.said("aye"),
        new.event("error", message="m", codex_error_info={"http_connection_failed": {}}),
        new.event("thread_rolled_back", num_turns=1),
        new.event("thread_goal_updated", goal={"objective": "o"}),
        new.event("thread_settings_applied", thread_settings={"model": "m"}),
        new.complete("A", last_agent_message="x", completed_at=9, duration_ms=4),
        new.complete("B", error={"message": "m", "codex_error_info": "other"}),
        new.aborted("B"),
        new.aborted(None),
        {"type": "compacted", "payload": {"message": "m", "replacement_history": []}},
        {"type": "world_state", "payload": {}},
    ]  # fmt: skip
    return new.written(records)


def _legacy() -> list[bytes]:
    records: list[old.Record | bytes] = [
        old.header(),
        old.header(history_mode="legacy", forked_from_id="01a30000-0000-7000-8000-00000000f002"),
        {"id": "01a30000-0000-7000-8000-00000000f001", "timestamp": "2025-05-07T17:24:21.500Z",
         "instructions": None},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "bare"}]},
        old.started("t1"),
        *old.said("hello", images=["data:x"], local_images=["/p.png"]),
        old.answer("yes", "final_answer"),
        old.answer("so"),
        old.event("agent_reasoning", text="hm"),
        old.event("agent_reasoning_raw_content", text="hm"),
        *(old.call(f"c{at}", command) for at, command in enumerate(_CALLS)),
        *(old.output(f"c{at}", told) for at, told in enumerate(_OUTPUTS)),
        old.ran("c0", "t1", "agent"),
        old.ran("c1", "t1", "user_shell"),
        old.item("local_shell_call", call_id="c9", status="completed",
                 action={"type": "exec", "command": ["ls"], "timeout_ms": 5}),
        old.item("custom_tool_call", call_id="c8", name="apply_patch", input=old.PATCH),
        old.item("custom_tool_call_output", call_id="c8", output="Success. Updated"),
        old.item("web_search_call", id="w", action={"type": "search", "query": "q"}),
        old.item("reasoning", summary=[{"type": "summary_text", "text": "s"}], content=None),
        old.event("patch_apply_begin", call_id="p", auto_approved=True, changes={}),
        old.event("patch_apply_end", call_id="p", success=True, stdout="", stderr="",
                  changes={"/w/a": {"add": {"content": "x"}}}),
        old.event("mcp_tool_call_begin", call_id="m",
                  invocation={"server": "s", "tool": "t", "arguments": {}}),
        old.event("mcp_tool_call_end", call_id="m", duration={"secs": 1, "nanos": 5},
                  invocation={"server": "s", "tool": "t", "arguments": {}},
                  result={"Ok": {"content": []}}),
        old.event("web_search_end", call_id="w", query="q"),
        old.event("view_image_tool_call", call_id="v", path="/p"),
        old.event("entered_review_mode", target={"type": "custom", "instructions": "i"}),
        old.event("exited_review_mode", review_output=None),
        old.event("context_compacted"),
        old.event("error", message="m", codex_error_info="other"),
        old.event("plan_update", plan=[{"step": "s", "status": "completed"}]),
        old.event("turn_diff", unified_diff="--- a"),
        old.event("thread_name_updated", thread_id="x", thread_name="n"),
        old.tokens(5),
        {"type": "turn_context", "payload": {"cwd": "/w", "model": "m", "turn_id": "t1"}},
        {"type": "compacted", "payload": {"message": "m"}},
        old.rolled_back(1),
        old.completed("t1", error={"message": "m"}),
        old.event("turn_aborted", turn_id=None, reason="interrupted"),
    ]  # fmt: skip
    return old.lines_from(records).splitlines()


@cache
def lines(kind: Kind) -> tuple[bytes, ...]:
    """Give lines of one kind of rollout; the first one is a header."""
    made = Rollout(seed=1, history=kind).turn(steps=6)
    by_hand = _paginated() if kind == "paginated" else _legacy()
    sample = Path(projector.__file__).parent / "sample"
    shown = [
        line for path in sorted(sample.rglob("*.jsonl")) for line in path.read_bytes().splitlines()
    ]
    return tuple(line.rstrip(b"\n") for line in (*by_hand, *made, *shown))


@cache
def strings() -> tuple[str, ...]:
    """Give every key and short string of the corpus: words that the code knows."""
    words: set[str] = set()

    def gather(value: Any) -> None:
        if isinstance(value, dict):
            words.update(value)
            for held in value.values():
                gather(held)
        elif isinstance(value, list):
            for held in value:
                gather(held)
        elif isinstance(value, str) and len(value) < 60:
            words.add(value)

    for kind in get_args(Kind):
        for line in lines(kind):
            gather(orjson.loads(line))
    return tuple(sorted(words))


def dumped(value: Any) -> bytes:
    """Write a value as Codex would; half surrogates as escapes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()
