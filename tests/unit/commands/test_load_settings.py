"""What somebody set, where, and what comes of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NoReturn

import pytest

from projector.commands import load_settings as config
from projector.model import database_url
from projector.model.errors import UsageError
from projector.model.settings import Settings

#: An environment without a configuration file of the machine that runs the tests.
ALONE = {"PROJECTOR_CONFIG": os.devnull}

IN_THE_FILE = [
    # what is wrong, file, the message has
    (
        "an unknown setting",
        'databse = "sqlite:///x"',
        ':1: unknown setting databse; did you mean "database"?',
    ),
    (
        "an unknown section",
        "\n[rnu]\nrescan_s = 3",
        ':2: unknown section [rnu]; did you mean "run"?',
    ),
    (
        "in the wrong section",
        "[store]\nrescan_s = 3",
        ":2: unknown setting rescan_s; it belongs in [run]",
    ),
    ("outside its section", "rescan_s = 3", ":1: unknown setting rescan_s; it belongs in [run]"),
    (
        "a top setting in a section",
        '[run]\ndatabase = "x"',
        ":2: unknown setting database; it belongs before the first",
    ),
    ("a section that is a value", "run = 3", ":1: run is a section; write [run]"),
    (
        "a value of the wrong type",
        '[run]\nbatch_records = "two"',
        ":2: batch_records: 'two' is wrong, expected int",
    ),
    (
        "a value below its limit",
        "[run]\nrescan_s = 0.5",
        ":2: rescan_s: 0.5 is wrong, expected float >= 1",
    ),
    (
        "no choice of ours",
        '[run]\nwatch = "pol"',
        ":2: watch: 'pol' is wrong, expected one of auto, poll; ",
    ),
    ("a dotted key", "run.batch_records = 0", ":1: batch_records: 0 is wrong"),
    (
        "limits the wrong way round",
        "[health]\nwarning_s = 900",
        "warning_s = 900 is above critical_s = 300",
    ),
    ("no TOML", "a = 1\nb = = 2", "c.toml: not TOML: Invalid value (at line 2"),
    (
        "two ways to name the database",
        'database = "sqlite:///a"\ndatabase_file = "b"',
        ":2: database_file and database exclude each other",
    ),
    ("a secret that is not there", 'database_file = "/no/b"', "database_file /no/b: no such file"),
]

ELSEWHERE = [
    # what is wrong, variable or option, value, the message has
    (
        "an unknown variable",
        "PROJECTOR_RUN__RESCAN",
        "3",
        'did you mean "PROJECTOR_RUN__RESCAN_S"?',
    ),
    (
        "a word for a number",
        "PROJECTOR_RUN__BATCH_RECORDS",
        "many",
        "PROJECTOR_RUN__BATCH_RECORDS: batch_records: 'many' is",
    ),
    ("no scheme", "database", "srv", "--database: no scheme"),
    ("too few slashes", "PROJECTOR_DATABASE", "sqlite://p", "PROJECTOR_DATABASE: "),
    (
        "an unknown scheme",
        "database",
        "mysql://u:pw@h/d",
        '--database: unknown scheme "mysql"; write',
    ),
    (
        "PostgreSQL by another name",
        "database",
        "postgres://u:pw@h/d",
        "write postgresql://user@host/name",
    ),
    ("a folder for a database", "database", "sqlite:///d/", "a file is needed"),
]


@pytest.mark.parametrize(
    ("text", "words"), [pytest.param(*case[1:], id=case[0]) for case in IN_THE_FILE]
)
def test_faults_in_the_file(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong is refused in words that say where, what, and what is right."""
    file = tmp_path / "c.toml"
    file.write_text(text)

    with pytest.raises(UsageError, match=re.escape(words)):
        config.load({}, file=str(file), env={})


