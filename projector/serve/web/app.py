"""Serve the pages with aiohttp: who may look, which page, live changes, images.

Every answer opens the database anew for reading, in a thread: a page keeps no snapshot, and a
database that is replaced meanwhile is found. A page is read-only; other methods than GET get 405.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader

from projector import __version__
from projector.model.errors import ProjectorError, StoreMissing
from projector.model.redaction import redact
from projector.model.settings import Settings
from projector.serve.web import (
    health_page,
    image_files,
    pages,
    search_page,
    thread_list,
    usage_page,
)
from projector.serve.web.access import HEADERS, Access
from projector.serve.web.images import images_of
from projector.serve.web.live import follow
from projector.serve.web.query import number
from projector.serve.web.thread_list import Choices
from projector.serve.web.thread_page import NotHere, ThreadPages
from projector.store.questions import history
from projector.store.questions.contents import check_readable
from projector.store.reading import Connection
from projector.store.rules.feed import START, Cursor

if TYPE_CHECKING:
    from projector.serve.web.data import Data

Opener = Callable[[Settings], Connection]
"""Opens the database for reading."""

_T = TypeVar("_T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS: Final = {"host": 421, "origin": 403, "token": 403}
_REASONS: Final = {
    "host": "This is not a name of these pages.",
    "origin": "Another site sent this request.",
    "token": "Open the address that projector web printed: it holds the token.",
}
_STATIC: Final = {
    "style.css": "text/css",
    "pages.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
#: Secrets of this length, in bytes.
_SECRET: Final = 24


#: Seconds for which what lists can be narrowed by is kept: it is read of all places.
_CHOICES_S: Final = 30.0


class _Kept(NamedTuple):
    """What lists can be narrowed by, and until when that is kept."""

    until: float
    choices: Choices


class _Tables(NamedTuple):
    """Datasette over a file, and which file that is."""

    file: tuple[int, int]
    data: Data


class Pages:
    """The pages over one database; `application` answers for them."""

    def __init__(self, settings: Settings, opener: Opener, *, sql: bool = False) -> None:
        """Answer from the database of `settings`; `start` listens.

        `sql`: let readers write queries of their own, in Datasette.
        """
        self._settings = settings
        self._opener = opener
        self._access: Access | None = None
        self._runner: web.AppRunner | None = None
        self._threads_read = ThreadPages(image_files.drawable)
        self._kept = _Kept(0, Choices([], [], []))
        self._sql = sql
        self._tables: _Tables | None = None
        self._watching: set[asyncio.Task[Any]] = set()
        self._templates = Environment(
            loader=PackageLoader("projector.serve.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            tables=bool(settings.database_path),
            here=pages.here,
            thread_address=pages.thread_address,
            version=__version__,
        )
        self._templates.filters["id"] = lambda text: quote(str(text), safe="")

    async def start(self, host: str, port: int) -> str:
        """Listen; return the address that lets a browser in.

        Raises:
            OSError: the address is not available.
        """
        app = web.Application(middlewares=[self._guarded], client_max_size=1024)
        for path, handler in (
            ("/", self._threads),
            ("/thread/{thread}", self._thread),
            ("/thread/{thread}/turn/{turn}", self._turn),
            ("/thread/{thread}/live", self._live),
            ("/thread/{thread}/image/{position}/{uid}/{number}", self._image),
            ("/search", self._search),
            ("/usage", self._usage),
            ("/usage/{part}", self._usage_part),
            ("/health", self._health),
            ("/health/doctor", self._doctor),
            ("/static/{name}", self._static),
            ("/favicon.ico", self._icon),
            ("/data", self._data),
            ("/data/{path:.*}", self._data),
        ):
            app.router.add_get(path, handler)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        assert site._server is not None  # noqa: SLF001 - there is no public way to the port
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined] # noqa: SLF001
        named = f"[{host}]" if ":" in host else host
        names = {f"{named}:{port}".lower()}
        if host in ("127.0.0.1", "::1", "localhost"):
            names |= {f"{one}:{port}" for one in ("127.0.0.1", "localhost", "[::1]")}
        self._access = Access(
            token=secrets.token_urlsafe(_SECRET),
            session=secrets.token_urlsafe(_SECRET),
            cookie=f"projector_{port}",
            origins=frozenset(names),
        )
        return f"http://{named}:{port}/?token={self._access.token}"

    async def close(self) -> None:
        """Stop listening, and let go of every reader."""
        for task in self._watching:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._tables is not None:
            self._tables.data.close()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let in who may look; say what is wrong in a page; put the headers on every answer."""
        assert self._access is not None, "it listens"
        verdict = self._access.verdict(request.headers, request.cookies, request.query.get("token"))
        answer: web.StreamResponse
        if verdict == "enter":
            answer = self._page("enter.html", address=_without_token(request))
            answer.set_cookie(
                self._access.cookie,
                self._access.session,
                httponly=True,
                samesite="Strict",
                path="/",
            )
        elif verdict != "open":
            answer = self._page(
                "error.html", status=_STATUS[verdict], what="Not for you", why=_REASONS[verdict]
            )
        else:
            answer = await self._answered(request, handler)
        if not answer.prepared:
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
        return answer

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refused:
            return self._page(
                "error.html", status=refused.status, what=refused.reason, why=refused.text or ""
            )
        except NotHere as missing:
            return self._page("error.html", status=404, what="Not Found", why=str(missing))
        except StoreMissing as missing:
            return self._page(
                "error.html",
                status=503,
                what="There is no database yet",
                why=f"{redact(missing.message)}. Make one: projector backfill",
            )
        except ProjectorError as error:
            why = " ".join(one for one in (error.message, error.hint) if one)
            return self._page(
                "error.html", status=503, what="The database cannot be read now", why=redact(why)
            )

    def _page(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        text = self._templates.get_template(template).render(**values)
        # What a rollout holds may have lone surrogates; a page has none.
        body = text.encode("utf-8", "replace")
        return web.Response(body=body, status=status, content_type="text/html", charset="utf-8")

    async def _ask(self, question: Callable[[Connection], _T]) -> _T:
        """Answer a question in a thread, with a connection of its own."""

        def asked() -> _T:
            with self._opener(self._settings) as db:
                return question(db)

        return await asyncio.to_thread(asked)

    # Pages --------------------------------------------------------------------------------------

    async def _threads(self, request: web.Request) -> web.Response:
        """List threads, newest first, by filters."""
        now = time.time_ns() // 1_000_000
        values = await self._ask(
            lambda db: thread_list.listed(db, request.query, now, self._choices)
        )
        return self._page("threads.html", section="threads", **values)

    def _choices(self, db: Connection) -> Choices:
        if time.monotonic() >= self._kept.until:
            self._kept = _Kept(time.monotonic() + _CHOICES_S, thread_list.choices(db))
        return self._kept.choices

    async def _thread(self, request: web.Request) -> web.Response:
        """Show a page of a thread's turns; without a page number its last one."""
        thread_id = request.match_info["thread"]
        values = await self._ask(lambda db: self._threads_read.page(db, thread_id, request.query))
        return self._page("thread.html", section="threads", **values)

    async def _turn(self, request: web.Request) -> web.Response:
        """Show one turn alone: what a watched page fetches anew, and the rest of long turns."""
        thread_id, turn_id = request.match_info["thread"], request.match_info["turn"]
        values = await self._ask(
            lambda db: self._threads_read.turn(db, thread_id, turn_id, request.query)
        )
        fragment = request.query.get("fragment")
        return self._page("_turn.html" if fragment else "turn.html", section="threads", **values)

    async def _image(self, request: web.Request) -> web.Response:
        """Send an image of an item: the address names the item, never a file."""
        given = request.match_info
        position, at = number(given["position"], 0, 0), number(given["number"], 0, 0)

        def read(db: Connection) -> tuple[str, bytes] | None:
            parts = history.chain(db, given["thread"])
            for item in history.items(db, parts, position, _SAME_POSITION):
                if item.uid == given["uid"]:
                    return next(map(image_files.read, images_of(item.item_json)[at : at + 1]), None)
            return None

        found = await self._ask(read)
        if found is None:
            raise web.HTTPNotFound(text="The image is gone.")
        return web.Response(body=found[1], content_type=found[0])

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """Send an event for each commit that changes a thread."""
        start = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        answer = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await answer.prepare(request)
        task = asyncio.current_task()
        assert task is not None, "a handler is a task"
        self._watching.add(task)
        cursor = Cursor.parse(start) or START
        events = follow(lambda: self._opener(self._settings), request.match_info["thread"], cursor)
        try:
            async for event in events:
                await answer.write(event)
        except (ConnectionResetError, asyncio.CancelledError):
            pass  # the reader has gone, or we leave
        finally:
            self._watching.discard(task)
        return answer

    async def _search(self, request: web.Request) -> web.Response:
        """Show the items that hold all words, by thread."""
        values = await self._ask(lambda db: search_page.found(db, request.query))
        return self._page("search.html", section="search", **values)

    async def _usage(self, request: web.Request) -> web.Response:
        """Show tokens by day and model; the parts come behind."""
        span = usage_page.Span.of(request.query, datetime.now(UTC))
        values = await self._ask(lambda db: usage_page.page(db, span))
        return self._page("usage.html", section="usage", **values)

    async def _usage_part(self, request: web.Request) -> web.Response:
        """Show a part of the usage: list prices, limits, busiest hours."""
        name = request.match_info["part"]
        part = usage_page.PARTS.get(name)
        if part is None:
            raise web.HTTPNotFound
        span = usage_page.Span.of(request.query, datetime.now(UTC))
        values = await self._ask(lambda db: part.answer(db, span))
        fragment = request.query.get("fragment")
        template = f"_{name}.html" if fragment else "usage_part.html"
        return self._page(
            template, section="usage", part=name, heading=part.title, span=span.days,
            spans=usage_page.SPANS, **values,
        )  # fmt: skip

    async def _health(self, _request: web.Request) -> web.Response:
        """Show what `health` and `status` say, and the newest anomalies."""
        values = await self._ask(lambda db: health_page.page(db, self._settings))
        return self._page("health.html", section="health", **values)

    async def _doctor(self, _request: web.Request) -> web.Response:
        """Show what `doctor` says."""
        values = await asyncio.to_thread(
            health_page.examined, self._settings, lambda: self._opener(self._settings)
        )
        return self._page("doctor.html", section="health", **values)

    async def _data(self, request: web.Request) -> web.Response:
        """Pass on what Datasette answers."""
        database = self._settings.database_path
        if not database:
            raise web.HTTPNotFound(
                text="Datasette reads SQLite files; this is a server's database."
            )
        await self._ask(check_readable)  # one that cannot be read is told as elsewhere
        status = await asyncio.to_thread(os.stat, database)
        there = (status.st_dev, status.st_ino)
        if self._tables is None or self._tables.file != there:
            try:
                from projector.serve.web.data import Data  # noqa: PLC0415 - an extra of its own
            except ImportError as missing:
                raise web.HTTPNotFound(
                    text=f"The tables need the package {missing.name}:"
                    " install the extra, in a clone: pip install '.[data]'"
                ) from None
            if self._tables is not None:
                self._tables.data.close()
            self._tables = _Tables(there, Data(database, sql=self._sql))
        data = self._tables.data
        code, kind, body, location = await data.answer(
            request.match_info.get("path", ""), request.query_string
        )
        moved = {"Location": location} if location else {}
        return web.Response(
            status=code, body=body, headers={**data.headers, **moved, "Content-Type": kind}
        )

    async def _icon(self, _request: web.Request) -> web.Response:
        """Send the icon to who asks for it by its old name."""
        return web.Response(body=self._static_file("icon.svg"), content_type=_STATIC["icon.svg"])

    async def _static(self, request: web.Request) -> web.Response:
        """Send one of our files."""
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        body = self._static_file(name)
        return web.Response(body=body, content_type=_STATIC[name], charset="utf-8")

    @staticmethod
    def _static_file(name: str) -> bytes:
        from importlib.resources import files  # noqa: PLC0415 - few calls

        return (files("projector.serve.web") / "static" / name).read_bytes()


#: Items of one position among which an image's is looked for.
_SAME_POSITION: Final = 20


def _without_token(request: web.Request) -> str:
    rest = {name: value for name, value in request.query.items() if name != "token"}
    return pages.here(request.path, **rest)
