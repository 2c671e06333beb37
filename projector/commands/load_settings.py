"""Load the settings from file, environment and options, or report all faults in one message.

Later sources override earlier ones, setting by setting: the defaults in `settings.py`, the TOML
file, `PROJECTOR_*` variables, command line options. The environment variable of a setting is its
name in capitals, after its section and two underscores: `PROJECTOR_DATABASE`,
`PROJECTOR_RUN__RESCAN_S`; a list of folders is separated as in `PATH`.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from projector.model import database_url
from projector.model.database_url import SQLITE, is_postgres
from projector.model.errors import UsageError
from projector.model.prices import price_fault
from projector.model.redaction import learn
from projector.model.regular_file import read_regular
from projector.model.settings import Settings, Source, listen_fault

APP: Final = "codex-projector"
#: Files that this process was started with.
_OPENED: Final = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
#: Maximum size of a configuration file, or of a file with a database URL, in bytes.
_LONGEST: Final = 1024 * 1024
#: Name of the credential with the database URL (systemd.exec(5), LoadCredential=).
CREDENTIAL: Final = f"{APP}.database"
ENV_PREFIX: Final = "PROJECTOR_"
#: Variables from which libpq reads passwords.
_PASSWORDS: Final = ("PGPASSWORD",)
_TABLE = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_KEY = re.compile(r"\s*(?:([\w-]+)\s*\.\s*)?([\w-]+)\s*=")

Key = tuple[str, str]
"""Section, "" for none, and name."""


class Given(Struct, frozen=True, kw_only=True):
    """A value that was set, and where."""

    value: Any
    origin: str
    """`/etc/codex-projector/config.toml:12`, `PROJECTOR_DATABASE` or `--database`."""
    text: bool = False
    """True if it is a string whatever its type, from the environment."""


def load(
    options: Mapping[str, Any],
    *,
    file: str | None = None,
    env: Mapping[str, str] | None = None,
    called: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings in effect, with host-dependent values filled in and absolute paths.

    Arguments and errors are those of `traced`.
    """
    return traced(options, file=file, env=env, called=called)[0]


def traced(
    options: Mapping[str, Any],
    *,
    file: str | None = None,
    env: Mapping[str, str] | None = None,
    called: Mapping[str, str] | None = None,
) -> tuple[Settings, Mapping[Key, str]]:
    """Return the result of `load`, and the origin of each setting that is not a default.

    `options` contains the settings without section that were given on the command line, and only
    those; `file` is the value of `--config`. `called`: names of options that differ from their
    settings' names.

    Raises:
        UsageError: something is wrong; the message names every fault.
    """
    env = os.environ if env is None else env
    faults: list[str] = []
    given: dict[Key, Given] = {}
    for key, value in (
        *_from_file(_find_file(file, env), faults),
        *_from_env(env, faults),
        *_from_options(options, called or {}),
    ):
        _settle_database(given, key, value, faults)
        given[key] = value
    settings = _build(given, faults)
    origins = {key: one.origin for key, one in given.items()}
    homes = settings.codex_homes or (env.get("CODEX_HOME") or "~/.codex",)
    if not settings.codex_homes and env.get("CODEX_HOME"):
        origins["", "codex_homes"] = "CODEX_HOME"
    homes = tuple(_placed(home, "Codex's home with --codex-home", faults) for home in homes)
    database, origins["", "database"] = _database(settings, given, env, faults)
    if faults:
        raise UsageError("; ".join(faults))
    settings = msgspec.structs.replace(
        settings,
        codex_homes=tuple(dict.fromkeys(homes)),
        database=database,
        source=Source(name=settings.source.name or os.uname().nodename),
    )
    return settings, {key: origin for key, origin in origins.items() if origin}


@functools.cache
def defaults() -> Mapping[Key, Any]:
    """Return the default of every setting."""
    found: dict[Key, Any] = {}
    for name, default in asdict(Settings()).items():
        if isinstance(default, msgspec.Struct):
            found |= {(name, key): value for key, value in asdict(default).items()}
        else:
            found["", name] = default
    return found


def type_of(key: Key) -> Any:
    """Return the type of a setting, with its limits."""
    section, name = key
    return _types(section)[name]


@functools.cache
def _types(section: str) -> dict[str, Any]:
    """Return the types of a section's settings; those of all take 2 ms."""
    kind = type(getattr(Settings(), section)) if section else Settings
    return get_type_hints(kind, include_extras=True)


def variable(key: Key) -> str:
    """Return the environment variable of a setting."""
    section, name = key
    return ENV_PREFIX + (f"{section}__{name}" if section else name).upper()


def _find_file(option: str | None, env: Mapping[str, str]) -> str:
    """Return the configuration file's path; "": there is none."""
    if named := option or env.get(ENV_PREFIX + "CONFIG"):
        return named
    user = _absolute(env.get("XDG_CONFIG_HOME") or "~/.config")
    for folder in (*([f"{user}/{APP}"] if user else []), f"/etc/{APP}"):
        if _exists(path := f"{folder}/config.toml"):
            return path
    return ""


