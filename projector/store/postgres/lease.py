"""One daemon per source: a lease in the source's row, which the heartbeat renews.

A lock of the session would be lost behind a pooler, and with each connection. A daemon that was
killed keeps others out until its lease ends, unless it ran on this host, where its process can be
checked. If two run nevertheless, checkpoints are compared before they are set: no harm is done.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import astuple

from projector.model.errors import AlreadyRunning
from projector.store.postgres.pipeline import Pipeline, Query
from projector.store.protocol import Heartbeat, Holder

#: Time that a lease lasts without a heartbeat, seconds.
_SECONDS: Final = 30.0
#: Number of heartbeats that may be missed.
_MISSED: Final = 4

#: Leases use the server's clock, because hosts have different ones. It is read, and then stored:
#: some distributed servers refuse volatile functions in an UPDATE.
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_READ: Final = (
    f"SELECT {_NOW}, lease_id, lease_until_ms, lease_pid, lease_host, lease_version,"
    " lease_started_at_ms FROM _sources WHERE source_id = %s FOR UPDATE"
)
_TAKE: Final = (
    "UPDATE _sources SET lease_id = %s, lease_until_ms = %s, lease_pid = %s,"
    " lease_host = %s, lease_version = %s, lease_started_at_ms = %s WHERE source_id = %s"
)
_HELD: Final = f"SELECT {_NOW} FROM _sources WHERE source_id = %s AND lease_id = %s FOR UPDATE"
_RENEW: Final = (
    "UPDATE _sources SET lease_until_ms = greatest(lease_until_ms, %s)"
    " WHERE source_id = %s AND lease_id = %s"
)
_LET_GO: Final = (
    "UPDATE _sources SET lease_id = NULL, lease_until_ms = NULL WHERE source_id = %s"
    " AND lease_id = %s"
)
_BEAT: Final = (
    "pid host version started_at_ms beat_at_ms interval_s phase watching watching_why"
    " behind_bytes behind_since_ms bytes_read records batches set_aside boot_ms"
    " files waiting current_as_of_ms"
).split()
_BEATEN: Final = (
    f"INSERT INTO _heartbeat AS was (source_id, {', '.join(_BEAT)})"
    f" VALUES (%s{', %s' * len(_BEAT)}) ON CONFLICT (source_id) DO UPDATE SET "
    + ", ".join(
        f"{name} = coalesce(excluded.{name}, was.{name})"
        if name == "current_as_of_ms"  # a daemon that has not caught up keeps the old value
        else f"{name} = excluded.{name}"
        for name in _BEAT
    )
)


async def hold(wire: Pipeline, source: str, lease: uuid.UUID, holder: Holder, where: str) -> None:
    """Acquire the lease.

    Raises:
        AlreadyRunning: another daemon has it.
    """
    (((now_ms, *row),),) = await wire.begin((_READ, (source,)))
    if row[0] not in (None, lease) and (row[1] or 0) > now_ms and not _ended(row):
        await wire.execute(("ROLLBACK", ()))
        raise AlreadyRunning(
            f"{where}: {_said(row)} follows it already",
            hint="Stop that one first, or give this host a name of its own: [source] name",
        )
    until = now_ms + round(_SECONDS * 1000)
    values = (holder.pid, holder.host, holder.version, holder.started_at_ms)
    await wire.execute((_TAKE, (lease, until, *values, source)), ("COMMIT", ()))


def _ended(row: Sequence[Any]) -> bool:
    """True if the holder ran on this host and its process is gone."""
    pid, host = row[2], row[3]
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _said(row: Sequence[Any]) -> str:
    pid, host, version, started_at_ms = row[2:]
    since = datetime.fromtimestamp(started_at_ms / 1000, tz=UTC)
    return (
        f"process {pid} on {host} (codex-projector {version}, since {since:%Y-%m-%d %H:%M:%S} UTC)"
    )


async def beat(
    wire: Pipeline, source: str, lease: uuid.UUID | None, heartbeat: Heartbeat, where: str
) -> None:
    """Store the heartbeat, and renew the lease if there is one.

    Raises:
        AlreadyRunning: another daemon has taken it.
    """
    holder, *more = astuple(heartbeat)
    queries: list[Query] = [(_BEATEN, (source, *astuple(holder), *more))]
    if lease is None:
        await wire.begin(*queries, ("COMMIT", ()))
        return
    *_, held = await wire.begin(*queries, (_HELD, (source, lease)))
    holds = round(max(_SECONDS, _MISSED * heartbeat.interval_s) * 1000)
    renewal: list[Query] = [(_RENEW, (now_ms + holds, source, lease)) for (now_ms,) in held]
    await wire.execute(*renewal, ("COMMIT", ()))
    if not held:  # it ended while the server could not be reached
        await hold(wire, source, lease, heartbeat.holder, where)


def let_go(source: str, lease: uuid.UUID) -> Query:
    """Release the lease."""
    return _LET_GO, (source, lease)
