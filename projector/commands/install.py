"""`projector install` and `projector uninstall`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from projector.commands.options import common, options_of
from projector.errors import UsageError

if TYPE_CHECKING:
    from projector.install.render import Host
    from projector.settings import Settings

#: Where systemd lets a unit of the system keep its state.
STATE: Final = "/var/lib/codex-projector"
RUNTIME: Final = "/run/codex-projector"

_user = click.option(
    "--user", is_flag=True, help="For the user's own systemd; else for that of the system."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")


@click.command()
@common
@_user
@click.option(
    "--as",
    "account",
    metavar="NAME",
    help="Whose rollouts they are, and as whom it runs. Default: who called sudo. Not with --user.",
)
@_dry_run
@click.pass_context
def install(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    user: bool,
    account: str | None,
    dry_run: bool,
) -> None:
    """Write and enable the systemd units of the daemon and of its health check."""
    from projector.install import host as hosts  # noqa: PLC0415 - see the package's docstring
    from projector.install.render import UNITS, render  # noqa: PLC0415

    if user and account:
        raise UsageError("--as: not with --user, which runs as you")
    found = _host(context, options_of(codex_home, database), _account(account, user=user))
    where = hosts.folder(user=user)
    units = {name: render(name, found) for name in UNITS}
    orders = hosts.commands("enable", user=user)
    if dry_run:
        for name, text in units.items():
            click.echo(f"# {where}/{name}\n{text}")
        click.echo("# then\n" + "\n".join(" ".join(order) for order in orders))
        return
    if user:  # for the system, systemd makes it
        Path(found.writable[0]).mkdir(mode=0o700, parents=True, exist_ok=True)
    for step in hosts.write(where, units):
        click.echo(step.text)
    _tell(orders, user=user)
    if user:
        click.echo("it runs while you are logged in; for always: loginctl enable-linger", err=True)


@click.command()
@_user
@_dry_run
def uninstall(*, user: bool, dry_run: bool) -> None:
    """Stop the daemon and take its systemd units away. The database stays."""
    from projector.install import host as hosts  # noqa: PLC0415 - see the package's docstring
    from projector.install.render import UNITS  # noqa: PLC0415

    where = hosts.folder(user=user)
    there = [name for name in UNITS if os.path.lexists(f"{where}/{name}")]
    if not there:
        click.echo(f"no units under {where}", err=True)
        return
    stop, again = hosts.commands("disable", user=user)
    if dry_run:
        click.echo(" ".join(stop))
        click.echo("\n".join(f"rm {where}/{name}" for name in there))
        click.echo(" ".join(again))
        return
    _tell([stop], user=user)
    for step in hosts.remove(where):
        click.echo(step.text)
    _tell([again], user=user)
    click.echo("the database stays where it is", err=True)


def _tell(orders: Sequence[Sequence[str]], *, user: bool) -> None:
    """Tell systemd; where none runs, say what to tell it."""
    from projector.install import host as hosts  # noqa: PLC0415 - see the package's docstring

    if hosts.running(user=user):
        for step in hosts.tell(orders):
            click.echo(step.text)
        return
    click.echo("systemd does not run here. Where it does, run:", err=True)
    for order in orders:
        click.echo("    " + " ".join(order), err=True)


def _account(named: str | None, *, user: bool) -> str:
    """Give the account that a unit of the system runs as; "" for a user's own."""
    if user:
        return ""
    name = named or os.environ.get("SUDO_USER", "")
    if not name or name == "root":
        raise UsageError(
            "whose rollouts are they", hint="Name the account: --as NAME; or your own: --user"
        )
    return name


def _home(account: str) -> str:
    import pwd  # noqa: PLC0415 - see the package's docstring

    try:
        return pwd.getpwnam(account).pw_dir
    except KeyError:
        raise UsageError(f"--as {account}: no such account here") from None


def _host(context: click.Context, options: dict[str, object], account: str) -> Host:
    """Find out what the units must know. What a file of settings says is left to that file."""
    from projector import config  # noqa: PLC0415 - see the package's docstring
    from projector.install import host as hosts  # noqa: PLC0415
    from projector.install.render import Host  # noqa: PLC0415

    now = dict(os.environ)
    kept: list[str] = ["XDG_CONFIG_HOME", "XDG_STATE_HOME"]
    alone = {name: now[name] for name in kept if name in now}
    if account:
        alone["STATE_DIRECTORY"] = STATE
        now = {"CODEX_HOME": f"{_home(account)}/.codex"} | now | {"STATE_DIRECTORY": STATE}
    file = context.obj or now.get("PROJECTOR_CONFIG")
    wanted = config.load(options, file=file, env=now)
    given = config.load({}, file=file, env=alone)
    environment = {}
    if wanted.codex_homes != given.codex_homes:
        environment["PROJECTOR_CODEX_HOMES"] = os.pathsep.join(wanted.codex_homes)
    # Where a user's manager keeps state differs between versions of systemd: always said.
    if not account or wanted.database != given.database:
        environment["PROJECTOR_DATABASE"] = wanted.database
    places = [str(Path(wanted.database_path).parent)]
    if wanted.serve.listen.startswith("unix:"):
        places.append(str(Path(wanted.serve.listen.removeprefix("unix:")).parent))
    if wanted.metrics.textfile:
        places.append(str(Path(wanted.metrics.textfile).absolute().parent))
    made = (STATE, RUNTIME) if account else ()
    return Host(
        command=[*_program(), *(["--config", os.path.abspath(file)] if file else [])],
        user=account,
        environment=environment,
        writable=[place for place in dict.fromkeys(places) if place not in made],
        network=_network(wanted),
        version=hosts.version(),
        namespaces=not account and hosts.running(user=True) and hosts.namespaces(),
    )


def _program() -> list[str]:
    """Give how this program is called: by its script, where it has one."""
    script = Path(sys.executable).with_name("projector")
    return [str(script)] if script.exists() else [sys.executable, "-m", "projector"]


def _network(settings: Settings) -> Literal["none", "loopback", "any"]:
    listen = settings.serve.listen
    if not listen or listen.startswith("unix:"):
        return "none"
    return "any" if settings.serve.allow_remote else "loopback"
