"""What commands write, whatever a rollout, a path or an argument holds, and whoever reads it."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

import projector as package
from projector import cli
from projector.model.terminal_safe import brief, json_ascii, json_safe, terminal_safe
from tests.support import paginated
from tests.support.stage import projector

#: What no terminal may ever see of what others wrote.
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
EVIL = "a\x1b]0;owned\x07b\x9bc\u202eevil\u200bd\x7fe\u2066f\r\x08g\u0085h\x1b[31m"
ENCODINGS = ["utf-8", "latin-1", "cp1252", "ascii"]
#: Commands as people call them, on a home with a thread whose id begins with 01a40000.
COMMANDS = [
    ["backfill"],
    ["status"],
    ["status", "--rollouts"],
    ["status", "--rollouts", "--json"],
    ["threads"],
    ["threads", "--json"],
    ["show", "01a40000"],
    ["show", "01a40000", "--full"],
    ["show", "01a40000", "--format", "json"],
    ["show", "01a40000", "--format", "events"],
    ["show", "01a40000", "--format", "markdown"],
    ["show", f"no {EVIL}"],
    ["search", "Hello"],
    ["search", "Hello", "--json"],
    ["search", "Hello", "-C", "2"],
    ["tail", "--no-follow"],
    ["sql", "SELECT * FROM messages"],
    ["sql", "SELECT * FROM thread_history", "--output", "json"],
    ["show", "01a40000", "--around", "0"],
    ["threads", "--output", "csv"],
    ["search", f"nothing {EVIL}"],
    ["commands"],
    ["commands", "--output", "json"],
    ["files"],
    ["prompts"],
    ["cost"],
    ["limits"],
    ["events"],
    ["doctor"],
    ["doctor", "--json"],
    ["health"],
    ["health", "--json"],
    ["verify"],
    ["verify", "--json"],
    ["config"],
    ["config", "--json"],
    ["rebuild"],
    ["purge", f"01a4{EVIL}"],
    [f"--{EVIL}"],
    [EVIL],
    ["threads", "--since", EVIL],
    ["backfill", f"/nowhere/{EVIL}"],
]


#: Commands that are not among them, and why.
OTHERS = {
    "completion": "its own text",
    "copy": "tests/commands/test_copy.py",
    "help": "its own text",
    "install": "what systemd says",
    "mcp": "a server",
    "run": "a log",
    "uninstall": "what systemd says",
    "web": "a server",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which everything that may hold a text holds a hostile one; 中 in its path."""
    folder = tmp_path_factory.mktemp("中 \x1b[31m red \u202e")
    day = folder / "home" / "sessions" / "2026" / "11" / f"01{EVIL.replace('/', '')}"
    day.mkdir(parents=True)
    long_id = "x" * 1_000_000
    records = (
        paginated.meta(
            cwd=f"/w/{EVIL}", originator=EVIL, model_provider=EVIL, git={"branch": EVIL}
        ),
        paginated.started(f"turn {EVIL}"),
        paginated.item(f"turn {EVIL}", paginated.user(f"u {EVIL}", f"Hello {EVIL} 中")),
        paginated.item(f"turn {EVIL}", paginated.agent("a", text=f"Hello {EVIL}")),
        paginated.item(f"turn {EVIL}", paginated.tool(long_id, {"k": EVIL})),
        paginated.item(f"turn {EVIL}", {"type": f"New{EVIL}", "id": "n", "text": EVIL}),
        paginated.event(f"unknown {EVIL}"),
        paginated.complete(f"turn {EVIL}"),
    )
    name = f"rollout-2026-11-01T10-00-00-{paginated.THREAD}.jsonl"
    (day / name).write_bytes(paginated.text(*records) + b"\x1b[31m no record\n")
    named = {"id": paginated.THREAD, "thread_name": f"name {EVIL} 中", "updated_at": "2026-11-02"}
    (folder / "home" / "session_index.jsonl").write_bytes(orjson.dumps(named) + b"\n")
    assert projector(folder, "backfill").exit_code == 0
    return folder


def called(stage: Path, arguments: list[str], encoding: str) -> tuple[int, bytes, bytes]:
    """Run a command whose streams have an encoding, as Python has them for a terminal."""
    where = ["--codex-home", f"{stage}/home", "--database", f"sqlite:///{stage}/p.db"]
    out, err = io.BytesIO(), io.BytesIO()
    before = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(out, encoding=encoding)
    sys.stderr = io.TextIOWrapper(err, encoding=encoding, errors="backslashreplace")
    try:
        code = cli.run([*where, *arguments])
        sys.stdout.flush()
        sys.stderr.flush()
        return code, out.getvalue(), err.getvalue()
    finally:
        sys.stdout, sys.stderr = before


def test_every_command_is_called() -> None:
    assert set(cli.app.every()) - {name for name, *_ in COMMANDS} == set(OTHERS)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: ascii(" ".join(words))[:30])
def test_nothing_that_others_wrote_reaches_a_terminal(
    stage: Path, arguments: list[str], encoding: str
) -> None:
    code, out, err = called(stage, arguments, encoding)

    assert code in {0, 1, 2}
    for written in (out, err):
        text = written.decode(encoding)
        assert HARMFUL.search(text.replace("\x1b[1m", "").replace("\x1b[0m", "")) is None
        assert "Traceback" not in text
    if "--json" in arguments:
        json.loads(out.decode(encoding))
    elif "json" not in arguments and arguments[0] not in {"events", "show"}:
        assert len(out) + len(err) < 100_000  # an id of a megabyte is cut


