"""Tools that agents call by MCP: questions to the database, answered in bounded text."""
