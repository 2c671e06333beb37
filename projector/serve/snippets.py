"""Words around hits: SQLite's full-text search cuts them, whatever engine found the item."""

from __future__ import annotations

import sqlite3
from typing import Final

from projector.serve.search import BEGIN, END

#: Words around a hit that a snippet has, hits included.
WORDS: Final = 24


class Snippets:
    """Cuts snippets for one query, in FTS5's language. `close` it."""

    def __init__(self, query: str) -> None:
        """Make a database in memory that holds one text at a time."""
        self._query = query
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        # As the migration `search` has it.
        self._db.execute(
            "CREATE VIRTUAL TABLE one USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')"
        )

    def of(self, text: str) -> str | None:
        """Cut the words around the first hit, hits between BEGIN and END; None: there is none."""
        self._db.execute("DELETE FROM one")
        self._db.execute("INSERT INTO one (rowid, text) VALUES (1, ?)", (text,))
        row = self._db.execute(
            "SELECT snippet(one, 0, ?, ?, '…', ?) FROM one WHERE one MATCH ?",
            (BEGIN, END, WORDS, self._query),
        ).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Forget it."""
        self._db.close()
