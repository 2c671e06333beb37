"""Find the threads that a text refers to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from projector.serve.history.looks import CUT
from projector.serve.history.table import title
from projector.store.questions import history
from projector.store.questions.history import Titled
from projector.store.reading import Connection

#: Minimum length of an id's prefix, and of a part of a name.
PREFIX: Final = 4
_PART: Final = 3
_ID: Final = re.compile(rf"[0-9a-f-]{{{PREFIX},36}}")


def named(db: Connection, text: str) -> list[Titled]:
    """Return the threads of a database that a text refers to.

    Of an id and of a whole name no other thread is read.
    """
    if _ID.fullmatch(text.strip().lower()):
        found = resolve(text, history.titles(db, text.strip().lower()))
        if found:
            return found
    return history.titles_of_name(db, text) or resolve(text, history.titles(db))


def resolve(text: str, known: Iterable[Titled]) -> list[Titled]:
    """Return the threads that a text refers to: none, the one, or all candidates.

    It is, the first that any thread answers: a whole id; the prefix of one, of at least `PREFIX`
    characters, or a name exactly; a name or preview as `threads` shows it, perhaps cut, in any
    case; a part of one.
    """
    wanted = text.strip().lower()
    begun = wanted.removesuffix(CUT).rstrip() if wanted.endswith(CUT) else None
    named: list[Titled] = []
    shown: list[Titled] = []
    parts: list[Titled] = []
    for thread in known:
        if thread.thread_id == wanted:
            return [thread]
        if thread.name == text or (len(wanted) >= PREFIX and thread.thread_id.startswith(wanted)):
            named.append(thread)
            continue
        said = title({"name": thread.name, "preview": thread.preview}).lower()
        if wanted and (said == wanted or (begun and said.startswith(begun))):
            shown.append(thread)
        elif len(wanted) >= _PART and wanted in said:
            parts.append(thread)
    return named or shown or parts
