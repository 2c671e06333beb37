"""Every setting: type, default, unit, limits and meaning.

Pure. `load_settings` fills these values from file, environment and options. A test compares the
shipped configuration file and the table in the manual with this module.

msgspec and not pydantic: `projector health` answers in under 100 ms including interpreter, settings
and command line; pydantic alone takes that for a few models.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from projector.model.database_url import SQLITE, is_postgres

_MIB: Final = 1 << 20
_LOOPBACK = re.compile(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}")
_PORTS: Final = 65535

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name of the installation, in a server database that several hosts write."""

    name: Annotated[
        str,
        Meta(
            description="Name under which this installation stores its rows. Installations that"
            " share a database need different names; under a new name, everything is"
            " projected again. Empty: the host's name."
        ),
    ] = ""


class Read(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rollouts are read."""

    max_line_bytes: Annotated[
        int,
        Meta(
            ge=64 * 1024,
            description="Longer lines are recorded as anomalies and skipped.",
            extra={"unit": "bytes"},
        ),
    ] = 256 * _MIB
    chunk_bytes: Annotated[
        int,
        Meta(ge=4096, description="Bytes read from a rollout at once.", extra={"unit": "bytes"}),
    ] = _MIB


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rollouts are followed and how large a transaction is."""

    rescan_s: Annotated[
        float,
        Meta(
            ge=1,
            description="Interval between full scans, which find changes that file events missed.",
            extra={"unit": "seconds"},
        ),
    ] = 30.0
    debounce_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="File events within this time are handled together.",
            extra={"unit": "milliseconds"},
        ),
    ] = 50
    batch_bytes: Annotated[
        int,
        Meta(
            ge=4096,
            description="A transaction ends at the first line end after this many bytes of a"
            " rollout.",
            extra={"unit": "bytes"},
        ),
    ] = 4 * _MIB
    batch_records: Annotated[
        int,
        Meta(
            ge=1,
            description="Maximum number of lines in one transaction.",
            extra={"unit": "records"},
        ),
    ] = 8000
    watch: Annotated[
        Literal["auto", "poll"],
        Meta(
            description="How changes are detected: file events where available plus periodic"
            " scans (auto), or scans only (poll), for network file systems that are"
            " not recognised."
        ),
    ] = "auto"
    on_delete: Annotated[
        Literal["keep", "purge"],
        Meta(
            description="What happens to the rows of a rollout whose file was deleted: kept and"
            " marked (keep), or deleted (purge)."
        ),
    ] = "keep"


class Store(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the database is written."""

    busy_timeout_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Maximum wait for another writer's lock.",
            extra={"unit": "seconds"},
        ),
    ] = 30.0


class Search(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Full-text search index."""

    index: Annotated[
        Literal["all", "messages", "off"],
        Meta(
            description="Items in the full-text index: all; user and agent messages and plans"
            " only (messages); none (off: the existing index is deleted). A change"
            " rebuilds the index."
        ),
    ] = "all"
    max_text_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum text indexed from an item's outputs, diffs, arguments and"
            " results; messages, reasoning, commands and paths are indexed completely.",
            extra={"unit": "bytes"},
        ),
    ] = 8192


class Feed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Retention of the change feed."""

    keep_days: Annotated[
        float,
        Meta(
            ge=0,
            description="Older changes are deleted from the feed, except lifecycle events. 0:"
            " kept for ever, at about 15 bytes each, so that a new consumer can start"
            " at 0.",
            extra={"unit": "days"},
        ),
    ] = 0.0


class Cost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of models. List prices need the extra `prices`."""

    prices: Annotated[
        tuple[str, ...],
        Meta(
            description="Own prices, which go before list prices:"
            " `ollama/llama3.3 input=0.1 output=0.4`, in USD per million tokens. Also"
            " cached_input=, cache_write_input= (as input where they are missing), from=2026-08-21,"
            " above_input=272000 (for responses with more input), service_tier=flex,"
            " currency=EUR. The provider is that of Codex's configuration."
        ),
    ] = ()


