"""Vocabulary that every other module may import: ids, rows, settings, errors. Pure."""
