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

#: Folder in which systemd keeps the state of system units.
STATE: Final = "/var/lib/codex-projector"
RUNTIME: Final = "/run/codex-projector"
#: Folder of the secrets that systemd passes to system units.
CREDENTIALS: Final = "/etc/credstore"
#: Variables that are written to the units separately.
_TOLD_OTHERWISE: Final = ("PROJECTOR_CONFIG", "PROJECTOR_CODEX_HOMES", "PROJECTOR_DATABASE")
_DATABASE_FILE: Final = "PROJECTOR_DATABASE_FILE"

_user = click.option(
    "--user", is_flag=True, help="Use the user's own systemd instead of the system's."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done without doing it.")


@click.command()
@common
@_user
@click.option(
    "--as",
    "account",
    metavar="NAME",
    help="Account that owns the rollouts and runs the daemon. Default: the user who"
    " called sudo. Not with --user.",
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
    """Install and enable systemd units for the daemon and its health check."""
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
    if user and settings.database_path:  # for the system, systemd creates it
        Path(settings.database_path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user:  # a folder must exist when a unit starts, or the unit never sees it
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
    """Stop the daemon and remove its systemd units. The database stays."""
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
    """Run systemd commands; without systemd, print them."""
    from projector.install import host as hosts  # noqa: PLC0415 - see the package's docstring

    if hosts.running(user=user):
        for step in hosts.tell(orders):
            output.say(step.text)
        return
    output.tell("systemd does not run here. Where it does, run:")
    for order in orders:
        output.tell("    " + " ".join(order))


def _account(named: str | None, *, user: bool) -> str:
    """Return the account that a system unit runs as; "" for a user unit."""
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
    """Return the settings, and those that the unit must pass to the daemon.

    These are the options and environment variables set here; the daemon reads the configuration
    file itself.

    Raises:
        UsageError: they are invalid, or a password would be written to the unit.
    """
    from projector.commands import load_settings as config  # noqa: PLC0415 - see the package's docstring
    from projector.model.database_url import secrets  # noqa: PLC0415

    now = dict(os.environ)
    alone: dict[str, str] = {
        name: now[name] for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME") if name in now
    }
    # The state folder of a user's manager differs between systemd versions: always passed.
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
    """Collect what the units need to know about the host."""
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
    """Return the database that a command uses when none is given."""
    from projector.commands import load_settings as config  # noqa: PLC0415 - see the package's docstring

    return config.load({}, file=file).database


def _places(settings: Settings) -> Iterator[str]:
    """Yield the folders that the daemon writes to."""
    if settings.database_path:
        yield os.path.dirname(settings.database_path)
    if settings.serve.listen.startswith("unix:"):
        yield os.path.dirname(settings.serve.listen.removeprefix("unix:"))
    if settings.metrics.textfile:
        yield os.path.dirname(os.path.abspath(settings.metrics.textfile))


def _readable(
    settings: Settings, environment: Mapping[str, str], file: str | None, account: str
) -> list[str]:
    """Return what the daemon reads under /home; empty if one of its homes is missing.

    A unit never sees a folder created after its start, nor the target of a link that leads out of
    it.
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
    if not settings.database_path:  # files of its user that libpq reads
        wanted += [f"{own}/{name}" for name in (".postgresql", ".pgpass", ".pg_service.conf")]
    found: list[str] = []
    for path in dict.fromkeys(one for each in wanted for one in (each, os.path.realpath(each))):
        inside = any(path == one or path.startswith(f"{one}/") for one in found)
        if hidden(path) and not inside:
            found.append(path)
    return found or homes


def _links(path: str) -> Iterator[str]:
    """Yield the folders that a chain of links passes through."""
    while os.path.islink(path):
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        yield os.path.dirname(path)


def _program() -> list[str]:
    """Return the command of this program: its script, if there is one."""
    script = Path(sys.executable).with_name("projector")
    return [str(script)] if script.exists() else [sys.executable, "-m", "projector"]
