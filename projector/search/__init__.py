"""Full-text search: what an item says, and how words are cut, for every engine."""
