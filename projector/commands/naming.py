"""The threads that users name: by an id, the start of one, a name or a preview, or as the last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from projector.model.errors import ProjectorError, UsageError

if TYPE_CHECKING:
    from projector.store.questions.history import Titled
    from projector.store.reading import Connection

#: Names the thread that was changed last.
LAST: Final = "last"
#: Maximum number of candidates listed in a message.
_CANDIDATES: Final = 10


def chosen_threads(db: Connection, named: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the named threads; a full id is returned without a query.

    Raises as `meant` does.
    """
    import uuid  # noqa: PLC0415 - see the package's docstring

    chosen: list[str] = []
    for name in named:
        try:
            chosen.append(str(uuid.UUID(name)))
        except ValueError:
            chosen.append(meant(db, name))
    return tuple(dict.fromkeys(chosen))


def meant(db: Connection, text: str) -> str:
    """Return the id of the thread that a text names; see `resolve`.

    `last` is the thread changed last, of those that `projector threads` lists.

    Raises:
        ProjectorError: there is none.
        UsageError: it is ambiguous.
    """
    from projector.serve.history.resolve import PREFIX, named  # noqa: PLC0415 - see the package

    if text.strip().lower() == LAST:
        return _last(db)
    found = named(db, text)
    if not found:
        raise ProjectorError(
            f"no thread {text!r}",
            hint=f"Give its id, {PREFIX} or more characters of its start, or its name; see:"
            " projector threads --all",
        )
    if len(found) > 1:
        listed = "; ".join(map(_described, found[:_CANDIDATES]))
        beside = len(found) - _CANDIDATES
        more = f"; and {beside:,} more" if beside > 0 else ""
        raise UsageError(
            f"{text!r} could be any of {len(found):,} threads: {listed}{more}",
            hint="Give more of the id",
        )
    return found[0].thread_id


def _last(db: Connection) -> str:
    from projector.serve.history.thread_list import listed  # noqa: PLC0415 - see the package
    from projector.serve.history.threads import Wanted  # noqa: PLC0415

    found = listed(db, Wanted(limit=1)).rows
    if not found:
        raise ProjectorError("no thread yet", hint="See: projector threads --all")
    return str(found[0]["thread_id"])


def _described(thread: Titled) -> str:
    from projector.serve.history.looks import fitting  # noqa: PLC0415 - see the package
    from projector.serve.history.table import title, when  # noqa: PLC0415

    changed = when(thread.updated_at_ms)[:16]
    shown = fitting(title({"name": thread.name, "preview": thread.preview}), 40)
    return f"{thread.thread_id} ({changed}, {shown})"
