"""Under a live systemd of a user's own: without root, and sandboxed as far as that goes."""

from __future__ import annotations

from tests.service.installed import CODEX, FOLLOWING, control, drop_in, sandboxed
from tests.service.machine import PROGRAM, Machine


def test_for_oneself(own: Machine) -> None:
    """It starts, reloads, stops and is taken away, without root; the database stays."""
    own.run(PROGRAM, "install", "--user", account="robin")
    own.until(lambda: own.show("projector", "StatusText", account="robin") == FOLLOWING, FOLLOWING)
    own.write("/home/robin/.config/codex-projector/config.toml", "run.rescan_s = 5\n")
    control(own, "reload", "projector")
    control(own, "start", "projector-health")
    assert (
        control(own, "is-enabled", "projector", "projector-health.timer").split() == ["enabled"] * 2
    )
    control(own, "stop", "projector")
    assert own.show("projector", "Result", account="robin") == "success"

    own.run(PROGRAM, "uninstall", "--user", account="robin")

    assert own.show("projector", "LoadState", account="robin") == "not-found"
    assert "projector.db" in own.run("ls", "/home/robin/.local/state/codex-projector")
    said = own.log("--output=cat", "_SYSTEMD_USER_UNIT=projector.service")
    assert "settings.reloaded changed=run.rescan_s" in said
    assert any(line.startswith("daemon.stopped") for line in said)


def test_the_sandbox_of_a_user_is_in_force(own: Machine) -> None:
    """As that of the system, but that other processes of the host can be seen."""
    own.run(PROGRAM, "install", "--user", account="robin")

    found = sandboxed(own, "/home/robin/.config/systemd/user/projector.service", user=True)

    state = "/home/robin/.local/state/codex-projector"
    # The first is an empty folder of its own, in memory.
    assert found["writes"] == ["/home/robin", "/tmp", "/var/tmp", state]
    assert CODEX in found["reads"]  # type: ignore[operator]
    assert found["homes"] == [".codex", ".config", ".local"]
    words = ("connects", "interfaces", "mounts", "namespaces", "code in memory", "priority")
    assert [found[word] for word in words] == [False] * len(words)
    assert (found["disks"], found["temporary"]) == ([], [])


def test_a_user_without_namespaces(own: Machine) -> None:
    """The manager would not start a unit that asks for one: so it is not asked."""
    drop_in(own, "user@.service", "[Service]\nRestrictNamespaces=yes\n")
    own.run("systemctl", "restart", f"user@{own.uid}")

    own.run(PROGRAM, "install", "--user", account="robin")

    unit = "/home/robin/.config/systemd/user/projector.service"
    assert "PrivateUsers" not in own.run("cat", unit)
    own.until(lambda: own.show("projector", "StatusText", account="robin") == FOLLOWING, FOLLOWING)
