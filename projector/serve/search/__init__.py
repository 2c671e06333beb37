"""Search over items: query, hits, snippets."""
