"""README, settings file, units and sample say what the code does."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import click
import pytest

from projector import cli
from projector.commands import load_settings as config
from projector.model.settings import Settings
from projector.serve.health import judge as health
from projector.store import view_descriptions
from tests.sample import make
from tests.support import docs, manual, questions, screenshots, tables

README = docs.README.read_text("utf-8")
MANUAL = docs.manual_text()
PAGES = {page.stem: page.read_text("utf-8") for page in (docs.README, *docs.PAGES.glob("*.md"))}
FENCED = re.findall(r"^```(\w+)\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL)


def test_the_settings_file_holds_every_setting_with_its_default() -> None:
    """Else: python -m tests.support.docs."""
    assert docs.CONFIG_FILE.read_text("utf-8") == docs.config_file()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_has_it(name: str) -> None:
    """Tables and the sample's answers. Else: python -m tests.support.docs."""
    assert docs.filled(PAGES[name]) == PAGES[name]


def test_the_data_dictionary_is_that_of_the_code() -> None:
    """Else: python -m tests.support.docs."""
    assert docs.DICTIONARY.read_text("utf-8") == view_descriptions.page()


@pytest.mark.parametrize("file", docs.dashboards(), ids=lambda file: file.stem)
def test_the_dashboards_are_made_of_their_panels(file: Path) -> None:
    """Else: python -m tests.support.docs."""
    assert file.read_text("utf-8") == docs.dashboards()[file]


@pytest.mark.parametrize("file", docs.schemas(), ids=lambda file: file.parent.name)
def test_the_schema_describes_views_as_the_code_does(file: Path) -> None:
    """Else: python -m tests.support.docs."""
    assert file.read_text("utf-8") == docs.schemas()[file]


def test_the_manual_holds_every_setting_event_and_metric() -> None:
    for table in (docs.settings_table(), tables.events(), tables.numbers()):
        assert table in MANUAL


def test_pictures_are_there_and_small() -> None:
    """Else: python -m tests.support.screenshots."""
    named = set(re.findall(r'(?:src|srcset)="([^"]+png)"', README))
    named |= {f"projector/docs/{one}" for one in re.findall(r"\]\((\S+png)\)", MANUAL)}
    assert named
    for picture in (docs.ROOT / "projector" / "docs" / "pictures").iterdir():
        assert picture.stat().st_size <= screenshots.MOST_BYTES
    assert {str(docs.ROOT / one) for one in named} <= {str(one) for one in screenshots.PICTURES}
    assert all(one.exists() for one in screenshots.PICTURES)


def test_the_readme_is_short() -> None:
    assert README.count("\n") <= 200


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """On any forge: they are relative, and to files or headings that are there."""
    page = docs.README if name == "README" else docs.PAGES / f"{name}.md"
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[name]):
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), re.MULTILINE)
            known = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in heads}
            assert anchor in known


def test_contributing_names_modules_that_are_there() -> None:
    """And so does the page on the design."""
    text = (docs.ROOT / "CONTRIBUTING.md").read_text("utf-8") + PAGES["design"]
    for path in re.findall(r"`([\w/.]+\.(?:py|sql|md))`", text):
        places = (docs.ROOT / path, docs.ROOT / "projector" / path)
        found = any(place.exists() for place in places)
        assert found or list((docs.ROOT / "projector/store/sql").glob(f"*/{path}")), path


def _said(path: Path) -> str:
    """Return a source's comments and docstrings."""
    text = path.read_text("utf-8")
    if path.suffix == ".sql":
        return "\n".join(re.findall(r"--.*", text))
    with path.open("rb") as lines:
        said = [
            token.string
            for token in tokenize.tokenize(lines.readline)
            if token.type == tokenize.COMMENT
        ]
    return "\n".join([
        *said,
        *(
            str(node.value.value)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ),
    ])  # fmt: skip


def test_comments_name_modules_that_are_there() -> None:
    """By the end of the path, at least the name; examples of other projects are of the kettle."""
    named = re.compile(r"(?<![\w/.~-])(?:\w[\w.]*/)*\w+\.(?:py|sql)\b")
    files = [
        path
        for folder in ("projector", "tests")
        for path in (docs.ROOT / folder).rglob("*.*")
        if path.suffix in {".py", ".sql"}
    ]
    known = {
        "/".join(parts[at:])
        for parts in (path.relative_to(docs.ROOT).parts for path in files)
        for at in range(len(parts))
    } | {"sql/BACKEND/NNNN_name.sql"}

    def missing(text: str) -> list[str]:
        return [one for one in named.findall(text) if one not in known and "kettle" not in one]

    # Comments are looked for only in files with such a word: that takes most of the time.
    assert {
        (str(path.relative_to(docs.ROOT)), one)
        for path in files
        if missing(path.read_text("utf-8"))
        for one in missing(_said(path))
    } == set()


def test_the_readme_links_every_page() -> None:
    linked = set(re.findall(r"\(projector/docs/([\w-]+)\.md\)", README))

    assert linked == set(PAGES) - {"README"}


