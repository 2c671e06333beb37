"""Full-text search: the text of an item and how it is split into words, for every engine."""
