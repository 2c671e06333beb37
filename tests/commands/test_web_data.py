"""`/data` of `projector web`: Datasette over the views, behind the same token."""

from __future__ import annotations

import http.client
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from projector import cli
from projector.serve.web import data_catalogue
from projector.store.view_descriptions import described
from tests.commands.test_web import Browser, pages
from tests.support.docs import PAGES
from tests.support.homes import name_of, put
from tests.support.paginated import agent, complete, item, meta, started, text, user
from tests.support.questions import questions

MANUAL = (PAGES / "questions.md").read_text("utf-8")
KETTLE = "019b8d62-7a80-7000-8000-000000000002"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"
#: What the manual's questions name of the sample.
NAMED = {"until_day": "2026-01-06", "folder": "/home/robin/teapot", "words": "tea"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the sample and a hostile thread."""
    folder = tmp_path_factory.mktemp("data")
    put(
        folder / "home",
        f"sessions/2026/11/01/{name_of(1)}",
        text(
            meta(cwd=HOSTILE), started("t/1"), item("t/1", user("u1", HOSTILE)),
            item("t/1", agent("a1", text="x")), complete("t/1"),
        ),
    )  # fmt: skip
    url = f"sqlite:///{folder}/p.db"
    assert cli.run(["backfill", "--sample", "--database", url]) == 0
    assert cli.run(["backfill", "--codex-home", str(folder / "home"), "--database", url]) == 0
    return folder / "p.db"


@pytest.fixture(scope="module")
def browser(database: Path) -> Iterator[Browser]:
    with pages(database) as found:
        yield found


def test_views_are_described_and_internals_hidden(browser: Browser) -> None:
    assert browser.ask("/data/threads", {})[0] == 403
    assert browser.ask("/data/")[0] == 302
    index = browser.get("/data/threads")
    listed = set(re.findall(r'href="/data/threads/(\w+)"', index))

    assert listed == set(described("sqlite"))
    for internal in ("_items", "_threads", "_item_index", "sqlite_master", "_read_items"):
        assert browser.ask(f"/data/threads/{internal}")[0] in (403, 404), internal
    for other in ("-/databases.json", "-/metadata", "threads.db", "-/settings", "-/threads"):
        assert browser.ask(f"/data/{other}")[0] in (403, 404), other
    for trick in (
        "threads/../-/settings", "threads/%2e%2e/-/versions", "threads/..%2f-%2fsettings",
        "threads/./../-/threads.json", "threads/threads/../../-/metadata", "-/static/../versions",
        "threads/x%3f/../-/settings",
    ):  # fmt: skip
        assert browser.ask(f"/data/{trick}")[0] in (403, 404), trick
    body = browser.get("/data/threads/commands")
    assert "A command" in body or "commands" in body
    assert "[ms since 1970 (UTC)]" in body


def test_ids_lead_to_our_pages(browser: Browser) -> None:
    body = browser.get("/data/threads/thread_history")

    address = f"/thread/{KETTLE}"
    assert f'<a href="{address}">{KETTLE}</a>' in body
    turn = re.findall(rf'href="({address}\?turn=[^"]+)"', body)[0]
    assert 'id="turn-' in browser.get(turn.partition("#")[0])


def test_nothing_of_a_row_is_markup(browser: Browser) -> None:
    for path in ("threads", "thread_history", "messages", "all_items", "threads.json"):
        status, body, _ = browser.ask(f"/data/threads/{path}")
        assert status == 200
        assert HOSTILE not in body or path.endswith("json")
    connection = http.client.HTTPConnection(*browser.at, timeout=60)
    connection.request("GET", "/data/threads/threads", headers={"Cookie": browser.cookie})
    answer = connection.getresponse()
    answer.read()
    policy = answer.getheader("Content-Security-Policy") or ""
    connection.close()
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert "'sha256-" in scripts
    assert "unsafe" not in scripts
    assert answer.getheader("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize("question", questions(MANUAL), ids=lambda one: one.words)
def test_the_manuals_questions_have_parameters(browser: Browser, question: object) -> None:
    """With what the manual names, each gives the manual's answer."""
    asked = next(
        one
        for one in data_catalogue.questions(MANUAL)
        if one.words == question.words  # type: ignore[attr-defined]
    )
    thread = re.findall("'([0-9a-f]{8}-[0-9a-f-]{27})'", question.sql)  # type: ignore[attr-defined]
    named = {**NAMED, "thread_id": thread[0] if thread else ""}
    given = {name: value for name, value in named.items() if f":{name}" in asked.sql}
    assert not re.search("teapot|2026-|tea'|[0-9a-f]{8}-", asked.sql), "of the sample"
    name = re.sub(r"\W+", "-", asked.words.lower()).strip("-")
    rows = json.loads(browser.get(f"/data/threads/{name}.json?{urlencode(given)}&_shape=arrays"))
    answer = question.answer.splitlines()[2:]  # type: ignore[attr-defined]
    first = [str(value) for value in rows["rows"][0] if value is not None]

    assert len(rows["rows"]) >= len(answer)
    if "thread_id" in given or "words" in given:
        assert len(rows["rows"]) == len(answer)
        assert all(part in answer[0] for value in first for part in value.split())
    assert browser.ask(f"/data/threads/{name}")[0] == 200, "without parameters, too"


def test_sql_of_readers_only_where_it_is_allowed(browser: Browser, database: Path) -> None:
    query = f"/data/threads.json?sql={quote('SELECT 1 AS one')}"
    where = f"/data/threads/threads?_where={quote('1=1')}"
    assert browser.ask(query)[0] == 403
    assert browser.ask(where)[0] == 403
    with pages(database, "--sql") as free:
        assert json.loads(free.get(query))["rows"] == [[1]]
        for harm in (
            "DELETE FROM _items", "ATTACH '/tmp/x' AS x", "PRAGMA user_version = 9",
            "SELECT randomblob(100000000)",
        ):  # fmt: skip
            assert free.ask(f"/data/threads.json?sql={quote(harm)}")[0] == 400


def test_a_database_that_is_replaced_is_read_anew(database: Path, tmp_path: Path) -> None:
    here = tmp_path / "p.db"
    with pages(here) as free:
        assert free.ask("/data/threads")[0] == 503
        shutil.copy(database, tmp_path / "new")
        (tmp_path / "new").rename(here)
        assert KETTLE in free.get("/data/threads/threads")
        other = f"sqlite:///{tmp_path}/other"
        (tmp_path / "empty").mkdir()
        cli.run(["backfill", "--codex-home", str(tmp_path / "empty"), "--database", other])
        (tmp_path / "other").rename(here)
        for rest in ("-wal", "-shm"):
            Path(f"{here}{rest}").unlink(missing_ok=True)
        assert KETTLE not in free.get("/data/threads/threads")


def test_of_a_servers_database_there_is_none(postgres: str) -> None:
    assert cli.run(["backfill", "--sample", "--database", postgres]) == 0
    with pages(postgres) as browser:
        status, body, _ = browser.ask("/data/")
        assert status == 404
        assert "SQLite" in body
        assert 'href="/data/"' not in browser.get("/")
