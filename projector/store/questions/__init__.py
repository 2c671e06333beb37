"""What this program asks of a database that is open for reading, a module a subject. Pure.

One text serves every engine, over the read views of `0003_read_views.sql` and the public views. A
pair of texts stands only where the engines themselves differ: full-text search, the rows of the
change feed, and pages of a history, which PostgreSQL would sort whole.
"""
