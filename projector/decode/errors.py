"""The error raised by all decoders. Pure."""

from __future__ import annotations


class DecodeError(ValueError):
    """Codex's decoder refuses this value. The message names the field, never its content."""
