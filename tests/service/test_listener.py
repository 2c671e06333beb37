"""Who may ask the endpoint, and what of the others is logged: nearly nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from projector.commands.options import reading
from projector.logs import events as log
from projector.model.settings import Serve, Settings
from projector.model.telemetry import DaemonMetrics, Durations
from projector.serve.telemetry import listener
from projector.serve.telemetry.endpoint import Endpoint
from projector.serve.telemetry.listener import is_ours, own_names, unix_socket

METERS = DaemonMetrics(
    started_at_ms=0, turned_at_ms=0, beat_at_ms=0, ready=False, following=False, by_events=True,
    records=0, batches=0, read_bytes=0, replaced=0, scans=0, file_events=0, store_faults=0,
    set_aside=0, behind_bytes=0, behind_since_ms=None, commit_counts=Durations().counts,
    commit_total_s=0.0, quiet_s=0.0,
)  # fmt: skip

Said = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """Give what is logged, by us or by a library."""
    found: Said = []
    monkeypatch.setattr(log, "event", lambda name, /, **fields: found.append((name, fields)))
    return found


@asynccontextmanager
async def opened(folder: Path, **serve: Any) -> AsyncIterator[tuple[Endpoint, str]]:
    """Open an endpoint on a socket, or where `serve` says."""
    where = serve.setdefault("listen", f"unix:{folder}/http")
    settings = Settings(serve=Serve(**serve), database=f"sqlite:///{folder}/none.db")
    endpoint = Endpoint(lambda: METERS, lambda: settings, reading)
    await endpoint.open()
    try:
        yield endpoint, where.removeprefix("unix:")
    finally:
        await endpoint.close()


async def connect(where: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if where.startswith("/"):
        return await asyncio.open_unix_connection(where)
    host, port = where.rsplit(":", 1)
    return await asyncio.open_connection(host, int(port))


async def ask(where: str, data: bytes) -> bytes:
    """Send bytes, and give all of the answer."""
    reader, writer = await connect(where)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


LIVEZ = b"GET /livez HTTP/1.1\r\nHost: %b\r\n\r\n"
BAD = [
    b"GET /livez HTTP/9.9\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
]


def test_bad_requests_are_one_line_however_many(
    tmp_path: Path, said: Said, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """They were a trace each, with what was sent in it."""

    async def run() -> int:
        async with opened(tmp_path) as (endpoint, where):
            for data in BAD * 5:
                assert (await ask(where, data)).startswith(b"HTTP/1.0 400 ")
            # As of TLS, of which the library itself says nothing.
            assert (await ask(where, b"\x16\x03\x01\r\n\r\n")).startswith(b"HTTP/1.0 400 ")
            assert b" 200 OK" in await ask(where, LIVEZ % b"localhost")
            return endpoint.refused

    with caplog.at_level(logging.DEBUG, "aiohttp"):
        assert asyncio.run(run()) == len(BAD) * 5

    assert said == [("endpoint.refused", {"reason": "not HTTP", "count": 1})]
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_slow_clients_are_let_go(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they send nothing, or half of a request."""
    monkeypatch.setattr(listener, "DEADLINE_S", 0.05)

    async def run() -> None:
        async with opened(tmp_path) as (endpoint, where):
            for data in (b"", b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: x\r\n"):
                assert await ask(where, data) == b""
            assert endpoint.refused == 3

    asyncio.run(run())

    assert said == [("endpoint.refused", {"reason": "too slow", "count": 1})]


def test_so_many_connections_and_no_more(
    tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when they are gone, others are let in again."""
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 3)

    async def run() -> None:
        async with opened(tmp_path) as (_, where):
            held = [await connect(where) for _ in range(3)]
            for reader, writer in held:  # each of them is in
                writer.write(b"GET /livez HTTP/1.1\r\n")
                await writer.drain()
                assert not reader.at_eof()
            assert await ask(where, LIVEZ % b"x") == b""
            for _, writer in held:
                writer.close()
                await writer.wait_closed()
            while not (answer := await ask(where, LIVEZ % b"x")):
                pass  # until the end of those is heard of
            assert b" 200 OK" in answer
            assert b"Connection: close" in answer

    asyncio.run(run())

    assert ("endpoint.refused", {"reason": "too many connections", "count": 1}) in said


# fmt: off
HOSTS = [
    # what was asked for, ours
    ("127.0.0.1:9464", True), ("127.0.0.1", True), ("[::1]:9464", True), ("::1", True),
    ("localhost:9464", True), ("LOCALHOST", True), ("app.localhost", True), ("192.0.2.7:80", True),
    ("", True), ("web1:9464", True), ("WEB1.", True), ("metrics.example", True),
    ("evil.example", False), ("evil.example:9464", False), ("localhost.evil.example", False),
    ("127.0.0.1.evil.example:9464", False), ("web1.evil.example", False), ("web10", False),
    ("[evil]", False), ("a:b:c", False),
]
# fmt: on


@pytest.mark.parametrize(("host", "ours"), HOSTS)
def test_names(host: str, ours: bool) -> None:  # noqa: FBT001 - a case's column
    assert is_ours(host, {"web1", "metrics.example"}) is ours


def test_a_name_that_a_browser_was_led_by_is_refused(tmp_path: Path, said: Said) -> None:
    """On a port; and not on a socket in the file system, where no browser gets."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            listen = f"127.0.0.1:{free.getsockname()[1]}"
        names = ("metrics.example",)
        async with opened(tmp_path, listen=listen, host_names=names) as (endpoint, where):
            for host in (b"evil.example", b"evil.example:9464"):
                assert (await ask(where, LIVEZ % host)).startswith(b"HTTP/1.1 421 ")
            for host in (b"metrics.example", b"127.0.0.1:9464", b"localhost"):
                assert b" 200 OK" in await ask(where, LIVEZ % host)
            assert endpoint.refused == 2
        async with opened(tmp_path) as (_, where):
            assert b" 200 OK" in await ask(where, LIVEZ % b"evil.example")

    asyncio.run(run())

    assert said == [("endpoint.refused", {"reason": "a name that is not ours", "count": 1})]


def test_our_own_names() -> None:
    assert own_names("::1", ["a"]) == {os.uname().nodename, "::1", "a"}


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o660), (0o022, 0o640), (0o077, 0o600)])
def test_a_socket_is_for_owner_and_group_at_most(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        for _ in range(2):  # the second takes the place of the first
            with unix_socket(f"{tmp_path}/http"):
                assert stat.S_IMODE(os.stat(f"{tmp_path}/http").st_mode) == mode
    finally:
        os.umask(before)


def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    (tmp_path / "http").write_text("mine")

    with pytest.raises(OSError, match="in use"):
        unix_socket(f"{tmp_path}/http")

    assert (tmp_path / "http").read_text() == "mine"


def test_it_is_told_again_after_an_hour(said: Said) -> None:
    """With how many there were meanwhile."""
    now = [0.0]
    refusals = listener.Refusals(lambda: now[0])
    for at in (0, 1, 2, 3599, 3600, 3601):
        now[0] = at
        refusals.count("x")

    assert [fields["count"] for _, fields in said] == [1, 4]
    assert refusals.total == 6
