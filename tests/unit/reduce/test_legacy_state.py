"""The legacy reducer's state has one writer: the methods of `reduce/legacy/state.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from projector.reduce.legacy.state import Active, OpenCall, Session, State
from tests.support import docs

REDUCE = docs.ROOT / "projector" / "reduce"
#: Values with writers of their own.
OTHERS = {"meta", "tokens"}
#: Methods that change a dict or a list.
CHANGING = {"append", "clear", "extend", "pop", "popitem", "setdefault", "update"}
#: Names that hold a part of the state.
HOLDERS = {"active", "before", "call", "session", "state"}
MEMBERS = {name for kind in (State, Active, OpenCall, Session) for name in kind.__struct_fields__}


def _is_part(node: ast.expr) -> bool:
    """True if an expression is a member of the state, or one of its parts."""
    if isinstance(node, ast.Subscript):
        return _is_part(node.value)
    if not isinstance(node, ast.Attribute) or node.attr not in MEMBERS - OTHERS:
        return False
    holder = ast.unparse(node.value).rpartition(".")[2]
    return holder.lstrip("_") in HOLDERS


def _writes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = [*node.targets]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Delete):
            targets = [*node.targets]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            targets = [node.func.value] if node.func.attr in CHANGING else []
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (ast.unparse(part) for part in parts if _is_part(part))


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("self._state.active = None", ["self._state.active"]),
        ("state.start, other = 1, 2", ["state.start"]),
        ("state.user_shells -= 1", ["state.user_shells"]),
        ("del self._state.calls[key]", ["self._state.calls[key]"]),
        ("state.told.clear()", ["state.told"]),
        ("call.failed = True", ["call.failed"]),
        ("state.meta.model = x; turn.first = y; state.calls.get(key)", []),
    ],
)
def test_writes_are_seen(code: str, written: list[str]) -> None:
    assert list(_writes(ast.parse(code))) == written


def test_nobody_else_writes_the_state() -> None:
    """Readers read its members; what changes them is a method with a name."""
    found = [
        f"{path.relative_to(REDUCE)}: {write}"
        for folder in ("legacy", "migrated")
        for path in (REDUCE / folder).glob("*.py")
        if path.name != "state.py"
        for write in _writes(ast.parse(path.read_text("utf-8")))
    ]

    assert found == []
