"""A stand-in for the model, on loopback: it answers as the play says that the user's words name.

A cue is a word of the form `[play NAME NUMBER]` somewhere in a user's message. The newest message
with a cue decides, and the k-th request for that cue is answered by the k-th step of the play (the
last step, where there are no more). Numbers are used once in a session, so each cue counts for
itself, whatever forks, reviews or agents repeat the messages before it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Json = dict[str, Any]

#: How long a held stream may wait before the model gives up on its director, seconds.
HOLD_SECONDS: Final = 90

_CUE: Final = re.compile(r"\[play ([a-z0-9-]+) (\d+)\]")
#: Carries on with the play of the message before: what a user says while the model is at work.
ASIDE: Final = "aside"


@dataclass(frozen=True, slots=True)
class Hold:
    """The stream stays open, silent, until the director lets this cue go or hangs up."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The response ends as failed, with a code of the Responses API."""

    code: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends in mid-response."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request is refused with this HTTP status before anything is said. Alone in its step."""

    status: int


Part = Json | Hold | Fail | Cut | Refuse
Step = Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """What a play is told: its number, and what came back from the tools it called."""

    name: str
    number: int
    outputs: Sequence[str] = ()
    """Texts of the tool outputs since the cue, oldest first."""

    @property
    def words(self) -> str:
        """Give the cue as it stands in a message."""
        return f"[play {self.name} {self.number}]"


Play = Callable[[Cue], Sequence[Step]]


class Model:
    """The server. Serves until closed; any number of Codex processes may use it."""

    def __init__(self, plays: Mapping[str, Play]) -> None:
        self._plays = plays
        self._lock = threading.Lock()
        self._asked: Counter[int] = Counter()
        self._holding: dict[int, threading.Event] = {}
        self._released: dict[int, threading.Event] = {}
        self._ids = itertools.count(1)
        self.cost: dict[str, tuple[int, int, int, int, int]] = {}
        """By response, what it was said to cost: input, cached input, output, reasoning, total."""
        self.faults: list[str] = []
        """What the director did wrong: cues without play."""
        model = self

        class Handler(_Handler):
            """Binds requests to this model."""

            owner = model

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Give the port on 127.0.0.1."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving; held streams are let go."""
        with self._lock:
            for released in self._released.values():
                released.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_held(self, number: int, seconds: float = 60) -> bool:
        """Wait until the stream of this cue is held; false: it never was."""
        return self._event(self._holding, number).wait(seconds)

    def release(self, number: int) -> None:
        """Let the held streams of this cue go on, now and later."""
        self._event(self._released, number).set()

    def _event(self, events: dict[int, threading.Event], number: int) -> threading.Event:
        with self._lock:
            return events.setdefault(number, threading.Event())

    def fresh(self, prefix: str) -> str:
        """Give an id that no other thing has."""
        with self._lock:
            return f"{prefix}_{next(self._ids):08d}"

    def step(self, request: Json) -> tuple[int, Step]:
        """Choose what this request is answered with: the number of its cue, and the step."""
        cue = _cue(request.get("input", []))
        if cue is None:
            return 0, [message("Nothing asked, nothing done.")]
        play = self._plays.get(cue.name)
        if play is None:
            self.faults.append(f"no play is called {cue.name}")
            return cue.number, [message("?")]
        with self._lock:
            asked = self._asked[cue.number]
            self._asked[cue.number] += 1
        steps = play(cue)
        return cue.number, steps[min(asked, len(steps) - 1)]

    def hold(self, number: int) -> None:
        """Keep the caller until the director says go."""
        self._event(self._holding, number).set()
        self._event(self._released, number).wait(HOLD_SECONDS)


def message(text: str, phase: str | None = None) -> Json:
    """Make what the model says."""
    said: Json = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }
    return said | {"phase": phase} if phase else said


def call(name: str, /, *, namespace: str | None = None, **arguments: Any) -> Json:
    """Make a function call."""
    called: Json = {"type": "function_call", "name": name, "arguments": json.dumps(arguments)}
    return called | {"namespace": namespace} if namespace else called


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


def _cue(items: Sequence[Json]) -> Cue | None:
    """Find the newest cue of the request; a later message without one is a question of Codex."""
    found: tuple[str, int] | None = None
    outputs: list[str] = []
    for item in items:
        kind = item.get("type", "")
        if kind.endswith("_output"):
            outputs.append("".join(_texts(item.get("output"))))
            continue
        if kind not in ("message", "agent_message") or item.get("role") not in ("user", None):
            continue
        cues = _CUE.findall("\n".join(_texts(item.get("content"))))
        if cues and cues[-1][0] != ASIDE:
            found = cues[-1][0], int(cues[-1][1])
            outputs = []
    if found is None:
        return None
    return Cue(name=found[0], number=found[1], outputs=tuple(outputs))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Model

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Keep quiet: what was asked can be read in the rollouts."""

    def do_GET(self) -> None:
        """Answer what is asked besides responses (lists of models): there is nothing."""
        self._document(200, {"object": "list", "data": [], "models": []})

    def do_POST(self) -> None:
        """Answer a request for a response as a stream of events."""
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if not self.path.endswith("/responses"):
            self._document(200, {"output": []})
            return
        number, step = self.owner.step(json.loads(body))
        if step and isinstance(step[0], Refuse):
            status = step[0].status
            self._document(status, {"error": {"message": "as the play says", "code": "refused"}})
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        # Interrupted, Codex hangs up, as it should.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._respond(number, step, len(body))

    def _document(self, status: int, document: Json) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _event(self, kind: str, /, **fields: Any) -> None:
        data = json.dumps({"type": kind, **fields})
        self.wfile.write(f"event: {kind}\ndata: {data}\n\n".encode())
        self.wfile.flush()

    def _respond(self, number: int, step: Step, size: int) -> None:
        response: Json = {"id": self.owner.fresh("resp")}
        self._event("response.created", response=response)
        for index, part in enumerate(step):
            match part:
                case Hold():
                    self.owner.hold(number)
                case Fail(code=code):
                    error = {"code": code, "message": f"the play says {code}"}
                    self._event("response.failed", response=response | {"error": error})
                    return
                case Cut():
                    return
                case Refuse():
                    raise AssertionError("a refusal stands alone in its step")
                case dict():
                    self._item(part, index)
        # The numbers only have to differ from response to response, as real ones do.
        asked, cached, said, thought = 100 + size // 4, size // 8, 20 + number % 7, number % 3
        usage = {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": asked + said,
        }
        self.owner.cost[response["id"]] = (asked, cached, said, thought, asked + said)
        self._event("response.completed", response=response | {"usage": usage})

    def _item(self, item: Json, index: int) -> None:
        kind = item["type"]
        whole = {"id": self.owner.fresh(kind[:3]), **item}
        if kind.endswith("_call") and kind not in ("web_search_call", "image_generation_call"):
            whole.setdefault("call_id", self.owner.fresh("call"))
        begun = whole | {"content": []} if kind == "message" else whole
        self._event("response.output_item.added", item=begun, output_index=index)
        if kind == "message":
            for number, part in enumerate(whole["content"]):
                self._event(
                    "response.output_text.delta", delta=part["text"], item_id=whole["id"],
                    output_index=index, content_index=number,
                )  # fmt: skip
        self._event("response.output_item.done", item=whole, output_index=index)
