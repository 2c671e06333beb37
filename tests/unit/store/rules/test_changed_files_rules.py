"""Which files an item lists, and when its list is written again."""

from __future__ import annotations

import pytest

from projector.store.rules.changed_files import changed_files, relists


@pytest.mark.parametrize(
    ("kind", "json", "expected"),
    [
        pytest.param(
            "fileChange",
            '{"changes": [{"path": "/x", "kind": {"type": "update", "move_path": "/y"}},'
            ' {"path": "/z", "kind": {"type": "add"}}]}',
            [(0, "/x", "update", "/y"), (1, "/z", "add", None)],
            id="two files",
        ),
        pytest.param("agentMessage", '{"changes": [{"path": "/x"}]}', [], id="another type"),
        pytest.param(None, '{"changes": [{"path": "/x"}]}', [], id="no row"),
        pytest.param("fileChange", '{"changes": {"/x": {}}}', [], id="no list"),
        pytest.param("fileChange", "{}", [], id="no changes"),
        pytest.param("fileChange", "[1]", [], id="no object"),
        pytest.param("fileChange", "{", [], id="no JSON"),
        pytest.param(
            "fileChange", '{"changes": ["/x", {"kind": "add"}]}',
            [(0, None, None, None), (1, None, None, None)], id="other shapes keep their numbers",
        ),
        pytest.param(
            "fileChange", '{"changes": [{"path": ["a", 1], "kind": {"type": true}}]}',
            [(0, '["a",1]', "true", None)], id="values that are no text",
        ),
        pytest.param(
            "fileChange", r'{"changes": [{"path": "/\ud800"}]}',
            [(0, "/\ud800", None, None)], id="half a surrogate pair",
        ),
    ],
)  # fmt: skip
def test_files_of_an_item(kind: str | None, json: str, expected: list[object]) -> None:
    """By their place in the item, whatever else is in it."""
    assert changed_files(kind, json) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("fileChange", "fileChange", True),
        ("fileChange", "agentMessage", True),
        ("agentMessage", "fileChange", True),
        ("fileChange", None, True),
        (None, "fileChange", True),
        ("agentMessage", "plan", False),
        ("agentMessage", None, False),
    ],
)
def test_when_an_items_list_is_written_again(
    before: str | None, now: str | None, *, expected: bool
) -> None:
    """Where it changed files before, or does now."""
    assert relists(before, now) is expected
