"""A projector with a fault: `python -m tests.live.faulty FAULT run ...`.

The fault stands where lines become changes of rows (`projector.reduce.protocol`), so that the
whole program runs around it as it is. It proves that the live comparison can fail.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from projector.__main__ import main
from projector.model.changes import Change, ItemRow, TurnRow
from projector.model.ids import Line
from projector.reduce.paginated import PaginatedReducer

_take: Final = PaginatedReducer.apply


def _mapping(reducer: PaginatedReducer, lines: Sequence[Line]) -> list[Change]:
    """Show each command's end under another name."""
    return [
        change._replace(json=_text(change.json).replace('"exitCode"', '"exit_code"'))
        if isinstance(change, ItemRow)
        else change
        for change in _take(reducer, lines)
    ]


def _text(json: str | bytes) -> str:
    return json if isinstance(json, str) else json.decode()


def _line(reducer: PaginatedReducer, lines: Sequence[Line]) -> list[Change]:
    """Lose the lines that hold a command."""
    return _take(reducer, [line for line in lines if b'"CommandExecution"' not in line.data])


def _turn(reducer: PaginatedReducer, lines: Sequence[Line]) -> list[Change]:
    """Lose the ends of turns."""
    return [
        change
        for change in _take(reducer, lines)
        if not (isinstance(change, TurnRow) and change.status == "completed")
    ]


FAULTS: Final[Mapping[str, Callable[[PaginatedReducer, Sequence[Line]], list[Change]]]] = {
    "a changed mapping": _mapping,
    "a lost line": _line,
    "a lost row": _turn,
}


if __name__ == "__main__":
    # A class is given another method on purpose.
    PaginatedReducer.apply = FAULTS[sys.argv.pop(1)]  # type: ignore[assignment, method-assign]
    main()
