"""`show`, `tail` and `sql` as people call them, on both engines: which thread, which part of it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from projector.cli import run
from tests.conftest import NewDatabase
from tests.sample import make
from tests.support import paginated
from tests.support.projecting import backfilled

Answer = tuple[int, str, str]
Call = Callable[..., Answer]
#: Longer than anything takes on a busy machine.
SECONDS = 60


@pytest.fixture(scope="module")
def url(new_database: NewDatabase) -> str:
    found = new_database()
    backfilled(make.SHIPPED, found)
    return found


@pytest.fixture
def call(url: str, capsys: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: str) -> Answer:
        code = run([*arguments, "--database", url])
        return (code, *capsys.readouterr())

    return called


KETTLE = "019b8d62-7a80-7000-8000-000000000002"
TEA = "019b8d64-cb78-7000-8000-00000000001f"


@pytest.mark.parametrize(
    ("named", "thread_id"),
    [
        (KETTLE, KETTLE),
        ("019b8d62", KETTLE),
        ("A faster kettle", KETTLE),
        ("a faster k…", KETTLE),
        ("temperatures", TEA),
        ("last", TEA),
        ("LAST", TEA),
    ],
)
def test_whatever_names_a_thread(call: Call, named: str, thread_id: str) -> None:
    """The last one is no sub-agent."""
    code, out, _ = call("show", named)

    assert (code, out.splitlines()[1].split()) == (0, ["thread", thread_id])
    assert out.endswith(f"\nTo continue this thread: codex resume {thread_id}\n")


def test_what_could_be_several_is_listed_with_dates_and_names(call: Call) -> None:
    code, out, err = call("show", "019b8d6")

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(rf"{KETTLE} \(2026-01-05 \d\d:\d\d, A faster kettle\); ", err)
    assert err.endswith(". Give more of the id\n")


def turns(out: str) -> list[int]:
    return [int(one) for one in re.findall(r"^== Turn (\d+)", out, re.MULTILINE)]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], [1, 2, 3, 4]),
        (["--turn", "2"], [2]),
        (["--turn", "-1"], [4]),
        (["--limit", "2"], [3, 4]),
        (["--turn", "{turn}"], [3]),
        (["--limit", "100"], [1, 2, 3, 4]),
    ],
)
def test_which_turns(call: Call, options: list[str], shown: list[int]) -> None:
    every = json.loads(call("show", TEA, "--format", "json")[1])["turns"]
    options = [one.format(turn=every[2]["turn_id"][:-4]) for one in options]
    assert shown == turns(call("show", TEA, *options)[1])
    assert len(shown) == len(
        json.loads(call("show", TEA, *options, "--format", "json")[1])["turns"]
    )


def test_what_was_around_a_hit(call: Call) -> None:
    """By the id that `search` prints: the item and its neighbours, and no other turn."""
    listed = call("search", "cat")[1]
    hit = listed.splitlines()[1].split()[3]

    code, out, _ = call("show", KETTLE, "--around", hit, "--context", "1")

    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("> ")] == [
        next(line for line in out.splitlines() if line.startswith("> Command"))
    ]
    assert len(re.findall(r"^(?:> )?(?:Command|Files|Agent|User) · ", out, re.MULTILINE)) == 3
    assert turns(out) == [1]


# fmt: off
REFUSED = [
    # options                                          code  words
    (["--turn", "9"],                                  1, "has 4 turns"),
    (["--turn", "no-such-turn"],                       1, "has 4 turns"),
    (["--turn", "0"],                                  2, "numbered from 1"),
    (["--turn", "1", "--limit", "1"],                  2, "exclude each other"),
    (["--around", "ffffffff"],                         1, "no such item"),
    (["--around", ""],                                 2, "is empty"),
    (["--context", "1"],                               2, "Give --around"),
    (["--format", "events", "--turn", "1"],            2, "tells everything"),
    (["--follow", "--format", "json"],                 2, "only with --format text"),
    ([KETTLE, "--format", "json"],                     2, "of one thread only"),
]
# fmt: on


@pytest.mark.parametrize(("options", "code", "words"), REFUSED)
def test_what_does_not_go_together_is_one_line(
    call: Call, options: list[str], code: int, words: str
) -> None:
    found, out, err = call("show", TEA, *options)

    assert (found, out, err.count("\n")) == (code, "", 1)
    assert words in err


def test_several_threads(call: Call) -> None:
    out = call("show", KETTLE, TEA, "--limit", "1")[1]

    assert turns(out) == [3, 4]
    assert out.index("A faster kettle") < out.index("Tea temperatures")


def test_the_last_lines_of_all_threads(call: Call) -> None:
    code, out, err = call("tail", "--no-follow", "-n", "400")

    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines == sorted(lines, key=lambda line: line[:19])
    assert any(line.endswith("Agent · final answer  tests/test_brew.py alone.") for line in lines)
    assert not any("Reasoning" in line for line in lines)
    assert call("tail", "--no-follow", "--thread", "last", "-n", "400")[1].count(TEA) > 5
    assert KETTLE not in call("tail", "--no-follow", "--thread", "last", "-n", "400")[1]
    assert call("tail", "--no-follow", "--cwd", "/nowhere")[1] == ""


def test_csv_of_threads_has_its_heading_without_threads(call: Call) -> None:
    every = list(csv.DictReader(io.StringIO(call("threads", "--all", "--output", "csv")[1])))
    none = call("threads", "--name", "nowhere", "--output", "csv")[1]

    assert none.rstrip("\n").split(",") == list(every[0])
    assert {row["thread_id"] for row in every} >= {KETTLE, TEA}
    found = call("search", "green", "--output", "csv")[1]
    hits = json.loads(call("search", "green", "--json")[1])
    assert [
        (json.loads(row["also_in"]), json.loads(row["marks"]))
        for row in csv.DictReader(io.StringIO(found))
    ] == [(hit["also_in"], hit["marks"]) for hit in hits]
    assert any(hit["also_in"] for hit in hits)
    assert {row["archived"] for row in every} == {"false", "true"}
    documents = json.loads(call("threads", "--all", "--json")[1])
    assert [list(one) for one in documents] == [list(every[0])] * len(every)


QUERY = "SELECT name, turn_count FROM threads WHERE name IS NOT NULL ORDER BY name"


def test_a_query_as_a_table_and_in_every_form(call: Call) -> None:
    rows = [["A faster kettle", 3], ["Counting cups", 1], ["Tea temperatures", 4]]

    head, *lines = call("sql", QUERY)[1].splitlines()
    assert head.split() == ["name", "turn_count"]
    assert [line.rsplit(maxsplit=1) for line in lines] == [[one, str(n)] for one, n in rows]
    assert [list(one.values()) for one in json.loads(call("sql", QUERY, "--json")[1])] == rows
    table = list(csv.reader(io.StringIO(call("sql", QUERY, "--output", "csv")[1])))
    assert table[0] == ["name", "turn_count"]
    assert len(table) == 4
    assert json.loads(call("sql", "SELECT 1 AS a, 2 AS a", "--json")[1]) == [{"a": 1, "a_2": 2}]
    assert call("sql", "SELECT 1 AS a WHERE 1 = 0")[2] == "no rows\n"
    assert call("sql", "SELECT 1 AS a WHERE 1 = 0", "--output", "csv")[1] == "a\n"


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM _items",
        "UPDATE _threads SET name = 'x'",
        "CREATE TABLE more (x int)",
        "SELECT 1; DELETE FROM _turns",
        "COMMIT; DELETE FROM _turns",
        "SELEC",
        "SELECT * FROM nowhere",
        "",
    ],
)
def test_a_query_changes_nothing_and_faults_are_one_line(call: Call, query: str) -> None:
    before = call("sql", "SELECT count(*) FROM thread_history")[1]

    code, out, err = call("sql", query)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Traceback" not in err
    assert call("sql", "SELECT count(*) FROM thread_history")[1] == before


def test_a_query_reaches_no_other_file_and_no_setting(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    database = ["--database", f"{tmp_path}/p.db"]
    assert run(["backfill", "--sample", *database]) == 0
    other = tmp_path / "more.db"
    capfd.readouterr()
    for query in (
        f"ATTACH '{other}' AS more", f"ATTACH '{other}' || '' AS more", f"VACUUM INTO '{other}'",
        "VACUUM", "PRAGMA journal_mode = DELETE", "PRAGMA Query_Only = OFF",
        "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA optimize",
    ):  # fmt: skip
        assert run(["sql", query, *database]) == 2, query
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "authori" in err, query
    assert not other.exists()
    for query, has in (
        ("PRAGMA table_info(threads)", "thread_id"),
        ("SELECT * FROM pragma_table_info('threads')", "thread_id"),
        ("PRAGMA journal_mode", "wal"),
        ("SELECT x'00ff' AS bytes", "00ff"),
    ):
        for form in ("table", "csv", "json"):
            assert run(["sql", query, "--output", form, *database]) == 0, query
            assert has in capfd.readouterr().out


PARAMETERS = [
    # query, values, rows
    ("SELECT count(*) AS n FROM threads WHERE thread_id = :t", {"t": "none"}, [0]),
    (
        "SELECT count(*) > 0 AS n FROM thread_history WHERE type = :kind",
        {"kind": "commandExecution"},
        [1],
    ),
    ("SELECT count(*) AS n FROM threads WHERE turn_count > :n AND :n = 100", {"n": "100"}, [0]),
    ("SELECT ':n %' AS a -- :n '\n WHERE 1 = CAST(:n AS integer)", {"n": "1"}, [":n %"]),
    ("SELECT 7 % 4 AS a /* :n ' */ WHERE ':n' <> :n AND 1 = 1", {"n": "x'; --"}, [3]),
]


@pytest.mark.parametrize(("query", "values", "rows"), PARAMETERS)
def test_a_query_has_parameters(
    call: Call, query: str, values: dict[str, str], rows: list[object]
) -> None:
    given = [word for name, value in values.items() for word in ("--param", name, value)]

    code, out, err = call("sql", query, "--json", *given)

    assert (code, err) == (0, "")
    assert [next(iter(row.values())) for row in json.loads(out)] == rows


def test_a_parameter_that_the_query_does_not_have(call: Call) -> None:
    query = "SELECT * FROM threads WHERE thread_id = :thread"

    assert "the query has no :thred" in call("sql", query, "--param", "thred", "x")[2]
    twice = ("--param", "thread", "x", "--param", "thread", "y")
    assert "two values" in call("sql", query, *twice)[2]
    code, out, err = call("sql", query)
    assert (code, out) == (2, "")
    assert "--param" in err


def test_a_query_from_standard_input(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 7 AS seven"))

    assert json.loads(call("sql", "-", "--json")[1]) == [{"seven": 7}]


class Live:
    """A home with one thread that grows, and its database."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.home = folder / "home"
        day = self.home / "sessions" / "2026" / "11" / "01"
        day.mkdir(parents=True)
        self._file = day / f"rollout-2026-11-01T10-00-00-{paginated.THREAD}.jsonl"
        self._ordinal = 0
        self.write(
            paginated.meta(), paginated.started("a"), paginated.item("a", paginated.user("u"))
        )

    def write(self, *records: paginated.Json) -> None:
        """Append records, and project them."""
        with self._file.open("ab") as out:
            for record in records:
                place = {"timestamp": "2026-11-01T10:00:00.000Z", "ordinal": self._ordinal}
                out.write(orjson.dumps(place | record) + b"\n")
                self._ordinal += 1
        backfilled(self.home, self.url)


