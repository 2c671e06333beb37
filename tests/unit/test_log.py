"""What is logged, by name."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from projector import log

PROJECTOR = Path(log.__file__).parent


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
from projector import log
log.configure("info", "json")
log.event("batch.committed", records=1)
print("structlog" in sys.modules)
log.event("daemon.stopped")
print("structlog" in sys.modules)
"""
