"""Every setting: its type, default, unit, limits and meaning.

Pure. `config.py` fills these values from file, environment and options. The configuration file
that the project ships and the table in the README are held against this module by a test.

msgspec and not pydantic: `projector health` answers in under 100 ms with interpreter, settings and
command line; pydantic alone takes that for a few models.
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
    """Whose rows these are, in a database on a server that several hosts write."""

    name: Annotated[
        str,
        Meta(
            description="Under this name an installation keeps its rows. Two that write one"
            " database have two names; with another name, all is projected anew. Empty: the host's"
            " name."
        ),
    ] = ""


class Read(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rollouts are read."""

    max_line_bytes: Annotated[
        int,
        Meta(
            ge=64 * 1024,
            description="A longer line is noted as an anomaly and passed over.",
            extra={"unit": "bytes"},
        ),
    ] = 256 * _MIB
    chunk_bytes: Annotated[
        int,
        Meta(ge=4096, description="Read from a rollout at a time.", extra={"unit": "bytes"}),
    ] = _MIB


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rollouts are followed and what goes into one transaction."""

    rescan_s: Annotated[
        float,
        Meta(
            ge=1,
            description="Between scans of all sizes, which find what file events missed.",
            extra={"unit": "seconds"},
        ),
    ] = 30.0
    debounce_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="File events that close together are taken as one.",
            extra={"unit": "milliseconds"},
        ),
    ] = 50
    batch_bytes: Annotated[
        int,
        Meta(
            ge=4096,
            description="A transaction ends at the first line end behind this much of a rollout.",
            extra={"unit": "bytes"},
        ),
    ] = 4 * _MIB
    batch_records: Annotated[
        int,
        Meta(ge=1, description="A transaction holds no more lines.", extra={"unit": "records"}),
    ] = 8000
    watch: Annotated[
        Literal["auto", "poll"],
        Meta(
            description="How news is noticed: by file events where they can be had, and by scans;"
            " or by scans alone (poll), for network file systems that are not recognised."
        ),
    ] = "auto"
    on_delete: Annotated[
        Literal["keep", "purge"],
        Meta(description="The rows of a rollout whose file is gone stay, marked, or go too."),
    ] = "keep"


class Store(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the database is written."""

    busy_timeout_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Wait this long for another writer's lock.",
            extra={"unit": "seconds"},
        ),
    ] = 30.0


class Search(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What full-text search finds."""

    index: Annotated[
        Literal["all", "messages", "off"],
        Meta(
            description="Items whose words are indexed: all; messages and plans alone; none (off:"
            " what was indexed is dropped). Where it changes, the index is made anew."
        ),
    ] = "all"
    max_text_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Indexed of an item's outputs, diffs, arguments and results; messages,"
            " reasoning, commands and paths are indexed whole.",
            extra={"unit": "bytes"},
        ),
    ] = 8192


class Feed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long changes are kept for those who follow them."""

    keep_days: Annotated[
        float,
        Meta(
            ge=0,
            description="Changes older than this go out of the feed, but for lifecycle events; 0:"
            " they are kept for ever, at some 15 bytes each, and a new consumer can begin at 0.",
            extra={"unit": "days"},
        ),
    ] = 0.0


class Health(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where on `projector health` warns."""

    warning_bytes: Annotated[
        int,
        Meta(
            ge=1,
            description="WARNING from this much on disk that is not projected yet.",
            extra={"unit": "bytes"},
        ),
    ] = 64 * _MIB
    critical_bytes: Annotated[
        int, Meta(ge=1, description="CRITICAL from this much on.", extra={"unit": "bytes"})
    ] = 4096 * _MIB
    warning_s: Annotated[
        float,
        Meta(
            gt=0,
            description="WARNING once bytes have waited this long.",
            extra={"unit": "seconds"},
        ),
    ] = 60.0
    critical_s: Annotated[
        float,
        Meta(
            gt=0,
            description="CRITICAL once bytes have waited this long.",
            extra={"unit": "seconds"},
        ),
    ] = 300.0
    heartbeat_s: Annotated[
        float,
        Meta(
            ge=0,
            description="CRITICAL when the daemon has given no sign of life for this long,"
            " WARNING from half of it on; 0: no daemon is expected (backfill by a timer).",
            extra={"unit": "seconds"},
        ),
    ] = 90.0


class Serve(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The daemon's endpoint: /livez, /readyz, /healthz and /metrics. Needs the extra `serve`."""

    listen: Annotated[
        str,
        Meta(
            description="unix:/path or 127.0.0.1:9464. Empty: no endpoint. It tells numbers and"
            " names of files, never what a thread says."
        ),
    ] = ""
    allow_remote: Annotated[
        bool,
        Meta(
            description="Addresses that other hosts reach are allowed too. There is no"
            " password: whoever reaches them reads them."
        ),
    ] = False
    host_names: Annotated[
        tuple[str, ...],
        Meta(
            description="Names by which it is asked, beside addresses, localhost and this host's"
            " own. A request for any other name is refused: a page in a browser may have sent it."
        ),
    ] = ()


class Metrics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers for Prometheus without an endpoint. Needs the extra `serve`."""

    textfile: Annotated[
        str,
        Meta(
            description="Written at each sign of life, for the node exporter's textfile collector;"
            " its name ends in .prom. Empty: none."
        ),
    ] = ""


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, to standard error."""

    level: Annotated[
        Level, Meta(description="debug, info, warning or error; debug has a line for each batch.")
    ] = "info"
    format: Annotated[
        Format,
        Meta(
            description="console for people, json for machines; auto: console on a terminal,"
            " lines with priorities under systemd, json otherwise."
        ),
    ] = "auto"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. `config.load` has filled in `codex_homes`, `database`, `source.name`."""

    codex_homes: Annotated[
        tuple[str, ...],
        Meta(
            description="Folders that Codex keeps its rollouts in."
            " Empty: $CODEX_HOME, else ~/.codex."
        ),
    ] = ()
    database: Annotated[
        str,
        Meta(
            description="sqlite:///path: three slashes, then the path; an absolute one begins"
            " with a fourth. Or postgresql://user@host/name or host=... dbname=..., as libpq takes"
            " them. Empty: projector.db under $STATE_DIRECTORY (systemd sets it), else"
            " under $XDG_STATE_HOME/codex-projector, else under ~/.local/state/codex-projector."
        ),
    ] = ""
    database_file: Annotated[
        str,
        Meta(
            description="File whose first line is the database, for addresses with a password"
            " in them. Not together with database."
        ),
    ] = ""
    source: Source = Source()
    read: Read = Read()
    run: Run = Run()
    store: Store = Store()
    search: Search = Search()
    feed: Feed = Feed()
    health: Health = Health()
    serve: Serve = Serve()
    metrics: Metrics = Metrics()
    log: Log = Log()

    @property
    def database_path(self) -> str:
        """Path of the SQLite file; "" where it is none."""
        return "" if is_postgres(self.database) else self.database.removeprefix(SQLITE)


def listen_fault(serve: Serve) -> str:
    """Say what is wrong with where the endpoint listens; "": nothing."""
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
    """Split `host:port`; ("", 0): it is none."""
    host, _, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return "", 0
    number = int(port) if port.isascii() and port.isdigit() else 0
    return (host, number) if 0 < number <= _PORTS else ("", 0)
