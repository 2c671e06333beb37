"""Statements that make views over the public views of several schemas of one server.

Each schema is a projector's database of its own: on Citus, one a team.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from projector.model.errors import StoreRefused, UsageError
from projector.store.reading import Connection

#: The public views of each schema of ours that may be used: the schema's name, as such, as an
#: identifier and as a literal; the view's name; its columns, and those with their types.
_SCHEMAS: Final = """
SELECT n.nspname::text, quote_ident(n.nspname), quote_literal(n.nspname), v.name,
  v.columns, v.types
FROM pg_namespace AS n
CROSS JOIN LATERAL (
  SELECT c.relname::text AS name,
    string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns,
    string_agg(a.attname || ' ' || a.atttypid::regtype, ', ' ORDER BY a.attnum) AS types
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
  WHERE c.relnamespace = n.oid AND c.relkind = 'v' AND c.relname !~ '^_'
    AND has_table_privilege(c.oid, 'SELECT')
  GROUP BY c.relname
) AS v
WHERE has_schema_privilege(n.oid, 'USAGE') AND EXISTS (
  SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = '_migrations'
)
ORDER BY n.nspname, v.name
"""
_TARGET: Final = (
    "SELECT quote_ident(:name), EXISTS (SELECT FROM pg_namespace WHERE nspname = :name)"
)
#: Behind the columns of each view: from which schema a row is.
_SCHEMA_COLUMN: Final = "schema"


class _Schema(NamedTuple):
    name: str
    identifier: str
    literal: str
    views: dict[str, tuple[str, str]]
    """By name, the columns, and those with their types."""


def statements(db: Connection, patterns: Sequence[str], into: str) -> Iterator[str]:
    """Yield statements that make a schema of views, each a UNION ALL over all matching schemas.

    `db`: a server, by a user who may read the schemas. `patterns`: names of schemas, `*` and `?`
    match any characters. `into`: the schema of the new views.

    Raises:
        UsageError: a pattern matches no schema of ours that this user may read, or a name is none
            that can be printed.
        StoreRefused: the schemas are not all of one version.
    """
    known = _schemas(db)
    chosen = [one for one in known if any(_fits(one.name, each) for each in patterns)]
    for pattern in patterns:
        if not any(_fits(one.name, pattern) for one in known):
            raise UsageError(
                f"{db.shown}: no schema {pattern} whose views this user may read",
                hint="There are: " + (", ".join(one.name for one in known) or "none at all"),
            )
    odd = [one for one in (into, *(one.name for one in chosen)) if not one.isprintable()]
    if odd:
        raise UsageError(f"schema {odd[0]!r}: a name with characters that are not printed")
    if into in {one.name for one in known}:
        raise UsageError(f"schema {into} is a projector's own; the views need another one")
    first = chosen[0]
    for one in chosen[1:]:
        if one.views != first.views:
            other = min(name for name, _ in one.views.items() ^ first.views.items())
            raise StoreRefused(
                f"{db.shown}: view {other} is not the same in schemas {first.name} and {one.name}",
                hint="Upgrade the hosts of both, and grant SELECT on all views of both",
            )
    ((target, is_there),) = db.rows(_TARGET, {"name": into})
    if not is_there:  # IF NOT EXISTS would ask for the right to make one all the same
        yield f"CREATE SCHEMA {target};"
    for view, (columns, _) in first.views.items():
        united = "\n  UNION ALL ".join(
            f"SELECT {columns}, {one.literal} AS {_SCHEMA_COLUMN} FROM {one.identifier}.{view}"
            for one in chosen
        )
        yield f"CREATE OR REPLACE VIEW {target}.{view} AS\n  {united};"


def _schemas(db: Connection) -> list[_Schema]:
    """Return the schemas that this user may read, by name."""
    found: dict[str, _Schema] = {}
    for name, identifier, literal, view, columns, types in db.rows(_SCHEMAS):
        made = found.setdefault(name, _Schema(name, identifier, literal, {}))
        made.views[view] = columns, types
    return [*found.values()]


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
