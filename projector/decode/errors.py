"""The one way a decoder says no. Pure."""

from __future__ import annotations


class DecodeError(ValueError):
    """Codex's decoder refuses this value. The message names the field, never what it holds."""
