"""Scratch databases lie on a disk, in a folder of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from projector.store.scratch import scratch_folder


@pytest.mark.parametrize("named", [True, False])
def test_where_they_lie(named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a case's column
    monkeypatch.setenv("TMPDIR", str(tmp_path)) if named else monkeypatch.delenv("TMPDIR", False)

    made = Path(scratch_folder("test"))

    try:
        assert made.parent == (tmp_path if named else Path("/var/tmp"))
        assert made.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(made)
