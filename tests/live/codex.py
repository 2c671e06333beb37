"""The real Codex, driven through its app-server: JSON-RPC over standard streams, a line each.

`Codex` is one process and what a user does with it. Everything is synchronous: a request returns
when it is answered, and `wait` returns when what was waited for has been told.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from tests.live.install import PINNED
from tests.live.model import Json

_SECONDS: Final = 60
_LEAVE_SECONDS: Final = 20
_PAGE: Final = 100

_CONFIG: Final = """\
model = "played"
model_provider = "played"
model_instructions_file = {instructions}
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
web_search = "live"
model_context_window = 300000
experimental_realtime_ws_base_url = "http://127.0.0.1:{voice}"
include_permissions_instructions = false
include_apps_instructions = false

[analytics]
enabled = false

[skills]
include_instructions = false

[skills.bundled]
enabled = false

[features]
apps = false
plugins = false
shell_snapshot = false
{features}
[model_providers.played]
name = "Played"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
experimental_bearer_token = "played"
request_max_retries = 0
stream_max_retries = 0

[projects.{workspace}]
trust_level = "trusted"

[mcp_servers.probe]
command = {python}
args = [{mcp}]
"""


class Refused(Exception):
    """Codex answered a request with an error."""


class Silent(Exception):
    """What was waited for did not come: Codex hangs, or the harness waits for the wrong thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a session lives: Codex's home, the folder it works in, and who plays the model."""

    binary: Path
    home: Path
    workspace: Path
    port: int
    """Of the model, on loopback."""
    python: str
    mcp: Path
    """The script of the MCP server that Codex may call."""
    features: Mapping[str, bool] = field(default_factory=dict)
    voice: int = 9
    """Port of the server of voice sessions; by default nobody listens."""
    release: str = PINNED
    """Of the binary."""

    def write(self, **more: bool) -> None:
        """Write Codex's configuration, with these features besides the session's."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.workspace.mkdir(parents=True, exist_ok=True)
        instructions = self.home / "instructions.md"
        instructions.write_text("You act in a play.\n")
        features = {**self.features, **more}
        config = _CONFIG.format(
            instructions=json.dumps(str(instructions)),
            port=self.port,
            voice=self.voice,
            workspace=json.dumps(str(self.workspace)),
            features="".join(f"{name} = {json.dumps(on)}\n" for name, on in features.items()),
            python=json.dumps(self.python),
            mcp=json.dumps(str(self.mcp)),
        )
        (self.home / "config.toml").write_text(config)

    def environment(self) -> dict[str, str]:
        """Give the environment of a Codex process: nothing of the person who runs the tests.

        Codex runs commands in a login shell, and kills some: with a home of its own none of them
        runs (or tears) what that person's profile does.
        """
        return {
            "CODEX_HOME": str(self.home),
            "HOME": str(self.workspace),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "RUST_LOG": "error",
        }

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Codex to its end; its exit code is for the caller to judge."""
        return subprocess.run(
            [self.binary, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment(),
            cwd=self.workspace,
            timeout=_SECONDS,
            check=False,
        )

    def rollouts(self) -> list[Path]:
        """Give every rollout there is now."""
        return sorted(self.home.glob("*sessions/**/rollout-*.jsonl*"))


class Codex:
    """One `codex app-server`, from its start to its end."""

    def __init__(self, home: Home) -> None:
        self._told = threading.Condition()
        self._answers: dict[int, Json] = {}
        self._notes: list[Json] = []
        self._asked = 0
        self._over = False
        self._log: IO[bytes] = (home.home / "stderr.log").open("ab")
        self._process = subprocess.Popen(
            [home.binary, "app-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=home.environment(),
            cwd=home.workspace,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.call(
            "initialize",
            clientInfo={"name": "codex-projector-tests", "title": "tests", "version": "1"},
            capabilities={"experimentalApi": True},
        )
        self._send({"method": "initialized"})

    def close(self) -> None:
        """Leave as a user does: close the standard input and wait."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Silent("codex app-server did not leave when its input was closed") from None
        self._end()

    def kill(self) -> None:
        """SIGKILL, as a crash or the kernel would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._end()

    def _end(self) -> None:
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    # --- the protocol ---

    def _send(self, frame: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(frame).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            frame: Json = json.loads(line)
            if "method" in frame and "id" in frame:
                self._send({"id": frame["id"], "result": _answer(frame["method"], frame["params"])})
                continue
            with self._told:
                if "id" in frame:
                    self._answers[frame["id"]] = frame
                else:
                    self._notes.append(frame)
                self._told.notify_all()
        with self._told:
            self._over = True
            self._told.notify_all()

    def call(self, method: str, /, **params: Any) -> Json:
        """Make one request; `None` parameters are left out.

        Raises:
            Refused: Codex answered with an error.
            Silent: Codex did not answer.

        """
        self._asked += 1
        number = self._asked
        given = {name: value for name, value in params.items() if value is not None}
        self._send({"id": number, "method": method, "params": given})
        with self._told:
            self._told.wait_for(lambda: number in self._answers or self._over, _SECONDS)
            frame = self._answers.pop(number, None)
        if frame is None:
            raise Silent(f"no answer to {method}")
        if "error" in frame:
            raise Refused(f"{method}: {frame['error'].get('message')}")
        result: Json = frame["result"]
        return result

    def mark(self) -> int:
        """Give the place behind the last notification: `wait` looks from there on."""
        with self._told:
            return len(self._notes)

    def wait(
        self, method: str, wanted: Callable[[Json], bool], *, since: int = 0,
        seconds: float = _SECONDS,
    ) -> Json:  # fmt: skip
        """Wait for a notification of this method whose parameters are the wanted ones."""
        deadline = time.monotonic() + seconds
        at = since
        with self._told:
            while True:
                while at < len(self._notes):
                    note = self._notes[at]
                    at += 1
                    if note["method"] == method and wanted(note["params"]):
                        params: Json = note["params"]
                        return params
                left = deadline - time.monotonic()
                if left <= 0 or self._over:
                    raise Silent(f"{method} did not come")
                self._told.wait(left)

    def notes(self, method: str, since: int) -> list[Json]:
        """Give the parameters of the notifications of this method that came so far."""
        with self._told:
            return [note["params"] for note in self._notes[since:] if note["method"] == method]

    # --- what a user does ---

    def start(self, mode: str, cwd: Path, **params: Any) -> str:
        """Start a thread; its id."""
        made = self.call("thread/start", historyMode=mode, cwd=str(cwd), **params)
        return str(made["thread"]["id"])

    def begin(self, thread: str, text: str, *, more: Sequence[Json] = (), **params: Any) -> str:
        """Start a turn and do not wait for its end; its id."""
        said = [{"type": "text", "text": text}, *more]
        made = self.call("turn/start", threadId=thread, input=said, **params)
        return str(made["turn"]["id"])

    def ended(self, thread: str, turn: str | None = None, *, since: int = 0) -> Json:
        """Wait for the end of this turn, or of any; the turn as Codex tells it."""
        told = self.wait(
            "turn/completed",
            lambda note: note["threadId"] == thread and turn in (None, note["turn"]["id"]),
            since=since,
        )
        done: Json = told["turn"]
        return done

    def turn(self, thread: str, text: str, **params: Any) -> Json:
        """Take a whole turn."""
        since = self.mark()
        return self.ended(thread, self.begin(thread, text, **params), since=since)

    def items(self, thread: str) -> list[Json]:
        """Give the visible history as `thread/items/list` pages it, oldest first."""
        return self._pages("thread/items/list", threadId=thread)

    def turns(self, thread: str) -> list[Json]:
        """Give the turns with their items as `thread/turns/list` pages them, oldest first."""
        return self._pages("thread/turns/list", threadId=thread, itemsView="full")

    def _pages(self, method: str, /, **params: Any) -> list[Json]:
        shown: list[Json] = []
        cursor: str | None = None
        while True:
            asked = {"limit": _PAGE, "sortDirection": "asc", "cursor": cursor} | params
            page = self.call(method, **asked)
            shown += page["data"]
            cursor = page.get("nextCursor")
            if not cursor:
                return shown


def _answer(method: str, params: Json) -> Json:
    """Answer what Codex asks its user: yes to everything, and something to each question."""
    if method == "item/tool/call":
        text = json.dumps(params.get("arguments"))
        failed = "fail" in text
        return {"success": not failed, "contentItems": [{"type": "inputText", "text": text}]}
    if method == "item/tool/requestUserInput":
        asked = params.get("questions", [])
        return {"answers": {question["id"]: {"answers": ["yes"]} for question in asked}}
    return {"decision": "accept"}