def _from_file(path: str, faults: list[str]) -> Iterator[tuple[Key, Given]]:
    if not path:
        return
    import tomllib  # noqa: PLC0415 - only where there is a file: `health` has none to spare

    try:
        text = _read(path)
        content = tomllib.loads(text)
    except OSError as error:
        faults.append(f"{path}: {(error.strerror or str(error)).lower()}")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{path}: not TOML: {error}")
        return
    lines = _lines(text)
    known = defaults()
    sections = {section for section, _ in known if section}
    for name, value in content.items():
        if name in sections and not isinstance(value, dict):
            faults.append(f"{path}:{lines.get(('', name), 1)}: {name} is a section; write [{name}]")
        elif isinstance(value, dict) and name not in sections:
            where = f"{path}:{lines.get((name, ''), 1)}"
            faults.append(f"{where}: unknown section [{name}]{_suggest(name, sections)}")
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from _known((name, key), inner, f"{path}:{lines.get((name, key), 1)}", faults)
        else:
            yield from _known(("", name), value, f"{path}:{lines.get(('', name), 1)}", faults)


def _from_options(
    options: Mapping[str, Any], called: Mapping[str, str]
) -> Iterator[tuple[Key, Given]]:
    for name, value in options.items():
        option = called.get(name) or "--" + name.removesuffix("s").replace("_", "-")
        yield ("", name), Given(value=value, origin=option)


def _known(key: Key, value: Any, origin: str, faults: list[str]) -> Iterator[tuple[Key, Given]]:
    known = defaults()
    if key in known:
        yield key, Given(value=value, origin=origin)
        return
    section, name = key
    other = next((s for s, n in known if n == name), None)
    if other is not None:
        hint = f"; it belongs in [{other}]" if other else "; it belongs before the first section"
    else:
        hint = _suggest(name, {n for s, n in known if s == section})
    faults.append(f"{origin}: unknown setting {name}{hint}")


def _from_env(env: Mapping[str, str], faults: list[str]) -> Iterator[tuple[Key, Given]]:
    known = {variable(key): key for key in defaults()}
    for name in sorted(env):
        if not name.startswith(ENV_PREFIX) or name == ENV_PREFIX + "CONFIG":
            continue
        if name not in known:
            hint = _suggest(name, {*known, ENV_PREFIX + "CONFIG"})
            faults.append(f"{name}: unknown setting{hint}")
            continue
        key, value = known[name], env[name]
        if key == ("", "codex_homes"):
            homes = [home for home in value.split(os.pathsep) if home]
            yield key, Given(value=homes, origin=name)
        elif key == ("serve", "host_names"):
            names = [one.strip() for one in value.split(",") if one.strip()]
            yield key, Given(value=names, origin=name)
        else:
            yield key, Given(value=value, origin=name, text=True)


def _build(given: Mapping[Key, Given], faults: list[str]) -> Settings:
    values: dict[str, dict[str, Any]] = {"": {}}
    wrong: set[Key] = set()
    for (section, name), one in given.items():
        kind = type_of((section, name))
        try:
            value = msgspec.convert(one.value, kind, strict=not one.text)
        except msgspec.ValidationError as error:
            secret = not section and name.startswith("database")
            said = "expected a text" if secret else _say(error, one.value, kind)
            faults.append(f"{one.origin}: {name}: {said}")
            wrong.add((section, name))
            continue
        values.setdefault(section, {})[name] = value
    top: dict[str, Any] = values.pop("")
    plain = Settings()
    for section, inner in values.items():
        top[section] = msgspec.structs.replace(getattr(plain, section), **inner)
    settings = msgspec.structs.replace(plain, **top)
    health = settings.health
    for unit in ("bytes", "s"):
        warning, critical = getattr(health, f"warning_{unit}"), getattr(health, f"critical_{unit}")
        # An invalid value is not compared: its default was not intended.
        if warning > critical and not wrong & {
            ("health", f"warning_{unit}"),
            ("health", f"critical_{unit}"),
        }:
            faults.append(
                f"[health] warning_{unit} = {warning:g} is above critical_{unit} = {critical:g}"
            )
    if settings.serve.listen and (fault := listen_fault(settings.serve)):
        faults.append(f"[serve] listen = {fault}")
    if settings.cost.prices and (fault := price_fault(settings.cost.prices)):
        faults.append(f"[cost] prices = {fault}")
    if settings.metrics.textfile and not settings.metrics.textfile.endswith(".prom"):
        faults.append(f"[metrics] textfile = {settings.metrics.textfile}: must end in .prom")
    return settings


def _say(error: msgspec.ValidationError, value: Any, kind: Any) -> str:
    """Return what is wrong with a value, and what is expected."""
    info = msgspec.inspect.type_info(kind)
    choices = getattr(getattr(info, "type", info), "values", None)
    if choices:
        right = "one of " + ", ".join(str(choice) for choice in choices)
        guess = _suggest(str(value), {str(choice) for choice in choices})
    else:
        right = str(error).partition(" - ")[0].removeprefix("Expected ").partition(", got")[0]
        right, guess = right.replace("`", ""), ""
    return f"{value!r} is wrong, expected {right}{guess}"


