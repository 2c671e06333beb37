"""The pages in a real Chromium: what a person sees, and what must not happen."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.generator.mix import LEAN
from tests.support.generator.rollouts import write_chain, write_home
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


_SVG = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").decode()
#: Images that are none, that run, that are gone or elsewhere.
IMAGES: list[Json] = [
    {"type": "image", "url": f"data:image/svg+xml;base64,{_SVG}"},
    {"type": "image", "url": f"data:image/png;base64,{_SVG}"},
    {"type": "image", "url": "https://evil.example/pixel.png"},
    {"type": "image", "url": "javascript:document.title='run'"},
    {"type": "local_image", "path": "/etc/passwd"},
    {"type": "local_image", "path": "/dev/zero"},
    {"type": "local_image", "path": "/nowhere/gone.png"},
    {"type": "local_image", "path": "../\x00\u202e.png"},
]


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
            item("t1", {"type": "UserMessage", "id": "u2", "content": IMAGES}),
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


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give forks, and a thread of several rollouts, each of which reverts a turn."""
    folder = tmp_path_factory.mktemp("lineage")
    forked = write_home(folder / "home", rollouts=6, forks=3, items=240, mix=LEAN)
    write_chain(folder / "home", length=4, items=200, seed="chain", mix=LEAN)
    assert len(forked) == 6
    database = f"sqlite:///{folder}/p.db"
    backfill("--codex-home", str(folder / "home"), "--database", database)
    return database


def test_forks_and_agents_are_walked_by_links(chromium: object, sample: str) -> None:
    """From a fork to its base, to the fork again, to the agent that it sent out, and back."""
    with looking(chromium, sample) as seen:
        page = seen.open("/")
        page.get_by_role("link", name="Tea temperatures").click()
        page.locator("dt", has_text="Fork of").locator("xpath=..").get_by_role("link").click()
        page.get_by_role("heading", name="A faster kettle").wait_for()
        page.locator(".related").get_by_role("link", name="Tea temperatures").click()
        page.get_by_role("heading", name="Tea temperatures").wait_for()
        page.locator(".related").filter(has_text="Agents").get_by_role("link").click()
        page.locator("dt", has_text="Agent of").locator("xpath=..").get_by_role("link").click()
        page.get_by_role("heading", name="Tea temperatures").wait_for()
        assert (seen.complaints, seen.elsewhere) == ([], [])


def test_every_thread_of_a_lineage(chromium: object, lineage: str) -> None:
    """Forks of forks and chains of reverts: turns that were reverted come and go by a switch."""
    with looking(chromium, lineage) as seen:
        names = seen.open("/?agents=1&archived=show").locator(".threads .name").all()
        threads = [one.get_attribute("href") or "" for one in names]
        assert len(threads) == 7
        switched = 0
        for thread in threads:
            page = seen.open(thread)
            page.wait_for_selector(".turn")
            switch = page.get_by_role("link", name=re.compile("Show .* reverted turn"))
            if switch.count():
                before = page.locator(".turn").count()
                switch.click()
                page.get_by_role("link", name="Hide the reverted turns").wait_for()
                gone = page.locator(".turn.reverted").count()
                assert page.locator(".turn").count() == before + gone
                assert gone >= 1
                switched += 1
        assert switched >= 1
        assert (seen.complaints, seen.elsewhere) == ([], [])


def test_two_browsers_watch_while_the_daemon_writes(chromium: object, tmp_path: Path) -> None:
    home, database = tmp_path / "home", f"sqlite:///{tmp_path}/p.db"
    written = [meta(), started("t1"), item("t1", user("u1", "First?")), complete("t1")]
    path = put(home, f"sessions/2026/11/01/{name_of(1)}", text(*written))
    where = ["--codex-home", str(home), "--database", database]
    backfill(*where)
    daemon = subprocess.Popen([sys.executable, "-m", "projector", "run", *where])
    try:
        with looking(chromium, database) as one, looking(chromium, database) as other:
            for seen in (one, other):
                seen.open("/").locator(".threads .name").first.click()
                seen.page.get_by_text("Live: new turns").wait_for()
            for number in range(3):
                before = len(text(*written))
                written += [
                    started(f"n{number}"), item(f"n{number}", user("u", f"Question {number}?")),
                    item(f"n{number}", agent("a", text=f"**Answer {number}**")),
                    complete(f"n{number}"),
                ]  # fmt: skip
                with path.open("ab") as file:
                    file.write(text(*written)[before:])
                for seen in (one, other):
                    seen.page.locator("strong", has_text=f"Answer {number}").wait_for()
            for seen in (one, other):
                assert seen.page.locator(".turn").count() == 4
                assert (seen.complaints, seen.elsewhere) == ([], [])
    finally:
        daemon.terminate()
        assert daemon.wait(60) == 0


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
@pytest.mark.parametrize("home", ["sample", "hostile", "lineage"])
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
        for path in (
            "/", thread or "", "/search?q=tea", "/usage?days=365", "/usage/prices?days=365",
            "/usage/limits?days=365", "/health", "/health/doctor",
        ):  # fmt: skip
            seen.open(path)
            found = Axe().run(page).response["violations"]
            serious = [
                (one["id"], [node["html"] for node in one["nodes"]][:3])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
