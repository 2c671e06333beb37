"""Commands, options, exit codes: what people and scripts rely on."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from projector import cli
from projector.commands.groups import EXAMPLES, GROUPS
from projector.model import errors
from projector.run import backfill, daemon
from projector.run.progress import Progress, Summary
from projector.serve.health import collect as gather

SAMPLE = Path(cli.__file__).parent / "sample"

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shut out the settings, the database and the rollouts of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("PROJECTOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PROJECTOR_CONFIG", os.devnull)
    monkeypatch.setenv("PROJECTOR_DATABASE", f"sqlite:///{tmp_path}/p.db")
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()


def run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Run a command: exit code, standard output, standard error."""
    code = cli.run(arguments)
    return (code, *capsys.readouterr())


def rows(tmp_path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(tmp_path / "p.db")) as connection:
        return connection.execute(sql).fetchall()


USAGE = [
    ("no such command", ["bakfill"], "Did you mean 'backfill'? See: projector --help"),
    ("no such option", ["status", "--rolouts"], "Did you mean '--rollouts'"),
    ("an option without its value", ["run", "--database"], "requires an argument"),
    ("one argument too many", ["status", "all"], "unexpected extra argument"),
    ("a database of another kind", ["status", "--database", "mysql://h/d"], "unknown scheme"),
    ("a configuration that is not there", ["--config", "/no/c.toml", "status"], "no such file"),
]


@pytest.mark.parametrize(("arguments", "words"), [pytest.param(*c[1:], id=c[0]) for c in USAGE])
def test_bad_usage(capsys: Capture, arguments: list[str], words: str) -> None:
    """Bad usage exits with 2 and one line that says what is wrong and how to mend it."""
    code, out, err = run(capsys, *arguments)

    assert (code, out) == (2, "")
    assert err.startswith("projector: ")
    assert err.count("\n") == 1
    assert words in err


def test_without_a_command_the_help_goes_to_standard_error(capsys: Capture) -> None:
    code, out, err = run(capsys)

    assert (code, out) == (2, "")
    assert "Usage: projector" in err


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(capsys: Capture, option: str) -> None:
    code, out, _ = run(capsys, option)

    assert code == 0
    assert out.startswith("projector ")
    assert ", schema " in out
    assert f"SQLite {sqlite3.sqlite_version}" in out


def test_backfill(capsys: Capture, tmp_path: Path) -> None:
    """Projects what is there; the result, and nothing else, is on standard output."""
    code, out, _ = run(capsys, "backfill", "--codex-home", str(SAMPLE))

    assert code == 0
    assert out.startswith("5 rollouts, ")
    assert rows(tmp_path, "SELECT count(*) FROM threads") == [(4,)]


def test_backfill_as_json(capsys: Capture) -> None:
    code, out, err = run(capsys, "backfill", "--codex-home", str(SAMPLE), "--json")

    assert (code, err) == (0, "")
    assert json.loads(out)["rollouts"] == 5


def test_backfill_of_some(capsys: Capture, tmp_path: Path) -> None:
    (thread,) = (SAMPLE / "archived_sessions").iterdir()

    code, _, _ = run(capsys, "backfill", str(thread), "--codex-home", str(SAMPLE))

    assert code == 0
    assert rows(tmp_path, "SELECT archived FROM threads") == [(1,)]


def test_backfill_of_nothing_says_how_to_go_on(capsys: Capture) -> None:
    code, out, err = run(capsys, "backfill")

    assert code == 0
    assert out.startswith("0 rollouts")
    assert "projector backfill --sample" in err


def test_the_sample_where_there_are_no_rollouts(capsys: Capture, tmp_path: Path) -> None:
    code, out, err = run(capsys, "backfill", "--sample")

    assert code == 0
    assert out.startswith("5 rollouts")
    assert f"no rollouts under {tmp_path}/home: projecting the sample" in err


def test_no_sample_where_there_are_rollouts(capsys: Capture, tmp_path: Path) -> None:
    """Refused, never ignored: the two would be mixed."""
    shutil.copytree(SAMPLE / "archived_sessions", tmp_path / "home/archived_sessions")

    code, out, err = run(capsys, "backfill", "--sample")

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"there are rollouts under {tmp_path}/home" in err
    assert run(capsys, "backfill", "--sample", "some/path")[0] == 2
    assert not (tmp_path / "p.db").exists()


