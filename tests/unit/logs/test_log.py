"""What is logged, by name."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from projector.logs import events as log

PROJECTOR = Path(log.__file__).parents[1]


def _logged() -> set[str]:
    """Give the names of events in the code: the first argument of every `log.event`."""
    return {
        argument.value
        for path in PROJECTOR.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "log.event"
        for argument in ast.walk(call.args[0])
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_every_event_that_is_logged_is_listed() -> None:
    assert _logged() - set(log.EVENTS) == set()


def test_every_event_that_is_listed_is_logged() -> None:
    assert set(log.EVENTS) - _logged() == set()


def test_the_list_is_complete_for_the_type_checker_too() -> None:
    assert set(log.EVENTS) == set(get_args(log.Name))


@pytest.mark.parametrize("name", log.EVENTS)
def test_names_are_noun_and_what_happened(name: log.Name) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", name)
    assert log.EVENTS[name].meaning


def test_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, on standard error, with time, level, event and fields."""
    log.configure("debug", "json")
    log.event("batch.committed", rollout="7f3a", records=96)

    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "batch.committed", "level": "debug", "rollout": "7f3a", "records": 96,
    }  # fmt: skip


def test_console_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    log.configure("info", "console")
    log.event("batch.committed", rollout="7f3a")
    log.event("rollout.set_aside", rollout="91c2", error="permission denied\nforged line")

    err = capsys.readouterr().err
    assert "batch.committed" not in err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[error +\] rollout.set_aside .*rollout=91c2\n", err
    )
    assert "\x1b" not in err


def test_lines_for_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under systemd a line has its priority and no time: the journal has both fields itself."""
    with (tmp_path / "journal").open("w+") as journal:
        facts = os.fstat(journal.fileno())
        monkeypatch.setattr("sys.stderr", journal)
        monkeypatch.setenv("JOURNAL_STREAM", f"{facts.st_dev}:{facts.st_ino}")
        log.configure("info", "auto")
        log.event("rollout.set_aside", path="/a b", error="x y\n<0>z")
        journal.seek(0)

        assert journal.read() == '<3>rollout.set_aside path="/a b" error="x y\\n<0>z"\n'


def test_an_exception_is_one_field(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    log.event("rollout.set_aside", exc=ValueError("why"))

    line = json.loads(capsys.readouterr().err)
    assert "ValueError: why" in line["exception"]


def test_what_renders_is_loaded_with_the_first_line() -> None:
    """Commands that log nothing need not wait for it: it takes as long as all the rest."""
    told = subprocess.run(
        [sys.executable, "-c", _FIRST_LINE], capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == ["False", "True"]


_FIRST_LINE = """
import sys
from projector.logs import events as log
log.configure("info", "json")
log.event("batch.committed", records=1)
print("structlog" in sys.modules)
log.event("daemon.stopped")
print("structlog" in sys.modules)
"""


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


#: Values, and how they are written. What no terminal may get is in none of them.
ODD_VALUES: list[tuple[object, str]] = [
    (os.fsdecode(b"/x/li\xfdnk"), r"/x/li\xfdnk"),
    ("half \ud800 of a pair", r"half \ud800 of a pair"),
    (b"bytes \xff", r"bytes \xff"),
    (10**5000, hex(10**5000)),
    (-(2**64), "-0x10000000000000000"),
    (["\udcff"], r"['\udcff']"),
    (Unprintable(), "<Unprintable>"),
]


@pytest.mark.parametrize("form", ["json", "console", "journal"])
@pytest.mark.parametrize(("value", "text"), ODD_VALUES, ids=range(len(ODD_VALUES)))
def test_whatever_the_fields_hold_a_line_comes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, value: object, text: str
) -> None:
    line = _line(tmp_path, monkeypatch, form, error=value)

    if form == "json":
        assert json.loads(line)["error"] == text
    else:
        assert text in line.replace("\\\\", "\\")


@pytest.mark.parametrize("form", ["json", "console", "journal"])
def test_nothing_that_is_logged_moves_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    harmful = "\x1b[2J\x00\x07\x08\r\x7f\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"

    line = _line(tmp_path, monkeypatch, form, error=harmful, exc=UnprintableError(harmful))

    assert not set(harmful.replace("[2J", "")) & set(line)
    if form == "json":
        assert json.loads(line)["error"] == harmful


@pytest.mark.parametrize("gone", ["a full disk", "nobody who reads"])
def test_a_log_that_cannot_be_written_ends_nothing(gone: str) -> None:
    if gone == "a full disk":
        error = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, error = os.pipe()
        os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _FIRST_LINE], stdout=subprocess.PIPE, stderr=error, check=False
        )
    finally:
        os.close(error)

    assert done.stdout.split() == [b"False", b"True"]


def _line(folder: Path, monkeypatch: pytest.MonkeyPatch, form: str, **fields: Any) -> str:
    """Give the line of an event, as it comes to standard error."""
    with (folder / "log").open("w+", encoding="utf-8", newline="") as out:
        facts = os.fstat(out.fileno())
        monkeypatch.setattr("sys.stderr", out)
        monkeypatch.setenv("JOURNAL_STREAM", f"{facts.st_dev}:{facts.st_ino}")
        log.configure("info", "auto" if form == "journal" else form)  # type: ignore[arg-type]
        log.event("rollout.failed", **fields)
        out.seek(0)
        return out.read()
