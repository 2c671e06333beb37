"""Items against the JSON Schema that the same Codex prints of its protocol."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from tests.live.codex import Refused
from tests.live.compare import Report
from tests.live.model import Json
from tests.live.shown import Row

_BUNDLE: Final = "codex_app_server_protocol.v2.schemas.json"
#: The definition of an item's snapshot.
ITEM: Final = "ThreadItem"


def bundle(codex: Sequence[str | Path], folder: Path) -> Json:
    """Have Codex write its schemas into this folder; the one with all definitions.

    Args:
        codex: the words that run Codex.
        folder: made here; also serves as its home for this command.

    Raises:
        Refused: it does not know the command any more.

    """
    folder.mkdir(parents=True)
    words = ("app-server", "generate-json-schema", "--experimental", "--out", str(folder))
    environment = {**os.environ, "CODEX_HOME": str(folder)}
    done = subprocess.run(
        [*codex, *words], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        raise Refused(f"generate-json-schema left with {done.returncode}: {done.stderr[-300:]}")
    read: Json = json.loads((folder / _BUNDLE).read_text())
    return read


class Schema:
    """What a `ThreadItem` is, as this Codex has it."""

    def __init__(self, binary: Path, folder: Path) -> None:
        definitions: Json = bundle([binary], folder)["definitions"]
        whole = {"$ref": f"#/definitions/{ITEM}", "definitions": definitions}
        self._validator = jsonschema_rs.validator_for(whole)

    def check(self, database: Path, rows: Mapping[str, Sequence[Row]], report: Report) -> None:
        """Check every item of the projector: its rows as Codex names them, and its histories.

        What Codex itself writes without regard to its schema is not held against the projector.
        """
        codexs = {(row["thread_id"], row["turn_id"], row["item_id"]): row["item_json"]
                  for row in rows["thread_items"]}  # fmt: skip
        for view, names in (
            ("codex_thread_items", "thread_id, turn_id, item_id"),
            ("thread_history", "rollout_id, turn_id, item_id"),
        ):
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
                for *name, text in db.execute(f"SELECT {names}, item_json FROM {view}"):
                    wrong = self.complaint(json.loads(text))
                    if wrong is None:
                        report.equal["valid items"] += 1
                        continue
                    own = codexs.get((name[0], name[1], name[2]))
                    if own is not None and self.complaint(json.loads(own)) is not None:
                        report.meant["items that Codex's own schema refuses"] += 1
                        continue
                    report.differences.append(f"{view} {tuple(name)}: not valid: {wrong}")

    def complaint(self, item: Any) -> str | None:
        """Tell what is wrong with an item; None: it is valid."""
        for error in self._validator.iter_errors(item):
            return str(error.message)[:300]
        return None
