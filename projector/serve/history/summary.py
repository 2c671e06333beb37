"""Say in one line what an item is. Pure."""

from __future__ import annotations

from typing import Final

from projector.model.terminal_safe import one_line
from projector.serve.history.rendered_item import RenderedItem, shown

#: Characters of a text that a summary may hold.
_LONGEST: Final = 400
#: Which part of an item says most.
_ORDER: Final = ("prose", "command", "note", "diff", "output", "json")


def summary(item_json: str, kind: str) -> tuple[str, str, RenderedItem]:
    """Return what an item is, with its facts, what it says, and the item as shown."""
    what = shown(item_json, kind)
    parts = sorted(what.parts, key=lambda part: _ORDER.index(part.look))
    said = one_line(parts[0].text[:_LONGEST]) if parts else ""
    return one_line(" · ".join([what.title, *what.facts])), said, what


def line(item_json: str, kind: str) -> str:
    """Return both on one line."""
    named, said, _ = summary(item_json, kind)
    return f"{named}: {said}" if said else named
