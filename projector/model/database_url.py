"""Database URLs: parsed as libpq parses them, checked, and shown without passwords. Pure.

A database is a SQLite file, `sqlite:///path`, or a PostgreSQL server: a URI `postgresql://...` or
libpq's keyword form `host=... dbname=...`, which `normalized` turns into a URI.

What follows is libpq's own algorithm (conninfo_uri_parse_options and conninfo_parse in
fe-connect.c), compared with the installed libpq by a property test: a password delimited
differently from libpq would be shown in part. libpq itself is not called because URLs are also
checked and shown without the extra `postgres`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

#: Prefix of a SQLite database's URL; its path follows.
SQLITE: Final = "sqlite:///"
#: Prefix of a PostgreSQL URI.
POSTGRES: Final = "postgresql://"
#: Replaces a password in output.
HIDDEN: Final = "***"

#: libpq options whose values are not secret. All others are hidden, also misspelt ones.
HARMLESS: Final = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout dbname
    fallback_application_name gssdelegation gssencmode gsslib host hostaddr keepalives
    keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts
    max_protocol_version min_protocol_version oauth_client_id oauth_issuer oauth_scope options
    passfile port replication require_auth requirepeer service ssl ssl_max_protocol_version
    ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslmode
    sslnegotiation sslrootcert sslsni target_session_attrs tcp_user_timeout user
    """.split()
)
#: Options whose values are passwords or keys.
SECRET: Final = frozenset(
    "password sslpassword oauth_client_secret scram_client_key scram_server_key".split()
)

