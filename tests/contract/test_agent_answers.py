"""What agents are answered, on every engine: whole, in order, bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from projector.model.errors import ProjectorError
from projector.serve.mcp import answers, thread_pages
from projector.serve.mcp.answers import Asked
from projector.serve.mcp.bounded import MOST_BYTES, Answer
from projector.store.reading import Connection
from tests.conftest import NewDatabase
from tests.sample import make
from tests.support.databases import reading
from tests.support.homes import name_of, put
from tests.support.paginated import Json, agent, complete, item, meta, started, text, user
from tests.support.projecting import backfilled

NOW = datetime(2026, 11, 2, tzinfo=UTC)
ALL = Asked(limit=100)
KETTLE = "019b8d62-7a80-7000-8000-000000000002"
#: Items of the long thread: one is longer than an answer.
NUMBER = 130


def command(number: int, *, failed: bool) -> Json:
    return {
        "type": "CommandExecution", "id": f"c{number}", "command": ["sh", "-c", f"make {number}"],
        "cwd": "/work", "process_id": None, "source": "agent", "parsed_cmd": [],
        "status": "failed" if failed else "completed", "stdout": "", "stderr": "",
        "aggregated_output": "".join(f"line {line} of {number}\n" for line in range(3000)),
        "exit_code": int(failed), "duration": {"secs": 1, "nanos": 0}, "formatted_output": "",
    }  # fmt: skip


@pytest.fixture(scope="module")
def database(new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the sample and a long thread, projected."""
    home = tmp_path_factory.mktemp("long")
    words = "中 é " * 40
    records = [meta(), started("t0"), item("t0", user("u", "Begin <b>here</b>"))]
    records += [item("t0", agent(f"a{n}", text=f"said {n} {words}")) for n in range(NUMBER)]
    records += [item("t0", command(n, failed=True)) for n in range(2)]
    records += [complete("t0"), started("t1"), item("t1", agent("z", text="----- end -----"))]
    put(home, f"sessions/2026/11/01/{name_of(1)}", text(*records))
    url = new_database()
    backfilled(make.SHIPPED, url)
    backfilled(home, url)
    return url


@pytest.fixture
def db(database: str) -> Iterator[Connection]:
    with reading(database) as found:
        yield found


def long_thread(db: Connection) -> str:
    return answers.threads(db, "Begin", ALL, NOW, archived=True, agents=True).text.split()[2]


def pages(ask: Callable[[Answer | None], Answer]) -> list[Answer]:
    """Ask until there is no more."""
    found = [ask(None)]
    while found[-1].more:
        found.append(ask(found[-1]))
        assert len(found) < 100
    assert all(len(one.text.encode()) <= MOST_BYTES + 100 for one in found)
    return found


@pytest.mark.parametrize("full", [False, True])
def test_pages_of_a_thread_are_its_whole_history(db: Connection, full: bool) -> None:  # noqa: FBT001
    thread = long_thread(db)

    def ask(last: Answer | None) -> Answer:
        after = re.findall(r'"(.+)"', last.more)[0] if last else ""
        return thread_pages.read(db, thread, after, "", full=full, last=False)

    found = pages(ask)
    said = [int(n) for one in found for n in re.findall(r"said (\d+) ", one.text)]
    assert said == list(range(NUMBER))
    lines = re.findall(r"line (\d+) of 1$", "".join(one.text for one in found), re.MULTILINE)
    assert len(lines) >= (2990 if full else 20)
    assert len(found) > (5 if full else 1)


def test_a_page_begins_at_a_turn_or_with_the_end(db: Connection) -> None:
    thread = long_thread(db)

    at_turn = thread_pages.read(db, thread, "", "t1", full=False, last=False)
    end = thread_pages.read(db, thread, "", "", full=False, last=True)

    assert "said" not in at_turn.text.partition("== Turn")[2]
    assert "== Turn t1" in at_turn.text
    assert end.text.endswith("----- end -----\n")
    assert (at_turn.more, end.more) == ("", "")


def test_hits_are_those_of_search_and_have_neighbours(db: Connection) -> None:
    answer = answers.search(db, "green tea", ["message"], ALL, NOW, 1, "newest")

    assert "At which temperature should [green] [tea] be made?" in answer.text
    assert re.search(r"^    before: Agent: `boil` slept", answer.text, re.MULTILINE)
    assert re.search(r"^    after: Web search: green tea", answer.text, re.MULTILINE)
    (turn,) = set(re.findall(r"read_thread: turn (\S+)", answer.text))
    assert "green tea" in thread_pages.read(db, KETTLE, "", turn, full=False, last=False).text


def test_hits_come_in_pages(db: Connection) -> None:
    def ask(last: Answer | None) -> Answer:
        skip = int(last.more.rpartition("=")[2]) if last else 0
        return answers.search(db, "said", [], Asked(limit=50, skip=skip), NOW, 2, "newest")

    heads = [
        line
        for one in pages(ask)
        for line in re.findall(r"^20.*agentMessage", one.text, re.MULTILINE)
    ]
    assert len(heads) == NUMBER


def test_threads(db: Connection) -> None:
    every = answers.threads(db, "", ALL, NOW, archived=True, agents=True).text
    shown = answers.threads(db, "", ALL, NOW, archived=False, agents=False)
    first = answers.threads(db, "", Asked(limit=1), NOW, archived=False, agents=False)

    assert every.count("\n") > shown.text.count("\n")
    assert shown.text.startswith(first.text)
    assert (first.more, shown.more) == ("ask again with skip=1", "")
    assert (
        "No threads"
        in answers.threads(
            db, "", Asked(folders=("/nowhere",)), NOW, archived=True, agents=True
        ).text
    )


def test_failed_commands_files_and_cost(db: Connection) -> None:
    failed = answers.failed_commands(db, Asked(thread="Tea temperatures"), NOW).text
    files = answers.file_history(db, "kettle.py", ALL, NOW).text
    costs = answers.cost(db, ["model"], ALL, NOW).text

    assert "exit 130" in failed
    assert "make" not in failed
    assert "make 1" in answers.failed_commands(db, ALL, NOW).text
    assert "update /home/robin/teapot/teapot/kettle.py" in files
    assert "gpt-5-codex: " in costs
    assert "No changes" in answers.file_history(db, "no such file", ALL, NOW).text


@pytest.mark.parametrize(
    "ask",
    [
        lambda db: answers.search(db, "...", [], ALL, NOW, 0, "best"),
        lambda db: answers.search(db, "a", [], Asked(since="soon"), NOW, 0, "best"),
        lambda db: answers.failed_commands(db, Asked(thread="no such"), NOW),
        lambda db: answers.cost(db, ["colour"], ALL, NOW),
        lambda db: answers.thread_id(db, "019b8d62-7a80-7000-8000-0000000000ff"),
        lambda db: answers.thread_id(db, "019b"),
        lambda db: thread_pages.read(db, KETTLE, "x", "", full=False, last=False),
        lambda db: thread_pages.read(db, KETTLE, "", "no turn", full=False, last=False),
    ],
)
def test_what_cannot_be_answered_is_told(
    db: Connection, ask: Callable[[Connection], object]
) -> None:
    with pytest.raises(ProjectorError) as refused:
        ask(db)

    assert refused.value.hint
