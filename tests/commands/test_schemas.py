"""Schemas of one server, a projector's database each: views over all, and whose schema is whose."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from projector import cli
from projector.store.view_descriptions import described
from tests.support.citus import Cluster, schema_of
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled
from tests.support.server import Server, migrated


@dataclass
class Teams:
    """Schemas, each with a role of its own."""

    server: str
    """The address, as a superuser."""
    urls: dict[str, str]
    """By schema."""

    def run(self, statement: str, *names: str) -> None:
        """Run a statement as a superuser; `names`: for each `{}` of it."""
        with psycopg.connect(self.server, autocommit=True) as db:
            db.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def rows(self, schema: str, view: str) -> list[tuple[Any, ...]]:
        """Give the rows of a view."""
        with psycopg.connect(self.server, autocommit=True) as db:
            asked = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, view))
            return db.execute(asked).fetchall()


@pytest.fixture
def teams(server: Server) -> Iterator[Teams]:
    """Give two schemas, with nothing in them."""
    if isinstance(server, Cluster):
        urls = [server.make_database() for _ in range(2)]
        yield Teams(server.url(), {schema_of(url): url for url in urls})
        for url in urls:
            server.drop_database(url)
        return
    url = server.make_database()
    made = Teams(url, {})
    for name in ("Team's one", 'a "b" *'):
        made.run("CREATE ROLE {} LOGIN", name)
        made.run("CREATE SCHEMA {} AUTHORIZATION {}", name, name)
        made.run("ALTER ROLE {} SET search_path = {}", name, name)
        made.urls[name] = url.replace("user=projector", f"user={quote(name)}")
    yield made
    server.drop_database(url)
    with psycopg.connect(server.url(), autocommit=True) as db:
        for name in made.urls:
            db.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_views_over_schemas_show_the_rows_of_all(
    teams: Teams, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every public view, by what the command prints; printed again, it changes nothing."""
    one, other = teams.urls
    for seed, url in enumerate(teams.urls.values()):
        Rollout(seed=seed).write(tmp_path / str(seed), size=3_000)
        backfilled(tmp_path / str(seed), url)
    into = f"{one} and all"

    def united() -> str:
        words = ["--unite", one, "--unite", other, "--into", into]
        assert cli.run(["sql", *words, "--database", teams.server]) == 0
        return capsys.readouterr().out

    with psycopg.connect(teams.server, autocommit=True) as db:
        try:
            db.execute(united().encode())
            again = united()
            db.execute(again.encode())
            asked = sql.SQL("SELECT viewname FROM pg_views WHERE schemaname = %s")
            views = {name for (name,) in db.execute(asked, (into,))}
            assert views == described("postgres").keys()
            for view in views:
                expected = [(*row, name) for name in teams.urls for row in teams.rows(name, view)]
                assert Counter(map(str, teams.rows(into, view))) == Counter(map(str, expected)), (
                    view
                )
            assert {row[-1] for row in teams.rows(into, "threads")} == {one, other}
            assert "CREATE SCHEMA" not in again
        finally:
            db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(into)))


def test_what_cannot_be_united_is_refused(teams: Teams, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = teams.urls

    def said(*words: str) -> str:
        assert cli.run(["sql", *words, "--database", teams.server]) in (1, 2)
        return capsys.readouterr().err

    assert f"no schema {one} whose views this user may read" in said("--unite", one)
    for url in teams.urls.values():
        asyncio.run(migrated(url))
    both = ("--unite", one, "--unite", other)
    assert f"schema {one} is a projector's own" in said(*both, "--into", one)
    assert "not printed" in said(*both, "--into", "a\nb")
    assert "no QUERY" in said(*both, "SELECT 1")
    assert "goes with --unite" in said("--into", "x", "SELECT 1")
    teams.run("ALTER TABLE {}.messages RENAME COLUMN role TO part", other)
    assert "view messages is not the same in schemas" in said(*both)


#: What is done to a role, as a superuser; what a reader and a writer are told then.
WAYS = {
    "a schema that is not there": (
        "DROP SCHEMA {schema}",
        "has no schema of its own",
        "CREATE SCHEMA {schema} AUTHORIZATION {role}",
        "CREATE SCHEMA {schema} AUTHORIZATION {role}",
    ),
    "another team's schema": (
        "ALTER ROLE {role} SET search_path = {other}",
        "permission denied for schema {other}",
        "GRANT USAGE ON SCHEMA {other} TO {role}",
        "GRANT USAGE, CREATE ON SCHEMA {other} TO {role}",
    ),
    "a schema that somebody else made": (
        "ALTER SCHEMA {schema} OWNER TO CURRENT_USER",
        "permission denied for schema {schema}",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_has_no_schema_is_told_what_mends_it(
    teams: Teams, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    """Never to ask for another team's."""
    done, fault, to_read, to_write = WAYS[way]
    role, other = teams.urls
    asyncio.run(migrated(teams.urls[other]))

    def named(text: str) -> str:
        quoted = {
            word: sql.Identifier(name).as_string(None) if not name.isidentifier() else name
            for word, name in {"role": role, "schema": role, "other": other}.items()
        }
        return text.format_map(quoted)

    teams.run(named(done))
    for command, hint in (("threads", to_read), ("backfill", to_write)):
        assert cli.run([command, "--database", teams.urls[role]]) == 1
        err = capsys.readouterr().err
        assert named(fault) in err
        assert named(hint) in err


def test_a_schema_outside_of_the_search_path_is_named(
    teams: Teams, capsys: pytest.CaptureFixture[str]
) -> None:
    role, other = teams.urls
    asyncio.run(migrated(teams.urls[other]))
    teams.run("GRANT USAGE ON SCHEMA {} TO {}", other, role)

    assert cli.run(["threads", "--database", teams.urls[role]]) == 1

    assert f"SET search_path = {sql.Identifier(other).as_string(None)}".replace(
        '"', ""
    ) in capsys.readouterr().err.replace('"', "")