#: Shortest value of an unknown option that is hidden wherever it occurs.
LEAST_SECRET: Final = 4

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/*)")
_KEYWORD: Final = re.compile(
    r"""\s*([^\s=]*)\s*=\s*(?:'((?:\\.|[^'\\])*)'|((?:\\.|[^\s'\\])(?:\\.|[^\s\\])*)?\\?)""",
    re.DOTALL | re.ASCII,
)
#: Characters that isspace(3) treats as blank.
_BLANKS: Final = " \t\n\v\f\r"
_KEYWORD_FORM: Final = re.compile(r"\s*[A-Za-z_]\w*\s*=", re.ASCII)
_CODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_CODE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_PORTS: Final = re.compile(r"[0-9]*(?:,[0-9]*)*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]")
#: A path without any part that could be a password.
_PATH: Final = re.compile(r"(?:~|\.{1,2})?/[^\s:@=?&%#]*|[^\s:@=?&%#/]+(?:/[^\s:@=?&%#]*)?")
_DATABASE_NAME: Final = re.compile(r"\.(?:db|sqlite|sqlite3)$|/")
#: Host, port and database without a user, so without a password.
_HOST_AND_NAME: Final = re.compile(r"[\w.-]+(?::\d+)?(?:/[\w.-]*)?", re.ASCII)
_SUSPECT: Final = re.compile(
    r"postgres|://|:[^/]*@|//.*@|pass\w*\s*=|\b(?:host|dbname|user)\s*=", re.IGNORECASE
)
_ESCAPES: Final = "in a user name or password, @ is written %40, / %2F, : %3A, % %25, a blank %20"


class _Uri(NamedTuple):
    """The parts of a PostgreSQL URI, spelled as in the URI."""

    user: str | None
    """None: the URI has no `@`."""
    password: str | None
    hosts: str
    """Hosts and ports up to the first `/` or `?`."""
    database: str | None
    """None: the URI has no `/` before the database."""
    options: tuple[tuple[str, str | None], ...]
    """Names and values; None: the option has no `=`."""


def is_postgres(url: str) -> bool:
    """True if a URL names a PostgreSQL server."""
    return url.startswith(POSTGRES)


def normalized(url: str) -> str:
    """Return libpq's keyword form (`host=h dbname=d`) as a URI; return any other URL unchanged."""
    pairs = _keywords(url) if _KEYWORD_FORM.match(url) else None
    if pairs is None:
        return url
    options = dict(pairs)
    database = options.pop("dbname", "")
    more = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in options.items())
    return f"{POSTGRES}/{_encoded(database)}?{more}" if more else f"{POSTGRES}/{_encoded(database)}"


def shown(url: str) -> str:
    """Return a URL that is safe to print: passwords and values of unknown options are hidden."""
    if url.startswith(SQLITE):
        return url
    uri = _parsed(url) if is_postgres(url) and not fault(url) else None
    if uri is None:
        return f"{POSTGRES}{HIDDEN}" if is_postgres(url) else HIDDEN
    return _assembled(uri, lambda _: HIDDEN)


def secrets(url: str) -> list[str]:
    """Return the values that `shown` hides, each decoded and as spelled in the URL.

    Values of unknown options count from `LEAST_SECRET` characters on: shorter ones occur in any
    text, and to hide them by value would make it unreadable.
    """
    if not is_postgres(url):
        return []
    uri = _parsed(url)
    spelled = [
        value
        for name, value in (("password", uri.password), *uri.options)
        if value and _is_learned(_decoded(name), value)
    ]
    return list(dict.fromkeys([*map(_decoded, spelled), *spelled]))


def options(url: str) -> dict[str, str]:
    """Return the connection options of a PostgreSQL URI, decoded, by libpq's names."""
    uri = _parsed(url)
    hosts, ports = _hosts(uri.hosts)
    found = {
        "user": uri.user or "",
        "password": uri.password or "",
        "host": hosts,
        "port": ports,
        "dbname": uri.database or "",
    }
    found = {name: _decoded(value) for name, value in found.items() if value}
    for name, value in uri.options:
        if value is not None:
            found[_decoded(name)] = _decoded(value)
    if found.get("ssl") == "true":
        del found["ssl"]
        found["sslmode"] = "require"
    return found


def fault(url: str) -> str:
    """Return what is wrong with a database URL and how to write it; "" if it is valid.

    Never quotes a part that could hold a password.
    """
    if url.startswith(SQLITE):
        return _sqlite_fault(url.removeprefix(SQLITE))
    if is_postgres(url):
        return _postgres_fault(url)
    if _KEYWORD_FORM.match(url):
        return (
            "not libpq's keyword form: write host=... dbname=...;"
            r" a value with blanks stands in '...', a ' or \ in it is written \' or \\"
        )
    scheme = _SCHEME.match(url)
    if scheme is not None:
        return _scheme_fault(scheme[1], scheme[2], url[scheme.end() :])
    if is_path(url):
        return f'"{url}": no scheme; write {SQLITE}{url}'
    return f"no scheme{' but a blank' if url[:1].isspace() else ''}; {_RIGHT}"


def _scheme_fault(scheme: str, slashes: str, rest: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only where a scheme is wrong

    name = scheme.lower()
    plain = rest if slashes.startswith("//") and _HOST_AND_NAME.fullmatch(rest) else ""
    if name in _OTHER_NAMES:
        return f'unknown scheme "{name}"; write {POSTGRES}{plain or "user@host/name"}'
    path = slashes[2:] + rest
    if name == "sqlite":
        path = path if is_path(path) else "path/of/projector.db"
        return f"needs three slashes before a path; write {SQLITE}{path}"
    near = get_close_matches(name, ("postgresql", "sqlite"), n=1)
    said = f'unknown scheme "{scheme}"' if near or name in _KNOWN_SCHEMES else "unknown scheme"
    return f"{said}; {_RIGHT}"


#: Other names that people use for PostgreSQL's scheme.
_OTHER_NAMES: Final = ("postgres", "postgresql", "pgsql")
_KNOWN_SCHEMES: Final = frozenset("mysql mariadb mssql oracle duckdb file http https".split())
_RIGHT: Final = f"write {SQLITE}path, {POSTGRES}user@host/name or host=... dbname=..."


def is_path(text: str) -> bool:
    """True if a text is a file path without any part that could be a password."""
    return bool(_PATH.fullmatch(text) and _DATABASE_NAME.search(text))


def is_suspect(text: str) -> bool:
    """True if a command-line argument may contain a database password."""
    if text.startswith(SQLITE) or not _SUSPECT.search(text):
        return False
    return not is_postgres(text) or bool(fault(text)) or shown(text) != text


def starred(text: str) -> str:
    """Return a suspect argument with each byte of its secrets replaced by a star.

    If the text is not a valid PostgreSQL URI, only its scheme is kept.
    """
    if is_postgres(text) and not fault(text):
        return _assembled(_parsed(text), _stars)
    scheme = POSTGRES if is_postgres(text) else ""
    return scheme + _stars(text.removeprefix(scheme))


def source_id(name: str) -> UUID:
    """Return the id of a source, stored in every row that the installation of this name writes.

    The computation never changes.
    """
    from uuid import NAMESPACE_URL, uuid5  # noqa: PLC0415 - `health` on SQLite does without

    return uuid5(uuid5(NAMESPACE_URL, "codex-projector:source"), name)


# libpq's parser ------------------------------------------------------------------------------


def _parsed(url: str) -> _Uri:
    """Split a PostgreSQL URI where libpq splits it; never fails."""
    rest = url.removeprefix(POSTGRES)
    user = password = None
    end = min((at for mark in "@/" if (at := rest.find(mark)) >= 0), default=-1)
    if end >= 0 and rest[end] == "@":
        user, colon, word = rest[:end].partition(":")
        password = word if colon else None
        rest = rest[end + 1 :]
    stop = _end_of_hosts(rest)
    hosts, rest = rest[:stop], rest[stop:]
    database = None
    if rest.startswith("/"):
        database, mark, rest = rest[1:].partition("?")
        rest = mark + rest
    options: list[tuple[str, str | None]] = []
    if rest.startswith("?"):
        for pair in rest[1:].removesuffix("&").split("&") if rest[1:] else ():
            name, equals, value = pair.partition("=")
            options.append((name, value if equals else None))
    return _Uri(user, password, hosts, database, tuple(options))


def _end_of_hosts(rest: str) -> int:
    """Return the index where hosts and ports end: brackets may contain any character."""
    at = 0
    while at < len(rest):
        if rest[at] == "[":
            closed = rest.find("]", at)
            if closed < 0:
                return len(rest)
            at = closed
        while at < len(rest) and rest[at] not in ",/?":
            at += 1
        if rest[at : at + 1] != ",":
            return at
        at += 1
    return at


def _hosts(hosts: str) -> tuple[str, str]:
    """Return the hosts and ports of a URI, each separated by commas."""
    names, ports = [], []
    at = 0
    while True:
        if hosts[at : at + 1] == "[":
            closed = hosts.find("]", at)
            closed = len(hosts) if closed < 0 else closed
            names.append(hosts[at + 1 : closed])
            at = closed + 1
        else:
            begin = at
            while at < len(hosts) and hosts[at] not in ":,":
                at += 1
            names.append(hosts[begin:at])
        end = hosts.find(",", at)
        end = len(hosts) if end < 0 else end
        ports.append(hosts[at + 1 : end] if hosts[at : at + 1] == ":" else "")
        if end >= len(hosts):
            return ",".join(names), ",".join(ports)
        at = end + 1


def _keywords(text: str) -> list[tuple[str, str]] | None:
    """Return the pairs of libpq's keyword form; None if the text is not in this form."""
    pairs = []
    at = 0
    while text[at:].strip(_BLANKS):
        found = _KEYWORD.match(text, at)
        if found is None or not re.fullmatch(r"\w+", found[1], re.ASCII):
            return None
        value = found[2] if found[2] is not None else found[3] or ""
        if found[2] is None and text[found.end() : found.end() + 1].strip(_BLANKS):
            return None  # unterminated quote
        pairs.append((found[1], re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)))
        at = found.end()
    return pairs


def _decoded(text: str) -> str:
    """Decode percent-encoding as libpq does, without blanks around the value."""
    raw = text.strip(_BLANKS).encode(errors="surrogateescape")
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda code: bytes((int(code[1], 16),)), raw)
    return plain.decode(errors="surrogateescape")


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in text)


def _encoded(text: str) -> str:
    return "".join(
        one if _PLAIN.fullmatch(one)
        else "".join(f"%{byte:02X}" for byte in one.encode(errors="surrogateescape"))
        for one in text
    )  # fmt: skip


# Faults and secrets --------------------------------------------------------------------------


def _sqlite_fault(path: str) -> str:
    if "://" in path or ("@" in path and _SUSPECT.search(path)):
        return f"{SQLITE} is followed by another URL; give that one alone"
    if path in ("", ":memory:") or path.endswith("/"):
        return f"{SQLITE}{path}: a file is needed; write {SQLITE}path/of/projector.db"
    return ""


def _postgres_fault(url: str) -> str:  # noqa: PLR0911 - a fault a line
    uri = _parsed(url)
    more = (one for pair in uri.options for one in pair)
    pieces = [one for one in (uri.user, uri.password, uri.hosts, uri.database, *more) if one]
    if "\0" in url or any(_BAD_CODE.search(piece) for piece in pieces):
        return f"a PostgreSQL URI with a % before what are no hexadecimal digits; {_ESCAPES}"
    if any(not _is_utf8(_decoded(piece)) for piece in pieces):
        return f"a PostgreSQL URI with bytes that are not UTF-8; {_ESCAPES}"
    if "@" in uri.hosts or "@" in (uri.database or ""):
        return f"a PostgreSQL URI with one @ too many; {_ESCAPES}"
    hosts, ports = _hosts(uri.hosts)
    given = options(url)
    if not _PORTS.fullmatch(_decoded(ports)) or not _PORTS.fullmatch(given.get("port", "")):
        return f"a PostgreSQL URI whose port is no number; {_ESCAPES}"
    if ("[" in hosts or "]" in hosts) or uri.hosts.count("[") != uri.hosts.count("]"):
        return "a PostgreSQL URI whose host has a [ without a ]; write [::1]"
    if any(value is None or "=" in value for _, value in uri.options):
        return (
            "a PostgreSQL URI with an option that is not name=value; in a value, & is written %26,"
            " = %3D"
        )
    return ""


def _is_learned(name: str, value: str) -> bool:
    return name in SECRET or (name not in HARMLESS and len(value) >= LEAST_SECRET)


def _assembled(uri: _Uri, hide: Callable[[str], str]) -> str:
    """Return the URI with its secrets hidden and all else unchanged."""
    text = POSTGRES
    if uri.user is not None:
        text += uri.user
        if uri.password is not None:
            text += ":" + (hide(uri.password) if uri.password else "")
        text += "@"
    text += uri.hosts
    if uri.database is not None:
        text += "/" + uri.database
    if uri.options:
        text += "?" + "&".join(
            name if value is None
            else f"{name}={value if _decoded(name) in HARMLESS or not value else hide(value)}"
            for name, value in uri.options
        )  # fmt: skip
    return text


def _stars(text: str) -> str:
    return "*" * len(text.encode(errors="surrogateescape"))