def test_json_is_exact(stage: Path) -> None:
    """What is escaped is what was written."""
    for encoding in ENCODINGS:
        _, out, _ = called(stage, ["threads", "--json"], encoding)
        (thread,) = json.loads(out.decode(encoding))
        assert thread["cwd"] == f"/w/{EVIL}"


SAFE = [
    ("tab\tand\nline", "tab\tand\nline"),
    ("a\r\nb", "a\nb"),
    ("\x1b[31m", "\u241b[31m"),
    ("\x9b", "<U+009B>"),
    ("\u202e", "<U+202E>"),
    ("a\u200bb", "a<U+200B>b"),
    ("a\u200db", "a<U+200D>b"),
    ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),  # a joined emoji
    ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),  # a Persian word
    ("\ufe0f\u2764\ufe0f", "\ufe0f\u2764\ufe0f"),
    ("\U000e0041", "<U+E0041>"),
    ("\ud800", "\ufffd"),
    ("中é", "中é"),
]


@pytest.mark.parametrize(("text", "safe"), SAFE)
def test_harmful_characters(text: str, safe: str) -> None:
    assert terminal_safe(text) == safe
    assert terminal_safe(safe) == safe


@pytest.mark.parametrize("make", [json_safe, json_ascii])
def test_escaped_json_is_equal(make: object) -> None:
    assert callable(make)
    text = "".join(chr(code) for code in range(0x3100) if not 0xD800 <= code <= 0xDFFF)
    document = {"text": text + "\U000e0041\U0001f469\ufeff\ufffa中", "\u202e": [1]}
    made = make(orjson.dumps(document))

    assert orjson.loads(made) == document
    assert HARMFUL.search(made.decode()) is None


def test_a_long_word_is_cut_for_people() -> None:
    assert brief("a " + "b" * 10_000) == "a " + "b" * 512 + "...(10,000 characters)"
    assert brief("word " * 1000) == "word " * 1000


MANY_ROWS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 99999) SELECT * FROM c"
)
PIPED = [
    ["sql", MANY_ROWS],
    ["threads"],
    ["show", "01a40000"],
    ["events"],
    ["status"],
    ["--help"],
    ["doctor"],
]


@pytest.mark.parametrize("arguments", PIPED, ids=" ".join)
def test_a_reader_that_leaves(stage: Path, arguments: list[str]) -> None:
    """As `| head` does: nothing is said of it."""
    read, write = os.pipe()
    os.close(read)
    found = _started(stage, arguments, write)
    os.close(write)

    assert found.returncode in {0, 141}
    assert found.stderr == b""


@pytest.mark.parametrize("arguments", PIPED, ids=" ".join)
def test_an_output_that_is_full(stage: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        found = _started(stage, arguments, full.fileno())

    assert found.returncode == 1
    assert found.stderr.startswith(b"projector: s")
    assert found.stderr.endswith(b": No space left on device\n")
    assert found.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["threads", "--limit"], ["commands", "--limit"], ["files", "--limit"],
        ["prompts", "--limit"], ["search", "Hello", "--limit"], ["search", "Hello", "-C"],
        ["show", "01a40000", "--limit"], ["show", "01a40000", "--around", "0", "-C"],
        ["tail", "--no-follow", "-n"], ["events", "--limit"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_number_that_is_too_large_is_all(
    stage: Path, arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    printed = []
    for number in ("9999", "9" * 40, str(2**63 - 1)):
        assert cli.run([*arguments, number, "--database", f"sqlite:///{stage}/p.db"]) in {0, 1}
        printed.append(capfdbinary.readouterr())

    assert printed[0] == printed[1] == printed[2]
    assert b"Traceback" not in printed[0].err


@pytest.mark.parametrize(("seconds", "code"), [("nan", 2), ("inf", 2), ("1e300", 2), ("-1", 2)])
def test_a_time_limit_of_any_size(
    stage: Path, seconds: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["health", "-t", seconds, "--database", f"sqlite:///{stage}/p.db"]) == code
    said = capfd.readouterr()
    assert said.err.count("\n") + said.out.count("\n") == 1


def _started(stage: Path, arguments: list[str], out: int) -> subprocess.CompletedProcess[bytes]:
    where = {
        "CODEX_HOME": f"{stage}/home",
        "PROJECTOR_DATABASE": f"sqlite:///{stage}/p.db",
        "PROJECTOR_CONFIG": os.devnull,
    }
    return subprocess.run(
        [sys.executable, "-m", "projector", *arguments],
        env=os.environ | where,
        stdout=out,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )


def _writers() -> Iterator[tuple[str, str]]:
    root = Path(package.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in {"print", "click.echo", "click.secho", "sys.stdout.write"}:
                    yield str(path.relative_to(root)), name


def test_one_place_writes() -> None:
    """Progress draws its bar by itself."""
    assert {path for path, _ in _writers()} <= {"commands/output.py", "run/progress.py"}
