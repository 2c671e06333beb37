"""What the daemon says beside its database: whole, in place, and with who is alive."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from projector.store import newest_entry, state_file
from projector.store.heartbeat import (
    STATE_BYTES,
    DaemonState,
    Heartbeat,
    Holder,
    Published,
    decode,
    encode,
)

HOLDER: Final = Holder(pid=7, host="h", version="1", started_at_ms=5)
BEAT: Final = Heartbeat(
    holder=HOLDER, beat_at_ms=6, interval_s=30, phase="following", watching="events",
    watching_why="", behind_bytes=1, behind_since_ms=None, bytes_read=2, records=3, batches=4,
    set_aside=0, boot_ms=8, files=9, waiting=1, current_as_of_ms=10,
)  # fmt: skip

texts = st.text(max_size=600)


@given(texts, texts, st.text(max_size=64), st.none() | st.integers(0, 2**53))
def test_what_is_written_is_read(fault: str, why: str, host: str, since: int | None) -> None:
    """Whatever the reasons are: they are cut, so that it always fits."""
    holder = structs.replace(HOLDER, host=host)
    beat = structs.replace(BEAT, holder=holder, watching_why=why)

    text = encode(DaemonState(holder, beat, fault, since))
    found = decode(text)

    assert len(text) == STATE_BYTES
    assert found is not None
    assert found.holder == holder
    assert found.heartbeat == structs.replace(beat, watching_why=why[:100])
    assert (found.fault, found.fault_since_ms) == (fault[:250], since)


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"{", b'{"pid":1}', b'{"pid":1,"host":"h","version":"1"}', b"\xff" * 99,
     b"[" * 4000, encode(DaemonState(HOLDER, BEAT))[:300]],
)  # fmt: skip
def test_what_is_no_state(text: bytes) -> None:
    """An older one, a torn one, none: nothing is known."""
    assert decode(text) is None


def test_who_is_alive(tmp_path: Path) -> None:
    """As long as its process, however that ends; and what it said last stays."""
    path = tmp_path / "p.db.lock"
    assert state_file.read(str(path)) == Published(held=False)
    script = (
        "import sys, time\nfrom projector.store import state_file\n"
        "from tests.unit.store.test_state_file import BEAT, HOLDER, DaemonState\n"
        "file = state_file.lock(sys.argv[1])\n"
        "state_file.write(file, DaemonState(HOLDER, BEAT, 'full', 3))\n"
        "print('held', flush=True)\ntime.sleep(600)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        alive = state_file.read(str(path))
        with pytest.raises(BlockingIOError):
            state_file.lock(str(path))
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
        other.stdout.close()  # type: ignore[union-attr]

    state = DaemonState(HOLDER, BEAT, "full", 3)
    assert alive == Published(held=True, state=state)
    assert state_file.read(str(path)) == Published(held=False, state=state)


def test_whoever_looks_keeps_no_daemon_out(tmp_path: Path) -> None:
    """A look has the file locked for a moment, and a daemon that starts then waits for it."""
    path = str(tmp_path / "p.db.lock")
    os.close(state_file.lock(path))
    glance = os.open(path, os.O_RDONLY)
    fcntl.flock(glance, fcntl.LOCK_SH)
    threading.Timer(0.02, os.close, [glance]).start()

    os.close(state_file.lock(path))


def test_a_host_knows_which_servers_it_has_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a backfill of an empty database begins to read before it has asked."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    address, source = "postgresql://db.example.org/projector", "one"
    assert not state_file.was_written(address, source)

    newest_entry.Memory.in_folder(
        state_file.remote_path(address, source, newest_entry.SUFFIX)
    ).close()

    assert state_file.was_written(address, source)
    assert not state_file.was_written(address, "another")
