"""In: a line that could be read. Out: whether Codex 0.169.0 takes it as a record.

Rows do not depend on it: they are made from whatever can be read. Codex's own count of ordinals
does: a record that it cannot decode leaves its ordinal to the next one. Asked for few lines
only (`reduce/paginated/ordinal_tracker.py` says for which), so plainness goes before speed here.

Source: docs on paginated rollouts, 1.2 to 1.8.
"""
