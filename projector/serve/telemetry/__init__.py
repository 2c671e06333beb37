"""The daemon's HTTP endpoint and its metrics."""
