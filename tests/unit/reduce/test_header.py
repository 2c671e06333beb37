"""session_meta → where a thread comes from, and who spawned it."""

from typing import Any

import pytest

from projector.reduce.header import header

PARENT, OTHER = "01a30000-0000-7000-8000-00000000a001", "01a30000-0000-7000-8000-00000000a002"


def spawned_by(parent: Any) -> dict[str, Any]:
    return {"source": {"subagent": {"thread_spawn": {"parent_thread_id": parent, "depth": 1}}}}


@pytest.mark.parametrize(
    ("payload", "parent"),
    [
        pytest.param({"parent_thread_id": PARENT}, PARENT, id="in a field of its own"),
        pytest.param(spawned_by(PARENT), PARENT, id="in the source alone, as older releases do"),
        pytest.param(
            {"parent_thread_id": PARENT, **spawned_by(OTHER)}, PARENT, id="its own field wins"
        ),
        pytest.param({"source": {"subagent": "review"}}, None, id="a reviewer that does not say"),
        pytest.param(spawned_by("nobody"), None, id="no id of a thread"),
        pytest.param({"source": {"subagent": {"thread_spawn": [PARENT]}}}, None, id="no object"),
        pytest.param({"source": "cli"}, None, id="nobody spawned it"),
    ],
)
def test_the_parent_of_a_thread(payload: dict[str, Any], parent: str | None) -> None:
    assert header(payload, None).parent_thread_id == parent


@pytest.mark.parametrize(
    ("source", "word", "kind", "kept", "depth"),
    [
        ("cli", "cli", None, None, None),
        ("of tomorrow", "of tomorrow", None, None, None),
        (None, None, None, None, None),
        ({"subagent": "review"}, "subagent", "review", '{"subagent":"review"}', None),
        ({"subagent": {"other": "x"}}, "subagent", "x", '{"subagent":{"other":"x"}}', None),
        (
            {"subagent": {"thread_spawn": {"depth": 2}}},
            "subagent", "thread_spawn", '{"subagent":{"thread_spawn":{"depth":2}}}', 2,
        ),
        (
            {"subagent": {"thread_spawn": {"depth": "x"}}},
            "subagent", "thread_spawn", '{"subagent":{"thread_spawn":{"depth":"x"}}}', None,
        ),
        ({"internal": "guardian"}, "internal", "guardian", '{"internal":"guardian"}', None),
        ({"custom": "atlas"}, "custom", "atlas", '{"custom":"atlas"}', None),
        ({"later": 1}, "later", None, '{"later":1}', None),
        ({"a": 1, "b": 2}, "unknown", None, '{"a":1,"b":2}', None),
        ({"a": 1, "subagent": "x"}, "subagent", "x", '{"a":1,"subagent":"x"}', None),
        ([1], "unknown", None, "[1]", None),
        ({}, "unknown", None, "{}", None),
    ],
)  # fmt: skip
def test_the_source_is_a_word_with_its_details_beside_it(
    source: Any, word: str | None, kind: str | None, kept: str | None, depth: int | None
) -> None:
    found = header({"source": source}, None)

    assert found.source == word
    assert found.source_kind == kind
    assert found.source_json == kept
    assert found.agent_depth == depth


def test_an_agent_of_an_older_release_is_named_by_its_source() -> None:
    spawn = {"depth": 1, "agent_nickname": "Ada", "agent_role": "tester", "agent_path": "/root/a"}
    found = header({"source": {"subagent": {"thread_spawn": spawn}}}, None)

    assert (found.agent_nickname, found.agent_role, found.agent_path) == (
        "Ada",
        "tester",
        "/root/a",
    )
