"""Which lines Codex takes as records: each case was asked of Codex 0.169.0."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

from typing import Any

import orjson
import pytest

from projector.decode.acceptance.lines import ordinal_taken
from tests.paginated import THREAD, context, event, item, meta, plan, realtime, said, started, usage

# fmt: off
CASES: list[tuple[str, Any, bool]] = [
    ("a message",                            said("x"),                                                      True),
    ("a response item of unknown type",      {"type": "response_item", "payload": {"type": "later"}},        True),
    ("a message with an unknown part",       {"type": "response_item", "payload": {"type": "message", "role": "user", "content": [{"type": "later"}]}}, False),
    ("a response item without a type",       {"type": "response_item", "payload": {}},                       False),
    ("a message with a status of no word",   {"type": "response_item", "payload": {"type": "message", "role": "user", "content": [], "status": 1}}, False),
    ("passed on with a turn",                {"type": "response_item", "payload": {"type": "later", "internal_chat_message_metadata_passthrough": {"turn_id": "A", "create_time": 1, "more": 1}}}, True),
    ("passed on with a turn of no text",     {"type": "response_item", "payload": {"type": "later", "internal_chat_message_metadata_passthrough": {"turn_id": 1}}}, False),
    ("an output without its call",           {"type": "response_item", "payload": {"type": "function_call_output", "output": "x"}}, True),
    ("a custom output without its call",     {"type": "response_item", "payload": {"type": "custom_tool_call_output", "output": "x"}}, False),
    ("a search of an unknown type",          {"type": "response_item", "payload": {"type": "web_search_call", "action": {"type": "later"}}}, True),
    ("a search for a number",                {"type": "response_item", "payload": {"type": "web_search_call", "action": {"type": "search", "query": 1}}}, False),
    ("a search without a type",              {"type": "response_item", "payload": {"type": "web_search_call", "action": {}}}, False),
    ("an agent's message with an image",     {"type": "response_item", "payload": {"type": "agent_message", "author": "/root", "recipient": "/root/b", "content": [{"type": "input_image", "image_url": "x"}]}}, False),
    ("a start by an agent",                  started("A", turn_attribution={"turn_id": "A", "initiating_agent_path": "/root/a"}), True),
    ("a start by an agent of no path",       started("A", turn_attribution={"turn_id": "A", "initiating_agent_path": "a"}), False),
    ("a user's message with sounds",         event("user_message", message="x", audio=["a"], local_audio=[]), True),
    ("a user's message with no sounds",      event("user_message", message="x", local_audio=None),           False),
    ("an unknown record",                    {"type": "later", "payload": {}},                               False),
    ("an unknown event",                     event("later"),                                                 False),
    ("an event that needs no field",         event("context_compacted"),                                     True),
    ("one that lacks its fields",            event("user_message"),                                          False),
    ("a turn context",                       context("m"),                                                   True),
    ("one with an unknown sandbox",          context("m", sandbox_policy={"type": "later"}),                 False),
    ("one with an empty effort",             context("m", effort=""),                                        False),
    ("what a response cost",                 usage("r"),                                                     True),
    ("a later header",                       meta(),                                                         True),
    ("a header with a null source",          meta(source=None),                                              False),
    ("an item",                              item("A", plan("p")),                                           True),
    ("an item of no thread",                 item("A", plan("p"), thread_id="nobody"),                       False),
    ("an item of a thread without a name",   item("A", plan("p"), thread_id=""),                             False),
    ("an item that the decoder refuses",     item("A", {"type": "Plan", "id": "p"}),                         False),
    ("a start with a float for a time",      started("A", started_at=5.0),                                   False),
    ("a realtime item",                      realtime("r"),                                                  True),
    ("a realtime item of unknown type",      realtime("r", type="later"),                                    False),
    ("a limit that is a number",             event("token_count", rate_limits={"individual_limit": 5}),           False),
    ("a goal without its thread",            event("thread_goal_updated", threadId=THREAD, goal={}),         False),
    ("no timestamp",                         said("x") | {"timestamp": None},                                False),
    ("an ordinal of 2^63-1",                 said("x") | {"ordinal": (1 << 63) - 1},                         False),
]
# fmt: on


@pytest.mark.parametrize(
    ("record", "taken"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_ordinal_taken(record: dict[str, Any], taken: bool) -> None:  # noqa: FBT001 - a table's
    line = orjson.dumps({"timestamp": "any text", "ordinal": 3} | record)

    assert (3 if taken else None) == ordinal_taken(line)


def token_count(percent: str) -> bytes:
    return (
        b'{"timestamp":"t","ordinal":3,"type":"event_msg","payload":{"type":"token_count",'
        b'"rate_limits":{"primary":{"used_percent":' + percent.encode() + b"}}}}"
    )


@pytest.mark.parametrize(
    "percent",
    ["12.5", "1", "1.0", "100.0", "-0", "-0.0", "1e-7", "1.5e-7", "0.0000001", "0.00003", "1e16",
     "1e+300", "1e300", "5e-324", "18446744073709551615"],
)  # fmt: skip
def test_doubles_in_the_one_spelling_of_codex_are_taken(percent: str) -> None:
    assert ordinal_taken(token_count(percent)) == 3


@pytest.mark.parametrize(
    "percent",
    ["1e2", "1E2", "12.50", "0.10", "1e0", "1e-5", "3.0e-5", "1e-07", "15e-8", "1e400",
     "99.99999999999999999", "18446744073709551616", '"1"', "true", "NaN", "01", ".5"],
)  # fmt: skip
def test_other_spellings_are_not(percent: str) -> None:
    assert ordinal_taken(token_count(percent)) is None


def test_bounds_hold_for_keys_that_nobody_reads() -> None:
    def line(more: bytes) -> bytes:
        return orjson.dumps({"timestamp": "t", "ordinal": 3} | said("x"))[:-1] + b"," + more + b"}"

    assert ordinal_taken(line(b'"more":' + b"[" * 126 + b"]" * 126)) == 3
    assert ordinal_taken(line(b'"more":' + b"[" * 127 + b"]" * 127)) is None
    assert ordinal_taken(line(b'"more":18446744073709551615')) == 3
    assert ordinal_taken(line(b'"more":18446744073709551616')) is None
    assert ordinal_taken(line(b'"more":340282366920938463463374607431768211456')) == 3
    assert ordinal_taken(line(b'"more":"\\ud800"')) is None
