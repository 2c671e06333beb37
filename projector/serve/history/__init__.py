"""Threads and their visible histories: reading, listing, rendering."""
