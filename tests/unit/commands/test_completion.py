"""Completion: what a shell is taught."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from projector import cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert cli.run(["completion", shell]) == 0
    assert f"_PROJECTOR_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_what_the_script_asks_is_answered() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from projector.__main__ import main; main()"],
        env=os.environ
        | {"_PROJECTOR_COMPLETE": "bash_complete", "COMP_WORDS": "projector he", "COMP_CWORD": "1"},
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert done.stdout.split() == ["plain,health", "plain,help"]
