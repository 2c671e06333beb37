"""Serve Datasette under `/data`, in this process, behind the same token: see `app`.

Datasette is an ASGI application: a request that was let in is passed to it, and what it answers is
passed on, with a policy of our own. It reads the file by connections of its own, read-only.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sqlite3
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

# What else is installed beside it as its plugin is not loaded.
os.environ["DATASETTE_LOAD_PLUGINS"] = ""

from datasette import hookimpl  # type: ignore[import-untyped] # it has no types
from datasette.app import Datasette  # type: ignore[import-untyped] # it has no types
from datasette.database import Database  # type: ignore[import-untyped] # it has no types
from datasette.plugins import pm  # type: ignore[import-untyped] # it has no types
from markupsafe import Markup

from projector.serve.web.data_catalogue import (
    DATABASE,
    SMALL,
    address_of,
    is_public,
    metadata,
)

#: Where it is.
PATH: Final = "/data/"
_SETTINGS: Final[Mapping[str, Any]] = {
    "base_url": PATH, "suggest_facets": False, "allow_download": False, "allow_csv_stream": False,
    "default_cache_ttl": 0, "truncate_cells_html": 300, "sql_time_limit_ms": 2000,
    "num_sql_threads": 2, "max_returned_rows": 1000, "default_page_size": 50,
}  # fmt: skip
#: Bytes of a value, with `--sql`.
_LONGEST: Final = 1 << 26
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class _Plugin:
    """Our answers to what Datasette asks its plugins."""

    __name__ = "projector"

    @hookimpl  # type: ignore[untyped-decorator] # it has no types
    def permission_allowed(self, action: str, resource: object) -> bool | None:
        """Hide internal tables and views."""
        if action == "view-table" and isinstance(resource, tuple):
            return None if is_public(str(resource[1])) else False
        return None

    @hookimpl  # type: ignore[untyped-decorator] # it has no types
    def prepare_connection(self, conn: sqlite3.Connection, datasette: Datasette) -> None:
        """Let no query of a reader's own make a value that takes all memory."""
        if datasette.setting("default_allow_sql"):
            conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)

    @hookimpl  # type: ignore[untyped-decorator] # it has no types
    def render_cell(self, row: Any, value: object, column: str) -> Markup | None:
        """Make ids links to our pages."""
        address = address_of(column, value, dict(row))
        return None if address is None else Markup('<a href="{}">{}</a>').format(address, value)


class _Quiet(Database):  # type: ignore[misc] # it has no types
    """A database whose faulty queries are told to the reader alone, with what was bound."""

    async def execute(self, *args: Any, **options: Any) -> Any:
        """Run a query."""
        return await super().execute(*args, **{**options, "log_sql_errors": False})


class Data:
    """Datasette over one SQLite file."""

    def __init__(self, path: str, *, sql: bool) -> None:
        """Read `path`; `sql`: with the page for queries of the reader's own."""
        if not pm.is_registered(_PLUGIN):
            pm.register(_PLUGIN)
        manual = (files("projector") / "docs" / "questions.md").read_text("utf-8")
        self._datasette = Datasette(
            [], metadata=metadata(manual), settings={**_SETTINGS, "default_allow_sql": sql}
        )
        self._datasette.add_database(
            _Quiet(self._datasette, path=path, is_mutable=True), name=DATABASE
        )
        self.headers = {"Content-Security-Policy": _policy(_scripts())}

    async def answer(self, path: str, query: str) -> tuple[int, str, bytes, str]:
        """Return status, media type, body and, if it leads elsewhere, the address.

        `path`: below `PATH`.
        """
        if not _known(path):
            return 404, "text/plain", b"There is no such page.", ""
        if not path:
            return 302, "text/plain", b"", f"{PATH}{DATABASE}"
        asked = parse_qsl(query, keep_blank_values=True)
        if path.removeprefix(f"{DATABASE}/") not in SMALL:
            asked.append(("_nocount", "1"))
        await self._datasette.invoke_startup()
        found = await self._datasette.client.get(f"/{quote(path)}?{urlencode(asked)}")
        kind = found.headers.get("content-type", "text/plain")
        return found.status_code, kind, found.content, found.headers.get("location", "")

    def close(self) -> None:
        """Let go of the file."""
        for database in self._datasette.databases.values():
            database.close()


_PLUGIN: Final = _Plugin()
# It would print what went wrong with all local variables: rows of threads among them.
pm.get_plugin("datasette.handle_exception").rich = None


def _known(path: str) -> bool:
    """True for the database's pages and Datasette's files: not for pages about the server.

    `path` is decoded: its client would resolve `..`, and reach those from a page that is known.
    """
    if {".", ".."} & set(path.split("/")):
        return False
    return not path or re.fullmatch(rf"({DATABASE}([./].*)?|-/static/.*)", path) is not None


def _scripts() -> Iterable[str]:
    """Yield the inline scripts of Datasette's own templates."""
    templates = files("datasette") / "templates"
    for name in ("_codemirror_foot.html", "_close_open_menus.html", "table.html"):
        for script in _SCRIPT.findall((templates / name).read_text("utf-8")):
            if "{{" not in script:
                yield script
    yield "DATASETTE_ALLOW_FACET = true;"


def _policy(scripts: Iterable[str]) -> str:
    """Return a policy that runs these scripts and files of ours, and nothing that a row holds."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in scripts
    )
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )
