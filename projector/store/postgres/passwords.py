"""Reads passwords that libpq finds outside of the URL, in its own files, to redact them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from projector.model.regular_file import read_regular

#: Maximum bytes read of such a file.
_MOST: Final = 1 << 16
_FIELD: Final = re.compile(r"(?:[^:\\]|\\.)*")
_SETTING: Final = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")
_SECRET: Final = frozenset("password sslpassword oauth_client_secret".split())
_FIELDS: Final = 5


def passwords(options: Mapping[str, str], env: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield the passwords in libpq's password and service files; `options`: those of the URL."""
    home = env.get("HOME") or os.path.expanduser("~")
    for line in _lines(options.get("passfile") or env.get("PGPASSFILE") or f"{home}/.pgpass"):
        fields = _split(line)
        if len(fields) == _FIELDS and not line.startswith("#"):
            yield fields[-1]
            yield re.sub(r"\\(.)", r"\1", fields[-1])
    if not (options.get("service") or env.get("PGSERVICE")):
        return
    files = [env.get("PGSERVICEFILE") or f"{home}/.pg_service.conf"]
    if folder := env.get("PGSYSCONFDIR"):
        files.append(f"{folder}/pg_service.conf")
    for file in files:
        for line in _lines(file):
            found = _SETTING.fullmatch(line)
            if found and found[1] in _SECRET:
                yield found[2]


def _split(line: str) -> list[str]:
    """Split a line of a password file: four fields, in which colons are escaped, and the rest."""
    fields: list[str] = []
    at = 0
    while len(fields) < _FIELDS - 1 and (found := _FIELD.match(line, at)):
        fields.append(found[0])
        at = found.end() + 1
        if line[at - 1 : at] != ":":
            return fields
    return [*fields, line[at:]]


def _lines(path: str) -> list[str]:
    with suppress(OSError):
        return read_regular(path, _MOST).decode(errors="surrogateescape").splitlines()
    return []
