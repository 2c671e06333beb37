"""Captures of commands on a terminal, over the sample: 80 and 120 columns, and with colours.

    python -m tests.support.terminal

writes them anew to tests/commands/golden, a file a command. Look at what changed before you commit.
In captures with colours `{bad}...{}` stands for what the terminal is told.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from projector import cli
from projector.commands.output import STYLES
from tests.sample import make
from tests.support.projecting import backfilled

GOLDEN: Final = Path(__file__).parents[1] / "commands" / "golden"
#: A day after the sample.
NOW_NS: Final = 1_767_693_600_000_000_000

KETTLE: Final = "019b8d62"
#: Name of the capture, and the command.
COMMANDS: Final[Mapping[str, list[list[str]]]] = {
    "help": [["--help"]],
    "threads": [["threads"], ["threads", "--all"], ["threads", "--name", "nowhere"]],
    "show": [
        ["show", KETTLE],
        ["show", "last", "--turn", "-1"],
        ["show", KETTLE, "--around", "8680f9ac", "-C", "1"],
        ["show", "019b8d6"],
        ["show", "nowhere"],
    ],
    "search": [
        ["search", "kettle"],
        ["search", "tea", "-C", "1", "--limit", "2"],
        ["search", "--type", "user", "--limit", "3"],
        ["search", "cups", "--type", "usr"],
        ["search", "nothing-at-all"],
    ],
    "tail": [["tail", "--no-follow", "-n", "12"]],
    "prompts": [["prompts"]],
    "commands": [["commands"], ["commands", "--failed"]],
    "files": [["files"]],
    "cost": [
        ["cost"],
        ["cost", "--by", "thread,model"],
        ["cost", "--by", "repo", "--with-agents"],
        ["cost", "--by", "turn"],
    ],
    "limits": [["limits"], ["limits", "--since", "2026-01-01"]],
    "sql": [
        ["sql", "SELECT name, turn_count, created_at FROM threads ORDER BY created_at"],
        ["sql", "DELETE FROM threads"],
        ["sql", "--unite", "team_*"],
    ],
    "status": [["status"]],
    "usage": [["bakfill"], ["threads", "--since", "soon"], ["show", "--turn", "1"]],
}
#: Commands without a capture, and why.
OTHERS: Final[Mapping[str, str]] = {
    "backfill": "tells how long it took",
    "completion": "a script",
    "config": "paths of this machine",
    "copy": "tells how long it took",
    "doctor": "facts of this machine",
    "events": "JSON",
    "health": "one line for programs",
    "help": "pages, by rich",
    "install": "units of this machine",
    "mcp": "a server",
    "purge": "needs files that are gone",
    "rebuild": "tells how long it took",
    "run": "a daemon",
    "uninstall": "units of this machine",
    "verify": "tells how long it took",
    "web": "a server",
}
_NAMES: Final = {code: name for name, code in STYLES.items()}
_SEQUENCE: Final = re.compile("\x1b\\[([0-9;]*)m")


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@contextmanager
def stage() -> Iterator[Path]:
    """Project the sample at one moment, in one time zone; yield the database."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        patch.setattr(time, "time_ns", lambda: NOW_NS)
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("PAGER", "cat")
        patch.setenv("PROJECTOR_CONFIG", os.devnull)
        database = Path(folder) / "p.db"
        backfilled(make.SHIPPED, f"sqlite:///{database}")
        yield database
    time.tzset()


def screen(database: Path, arguments: list[str], columns: int, *, colour: bool) -> str:
    """Run a command on a terminal; return what it shows, standard error last."""
    out, err = io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("PROJECTOR_DATABASE", f"sqlite:///{database}")
        patch.setenv("CODEX_HOME", str(make.SHIPPED))
        if not colour:
            patch.setenv("NO_COLOR", "1")
        patch.setattr(sys, "stdout", Terminal(out, "utf-8"))
        patch.setattr(sys, "stderr", Terminal(err, "utf-8"))
        code = cli.run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        shown = (out.getvalue() + err.getvalue()).decode()
    shown = shown.replace(str(database), "/state/p.db").replace(str(make.SHIPPED), "/home/.codex")
    shown = re.sub(r"[\d.]+ MiB", "1.0 MiB", shown)
    shown = re.sub(r"genai-prices [\d.]+\d", "genai-prices 1.0", shown)
    return shown + (f"[exit code {code}]\n" if code else "")


def plain(text: str) -> str:
    """Return a capture without its sequences."""
    return _SEQUENCE.sub("", text)


def readable(text: str) -> str:
    """Return a capture with names in place of its sequences."""
    return _SEQUENCE.sub(lambda one: "{}" if one[1] == "0" else f"{{{_NAMES[one[1]]}}}", text)


def captures(database: Path, name: str) -> str:
    """Return all captures of a command."""
    made = []
    for arguments in COMMANDS[name]:
        said = " ".join(f"'{one}'" if " " in one or not one else one for one in arguments)
        for columns, colour in ((80, False), (120, False), (80, True)):
            shown = screen(database, arguments, columns, colour=colour)
            how = f"{columns} columns" + (", colours" if colour else "")
            rule = f"── {how} ".ljust(columns, "─")
            made.append(f"{rule}\n$ projector {said}\n{readable(shown)}")
    return "\n".join(made)


def main() -> None:
    """Write all captures."""
    GOLDEN.mkdir(exist_ok=True)
    with stage() as database:
        for name in COMMANDS:
            (GOLDEN / f"{name}.txt").write_text(captures(database, name), "utf-8")


if __name__ == "__main__":
    main()
