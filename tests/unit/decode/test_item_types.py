"""Each type of ThreadItem is built in one place, whatever record tells of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from projector.decode import known_members, thread_item
from projector.search import text as search
from projector.serve.history import rendered_item
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


def test_a_type_that_is_converted_has_all_that_a_type_needs() -> None:
    """Its least form, its members, what of it is searched, how it is shown."""
    names = {name.partition(" ")[0] for name in thread_item._TEMPLATES}

    assert names == set(thread_item._CONVERTERS)
    assert set(thread_item._TEMPLATES) == set(known_members._ITEMS)
    shown = {
        thread_item.to_thread_item({"type": name.partition(" ")[0], "id": "i", **least})["type"]
        for name, least in thread_item._TEMPLATES.items()
    }
    assert shown == set(search._KINDS) == set(rendered_item._KINDS)
