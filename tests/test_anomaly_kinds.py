"""The manual tells every kind of anomaly that the code notes, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support import docs

_NOTING = {"Anomaly", "note", "_note", "note_at", "_stop"}
#: Kinds that are chosen before they are noted.
_CHOSEN = re.compile(r"(?:zst|ordinal)_[a-z]+")


def _noted(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and _CHOSEN.fullmatch(str(node.value)):
            if path.parent.name == "read" or path.name == "ordinal_tracker.py":
                yield str(node.value)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name, kind = ast.unparse(node.func).rpartition(".")[2], str(node.args[0].value)
            if name in _NOTING:
                yield kind
            elif name == "note_strange":
                yield f"unknown_{kind}"


def test_the_manual_tells_every_kind() -> None:
    noted = {kind for path in (docs.ROOT / "projector").rglob("*.py") for kind in _noted(path)}
    (table,) = re.findall(
        r"^\| kind \| what was found .*\n\|.*\n((?:\|.*\n)+)",
        docs.manual_text(),
        re.MULTILINE,
    )
    told = {
        kind for row in table.splitlines() for kind in re.findall(r"`(.+?)`", row.split("|")[1])
    }

    assert told == noted