def test_a_second_backfill_tells_its_own_from_the_total(capsys: Capture) -> None:
    first = run(capsys, "backfill", "--codex-home", str(SAMPLE))[1]
    second = run(capsys, "backfill", "--codex-home", str(SAMPLE))[1]

    assert "5 rollouts, 72 new records read in " in first
    assert "5 rollouts, 0 new records read in " in second
    assert first.partition(";")[2] == second.partition(";")[2] == " in all 8 turns, 29 items\n"


@pytest.mark.parametrize("named", ["{}/other.db", "sqlite:///{}/other.db"])
def test_a_database_is_named_by_its_path(capsys: Capture, tmp_path: Path, named: str) -> None:
    where = ["--database", named.format(tmp_path)]

    assert run(capsys, "backfill", "--codex-home", str(SAMPLE), *where)[0] == 0
    assert (tmp_path / "other.db").exists()
    assert run(capsys, "threads", *where)[1].count("teapot") == 2


def test_commands_are_in_groups_a_whole_line_each(capsys: Capture) -> None:
    out = run(capsys, "--help")[1]
    lines = [line for group in GROUPS.values() for line in group.items()]

    assert sorted(name for name, _ in lines) == sorted(cli.app.every())
    for name, said in lines:
        (found,) = [one for one in out.splitlines() if one.split()[:1] == [name]]
        assert found.endswith(f"  {said}")
        assert len(found) <= 79
    for group in GROUPS:
        assert f"\n{group}:\n" in out


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_help_has_examples_that_are_right(capsys: Capture, name: str) -> None:
    code, out, _ = run(capsys, name, "--help")

    assert code == 0
    assert f"projector {name}" in run(capsys, "help", name)[1]
    for example in EXAMPLES[name]:
        assert f"  {example}\n" in out
        words = shlex.split(re.sub(r"[<>|].*|.*\$\(|\).*|^.* -- ", "", example))
        words = words[words.index("projector") + 1 :]
        command = cli.app.every()[words[0]]
        command.make_context(words[0], words[1:], resilient_parsing=False)


def test_every_command_has_examples() -> None:
    assert set(EXAMPLES) == set(cli.app.every())


