"""Report the daemon's numbers as configured. Failures here never stop the work.

The libraries of the extra `serve` are imported when needed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from projector.logs import events as log
from projector.model.errors import ProjectorError
from projector.model.settings import Settings
from projector.model.telemetry import DaemonMetrics
from projector.serve.health.database_stats import DatabaseStats, count
from projector.store.reading import Connection

if TYPE_CHECKING:
    from projector.serve.health.snapshot import Facts
    from projector.serve.telemetry.endpoint import Endpoint

_MISSING = "needs the extra: pip install 'codex-projector[serve]'"


class TelemetryServer:
    """Telemetry by the HTTP endpoint and the text file for the node exporter."""

    def __init__(self, open_database: Callable[[Settings], Connection]) -> None:
        """Create it without any output yet. `open_database`: for reading."""
        self._open = open_database
        self._settings = Settings()
        self._meters: Callable[[], DaemonMetrics] | None = None
        self._endpoint: Endpoint | None = None
        self._fault = ""

    async def begin(self, settings: Settings, meters: Callable[[], DaemonMetrics]) -> None:
        """Implement `Telemetry.begin`."""
        self._settings, self._meters = settings, meters
        if not settings.serve.listen:
            return
        try:
            from projector.serve.telemetry.endpoint import Endpoint  # noqa: PLC0415 - see the docstring

            self._endpoint = Endpoint(meters, lambda: self._settings, self._open)
            await self._endpoint.open()
        except ImportError:
            self._endpoint = None
            log.event("endpoint.failed", listen=settings.serve.listen, error=_MISSING)
        except (OSError, RuntimeError, ValueError) as error:
            log.event("endpoint.failed", listen=settings.serve.listen, error=str(error))
        else:
            log.event("endpoint.opened", listen=settings.serve.listen)

    async def beat(self, settings: Settings) -> None:
        """Implement `Telemetry.beat`."""
        self._settings = settings
        path = settings.metrics.textfile
        if not path or self._meters is None:
            return
        meters = self._meters()
        if self._endpoint is not None:
            meters = replace(meters, refused=self._endpoint.refused)
        fault = await asyncio.to_thread(self._write, path, meters)
        if fault and fault != self._fault:
            log.event("textfile.failed", path=path, error=fault)
        self._fault = fault

    async def end(self) -> None:
        """Implement `Telemetry.end`."""
        if self._endpoint is not None:
            await self._endpoint.close()

    def _write(self, path: str, meters: DaemonMetrics) -> str:
        """Write the file atomically; return the error, or ""."""
        try:
            from prometheus_client import write_to_textfile  # noqa: PLC0415 - see the docstring

            from projector.serve.health.collect import collect  # noqa: PLC0415
            from projector.serve.telemetry.metrics import Now, registry  # noqa: PLC0415
        except ImportError:
            return _MISSING
        counts: DatabaseStats | None = None
        facts: Facts | None = None
        try:
            with self._open(self._settings) as db:
                counts = count(db)
                homes, now_ms = self._settings.codex_homes, time.time_ns() // 1_000_000
                facts = collect(db, homes, now_ms)
        except ProjectorError:
            counts = None
        try:
            write_to_textfile(path, registry(Now(meters=meters, counts=counts, facts=facts)))
        except OSError as error:
            return error.strerror or str(error)
        return ""