def test_the_settings_file_taken_at_its_word_changes_nothing(tmp_path: Path) -> None:
    """Every line can be uncommented as it is."""
    text = re.sub(r"^# (\w+ = )", r"\1", docs.CONFIG_FILE.read_text("utf-8"), flags=re.MULTILINE)
    file = tmp_path / "all.toml"
    # Two names for one thing: both may not be given, not even empty.
    file.write_text(text.replace('database_file = ""\n', ""))

    settings = config.load({}, file=str(file), env={"HOME": "/"})

    values = tomllib.loads(text)
    assert {section for section, value in values.items() if isinstance(value, dict)} == {
        section for section, _ in config.defaults() if section
    }
    for name in ("read", "run", "store", "health", "log"):
        assert getattr(settings, name) == getattr(Settings(), name)


def test_every_setting_is_heeded_by_somebody() -> None:
    """By code that reads it, other than what only loads, shows or compares settings."""
    passed_on = (
        "model/settings.py",
        "commands/load_settings.py",
        "commands/config.py",
        "reload.py",
    )
    read = {
        (owner.attr if isinstance(owner, ast.Attribute) else owner.id, node.attr)
        for path in (docs.ROOT / "projector").rglob("*.py")
        if not str(path).endswith(passed_on)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and isinstance(owner := node.value, ast.Attribute | ast.Name)
    }
    names = {"": "settings", "health": "limits"}  # as they are called where they are read
    heeded = {
        (section, key)
        for section, key in config.defaults()
        if {(section, key), (names.get(section, section), key)} & read
    }

    assert len(heeded) > 20
    assert set(config.defaults()) - heeded == set()


def test_the_readme_names_every_command_and_option() -> None:
    for name, command in cli.app.every().items():
        assert re.search(rf"^\| `{name}[ `\[]", MANUAL, re.MULTILINE), name
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"`{option.opts[0]}" in MANUAL, (name, option.opts)


def test_the_readme_names_every_exit_code() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", MANUAL, re.MULTILINE)}

    assert documented == {
        0, cli.FAILED, cli.USAGE, cli.HELD, cli.INTERRUPTED, *(one.value for one in health.Level)
    }  # fmt: skip


@pytest.fixture(scope="module")
def first_look(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the README's first command in a new folder, but for the installing."""
    folder = tmp_path_factory.mktemp("first-look")
    command = next(text for kind, text in FENCED if kind == "sh" and "backfill" in text)
    setting_up, installing, *steps = command.strip().split(" && ")
    assert (setting_up, installing) == ("python3 -m venv .venv", ".venv/bin/pip install -q .")
    env = {"PATH": os.defpath, "HOME": str(folder), "PYTHONPATH": str(docs.ROOT)}
    for step in steps:
        program, *arguments = shlex.split(step)
        assert program == ".venv/bin/projector"
        subprocess.run(
            [sys.executable, "-m", "projector", *arguments],
            cwd=folder,
            env=env,
            check=True,
            capture_output=True,
        )
    return folder / ".local/state/codex-projector/projector.db"


def test_the_first_command_shows_something(first_look: Path) -> None:
    with sqlite3.connect(first_look) as database:
        assert database.execute("SELECT count(*) FROM threads").fetchone() == (4,)
    database.close()


def test_ten_questions_are_answered() -> None:
    """None of them by nothing."""
    asked = questions.questions(PAGES["questions"])

    assert len(asked) == 10
    assert [one.words for one in asked if one.answer.count("\n") < 3] == []


@pytest.mark.parametrize(
    "query",
    [
        query
        for kind, text in FENCED
        if kind == "sql"
        for query in re.split(r"(?<=;)\n", text.strip())
    ],
)
def test_the_queries_run(first_look: Path, query: str) -> None:
    database = sqlite3.connect(first_look)
    (thread,) = database.execute("SELECT max(thread_id) FROM threads").fetchone()
    found = database.execute(query, {"thread": thread}).fetchall()
    database.close()

    assert found or "anomalies" in query or "rate_limits" in query


def test_the_second_command_runs_the_tests() -> None:
    command = next(text for kind, text in FENCED if kind == "sh" and "pytest" in text)

    assert command.strip().split(" && ")[1:] == [
        ".venv/bin/pip install -q -e '.[dev]'",
        ".venv/bin/pytest -q",
    ]
    assert '"$env/bin/pytest" -q\n' in (docs.ROOT / ".ci/run").read_text("utf-8")


def test_the_manual_page_is_that_of_the_help() -> None:
    """Else: python -m tests.support.docs."""
    assert docs.MANUAL.read_text("utf-8") == manual.page()


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man")
def test_man_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", docs.MANUAL],
        check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )  # fmt: skip

    assert done.stderr == ""
    assert "EXIT STATUS" in done.stdout


@pytest.mark.parametrize("name", docs.units())
def test_the_units_are_what_install_would_write(name: str) -> None:
    """Else: python -m tests.support.docs."""
    assert (docs.UNITS_FOLDER / name).read_text("utf-8") == docs.units()[name]


def test_the_sample_is_what_its_script_makes(tmp_path: Path) -> None:
    """Else: python tests/sample/make.py."""
    make.make(tmp_path)

    def files(folder: Path) -> dict[str, bytes]:
        found = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    assert files(tmp_path) == files(make.SHIPPED)
