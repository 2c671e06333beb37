"""Who projects rollouts, side by side: the projector, the bare loop, Codex itself, agentsview.

Each runs as a process of its own and says what it cost. Peers see only the generated home, and
run in a network namespace in which nothing but loopback is up.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.benchmarks.bench import ROOT, Failed, Home
from tests.benchmarks.processes import Cost, backfill, environment, measured
from tests.live import install, offline

#: The agentsview that the figures of the README were measured with.
AGENTSVIEW: Final = "agentsview==0.46.1"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way from rollouts to rows."""

    name: str
    absent: Callable[[], str]
    """Why it cannot take part here; empty: it can."""
    run: Callable[[Home, Path], Cost]
    """Project a home, working in a scratch folder. Raises `Failed`, also when rows are missing."""
    writes: bool = False
    """It writes into the home, and so needs a copy."""


def _count(database: Path, query: str) -> int:
    with sqlite3.connect(database) as db:
        return int(db.execute(query).fetchone()[0])


def _legacy(home: Home) -> bool:
    return bool(home.rollouts[0]["history"] == "legacy")


def _expect(who: str, rows: int, home: Home) -> None:
    """Hold the rows against the records of items; legacy calls may be rebuilt: more rows."""
    if rows < home.items or (rows > home.items and not _legacy(home)):
        raise Failed(f"{who} made {rows:,} rows of {home.items:,} items")


def run_projector(home: Home, scratch: Path) -> Cost:
    """Run `projector backfill`, whole process, into a new database."""
    database = scratch / "projector.sqlite"
    cost = measured(backfill(home.path, database), scratch)
    # The views named as Codex names them hold no legacy rollouts.
    view = "thread_history" if _legacy(home) else "codex_thread_items"
    _expect("the projector", _count(database, f"SELECT count(*) FROM {view}"), home)
    return cost


def run_bare(home: Home, scratch: Path) -> Cost:
    """Run the bare loop, whole process, into a new database."""
    database = scratch / "bare.sqlite"
    cost = measured(
        [sys.executable, "-m", "tests.benchmarks.bare_loop", str(home.path), str(database)],
        scratch,
    )
    _expect("the bare loop", _count(database, "SELECT count(*) FROM _items"), home)
    return cost


# --- Codex ---------------------------------------------------------------------------------------


@cache
def codex_binary() -> Path:
    """Give the native Codex: `$CODEX_BIN`, or the one that the live tests have installed.

    Raises:
        install.Unavailable: neither is there.
    """
    named = os.environ.get("CODEX_BIN")
    if named:
        return Path(named)
    found = sorted((install.cache() / f"codex-{install.PINNED}").glob(install._BINARY))
    if not found:
        raise install.Unavailable("no Codex here: set CODEX_BIN, or run with --install-peers")
    return found[0]


def _codex_absent() -> str:
    try:
        codex_binary()
        offline.prefix()
    except install.Unavailable as error:
        return str(error)
    return ""


def run_codex(home: Home, scratch: Path) -> Cost:
    """Let Codex resume each thread in turn, until all rows are in thread_history_1.sqlite.

    The wall time is that of the resumes alone: Codex's own start, and its end, are left out.
    CPU time and memory are those of the whole process.
    """
    report = scratch / "codex.json"
    done = subprocess.run(
        [
            *offline.prefix(),
            sys.executable,
            "-m",
            "tests.benchmarks.codex_resumes",
            codex_binary(),
            home.path,
            scratch,
            report,
        ],
        cwd=ROOT,
        env=environment(scratch),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"Codex: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    database = home.path / "thread_history_1.sqlite"
    _expect("Codex", _count(database, "SELECT count(*) FROM thread_items"), home)
    return Cost(**json.loads(report.read_text()))


# --- agentsview ----------------------------------------------------------------------------------


def _agentsview_venv() -> Path:
    return install.cache() / "agentsview"


@cache
def agentsview_binary() -> Path:
    """Give agentsview: `$AGENTSVIEW_BIN`, or that of the virtual environment in the cache.

    Raises:
        install.Unavailable: neither is there.
    """
    named = os.environ.get("AGENTSVIEW_BIN")
    if named:
        return Path(named)
    # The wheel holds a native program; the Python script before it would only cost time.
    found = sorted(_agentsview_venv().glob("lib/python*/site-packages/agentsview/bin/agentsview"))
    if not found:
        raise install.Unavailable("no agentsview here: run with --install-peers")
    return found[0]


def _agentsview_absent() -> str:
    try:
        agentsview_binary()
        offline.prefix()
    except install.Unavailable as error:
        return str(error)
    return ""


def run_agentsview(home: Home, scratch: Path) -> Cost:
    """Run `agentsview sync`, whole process, into a new data folder."""
    data = scratch / "data"
    data.mkdir()
    cost = measured(
        [str(agentsview_binary()), "sync"],
        scratch,
        before=(*offline.prefix(), sys.executable, "-m", "tests.benchmarks.alone"),
        env={
            "CODEX_HOME": str(home.path),
            "CODEX_SESSIONS_DIR": str(home.path / "sessions"),
            "AGENTSVIEW_DATA_DIR": str(data),
            "AGENTSVIEW_NO_DAEMON": "1",
        },
    )
    sessions = _count(data / "sessions.db", "SELECT count(*) FROM sessions")
    if sessions != len(home.rollouts):
        raise Failed(f"agentsview made {sessions} sessions of {len(home.rollouts)} rollouts")
    return cost


def install_peers() -> None:
    """Install Codex and agentsview into the cache folder, where they are not there yet."""
    install.codex()
    folder = _agentsview_venv()
    if _agentsview_absent():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", AGENTSVIEW], check=True)
        agentsview_binary.cache_clear()


PROJECTOR: Final = Contestant("projector", lambda: "", run_projector)
BARE: Final = Contestant("bare loop", lambda: "", run_bare)
CODEX: Final = Contestant("codex", _codex_absent, run_codex, writes=True)
AGENTS_VIEW: Final = Contestant("agentsview", _agentsview_absent, run_agentsview)
ALL: Final = (PROJECTOR, BARE, CODEX, AGENTS_VIEW)
