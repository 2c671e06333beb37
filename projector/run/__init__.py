"""Combine the steps: discover, read, decode, reduce, store, repeatedly."""
