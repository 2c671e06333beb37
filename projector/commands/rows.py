"""Print rows: a table for people, JSON, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from projector.commands import output

if TYPE_CHECKING:
    from projector.serve.history.looks import Style

if TYPE_CHECKING:
    from projector.serve.history.looks import Style

Form = Literal["table", "json", "jsonl", "csv"]
_Command = TypeVar("_Command", bound=Callable[..., Any])
_Row = TypeVar("_Row")

#: Columns of numbers are aligned on the right.
_NUMBERS: Final = (int, float)
_GAP: Final = "  "
#: Minimum width of the last column, the text: the others give way first.
_LEAST_TEXT: Final = 16
#: Rows of a table are aligned together up to this number; the widths then stay.
_ALIGNED: Final = 1000


def as_rows(command: _Command) -> _Command:
    """Add `--output` and `--json` to a command that lists rows."""
    return click.option(
        "--output",
        "form",
        type=click.Choice(["table", "json", "jsonl", "csv"]),
        default="table",
        show_default=True,
        help="Form of the rows. --json is --output json.",
    )(
        click.option(
            "--json", "form", flag_value="json", help="Print one JSON document.", hidden=False
        )(command)
    )


def write_rows(documents: Iterable[Mapping[str, Any]], form: Form, columns: Sequence[str]) -> None:
    """Print documents one by one as JSON, JSON lines or CSV with these columns."""
    import orjson  # noqa: PLC0415 - not for a table

    def dumped(one: Mapping[str, Any]) -> bytes:
        return orjson.dumps(one, default=_json_text)

    match form:
        case "jsonl":
            output.write_json(dumped(one) + b"\n" for one in documents)
        case "csv":
            output.write_rendered(_csv(documents, columns))
        case _:
            output.write_json(_array(map(dumped, documents)))


def _json_text(value: Any) -> str:
    """Return a value that JSON has no form for: bytes in hex, others as text."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _array(values: Iterable[bytes]) -> Iterator[bytes]:
    before = b"["
    for value in values:
        yield before + value
        before = b","
    yield b"[]\n" if before == b"[" else b"]\n"


def _csv(documents: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    """Yield lines of CSV (RFC 4180), with a heading; None is empty.

    Control characters, for which CSV has no escapes, are shown as `terminal_safe` does.
    """
    from projector.model.terminal_safe import terminal_safe  # noqa: PLC0415 - not for JSON

    for cells in chain([columns], ([one.get(name) for name in columns] for one in documents)):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(
            terminal_safe(cell) if isinstance(cell, str) else cell for cell in cells
        )
        yield line.getvalue()


def say_rows(
    head: Sequence[str],
    rows: Iterable[tuple[_Row, Sequence[Any]]],
    *,
    style: Callable[[_Row], Style | None] = lambda _row: None,
    plain: bool = False,
) -> int:
    """Print rows with their cells as a table under `head`; return their number.

    The first rows decide the widths. On a terminal a line fits it: of the last column, the text, as
    much is shown as there is room for. `plain`: numbers are written as they are.
    """
    from projector.model.terminal_safe import one_line  # noqa: PLC0415 - only for people
    from projector.serve.history.looks import cells, fitting  # noqa: PLC0415

    def texts(values: Sequence[Any]) -> list[str]:
        return [one_line(_text(value, plain=plain)) for value in values]

    every = iter(rows)
    first = list(islice(every, _ALIGNED))
    if not first:
        return 0
    right = [
        all(isinstance(values[at], _NUMBERS) or values[at] in (None, "") for _, values in first)
        for at in range(len(head))
    ]
    columns = zip(head, *(texts(values) for _, values in first), strict=True)
    widths = [max(map(cells, column)) for column in columns]
    terminal = output.width()
    if terminal is not None:
        before = sum(widths[:-1]) + len(_GAP) * (len(head) - 1)
        room = max(terminal - before, _LEAST_TEXT)
        widths[-1] = min(widths[-1], room)

    def line(values: Sequence[str]) -> str:
        made = []
        for text, width, on_right in zip(values, widths, right, strict=True):
            shown = fitting(text, width)
            gap = " " * (width - cells(shown))
            made.append(gap + shown if on_right else shown + gap)
        return _GAP.join(made).rstrip()

    output.say(line(head), style="heading")
    number = 0
    for row, values in chain(first, every):
        number += 1
        output.say(line(texts(values)), style=style(row))
    return number


def _text(value: Any, *, plain: bool) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() if not plain:
            return f"{value:,}"
        case float() if not plain:
            return f"{value:,.2f}"
        case bytes():
            return value.hex()
        case _:
            return str(value)
