"""What is installed: the wheel and the sdist hold all that is needed, and work."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support import docs


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build both, the wheel from the sdist, as an installer would."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*build, "-t", "sdist"], cwd=docs.ROOT, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "xf", sdist], cwd=folder, check=True)
    source = folder / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*build, "-t", "wheel"], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def test_the_wheel_holds_what_the_program_needs(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = wheel.namelist()

    there = {
        str(path.relative_to(docs.ROOT))
        for path in (docs.ROOT / "projector").rglob("*")
        if path.is_file() and not {"__pycache__", "pictures"} & {*path.parts}
    }
    assert {name for name in names if name.startswith("projector/")} == there
    assert "projector/py.typed" in names
    shared = [name.partition(".data/data/")[2] for name in names if ".data/data/" in name]
    assert sorted(shared) == [
        "share/codex-projector/alerts.yml",
        "share/codex-projector/grafana-dashboard.json",
        "share/codex-projector/grafana-work-sqlite.json",
        "share/codex-projector/grafana-work.json",
        "share/codex-projector/projector.toml",
        "share/man/man1/projector.1",
    ]
    assert not [name for name in names if name.startswith("tests")]


def test_the_wheel_works_by_itself(built: tuple[Path, Path], tmp_path: Path) -> None:
    """A first look, with nothing but the wheel and the libraries."""
    with zipfile.ZipFile(built[1]) as wheel:
        wheel.extractall(tmp_path / "wheel")
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "wheel")}

    def projector(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "projector", *arguments],
            cwd=tmp_path, env=env, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    assert "schema" in projector("--version")
    assert "items" in projector("backfill", "--sample")
    assert "[Service]" in projector("install", "--user", "--dry-run")
    where = [sys.executable, "-c", "import projector; print(projector.__file__)"]
    found = subprocess.check_output(where, cwd=tmp_path, env=env, text=True)
    assert found.startswith(str(tmp_path / "wheel"))


def test_the_sdist_holds_what_its_tests_need(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {
        "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "Containerfile", ".ci/run",
        "tests/test_docs.py", "systemd/projector.service", "config/projector.1",
        "config/alerts.yml",
    } <= names  # fmt: skip
