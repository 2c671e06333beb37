"""Decode legacy rollouts: records, events, tool calls and their outputs, into thread items."""
