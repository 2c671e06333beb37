"""How much network the units leave to the daemon: as little as will do."""

from __future__ import annotations

import pytest

from projector.install.reach import addresses, network
from projector.model.settings import Serve, Settings

# fmt: off
CASES = [
    ("a file",                       "sqlite:////srv/p.db",                           "none"),
    ("libpq's own place",            "postgresql:///threads",                         "none"),
    ("a socket, as an option",       "postgresql:///threads?host=/run/postgresql",    "none"),
    ("a socket, as a host",          "postgresql://p@%2Frun%2Fpostgresql/threads",    "none"),
    ("a socket without a file",      "postgresql:///threads?host=@pg",                "none"),
    ("this host, by name",           "postgresql://p:s3cret@localhost:5433/threads",  "loopback"),
    ("this host, by number",         "postgresql://127.0.0.1/threads",                "loopback"),
    ("this host, by the new number", "postgresql://p@[::1]:5432/threads",             "loopback"),
    ("another host",                 "postgresql://p@db.example/threads",             "any"),
    ("another, with a password's ?", "postgresql://p:a?b@db.example/threads",         "any"),
    ("another, by number",           "postgresql://p@[2001:db8::1]:5432/threads",     "any"),
    ("another, as an option",        "postgresql:///threads?host=db.example",         "any"),
    ("several, one elsewhere",       "postgresql://localhost:1,db.example:2/threads", "any"),
    ("an address before its name",   "postgresql://db/t?hostaddr=127.0.0.1",          "loopback"),
    ("a service",                    "postgresql:///?service=threads",                "any"),
    ("a name that begins so",        "postgresql://localhost.example/threads",        "any"),
]
ENDPOINTS = [
    ("none",                 Serve(),                                             "none"),
    ("a socket",             Serve(listen="unix:/run/p/http"),                    "none"),
    ("this host",            Serve(listen="127.0.0.1:9464"), "loopback"),
    ("other hosts",          Serve(listen="0.0.0.0:9464", allow_remote=True),     "any"),
]
# fmt: on


@pytest.mark.parametrize(
    ("database", "found"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_of_a_database(database: str, found: str) -> None:
    assert network(Settings(database=database)) == found


@pytest.mark.parametrize(
    ("serve", "found"), [pytest.param(*case[1:], id=case[0]) for case in ENDPOINTS]
)
def test_of_an_endpoint(serve: Serve, found: str) -> None:
    assert network(Settings(database="sqlite:////p.db", serve=serve)) == found


def test_the_wider_of_the_two_counts() -> None:
    here = Serve(listen="127.0.0.1:9464")

    assert network(Settings(database="postgresql://db/t", serve=here)) == "any"
    assert network(Settings(database="postgresql:///t", serve=here)) == "loopback"


# fmt: off
ADDRESSES = [
    ("a number",                "postgresql://p@192.0.2.7:5432/t",              ("192.0.2.7",)),
    ("a new number",            "postgresql://p@[2001:db8::1]:5432/t",          ("2001:db8::1",)),
    ("the number of a name",    "postgresql://db/t?hostaddr=192.0.2.7",         ("192.0.2.7",)),
    ("one of several is here",  "postgresql://localhost,192.0.2.7/t",           ("192.0.2.7",)),
    ("a name",                  "postgresql://db.example/t",                    ()),
    ("one of several a name",   "postgresql://192.0.2.7,db.example/t",          ()),
    ("a name like a number",    "postgresql://192.0.2.7.example/t",             ()),
    ("here",                    "postgresql://localhost/t",                     ()),
    ("a service",               "postgresql:///?service=threads",               ()),
    ("a file",                  "sqlite:////srv/p.db",                          ()),
]
# fmt: on


@pytest.mark.parametrize(
    ("database", "found"), [pytest.param(*case[1:], id=case[0]) for case in ADDRESSES]
)
def test_addresses(database: str, found: tuple[str, ...]) -> None:
    assert addresses(Settings(database=database)) == found


def test_an_endpoint_for_others_is_reached_from_anywhere() -> None:
    others = Serve(listen="0.0.0.0:9464", allow_remote=True)

    assert addresses(Settings(database="postgresql://192.0.2.7/t", serve=others)) == ()