def _settle_database(given: dict[Key, Given], key: Key, value: Given, faults: list[str]) -> None:
    """Keep the later one of `database` and `database_file`, which set the same thing."""
    twin = {"database": "database_file", "database_file": "database"}.get(key[1])
    if twin is None or key[0] or ("", twin) not in given:
        return
    before = given.pop(("", twin))
    same_file = before.origin.partition(":")[0] == value.origin.partition(":")[0]
    if same_file or (before.text and value.text):
        faults.append(f"{value.origin}: {key[1]} and {twin} exclude each other")


def _database(
    settings: Settings, given: Mapping[Key, Given], env: Mapping[str, str], faults: list[str]
) -> tuple[str, str]:
    """Return the database with an absolute path, or "" and a fault; and its origin."""
    url, origin = settings.database, "database"
    secret = settings.database_file or ("" if url else _credential(env))
    if secret:
        origin = secret
        url = _secret(secret, faults)
        if not url:
            return "", origin
    elif ("", "database") in given:
        origin = given["", "database"].origin
    if not url:
        # systemd separates several state directories by colons; ours is one.
        if folder := env.get("STATE_DIRECTORY", "").partition(":")[0]:
            return SQLITE + os.path.abspath(f"{folder}/projector.db"), "STATE_DIRECTORY"
        state = env.get("XDG_STATE_HOME") or "~/.local/state"
        said = "XDG_STATE_HOME" if env.get("XDG_STATE_HOME") else ""
        default = _placed(f"{state}/{APP}/projector.db", "the database with --database", faults)
        return SQLITE + default, said
    # As files and `echo` end: a line break that is part of a name would be a rarity.
    url = database_url.normalized(url.rstrip("\r\n"))
    if not secret and database_url.is_path(url):  # a password alone may look like a path
        url = SQLITE + os.path.expanduser(url)
    if fault := database_url.fault(url):
        # The content of a secret file is never quoted: a password alone may look like a path.
        faults.append(f"{origin}: {fault.replace(url, '...') if secret else fault}")
        return "", origin
    if is_postgres(url):
        learn([*database_url.secrets(url), *(env[one] for one in _PASSWORDS if env.get(one))])
        return url, origin
    return SQLITE + _placed(url.removeprefix(SQLITE), "the whole path", faults), origin


def _secret(path: str, faults: list[str]) -> str:
    """Return the first line of the file that contains the database URL; "": a fault was added."""
    if database_url.is_suspect(path) and not _exists(_absolute(path)):
        faults.append("database_file: is a URL; the setting for that is database")
        return ""
    try:
        url = _read(_placed(path, "the whole path", faults)).partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        faults.append(f"database_file {path}: {reason.lower()}")
        return ""
    if not url:
        faults.append(f"database_file {path}: its first line is empty")
    return url


def _credential(env: Mapping[str, str]) -> str:
    """Return the file in which systemd hands us the database's address; "": it does not."""
    folder = env.get("CREDENTIALS_DIRECTORY", "")
    path = f"{folder}/{CREDENTIAL}"
    return path if folder and _exists(path) else ""


def _lines(text: str) -> dict[Key, int]:
    """Return the line number of each setting, and of each section under the name ""."""
    found: dict[Key, int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if table := _TABLE.match(line):
            section = table[1]
            found.setdefault((section, ""), number)
        elif key := _KEY.match(line):
            found.setdefault((key[1] or section, key[2]), number)
    return found


def _suggest(word: str, known: set[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only where a word is wrong

    close = get_close_matches(word, sorted(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _absolute(path: str) -> str:
    """Return an absolute path with `~` expanded; "" if the home folder is unknown."""
    found = os.path.expanduser(path)
    # An empty HOME counts as unset; `~` and `~NAME` stay if there is no such user.
    nowhere = found.startswith("~") or (path[:1] == "~" and os.environ.get("HOME") == "")
    return "" if nowhere else os.path.abspath(found)


def _placed(path: str, what: str, faults: list[str]) -> str:
    """Return an absolute path; if the home folder is unknown, add a fault and return ""."""
    found = _absolute(path)
    if not found:
        user = path.partition("/")[0].removeprefix("~")
        why = f"there is no user {user}" if user else "HOME is not set"
        faults.append(f"{path}: {why}; name {what}")
    return found


def _exists(path: str) -> bool:
    """True if a file exists. A file that cannot be examined counts as existing."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _read(path: str) -> str:
    """Read a file: a regular one, /dev/null, or a pipe that a shell opened (`<(command)`).

    Raises:
        OSError: it cannot be read, is something else, or is longer than `_LONGEST`.
        UnicodeDecodeError: it is not UTF-8.
    """
    if path == os.devnull:
        return ""
    if path.startswith(_OPENED) and stat.S_ISFIFO(os.stat(path).st_mode):
        with open(path, "rb") as file:
            return file.read(_LONGEST).decode()
    return read_regular(path, _LONGEST).decode()
