"""The pages in a real Chromium: what a person sees, and what must not happen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.homes import name_of, put
from tests.support.paginated import Json, agent, complete, item, meta, started, text, user

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
pytestmark = pytest.mark.skipif(
    not CHROMIUM and not os.environ.get("EVERY_TEST"),
    reason="needs Chromium: apt-get install chromium",
)

#: What someone who wants a script to run may write, wherever a rollout takes a text.
HOSTILE = (
    "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
    "<svg onload=\"document.title='run'\"></svg>[x](javascript:document.title='run')"
    "![p](https://evil.example/pixel.png)\x1b]0;run\x07\u202e</title></style></textarea>"
)


def backfill(*options: str) -> None:
    """Project as a process of its own: the browser's driver has a loop in this one."""
    subprocess.run([sys.executable, "-m", "projector", "backfill", *options], check=True)


@dataclass
class Seen:
    """A page, and what it asked for and complained of."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of ours."""
        self.page.goto(self.base + path)
        self.page.wait_for_selector("h1")
        return self.page


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def looking(chromium: object, database: str, **options: object) -> Iterator[Seen]:
    """Serve the pages of a database and open them in a browser of their own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "projector", "web", "--port", "0", "--no-browser",
         "--database", database],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        base = address.partition("/?")[0]
        context = chromium.new_context(**options)  # type: ignore[attr-defined]
        seen = Seen(context.new_page(), base)
        seen.page.on(
            "console",
            lambda said: seen.complaints.append(said.text) if said.type == "error" else None,
        )
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((base, "data:")) else seen.elsewhere.append(asked.url)
            ),
        )
        seen.page.goto(address)
        seen.page.wait_for_url(f"{base}/")
        yield seen
        context.close()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    database = f"sqlite:///{tmp_path_factory.mktemp('sample')}/p.db"
    backfill("--sample", "--database", database)
    return database


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    command: Json = {
        "type": "CommandExecution", "id": "c1", "command": ["sh", "-c", HOSTILE], "cwd": HOSTILE,
        "process_id": None, "source": "agent", "parsed_cmd": [], "status": "failed",
        "stdout": HOSTILE, "stderr": "", "aggregated_output": HOSTILE, "exit_code": 1,
        "duration": {"secs": 1, "nanos": 0}, "formatted_output": HOSTILE,
    }  # fmt: skip
    put(
        folder / "home",
        f"sessions/2026/11/01/{name_of(1)}",
        text(
            meta(cwd=HOSTILE, git={"branch": HOSTILE, "repository_url": HOSTILE}),
            started("t1"),
            item("t1", user("u1", HOSTILE)),
            item("t1", agent("a1", text=HOSTILE)),
            item("t1", command),
            item("t1", {"type": HOSTILE, "id": HOSTILE, "x": HOSTILE}),
            complete("t1"),
        ),
    )
    database = f"sqlite:///{folder}/p.db"
    backfill("--codex-home", str(folder / "home"), "--database", database)
    return database


def test_every_page_of_the_sample(chromium: object, sample: str) -> None:
    with looking(chromium, sample) as seen:
        page = seen.open("/")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector(".turn")
        for path in (
            "/usage?days=365", "/usage/prices?days=365", "/health", "/health/doctor",
            "/data/threads", "/data/threads/thread_history", "/data/threads/threads",
            "/data/threads/which-turns-took-longest-", "/search?q=tea",
        ):  # fmt: skip
            seen.open(path.rstrip("-"))
            page.wait_for_load_state("networkidle")
        page.keyboard.press("/")
        page.keyboard.type("kettle")
        page.keyboard.press("Enter")
        page.wait_for_selector("mark")
        page.locator(".hits li a").first.click()
        page.wait_for_selector(".item:target")
        assert (seen.complaints, seen.elsewhere) == ([], [])


def test_nothing_of_a_rollout_runs(chromium: object, hostile: str) -> None:
    with looking(chromium, hostile) as seen:
        page = seen.open("/")
        page.locator(".threads .name").first.click()
        page.wait_for_selector(".turn")
        for path in (
            "", "/?q=script", "/search?q=script", "/usage", "/health", "/data/threads/threads",
            "/data/threads/thread_history", "/data/threads/all_items", "/data/threads/messages",
        ):  # fmt: skip
            if path:
                seen.open(path)
            assert page.title() != "run"
            assert (
                page.locator("main script, main svg[onload], [onerror], main iframe").count() == 0
            )
            assert page.locator('a[href^="javascript" i]').count() == 0
        assert (seen.complaints, seen.elsewhere) == ([], [])


def test_a_turn_appears_while_it_is_watched(chromium: object, tmp_path: Path) -> None:
    home, database = tmp_path / "home", f"sqlite:///{tmp_path}/p.db"
    begin = [meta(), started("t1"), item("t1", user("u1", "First?")), complete("t1")]
    more = [started("t2"), item("t2", user("u2", "And then?"))]
    path = put(home, f"sessions/2026/11/01/{name_of(1)}", text(*begin))
    project = ["--codex-home", str(home), "--database", database]
    backfill(*project)
    with looking(chromium, database) as seen:
        page = seen.open("/")
        page.locator(".threads .name").first.click()
        page.get_by_text("Live: new turns").wait_for()
        path.write_bytes(text(*begin, *more))
        backfill(*project)
        page.get_by_text("And then?").wait_for()
        path.write_bytes(text(*begin, *more, item("t2", agent("a2", text="*Last.*"))))
        backfill(*project)
        page.locator("em", has_text="Last.").wait_for()
        assert page.locator(".turn").count() == 2
        assert (seen.complaints, seen.elsewhere) == ([], [])


@pytest.mark.scheduled
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("home", ["sample", "hostile"])
def test_everyone_can_read_it(
    chromium: object, request: pytest.FixtureRequest, home: str, width: int, scheme: str
) -> None:
    """No finding of axe that it calls serious; nothing is wider than the window."""
    from axe_playwright_python.sync_playwright import (  # type: ignore[import-untyped] # noqa: PLC0415
        Axe,
    )

    database = request.getfixturevalue(home)
    size = {"width": width, "height": 800}
    # axe is a script that is put into the page, which the pages' policy forbids.
    with looking(chromium, database, color_scheme=scheme, viewport=size, bypass_csp=True) as seen:
        page = seen.open("/")
        thread = page.locator(".threads .name").first.get_attribute("href")
        for path in ("/", thread or "", "/search?q=tea", "/usage?days=365", "/health"):
            seen.open(path)
            found = Axe().run(page).response["violations"]
            serious = [
                (one["id"], [node["html"] for node in one["nodes"]][:3])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
