"""Under a live systemd, with rows on a PostgreSQL server: through the sandbox, no secret told."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator

import pytest

from tests.service.installed import follows, install
from tests.service.machine import LIBRARIES, Machine
from tests.support.server import programs

SECRET = "0pen-sesame"
DATA = "/home/robin/server"
SOCKETS = "/run/server"
#: By socket who has an account, over the network who knows the password.
ACCESS = "local all all peer\nhost all all 0.0.0.0/0 scram-sha-256\n"
#: As good as another host's: not the loopback's network.
ELSEWHERE = "10.9.9.9"


@pytest.fixture
def server(machine: Machine) -> Iterator[Machine]:
    """Give a machine with a PostgreSQL server and an empty database."""
    folder = str(programs()).replace(sysconfig.get_path("purelib"), LIBRARIES)
    machine.run("ip", "link", "set", "lo", "up")
    machine.call("ip", "address", "add", ELSEWHERE, "dev", "lo")
    machine.write("/home/robin/password", SECRET, mode="644")
    machine.run(f"{folder}/initdb", "-D", DATA, "--auth=scram-sha-256", "--no-sync",
                "--pwfile=/home/robin/password", account="robin")  # fmt: skip
    machine.write(f"{DATA}/pg_hba.conf", ACCESS, mode="644")
    machine.run("install", "--directory", "--owner=robin", SOCKETS)
    machine.run("systemd-run", "--unit=database", "--collect", "--uid=robin", f"{folder}/postgres",
                "-D", DATA, "-c", f"listen_addresses=127.0.0.1,{ELSEWHERE}", "-c", "port=5499",
                "-c", f"unix_socket_directories={SOCKETS}")  # fmt: skip
    machine.until(lambda: machine.call("test", "-S", f"{SOCKETS}/.s.PGSQL.5499").returncode == 0,
                  "PostgreSQL")  # fmt: skip
    machine.until(
        lambda: machine.call(
            f"{folder}/psql", "-h", SOCKETS, "-p", "5499", "-d", "postgres", "-c",
            "CREATE DATABASE threads", account="robin",
        ).returncode == 0,
        "a database",
    )  # fmt: skip
    yield machine
    machine.call("systemctl", "stop", "projector")
    machine.run("systemctl", "stop", "database")
    machine.run("rm", "-rf", DATA, SOCKETS, "/home/robin/password")


def is_well(machine: Machine) -> None:
    """It follows, its health check reaches the server too, and it stops in order."""
    follows(machine)
    machine.call("systemctl", "start", "projector-health")
    said = [one["MESSAGE"] for one in machine.journal("projector-health")]
    assert any(line.startswith("OK: nothing waits") for line in said), said
    machine.run("systemctl", "stop", "projector")
    assert machine.show("projector", "Result") == "success"


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        pytest.param("localhost", "IPAddressAllow=localhost\n", id="here"),
        pytest.param(ELSEWHERE, f"IPAddressAllow=localhost {ELSEWHERE}\n", id="there"),
    ],
)
def test_a_server_by_name_and_password(server: Machine, host: str, reach: str) -> None:
    """The password comes as a credential, and is told nowhere."""
    address = f"postgresql://robin:{SECRET}@{host}:5499/threads"
    server.write("/etc/credstore/codex-projector.database", f"{address}\n", mode="600")

    done = install(server)

    is_well(server)
    unit = server.run("systemctl", "cat", "projector")
    assert reach in unit
    assert "IPAddressDeny=any\n" in unit
    told = [done, unit, server.run("systemctl", "show", "projector"), *server.log()]
    assert not [text for text in told if SECRET in text]


def test_a_server_by_its_socket(server: Machine) -> None:
    """It needs no network at all, and the server knows the account through the sandbox."""
    install(server, "--database", f"postgresql:///threads?host={SOCKETS}&port=5499")

    is_well(server)
    assert "PrivateNetwork=yes" in server.run("systemctl", "cat", "projector")


def test_a_password_is_not_written_into_a_unit(server: Machine) -> None:
    done = server.call("/opt/projector/bin/projector", "install", "--as", "robin", "--database",
                       f"postgresql://robin:{SECRET}@localhost/threads")  # fmt: skip

    assert done.returncode == 2
    assert "/etc/credstore/codex-projector.database" in done.stderr
