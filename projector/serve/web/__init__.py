"""Pages in a browser: threads, a thread, search, usage, health. Read-only."""
