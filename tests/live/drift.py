"""Tells what a Codex writes and shows that the projector was not made for, and what to do next.

    python -m tests.live.drift --latest                  the newest release; exit 1 if it has news
    python -m tests.live.drift --codex-version 0.170.0   another
    python -m tests.live.drift --write                   take the pinned release as what is known

Three views of one release: the schema that it prints of its protocol (every type that an item, a
realtime item, a turn or an error is made of, whether played or not), its feature flags and their
defaults, and a session in which each operation of the book is done (the records and fields that it
writes, its databases with their tables, columns and indexes). All are held against `known.json`,
which this command wrote for the pinned release. The projector follows that session too, so that
rows that differ are told as well.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.live import install, offline, schema
from tests.live.model import Json
from tests.live.rollouts import text

KNOWN: Final = Path(__file__).with_name("known.json")
#: What the projector's rows are made of: items, turns with their errors, and all that these refer
#: to.
_ROOTS: Final = ("ThreadItem", "ThreadRealtimeItem", "Turn")
#: Fields that hold free values or names from outside: what is in them is nobody's format.
_FREE: Final = frozenset({
    "changes", "arguments", "result", "structuredContent", "agents_states", "state", "results",
    "replacement_history", "output", "input", "dynamic_tools", "tools", "metadata", "_meta",
})  # fmt: skip
#: Databases of Codex that the projector is held against, or that `doctor` reads.
_READ: Final = ("thread_history", "state")

#: Some fields come only by chance (an interruption here, an empty text there).
_WRITE_SEEDS: Final = (1, 2, 3)

#: How many kinds of rows that differ are told, and how much of a line.
_ROWS: Final = 20
_LINE_CHARACTERS: Final = 200
#: Paths told of one type.
_PATHS: Final = 12

#: Ids and numbers: rows that differ in the same way differ in these.
_OWN: Final = re.compile(r"\([^()]*\)|[0-9a-f]{8}-[0-9a-f-]{27}|\b\d+\b")

Facts = dict[str, list[str]]
"""Names of things, sorted, under the name of what holds them."""


def observe(home: Path, bundle: Json, features: Sequence[str]) -> Mapping[str, Facts]:
    """Collect all that one release was seen to write and says of itself."""
    return {
        "schema": _schema(bundle),
        "records": _records(home),
        "tables": _tables(home),
        "features": {"default": sorted(features)},
    }


def features_of(codex: Sequence[str | Path], home: Path) -> list[str]:
    """Ask a release for its feature flags and their defaults: `goals is on`."""
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*codex, "features", "list"], capture_output=True, text=True, check=False,
        env={**os.environ, "CODEX_HOME": str(home)},
    )  # fmt: skip
    words = [line.split() for line in done.stdout.splitlines()]
    return [
        f"{line[0]} is {'on' if line[-1] == 'true' else 'off'}"
        for line in words
        if len(line) > 1 and line[-1] in ("true", "false")
    ]


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
    """Read which databases there are; of those that are read also tables, columns and indexes."""
    found = sorted(home.glob("*.sqlite"))
    facts: Facts = {"databases": [path.name for path in found]}
    for path in found:
        if not path.name.startswith(_READ):
            continue
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
            for kind, name in opened.execute("SELECT type, name FROM sqlite_master").fetchall():
                if name.startswith(("sqlite_", "_sqlx")):
                    continue
                columns = opened.execute(f"PRAGMA table_info({name})").fetchall()
                facts.setdefault(f"{path.name} {kind}", []).append(name)
                if kind == "table":
                    facts[f"{path.name} {name}"] = sorted(f"{row[1]} {row[2]}" for row in columns)
    return {name: sorted(held) for name, held in facts.items()}


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
    """Compare what is known with what was seen: a line each type, and how many facts are new.

    What is gone from a schema or a table counts; a record that the session merely did not happen
    to write does not, and is told for information.
    """
    lines: list[str] = []
    news = 0
    for area in AREAS:
        before, after = known.get(area, {}), seen.get(area, {})
        for name in sorted(before.keys() | after.keys()):
            added = _members(set(after.get(name, ())) - set(before.get(name, ())))
            gone = _members(set(before.get(name, ())) - set(after.get(name, ())))
            told = f"{area} {name}"
            if added or name not in before:
                lines.append(f"new       {told}: {_some(added)}")
                news += len(added) or 1
            if gone or name not in after:
                counts = area != "records"
                lines.append(f"{'gone     ' if counts else 'not seen '} {told}: {_some(gone)}")
                news += (len(gone) or 1) if counts else 0
    return lines, news


def _members(facts: Collection[str]) -> list[str]:
    """Fold what is said of one member into it, and what is below a member into that."""
    told: dict[str, str] = {}
    for fact in sorted(facts, key=lambda each: (len(each.split(" ", 1)[0]), each)):
        member = fact.split(" ", 1)[0]
        within = next(
            (above for above in told if member.startswith((f"{above}.", f"{above}["))), ""
        )
        if not within and member not in told:
            told[member] = fact
    return list(told.values())


def _some(facts: Sequence[str]) -> str:
    more = len(facts) - _PATHS
    return ", ".join(facts[:_PATHS]) + (f" and {more} more" if more > 0 else "")


#: In the order of what is told.
AREAS: Final = ("schema", "records", "tables", "features")
#: What to do about news, by area.
_NEXT: Final[Mapping[str, str]] = {
    "schema": "a new member or type: ask the release what it makes of hand-made records"
    " (tests/live/test_hand_made.py), then decode/ (converter and known_members.py), a case in"
    " tests/unit/decode, search/text.py and serve/history/rendered_item.py if people read it",
    "records": "a new record or event: decode/record_types.py, and a handler in reduce/ if it"
    " changes rows; a new member of a known one: decode/known_members.py",
    "tables": "a new column or table: the views codex_* of both engines, and serve/doctor",
    "features": "a flag that is on now: play with it (tests/live/session.py), and look for what it"
    " writes; it may change which records come at all",
    "rows": "rows that differ: mend what makes them, with a case of the records that tell of it",
}
_LAST: Final = (
    "then: model/codex_release.py (NEWEST, which is the pin of tests/live), capabilities.SINCE, an"
    " entry in model/revisions.py that names what is touched, `python -m tests.live.drift --write`,"
    " `python -m tests.live.releases`"
)


def advice(lines: Sequence[str], *, rows: bool) -> list[str]:
    """Give what to do next about these differences; nothing, if there are none."""
    areas = [area for area in AREAS if any(line.split()[1] == area for line in lines
                                           if line.startswith(("new", "gone")))]  # fmt: skip
    steps = [_NEXT[area] for area in (*areas, *["rows"] * rows)]
    numbered = [f"  {at}. {step}" for at, step in enumerate([*steps, _LAST], 1)]
    return ["what to do next:", *numbered] if steps else []


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
    features = features_of(codex, folder / "features")
    return observe(stage / "home", said, features), done.stdout + done.stderr


def grouped(told: str) -> list[str]:
    """Tell rows that differ in the same way once: a change of one field makes hundreds of them."""
    lines = told.splitlines()
    wrong = Counter(
        _OWN.sub("#", line.partition("DIFFERS ")[2])[:_LINE_CHARACTERS]
        for line in lines
        if "DIFFERS" in line
    )
    kept = [line[:_LINE_CHARACTERS] for line in lines if "DIFFERS" not in line]
    most = [f"  DIFFERS {count} times: {way}" for way, count in wrong.most_common(_ROWS)]
    more = len(wrong) - _ROWS
    return [*kept, *most, *([f"  and in {more} more ways"] if more > 0 else [])]


def main() -> None:
    """Print how a release differs from what is known; leave with 1 where anything does."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--codex-version", default=install.PINNED)
    which.add_argument("--latest", action="store_true", help="the newest release on npm")
    parser.add_argument("--write", action="store_true", help="write known.json anew")
    options = parser.parse_args()
    seen: Mapping[str, Facts] = {}
    told = ""
    try:
        version = install.published()[1] if options.latest else options.codex_version
        for seed in _WRITE_SEEDS if options.write else (1,):
            with tempfile.TemporaryDirectory(prefix="drift-") as folder:
                facts, said = drive(version, Path(folder), seed)
                seen, told = joined(seen, facts), told + said
    except install.Unavailable as reason:
        raise SystemExit(f"drift cannot be told: {reason}") from reason
    if options.write:
        document = {"codex": version, **seen}
        KNOWN.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    known = json.loads(KNOWN.read_text())
    lines, news = differences(known, seen)
    rows = "DIFFERS" in told
    every = (
        *lines,
        "rows, as the projector has them:",
        *grouped(told),
        f"{version} against {known['codex']}: {news} new or gone",
        *advice(lines, rows=rows),
    )
    sys.stdout.write("\n".join(every) + "\n")
    raise SystemExit(1 if news or rows else 0)


if __name__ == "__main__":
    main()
