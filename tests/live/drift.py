"""Tells what a Codex writes and shows that the projector was not made for.

    python -m tests.live.drift --codex-version 0.170.0     what is new there; exit 1 if anything is
    python -m tests.live.drift --write                     take the pinned release as what is known

Two views of the same release: the schema that it prints of its protocol (every item type and
field, whether played or not), and a session in which each operation of the book is done (the
records and fields that it writes, the tables and columns of its databases). Both are held against
`known.json`, which this command wrote for the pinned release. The projector follows that session
too, so that rows that differ are told as well.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.live import install, offline, schema
from tests.live.model import Json
from tests.live.rollouts import text

KNOWN: Final = Path(__file__).with_name("known.json")
#: What the projector's rows are made of: an item, a turn, and all that these refer to.
_ROOTS: Final = ("ThreadItem", "Turn")
#: Fields that hold free values or names from outside: what is in them is nobody's format.
_FREE: Final = frozenset({
    "changes", "arguments", "result", "structuredContent", "agents_states", "state", "results",
    "replacement_history", "output", "input", "dynamic_tools", "tools", "metadata", "_meta",
})  # fmt: skip
_DATABASES: Final = {
    "thread_history_1.sqlite": (
        "thread_items", "thread_turns", "thread_realtime_items", "thread_history_projection_state",
    ),
    "state_5.sqlite": ("threads", "thread_spawn_edges"),
}  # fmt: skip

#: Some fields come only by chance (an interruption here, an empty text there).
_WRITE_SEEDS: Final = (1, 2, 3)

#: How many rows that differ are told, and how much of a line.
_ROWS: Final = 10
_LINE_CHARACTERS: Final = 400

Facts = dict[str, list[str]]
"""Names of things, sorted, under the name of what holds them."""


def observe(home: Path, bundle: Json) -> Mapping[str, Facts]:
    """Collect all that one release was seen to write and says of itself."""
    return {"schema": _schema(bundle), "records": _records(home), "tables": _tables(home)}


def _schema(bundle: Json) -> Facts:
    """Flatten the definitions that items and turns are made of: a line for each field."""
    definitions: Json = bundle["definitions"]
    facts: Facts = {}
    waiting = list(_ROOTS)
    while waiting:
        name = waiting.pop()
        if name in facts or name not in definitions:
            continue
        lines: set[str] = set()
        _flatten(definitions[name], "", lines, waiting)
        facts[name] = sorted(lines)
    return dict(sorted(facts.items()))


def _flatten(node: Any, path: str, lines: set[str], waiting: list[str]) -> None:
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        lines.add(f"{path or '.'} is {name}")
        waiting.append(name)
    for value in node.get("enum", ()):
        lines.add(f"{path or '.'} may be {value}")
    if isinstance(node.get("type"), str | list):
        kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
        lines.add(f"{path or '.'} has type {' or '.join(sorted(kinds))}")
    for choice in (*node.get("oneOf", ()), *node.get("anyOf", ()), *node.get("allOf", ())):
        _flatten(choice, path + _tag(choice), lines, waiting)
    required = node.get("required", ())
    for name, child in node.get("properties", {}).items():
        lines.add(f"{path}.{name}{' required' if name in required else ''}")
        _flatten(child, f"{path}.{name}", lines, waiting)
    _flatten(node.get("items"), f"{path}[]", lines, waiting)
    _flatten(node.get("additionalProperties"), f"{path}{{}}", lines, waiting)


def _tag(choice: Any) -> str:
    """Name a variant by its tag, so that its fields are told apart from the others'."""
    if isinstance(choice, dict):
        for name in ("type", "kind"):
            values = choice.get("properties", {}).get(name, {}).get("enum", ())
            if len(values) == 1:
                return f"<{values[0]}>"
    return ""


def _records(home: Path) -> Facts:
    """Read every rollout: which records there are, and which fields in them."""
    seen: dict[str, set[str]] = {}
    for path in sorted(home.glob("*sessions/**/rollout-*.jsonl*")):
        for line in text(path).splitlines():
            for kind, fields in _shape(line):
                seen.setdefault(kind, set()).update(fields)
    return {kind: sorted(fields) for kind, fields in sorted(seen.items())}


def _shape(line: bytes) -> Iterator[tuple[str, set[str]]]:
    try:
        record = json.loads(line)
    except ValueError:
        return  # U+0085 and its like are no line ends to Codex; torn lines are none of a format
    payload = record.get("payload")
    yield "record", {str(name) for name in record}
    if not isinstance(payload, dict):
        return
    kind = str(record.get("type"))
    tag = payload.get("type")
    if isinstance(tag, str) and kind in ("event_msg", "response_item", "realtime_item"):
        kind = f"{kind} {tag}"
    item = payload.get("item")
    if isinstance(item, dict):
        name = item.get("type")
        if name == "Extension":
            name = f"{name} {item.get('kind')}"
        yield f"item {name}", set(_fields(item, "", 3))
        payload = {name: value for name, value in payload.items() if name != "item"}
    yield kind, set(_fields(payload, "", 2))


