"""`projector search`: what is found, how it is shown, and exit codes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from projector import cli
from projector.model.settings import Search as Indexed
from projector.run.backfill import backfill
from projector.run.progress import Silent
from projector.serve.history.looks import PLAIN
from projector.serve.search import hits as shown
from projector.serve.search.hits import BEGIN, END, Hit
from projector.store.open import open_store
from tests.conftest import NewDatabase
from tests.sample import make
from tests.support.projecting import backfilled, settings_for

Found = tuple[int, str, str]
Search = Callable[..., Found]


@pytest.fixture(scope="module")
def database(new_database: NewDatabase) -> str:
    """Give the sample, projected."""
    url = new_database()
    backfilled(make.SHIPPED, url)
    return url


@pytest.fixture
def search(database: str, capsys: pytest.CaptureFixture[str]) -> Search:
    def run(*arguments: str, on: str = database) -> Found:
        code = cli.run(["search", "--database", on, *arguments])
        return (code, *capsys.readouterr())

    return run


def texts(found: Found) -> list[str]:
    """Give the snippets of `--json`, the first first."""
    assert (found[0], found[2]) == (0, "")
    return [hit["snippet"] for hit in json.loads(found[1])]


def test_hits_are_marked_and_say_where_they_are(search: Search) -> None:
    code, out, err = search("cups", "--type", "message")

    assert (code, err) == (0, "")
    thread, head, snippet = out.splitlines()
    assert snippet == "    How many [cups] are there?"
    assert re.fullmatch(r"  2026-01-0\d \d\d:\d\d  user  [0-9a-f]{8}", head)
    assert thread == "Counting cups  019b89d8-1b40-7000-8000-000000000001  /home/robin/teapot"


def test_hits_of_a_thread_stand_together(search: Search) -> None:
    """Threads in the order of their first hits, and each id once."""
    out = search("tea*")[1]

    threads = [block.splitlines()[0] for block in out.split("\n\n")]
    assert len(threads) == len(set(threads)) > 1
    assert len(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7", out)) == len(threads)


def test_what_is_around_a_hit(search: Search) -> None:
    out = search("cat", "-C", "1")[1]

    *_, before, _hit, after = out.splitlines()
    assert before.startswith("    Command · exit 0 · 9.6 s: bash -lc 'pytest --durations")
    assert after == "    Files: update /home/robin/teapot/teapot/kettle.py"


def test_without_words_the_filters_suffice(search: Search) -> None:
    found = json.loads(search("--type", "user", "--json")[1])

    assert len(found) == 7
    assert {hit["type"] for hit in found} == {"userMessage"}
    times = [hit["created_at_ms"] for hit in found]
    assert times == sorted(times, reverse=True)
    assert found[-1]["snippet"] == "How many cups are there?"
    assert not any(hit["marks"] for hit in found)
    assert len(json.loads(search("--thread", "Counting cups", "--json")[1])) == 4
    assert search("--since", "1d")[0] == 1


def test_neither_words_nor_filters(search: Search) -> None:
    code, out, err = search()

    assert (code, out) == (2, "")
    assert "Give one, or a filter" in err


def test_a_typo_in_a_type_is_refused(search: Search) -> None:
    code, out, err = search("cups", "--type", "usr")

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("projector: --type usr: no such type. Known are message, user, agent, ")
    assert search("cups", "--type", "USERMESSAGE,plan")[0] == 0


@pytest.mark.parametrize(
    ("repo", "code"),
    [("teapot", 0), ("TEAPOT", 0), ("robin/teapot", 0), ("pot", 1), ("kettle/teapot", 1)],
)
def test_hits_of_a_repository(search: Search, repo: str, code: int) -> None:
    assert code == search("cups", "--repo", repo)[0]


def test_as_json(search: Search) -> None:
    code, out, err = search("cups", "--type", "message", "--json")

    assert (code, err) == (0, "")
    (hit,) = json.loads(out)
    assert hit["snippet"] == "How many cups are there?"
    assert hit["marks"] == [[9, 13]]
    assert (hit["thread_name"], hit["also_in"]) == ("Counting cups", [])


ASKED = [
    # what is asked for                       how often it is found
    (["kettle"], 4),
    (["KETTLE"], 4),
    (["kett*"], 4),
    (["kett"], None),
    (["kettle", "seconds"], 1),
    (['"kettle test"'], 1),
    (['"test kettle"'], 1),  # in a name: tests/test_kettle.py
    (["kettle", "--type", "file"], 1),
    (["kettle", "--type", "command", "--type", "user"], 3),
    (["kettle", "--type", "fileChange"], 1),
    (["kettle", "--limit", "2"], 2),
    (["kettle", "--since", "2026-01-05"], 4),
    (["kettle", "--since", "2026-01-07"], None),
    (["kettle", "--thread", "A faster kettle"], 4),
    (["kettle", "--thread", "Tea temperatures"], 4),  # a fork: it inherits them
    (["kettle", "--thread", "Counting cups"], None),
    (["kettle", "--cwd", make.CWD], 4),
    (["kettle", "--cwd", "/home/robin"], 4),
    (["kettle", "--cwd", "/home/rob"], None),
    (["kettle", "--cwd", make.CWD, "--thread", "Counting cups"], None),
    (["steeping"], 1),
    (["float"], None),  # a revert threw it away
    (["6", "cups"], 1),
]


@pytest.mark.parametrize(("asked", "count"), ASKED, ids=[" ".join(asked) for asked, _ in ASKED])
def test_what_is_found(search: Search, asked: list[str], count: int | None) -> None:
    """None: nothing, and the exit code says so."""
    code, out, _ = search(*asked, "--json")

    assert code == (1 if count is None else 0)
    assert len(json.loads(out)) == (count or 0)


def test_what_a_fork_inherits_is_one_hit_under_its_own_thread(search: Search) -> None:
    (hit,) = json.loads(search("docs", "green", "--type", "user", "--json")[1])

    assert hit["thread_name"] == "A faster kettle"
    assert len(hit["also_in"]) == 1


def test_a_thread_that_is_asked_for_gives_the_hit_its_name(search: Search) -> None:
    asked = ("docs", "green", "--type", "user", "--thread", "Tea temperatures", "--json")
    (hit,) = json.loads(search(*asked)[1])

    assert hit["thread_name"] == "Tea temperatures"
    assert len(hit["also_in"]) == 1


def test_newest_and_best(search: Search) -> None:
    newest = texts(search("tea", "--json"))
    best = texts(search("tea", "--best", "--json"))

    assert newest[0] == "And black tea?"
    assert newest[-1].startswith("At which temperature")
    assert best[:2] == ["And black tea?", "green tea brewing temperature"]
    assert sorted(newest) == sorted(best)


def test_more_than_the_limit_is_told(search: Search) -> None:
    code, _, err = search("kettle", "--limit", "1")

    assert (code, err) == (0, "there are more (--limit 0: all)\n")


def test_nothing_found(search: Search) -> None:
    assert search("unheard") == (1, "", "nothing found\n")


@pytest.mark.parametrize("asked", ["--", "(", "☕", '"*"', "-"])
def test_no_word_at_all(search: Search, asked: str) -> None:
    code, out, err = search("--", asked)

    assert (code, out) == (2, "")
    assert "no word to look for" in err


@pytest.mark.parametrize("asked", ['"', "a AND", "x:y", "NEAR(a b", "^a", "a-b", "{a}", "\\", "'"])
def test_nothing_that_is_typed_is_an_error_of_syntax(search: Search, asked: str) -> None:
    code, _, err = search("kettle", "--", asked)

    assert code in (0, 1)
    assert err in ("", "nothing found\n")


def test_an_index_that_is_off_is_told(search: Search, new_database: NewDatabase) -> None:
    url = new_database()
    indexed(url, "off")

    assert search("kettle", on=url) == (1, "", "nothing is indexed: search.index is off\n")


def test_an_index_that_is_being_filled_is_told(
    search: Search, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()
    indexed(url, "off")
    for store in ("sqlite.store.SqliteStore", "postgres.store.PostgresStore"):
        monkeypatch.setattr(f"projector.store.{store}.backfill_search", _filled_by_no_one)
    indexed(url, "all")

    told = search("kettle", on=url)[2]
    assert (
        told == "nothing found; 29 items are not indexed yet: projector backfill, or the daemon\n"
    )


def indexed(url: str, index: Literal["all", "off"]) -> None:
    """Backfill the sample with a setting of the index."""
    settings = msgspec.structs.replace(settings_for(make.SHIPPED, url), search=Indexed(index=index))

    async def once() -> None:
        store = await open_store(settings.database, source=settings.source.name)
        try:
            await backfill(store, settings, selection=(), progress=Silent())
        finally:
            await store.close()

    asyncio.run(once())


async def _filled_by_no_one(_store: object) -> bool:
    return False


def test_no_database(search: Search, tmp_path: Path) -> None:
    code, _, err = search("kettle", on=f"sqlite:///{tmp_path}/none.db")

    assert code == 1
    assert "no database there" in err


def hit(snippet: str) -> Hit:
    return Hit("t", (), "turn", "item", "uid", "plan", 0, snippet)


@pytest.mark.parametrize(
    ("snippet", "expected"),
    [
        pytest.param(f"a {BEGIN}b{END} c", "a <b> c", id="a word"),
        pytest.param(f"{BEGIN}a{END} {BEGIN}b{END}", "<a> <b>", id="two words"),
        pytest.param(f"a\n\t {BEGIN}b{END}\r\nc", "a <b> c", id="one line"),
        pytest.param(f"\x1b[2J{BEGIN}b\x07{END}\x9b", "␛[2J<b␇><U+009B>", id="control characters"),
        pytest.param(f"\u200b茶\u200b{BEGIN}\u200b道\u200b{END}", "茶<道>", id="no gaps"),
        pytest.param("nothing", "nothing", id="no mark"),
        pytest.param(f"a {BEGIN}b", "a <b>", id="a mark that is not closed"),
    ],
)
def test_a_snippet_is_one_harmless_line(snippet: str, expected: str) -> None:
    """A terminal shows it and obeys none of it."""
    *_, line = shown.text([hit(snippet)], {}, looks=PLAIN, marks=("<", ">"))

    assert line == f"    {expected}\n"
    document = shown.document(hit(snippet), None)
    marked = document["snippet"]
    for begin, end in reversed(document["marks"]):
        marked = marked[:begin] + "<" + marked[begin:end] + ">" + marked[end:]
    assert marked == expected


def test_the_setting_empties_and_fills_the_index(
    search: Search, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next backfill, without a new byte in the rollouts."""
    url = new_database()
    codes = []
    for index in ("all", "off", "messages", "all"):
        monkeypatch.setenv("PROJECTOR_SEARCH__INDEX", index)
        home = ["--codex-home", str(make.SHIPPED), "--database", url]
        assert cli.run(["backfill", *home]) == 0
        codes.append([search(word, on=url)[0] for word in ("kettle", "steeping")])

    assert codes == [[0, 0], [1, 1], [0, 1], [0, 0]]
