"""`projector events`: the change feed as JSON lines, once or for as long as it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from projector import cli
from projector.commands import events
from projector.model.errors import StoreUnavailable
from projector.serve.feed import Wanted
from projector.store.open import open_to_read
from projector.store.rules.feed import START
from projector.store.sqlite import reading
from tests.conftest import NewDatabase
from tests.support import paginated
from tests.support.databases import SOURCE
from tests.support.engines import told
from tests.support.generator.rollouts import Rollout
from tests.support.homes import DAY, NAME, put
from tests.support.mirror import Mirror, changes_of, rows_to_mirror
from tests.support.projecting import backfilled

ROOT = Path(__file__).parents[2]
SECONDS = 20
"""How long a test waits for what should come at once."""


class Place(NamedTuple):
    """A home and its database."""

    home: Path
    url: str

    def filled(self) -> Place:
        """Project the home."""
        backfilled(self.home, self.url, batch_records=20)
        return self

    @property
    def last(self) -> int:
        """The number of the last change."""
        return int(changes_of(self.url)[-1][0])

    def more(self) -> None:
        """Let another thread come."""
        Rollout(seed=os.urandom(8).hex()).write(self.home, size=2_000)
        backfilled(self.home, self.url)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Place:
    """Give a home of a thread, its revert, and a spoken session, and their database."""
    home = tmp_path_factory.mktemp("events")
    thread = Rollout(seed=4)
    thread.write(home, size=8_000)
    thread.reverted(thread.cut()).write(home, size=4_000)
    put(home, f"{DAY}/{NAME}", spoken("r", "s"))
    return Place(home, new_database()).filled()


@pytest.fixture
def place(made: Place, tmp_path: Path, new_database: NewDatabase) -> Place:
    """Give the same, to be changed."""
    shutil.copytree(made.home, tmp_path / "copy")
    return Place(tmp_path / "copy", new_database()).filled()


def spoken(*names: str) -> bytes:
    """Write a rollout of a spoken session."""
    lines = paginated.written([paginated.meta(), *map(paginated.realtime, names)])
    return b"".join(line + b"\n" for line in lines)


def printed(
    capsysbinary: pytest.CaptureFixture[bytes], place: Place, *arguments: str
) -> list[dict[str, Any]]:
    assert cli.run(["events", "--database", place.url, *arguments]) == 0
    out, err = capsysbinary.readouterr()
    assert err == b""
    return [json.loads(line) for line in out.splitlines()]


def test_all_from_the_beginning(made: Place, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Whoever takes all of it has all rows."""
    mirror = Mirror()

    for change in printed(capsysbinary, made):
        mirror.take(change)

    assert mirror.seen == changes_of(made.url)
    assert mirror.rows == rows_to_mirror(made.url)
    assert {kind for kind, _ in mirror.rows} == {"turn", "item", "realtime", "thread", "event"}


