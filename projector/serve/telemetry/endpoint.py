"""HTTP endpoint of the daemon: /livez, /readyz, /healthz and /metrics, using aiohttp.

Read-only, without any content of threads and without a password: so it listens where other hosts
cannot reach it, unless that is configured twice. Other paths are answered with 404, other methods
than GET and HEAD with 405. It shares the event loop with the work; slow steps run in threads. So
/livez depends on when the work last made progress, not on whether an answer comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from msgspec.structs import replace
from prometheus_client.exposition import choose_encoder

from projector import __version__
from projector.logs import events as log
from projector.model.errors import ProjectorError
from projector.model.redaction import redact_document
from projector.model.settings import Settings, listen_address
from projector.model.telemetry import DaemonMetrics
from projector.serve.health.collect import collect, full_disk
from projector.serve.health.database_stats import DatabaseStats, count
from projector.serve.health.judge import Level, Verdict, judge
from projector.serve.health.snapshot import Facts
from projector.serve.telemetry.listener import Gate, Refusals, is_ours, own_names, unix_socket
from projector.serve.telemetry.metrics import Now, registry
from projector.store.reading import Connection

#: The work counts as hung after this long without a step, in seconds: as for the watchdog.
HANGS_S: Final = 60.0
#: Reading the state of all files is expensive: one result is reused for this long, in seconds.
_LOOK_S: Final = 2.0
_HEALTH: Final = "application/health+json"
_BACKLOG: Final = 16
_ALLOWED: Final = ("GET", "HEAD")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Endpoint:
    """The HTTP server. Created by `open`; `close` it."""

    def __init__(
        self,
        meters: Callable[[], DaemonMetrics],
        settings: Callable[[], Settings],
        open_database: Callable[[Settings], Connection],
    ) -> None:
        """Configure it; `open` starts listening. `open_database`: for reading."""
        self._open = open_database
        self._meters = meters
        self._settings = settings
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._names: frozenset[str] | None = None
        """Accepted host names; None: all, because a browser cannot reach it."""
        self._refusals = Refusals()
        self._looking = asyncio.Lock()
        self._schema = 0
        self._seen: Verdict | None = None
        self._facts: Facts | None = None
        self._seen_at = 0.0

    async def open(self) -> None:
        """Listen at the configured address.

        Raises:
            OSError: the address is not available.
        """
        app = web.Application(middlewares=[_plainly, self._by_our_name], client_max_size=1024)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        # Without signals: the daemon has its own. Without an access log: no scrape is worth a line.
        self._runner = web.AppRunner(
            app,
            handle_signals=False,
            access_log=None,
            logger=self._refusals.logger,
            shutdown_timeout=2,
        )
        await self._runner.setup()
        assert self._runner.server is not None, "it is set up"
        gate = Gate(self._runner.server, self._refusals)
        loop, serve = asyncio.get_running_loop(), self._settings().serve
        if serve.listen.startswith("unix:"):
            made = unix_socket(serve.listen.removeprefix("unix:"))
            self._server = await loop.create_unix_server(gate, sock=made, backlog=_BACKLOG)
        else:
            host, port = listen_address(serve.listen)
            self._names = own_names(host, serve.host_names)
            self._server = await loop.create_server(gate, host, port, backlog=_BACKLOG)

    @property
    def refused(self) -> int:
        """Return the number of refused connections and requests."""
        return self._refusals.total

    async def close(self) -> None:
        """Stop listening, and remove the Unix socket."""
        if self._runner is None:
            return
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        listen = self._settings().serve.listen
        if listen.startswith("unix:"):
            with suppress(OSError):
                os.unlink(listen.removeprefix("unix:"))

    @web.middleware
    async def _by_our_name(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        """Refuse a request with another host name."""
        if self._names is not None and not is_ours(request.headers.get("Host", ""), self._names):
            self._refusals.count("a name that is not ours")
            raise web.HTTPMisdirectedRequest(reason="not a name of this endpoint: serve.host_names")
        return await handler(request)

    # Responses --------------------------------------------------------------------------------

    async def _livez(self, _request: web.Request) -> web.Response:
        """Respond whether the work makes progress."""
        meters = self._meters()
        quiet_s = meters.quiet_s
        if quiet_s is None:
            quiet_s = max(0.0, time.time() - meters.turned_at_ms / 1000)
        limit_s = HANGS_S + self._settings().run.rescan_s
        return _said(
            fails=quiet_s > limit_s,
            output=f"no step of the work for {quiet_s:.0f} s" if quiet_s > limit_s else "",
            checks={"loop:quiet": quiet_s},
        )

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Respond whether the database is reachable, has our schema, and watching has begun."""
        why = "" if self._meters().ready else "watching has not begun"
        try:
            schema = (await self._count()).schema
        except ProjectorError as error:
            why = str(error)
        else:
            # The daemon migrated it to its own version before it started to listen.
            self._schema = self._schema or schema
            if schema != self._schema:
                why = f"the schema has become {schema}, the daemon's is {self._schema}: restart it"
        return _said(fails=bool(why), output=why, checks={})

    async def _healthz(self, _request: web.Request) -> web.Response:
        """Respond with the output of `projector health --json`."""
        verdict = await self._look()
        fails = verdict.level in (Level.CRITICAL, Level.UNKNOWN)
        return _json(verdict.document(), fails=fails)

    async def _metrics(self, request: web.Request) -> web.Response:
        """Respond with the metrics in the requested format."""
        counts: DatabaseStats | None
        try:
            counts = await self._count()
        except ProjectorError:
            counts = None
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        await self._look()
        meters = replace(self._meters(), refused=self.refused)
        found = Now(meters=meters, counts=counts, facts=self._facts)
        return web.Response(body=encode(registry(found)), headers={"Content-Type": content_type})

    async def _count(self) -> DatabaseStats:
        def counted() -> DatabaseStats:
            with self._open(self._settings()) as db:
                return count(db)

        return await asyncio.to_thread(counted)

    async def _look(self) -> Verdict:
        async with self._looking:
            if self._seen is not None and time.monotonic() - self._seen_at < _LOOK_S:
                return self._seen
            settings = self._settings()

            def gathered() -> Facts:
                with self._open(settings) as db:
                    return collect(db, settings.codex_homes, time.time_ns() // 1_000_000)

            try:
                self._facts = await asyncio.to_thread(gathered)
                self._seen = judge(self._facts, settings.health)
            except (ProjectorError, OSError) as error:
                self._facts = None
                self._seen = full_disk(settings.database_path) or Verdict(
                    level=Level.UNKNOWN, text=str(error)
                )
            self._seen_at = time.monotonic()
            return self._seen


@web.middleware
async def _plainly(request: web.Request, handler: Answer) -> web.StreamResponse:
    """Refuse in the format of all other responses; an internal fault is not described."""
    answer = await _answered(request, handler)
    answer.force_close()  # one connection per response: none is kept open that could be exhausted
    return answer


async def _answered(request: web.Request, handler: Answer) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refused:
        allow = {"Allow": ", ".join(_ALLOWED)} if refused.status == 405 else {}  # noqa: PLR2004 - HTTP
        return web.json_response(
            {"status": "fail", "output": refused.reason},
            status=refused.status,
            content_type=_HEALTH,
            headers=allow,
        )
    except Exception as fault:  # noqa: BLE001 - it must not look like one of the work
        log.event("endpoint.failed", listen=request.path, error=type(fault).__name__, exc=fault)
        return _json({"status": "fail", "output": "internal fault, see the log"}, fails=True)


def _said(*, fails: bool, output: str, checks: dict[str, float]) -> web.Response:
    found: dict[str, Any] = {"status": "fail" if fails else "pass", "releaseId": __version__}
    if output:
        found["output"] = output
    if checks:
        found["checks"] = {
            name: [{"observedValue": round(value, 3), "observedUnit": "seconds"}]
            for name, value in checks.items()
        }
    return _json(found, fails=fails)


def _json(document: dict[str, Any], *, fails: bool) -> web.Response:
    return web.Response(
        text=json.dumps(redact_document(document)),
        status=503 if fails else 200,
        content_type=_HEALTH,
        headers={"Cache-Control": "no-store"},
    )
