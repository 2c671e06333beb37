"""`projector web` as a process: who gets in, what the pages show, live turns."""

from __future__ import annotations

import http.client
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from projector import cli
from projector.serve.web.pages import ITEMS
from tests.support.databases import Where, url_of
from tests.support.homes import name_of, put
from tests.support.paginated import agent, complete, item, meta, started, text, user

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
THREAD = "019b8d64-cb78-7000-8000-00000000001f"


class Browser:
    """Asks as a browser that was opened with the printed address."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.at = (parts.hostname or "", parts.port or 0)
        self.token = parts.query
        self.cookie = ""
        status, _, cookie = self.ask(f"/?{self.token}", {})
        assert status == 200
        self.cookie = cookie.partition(";")[0]
        self.flags = cookie

    def ask(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Give status, body and the cookie that is set; `headers` in place of the cookie."""
        connection = http.client.HTTPConnection(*self.at, timeout=60)
        try:
            connection.request(
                "GET", path, headers={"Cookie": self.cookie} if headers is None else headers
            )
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.getheader("Set-Cookie") or ""
        finally:
            connection.close()

    def get(self, path: str) -> str:
        """Give a page's body."""
        status, body, _ = self.ask(path)
        assert status == 200, body
        return body


@contextmanager
def pages(database: Path | str, *options: str) -> Iterator[Browser]:
    """Serve the pages of a database until the block ends."""
    url = database if isinstance(database, str) else f"sqlite:///{database}"
    process = subprocess.Popen(
        [sys.executable, "-m", "projector", "web", "--port", "0", "--no-browser",
         "--database", url, *options],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield Browser(process.stdout.readline().strip())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give the pages of the sample."""
    folder = tmp_path_factory.mktemp("web")
    database = f"sqlite:///{folder}/p.db"
    assert cli.run(["backfill", "--sample", "--database", database]) == 0
    with pages(database) as browser:
        yield browser


def test_only_who_has_the_token_gets_in(sample: Browser) -> None:
    assert "HttpOnly" in sample.flags
    assert "SameSite=Strict" in sample.flags
    for path in ("/", f"/thread/{THREAD}", "/usage", "/static/style.css", "/nowhere"):
        assert sample.ask(path, {})[0] == 403
        assert sample.ask(path, {"Cookie": "projector=x"})[0] == 403
    assert sample.ask("/?token=x", {})[0] == 403
    assert sample.ask("/", {"Cookie": sample.cookie, "Host": "rebound.example"})[0] == 421
    assert sample.ask("/", {"Cookie": sample.cookie, "Origin": "http://evil.example"})[0] == 403
    assert "kettle" not in sample.ask("/", {})[1]


def test_threads(sample: Browser) -> None:
    body = sample.get("/")

    assert f'href="/thread/{THREAD}"' in body
    assert "Tea temperatures" in body
    assert "A faster kettle" not in sample.get("/?q=temperatures")
    assert "A faster kettle" in sample.get("/?q=kettle")
    assert "No threads" in sample.get("/?folder=/nowhere")


def test_a_thread(sample: Browser) -> None:
    body = sample.get(f"/thread/{THREAD}")

    assert "At which temperature should green tea be made?" in body
    assert f"codex resume {THREAD}" in body
    assert 'href="/thread/019b8d62-7a80-7000-8000-000000000002"' in body, "its base"
    assert 'data-live="/thread/' in body


def test_reverted_turns_stand_behind_a_switch(sample: Browser) -> None:
    kettle = "/thread/019b8d62-7a80-7000-8000-000000000002"
    body = sample.get(kettle)

    assert "reverted turn" in body
    assert 'class="turn reverted"' not in body
    assert 'class="turn reverted"' in sample.get(f"{kettle}?reverted=1")


@pytest.mark.parametrize(
    "path", ["/search?q=tea", "/search", "/usage?days=365", "/health", "/health/doctor"]
)
def test_other_pages(sample: Browser, path: str) -> None:
    assert "<h1>" in sample.get(path)


def test_a_hit_leads_to_its_item(sample: Browser) -> None:
    body = sample.get("/search?q=tea")

    assert "<mark>tea</mark>" in body
    address = body.partition('<li><a href="')[2].partition('"')[0].replace("&amp;", "&")
    page, _, item = address.partition("#")
    assert f'id="{item}"' in sample.get(page)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/thread/none", 404), (f"/thread/{THREAD}/turn/none", 404),
     ("/static/..%2fapp.py", 404), ("/?page=-3", 200), ("/?page=x&since=x", 200)],
)  # fmt: skip
def test_odd_addresses(sample: Browser, path: str, status: int) -> None:
    assert sample.ask(path)[0] == status


def test_a_database_that_is_not_there_is_named_and_waited_for(tmp_path: Path) -> None:
    with pages(tmp_path / "p.db") as browser:
        status, body, _ = browser.ask("/")
        assert status == 503
        assert "projector backfill" in body
        database = f"sqlite:///{tmp_path}/p.db"
        assert cli.run(["backfill", "--sample", "--database", database]) == 0
        assert "Tea temperatures" in browser.get("/")


def other_version(path: Path) -> None:
    """Make a database that lacks the views of this version."""
    assert cli.run(["backfill", "--sample", "--database", f"sqlite:///{path}"]) == 0
    with closing(sqlite3.connect(path)) as db:
        for (view,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
            db.execute(f"DROP VIEW {view}")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda path: path.write_bytes(b""), "projector backfill"),
        (lambda path: path.write_bytes(b"no database" * 1000), ""),
        (lambda path: path.mkdir(), ""),
        (other_version, "projector backfill"),
    ],
    ids=["being made", "none of ours", "a folder", "of another version"],
)
def test_a_database_that_cannot_be_read_is_told(
    made: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    """On every page, in a page; the next request looks again."""
    made(tmp_path / "p.db")
    with pages(tmp_path / "p.db") as browser:
        for path in ("/", f"/thread/{THREAD}", "/search?q=a", "/usage", "/usage/prices", "/health",
                     "/data/threads"):  # fmt: skip
            status, body, _ = browser.ask(path)
            assert status == 503, path
            assert "<h1>" in body
            assert told in body
            assert "Traceback" not in body


def test_live_turns_come_from_the_feed(database: Where, tmp_path: Path) -> None:
    """An append is committed while a page watches: its turn is named, and can be fetched."""
    home, engine_url = tmp_path / "home", url_of(database)
    first = text(
        meta(), started("t1"), item("t1", user("u1", "Is it <b>live</b>?")), complete("t1")
    )
    path = put(home, f"sessions/2026/11/01/{name_of(1)}", first)
    project = ["backfill", "--codex-home", str(home), "--database", engine_url]
    assert cli.run(project) == 0
    with pages(engine_url) as browser:
        address = browser.get("/").partition('class="name" href="')[2].partition('"')[0]
        body = browser.get(address)
        assert "Is it &lt;b&gt;live&lt;/b&gt;?" in body
        after = body.partition('data-after="')[2].partition('"')[0]
        connection = http.client.HTTPConnection(*browser.at, timeout=60)
        connection.request(
            "GET", f"{address}/live?after={after}", headers={"Cookie": browser.cookie}
        )
        stream = connection.getresponse()
        whole = text(
            meta(), started("t1"), item("t1", user("u1", "Is it <b>live</b>?")), complete("t1"),
            started("t2"), item("t2", agent("a2", text="It *is*.")), complete("t2"),
        )  # fmt: skip
        assert whole.startswith(first)
        with path.open("ab") as file:
            file.write(whole[len(first) :])
        assert cli.run(project) == 0
        lines = iter(stream.readline, b"")
        event = next(line for line in lines if line.startswith(b"data: "))
        connection.close()
        assert b'"t2"' in event
        assert "It <em>is</em>." in browser.get(f"{address}/turn/t2?fragment=1")


def test_long_turns_and_images(database: Where, tmp_path: Path) -> None:
    """The rest of a turn is counted and linked; images come by the item that names them."""
    home, engine_url = tmp_path / "home", url_of(database)
    picture, gone = tmp_path / "cup.png", tmp_path / "gone.png"
    picture.write_bytes(PNG)
    asked = user("u1", "Look")
    asked["content"] += [{"type": "local_image", "path": str(one)} for one in (picture, gone)]
    said = [item("t1", agent(f"a{n}", text=f"answer {n}.")) for n in range(ITEMS + 5)]
    put(
        home,
        f"sessions/2026/11/01/{name_of(1)}",
        text(meta(), started("t1"), item("t1", asked), *said, complete("t1")),
    )
    assert cli.run(["backfill", "--codex-home", str(home), "--database", engine_url]) == 0
    with pages(engine_url) as browser:
        address = browser.get("/").partition('class="name" href="')[2].partition('"')[0]
        body = browser.get(address)
        assert "6 more items of this turn" in body
        assert "answer 0." in body
        assert f"answer {ITEMS + 4}." not in body
        assert "Image 2 cannot be shown" in body
        image = body.partition('<img class="shown"')[2].partition('src="')[2].partition('"')[0]
        connection = http.client.HTTPConnection(*browser.at, timeout=60)
        connection.request("GET", image, headers={"Cookie": browser.cookie})
        answer = connection.getresponse()
        assert (answer.getheader("Content-Type"), answer.read()) == ("image/png", PNG)
        connection.close()
        assert browser.ask(image, {})[0] == 403
        assert browser.ask(f"{image.rpartition('/')[0]}/1")[0] == 404
        rest = body.rpartition("/turn/t1?from=")[2].partition('"')[0]
        rest = browser.get(f"{address}/turn/t1?from={rest}")
        assert f"answer {ITEMS + 4}." in rest
        assert f"answer {ITEMS - 2}." not in rest


def test_threads_are_narrowed(database: Where, tmp_path: Path) -> None:
    home, engine_url = tmp_path / "home", url_of(database)
    url = "https://user:secret@host.example/owner/name.git"
    facts: list[tuple[str, dict[str, object]]] = [
        ("Straße 100%", {"cwd": "/w/a", "git": {"repository_url": url}}),
        ("plain", {"cwd": "/w/a/b", "git": {"repository_url": "git@host.example:owner/name"}}),
        ("other", {"cwd": "/w/ab"}),
    ]
    for number, (words, more) in enumerate(facts, 1):
        put(
            home,
            f"sessions/2026/11/01/{name_of(number)}",
            text(
                meta(id=name_of(number)[28:64], **more),
                started("t1"),
                item("t1", user("u1", words)),
                complete("t1"),
            ),
        )
    assert cli.run(["backfill", "--codex-home", str(home), "--database", engine_url]) == 0
    with pages(engine_url) as browser:
        for query, shown in (
            ("", "Straße plain other"), ("q=100%25", "Straße"), ("q=stra%C3%9Fen", ""),
            ("q=Stra%C3%9Fe", "Straße"), ("q=PLAIN", "plain"), ("q=%00pl_in", ""),
            ("folder=/w/a", "Straße plain"), ("repo=host.example/owner/name", "Straße plain"),
            ("repo=none", ""), ("since=2020-01-01", "Straße plain other"),
            ("until=2020-01-01", ""), ("since=2999-01-01", ""), ("model=x", ""),
            ("failed=1", ""), ("archived=only", ""), ("page=99", "Straße plain other"),
        ):  # fmt: skip
            body = browser.get(f"/?{query}").partition('<ol class="threads"')[2]
            named = {words.split()[0] for words, _ in facts if words.split()[0] in body}
            assert named == set(shown.split()), query
        assert "secret" not in browser.get("/")


def test_usage_comes_in_parts(sample: Browser) -> None:
    """Each is a page, too, for browsers without scripts."""
    body = sample.get("/usage?days=365")

    for part, holds in (("prices", "List price"), ("limits", "Used %"), ("hours", "<svg")):
        assert f'data-part="/usage/{part}?days=365"' in body
        assert holds in sample.get(f"/usage/{part}?days=365")
        assert "<h1>" not in sample.get(f"/usage/{part}?days=365&fragment=1")
    assert sample.ask("/usage/none")[0] == 404


def test_a_remote_address_is_asked_for_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["web", "--host", "0.0.0.0"]) == 2
    assert "--allow-remote" in capsys.readouterr().err
    assert cli.run(["web", "--host", "no address"]) == 2


def test_a_port_that_is_taken_is_named(
    sample: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = f"sqlite:///{tmp_path}/p.db"

    assert cli.run(["web", "--port", str(sample.at[1]), "--database", database]) == 1
    assert "--port 0" in capsys.readouterr().err


def test_no_command_line_holds_the_token(tmp_path: Path) -> None:
    """Every user of the machine can read the command line of the browser that is opened."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {seen}\ncat "${{1#file://}}" > {seen}.page\n')
    browser.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "projector", "web", "--port", "0", "--database", f"sqlite:///{tmp_path}/p.db"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "BROWSER": str(browser)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        token = process.stdout.readline().strip().partition("token=")[2]
        page = Path(f"{seen}.page")
        while not (page.exists() and token in page.read_text()):
            assert process.poll() is None
        assert token not in seen.read_text()
        way = Path(seen.read_text().strip().removeprefix("file://"))
        assert way.stat().st_mode & 0o077 == 0
        process.terminate()
        assert process.wait(30) == 0
        assert not way.exists()
    finally:
        process.kill()
        process.communicate()
