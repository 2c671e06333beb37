"""What people see: captures of commands on a terminal, to be read. `tests/support/terminal.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from projector import cli
from projector.serve.history.looks import cells
from tests.support import terminal


@pytest.fixture(scope="module")
def database() -> Iterator[Path]:
    with terminal.stage() as found:
        yield found


def test_every_command_is_captured() -> None:
    captured = {words[0] for some in terminal.COMMANDS.values() for words in some}

    assert set(cli.app.every()) - captured == set(terminal.OTHERS)


@pytest.mark.parametrize("name", terminal.COMMANDS)
def test_the_screen_is_as_captured(database: Path, name: str) -> None:
    """Else look at what changed: python -m tests.support.terminal, git diff."""
    kept = (terminal.GOLDEN / f"{name}.txt").read_text("utf-8")

    assert terminal.captures(database, name) == kept


EVERY = [
    pytest.param(words, id=" ".join(words)) for some in terminal.COMMANDS.values() for words in some
]


@pytest.mark.parametrize("arguments", EVERY)
def test_colours_change_nothing_but_colours(database: Path, arguments: list[str]) -> None:
    for columns in (80, 120):
        painted = terminal.screen(database, arguments, columns, colour=True)

        plain = terminal.screen(database, arguments, columns, colour=False)
        assert _words(terminal.plain(painted)) == _words(plain)


def _words(shown: str) -> str:
    """Return what is shown without blanks, line ends, and the marks in place of colours."""
    return re.sub(r"[\s\[\]]", "", shown)


#: Tables and lists, which fit whatever the width; messages are broken by the terminal.
FITTING = ["threads", "commands", "files", "prompts", "cost", "tail"]


@pytest.mark.parametrize("columns", [60, 80, 120, 400])
@pytest.mark.parametrize("name", FITTING)
def test_tables_fit(database: Path, name: str, columns: int) -> None:
    for arguments in terminal.COMMANDS[name]:
        shown = terminal.screen(database, arguments, columns, colour=False)
        lines = [line for line in shown.splitlines() if "not your bill" not in line]

        assert max(map(cells, lines)) <= columns


@pytest.mark.parametrize("columns", [1, 10, 20, 10_000])
@pytest.mark.parametrize("arguments", EVERY)
def test_no_width_stops_a_command(database: Path, arguments: list[str], columns: int) -> None:
    shown = terminal.screen(database, arguments, columns, colour=True)

    assert shown
    assert "Traceback" not in shown
