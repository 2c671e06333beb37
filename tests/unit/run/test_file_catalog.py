"""Looks at all homes, again and again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from projector.run.file_catalog import LISTED_EVERY, FileCatalog
from tests.support.homes import DAY, NAME, put


def test_whatever_its_times_say_a_folder_is_listed_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, f"{DAY}/{NAME}")
    surveyor = FileCatalog([str(tmp_path)])
    really_scan, listed, later = os.scandir, list[str](), time.time_ns() + 10**10

    def scandir(folder: str) -> object:
        listed.append(folder)
        return really_scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(time, "time_ns", lambda: later)
    for _ in range(2 * LISTED_EVERY):
        assert len(surveyor.everything().files) == 1

    assert listed.count(str(tmp_path / DAY)) == 2