@pytest.mark.parametrize(
    ("name", "value", "words"), [pytest.param(*case[1:], id=case[0]) for case in ELSEWHERE]
)
def test_faults_elsewhere(name: str, value: str, words: str) -> None:
    """So it is in the environment and on the command line; a password is not shown again."""
    given = {name: value}

    with pytest.raises(UsageError, match=re.escape(words)) as refused:
        config.load(
            {} if name.isupper() else given, env={**ALONE, **(given if name.isupper() else {})}
        )

    assert "pw" not in str(refused.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[run]\nrescan_s = 0\nwach = 1\n")

    with pytest.raises(UsageError) as refused:
        config.load({"database": "x"}, file=str(file), env={"PROJECTOR_LOG__LEVEL": "loud"})

    message = str(refused.value)
    for part in ("c.toml:2: rescan_s", "c.toml:3: unknown setting wach", "LOG__LEVEL", "no scheme"):
        assert part in message


def test_options_stand_above_environment_above_file_above_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('database = "sqlite:///file"\n[run]\nbatch_records = 5\nrescan_s = 5\n')
    env = {"PROJECTOR_RUN__BATCH_RECORDS": "6", "PROJECTOR_DATABASE": "sqlite:///env"}

    settings = config.load({"database": "sqlite:////option"}, file=str(file), env=env)

    assert settings.database == "sqlite:////option"
    assert settings.database_path == "/option"
    assert settings.run.batch_records == 6
    assert settings.run.rescan_s == 5
    assert settings.run.batch_bytes == Settings().run.batch_bytes


FILES = [
    ("the user's own", {"XDG_CONFIG_HOME": "{t}/xdg"}, "xdg"),
    (
        "PROJECTOR_CONFIG before the user's own",
        {"XDG_CONFIG_HOME": "{t}/xdg", "PROJECTOR_CONFIG": "{t}/own.toml"},
        "own",
    ),
]


@pytest.mark.parametrize(("env", "which"), [pytest.param(*case[1:], id=case[0]) for case in FILES])
def test_which_file(tmp_path: Path, env: dict[str, str], which: str) -> None:
    (tmp_path / "xdg/codex-projector").mkdir(parents=True)
    for name, path in (("xdg", "xdg/codex-projector/config.toml"), ("own", "own.toml")):
        (tmp_path / path).write_text(f'database = "sqlite:////{name}"')

    settings = config.load({}, env={key: v.format(t=tmp_path) for key, v in env.items()})

    assert settings.database_path == f"/{which}"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.toml: no such file"):
        config.load({}, file=str(tmp_path / "missing.toml"), env={})


DATABASES = [
    ("under XDG_STATE_HOME", {"XDG_STATE_HOME": "/s"}, "/s/codex-projector/projector.db"),
    (
        "under systemd's state folder",
        {"XDG_STATE_HOME": "/s", "STATE_DIRECTORY": "/var/lib/cp"},
        "/var/lib/cp/projector.db",
    ),
    ("as said", {"PROJECTOR_DATABASE": "sqlite:////d/p.db"}, "/d/p.db"),
]


@pytest.mark.parametrize(("env", "path"), [pytest.param(*c[1:], id=c[0]) for c in DATABASES])
def test_where_the_database_is(env: dict[str, str], path: str) -> None:
    assert config.load({}, env=ALONE | env).database_path == path


def test_a_database_can_come_from_a_file_of_its_own(tmp_path: Path) -> None:
    """An address with a password in it need not stand in settings that others read."""
    (tmp_path / "secret").write_text("sqlite:////s/p.db\n")
    env = {"PROJECTOR_DATABASE_FILE": str(tmp_path / "secret")}

    env |= ALONE
    assert config.load({}, env=env).database_path == "/s/p.db"
    assert config.load({"database": "sqlite:////o"}, env=env).database_path == "/o"


def test_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options, else settings, else CODEX_HOME, else ~/.codex; each once, absolute."""
    monkeypatch.setenv("HOME", "/home/u")

    def homes(env: dict[str, str], *options: str) -> tuple[str, ...]:
        given = {"codex_homes": options} if options else {}
        return config.load(given, env=ALONE | env).codex_homes

    assert homes({}) == ("/home/u/.codex",)
    assert homes({"CODEX_HOME": "/c"}) == ("/c",)
    assert homes({"CODEX_HOME": "/c", "PROJECTOR_CODEX_HOMES": "/a:~/b"}) == ("/a", "/home/u/b")
    assert homes({"PROJECTOR_CODEX_HOMES": "/a"}, "/x", "/y", "/x") == ("/x", "/y")


NOWHERE = [
    # options, variables, what is to be named
    ({}, {}, "name Codex's home with --codex-home"),
    ({"codex_homes": ("/c",)}, {}, "name the database with --database"),
    ({"codex_homes": ("/c",)}, {"CODEX_HOME": "~/x"}, "name the database with --database"),
    ({"database": "sqlite:///~/p.db"}, {"CODEX_HOME": "/c"}, "~/p.db: HOME is not set"),
    ({"database": "sqlite:////p.db"}, {"CODEX_HOME": "~/c"}, "~/c: HOME is not set"),
    ({"database": "sqlite:////p.db"}, {"CODEX_HOME": "~nobody-has-this/c"}, "there is no user"),
    ({}, {"PROJECTOR_DATABASE_FILE": "~/secret", "CODEX_HOME": "/c"}, "~/secret: HOME is not set"),
]


@pytest.mark.parametrize("home", [None, ""], ids=["none", "empty"])
@pytest.mark.parametrize(("options", "env", "words"), NOWHERE)
def test_a_home_folder_that_nobody_knows_is_no_folder_named_tilde(
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    env: dict[str, str],
    words: str,
    home: str | None,
) -> None:
    """As of an account without an entry in /etc/passwd, in a container."""
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)

    def nobody(_uid: int) -> NoReturn:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(UsageError, match=re.escape(words)):
        config.load(options, env=ALONE | env)


def test_no_home_folder_is_needed_where_all_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    settings = config.load({"codex_homes": ("/c",), "database": "sqlite:////p.db"}, env=ALONE)

    assert (settings.codex_homes, settings.database) == (("/c",), "sqlite:////p.db")


def test_a_wrong_value_is_one_fault(tmp_path: Path) -> None:
    """It is not compared with another one as if its default were meant."""
    (tmp_path / "c.toml").write_text('[health]\ncritical_s = 5\nwarning_s = "soon"\n')
    with pytest.raises(UsageError) as raised:
        config.load({}, file=str(tmp_path / "c.toml"), env=ALONE)

    assert ";" not in str(raised.value)
    assert "warning_s: 'soon' is wrong" in str(raised.value)


SERVERS = [
    # address, shown
    ("postgresql://db/threads", "postgresql://db/threads"),
    ("postgresql://u:p#w?@db:5433/threads", "postgresql://u:***@db:5433/threads"),
    (
        "postgresql://u@db/threads?password=pw&sslmode=require",
        "postgresql://u@db/threads?password=***&sslmode=require",
    ),
    (
        "postgresql:///threads?host=/run&sslpassword=pw",
        "postgresql:///threads?host=/run&sslpassword=***",
    ),
]


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "sqlite:////d/p.db", "host=h dbname=d"])
def test_a_line_break_at_the_end_is_no_part_of_an_address(url: str) -> None:
    for end in ("\n", "\r\n"):
        named = config.load({"database": url + end}, env=ALONE)
        assert named.database == config.load({"database": url}, env=ALONE).database


@pytest.mark.parametrize(("url", "shown"), SERVERS)
def test_a_server_is_named_as_it_is_and_shown_without_its_password(url: str, shown: str) -> None:
    settings = config.load({"database": url}, env=ALONE)

    assert settings.database == url
    assert settings.database_path == ""
    assert database_url.shown(url) == shown
    assert not [secret for secret in database_url.secrets(url) if secret in shown]


def test_a_source_is_named_after_its_host_if_nothing_is_said() -> None:
    """Its id is made from its name alone, the same for ever."""
    assert config.load({}, env=ALONE).source.name == os.uname().nodename
    assert config.load({}, env=ALONE | {"PROJECTOR_SOURCE__NAME": "a"}).source.name == "a"
    assert str(database_url.source_id("a")) == "0de235de-dd52-5d92-a5ce-d44d5df6d0e1"


def test_names_of_the_endpoint_are_parted_by_commas() -> None:
    found = config.load({}, env={"HOME": "/", "PROJECTOR_SERVE__HOST_NAMES": "a.example, b,"})

    assert found.serve.host_names == ("a.example", "b")
