"""Threads and their visible histories: read, listed, shown."""
