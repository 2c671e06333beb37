"""`projector commands`, `files` and `prompts` over the sample, on both engines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest

from projector.cli import run
from projector.store.questions import activity
from tests.conftest import NewDatabase
from tests.sample import make

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def url(new_database: NewDatabase) -> str:
    found = new_database()
    assert run(["backfill", "--codex-home", str(make.SHIPPED), "--database", found]) == 0
    return found


@pytest.fixture
def ask(url: str, capfdbinary: pytest.CaptureFixture[bytes]) -> Ask:
    def asked(*arguments: str, code: int = 0) -> str:
        capfdbinary.readouterr()
        assert run([*arguments, "--database", url]) == code
        return capfdbinary.readouterr().out.decode()

    return asked


def test_failed_commands(ask: Ask) -> None:
    lines = ask("commands", "--failed").splitlines()

    assert lines[0].split() == ["WHEN", "EXIT", "TOOK", "THREAD", "COMMAND"]
    assert [line.split()[2] for line in lines[1:]] == ["130"]
    assert lines[1].endswith("bash -lc 'python -m teapot brew --minutes 4'")
    assert "019b8d64-cb78 " in lines[1]


def test_all_commands_are_newest_first_and_told_once(ask: Ask) -> None:
    rows = json.loads(ask("commands", "--json"))

    assert [row["created_at_ms"] for row in rows] == sorted(
        (row["created_at_ms"] for row in rows), reverse=True
    )
    assert len({row["uid"] for row in rows}) == len(rows) == 6


@pytest.mark.parametrize("command", ["commands", "files", "prompts"])
def test_rows_are_the_same_in_however_small_spans(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A server is asked for a span of time after the other."""
    since = ask(command, "--json", "--since", "2026-01-05")
    every = ask(command, "--json")
    monkeypatch.setattr(activity, "_FIRST", 1)
    assert len(json.loads(every)) > 1
    assert ask(command, "--json") == every
    assert ask(command, "--json", "--since", "2026-01-05") == since


def test_forms_hold_the_same_rows(ask: Ask) -> None:
    rows = json.loads(ask("commands", "--output", "json"))
    lines = ask("commands", "--output", "jsonl").splitlines()
    table = list(csv.DictReader(io.StringIO(ask("commands", "--output", "csv"))))

    assert [json.loads(line) for line in lines] == rows
    assert [line["command"] for line in table] == [row["command"] for row in rows]
    assert table[0].keys() == rows[0].keys()


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ([], 4),
        (["cup.txt"], 1),
        (["docs/brewing.md"], 1),
        (["/home/robin/teapot/docs"], 1),
        (["brewing"], 0),
        (["docs"], 1),
        (["docs/"], 1),
        (["pot/docs"], 0),
        (["."], 0),
        (["/"], 4),
        (["../../../../../../../../home/robin/teapot/docs"], 1),
        (["%"], 0),
        (["--since", "2999-01-01"], 0),
        (["--cwd", "/home/robin"], 4),
        (["--cwd", "/home"], 4),
        (["--cwd", "/home/rob"], 0),
        (["--repo", "teapot"], 4),
        (["--repo", "pot"], 0),
        (["--thread", "A faster kettle"], 4),
        (["--limit", "2"], 2),
    ],
)
def test_files(ask: Ask, arguments: list[str], number: int) -> None:
    assert len(json.loads(ask("files", *arguments, "--json"))) == number


def test_prompts(ask: Ask) -> None:
    texts = [row["text"] for row in json.loads(ask("prompts", "--json"))]

    assert "The kettle test takes nine seconds. Why?" in texts
    assert len(texts) == len(set(texts))


def test_nothing_is_said_to_be_nothing(url: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    capfdbinary.readouterr()
    assert run(["prompts", "--since", "2999-01-01", "--database", url]) == 0
    assert capfdbinary.readouterr() == (b"", b"no prompts like that\n")
    assert run(["prompts", "--since", "some day", "--database", url]) == 2


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_what_failed_is_red(
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    coloured: bool,  # noqa: FBT001
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert ("\x1b[31m" in ask("commands")) is coloured
    assert "\x1b[" not in ask("commands", "--json")
