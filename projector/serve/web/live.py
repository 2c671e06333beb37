"""Follow one thread through the change feed, as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, NamedTuple

from projector.model.errors import ProjectorError
from projector.serve.feed import ChangesPruned, Feed, TimelineLost, Wanted
from projector.store.reading import Connection
from projector.store.rules.feed import Cursor

#: How often a watched thread asks whether anything was committed, in seconds.
_TICK_S: Final = 0.5
#: A comment is sent so often, to notice that the reader has gone, in seconds.
_BEAT_S: Final = 15.0
#: Turns that one change of a watched thread may name; after more the page is loaded anew.
_MOST_TURNS: Final = 50

_RESTART: Final = b"event: restart\ndata: {}\n\n"
_HERE: Final = b": still here\n\n"


class News(NamedTuple):
    """What was committed since the last look."""

    cursor: Cursor
    turns: list[str] | None
    """Turns of the thread that changed; empty: only the thread; None: another thread."""


async def follow(
    opener: Callable[[], Connection], thread_id: str, cursor: Cursor
) -> AsyncIterator[bytes]:
    """Yield an event for each commit behind a cursor that changes a thread, and beats between.

    Ends with an event `restart` where the cursor is not in the database any more, or too much
    changed to be told turn by turn. A database that cannot be read now is waited for.
    """
    loop, beat = asyncio.get_running_loop(), time.monotonic()
    # A thread of its own: what a connection knows of commits is known to it alone.
    with ThreadPoolExecutor(1, "live") as thread:
        watcher = _Watcher(opener, thread_id, cursor)
        try:
            while True:
                event = await loop.run_in_executor(thread, watcher.look)
                if event is not None:
                    yield event
                if event == _RESTART:
                    return
                if time.monotonic() - beat > _BEAT_S:
                    beat = time.monotonic()
                    yield _HERE
                await asyncio.sleep(_TICK_S)
        finally:
            thread.submit(watcher.close)


class _Watcher:
    """Looks for changes of one thread, over one connection while it lasts."""

    def __init__(self, opener: Callable[[], Connection], thread_id: str, cursor: Cursor) -> None:
        self._opener = opener
        self._thread_id = thread_id
        self._cursor = cursor
        self._db: Connection | None = None
        self._version: object = None

    def look(self) -> bytes | None:
        """Return an event; None: nothing was committed that changes the thread."""
        try:
            found = self._news()
        except (TimelineLost, ChangesPruned):
            return _RESTART
        except ProjectorError:  # locked, missing, being replaced: it may come back
            self.close()
            return None
        if found is None or found.turns is None:
            return None
        if len(found.turns) > _MOST_TURNS:
            return _RESTART
        return f"id: {self._cursor}\ndata: {json.dumps({'turns': found.turns})}\n\n".encode()

    def _news(self) -> News | None:
        if self._db is None:
            self._db, self._version = self._opener(), None
        now = self._db.version()
        if now is None:  # another file by now
            self.close()
        if now is None or now == self._version:
            return None
        found = news(Feed(self._db), self._thread_id, self._cursor)
        self._version, self._cursor = now, found.cursor
        return found

    def close(self) -> None:
        """Close the connection; the next look opens another one."""
        if self._db is not None:
            with suppress(ProjectorError):
                self._db.close()
            self._db = None


def news(feed: Feed, thread_id: str, cursor: Cursor) -> News:
    """Read the feed to its end; return what it says of a thread.

    Raises:
        TimelineLost, ChangesPruned: as `Feed.page` does.
    """
    turns: dict[str, None] = {}
    touched, more = False, True
    while more:
        page = feed.page(cursor, Wanted())
        cursor, more = page.cursor, page.more
        for line in page.lines:
            change = json.loads(line)
            if change["thread_id"] == thread_id:
                touched = True
                if change["turn_id"]:
                    turns[change["turn_id"]] = None
    return News(cursor, list(turns) if touched else None)
