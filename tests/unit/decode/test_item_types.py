"""Each type of ThreadItem is built in one place, whatever record tells of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support import docs

PACKAGE = docs.ROOT / "projector"
HOME = PACKAGE / "decode" / "item_types.py"


def _literals(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield the type and the keys of every dict that is written with a constant `type`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Dict):
            continue
        told = {
            key.value: value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        }
        kind = told.get("type")
        if isinstance(kind, ast.Constant):
            yield str(kind.value), set(map(str, told))


def _built(path: Path) -> list[str]:
    """Return the types of the items that are built: those of records and parts have no id."""
    return [kind for kind, keys in _literals(path) if "id" in keys]


def test_an_item_is_built_in_one_place() -> None:
    """No module of the reading side writes out an item, and `item_types` writes each one once."""
    at_home = _built(HOME)
    elsewhere = {
        (str(path.relative_to(PACKAGE)), kind)
        for folder in ("decode", "reduce")
        for path in (PACKAGE / folder).rglob("*.py")
        if path != HOME
        for kind, _ in _literals(path)
        if kind in at_home
    }

    assert {"commandExecution", "agentMessage"} <= set(at_home)
    assert len(at_home) == len(set(at_home))
    assert elsewhere == set()