class Health(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of `projector health`."""

    warning_bytes: Annotated[
        int,
        Meta(
            ge=1,
            description="WARNING if at least this much on disk is not projected yet.",
            extra={"unit": "bytes"},
        ),
    ] = 64 * _MIB
    critical_bytes: Annotated[
        int,
        Meta(
            ge=1,
            description="CRITICAL if at least this much on disk is not projected yet.",
            extra={"unit": "bytes"},
        ),
    ] = 4096 * _MIB
    warning_s: Annotated[
        float,
        Meta(
            gt=0,
            description="WARNING if bytes have waited this long to be projected.",
            extra={"unit": "seconds"},
        ),
    ] = 60.0
    critical_s: Annotated[
        float,
        Meta(
            gt=0,
            description="CRITICAL if bytes have waited this long to be projected.",
            extra={"unit": "seconds"},
        ),
    ] = 300.0
    heartbeat_s: Annotated[
        float,
        Meta(
            ge=0,
            description="CRITICAL if the daemon's last heartbeat is older than this, WARNING from"
            " half of it on. 0: no daemon is expected (backfill by a timer).",
            extra={"unit": "seconds"},
        ),
    ] = 90.0


class Serve(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HTTP endpoint: /livez, /readyz, /healthz and /metrics. Needs the extra `serve`."""

    listen: Annotated[
        str,
        Meta(
            description="Address of the HTTP endpoint: unix:/path or 127.0.0.1:9464. Empty: no"
            " endpoint. It serves numbers and file names, never the content of a"
            " thread."
        ),
    ] = ""
    allow_remote: Annotated[
        bool,
        Meta(
            description="Allow addresses that other hosts can reach. There is no password:"
            " everyone who reaches the endpoint can read it."
        ),
    ] = False
    host_names: Annotated[
        tuple[str, ...],
        Meta(
            description="Host names accepted in requests, besides addresses, localhost and this"
            " host's own name. Other names are refused: such a request may come from a"
            " web page in a browser."
        ),
    ] = ()


class Metrics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prometheus metrics in a text file, no endpoint. Needs the extra `serve`."""

    textfile: Annotated[
        str,
        Meta(
            description="Metrics file for the node exporter's textfile collector, written at each"
            " heartbeat; its name ends in .prom. Empty: none."
        ),
    ] = ""


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logging to standard error."""

    level: Annotated[
        Level, Meta(description="debug, info, warning or error; debug logs one line per batch.")
    ] = "info"
    format: Annotated[
        Format,
        Meta(
            description="console for people, json for machines; auto: console on a terminal,"
            " lines with priorities under systemd, json otherwise."
        ),
    ] = "auto"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. `load_settings` has filled in `codex_homes`, `database`, `source.name`."""

    codex_homes: Annotated[
        tuple[str, ...],
        Meta(
            description="Codex home directories that are projected. Empty: $CODEX_HOME, else"
            " ~/.codex."
        ),
    ] = ()
    database: Annotated[
        str,
        Meta(
            description="sqlite:///path: three slashes, then the path, so four before an absolute"
            " path. Or postgresql://user@host/name or host=... dbname=..., as libpq"
            " accepts them. Empty: projector.db under $STATE_DIRECTORY (systemd sets"
            " it), else under $XDG_STATE_HOME/codex-projector, else under"
            " ~/.local/state/codex-projector."
        ),
    ] = ""
    database_file: Annotated[
        str,
        Meta(
            description="File whose first line is the database URL, for URLs that contain a"
            " password. Cannot be combined with database."
        ),
    ] = ""
    source: Source = Source()
    read: Read = Read()
    run: Run = Run()
    store: Store = Store()
    search: Search = Search()
    feed: Feed = Feed()
    cost: Cost = Cost()
    health: Health = Health()
    serve: Serve = Serve()
    metrics: Metrics = Metrics()
    log: Log = Log()

    @property
    def database_path(self) -> str:
        """Return the path of the SQLite file; "" if the database is not SQLite."""
        return "" if is_postgres(self.database) else self.database.removeprefix(SQLITE)


def listen_fault(serve: Serve) -> str:
    """Return what is wrong with the endpoint's address; "" if it is valid."""
    listen = serve.listen
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:")
        return "" if path.startswith("/") else f"{listen}: needs a whole path; write unix:/{path}"
    host, port = listen_address(listen)
    if not host or not port:
        return f"{listen}: no address; write unix:/path or 127.0.0.1:9464"
    if serve.allow_remote or host in ("localhost", "::1") or _LOOPBACK.fullmatch(host):
        return ""
    return (
        f"{listen}: other hosts reach that address, and there is no password;"
        " write 127.0.0.1, or allow_remote = true as well"
    )


def listen_address(listen: str) -> tuple[str, int]:
    """Split `host:port`; ("", 0) if the address is invalid."""
    host, _, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return "", 0
    number = int(port) if port.isascii() and port.isdigit() else 0
    return (host, number) if 0 < number <= _PORTS else ("", 0)