def test_what_came_behind_a_number(made: Place, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    whole = printed(capsysbinary, made)
    middle = whole[len(whole) // 2]["seq"]

    assert printed(capsysbinary, made, "--after", str(middle)) == whole[len(whole) // 2 + 1 :]
    assert printed(capsysbinary, made, "--after", str(whole[-1]["seq"])) == []
    assert (
        printed(capsysbinary, made, "--after", str(middle), "--limit", "3")
        == [change for change in whole if change["seq"] > middle][:3]
    )


@pytest.mark.parametrize(
    ("names", "takes"),
    [
        pytest.param(["turn"], lambda one: one["kind"] == "turn", id="a kind"),
        pytest.param(["realtime"], lambda one: one["kind"] == "realtime", id="spoken"),
        pytest.param(
            ["thread,item"], lambda one: one["kind"] in {"thread", "item"}, id="two kinds"
        ),
        pytest.param(
            ["turn.completed"], lambda one: one["type"] == "turn.completed", id="a lifecycle type"
        ),
        pytest.param(
            ["thread", "thread.reverted"],
            lambda one: one["kind"] == "thread" or one["type"] == "thread.reverted",
            id="a kind and a type",
        ),
    ],
)
def test_only_some_types(
    made: Place, capsysbinary: pytest.CaptureFixture[bytes], names: list[str], takes: Any
) -> None:
    whole = printed(capsysbinary, made)
    options = [word for name in names for word in ("--types", name)]

    some = printed(capsysbinary, made, *options)

    assert some == [change for change in whole if takes(change)]
    assert 0 < len(some) < len(whole)
    assert printed(capsysbinary, made, *options, "--limit", "1") == some[:1]


def test_a_small_page_at_a_time(
    made: Place, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = printed(capsysbinary, made)
    monkeypatch.setattr("projector.serve.feed.PAGE", 3)

    assert printed(capsysbinary, made) == whole
    assert printed(capsysbinary, made, "--types", "thread") == [
        change for change in whole if change["kind"] == "thread"
    ]


REFUSED = [
    # what is asked                             exit  what is said
    ("a type that there is not",   ["--types", "turns"],     2, "--types turns: no such kind"),
    ("a number that is none",      ["--after", "x"],         2, "--after"),
    ("numbers of another database", ["--after", "99999999"], 1, "--after 99999999 is ahead"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "words"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED]
)
def test_what_cannot_be_had(
    made: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert cli.run(["events", "--database", made.url, *arguments]) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_pruned_changes_are_asked_for(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for changes that were deleted is told so, and how to go on."""
    told(place.url, "UPDATE _feed_state SET pruned = 5", "UPDATE _sources SET pruned = 5")
    database = place.url

    assert cli.run(["events", "--database", database, "--after", "4"]) == 1
    assert "changes up to 5 were deleted" in capsys.readouterr().err
    assert cli.run(["events", "--database", database]) == 1
    assert "--after 5" in capsys.readouterr().err
    assert cli.run(["events", "--database", database, "--after", "5"]) == 0
    assert cli.run(["events", "--database", database, "--types", "turn.failed"]) == 0


def test_the_mirror_of_the_readme(made: Place, tmp_path: Path) -> None:
    """Run, and run again, it holds what the tables hold."""
    (code,) = re.findall(
        r"^```python\n(.*?)^```",
        (ROOT / "projector/docs/programs.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    code = code.replace('["projector"', f'["{sys.executable}", "-m", "projector"')
    env = os.environ | {
        "PROJECTOR_DATABASE": made.url,
        "PYTHONPATH": str(ROOT),
    }

    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)

    with contextlib.closing(sqlite3.connect(tmp_path / "mirror.db")) as db:
        mirrored = {
            (kind, name.replace("-", "")): json.loads(row)
            for kind, name, row in db.execute("SELECT kind, id, row FROM mirrored")
        }
        (cursor,) = db.execute("SELECT cursor FROM dealt_with").fetchone()
    assert mirrored == rows_to_mirror(made.url)
    assert cursor.startswith(f"{made.last}-")


# Following -------------------------------------------------------------------------------------


class Follower:
    """`projector events --follow` in a process of its own."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "projector", "events", "--follow", *arguments,
             "--database", place.url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self._rest = b""

    def lines(self, upto: int) -> list[Mapping[str, Any]]:
        """Read until a change of a number, or of a greater one, has come."""
        assert self.process.stdout is not None
        got: list[Mapping[str, Any]] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not got or got[-1]["seq"] < upto:
                assert selector.select(SECONDS), (got[-1:], upto)
                piece = os.read(self.process.stdout.fileno(), 1 << 16)
                assert piece, self.process.communicate()
                *whole, self._rest = (self._rest + piece).split(b"\n")
                got += map(json.loads, whole)
        return got


@contextlib.contextmanager
def following(place: Place, *arguments: str) -> Iterator[Follower]:
    follower = Follower(place, *arguments)
    try:
        yield follower
    finally:
        follower.process.kill()
        follower.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_until_told(place: Place, number: signal.Signals) -> None:
    """What is committed is printed, and it ends with 0 and without a word."""
    with following(place) as follower:
        seen = follower.lines(place.last)
        for _ in range(2):
            place.more()
            seen += follower.lines(place.last)
        follower.process.send_signal(number)
        out, err = follower.process.communicate(timeout=SECONDS)

    assert [one["seq"] for one in seen] == [one[0] for one in changes_of(place.url)]
    assert (follower.process.returncode, out, err) == (0, b"", b"")


def test_following_for_some_lines(place: Place) -> None:
    with following(place, "--after", str(place.last), "--limit", "2") as follower:
        before = place.last
        place.more()
        out, err = follower.process.communicate(timeout=SECONDS)

    assert [json.loads(line)["seq"] for line in out.splitlines()] == [before + 1, before + 2]
    assert (follower.process.returncode, err) == (0, b"")


def test_whoever_read_has_left(place: Place) -> None:
    """It ends though nothing happens any more: `| head -1` must not leave it behind."""
    with following(place) as follower:
        follower.lines(place.last)
        assert follower.process.stdout is not None
        follower.process.stdout.close()
        follower.process.wait(timeout=SECONDS)
        assert follower.process.stderr is not None
        assert (follower.process.returncode, follower.process.stderr.read()) == (0, b"")


def test_the_file_goes_and_comes_again(made: Place, tmp_path: Path) -> None:
    """Moved or copied it is the same feed; of another one numbers begin anew, and it says so."""
    folder = tmp_path
    shutil.copytree(made.home, folder / "home")
    place = Place(folder / "home", f"sqlite:///{folder}/p.db").filled()
    with following(place) as follower:
        follower.lines(place.last)
        for suffix in ("-wal", "-shm"):
            (folder / f"p.db{suffix}").unlink(missing_ok=True)
        (folder / "p.db").rename(folder / "away.db")
        (folder / "away.db").rename(folder / "p.db")
        shutil.copy(folder / "p.db", folder / "copy.db")
        (folder / "copy.db").rename(folder / "p.db")
        before = place.last
        place.more()
        seen = follower.lines(place.last)
        assert seen[0]["seq"] == before + 1

        backfilled(folder / "home", folder / "other.db")
        (folder / "other.db").rename(folder / "p.db")
        seen = follower.lines(place.last)

    assert seen[0] == json.loads(events.RESTART)
    assert [one["seq"] for one in seen[1:]] == [one[0] for one in changes_of(place.url)]


def test_a_file_that_is_replaced_while_it_is_opened_is_noticed(
    made: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("p.db", "other.db"):
        backfilled(made.home, tmp_path / name)
    opened = reading.opened

    def slowly(path: str) -> sqlite3.Connection:
        db = opened(path)
        (tmp_path / "other.db").rename(path)
        return db

    monkeypatch.setattr(reading, "opened", slowly)
    with reading.SqliteConnection(str(tmp_path / "p.db")) as db:
        assert db.version() is None


def test_what_could_not_be_read_is_asked_for_again(
    place: Place, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Without waiting for a commit: there may be none for days."""
    failed: list[int] = []
    db = open_to_read(place.url, source=SOURCE)
    snapshot = db.snapshot

    def once_unavailable() -> contextlib.AbstractContextManager[None]:
        if not failed:
            failed.append(1)
            raise StoreUnavailable("locked")
        return snapshot()

    db.snapshot = once_unavailable  # type: ignore[method-assign]
    printing = events._Printing(lambda: db, Wanted(), START, place.last)
    told: list[int] = []
    late = threading.Timer(SECONDS, told.append, [1])
    late.start()
    printing.run(told, follow=True)
    late.cancel()
    printing.close()

    assert failed
    assert not told
    assert capfdbinary.readouterr().out.count(b"\n") == place.last
