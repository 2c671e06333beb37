"""Command line: commands, options, exit codes.

Every command imports what it needs when it runs: `projector health` is called every minute by
monitoring systems, and unneeded imports would take most of its time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from projector import __version__
from projector.commands import output
from projector.commands.options import as_json as _json
from projector.commands.options import common as _common
from projector.commands.options import inherit as _inherit
from projector.commands.options import reading as _reading
from projector.commands.options import settings_of as _settings
from projector.model.errors import AlreadyRunning, ProjectorError, UsageError

if TYPE_CHECKING:
    from projector.model.settings import Settings
    from projector.run.prefetch import Prefetcher
    from projector.run.progress import Summary
    from projector.serve.health.snapshot import Facts

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
    "search": "search",
    "show": "show",
    "sql": "sql",
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
        return found

    def every(self) -> dict[str, click.Command]:
        """Return all commands by name."""
        context = click.Context(self, info_name="projector")
        found = {name: self.get_command(context, name) for name in self.list_commands(context)}
        return {name: command for name, command in found.items() if command is not None}


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@_common
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the versions of program, schema and SQLite.",
)
@click.pass_context
def app(context: click.Context, codex_home: tuple[str, ...], database: str | None) -> None:
    """Project Codex's conversations into SQL.

    Follows the rollouts under CODEX_HOME and stores their content as rows in a database. Options
    may stand before or after the command.
    """
    given: dict[str, Any] = {"codex_home": codex_home, "database": database}
    _inherit(context, **{name: value for name, value in given.items() if value})


@app.command("run")
@_common
@click.pass_context
def run_(context: click.Context, codex_home: tuple[str, ...], database: str | None) -> None:
    """Run the daemon: catch up, then follow all changes until SIGTERM or SIGINT."""
    import asyncio  # noqa: PLC0415 - see the module's docstring

    from projector.logs import events as log  # noqa: PLC0415
    from projector.run.collector import settle  # noqa: PLC0415
    from projector.run.daemon import follow  # noqa: PLC0415
    from projector.run.systemd import Watchdog  # noqa: PLC0415
    from projector.serve.telemetry.server import TelemetryServer  # noqa: PLC0415
    from projector.store.open import closed_store  # noqa: PLC0415

    settings = _settings(context, codex_home, database)
    settle()
    log.configure(settings.log.level, settings.log.format)
    pulse = Watchdog()
    pulse()

    async def serve() -> None:
        store = closed_store(
            settings.database,
            source=settings.source.name,
            busy_timeout_s=settings.store.busy_timeout_s,
            on_progress=pulse,
        )
        answered = True
        try:
            answered = await follow(
                store,
                settings,
                load=lambda: _settings(context, codex_home, database),
                pulse=pulse,
                audience=TelemetryServer(_reading),
                opening=store.reopen,
            )
        finally:
            await store.close()
        if not answered:
            # Threads that wait for the silent server cannot be ended; exiting would wait for them.
            sys.stderr.flush()
            os._exit(0)

    asyncio.run(serve())


@app.command()
@click.argument("path", nargs=-1)
@_common
@click.option(
    "--sample",
    is_flag=True,
    help="For a first look: if there are no rollouts, project the sample that comes"
    " with this program.",
)
@_json
@click.pass_context
def backfill(
    context: click.Context,
    path: tuple[str, ...],
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    sample: bool,
    as_json: bool,
) -> int:
    """Project all existing rollouts once, or only some files, folders or thread ids."""
    settings = _settings(context, codex_home, database)
    if sample and not path and not _any_rollout(settings.codex_homes):
        homes = ", ".join(settings.codex_homes)
        output.tell(f"no rollouts under {homes}: projecting the sample")
        settings = _settings(context, (f"{os.path.dirname(__file__)}/sample",), database)

    from projector.run.prefetch import Prefetcher  # noqa: PLC0415 - see the module's docstring

    ahead = Prefetcher.start(settings)  # before the shared imports: both import at once
    try:
        summary = _project(settings, path, ahead, silent=as_json)
    finally:
        if ahead is not None:
            ahead.close()
    for fault in summary.faults:
        output.tell(f"projector: {fault}")
    if as_json:
        output.write_document(_summary_document(summary))
    else:
        output.say(summary.line())
    if not (summary.rollouts or summary.faults or path or as_json):
        output.tell(
            f"projector: no rollouts under {', '.join(settings.codex_homes)}. Name Codex's home:"
            " --codex-home DIR; or take a first look: projector backfill --sample"
        )
    return FAILED if summary.faults or summary.unreadable else 0


def _project(
    settings: Settings, selection: Sequence[str], ahead: Prefetcher | None, *, silent: bool
) -> Summary:
    import asyncio  # noqa: PLC0415 - see the module's docstring

    from projector.logs import events as log  # noqa: PLC0415
    from projector.run import progress  # noqa: PLC0415
    from projector.run.backfill import backfill as project  # noqa: PLC0415
    from projector.run.collector import settle  # noqa: PLC0415
    from projector.store.open import open_store  # noqa: PLC0415

    settle()
    log.configure(settings.log.level, settings.log.format, told=log.ONE_SHOT)
    talk = progress.choose(silent=silent)

    async def once() -> Summary:
        store = await open_store(
            settings.database,
            source=settings.source.name,
            busy_timeout_s=settings.store.busy_timeout_s,
        )
        try:
            return await project(store, settings, selection=selection, progress=talk, ahead=ahead)
        finally:
            talk.finish()
            await store.close()

    return asyncio.run(once())


@app.command()
@_common
@click.option("--rollouts", is_flag=True, help="Show each rollout too.")
@_json
@click.pass_context
def status(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    rollouts: bool,
    as_json: bool,
) -> None:
    """Show what is projected, and how far behind the files it is."""
    from projector.model.redaction import redact, redact_document  # noqa: PLC0415 - see the docstring
    from projector.serve.health import status as shown  # noqa: PLC0415 - see the module's docstring

    facts = _facts(_settings(context, codex_home, database), rollouts=rollouts)
    if as_json:
        output.write_document(redact_document(shown.document(facts, rollouts=rollouts)))
    else:
        output.say(redact(shown.text(facts, rollouts=rollouts)))


def _facts(settings: Settings, *, rollouts: bool = False) -> Facts:
    from projector.serve.health.collect import collect  # noqa: PLC0415 - see the module's docstring

    with _reading(settings) as db:
        now_ms = time.time_ns() // 1_000_000
        return collect(db, settings.codex_homes, now_ms, rollouts=rollouts, codex=True)


def _any_rollout(homes: Sequence[str]) -> bool:
    from projector.discover.scan import Fault, walk  # noqa: PLC0415 - see the module's docstring

    return any(not isinstance(found, Fault) for home in homes for found in walk(home))


def _summary_document(summary: Summary) -> dict[str, Any]:
    return {name: getattr(summary, name) for name in type(summary).__dataclass_fields__}
