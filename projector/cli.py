"""Command line: commands, options, exit codes.

Every command imports what it needs when it runs: `projector health` is called every minute by
monitoring systems, and unneeded imports would take most of its time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from projector import __version__
from projector.commands import output
from projector.commands.groups import GROUPS, epilog
from projector.commands.options import common as _common
from projector.commands.options import inherit as _inherit
from projector.commands.options import refuse_empty as _refuse_empty
from projector.model.errors import AlreadyRunning, ProjectorError, UsageError

FAILED: Final = 1
USAGE: Final = 2
HELD: Final = 3
UNKNOWN: Final = 3
INTERRUPTED: Final = 130
"""As shells report a program ended by SIGINT."""
BROKEN_PIPE: Final = 141
"""As shells report a program ended by SIGPIPE."""

EPILOG: Final = (
    "Exit codes: 0 done, 1 could not be done (backfill: a rollout could not be read at all), 2 bad"
    " usage, 3 another daemon has the database. health: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."
)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code. No traceback for errors that a user can cause."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for good
    if _may_hold_a_password(arguments):
        from projector.commands.argv_redaction import redact_argv  # noqa: PLC0415 - see `_said`

        redact_argv(arguments)
    out = sys.stdout
    try:
        code = app.main(list(arguments), prog_name="projector", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as help_:
        output.tell(help_.format_message())
        return USAGE
    except (BrokenPipeError, SystemExit) as error:
        # The reader of our output closed the pipe. Click turns this into SystemExit, and replaces
        # our stream.
        if isinstance(error, SystemExit) and sys.stdout is out:
            raise
        output.close_quietly()
        return BROKEN_PIPE
    except output.Unwritable as error:
        output.close_quietly()
        output.tell(f"projector: standard output: {error}")
        return FAILED
    except (click.ClickException, click.Abort, KeyboardInterrupt, ProjectorError, OSError) as error:
        message, failed = _explained(error)
        output.tell(f"projector: {_said(message, arguments)}")
        return failed
    return code if isinstance(code, int) else 0


def _may_hold_a_password(arguments: Sequence[str]) -> bool:
    """Return True if an argument may contain a password: most command lines have none."""
    return any("@" in one or "=" in one or "://" in one or "--database" in one for one in arguments)


def _said(message: str, arguments: Sequence[str]) -> str:
    """Return a message without secrets."""
    from projector.model.redaction import redact  # noqa: PLC0415 - only where something went wrong

    if _may_hold_a_password(arguments):
        from projector.commands.argv_redaction import redacted_message  # noqa: PLC0415 - same

        message = redacted_message(message, arguments)
    return redact(message)


def _explained(error: BaseException) -> tuple[str, int]:
    """Return the line shown to people, and the exit code."""
    match error:
        case click.ClickException():
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "projector"
            message = error.format_message()
            stop = "" if message.endswith(("?", ".")) else "."
            return f"{message}{stop} See: {command} --help", USAGE
        case UsageError():
            return str(error), USAGE
        case AlreadyRunning():
            return str(error), HELD
        case ProjectorError():
            return str(error), FAILED
        case OSError():
            return f"{error.filename or 'system'}: {error.strerror or error}", FAILED
        case _:
            return "interrupted; committed rows stay, the next run continues there", INTERRUPTED


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click passes it so
    if not wanted or context.resilient_parsing:
        return
    import sqlite3  # noqa: PLC0415 - only here

    from projector.store.migrations import migrations  # noqa: PLC0415 - same

    output.say(
        f"projector {__version__}, schema {len(migrations('sqlite'))},"
        f" SQLite {sqlite3.sqlite_version}"
    )
    context.exit()


#: Commands and their modules in `projector.commands`, imported when called.
LAZY: Final = {
    "backfill": "backfill",
    "commands": "activity",
    "completion": "completion",
    "config": "config",
    "copy": "copy",
    "cost": "cost",
    "doctor": "doctor",
    "events": "events",
    "files": "activity",
    "health": "health",
    "help": "help",
    "install": "install",
    "limits": "limits",
    "mcp": "mcp",
    "prompts": "activity",
    "purge": "purge",
    "rebuild": "rebuild",
    "run": "run",
    "search": "search",
    "show": "show",
    "sql": "sql",
    "status": "status",
    "tail": "tail",
    "threads": "threads",
    "uninstall": "install",
    "verify": "verify",
    "web": "web",
}


class Commands(click.Group):
    """The commands of this module and those of `LAZY`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *LAZY})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command that was called."""
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module  # noqa: PLC0415 - see the module's docstring

        module = import_module(f"projector.commands.{LAZY[cmd_name]}")
        found = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        assert isinstance(found, click.Command)
        found.epilog = found.epilog or epilog(cmd_name)
        return _refuse_empty(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; suggest one for a typo."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=LAZY, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the commands in groups, a line each; none is imported."""
        for group, lines in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([*lines.items()])

    def every(self) -> dict[str, click.Command]:
        """Return all commands by name."""
        context = click.Context(self, info_name="projector")
        found = {name: self.get_command(context, name) for name in self.list_commands(context)}
        return {name: command for name, command in found.items() if command is not None}


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@_common
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the versions of program, schema and SQLite.",
)
@click.pass_context
def app(context: click.Context, codex_home: tuple[str, ...], database: str | None) -> None:
    """Project Codex's conversations into SQL, and look at them.

    Follows the rollouts under CODEX_HOME and stores their content as rows in a database. Begin with
    `projector backfill`, then `projector threads`. Options may stand before or after the command.
    """
    given: dict[str, Any] = {"codex_home": codex_home, "database": database}
    _inherit(context, **{name: value for name, value in given.items() if value})


_refuse_empty(app)
