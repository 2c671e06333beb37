"""Compares a database with its rollouts' files, and with what follows from its own rows."""
