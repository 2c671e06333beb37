"""Write the change feed for people: a line for each item that is over, and each event. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from projector.model.terminal_safe import one_line
from projector.serve.feed import ChangesPruned, Feed, TimelineLost, Wanted
from projector.serve.history.looks import Looks, Style, cells, fitting
from projector.serve.history.rendered_item import failed
from projector.serve.history.summary import summary
from projector.serve.history.table import SHORT_ID, title, when
from projector.store.questions import history, pages
from projector.store.reading import Connection
from projector.store.rules.feed import Cursor

#: Changes looked at for a line that is shown first: many are of rows that are no line.
_BACK: Final = 40
_KINDS: Final = Wanted.parse(("item", "event", "thread"))
#: Events that say more than the items beside them.
_EVENTS: Final[Mapping[str, Style]] = {
    "thread.started": "heading", "thread.forked": "heading", "thread.renamed": "quiet",
    "thread.reverted": "warning", "thread.rolled_back": "warning", "thread.archived": "quiet",
    "thread.unarchived": "quiet", "thread.deleted": "warning", "thread.restored": "quiet",
    "turn.completed": "quiet", "turn.failed": "bad", "turn.cancelled": "warning",
}  # fmt: skip
#: Events that are called otherwise than what `show` says of the turn.
_SAID: Final[Mapping[str, str]] = {"turn.cancelled": "turn.interrupted"}
_STYLES: Final[Mapping[str, Style]] = {"userMessage": "user", "agentMessage": "agent"}
#: Columns of a thread's title; narrower terminals show no id and less of it.
_TITLE: Final = 24
_WIDE: Final = 100
_NARROW_TITLE: Final = 18
#: Characters of a day, as `when` writes it.
_DAY: Final = 10

Line = tuple[int, str]
"""Time in milliseconds, and the line."""


class ActivityLines:
    """Follows the feed of a database. Every method raises as `Connection` does."""

    def __init__(
        self,
        db: Connection,
        looks: Looks,
        wanted: Callable[[str | None, str | None], bool],
        threads: Iterable[str] | None,
    ) -> None:
        """Begin at the newest change.

        `wanted`: whether threads of a folder and git origin are told; `threads`: only these.
        """
        self._looks = looks
        self._wanted = wanted
        self._threads = None if threads is None else frozenset(threads)
        self._cursor = pages.latest(db)
        self._known: dict[str, Mapping[str, Any] | None] = {}
        self._told: dict[str, None] = {}
        self._day = ""

    def last(self, db: Connection, number: int) -> Iterator[str]:
        """Yield the last lines before the beginning, by time."""
        if not number:
            return
        after = Cursor(max(0, self._cursor.seq - number * _BACK))
        lines: list[Line] = []
        while after.seq < self._cursor.seq:
            try:
                page = Feed(db).page(after, _KINDS)
            except ChangesPruned:
                return
            lines += self._lines(db, page.lines)
            after = page.cursor
            if not page.more:
                break
        lines.sort(key=lambda line: line[0])
        yield from self._by_day(lines[-number:])

    def news(self, db: Connection) -> Iterator[str]:
        """Yield the lines since the last call."""
        more = True
        while more:
            try:
                page = Feed(db).page(self._cursor, _KINDS)
            except (TimelineLost, ChangesPruned):
                self._cursor = pages.latest(db)
                yield (
                    self._looks.paint("-- the database was replaced or restored", "warning") + "\n"
                )
                return
            self._cursor, more = page.cursor, page.more
            yield from self._by_day(self._lines(db, page.lines))

    def _by_day(self, lines: Iterable[Line]) -> Iterator[str]:
        """Yield lines, on a terminal, where they have the time alone, below their day."""
        for moment, line in lines:
            day = when(moment)[:_DAY]
            if self._looks.width is not None and day != self._day:
                yield self._looks.paint(f"-- {day}", "quiet") + "\n"
                self._day = day
            yield line

    def _lines(self, db: Connection, changes: Iterable[bytes]) -> Iterator[Line]:
        for raw in changes:
            change = orjson.loads(raw)
            thread_id, row = change["thread_id"], change["row"]
            if change["kind"] == "thread":
                self._known.pop(thread_id, None)
                continue
            if row is None or (self._threads is not None and thread_id not in self._threads):
                continue
            thread = self._thread(db, thread_id)
            if thread is None or not self._wanted(thread["cwd"], thread.get("git_origin_url")):
                continue
            made = self._event(change) if change["kind"] == "event" else self._item(change)
            if made is not None:
                at, style, named, said = made
                moment = at if at is not None else change["committed_at_ms"]
                yield moment, self._line(moment, thread_id, thread, style, named, said)

    def _thread(self, db: Connection, thread_id: str) -> Mapping[str, Any] | None:
        if thread_id not in self._known:
            self._known[thread_id] = history.thread(db, thread_id)
        return self._known[thread_id]

    def _event(self, change: Mapping[str, Any]) -> tuple[int | None, Style, str, str] | None:
        style = _EVENTS.get(change["type"])
        if style is None:
            return None
        what, _, how = _SAID.get(change["type"], change["type"]).partition(".")
        said = f"{what.capitalize()} {how.replace('_', ' ')}"
        return change["row"]["recorded_at_ms"], style, said, ""

    def _item(self, change: Mapping[str, Any]) -> tuple[int | None, Style, str, str] | None:
        row, uid = change["row"], change["uid"]
        item = row["item"]
        running = row["started_at_ms"] is not None and row["completed_at_ms"] is None
        if running or uid in self._told or not isinstance(item, dict):
            return None
        if item.get("status") == "inProgress" or change["type"] == "reasoning":
            return None
        self._told[uid] = None
        named, said, what = summary(orjson.dumps(item).decode(), change["type"])
        style = "bad" if failed(what) else _STYLES.get(change["type"], "work")
        return row["completed_at_ms"] or row["created_at_ms"], style, named, said

    def _line(  # noqa: PLR0917 - what a line is made of
        self,
        moment: int,
        thread_id: str,
        thread: Mapping[str, Any],
        style: Style,
        named: str,
        said: str,
    ) -> str:
        looks = self._looks
        clock = when(moment)
        shown_id = thread_id if looks.width is None else thread_id[:SHORT_ID]
        if looks.width is not None:
            clock = clock[_DAY + 1 :]
        narrow = looks.width is not None and looks.width < _WIDE
        who = fitting(title(thread), _TITLE if not narrow else _NARROW_TITLE)
        if looks.width is not None:
            who += " " * ((_NARROW_TITLE if narrow else _TITLE) - cells(who))
        place = "" if narrow else f"{shown_id}  "
        before = f"{clock}  {place}{who}  {named}"
        text = one_line(said)
        if looks.width is not None:
            room = looks.width - cells(before) - 2
            text = fitting(text, room) if room > 4 else ""  # noqa: PLR2004 - a word
        if looks.width is not None:
            room = max(looks.width - cells(before) + cells(named), 0)
            named = fitting(named, room)
        painted = "" if narrow else looks.paint(shown_id, "id") + "  "
        return (
            f"{looks.paint(clock, 'quiet')}  {painted}{who}  {looks.paint(named, style)}"
            + (f"  {text}" if text else "")
            + "\n"
        )
