"""What a browser waits for: every page over a database of a million items."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.benchmarks.bench import ROOT, Failed, Run, benchmark
from tests.benchmarks.watching import read_only
from tests.support import grafana

#: Milliseconds that a page may take.
_MOST_MS: Final = 200
#: What is summed over every response comes behind the usage page, and is not promised.
_BEHIND: Final = ("/usage/prices?days=365", "/usage/limits?days=365", "/usage/hours?days=365")


@contextmanager
def _served(database: Path) -> Iterator[tuple[http.client.HTTPConnection, str]]:
    """Serve the pages; give a connection, and the cookie that lets it in."""
    process = subprocess.Popen(
        [sys.executable, "-m", "projector", "web", "--port", "0", "--no-browser",
         "--database", f"sqlite:///{database}"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip())
        browser = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=60)
        browser.request("GET", f"/?{address.query}")
        entered = browser.getresponse()
        entered.read()
        yield browser, (entered.getheader("Set-Cookie") or "").partition(";")[0]
        browser.close()
    finally:
        process.terminate()
        process.communicate()


def _panels(run: Run, database: Path) -> None:
    """Ask each query of Grafana's dashboard for the newest week."""
    db = read_only(database)
    (newest,) = db.execute("SELECT max(updated_at_ms) FROM threads").fetchone()
    for title, query in grafana.asked("sqlite").items():
        asked = query.replace("$__from", str(newest - 7 * 86_400_000))
        asked = asked.replace("$__to", str(newest))
        for _ in range(max(run.repeat, 3)):
            began = time.perf_counter()
            db.execute(asked).fetchall()
            ms = (time.perf_counter() - began) * 1000
            run.result.sample(f"panel: {title}", "answer", ms, "ms")
    db.close()


@benchmark("pages", "pages in a browser at a million items, and of a thread of 100,000")
def pages(run: Run) -> None:
    """Open each page several times; threads in pages by their first, middle and last."""
    many = ("--rollouts", run.scaled("2000", "20"), "--forks", run.scaled("40", "2"),
            "--items", run.scaled("900000", "2000"), "--lean")  # fmt: skip
    long = ("--chain", "20", "--items", run.scaled("100000", "2000"), "--lean", "--seed", "1")
    homes = [run.home(*many), run.home(*long)]
    thread = homes[1].rollouts[0]["thread_id"]
    with run.folder() as scratch:
        database = scratch / "p.db"
        options = [word for home in homes for word in ("--codex-home", str(home.path))]
        subprocess.run(
            [sys.executable, "-m", "projector", "backfill", *options,
             "--database", f"sqlite:///{database}"],
            check=True, capture_output=True, cwd=ROOT,
        )  # fmt: skip
        paths = {
            "threads": "/",
            "threads, filtered": "/?q=the&failed=1&archived=show&agents=1",
            "thread, last page": f"/thread/{thread}",
            "thread, first page": f"/thread/{thread}?page=1",
            "thread, a turn": f"/thread/{thread}?page=50&reverted=1",
            "search, two words": "/search?q=wharf+deck",
            "behind: a word of every third item": "/search?q=harbour",
            "usage": "/usage?days=365",
            "health": "/health",
            "tables": "/data/threads/thread_history",
            **{f"behind: {path.partition('?')[0]}": path for path in _BEHIND},
        }
        with _served(database) as (browser, cookie):
            for name, path in paths.items():
                for _ in range(max(run.repeat, 5)):
                    began = time.perf_counter()
                    browser.request("GET", path, headers={"Cookie": cookie})
                    answer = browser.getresponse()
                    answer.read()
                    if answer.status != 200:
                        raise Failed(f"{path}: {answer.status}")
                    run.result.sample(name, "page", (time.perf_counter() - began) * 1000, "ms")
        _panels(run, database)
    run.result.notes.append(
        f"{sum(home.items for home in homes):,} items; one thread has {homes[1].items:,}"
    )
    for options_ in (many, long):
        run.forget(*options_)
    for name in paths:
        if not name.startswith("behind"):
            run.result.promise(name, "page", at_most=_MOST_MS)
