"""The questions of the README, and what the sample answers."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.sample import make
from tests.support.projecting import backfilled

_SECTION = re.compile(
    r"^### (?P<words>[^\n]+\?)\n\n(?:(?!#|```)[^\n]+\n)*\n?"
    r"```sql\n(?P<sql>[^`]*)```\n\n```text\n(?P<answer>[^`]*)```",
    re.MULTILINE,
)


class Question(NamedTuple):
    """A question, as it stands in the README."""

    words: str
    sql: str
    answer: str
    span: tuple[int, int]
    """Where the answer stands."""


def questions(readme: str) -> list[Question]:
    """Find the questions, in their order."""
    return [
        Question(found["words"], found["sql"], found["answer"], found.span("answer"))
        for found in _SECTION.finditer(readme)
    ]


def answered(readme: str) -> str:
    """Give the README with the answers that the sample gives now."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sample.db"
        backfilled(make.SHIPPED, database)
        db = sqlite3.connect(database)
        try:
            for question in reversed(questions(readme)):
                begin, end = question.span
                readme = readme[:begin] + answer(db, question.sql) + readme[end:]
        finally:
            db.close()
    return readme


def answer(db: sqlite3.Connection, sql: str) -> str:
    """Ask, and write the rows in columns under their names."""
    cursor = db.execute(sql)
    rows = [[name for name, *_ in cursor.description]]
    rows += [["" if value is None else str(value) for value in row] for row in cursor]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    padded = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows]
    return "".join("  ".join(row).rstrip() + "\n" for row in padded)
