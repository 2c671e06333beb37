"""The store's promises on SQLite, by aiosqlite."""

from projector.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
