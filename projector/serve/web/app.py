"""Serve the pages with aiohttp: who may look, which page, live changes.

Every answer opens the database anew for reading, in a thread: a page keeps no snapshot, and a
database that is replaced meanwhile is found. A page is read-only; other methods than GET get 405.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader

from projector import __version__
from projector.model.errors import ProjectorError, StoreMissing
from projector.model.redaction import redact
from projector.model.settings import Settings
from projector.search.text import query as fts5
from projector.search.tsvector import query as tsvector
from projector.serve.health.collect import collect
from projector.serve.health.judge import judge
from projector.serve.history.stored_history import StoredHistory
from projector.serve.history.table import title
from projector.serve.history.threads import Wanted as WantedThreads
from projector.serve.history.threads import choose
from projector.serve.history.visible import every_turn
from projector.serve.search.hits import types_of
from projector.serve.search.query import SearchQuery
from projector.serve.web import pages
from projector.serve.web.access import HEADERS, Access
from projector.serve.web.live import follow
from projector.store.questions import history as stored
from projector.store.questions import pages as questions
from projector.store.questions.history import Turn
from projector.store.questions.search import SearchRequest
from projector.store.reading import Connection
from projector.store.rules.feed import START, Cursor

Opener = Callable[[Settings], Connection]
"""Opens the database for reading."""

_T = TypeVar("_T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HITS: Final = 100
_ANOMALIES: Final = 50
_SPANS: Final = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "a year"}
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


class _Cached(NamedTuple):
    """The turns of a thread as they were at one moment."""

    moment: object
    turns: list[Turn]


class Pages:
    """The pages over one database; `application` answers for them."""

    def __init__(self, settings: Settings, opener: Opener) -> None:
        """Answer from the database of `settings`; `start` listens."""
        self._settings = settings
        self._opener = opener
        self._access: Access | None = None
        self._runner: web.AppRunner | None = None
        self._cache: dict[str, _Cached] = {}
        self._watching: set[asyncio.Task[Any]] = set()
        self._templates = Environment(
            loader=PackageLoader("projector.serve.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            here=pages.here, thread_address=pages.thread_address, version=__version__
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
            ("/search", self._search),
            ("/usage", self._usage),
            ("/health", self._health),
            ("/static/{name}", self._static),
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
            answer.headers.update(HEADERS)
        return answer

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refused:
            return self._page(
                "error.html", status=refused.status, what=refused.reason, why=refused.text or ""
            )
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
        given = request.query
        asked = {
            name: given.get(name, "")
            for name in ("q", "folder", "repo", "model", "since", "failed", "archived", "agents")
        }
        page = _number(given.get("page"), 1)

        def listed(db: Connection) -> tuple[list[Any], int, dict[str, list[str]]]:
            rows = stored.threads(db)
            known = {
                "folders": _some(row["cwd"] for row in rows),
                "repositories": _some(pages.repository(row["git_origin_url"]) for row in rows),
                "models": _some(row["model"] for row in rows),
            }
            failed = questions.failed(db) if asked["failed"] else None
            rows = [
                row
                for row in rows
                if (not asked["repo"] or pages.repository(row["git_origin_url"]) == asked["repo"])
                and (not asked["model"] or row["model"] == asked["model"])
                and (failed is None or row["thread_id"] in failed)
            ]
            wanted = WantedThreads(
                folders=(asked["folder"],) if asked["folder"] else (),
                archived={"only": "only", "show": "show"}.get(asked["archived"], "hide"),  # type: ignore[arg-type]
                agents=bool(asked["agents"]),
                since_ms=_day(asked["since"]),
                text=asked["q"],
            )
            found = list(choose(rows, wanted).rows)
            first = (page - 1) * pages.THREADS
            return found[first : first + pages.THREADS], len(found), known

        rows, total, known = await self._ask(listed)
        now = time.time_ns() // 1_000_000
        return self._page(
            "threads.html",
            section="threads",
            threads=[pages.thread(row, now) for row in rows],
            total=total,
            page=page,
            last=max(1, -(-total // pages.THREADS)),
            asked=asked,
            known=known,
        )

    async def _thread(self, request: web.Request) -> web.Response:
        """Show a page of a thread's turns; without a page number its last one."""
        thread_id = request.match_info["thread"]
        reverted = bool(request.query.get("reverted"))
        wanted_turn = request.query.get("turn")

        def read(db: Connection) -> dict[str, Any]:
            cursor = questions.latest(db)  # before the rows: what is committed meanwhile comes live
            history = self._history(db, thread_id)
            turns = self._turns(db, thread_id, history)
            last = max(1, -(-len(turns) // pages.TURNS))
            page = min(_number(request.query.get("page"), last), last)
            if wanted_turn is not None:
                at = next((n for n, one in enumerate(turns) if one.turn_id == wanted_turn), 0)
                page = at // pages.TURNS + 1
            first = (page - 1) * pages.TURNS
            chosen = list(enumerate(turns[first : first + pages.TURNS], first + 1))
            shown = [(one.position, _shown_turn(history, one, number)) for number, one in chosen]
            if reverted:
                upto = turns[first + pages.TURNS].position if page < last else None
                begin = chosen[0][1].position if page > 1 else -1
                for one, why in questions.reverted(db, thread_id, 10 * pages.TURNS):
                    if one.position >= begin and (upto is None or one.position < upto):
                        items = questions.reverted_items(db, thread_id, one.turn_id, pages.ITEMS)
                        shown.append((one.position, pages.turn(one, None, items, reverted=why)))
                shown.sort(key=lambda pair: pair[0])
            return {
                "thread": history.thread,
                "title": title(history.thread),
                "facts": list(pages.facts(history.thread)),
                "turns": [turn for _, turn in shown],
                "page": page,
                "last": last,
                "live": str(cursor) if page == last else "",
                "reverted": reverted,
                "reverted_count": questions.reverted_count(db, thread_id),
            }

        return self._page("thread.html", section="threads", **await self._ask(read))

    async def _turn(self, request: web.Request) -> web.Response:
        """Show one turn alone: what a watched page fetches anew, and long turns by pages."""
        thread_id, turn_id = request.match_info["thread"], request.match_info["turn"]
        page = _number(request.query.get("page"), 1)

        def read(db: Connection) -> dict[str, Any]:
            history = self._history(db, thread_id)
            turns = self._turns(db, thread_id, history)
            for number, one in enumerate(turns, 1):
                if one.turn_id == turn_id:
                    return {
                        "turn": _shown_turn(history, one, number, page),
                        "thread": history.thread,
                        "title": title(history.thread),
                        "page": page,
                    }
            raise web.HTTPNotFound(text="This thread shows no such turn.")

        values = await self._ask(read)
        fragment = request.query.get("fragment")
        return self._page("_turn.html" if fragment else "turn.html", section="threads", **values)

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
        words = request.query.get("q", "").split()
        kind = request.query.get("type", "")
        asked = fts5(words) if words else None

        def find(db: Connection) -> tuple[list[Any], Any, int | None]:
            finder = SearchQuery(db)
            hits = finder.find(
                SearchRequest(
                    query=asked or "",
                    vector=tsvector(words),
                    types=types_of([kind] if kind else []),
                    order="best" if request.query.get("order") == "best" else "newest",
                    limit=_HITS,
                )
            )
            return hits, finder.threads(hit.thread_id for hit in hits), finder.missing()

        hits, known, missing = await self._ask(find) if asked else ([], {}, 0)
        grouped: dict[str, list[pages.ShownHit]] = {}
        for hit in hits:
            grouped.setdefault(hit.thread_id, []).append(pages.hit(hit))
        return self._page(
            "search.html",
            section="search",
            words=request.query.get("q", ""),
            type=kind,
            groups=[
                (pages.thread_address(one), title(known.get(one) or _UNNAMED), found)
                for one, found in grouped.items()
            ],
            number=len(hits),
            full=len(hits) == _HITS,
            missing=missing,
        )

    async def _usage(self, request: web.Request) -> web.Response:
        """Show tokens by day, model and repository, and the busiest hours."""
        span = request.query.get("days", "30")
        span = span if span in _SPANS else "30"
        since = datetime.now(UTC) - timedelta(days=int(span))
        since_ms = int(since.timestamp() * 1000)

        def read(db: Connection) -> dict[str, Any]:
            days = questions.days(db, f"{since:%Y-%m-%d}")
            return {
                "tokens": pages.days(
                    days, "total_tokens", "Tokens a day", int(span), datetime.now(UTC).date()
                ),
                "models": _summed(days, lambda row: row["model"] or "not known"),
                "repositories": _summed(
                    questions.repositories(db, since_ms),
                    lambda row: pages.repository(row["git_origin_url"]) or row["cwd"] or "none",
                ),
                "hours": pages.hours(
                    questions.times(db, since_ms), "Responses by weekday and hour"
                ),
            }

        values = await self._ask(read)
        return self._page("usage.html", section="usage", span=span, spans=_SPANS, **values)

    async def _health(self, _request: web.Request) -> web.Response:
        """Show what `projector health` says, and the newest anomalies."""

        def read(db: Connection) -> dict[str, Any]:
            facts = collect(db, self._settings.codex_homes, time.time_ns() // 1_000_000)
            verdict = judge(facts, self._settings.health)
            return {
                "level": verdict.level.name,
                "text": redact(verdict.text),
                "anomalies": questions.anomalies(db, _ANOMALIES),
            }

        return self._page("health.html", section="health", **await self._ask(read))

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

    # Reading ------------------------------------------------------------------------------------

    @staticmethod
    def _history(db: Connection, thread_id: str) -> StoredHistory:
        if stored.thread(db, thread_id) is None:
            raise web.HTTPNotFound(text="There is no such thread.")
        return StoredHistory(db, thread_id)

    def _turns(self, db: Connection, thread_id: str, history: StoredHistory) -> list[Turn]:
        """Return all turns of a thread; the same as long as nothing is committed."""
        moment = (questions.latest(db), dict(history.thread))  # the feed is of one source
        cached = self._cache.get(thread_id)
        if cached is None or cached.moment != moment:
            cached = _Cached(moment, list(every_turn(history)))
            while len(self._cache) >= _CACHED:
                self._cache.pop(next(iter(self._cache)))
            self._cache[thread_id] = cached
        return cached.turns


#: Threads whose turns are kept.
_CACHED: Final = 8
_UNNAMED: Final = {"name": None, "preview": None}


def _shown_turn(history: StoredHistory, turn: Turn, number: int, page: int = 1) -> pages.ShownTurn:
    first = (page - 1) * pages.ITEMS
    items = list(islice(history.items_of(turn.turn_id), first, first + pages.ITEMS + 1))
    more = (
        sum(1 for _ in islice(history.items_of(turn.turn_id), first + pages.ITEMS, None))
        if len(items) > pages.ITEMS
        else 0
    )
    return pages.turn(turn, number, items[: pages.ITEMS], more=more)


def _summed(
    rows: list[dict[str, Any]], key: Callable[[dict[str, Any]], str]
) -> list[tuple[str, int, int]]:
    sums: dict[str, list[int]] = {}
    for row in rows:
        one = sums.setdefault(key(row), [0, 0])
        one[0] += row["responses"] or 0
        one[1] += row["total_tokens"] or 0
    return sorted(((name, *pair) for name, pair in sums.items()), key=lambda row: -row[2])  # type: ignore[misc]


def _some(values: Any) -> list[str]:
    """Return the distinct values that are there, sorted."""
    return sorted({value for value in values if value})


def _number(text: str | None, otherwise: int) -> int:
    try:
        return max(1, int(text or ""))
    except ValueError:
        return otherwise


def _day(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except ValueError:
        return None


def _without_token(request: web.Request) -> str:
    rest = {name: value for name, value in request.query.items() if name != "token"}
    return pages.here(request.path, **rest)
