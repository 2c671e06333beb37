"""The store's promises on SQLite, by aiosqlite: `store.py` is the way in."""
