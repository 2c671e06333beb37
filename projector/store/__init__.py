"""In: changes and a checkpoint. Out: rows that people and programs query with SQL."""
