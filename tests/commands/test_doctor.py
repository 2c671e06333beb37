"""`projector doctor`: what stands in the way, and threads of which Codex shows less."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest

from projector import cli
from projector.model.ids import RolloutId
from tests.commands.codex_history import listed, stalled
from tests.support import paginated as p
from tests.support.homes import put
from tests.support.projecting import backfilled
from tests.support.stage import projector
from tests.support.zst import frame

_NAME = "sessions/2026/11/01/rollout-2026-11-01T10-00-00-{}.jsonl"
#: After the second turn token_count and thread_settings_applied have one ordinal: what Codex
#: before 0.154 wrote at a resume, and stands still at.
_REPEATED = 9


def turns(*names: str) -> list[p.Json]:
    return [
        record
        for name in names
        for record in (
            p.started(name, started_at=1),
            p.item(name, p.user(f"u-{name}")),
            p.item(name, p.agent(f"a-{name}", phase="final_answer")),
            p.complete(name, completed_at=2),
        )
    ]


def numbered(records: list[p.Json]) -> list[bytes]:
    """Write records with times and ordinals; the ordinal before `again` comes twice."""
    lines, ordinal = [], 0
    for record in records:
        again = record.pop("again", False)
        ordinal -= bool(again)
        stamp = {"timestamp": f"2026-11-01T10:00:{ordinal:02}.000Z", "ordinal": ordinal}
        lines.append(orjson.dumps(stamp | record) + b"\n")
        ordinal += 1
    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home with one thread of four turns, an ordinal repeated after the second, backfilled."""
    repeated = p.event("thread_settings_applied", thread_settings={}) | {"again": True}
    lines = numbered(
        [
            p.meta(),
            *turns("t1", "t2"),
            p.event("token_count", info=None),
            repeated,
            *turns("t3", "t4"),
        ]
    )
    put(tmp_path / "home", _NAME.format(p.THREAD), b"".join(lines), mtime_ns=10**18)
    backfilled(tmp_path / "home", tmp_path / "p.db")
    return tmp_path


def place_of(folder: Path, needle: bytes) -> int:
    """Give the offset of the line that holds these bytes."""
    data = (folder / "home" / _NAME.format(p.THREAD)).read_bytes()
    return data.rindex(b"\n", 0, data.index(needle)) + 1


def doctor(folder: Path) -> tuple[int, dict[str, Any]]:
    result = projector(folder, "doctor", "--json")
    assert result.exception is None, result.exception
    return result.return_value, orjson.loads(result.stdout)


def told(document: dict[str, Any], topic: str) -> list[tuple[str, str]]:
    return [(one["level"], one["text"]) for one in document["checks"] if one["topic"] == topic]


