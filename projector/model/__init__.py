"""Words that every other module may import. Pure."""