@pytest.fixture
def live(tmp_path: Path, new_database: NewDatabase) -> Live:
    return Live(tmp_path, new_database())


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "projector", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    late = threading.Timer(SECONDS, process.kill)
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Read lines up to one with these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"ended before {words!r}: {lines}")


def test_what_comes_is_shown_live(live: Live) -> None:
    """By `show --follow` and by `tail`; each item once; they end with 0 when told."""
    agent = paginated.agent("m", text="Nearly done.")
    with (
        running("show", "last", "--follow", "--database", live.url) as show,
        running("tail", "--database", live.url) as tail,
    ):
        seen = until(show, "Hello?")
        until(tail, "Hello?")
        live.write(paginated.item("a", agent))
        seen += until(show, "Nearly done.")
        assert "Agent  Nearly done." in until(tail, "Nearly done.")[-1]
        live.write(paginated.complete("a"))
        seen += until(show, "== Turn 1: completed")
        until(tail, "Turn completed")
        for process in (show, tail):
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=SECONDS)
            assert (process.returncode, out) == (0, "")
    text = "".join(seen)
    assert text.count("Hello?") == 2  # as the title, and as a message
    assert text.count("Nearly done.") == 1
    assert text.index("== Turn 1: in progress") < text.index("Nearly done.")


def test_a_reader_that_leaves_ends_it(live: Live) -> None:
    with running("tail", "--database", live.url) as tail:
        until(tail, "Hello?")
        assert tail.stdout is not None
        tail.stdout.close()
        tail.wait(timeout=SECONDS)
        assert tail.returncode == 0
