"""Print rows: a table for people, JSON, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from projector.commands import output

if TYPE_CHECKING:
    from projector.serve.history.looks import Style

Form = Literal["table", "json", "jsonl", "csv"]
_Command = TypeVar("_Command", bound=Callable[..., Any])
_Row = TypeVar("_Row")

#: Columns of numbers and amounts are aligned on the right.
_AMOUNT: Final = re.compile(r"(?:\$?-?[\d,.]+(?: [A-Z]{3})?)?")
_GAP: Final = "  "
#: Minimum width of a column of text; shorter ones, as times and ids, stay whole.
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

    Control characters, for which CSV has no escapes, are shown as `terminal_safe` does; bytes
    are hex, as in JSON; lists, objects, yes and no are JSON.
    """
    import orjson  # noqa: PLC0415 - not for a table

    from projector.model.terminal_safe import terminal_safe  # noqa: PLC0415 - not for JSON

    def text(cell: Any) -> Any:
        match cell:
            case str():
                return terminal_safe(cell)
            case bool():
                return "true" if cell else "false"
            case bytes():
                return cell.hex()
            case list() | tuple() | dict():
                return terminal_safe(orjson.dumps(cell, default=_json_text).decode())
            case _:
                return cell

    for cells in chain([columns], ([one.get(name) for name in columns] for one in documents)):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(map(text, cells))
        yield line.getvalue()


def say_rows(
    head: Sequence[str],
    rows: Iterable[tuple[_Row, Sequence[Any]]],
    *,
    style: Callable[[_Row], Style | None] = lambda _row: None,
    plain: bool = False,
    going: Sequence[str] = (),
    paths: Sequence[str] = (),
) -> int:
    """Print rows with their cells as a table under `head`; return their number.

    The first rows decide the widths. On a terminal a line fits it: texts are cut, numbers are not.
    `plain`: numbers are written as they are. `going`: columns that are left out, in this order,
    where a terminal is too narrow; `paths`: columns that are cut at their start.
    """
    from projector.model.terminal_safe import one_line  # noqa: PLC0415 - only for people
    from projector.serve.history.looks import cells, fitting  # noqa: PLC0415
    from projector.serve.history.table import end  # noqa: PLC0415

    def texts(values: Sequence[Any]) -> list[str]:
        return [one_line(_text(value, plain=plain)) for value in values]

    every = iter(rows)
    first = list(islice(every, _ALIGNED))
    if not first:
        return 0
    right = [all(_is_number(values[at]) for _, values in first) for at in range(len(head))]
    columns = zip(head, *(texts(values) for _, values in first), strict=True)
    widths = [max(map(cells, column)) for column in columns]
    kept = _kept(head, widths, right, going, output.width())
    widths = _fitted([widths[at] for at in kept], [right[at] for at in kept], output.width())
    cut = [end if head[at] in paths else fitting for at in kept]

    def line(values: Sequence[str]) -> str:
        made = []
        for at, width, shorten in zip(kept, widths, cut, strict=True):
            shown = shorten(values[at], width)
            gap = " " * (width - cells(shown))
            made.append(gap + shown if right[at] else shown + gap)
        return _GAP.join(made).rstrip()

    output.say(line(head), style="heading")
    number = 0
    for row, values in chain(first, every):
        number += 1
        output.say(line(texts(values)), style=style(row))
    return number


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return _AMOUNT.fullmatch(value) is not None
    return value is None or isinstance(value, int | float)


def _kept(
    head: Sequence[str],
    widths: Sequence[int],
    right: Sequence[bool],
    going: Sequence[str],
    room: int | None,
) -> list[int]:
    """Return which columns are shown in `room`: all, or those without some of `going`."""
    kept = [at for at, name in enumerate(head) if room is None or name or widths[at]]
    for name in going:
        least = (widths[at] if right[at] else min(widths[at], _LEAST_TEXT) for at in kept)
        if room is None or sum(least) + len(_GAP) * (len(kept) - 1) <= room:
            break
        kept = [at for at in kept if head[at] != name]
    return kept


def _fitted(widths: list[int], right: Sequence[bool], room: int | None) -> list[int]:
    """Return the widths of columns that fit `room`: the widest text gives way first."""
    if room is None:
        return widths
    room -= len(_GAP) * (len(widths) - 1)
    while (over := sum(widths) - room) > 0:
        texts = [at for at, is_right in enumerate(right) if not is_right]
        widest = max(texts, key=lambda at: widths[at], default=None)
        if widest is None or widths[widest] <= _LEAST_TEXT:
            break
        others = max((widths[at] for at in texts if at != widest), default=0)
        widths[widest] = max(widths[widest] - over, min(others, widths[widest] - 1), _LEAST_TEXT)
    return widths


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
