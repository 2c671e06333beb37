"""URLs of databases: taken apart as libpq does, and shown without anything secret."""

from __future__ import annotations

import string
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import conninfo

from projector.commands.argv_redaction import redacted_message, suspects
from projector.model.database_url import (
    HIDDEN,
    POSTGRES,
    fault,
    is_suspect,
    normalized,
    options,
    secrets,
    shown,
    starred,
)

#: As long as libpq takes them raw: it reads up to the first of these.
_RAW_IN_USERINFO = "".join(set(string.printable) - set("%/@" + string.whitespace))
PASSWORDS = [f"Pw{one}Zq" for one in string.printable if not one.isspace()]
PASSWORDS += [
    "a b\tc",
    "x",
    "é\u00a0ß漢",
    string.digits + string.ascii_letters + string.punctuation,
]


def keyword_form(password: str) -> str:
    """Write a password in libpq's keyword form."""
    inside = password.replace("\\", r"\\").replace("'", r"\'")
    return f"host=db.example port=5433 user=robin password='{inside}' dbname=threads"


def spellings(password: str) -> dict[str, str]:
    """Give addresses with this password, by how it is spelled."""
    coded = quote(password, safe="")
    minimal = "".join(one if one in _RAW_IN_USERINFO else quote(one, safe="") for one in password)
    option = "".join(quote(one, safe="") if one in "%&= \t" else one for one in password)
    every = "".join(f"%{byte:02x}" for byte in password.encode())
    return {
        "coded": f"postgresql://robin:{coded}@db.example:5433/threads",
        "as little as may be": f"postgresql://robin:{minimal}@db.example:5433/threads",
        "every byte": f"postgresql://robin:{every}@db.example:5433/threads",
        "an option": f"postgresql://robin@db.example:5433/threads?password={option}&sslmode=prefer",
        "coded in an option": f"postgresql://db.example:5433/threads?user=robin&password={coded}",
        "several hosts": f"postgresql://robin:{coded}@[::1]:1,db.example:5433/threads",
        "a socket": f"postgresql://robin:{coded}@%2Frun%2Fpg/threads",
        "keywords": keyword_form(password),
    }


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_working_password_is_not_shown(password: str) -> None:
    """However it is spelled; and where it is cut, libpq cuts it."""
    for how, given_url in spellings(password).items():
        url = normalized(given_url)
        assert url.startswith(POSTGRES), how
        assert fault(url) == "", how
        assert conninfo.conninfo_to_dict(url)["password"] == password, how
        assert conninfo.conninfo_to_dict(given_url)["password"] == password, how
        assert secrets(url)[0] == password, how
        assert HIDDEN in shown(url), how
        if len(password) > 1:
            for secret in secrets(url):
                assert secret not in shown(url), how
        assert "threads" in shown(url), how
        assert "5433" in shown(url) or how == "a socket"


_PIECE = st.text(st.sampled_from("ab1:/?#@&=%25 ,[]'\\.-*é"), max_size=8)


@given(st.lists(_PIECE, min_size=1, max_size=6))
@example(["u:p#w?x@h/d"])
@example(["u:p@w@h/d"])
@example(["[::1]:5,b:6/d?a=b"])
@example(["h/d?password=a%26b&sslpassword=c"])
@example([":@/?"])
@example(["u:1/2@h/d"])
@example(["%a1"])
@example(["a,b:1,:2/d"])
def test_a_uri_is_taken_apart_as_libpq_does(pieces: list[str]) -> None:
    """What libpq takes has the same parts here, or is refused; the rest is never shown."""
    url = POSTGRES + "".join(pieces)
    try:
        theirs = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    except (psycopg.ProgrammingError, UnicodeDecodeError):  # bytes that are not UTF-8
        theirs = None
    if theirs is None:
        if fault(url):
            assert shown(url) == POSTGRES + HIDDEN
        return
    if not fault(url):
        assert options(url) == theirs
    if password := theirs.get("password"):
        assert fault(url) or password in secrets(url)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["host", "password", "dbname", "user", "sslpassword"]),
            st.text(st.sampled_from("ab1 '\\=@:\t\u00a0é"), max_size=6),
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_keywords_are_taken_apart_as_libpq_does(pairs: list[tuple[str, str]], bare: bool) -> None:  # noqa: FBT001 - drawn
    def written(value: str) -> str:
        inside = value.replace("\\", r"\\").replace("'", r"\'")
        if bare and value and not any(one in " \t" for one in value):
            return inside
        return f"'{inside}'"

    text = " ".join(f"{name} = {written(value)}" for name, value in pairs)
    theirs = conninfo.conninfo_to_dict(text)
    url = normalized(text)

    assert url.startswith(POSTGRES)
    assert {k: v for k, v in conninfo.conninfo_to_dict(url).items() if v} == {
        k: v for k, v in theirs.items() if v
    }


