"""This program one revision of the rules later, in a process of its own or in this one.

    python -m tests.support.newer_rules KIND,KIND run --codex-home ...

What the revision changes: messages of the agent end with a mark.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from projector.cli import app
from projector.decode import thread_item
from projector.decode.fields import Object
from projector.model import revisions
from projector.model.revisions import Revision
from tests.support.databases import SOURCE, Where, url_of
from tests.support.running import PATIENCE_S, Running

MARK: Final = " (by newer rules)"
#: What the change touches.
MESSAGES: Final = "item/AgentMessage"
_as_it_is: Final = thread_item._CONVERTERS["AgentMessage"]


def _marked(item: Object) -> Object:
    shown = _as_it_is(item)
    return {**shown, "text": f"{shown['text']}{MARK}"}


def apply(patch: pytest.MonkeyPatch, *touches: str, rules: bool = True) -> None:
    """Let this process be one revision later; `rules`: and have the rules that came with it."""
    one = Revision(revisions.current() + 1, "a test", frozenset(touches))
    patch.setattr(revisions, "REVISIONS", (*revisions.REVISIONS, one))
    if rules:
        patch.setitem(thread_item._CONVERTERS, "AgentMessage", _marked)


@contextmanager
def newer_daemon(
    home: Path, database: Where, *touches: str, module: str = __name__
) -> Iterator[Running]:
    """Run a daemon that is one revision later until the block ends; it is killed then."""
    command = [sys.executable, "-m", module, ",".join(touches), "run", "--codex-home", str(home)]
    process = subprocess.Popen(
        [*command, "--database", url_of(database)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PROJECTOR_LOG__FORMAT": "json",
            "PROJECTOR_LOG__LEVEL": "debug",
            "PROJECTOR_SOURCE__NAME": SOURCE,
        },
        cwd=Path(__file__).parents[2],
    )
    killer = threading.Timer(PATIENCE_S, process.kill)
    killer.start()
    try:
        yield Running(process)
    finally:
        killer.cancel()
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


if __name__ == "__main__":
    _, touched, *arguments = sys.argv
    if touched:
        apply(pytest.MonkeyPatch(), *touched.split(","))
    app(arguments)
