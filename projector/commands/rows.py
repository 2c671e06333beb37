"""Print rows: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from projector.commands import output

#: Columns of numbers are aligned on the right.
_NUMBERS: Final = (int, float)


def say_rows(
    head: Sequence[str], rows: Sequence[Sequence[Any]], documents: Sequence[Mapping[str, Any]],
    *, as_json: bool,
) -> None:  # fmt: skip
    """Print rows as a table under `head`, or their documents as one JSON array."""
    if as_json:
        output.write_document([*documents])
        return
    from projector.model.terminal_safe import one_line  # noqa: PLC0415 - only for people

    shown = [[one_line(_text(value)) for value in row] for row in rows]
    right = [
        all(isinstance(row[at], _NUMBERS) or row[at] in (None, "") for row in rows)
        for at in range(len(head))
    ]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    for number, line in enumerate([list(head), *shown]):
        cells = [
            text.rjust(width) if on_right else text.ljust(width)
            for text, width, on_right in zip(line, widths, right, strict=True)
        ]
        output.say("  ".join(cells).rstrip(), bold=not number)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}"
        case _:
            return str(value)
