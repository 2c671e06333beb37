"""`projector sql`."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from projector.commands import output
from projector.commands.options import common, reading, settings_of
from projector.commands.rows import Form, as_rows
from projector.model.errors import ProjectorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from projector.model.settings import Settings
    from projector.store.reading import Answer


#: The schema of views over several schemas.
_INTO: Final = "everything"


@click.command("sql")
@click.argument("query", required=False)
@click.option(
    "--param",
    "params",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Value of :NAME in the query.",
)
@click.option(
    "--unite",
    metavar="SCHEMA",
    multiple=True,
    help="Print statements that make views over several schemas of a PostgreSQL server; may be"
    " repeated, and `*` and `?` match any characters.",
)
@click.option(
    "--into",
    metavar="SCHEMA",
    default=_INTO,
    show_default=True,
    help="With --unite: the schema of the new views.",
)
@common
@as_rows
@click.pass_context
def sql(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    query: str | None,
    params: tuple[tuple[str, str], ...],
    unite: tuple[str, ...],
    into: str,
    form: Form,
) -> None:
    """Run a query, or open the database in sqlite3 or psql; read-only.

    QUERY is one statement over the views, see `projector help dictionary`; `-`: read it from
    standard input. Without QUERY the client of the database is started on it, if it is installed.

    Where teams have schemas of their own on one server, --unite prints the statements for psql that
    make each view over all of them, with a last column that names the schema.
    """
    settings = settings_of(context, codex_home, database)
    if unite:
        if query is not None or params or form != "table":
            raise UsageError("--unite prints statements for psql: no QUERY, --param or --output")
        _print_union(settings, unite, into)
        return
    if into != _INTO:
        raise UsageError("--into: of what? It goes with --unite")
    if query is None:
        if form != "table":
            raise UsageError(f"--output {form}: of which query? Give one, or - to read it")
        if params:
            raise UsageError("--param: of which query? Give one, or - to read it")
        _open_client(settings)
    if query == "-":
        query = sys.stdin.read()
    assert query is not None
    if not query.strip():
        raise UsageError("an empty query", hint="See: projector sql --help")
    with reading(settings) as db:
        _print(db.answer(query, _values(query, params)), form)


def _values(query: str, params: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return values by the name of their parameter.

    Raises:
        UsageError: the query does not have it, or it has two.
    """
    values: dict[str, str] = {}
    for name, value in params:
        if re.search(rf":{re.escape(name)}\b", query) is None:
            raise UsageError(f"--param {name}: the query has no :{name}")
        if values.setdefault(name, value) != value:
            raise UsageError(f"--param {name}: two values")
    return values


def _print(answer: Answer, form: Form) -> None:
    from projector.commands.rows import say_rows, write_rows  # noqa: PLC0415 - see the package

    if not answer.names:
        return
    if form == "table":
        with output.paged():
            rows: Iterable[tuple[None, tuple[Any, ...]]] = ((None, row) for row in answer.rows)
            if not say_rows(answer.names, rows, plain=True):
                output.tell("no rows")
        return
    names = _distinct(answer.names)
    write_rows((dict(zip(names, row, strict=True)) for row in answer.rows), form, names)


def _print_union(settings: Settings, schemas: tuple[str, ...], into: str) -> None:
    """Print the statements of `--unite`."""
    from projector.model.database_url import is_postgres  # noqa: PLC0415 - see the package
    from projector.store.open import union_views  # noqa: PLC0415

    if not is_postgres(settings.database):
        raise UsageError(
            f"--unite: {settings.database_path} is a file, which has no schemas",
            hint="Name a server: --database postgresql://...",
        )
    with reading(settings) as db:
        output.say("\n".join(union_views(db, schemas, into)))


def _distinct(names: list[str]) -> list[str]:
    """Return names of columns as the members of an object: a second `x` is `x_2`."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return made


def _open_client(settings: Settings) -> None:
    """Become the client of the database; does not return.

    Raises:
        ProjectorError: it is not installed, or there is no database.
    """
    from projector.model.database_url import is_postgres  # noqa: PLC0415 - see the package

    reading(settings).close()  # says what is wrong with it, if something is
    if is_postgres(settings.database):
        _become("psql", *_psql(settings.database))
    _become("sqlite3", ["-readonly", "-header", "-column", settings.database_path], {})


def _psql(url: str) -> tuple[list[str], dict[str, str]]:
    """Return arguments and environment of psql: the password is seen by nobody else."""
    from projector.model.database_url import options  # noqa: PLC0415 - see the package's docstring

    given = options(url)
    environment = {"PGPASSWORD": given.pop("password")} if "password" in given else {}
    more = given.pop("options", os.environ.get("PGOPTIONS", ""))
    environment["PGOPTIONS"] = f"{more} -c default_transaction_read_only=on".strip()
    quoted = (
        f"{name}='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        for name, value in given.items()
    )
    return [" ".join(quoted)], environment


def _become(program: str, arguments: list[str], environment: dict[str, str]) -> None:
    path = shutil.which(program)
    if path is None:
        raise ProjectorError(
            f"{program} is not installed",
            hint='Install it, or give a query: projector sql "SELECT ..."',
        )
    sys.stdout.flush()
    os.execve(path, [program, *arguments], {**os.environ, **environment})  # noqa: S606 - the client of the user's database