def _fields(value: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _fields(one, f"{path}[]", depth)
    elif isinstance(value, dict) and depth > 0:
        for name, child in value.items():
            yield f"{path}.{name}"
            if name not in _FREE:
                yield from _fields(child, f"{path}.{name}", depth - 1)


def _tables(home: Path) -> Facts:
    facts: Facts = {}
    for database, names in _DATABASES.items():
        if not (home / database).exists():
            facts[database] = []
            continue
        with closing(sqlite3.connect(f"file:{home / database}?mode=ro", uri=True)) as opened:
            for name in names:
                columns = opened.execute(f"PRAGMA table_info({name})").fetchall()
                facts[f"{database} {name}"] = sorted(f"{row[1]} {row[2]}" for row in columns)
    return facts


def joined(one: Mapping[str, Facts], other: Mapping[str, Facts]) -> Mapping[str, Facts]:
    """Put together what was seen in two sessions of one release."""
    return {
        area: {
            name: sorted({*one.get(area, {}).get(name, ()), *other[area].get(name, ())})
            for name in sorted(one.get(area, {}).keys() | other[area].keys())
        }
        for area in other
    }


def differences(known: Mapping[str, Facts], seen: Mapping[str, Facts]) -> tuple[list[str], int]:
    """Compare what is known with what was seen: a line each, and how many of them are new.

    What is gone from a schema or a table counts; a record that the session merely did not happen
    to write does not, and is told for information.
    """
    lines: list[str] = []
    news = 0
    for area in ("schema", "tables", "records"):
        before, after = known.get(area, {}), seen.get(area, {})
        for name in sorted(before.keys() | after.keys()):
            if name not in before:
                lines.append(f"new      {area}: {name} {', '.join(after[name])[:300]}")
                news += 1
                continue
            added = set(after.get(name, ())) - set(before[name])
            gone = set(before[name]) - set(after.get(name, ()))
            lines += [f"new      {area}: {name}: {fact}" for fact in sorted(added)]
            news += len(added)
            word = "not seen" if area == "records" else "gone    "
            if name not in after:
                lines.append(f"{word} {area}: {name}")
                news += area != "records"
                continue
            lines += [f"{word} {area}: {name}: {fact}" for fact in sorted(gone)]
            news += len(gone) if area != "records" else 0
    return lines, news


def drive(version: str, folder: Path, seed: int = 1) -> tuple[Mapping[str, Facts], str]:
    """Play every operation with this release; what was seen, and how the rows compared.

    Raises:
        install.Unavailable: the release cannot be had, or there is no network namespace.

    """
    codex: list[str | Path] = [*offline.prefix(), install.codex(version)]
    said = schema.bundle(codex, folder / "schema")
    stage = folder / "session"
    words = [
        *offline.prefix(), sys.executable, "-m", "tests.live.session", "--seed", str(seed),
        "--every", "--folder", str(stage), "--codex-version", version,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return observe(stage / "home", said), done.stdout + done.stderr


def _short(told: str) -> list[str]:
    """Cut the differences of rows: a change of one field makes hundreds of them."""
    lines = told.splitlines()
    wrong = [line for line in lines if "DIFFERS" in line]
    kept = [line[:_LINE_CHARACTERS] for line in lines if line not in wrong[_ROWS:]]
    left = len(wrong) - _ROWS
    return [*kept, f"  and {left} more rows that differ"] if left > 0 else kept


def main() -> None:
    """Print how a release differs from what is known; leave with 1 where anything does."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--codex-version", default=install.PINNED)
    parser.add_argument("--write", action="store_true", help="write known.json anew")
    options = parser.parse_args()
    seen: Mapping[str, Facts] = {}
    told = ""
    for seed in _WRITE_SEEDS if options.write else (1,):
        with tempfile.TemporaryDirectory(prefix="drift-") as folder:
            try:
                facts, said = drive(options.codex_version, Path(folder), seed)
            except install.Unavailable as reason:
                raise SystemExit(f"drift cannot be told: {reason}") from reason
            seen, told = joined(seen, facts), told + said
    if options.write:
        document = {"codex": options.codex_version, **seen}
        KNOWN.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    known = json.loads(KNOWN.read_text())
    lines, news = differences(known, seen)
    sys.stdout.write("\n".join((*lines, "rows, as the projector has them:", *_short(told), "")))
    sys.stdout.write(f"{options.codex_version} against {known['codex']}: {news} new or gone\n")
    raise SystemExit(1 if news or "DIFFERS" in told else 0)


if __name__ == "__main__":
    main()
