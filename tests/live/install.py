"""The real Codex, of one pinned release, installed from npm into a cache folder of our own.

Where it cannot be had the reason is told (`Unavailable`), never swallowed: a test that is skipped
says why, and under CI it fails instead.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from projector.model.codex_release import NEWEST

#: The release that the projector's rules were read from.
PINNED: Final = NEWEST

_INSTALL_SECONDS: Final = 600
_BINARY: Final = "node_modules/@openai/codex-*/vendor/*/bin/codex"


class Unavailable(Exception):
    """The real Codex cannot be run here; the message says why, for a person to read."""


def cache() -> Path:
    """Folder in which releases are kept: `$XDG_CACHE_HOME/codex-projector`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "codex-projector"


def codex(version: str = PINNED) -> Path:
    """Give the native binary of this release; installs it first where it is not there yet.

    Raises:
        Unavailable: no npm, or npm failed.

    """
    folder = cache() / f"codex-{version}"
    found = _binary(folder)
    if found is not None:
        return found
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed, and the real Codex comes from there")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"codex-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        return _binary(folder) or _install(npm, version, folder)


def _install(npm: str, version: str, folder: Path) -> Path:
    """Install beside the place, prove it, then rename: a torn install is never taken for one."""
    with tempfile.TemporaryDirectory(prefix=f"codex-{version}-", dir=folder.parent) as made:
        target = Path(made) / "release"
        target.mkdir()
        command = [npm, "install", "--prefix", str(target), "--no-audit", "--no-fund",
                   "--no-package-lock", f"@openai/codex@{version}"]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"npm took more than {_INSTALL_SECONDS} s to install Codex") from None
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise Unavailable(f"npm could not install @openai/codex@{version}: {last[0]}")
        binary = _binary(target)
        if binary is None:
            raise Unavailable(f"@openai/codex@{version} holds no binary for this platform")
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
        if version not in said.stdout:
            raise Unavailable(f"the binary of {version} does not run: {said.stdout}{said.stderr}")
        shutil.rmtree(folder, ignore_errors=True)
        target.rename(folder)
    placed = _binary(folder)
    assert placed is not None
    return placed


def published() -> tuple[list[str], str]:
    """Ask npm which releases there are: all, and the latest.

    Raises:
        Unavailable: there is no npm, or it knows nothing.

    """
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed, and the real Codex comes from there")
    done = subprocess.run(
        [npm, "view", "@openai/codex", "versions", "dist-tags", "--json"],
        capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False,
    )  # fmt: skip
    try:
        told = json.loads(done.stdout)
        return list(told["versions"]), str(told["dist-tags"]["latest"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"npm told no releases of @openai/codex: {done.stderr[-300:]}") from error


def _binary(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob(_BINARY))), None)
