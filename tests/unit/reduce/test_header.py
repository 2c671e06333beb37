"""session_meta → who spawned a thread."""

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
