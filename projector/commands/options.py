"""Options that all commands have, and the settings that come of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from projector.settings import Settings
    from projector.store.reading import Connection

_Command = TypeVar("_Command", bound=Callable[..., Any])


def common(command: _Command) -> _Command:
    """Give a command the options that all of them have."""
    for option in (
        click.option(
            "--database",
            metavar="URL",
            help="sqlite:///path or postgresql://user@host/name. Default: a file under"
            " $XDG_STATE_HOME/codex-projector.",
        ),
        click.option(
            "--codex-home",
            metavar="DIR",
            multiple=True,
            help="Where Codex keeps its rollouts; may be repeated. Default: $CODEX_HOME, else"
            " ~/.codex.",
        ),
    ):
        command = option(command)
    return command


as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output."
)


def settings_of(
    context: click.Context, codex_home: tuple[str, ...], database: str | None
) -> Settings:
    """Load the settings; `context.obj` is the configuration file that was named, or None.

    Raises:
        UsageError: something in them is wrong.
    """
    from projector import config  # noqa: PLC0415 - see the package's docstring

    return config.load(options_of(codex_home, database), file=context.obj)


def reading(settings: Settings, source: str | None = None) -> Connection:
    """Open the database for reading; `source`: which one is asked about, if not the settings'.

    Raises:
        StoreMissing: there is none.
        StoreRefused: it is none of ours.
        StoreUnavailable: it cannot be read now.
    """
    from projector.store.open import open_to_read  # noqa: PLC0415 - see the package's docstring

    return open_to_read(settings.database, source=source or settings.source.name)


def options_of(codex_home: tuple[str, ...], database: str | None) -> dict[str, Any]:
    """Give the settings among the options that were given."""
    given: dict[str, Any] = {}
    if codex_home:
        given["codex_homes"] = codex_home
    if database is not None:
        given["database"] = database
    return given
