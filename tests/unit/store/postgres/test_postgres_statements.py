"""What PostgreSQL is told, read as text: statements that a distributed server takes as well."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import projector
from projector.store.migrations import migrations, statements

PACKAGE = Path(projector.__file__).parent
MODULES = sorted((PACKAGE / "store" / "postgres").glob("*.py"))

VOLATILE = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random"
    r"|gen_random_uuid|nextval|setval|txid_current)\s*\(|\bcurrent_(timestamp|time|date)\b",
    re.IGNORECASE,
)
WRITES = re.compile(r"\b(UPDATE\s+\S+(\s+AS\s+\w+)?\s+SET|DO\s+UPDATE\s+SET|DELETE\s+FROM)\b")
EVERY_COLUMN = re.compile(r"\b(SELECT|RETURNING)\s+(DISTINCT\s+)?(\w+\.)?\*")
DELETES = re.compile(r"\bDELETE\s+FROM\b")
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH)\b")


def faults(text: str) -> list[str]:
    """Return what a distributed server would not take of a statement."""
    found = []
    if WRITES.search(text) and (call := VOLATILE.search(text)):
        found.append(f"{call.group()} where rows are changed: pass its value as a parameter")
    if EVERY_COLUMN.search(text):
        found.append("SELECT *: name the columns")
    if DELETES.search(text) and not re.search(r"\bWHERE\b", text):
        found.append("DELETE without WHERE")
    return found


class Module:
    """The SQL texts of a module, with the module's own constants put in."""

    def __init__(self, source: str) -> None:
        self._known: dict[str, str] = {}
        self.texts = [
            (line, text)
            for statement in ast.parse(source).body
            for line, text in self._read(statement)
            if SQL.search(text)
        ]
        """Each with its line."""

    def _read(self, statement: ast.stmt) -> Iterator[tuple[int, str]]:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = self._said(statement.value)
            if text is not None:
                self._known[statement.target.id] = text
        yield from self._of(statement)

    def _of(self, node: ast.AST) -> Iterator[tuple[int, str]]:
        text = None if isinstance(node, ast.Name) else self._said(node)
        if text is not None:
            yield getattr(node, "lineno", 0), text
            return
        for child in ast.iter_child_nodes(node):
            yield from self._of(child)

    def _said(self, node: ast.AST | None) -> str | None:
        """Give the text that an expression makes, `?` where it is not known; None: no text."""
        match node:
            case ast.Constant(value=str(value)):
                return value
            case ast.JoinedStr(values=parts):
                return "".join(self._said(part) or "?" for part in parts)
            case ast.FormattedValue(value=inner):
                return self._said(inner)
            case ast.Name(id=name):
                return self._known.get(name)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return f"{self._said(left) or '?'}{self._said(right) or '?'}"
        return None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("UPDATE a SET b = clock_timestamp() WHERE c = %s", 1),
        ("INSERT INTO a VALUES (%s) ON CONFLICT (b) DO UPDATE SET c = now()", 1),
        ("SELECT clock_timestamp()", 0),
        ("UPDATE a SET now_ms = %s", 0),
        ("WITH w AS (SELECT b FROM a) SELECT w.* FROM w", 1),
        ("SELECT * FROM a", 1),
        ("SELECT count(*) FROM a", 0),
        ("DELETE FROM a", 1),
        ("DELETE FROM a WHERE b = %s", 0),
    ],
)
def test_faults_are_seen(text: str, number: int) -> None:
    """The rules themselves."""
    assert len(faults(text)) == number


def test_texts_are_read_with_their_constants() -> None:
    """As the module would make them."""
    source = '_NOW: Final = "now()"\n_A: Final = "UPDATE a" + f" SET b = {_NOW}"\n'
    assert [faults(text) for _, text in Module(source).texts] == [
        ["now( where rows are changed: pass its value as a parameter"]
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_distributed_server_takes_the_statements(module: Path) -> None:
    """No volatile function in an UPDATE, columns by their names, no DELETE without WHERE."""
    found = [
        f"{module.name}:{line}: {fault}"
        for line, text in Module(module.read_text("utf-8")).texts
        for fault in faults(text)
    ]
    assert not found, "\n".join(found)


def test_modules_with_statements_are_found() -> None:
    """Of those that certainly have some."""
    some = {"lease.py", "load_unit_of_work.py", "find.py", "feed.py", "usage.py"}
    assert all(Module((MODULES[0].parent / one).read_text("utf-8")).texts for one in some)


def test_the_schema_goes_out_a_statement_a_call() -> None:
    """Each of the schema's statements is one, and is nothing that waits for other machines."""
    for step in migrations("postgres"):
        split = list(statements(step.sql))
        assert "".join(split).strip() in step.sql
        for statement in split:
            bare = re.sub(r"--[^\n]*|'[^']*'", "", statement)
            assert bare.count(";") == 1, statement
            assert re.match(r"\s*(CREATE|COMMENT|INSERT|ALTER)\b", bare), statement
