"""Decode one line into records and anomalies, and records into thread items."""