REFUSED = [
    # what is wrong, address, what the answer says
    ("no scheme", "robin:s3cret@db/threads", "postgresql://user@host/name"),
    ("no scheme, and a host alone", "s3cret@db", "no scheme"),
    ("a password alone", "s3cret", "no scheme"),
    ("a missing colon", "postgresql//robin:s3cret@db/threads", "no scheme"),
    ("a missing slash", "postgresql:/robin:s3cret@db/threads", "write postgresql://"),
    ("a leading blank", " postgresql://robin:s3cret@db/threads", "but a blank"),
    ("a blank in the scheme", "postgresql ://robin:s3cret@db/threads", "no scheme"),
    ("another name", "postgres://robin:s3cret@db/threads", "write postgresql://"),
    ("a misspelt scheme", "postgresq://robin:s3cret@db/threads", "unknown scheme"),
    ("another database", "mysql://robin:s3cret@db/threads", 'unknown scheme "mysql"'),
    ("capitals", "POSTGRESQL://robin:s3cret@db/threads", "write postgresql://"),
    ("a bare @", "postgresql://robin:s3@cret@db/threads", "one @ too many"),
    ("a bare /", "postgresql://robin:s3/cret@db/threads", "one @ too many"),
    ("a bare / behind a number", "postgresql://robin:12/cret@db/threads", "one @ too many"),
    ("a port that is none", "postgresql://robin:s3cret/threads", "port is no number"),
    ("a bare %", "postgresql://robin:s3%cret@db/threads", "%25"),
    ("an option without a value", "postgresql://db/threads?s3cret", "name=value"),
    ("a bare & and =", "postgresql://db/t?password=a&s3cret", "name=value"),
    ("a bracket", "postgresql://robin:s3cret@[::1/threads", "["),
    ("keywords with an open quote", "host=db password='s3cret dbname=threads", "keyword form"),
    ("keywords without =", "host=db password s3cret", "keyword form"),
    ("keywords behind sqlite", "sqlite:///postgresql://robin:s3cret@db/threads", "another URL"),
    ("too few slashes", "sqlite://robin:s3cret@db", "three slashes"),
]


@pytest.mark.parametrize(
    ("url", "words"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED]
)
def test_a_refused_address_is_not_quoted(url: str, words: str) -> None:
    said = fault(normalized(url))

    assert words in said
    for secret in ("s3cret", "cret", "s3", "robin:", "@db"):
        assert secret not in said
    assert "cret" not in shown(url) or url.startswith("sqlite")


def test_values_of_unknown_options_are_hidden() -> None:
    """One of them may be a password whose name is misspelt."""
    url = "postgresql://h/d?pasword=geheim&sslmode=require"

    assert shown(url) == "postgresql://h/d?pasword=***&sslmode=require"
    assert secrets(url) == ["geheim"]


def test_short_values_of_unknown_options_are_hidden_in_the_url_alone() -> None:
    """Every text has a 1 somewhere."""
    url = "postgresql://u@127.0.0.1:1/d?nonsense=1&sslpassword=2"

    assert shown(url) == "postgresql://u@127.0.0.1:1/d?nonsense=***&sslpassword=***"
    assert secrets(url) == ["2"]  # of a password all are


ARGUMENTS = [
    # arguments, as `ps` shows them
    (["run", "--database", "postgresql://u:p#w?@h/d"], ["run", "--database", "postgresql://u:****@h/d"]),
    (["run", "--database=postgresql://u:pw@h/d"], ["run", "--database=postgresql://u:**@h/d"]),
    (["run", "--database", "host=h password=pw"], ["run", "--database", "*" * 18]),
    (["run", "--database", "postgresql://u@h/d"], ["run", "--database", "postgresql://u@h/d"]),
    (["run", "--database", "sqlite:///p@x.db"], ["run", "--database", "sqlite:///p@x.db"]),
    (["run", "--database", "/srv/p.db"], ["run", "--database", "/srv/p.db"]),
    (["run", "--database", "s3cret"], ["run", "--database", "******"]),
    (["copy", "--to", "postgresql//u:pw@h/d"], ["copy", "--to", "*" * 20]),
    (["run", "--databse", "postgresql://u:p/w@h"], ["run", "--databse", "postgresql://" + "*" * 7]),
    (["run", "--database", "postgresql://u:%C3%A9é@h/d"], ["run", "--database", "postgresql://u:********@h/d"]),
    (["search", "me@example.com"], ["search", "me@example.com"]),
]  # fmt: skip


@pytest.mark.parametrize(("given_arguments", "shown_arguments"), ARGUMENTS)
def test_arguments_for_the_process_list(
    given_arguments: list[str], shown_arguments: list[str]
) -> None:
    found = suspects(given_arguments)

    assert [found.get(one, one) for one in given_arguments] == shown_arguments
    for one, other in found.items():
        assert len(one.encode()) == len(other.encode())


@pytest.mark.parametrize("url", [url for _, url, _ in REFUSED])
def test_a_message_about_arguments_does_not_quote_them(url: str) -> None:
    """Click quotes what it cannot use."""
    message = f"Got unexpected extra argument ({url}) or {url!r}"

    if is_suspect(url):
        assert "cret" not in redacted_message(message, ["status", url])
    assert "cret" not in redacted_message(message, ["status", "--database", url]) or (
        url.startswith("sqlite:///")
    )
    assert len(starred(url).encode()) == len(url.encode())
