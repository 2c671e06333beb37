"""In: the database. Out: what people and ops tooling ask about it."""
