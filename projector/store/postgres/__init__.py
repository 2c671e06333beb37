"""`Store` on PostgreSQL: batches in, rows of many hosts in one database out."""