def test_a_database_on_a_server_is_compared_as_a_file_is(
    folder: Path, postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same threads, places and reasons."""
    at = place_of(folder, b"thread_settings_applied")
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=10)
    _, document = doctor(folder)
    assert cli.run(["copy", "--from", f"sqlite:///{folder}/p.db", "--to", postgres]) == 0
    capsys.readouterr()

    where = ["--codex-home", str(folder / "home"), "--database", postgres]
    assert cli.run(["doctor", "--json", *where]) == 1

    assert orjson.loads(capsys.readouterr().out)["codex"] == document["codex"] != []


# Codex ----------------------------------------------------------------------------------------


def test_a_history_stalled_at_a_repeated_ordinal(folder: Path) -> None:
    """Thread, place, reason, the turn from which on, and how much is to be had here."""
    at = place_of(folder, b"thread_settings_applied")
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=10)

    code, document = doctor(folder)

    assert code == 1
    assert document["codex"] == [
        {
            "thread_id": p.THREAD,
            "rollout_id": p.THREAD,
            "path": str(folder / "home" / _NAME.format(p.THREAD)),
            "why": "stands_still",
            "reason": f"Codex stopped at byte {at} of {end_of(folder)}: it waits for ordinal"
            f" 10, the record has ordinal {_REPEATED}",
            "from_turn": "t3",
            "from_started_at": 1,
            "turn_count": 2,
            "item_count": 4,
            "turns": ["t3", "t4"],
        }
    ]


def end_of(folder: Path) -> int:
    return (folder / "home" / _NAME.format(p.THREAD)).stat().st_size


def test_people_read_the_same(folder: Path) -> None:
    at = place_of(folder, b"thread_settings_applied")
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=10)

    result = projector(folder, "doctor")

    (line,) = [line for line in result.stdout.splitlines() if "codex" in line]
    assert line.startswith(f"problem codex: thread {p.THREAD}: Codex stopped at byte {at}")
    assert "from turn t3 on 2 turns and 4 items are here" in line
    assert f"projector show {p.THREAD}" in line
    assert "0.154" in line


def test_a_turn_whose_end_codex_has_not_seen_is_the_first(folder: Path) -> None:
    at = place_of(folder, b'"a-t2"')
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=4)

    (short,) = doctor(folder)[1]["codex"]

    assert (short["from_turn"], short["turn_count"], short["item_count"]) == ("t2", 3, 5)


def test_a_checkpoint_inside_a_record(folder: Path) -> None:
    at = place_of(folder, b'"t3"') + 7
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=4)

    (short,) = doctor(folder)[1]["codex"]

    assert short["why"] == "stands_still"
    assert "inside a record" in short["reason"]


def test_records_that_were_passed_over(folder: Path) -> None:
    """Codex has read to the end, and lacks what its decoder refused."""
    history = folder / "home" / "thread_history_1.sqlite"
    stalled(history, folder / "p.db", at=1 << 40, ordinal=18)
    with sqlite3.connect(history) as db:
        db.execute("DELETE FROM thread_items WHERE item_id IN ('a-t2', 'u-t4')")
        db.execute("DELETE FROM thread_turns WHERE turn_id = 't4'")
    db.close()

    code, document = doctor(folder)

    (short,) = document["codex"]
    assert code == 1
    assert (short["why"], short["turns"], short["item_count"]) == ("passed_over", ["t2", "t4"], 2)


def test_where_codex_shows_all_nothing_is_said(folder: Path) -> None:
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=1 << 40, ordinal=18)

    code, document = doctor(folder)

    assert (code, document["codex"]) == (0, [])
    assert told(document, "codex")[0][0] == "ok"


def test_a_thread_that_codex_never_opened_is_no_problem(folder: Path) -> None:
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=0, ordinal=0,
            thread="another")  # fmt: skip

    code, document = doctor(folder)

    assert (code, document["codex"]) == (0, [])
    assert ("info", "1 rollout not projected by Codex yet") in told(document, "codex")


def test_codex_that_has_not_read_on_is_only_behind(folder: Path) -> None:
    """Nothing keeps it: the record at its checkpoint has the ordinal that it waits for."""
    at = place_of(folder, b'"t3"')
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=10)

    code, document = doctor(folder)

    assert code == 0
    assert [one["why"] for one in document["codex"]] == ["behind"]


def test_a_rollout_written_a_moment_ago_is_not_behind(folder: Path) -> None:
    os.utime(folder / "home" / _NAME.format(p.THREAD))
    at = place_of(folder, b'"t3"')
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=10)

    assert doctor(folder)[1]["codex"] == []


def test_a_rollout_that_codex_refuses(tmp_path: Path) -> None:
    """It lists the thread, and cannot open it."""
    data = b"\xef\xbb\xbf" + b"".join(numbered([p.meta(), *turns("t1")]))
    path = put(tmp_path / "home", _NAME.format(p.THREAD), data)
    backfilled(tmp_path / "home", tmp_path / "p.db")
    listed(tmp_path / "home" / "state_5.sqlite", (p.THREAD, path))

    code, document = doctor(tmp_path)

    (short,) = document["codex"]
    assert code == 1
    assert (short["why"], short["turns"], short["item_count"]) == ("refused", ["t1"], 2)
    assert "byte_order_mark" in short["reason"]


def test_another_file_that_codex_takes_for_the_current_one(folder: Path) -> None:
    """A revert whose name sorts before the file that it replaces."""
    revert = RolloutId("01a40000-0000-7000-8000-0000000000ff")
    base = {"thread_id": p.THREAD, "end_ordinal_exclusive": 5}
    meta = p.meta(history_base=base | {"end_byte_offset": place_of(folder, b'"t2"')})
    lines = b"".join(numbered([meta, *turns("r1")]))
    put(folder / "home", _NAME.format(f"{p.THREAD}_{revert}"), lines)
    backfilled(folder / "home", folder / "p.db")
    first = folder / "home" / _NAME.format(p.THREAD)
    listed(folder / "home" / "state_5.sqlite", (p.THREAD, first))
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=1 << 40, ordinal=18,
            thread=p.THREAD)  # fmt: skip

    (short,) = doctor(folder)[1]["codex"]

    assert (short["why"], short["rollout_id"], short["turns"]) == ("other_file", revert, ["r1"])


def twice(tmp_path: Path) -> tuple[Path, Path]:
    """Give a rollout of two turns, and the copy of its first one that Codex takes for it."""
    whole = numbered([p.meta(), *turns("t1", "t2")])
    home = tmp_path / "home"
    longer = put(home, _NAME.format(p.THREAD), b"".join(whole), mtime_ns=10**18)
    name = _NAME.format(p.THREAD).replace("/01/rollout", "/02/rollout")
    shorter = put(home, name, b"".join(whole[:5]), mtime_ns=10**18)
    listed(home / "state_5.sqlite", (p.THREAD, shorter))
    return longer, shorter


def test_a_copy_of_the_same_name_that_codex_takes_for_the_current_one(tmp_path: Path) -> None:
    longer, shorter = twice(tmp_path)
    backfilled(tmp_path / "home", tmp_path / "p.db")
    stalled(tmp_path / "home" / "thread_history_1.sqlite", tmp_path / "p.db",
            at=longer.read_bytes().index(b'"t2"'), ordinal=6)  # fmt: skip

    (short,) = doctor(tmp_path)[1]["codex"]

    assert (short["why"], short["path"]) == ("other_file", str(longer))
    assert (short["turns"], short["item_count"]) == (["t2"], 2)
    assert str(shorter) in short["reason"]


@pytest.mark.parametrize("packed", [False, True])
def test_what_an_older_file_alone_holds_when_codex_has_gone_on_with_a_copy(
    tmp_path: Path, *, packed: bool
) -> None:
    longer, shorter = twice(tmp_path)
    with shorter.open("ab") as file:
        file.write(numbered([{}] * 5 + turns("t3"))[5])
    if packed:
        packed_path = longer.with_name(longer.name + ".zst")
        packed_path.write_bytes(frame(longer.read_bytes()))
        longer.unlink()
        shorter.replace(shorter.with_name(shorter.name + ".zst")).write_bytes(
            frame(shorter.with_name(shorter.name + ".zst").read_bytes())
        )
        longer = packed_path
    os.utime(longer, ns=(10**18, 10**18))
    backfilled(tmp_path / "home", tmp_path / "p.db")
    stalled(tmp_path / "home" / "thread_history_1.sqlite", tmp_path / "p.db", at=1 << 40,
            ordinal=6)  # fmt: skip

    code, document = doctor(tmp_path)

    assert code == 1
    (short,) = document["codex"]
    assert (short["why"], short["turns"], short["item_count"]) == ("older_file", ["t2"], 2)
    assert short["from_started_at"] == 1
    assert str(longer) in short["reason"]
    longer.unlink()
    assert doctor(tmp_path)[1]["codex"] == []


def test_a_home_that_was_moved_is_no_other_file(folder: Path) -> None:
    """Codex has the path of before; the name tells which rollout it is."""
    at = place_of(folder, b"thread_settings_applied")
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=10)
    before = folder / "before" / _NAME.format(p.THREAD)
    listed(folder / "home" / "state_5.sqlite", (p.THREAD, before))

    code, document = doctor(folder)

    assert (code, [one["why"] for one in document["codex"]]) == (1, ["stands_still"])
    assert ("info", "Codex lists 1 thread whose file is missing") in told(document, "codex")


def test_a_fork_whose_base_codex_has_not_projected(folder: Path) -> None:
    """Of the base what the fork inherits is missing there, and no more."""
    base = {"thread_id": p.THREAD, "end_ordinal_exclusive": 5}
    base |= {"end_byte_offset": place_of(folder, b'"t2"')}
    meta = p.meta(id=p.OTHER, history_base=base, forked_from_id=p.THREAD)
    put(folder / "home", _NAME.format(p.OTHER), b"".join(numbered([meta, *turns("f1")])))
    backfilled(folder / "home", folder / "p.db")
    stalled(folder / "home" / "thread_history_1.sqlite", folder / "p.db", at=1 << 40, ordinal=18,
            thread=p.OTHER)  # fmt: skip

    (short,) = doctor(folder)[1]["codex"]

    assert short["why"] == "base_missing"
    assert (short["thread_id"], short["rollout_id"]) == (p.OTHER, p.THREAD)
    assert (short["turns"], short["item_count"]) == (["t1"], 2)


@pytest.mark.parametrize("where", ["home/sqlite", "elsewhere"])
def test_codex_keeps_its_databases_elsewhere(
    folder: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CODEX_HOME/sqlite as the desktop app does, or in CODEX_SQLITE_HOME."""
    if where == "elsewhere":
        monkeypatch.setenv("CODEX_SQLITE_HOME", str(folder / where))
    (folder / where).mkdir()
    at = place_of(folder, b"thread_settings_applied")
    stalled(folder / where / "thread_history_1.sqlite", folder / "p.db", at=at, ordinal=10)

    assert [one["why"] for one in doctor(folder)[1]["codex"]] == ["stands_still"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("opened", [True, False], ids=["Codex has it open", "nobody has it open"])
def test_codex_databases_are_never_written(folder: Path, *, opened: bool) -> None:
    """No byte, and no file beside them, changes; nor does the home."""
    history = folder / "home" / "thread_history_1.sqlite"
    stalled(history, folder / "p.db", at=100, ordinal=10)
    held = sqlite3.connect(history)
    if opened:
        held.execute("UPDATE thread_turns SET status = status")
        held.commit()
    else:
        held.close()
    before = {name: data for name, data in contents(folder / "home").items()
              if not name.endswith("-shm")}  # fmt: skip
    names = contents(folder / "home").keys()

    assert len(doctor(folder)[1]["codex"]) == 1

    after = contents(folder / "home")
    assert after.keys() == names
    assert before == {name: data for name, data in after.items() if not name.endswith("-shm")}
    held.close()


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to look at" * 9])
def test_what_is_no_history_is_a_warning_at_most(folder: Path, content: bytes) -> None:
    (folder / "home" / "thread_history_1.sqlite").write_bytes(content)

    code, document = doctor(folder)

    assert code == 0
    assert told(document, "codex")[0][0] == "warning"


def test_a_locked_history_is_not_waited_for(folder: Path) -> None:
    history = folder / "home" / "thread_history_1.sqlite"
    stalled(history, folder / "p.db", at=100, ordinal=10)
    held = sqlite3.connect(history, isolation_level=None)
    held.execute("PRAGMA journal_mode = DELETE")
    held.execute("BEGIN EXCLUSIVE")
    try:
        code, document = doctor(folder)
    finally:
        held.close()

    assert code == 0
    assert told(document, "codex")[0][0] == "warning"


# The rest -------------------------------------------------------------------------------------


def test_all_is_well(folder: Path) -> None:
    code, document = doctor(folder)

    assert (code, document["ok"]) == (0, True)
    topics = {one["topic"] for one in document["checks"]}
    assert topics >= {"home", "privacy", "sqlite", "disk", "database", "daemon", "anomalies"}


def test_a_home_that_is_not_there(folder: Path) -> None:
    (folder / "home").rename(folder / "moved")

    code, document = doctor(folder)

    assert code == 1
    assert told(document, "home")[0][0] == "problem"


def test_a_home_without_rollouts(folder: Path) -> None:
    for path in (folder / "home").rglob("*.jsonl"):
        path.unlink()

    code, document = doctor(folder)

    assert (code, told(document, "home")[0][0]) == (0, "warning")


def test_no_database(folder: Path) -> None:
    (folder / "p.db").unlink()

    code, document = doctor(folder)

    assert code == 1
    assert told(document, "database")[0][0] == "problem"


def test_a_damaged_database(folder: Path) -> None:
    db = sqlite3.connect(folder / "p.db")
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = '_usage_rows'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with (folder / "p.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)

    result = projector(folder, "doctor")

    assert result.return_value == 1
    assert "projector rebuild" in result.stdout


def test_files_that_others_can_read(folder: Path) -> None:
    (folder / "p.db").chmod(0o644)

    code, document = doctor(folder)

    assert (code, told(document, "privacy")[0][0]) == (0, "warning")
