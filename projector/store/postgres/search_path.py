"""Which schema a user's tables are in: what stands in the way, and the statements that mend it.

To a user without rights the tables of a schema do not exist, and a schema that is missing is
passed over: the server's own errors tell of neither.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from projector.model.errors import ProjectorError, StoreMissing, StoreRefused
from projector.store.postgres import citus

#: The fields of `SearchPath`.
QUESTION: Final = f"""
WITH path AS (
  SELECT place, CASE WHEN one ~ '^ *"?\\$user"? *$' THEN current_user::text
    ELSE replace(btrim(one, ' "'), '""', '"') END AS name
  FROM unnest(string_to_array(current_setting('search_path'), ','))
    WITH ORDINALITY AS _ (one, place)
)
SELECT quote_ident(current_user), current_setting('search_path'), quote_ident(current_schema()),
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
  (
    SELECT quote_ident(n.nspname) FROM path JOIN pg_namespace AS n ON n.nspname = path.name
    WHERE NOT has_schema_privilege(n.oid, 'USAGE') ORDER BY path.place LIMIT 1
  ),
  (SELECT quote_ident(name) FROM path WHERE name <> 'public' ORDER BY place LIMIT 1),
  (
    SELECT quote_ident(n.nspname) FROM pg_namespace AS n
    JOIN pg_class AS c ON c.relnamespace = n.oid
    WHERE c.relname = '_sources' AND has_schema_privilege(n.oid, 'USAGE')
      AND n.nspname NOT IN (SELECT name FROM path)
    ORDER BY n.nspname LIMIT 1
  ),
  EXISTS ({citus.VERSION})
"""


class SearchPath(NamedTuple):
    """Where the server looks for a user's tables; names are identifiers."""

    user: str
    setting: str
    schema: str | None
    """Where tables are made; None: nowhere."""
    may_create: bool
    closed: str | None
    """The first schema of the path that the user may not use."""
    own: str | None
    """The first schema of the path, there or not, that is not `public`."""
    elsewhere: str | None
    """A schema with tables of ours that the user may use, outside of the path."""
    has_citus: bool

    def unread(self, where: str) -> ProjectorError:
        """Return why no tables of ours are found."""
        if self.closed:
            return self._denied(where, "USAGE")
        if self.schema is None:
            return self._without_schema(where)
        if self.elsewhere:
            return StoreMissing(
                f"{where}: no database of projector in the search_path of {self.user}"
                f" ({self.setting})",
                hint=f"There is one in schema {self.elsewhere}:"
                f" ALTER ROLE {self.user} SET search_path = {self.elsewhere}",
            )
        return missing(where)

    def unmade(self, where: str) -> StoreRefused | None:
        """Return why tables cannot be made; None: they can."""
        if self.schema is not None and self.may_create:
            return None
        if self.closed:
            return self._denied(where, "USAGE, CREATE")
        if self.schema is None or self.has_citus:
            return self._without_schema(where)
        return self._denied(where, "CREATE")

    def _denied(self, where: str, rights: str) -> StoreRefused:
        schema = self.closed or self.schema
        return StoreRefused(
            f"{where}: permission denied for schema {schema}",
            hint=f"As its owner: GRANT {rights} ON SCHEMA {schema} TO {self.user}",
        )

    def _without_schema(self, where: str) -> StoreRefused:
        name = self.own or self.user
        first = f"{citus.SCHEMAS_STAY_WHOLE}; " if self.has_citus else ""
        return StoreRefused(
            f"{where}: {self.user} has no schema of its own (search_path: {self.setting})",
            hint=f"As a superuser: {first}CREATE SCHEMA {name} AUTHORIZATION {self.user};"
            f" ALTER ROLE {self.user} SET search_path = {name}",
        )


def missing(where: str) -> StoreMissing:
    """Return the error that there are no tables of ours."""
    return StoreMissing(
        f"{where}: no database of projector there", hint="Make it: projector backfill"
    )
