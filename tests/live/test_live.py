"""The real Codex writes, the daemon follows, and at the end our rows equal Codex's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.live import drift, offline
from tests.live.faulty import FAULTS
from tests.support import citus

#: Of the short set: seed, kills. What one session of every operation, once each, leaves out.
SHORT = ((2, True),)
SHORT_OPERATIONS = 25
#: Of the long set, `pytest tests/live --scheduled`: ten sessions, five with kills.
LONG = tuple((seed, seed % 2 == 0) for seed in range(101, 111))
LONG_OPERATIONS = 60


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Draw the sessions by the options."""
    if "session" not in metafunc.fixturenames:
        return
    option = metafunc.config.getoption
    seed = option("--seed", default=None)
    if seed is not None:
        sessions = [(seed, option("--operations"), bool(option("--kills")))]
    else:
        sessions = [(number, SHORT_OPERATIONS, kills) for number, kills in SHORT]
        sessions += [(number, LONG_OPERATIONS, kills) for number, kills in LONG]
    metafunc.parametrize(
        "session",
        [
            pytest.param(
                (number, size, kills),
                id=f"seed {number}, {size} operations{', kills' * kills}",
                marks=[pytest.mark.scheduled] * (seed is None and (number, kills) in LONG),
            )
            for number, size, kills in sessions
        ],
    )


def play(
    folder: Path, seed: int, *more: str, projector: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Play one session in a namespace of its own."""
    words = [
        *offline.prefix(), sys.executable, "-m", "tests.live.session",
        "--seed", str(seed), "--folder", str(folder / "session"), *more,
    ]  # fmt: skip
    if projector:
        words += ["--projector", json.dumps(projector)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def where(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Give the words that name a database on a server, where the tests are told to use one."""
    if not (citus.ADDRESS or request.config.getoption("--server", default=False)):
        yield []
        return
    with request.getfixturevalue("server").database() as url:
        yield ["--server", url]


@pytest.mark.usefixtures("codex")
def test_random_sessions_end_with_equal_rows(
    session: tuple[int, int, bool],
    where: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever a user does, and whenever the daemon is killed, the rows are Codex's own."""
    seed, operations, kills = session
    killed = ["--kills"] if kills else []
    played = play(tmp_path, seed, "--operations", str(operations), *killed, *where)
    with capsys.disabled():  # the counts are the proof; they belong into every log
        sys.stdout.write(f"\n{played.stdout}")
    again = f"pytest tests/live --seed {seed} --operations {operations} {' '.join(killed)}"

    assert played.returncode == 0, f"{played.stdout}{played.stderr}\nAgain with: {again}"


def test_every_operation_once_and_nothing_unknown(
    codex: Path, where: list[str], tmp_path: Path
) -> None:
    """Each operation of the book is done; Codex writes nothing that `known.json` does not have."""
    played = play(tmp_path, 1, "--every", *where)

    assert played.returncode == 0, f"{played.stdout}{played.stderr}"

    stage = tmp_path / "session"
    schema = stage / "schema" / "codex_app_server_protocol.v2.schemas.json"
    features = drift.features_of([*offline.prefix(), codex], tmp_path / "features")
    seen = drift.observe(stage / "home", json.loads(schema.read_text()), features)
    lines, news = drift.differences(json.loads(drift.KNOWN.read_text()), seen)

    assert not news, "\n".join(lines)


@pytest.mark.usefixtures("codex")
@pytest.mark.parametrize("mode", ["paginated", "legacy"])
def test_tokens_are_those_that_the_model_reported(
    mode: str, where: list[str], tmp_path: Path
) -> None:
    """Full windows, compactions, reverts, forks, resumes, agents: nothing is made up or lost."""
    words = [
        *offline.prefix(), sys.executable, "-m", "tests.live.spending",
        "--mode", mode, "--folder", str(tmp_path / "session"), *where,
    ]  # fmt: skip
    played = subprocess.run(words, capture_output=True, text=True, check=False)

    assert played.returncode == 0, f"{played.stdout}{played.stderr}"


@pytest.mark.usefixtures("codex")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_projection_is_found(fault: str, tmp_path: Path) -> None:
    """The same session that passes fails when the projector has a fault."""
    faulty = [sys.executable, "-m", "tests.live.faulty", fault]
    played = play(tmp_path, 1, "--operations", "2", projector=faulty)

    assert played.returncode == 1
    assert "DIFFERS codex_thread_" in played.stdout
    assert "Fault" not in played.stderr
