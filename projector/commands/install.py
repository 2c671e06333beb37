"""`projector install` and `projector uninstall`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from projector.commands import output
from projector.commands.options import common, options_of
from projector.model.errors import UsageError

if TYPE_CHECKING:
    from projector.install.render import Host
    from projector.model.settings import Settings

#: Where systemd lets a unit of the system keep its state.
STATE: Final = "/var/lib/codex-projector"
RUNTIME: Final = "/run/codex-projector"
#: Where systemd finds the secrets that it hands to units of the system.
CREDENTIALS: Final = "/etc/credstore"
#: Variables that go into the units in a way of their own.
_TOLD_OTHERWISE: Final = ("PROJECTOR_CONFIG", "PROJECTOR_CODEX_HOMES", "PROJECTOR_DATABASE")
_DATABASE_FILE: Final = "PROJECTOR_DATABASE_FILE"

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
    account = _account(account, user=user)
    file = context.obj or os.environ.get("PROJECTOR_CONFIG")
    settings, told = _settled(options_of(codex_home, database), file, account)
    found = _host(settings, told, file, account)
    where = hosts.folder(user=user)
    units = {name: render(name, found) for name in UNITS}
    orders = hosts.commands("enable", user=user)
    if dry_run:
        for name, text in units.items():
            output.say(f"# {where}/{name}\n{text}")
        output.say("# then\n" + "\n".join(" ".join(order) for order in orders))
        return
    if user and settings.database_path:  # for the system, systemd makes it
        Path(settings.database_path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user:  # what is put into it later is seen by a unit only if it is there at its start
        Path(hosts.settings_folder()).mkdir(parents=True, exist_ok=True)
    for step in hosts.write(where, units):
        output.say(step.text)
    _tell(orders, user=user)
    if settings.database_path and settings.database != _elsewhere(file):
        output.tell(f"status and the other commands want --database {settings.database}")
    if user and not hosts.lingers():
        output.tell(
            "it runs while you are logged in; for always: sudo loginctl enable-linger $USER"
        )


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
        output.tell(f"no units under {where}")
        return
    stop, again = hosts.commands("disable", user=user)
    if dry_run:
        output.say(" ".join(stop))
        output.say("\n".join(f"rm {where}/{name}" for name in there))
        output.say(" ".join(again))
        return
    _tell([stop], user=user)
    for step in hosts.remove(where):
        output.say(step.text)
    _tell([again], user=user)
    output.tell("the database stays where it is")


def _tell(orders: Sequence[Sequence[str]], *, user: bool) -> None:
    """Tell systemd; where none runs, say what to tell it."""
    from projector.install import host as hosts  # noqa: PLC0415 - see the package's docstring

    if hosts.running(user=user):
        for step in hosts.tell(orders):
            output.say(step.text)
        return
    output.tell("systemd does not run here. Where it does, run:")
    for order in orders:
        output.tell("    " + " ".join(order))


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


def _settled(
    options: Mapping[str, object], file: str | None, account: str
) -> tuple[Settings, dict[str, str]]:
    """Find out what the daemon is to be told, and what of that its unit must tell it.

    That is what options and variables say here; what a file of settings says is left to it.

    Raises:
        UsageError: they are wrong, or a password would stand in the unit.
    """
    from projector.commands import load_settings as config  # noqa: PLC0415 - see the package's docstring
    from projector.model.database_url import secrets  # noqa: PLC0415

    now = dict(os.environ)
    alone: dict[str, str] = {
        name: now[name] for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME") if name in now
    }
    # Where a user's manager keeps state differs between versions of systemd: always said.
    alone["STATE_DIRECTORY"] = STATE if account else os.devnull
    if account:
        now = {"CODEX_HOME": f"{_home(account)}/.codex"} | now | {"STATE_DIRECTORY": STATE}
        if os.access(CREDENTIALS, os.X_OK):  # not so in a dry run without privileges
            now["CREDENTIALS_DIRECTORY"] = alone["CREDENTIALS_DIRECTORY"] = CREDENTIALS
    wanted = config.load(options, file=file, env=now)
    given = config.load({}, file=file, env=alone)
    told = {
        name: value
        for name, value in sorted(now.items())
        if name.startswith(config.ENV_PREFIX) and name not in _TOLD_OTHERWISE
    }
    if wanted.codex_homes != given.codex_homes:
        told["PROJECTOR_CODEX_HOMES"] = os.pathsep.join(wanted.codex_homes)
    if _DATABASE_FILE in told and "database" not in options:
        told[_DATABASE_FILE] = os.path.abspath(told[_DATABASE_FILE])
    elif wanted.database != given.database:
        told.pop(_DATABASE_FILE, None)
        told["PROJECTOR_DATABASE"] = wanted.database
        if secrets(wanted.database):
            raise UsageError(
                "the database's password would stand in the unit, which all can read",
                hint=f"Put the address into {CREDENTIALS}/{config.CREDENTIAL}"
                if account
                else "Put the address into a file of your own, and name that: database_file",
            )
    return wanted, told


def _host(
    settings: Settings, environment: Mapping[str, str], file: str | None, account: str
) -> Host:
    """Find out what the units must know."""
    from projector.install import host as hosts  # noqa: PLC0415 - see the package's docstring
    from projector.install.reach import addresses, network  # noqa: PLC0415
    from projector.install.render import Host  # noqa: PLC0415

    made = (STATE, RUNTIME) if account else ()
    places = dict.fromkeys(place for place in _places(settings) if place not in made)
    return Host(
        command=[*_program(), *(["--config", os.path.abspath(file)] if file else [])],
        user=account,
        environment=environment,
        writable=list(places),
        readable=_readable(settings, environment, file, account),
        network=network(settings),
        addresses=addresses(settings),
        version=hosts.version(),
        namespaces=not account and hosts.running(user=True) and hosts.namespaces(),
    )


def _elsewhere(file: str | None) -> str:
    """Give the database that a command looks at which is told nothing of one."""
    from projector.commands import load_settings as config  # noqa: PLC0415 - see the package's docstring

    return config.load({}, file=file).database


def _places(settings: Settings) -> Iterator[str]:
    """Give the folders that the daemon writes in."""
    if settings.database_path:
        yield os.path.dirname(settings.database_path)
    if settings.serve.listen.startswith("unix:"):
        yield os.path.dirname(settings.serve.listen.removeprefix("unix:"))
    if settings.metrics.textfile:
        yield os.path.dirname(os.path.abspath(settings.metrics.textfile))


def _readable(
    settings: Settings, environment: Mapping[str, str], file: str | None, account: str
) -> list[str]:
    """Return what the daemon reads under /home; empty while one of its homes is missing.

    A unit that is started before a folder is made never sees it, nor where a link leads out of it.
    """
    from projector.discover.scan import ARCHIVED, SESSIONS  # noqa: PLC0415 - as above
    from projector.install import host as hosts  # noqa: PLC0415
    from projector.install.render import hidden  # noqa: PLC0415

    homes = [os.path.abspath(home) for home in settings.codex_homes]
    if not all(os.path.isdir(home) for home in homes):
        return []
    own = _home(account) if account else os.path.expanduser("~")
    package = Path(__file__).resolve().parents[2]
    wanted = [
        *homes,
        *(f"{home}/{name}" for home in homes for name in (SESSIONS, ARCHIVED)),
        sys.prefix,
        sys.base_prefix,
        str(package),
        *_links(sys.executable),
        os.path.abspath(file) if file else hosts.settings_folder(own if account else ""),
        *filter(None, (settings.database_file, environment.get(_DATABASE_FILE))),
    ]
    if not settings.database_path:  # what libpq reads of its user's
        wanted += [f"{own}/{name}" for name in (".postgresql", ".pgpass", ".pg_service.conf")]
    found: list[str] = []
    for path in dict.fromkeys(one for each in wanted for one in (each, os.path.realpath(each))):
        inside = any(path == one or path.startswith(f"{one}/") for one in found)
        if hidden(path) and not inside:
            found.append(path)
    return found or homes


def _links(path: str) -> Iterator[str]:
    """Yield the folders that a chain of links leads through."""
    while os.path.islink(path):
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        yield os.path.dirname(path)


def _program() -> list[str]:
    """Give how this program is called: by its script, where it has one."""
    script = Path(sys.executable).with_name("projector")
    return [str(script)] if script.exists() else [sys.executable, "-m", "projector"]
