"""Options common to all commands, and the settings that result from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from projector.model.errors import UsageError

if TYPE_CHECKING:
    from projector.model.settings import Settings
    from projector.store.reading import Connection

_Command = TypeVar("_Command", bound=Callable[..., Any])


#: No list is as long, and SQLite, `islice` and a server take it as a number.
_MOST = 10**9
#: What poll takes, in milliseconds, and more than anybody waits.
_LONGEST_S = 86_400.0


class Count(click.IntRange):
    """A number of rows; a greater one than any list has is as good as the greatest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        return min(int(super().convert(value, param, ctx)), _MOST)


class Seconds(click.FloatRange):
    """A time to wait, more than 0; more than a day is a day."""

    def __init__(self) -> None:
        """Make it."""
        super().__init__(min=0, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        seconds = float(super().convert(value, param, ctx))
        if seconds != seconds:  # noqa: PLR0124 - NaN is in no range, and outside of none
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return min(seconds, _LONGEST_S)


class Text(click.types.StringParamType):
    """A text that says something: an empty one is a variable of a script that is not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        if value == "":
            self.fail("is empty", param, ctx)
        return str(super().convert(value, param, ctx))


def refuse_empty(command: click.Command) -> click.Command:
    """Let no option of a command that takes a text take an empty one."""
    for option in command.params:
        if not isinstance(option, click.Option) or option.is_flag or option.nargs != 1:
            continue
        if option.type is click.STRING and option.default != "":
            option.type = Text()
    return command


def common(command: _Command) -> _Command:
    """Add the common options to a command."""
    return codex_home(database(settings_file(command)))


codex_home = click.option(
    "--codex-home",
    metavar="DIR",
    multiple=True,
    help="Codex home directory; may be repeated. Default: $CODEX_HOME, else ~/.codex.",
)

database = click.option(
    "--database",
    metavar="URL",
    help="A file's path, sqlite:///path or postgresql://user@host/name. Default: a file under"
    " $XDG_STATE_HOME/codex-projector.",
)


def _choose_file(context: click.Context, _parameter: click.Parameter, file: str | None) -> None:
    if file is not None:
        context.obj = file


settings_file = click.option(
    "--config",
    metavar="FILE",
    expose_value=False,
    callback=_choose_file,
    help="Configuration file (TOML). Default: $PROJECTOR_CONFIG, else"
    " $XDG_CONFIG_HOME/codex-projector/config.toml, else"
    " /etc/codex-projector/config.toml.",
)


def inherit(context: click.Context, **given: Any) -> None:
    """Make options before the command the defaults of those after it.

    Raises:
        UsageError: the command has no such option.
    """
    name = context.invoked_subcommand
    group = context.command
    if name is None or not isinstance(group, click.Group):
        return
    command = group.get_command(context, name)
    known = {one.name for one in command.params} if command is not None else set(given)
    for option in given:
        if option not in known:
            raise UsageError(f"--{option.replace('_', '-')}: {name} has no such option")
    context.default_map = {name: given}


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def settings_of(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    called: str = "--database",
) -> Settings:
    """Load the settings; `context.obj` is the configuration file named, or None.

    `called`: the option that names the database.

    Raises:
        UsageError: something in them is wrong.
    """
    from projector.commands import load_settings as config  # noqa: PLC0415 - see the package's docstring

    return config.load(
        options_of(codex_home, database), file=context.obj, called={"database": called}
    )


def reading(settings: Settings, source: str | None = None) -> Connection:
    """Open the database for reading; `source`: the source to read, if not the settings'.

    Raises:
        StoreMissing: it does not exist.
        StoreRefused: it is not one of ours.
        StoreUnavailable: it cannot be read now.
    """
    from projector.store.open import open_to_read  # noqa: PLC0415 - see the package's docstring

    return open_to_read(settings.database, source=source or settings.source.name)


def options_of(codex_home: tuple[str, ...], database: str | None) -> dict[str, Any]:
    """Return the settings among the options that were given."""
    given: dict[str, Any] = {}
    if codex_home:
        given["codex_homes"] = codex_home
    if database is not None:
        given["database"] = database
    return given


def check_source(source: str | None, settings: Settings) -> None:
    """Raise if `--source` names one of several sources, and the database is a file.

    Raises:
        UsageError: it does.
    """
    from projector.model.database_url import is_postgres  # noqa: PLC0415 - see the package

    if source is not None and not is_postgres(settings.database):
        raise UsageError(f"--source {source}: a file has one only; leave it out")
