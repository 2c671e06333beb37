"""Who may import whom. The imports are read from the sources; nothing is run.

A module touches the world when it imports one of `WORLD`. Those that do are named in `STARRED`;
all others are pure, and stay so. Exceptions are named with their reasons, and an exception that
nobody needs any more fails as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1] / "projector"

#: What can read or change anything but the values that it is given, or is not the same twice.
WORLD: Final = frozenset(
    "aiosqlite asyncio click concurrent fcntl glob io logging multiprocessing os pathlib psycopg"
    " random rich secrets select shutil signal socket sqlite3 stat structlog subprocess sys"
    " tempfile threading time tzlocal urllib watchfiles".split()
)
#: What only takes texts apart, though it lies beside what touches the world.
HARMLESS: Final = frozenset({"os.path", "urllib.parse"})

#: Modules that touch the world; a folder stands for all in it. New ones are named here.
STARRED: Final = frozenset(
    """
    __main__ cli commands
    discover.names discover.paths discover.scan discover.watch
    install.host
    logs.render
    model.regular_file
    read.file_reader read.zstd
    run
    serve.doctor.codex_compare serve.doctor.codex_databases serve.doctor.duplicates
    serve.doctor.probe serve.health.collect serve.mcp.server serve.search.snippets serve.telemetry
    serve.web.app serve.web.data serve.web.health_page serve.web.image_files serve.web.live
    store.free_space store.migrations store.newest_entry store.open store.postgres store.scratch
    store.sqlite store.state_file
    """.split()
)

#: Pure modules that import one that is not: what they take from it is a value.
BORROWED: Final[Mapping[tuple[str, str], str]] = {
    ("discover.hints", "discover.scan"): "the folders of a home, by name",
    ("read.rollout", "read.file_reader"): "the only way to bytes; a test gives another opener",
    ("read.compare_files", "read.file_reader"): "the same",
    ("read.whole", "read.file_reader"): "the same",
    (
        "serve.search.query",
        "serve.search.snippets",
    ): "SQLite in memory cuts texts; nothing outside is touched",
    (
        "logs.events",
        "logs.render",
    ): "what is logged is written; who may logs.events is a rule of its own",
}

#: `model.regular_file` is the one that touches the world: every step that opens a file opens it so.
NOUNS: Final = ("model", "search")
STEPS: Final = ("discover", "read", "decode", "reduce", "store")
#: Steps that do import another one.
MEETINGS: Final[Mapping[tuple[str, str], str]] = {
    ("reduce", "decode"): "most records change nothing: decoding stops where that shows",
}

#: Who may import a library that is somebody's job.
JOBS: Final[Mapping[str, str]] = {
    "aiosqlite": "store.sqlite",
    "click": "cli commands",
    "datasette": "serve.web.data",
    "mcp": "serve.mcp.server",
    "psycopg": "serve store.open store.postgres",
    "rich": "run.progress commands",
    "structlog": "logs.render",
    "watchfiles": "discover.watch",
}


class _Module:
    """A module of the package, and all that it imports, also where only a function needs it."""

    def __init__(self, path: Path) -> None:
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.tree = ast.parse(path.read_text())
        self.imports = frozenset(self._imports())

    def _imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: a relative import"
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield whole if _is_module(whole) else str(node.module)

    @property
    def own(self) -> frozenset[str]:
        """Modules of the package that it imports."""
        return frozenset(
            name.removeprefix("projector.") for name in self.imports if name.startswith("projector")
        )

    @property
    def foreign(self) -> frozenset[str]:
        """All others, by their whole names."""
        return frozenset(name for name in self.imports if not name.startswith("projector"))

    @property
    def touches(self) -> frozenset[str]:
        """What of the world it imports."""
        return frozenset(
            name for name in self.foreign - HARMLESS if name.partition(".")[0] in WORLD
        )


def _is_module(name: str) -> bool:
    if name == "os.path":
        return True
    at = ROOT.parent.joinpath(*name.split("."))
    return at.with_suffix(".py").exists() or at.joinpath("__init__.py").exists()


MODULES: Final = tuple(
    sorted(
        (_Module(path) for path in ROOT.rglob("*.py")),
        key=lambda module: module.name,
    )
)
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name or "-")


def _in(name: str, folders: str | frozenset[str] | tuple[str, ...]) -> bool:
    """Tell whether a module is one of these, or in one of these folders."""
    among = folders.split() if isinstance(folders, str) else folders
    return any(name == one or name.startswith(f"{one}.") for one in among)


@every_module
def test_what_is_not_starred_is_pure(module: _Module) -> None:
    """It imports nothing that touches the world, and opens and prints nothing."""
    if _in(module.name, STARRED):
        return
    called = {
        node.func.id
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert not module.touches
    assert not called & {"open", "print", "input", "breakpoint", "exec", "eval", "__import__"}


@every_module
def test_what_is_pure_borrows_from_what_is_not_only_by_name(module: _Module) -> None:
    if _in(module.name, STARRED):
        return
    impure = {name for name in module.own if _in(name, STARRED)}

    assert {name for name in impure if (module.name, name) not in BORROWED} == set()


def test_nothing_is_starred_without_need() -> None:
    needed = {
        star
        for star in STARRED
        if any(module.touches for module in MODULES if _in(module.name, (star,)))
    }

    assert needed | {"__main__"} == STARRED


def test_values_are_structs() -> None:
    """A dataclass takes 0.7 ms to define, in each process; `msgspec.Struct` a fortieth of that."""
    assert [module.name for module in MODULES if "dataclasses" in module.foreign] == []


@every_module
def test_nouns_know_only_nouns(module: _Module) -> None:
    """They are the words of the project: everyone may import them."""
    if _in(module.name, NOUNS):
        assert {name for name in module.own if not _in(name, NOUNS)} == set()


@every_module
def test_steps_meet_in_run(module: _Module) -> None:
    """A step imports nouns and itself."""
    step = module.name.partition(".")[0]
    if step not in STEPS:
        return
    others = {name.partition(".")[0] for name in module.own} - {*NOUNS, step, ""}

    assert {name for name in others if (step, name) not in MEETINGS} == set()


@every_module
def test_run_and_serve_know_no_backend_and_not_each_other(module: _Module) -> None:
    """The store is its contract."""
    part = module.name.partition(".")[0]
    if part not in ("run", "serve"):
        return
    stores = {
        name for name in module.own if _in(name, "store") and not _in(name, "store.questions")
    }

    assert stores <= {
        "store.protocol",
        "store.check.compare",
        "store.heartbeat",  # of the contract
        "store.state_file",  # read where the database cannot be
        "store.free_space",
        "store.reading",
        "store.rules.feed",  # pure: what a cursor is
        "store.rollout_status",
        "store.view_descriptions",  # pure: what views mean
    }
    assert not {name for name in module.own if _in(name, {"run": "serve", "serve": "run"}[part])}


@every_module
def test_a_backend_is_opened_in_one_place(module: _Module) -> None:
    """`store.open` chooses it; what it is made of is known to nobody else."""
    if not _in(module.name, "store commands cli"):
        assert not {
            name for name in module.own if _in(name, "store.open store.postgres store.sqlite")
        }


@every_module
def test_only_what_touches_the_world_logs(module: _Module) -> None:
    if not _in(module.name, STARRED):
        assert "logs.events" not in module.own


@every_module
def test_nobody_imports_the_front_door(module: _Module) -> None:
    """`__main__` imports `cli`, `cli` the commands, and only these the configuration."""
    if module.name != "__main__":
        assert "cli" not in module.own
    if not _in(module.name, "cli commands"):
        assert not {name for name in module.own if _in(name, "commands")}
        assert "commands.load_settings" not in module.own


@every_module
def test_a_library_is_one_modules_job(module: _Module) -> None:
    used = {name.partition(".")[0] for name in module.foreign}

    assert {name for name in used & JOBS.keys() if not _in(module.name, JOBS[name])} == set()


#: Internal tables and views of all engines: their names begin with `_`.
TABLES: Final = frozenset(
    name
    for path in ROOT.joinpath("store", "sql").glob("*/*.sql")
    for name in re.findall(r"CREATE (?:VIRTUAL )?(?:TABLE|VIEW) (_\w+)", path.read_text())
)
#: Where queries of other databases than ours stand.
FOREIGN_QUERIES: Final[Mapping[str, str]] = {
    "serve.doctor.codex_compare": "Codex's own history",
    "serve.doctor.codex_databases": "Codex's own list of threads",
    "serve.search.snippets": "a database in memory, which cuts texts",
    "commands.groups": "an example for people, over a public view",
}
_QUERY: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b.*\b(FROM|INTO|SET)\b", re.DOTALL)


def _texts(module: _Module) -> Iterator[str]:
    """Yield the texts of a module but for its docstrings; values within them are left out."""
    inner: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            inner.update(map(id, node.values))
        elif isinstance(node, ast.Expr):
            inner.add(id(node.value))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            yield " ".join(str(part.value) for part in parts)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            yield node.value


@every_module
def test_questions_to_the_database_stand_in_the_store(module: _Module) -> None:
    """No name of an internal table outside `store/`, and no query: `store.questions` asks."""
    if _in(module.name, "store"):
        return
    texts = tuple(_texts(module))
    queries = () if module.name in FOREIGN_QUERIES else texts

    assert not {name for text in texts for name in re.findall(r"\b_\w+", text)} & TABLES
    assert not [text for text in queries if _QUERY.search(text)]


def test_queries_are_seen() -> None:
    """The rule finds both kinds of what it forbids, and each exception is needed."""
    assert {"_rollouts", "_item_rows", "_item_index", "_read_rollouts"} <= TABLES
    for name in FOREIGN_QUERIES:
        (module,) = (one for one in MODULES if one.name == name)
        assert any(_QUERY.search(text) for text in _texts(module)), name


def test_every_exception_is_needed() -> None:
    borrowed = {(module.name, name) for module in MODULES for name in module.own}
    met = {(one.partition(".")[0], other.partition(".")[0]) for one, other in borrowed}

    assert borrowed >= BORROWED.keys()
    assert met >= MEETINGS.keys()
