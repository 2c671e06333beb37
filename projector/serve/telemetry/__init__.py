"""The daemon's endpoint and its metrics."""