def test_backfill_tells_what_it_could_not_read(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unlucky(
        *_: object, selection: object, progress: Progress, **_kept: object
    ) -> Summary:
        assert selection == ()
        progress.start(1, 1)
        return Summary(
            rollouts=2, records=0, items=0, turns=0, anomalies=1, bytes_read=0, seconds=0.5,
            faults=("/c/r: permission denied. Fix: chmod u+r /c/r",), unreadable=1,
        )  # fmt: skip

    monkeypatch.setattr(backfill, "backfill", unlucky)

    code, out, err = run(capsys, "backfill")

    assert code == 1
    assert out == (
        "2 rollouts, 0 new records read in 0.5 s; in all 0 turns, 0 items; 1 anomaly noted;"
        " 1 could not be read\n"
    )
    assert err == "projector: /c/r: permission denied. Fix: chmod u+r /c/r\n"


def test_a_rollout_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    """By the command, at its end; not by a log line as well."""
    day = tmp_path / "home" / "sessions"
    day.mkdir()
    path = day / "rollout-2026-11-01T10-00-00-01a40000-0000-7000-8000-000000000001.jsonl"
    path.write_bytes(b"{}\n")
    path.chmod(0)
    # Root may read everything, but for these capabilities.
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    program = [*(unprivileged if os.geteuid() == 0 else []), sys.executable, "-m", "projector"]

    for command in (["backfill"], ["backfill", str(path)]):
        ended = subprocess.run([*program, *command], capture_output=True, check=False, text=True)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1, ended.stderr


BOTH = [
    ["--config", "{c}", "--database", "{d}", "--codex-home", "{h}", "status", "--json"],
    ["status", "--json", "--config", "{c}", "--database", "{d}", "--codex-home", "{h}"],
    ["--database", "sqlite:////other", "--config", "{c}", "status", "--codex-home", "{h}",
     "--database", "{d}", "--json"],
]  # fmt: skip


@pytest.mark.parametrize("words", BOTH)
def test_options_stand_before_or_after_the_command(
    capsys: Capture, tmp_path: Path, words: list[str]
) -> None:
    """The later one wins."""
    (tmp_path / "c.toml").write_text('[source]\nname = "here"\n')
    values = {"c": f"{tmp_path}/c.toml", "d": f"sqlite:///{tmp_path}/p.db", "h": str(SAMPLE)}
    run(capsys, "backfill", "--codex-home", str(SAMPLE))

    code, out, err = run(capsys, *(word.format(**values) for word in words))

    assert (code, err) == (0, "")
    assert json.loads(out)["threads"] == 4


def test_an_option_that_a_command_has_not_is_refused(capsys: Capture) -> None:
    code, _, err = run(capsys, "--database", "sqlite:////p.db", "copy", "--from", "a", "--to", "b")

    assert code == 2
    assert err == "projector: --database: copy has no such option\n"


@pytest.mark.parametrize("wrong", ["--from", "--to"])
def test_copy_blames_the_option_that_is_wrong(capsys: Capture, wrong: str) -> None:
    other = {"--from": "--to", "--to": "--from"}[wrong]
    code, _, err = run(capsys, "copy", wrong, "a", other, "sqlite:////p.db")

    assert code == 2
    assert err.startswith(f"projector: {wrong}: ")


def test_a_home_that_is_missing_is_told(capsys: Capture, tmp_path: Path) -> None:
    """The rollouts of the other homes are projected all the same; the exit code says it."""
    homes = ["--codex-home", str(tmp_path / "gone"), "--codex-home", str(SAMPLE)]

    code, out, err = run(capsys, "backfill", *homes)

    assert code == 1
    assert out.startswith("5 rollouts, ")
    assert err.startswith(f"projector: {tmp_path}/gone: not there")


def test_a_selection_that_is_nowhere_is_told(capsys: Capture) -> None:
    code, _, err = run(capsys, "backfill", "/nowhere", "--codex-home", str(SAMPLE))

    assert code == 1
    assert err.startswith("projector: /nowhere: ")


RAISED = [
    (
        "cannot be done",
        errors.StoreUnavailable("p.db: locked", hint="Wait"),
        1,
        "p.db: locked. Wait",
    ),
    ("refused", errors.StoreRefused("p.db: newer", hint="Upgrade"), 1, "p.db: newer. Upgrade"),
    ("held by another", errors.AlreadyRunning("p.db: pid 7 has it"), 3, "p.db: pid 7 has it"),
    ("a setting", errors.UsageError("x is wrong"), 2, "x is wrong"),
    ("the system", OSError(28, "No space left on device", "p.db"), 1, "p.db: No space left"),
    ("Ctrl-C", KeyboardInterrupt(), 130, "interrupted; committed rows stay"),
]


@pytest.mark.parametrize(
    ("error", "code", "words"), [pytest.param(*case[1:], id=case[0]) for case in RAISED]
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    async def fail(*_: object, **_more: object) -> NoReturn:
        raise error

    monkeypatch.setattr(daemon, "follow", fail)

    found, out, err = run(capsys, "run")

    assert (found, out) == (code, "")
    line = err.lstrip("\n")  # the ^C of a terminal has its own line
    assert line.startswith(f"projector: {words}")
    assert line.count("\n") == 1


def test_run_hands_on_what_was_said(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, ...]] = []

    async def follow(_store: object, settings: object, **_: object) -> bool:
        heard.append((settings.database_path, *settings.codex_homes))  # type: ignore[attr-defined]
        return True

    monkeypatch.setattr(daemon, "follow", follow)

    arguments = ["--codex-home", "/a", "--codex-home", "/b"]
    assert run(capsys, "run", *arguments, "--database", f"sqlite:///{tmp_path}/q.db")[0] == 0
    assert heard == [(f"{tmp_path}/q.db", "/a", "/b")]


def test_status(capsys: Capture) -> None:
    run(capsys, "backfill", "--codex-home", str(SAMPLE))

    code, out, err = run(capsys, "status", "--codex-home", str(SAMPLE), "--json", "--rollouts")

    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["rollouts"], found["threads"], found["behind_bytes"]) == (5, 4, 0)
    assert len(found["per_rollout"]) == 5


def test_status_without_a_database(capsys: Capture) -> None:
    code, out, err = run(capsys, "status")

    assert (code, out) == (1, "")
    assert err.endswith("p.db: no database there. Make it: projector backfill\n")


def test_health_without_a_database(capsys: Capture) -> None:
    """Nothing was ever projected: monitoring must hear that, not that it cannot be told."""
    code, out, err = run(capsys, "health")

    assert (code, err) == (2, "")
    assert out.startswith("CRITICAL: ")
    assert "no database there" in out


