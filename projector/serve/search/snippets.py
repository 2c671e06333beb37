"""Snippets around hits, cut by SQLite's full-text search, whatever engine found the item."""

from __future__ import annotations

import sqlite3
from typing import Final

from projector.search.diacritics import folded
from projector.search.text import TOKENIZER
from projector.serve.search.hits import BEGIN, END

#: Number of words in a snippet, hits included.
WORDS: Final = 24


class Snippets:
    """Cuts snippets for one query, in FTS5's query language. `close` it."""

    def __init__(self, query: str) -> None:
        """Create a database in memory that holds one text at a time."""
        self._query = query
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        # Like the index: it searches folded text and cuts the original.
        self._db.execute("CREATE TABLE shown (id INTEGER PRIMARY KEY, text TEXT)")
        self._db.execute(
            "CREATE VIRTUAL TABLE one USING fts5"
            f' (text, content = "shown", content_rowid = "id", tokenize = "{TOKENIZER}")'
        )

    def of(self, text: str) -> str | None:
        """Return the text around the first hit, hits between BEGIN and END; None: no hit.

        `text`: as returned by `text.shown`.
        """
        self._db.execute("INSERT INTO one (one) VALUES ('delete-all')")
        self._db.execute("INSERT OR REPLACE INTO shown VALUES (1, ?)", (text,))
        self._db.execute("INSERT INTO one (rowid, text) VALUES (1, ?)", (folded(text),))
        row = self._db.execute(
            "SELECT snippet(one, 0, ?, ?, '…', ?) FROM one WHERE one MATCH ?",
            (BEGIN, END, WORDS, self._query),
        ).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Close the database."""
        self._db.close()
