"""An option whose value is a variable that a script has not set."""

from __future__ import annotations

import click
import pytest

from projector import cli

OPTIONS = [
    (name, option.opts[0])
    for name, command in cli.app.every().items()
    for option in command.params
    if isinstance(option, click.Option)
    and option.nargs == 1
    and option.type.name == "text"
    and not option.is_flag
    and option.default != ""
]


def test_there_are_such_options() -> None:
    assert {("threads", "--cwd"), ("sql", "--into"), ("run", "--database")} <= {*OPTIONS}


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_empty_text_is_refused(
    name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else `--cwd "$PLACE"` would list nothing, or everything."""
    assert cli.run([name, option, ""]) == cli.USAGE
    assert capsys.readouterr().err.endswith(f"is empty. See: projector {name} --help\n")


def test_so_is_one_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--database", "", "threads"]) == cli.USAGE
    assert "'--database': is empty" in capsys.readouterr().err