def test_health_of_something_else(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "p.db").write_text("cups, not tables" * 100)

    code, out, err = run(capsys, "health")

    assert (code, err) == (3, "")
    assert out.startswith("UNKNOWN: ")
    assert out.endswith("not a SQLite database. Name another: --database\n")


def test_health_with_wrong_settings_is_unknown(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a monitoring system 2 would say CRITICAL; it reads the line on standard output."""
    monkeypatch.setenv("PROJECTOR_HEALTH__WARNING_S", "soon")

    code, out, err = run(capsys, "health")

    assert (code, err) == (3, "")
    assert out.startswith("UNKNOWN: PROJECTOR_HEALTH__WARNING_S: ")


def test_health_after_a_backfill(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECTOR_HEALTH__HEARTBEAT_S", "0")
    run(capsys, "backfill", "--codex-home", str(SAMPLE))

    code, out, _ = run(capsys, "health", "--codex-home", str(SAMPLE))

    assert code == 0
    assert out.startswith("OK: nothing waits | behind_bytes=0B;")
    assert (
        json.loads(run(capsys, "health", "--codex-home", str(SAMPLE), "--json")[1])["rollouts"] == 5
    )


def test_health_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    """It starts in under 100 ms: monitoring runs it each minute on each host."""
    code = (
        "import sys; from projector import cli; cli.run(['health']);"
        "print([m for m in ('asyncio', 'aiosqlite', 'structlog', 'watchfiles', 'rich', 'orjson')"
        " if m in sys.modules])"
    )
    database = tmp_path / "p.db"
    cli.run(["backfill", "--codex-home", str(SAMPLE), "--json"])

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert database.exists()
    assert done.stdout.endswith("[]\n"), done.stdout


def test_backfill_imports_nothing_that_it_does_not_need() -> None:
    """Each takes 1 to 50 ms, before the first rows are there."""
    code = (
        "import sys; from projector import cli;"
        f"cli.run(['backfill', '--codex-home', {str(SAMPLE)!r}, '--json']);"
        "print([m for m in ('backports.zstd', 'importlib.metadata', 'importlib.resources',"
        " 'projector.serve', 'projector.store.check', 'projector.store.sqlite.replace', 'rich',"
        " 'structlog', 'tempfile', 'watchfiles', 'zipfile') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.endswith("[]\n"), done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_closed_streams_are_no_fault(tmp_path: Path, closed: str) -> None:
    command = f"{sys.executable} -m projector backfill --codex-home {SAMPLE} {closed}"

    done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert rows(tmp_path, "SELECT count(*) FROM threads") == [(4,)]


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    """`projector status | head -1` ends without a word."""
    code = (
        "import os, sys; from projector import cli; os.dup2({w}, 1); sys.exit(cli.run(['--help']))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code.format(w=writing)],
        pass_fds=[writing],
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)

    assert done.stderr == b""


# fmt: off
THRESHOLDS = [
    ("fewer than is well",       ["-c", "rollouts=100:"],    2, "CRITICAL: rollouts is "),
    ("more than is well",        ["-w", "rollouts=1"],       1, "WARNING: rollouts is "),
    ("as is well",               ["-w", "rollouts=1:99"],    0, "OK: nothing waits"),
    ("no such number",           ["-w", "threads=3"],        3, "UNKNOWN: -w threads=3: no number"),
    ("no range",                 ["-c", "soon"],             3, "UNKNOWN: -c soon: 'soon' is no"),
]
# fmt: on


@pytest.mark.parametrize(
    ("arguments", "code", "words"), [pytest.param(*case[1:], id=case[0]) for case in THRESHOLDS]
)
def test_health_with_thresholds(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    """A monitoring system reads 2 as CRITICAL: what is wrong with the call is UNKNOWN."""
    monkeypatch.setenv("PROJECTOR_HEALTH__HEARTBEAT_S", "0")
    run(capsys, "backfill", "--codex-home", str(SAMPLE))

    found, out, _ = run(capsys, "health", "--codex-home", str(SAMPLE), *arguments)

    assert out.startswith(words)
    assert found == code


def test_health_gives_up_in_time(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    run(capsys, "backfill", "--codex-home", str(SAMPLE))
    monkeypatch.setattr(gather, "collect", lambda *_: signal.pause())

    code, out, _ = run(capsys, "health", "-t", "0.01")

    assert (code, out) == (3, "UNKNOWN: no answer within 0.01 s\n")
