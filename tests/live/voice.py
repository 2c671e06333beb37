"""The other end of a voice session: a server of realtime conversations that says what it is told.

Codex connects to it by websocket (`experimental_realtime_ws_base_url`). No audio passes: what a
user and the voice model say comes as transcripts, and what Codex is to do as a handoff.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Sequence
from typing import Final, Literal

from aiohttp import WSCloseCode, web

from tests.live.model import Json

Protocol = Literal["v1", "v2"]
Said = tuple[Literal["user", "assistant", "handoff", "lost"], str]
"""Who says what. `handoff`: what Codex is to do. `lost`: the connection goes, without a word."""

_OPEN: Final[Json] = {"type": "session.updated", "session": {"id": "voice", "instructions": ""}}
_CLOSE: Final = "close"


def _frames(protocol: Protocol, said: Said, number: int) -> Sequence[Json]:
    """Write what is said as the server's events."""
    who, text = said
    if who == "handoff":
        if protocol == "v1":
            handoff = {"handoff_id": f"h{number}", "item_id": f"i{number}"}
            return [{"type": "conversation.handoff.requested", "input_transcript": text, **handoff}]
        call = {"type": "function_call", "id": f"i{number}", "call_id": f"h{number}"}
        arguments = json.dumps({"prompt": text})
        asked = call | {"name": "background_agent", "arguments": arguments}
        return [{"type": "conversation.item.done", "item": asked}]
    side = "input" if who == "user" else "output"
    if protocol == "v1":
        return [{"type": f"conversation.{side}_transcript.delta", "delta": text}]
    part = {"item_id": f"{who}{number}"}
    if who == "user":
        kind, more = "conversation.item.input_audio_transcription", "completed"
    else:
        kind, more = "response.output_audio_transcript", "done"
    return [
        {"type": f"{kind}.delta", "delta": text, **part},
        {"type": f"{kind}.{more}", "transcript": text, **part},
    ]


class Voice:
    """The server. Serves until closed; one session at a time is spoken to."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[tuple[Protocol, Said]] | None = None
        self._loop = asyncio.new_event_loop()
        started: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        self.port = started.get()
        """On 127.0.0.1."""

    def say(self, protocol: Protocol, *said: Said) -> None:
        """Say this in the session that is open, or the next."""
        for each in said:
            self._loop.call_soon_threadsafe(self._put, protocol, each)

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _put(self, protocol: Protocol, said: Said) -> None:
        assert self._said is not None
        self._said.put_nowait((protocol, said))

    def _serve(self, started: queue.SimpleQueue[int]) -> None:
        asyncio.set_event_loop(self._loop)
        self._said = asyncio.Queue()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._session)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        started.put(runner.addresses[0][1])
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _session(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(_OPEN)
        self._said = asyncio.Queue()  # what was left of a session before is not said
        speaker = asyncio.ensure_future(self._speak(socket))
        async for _ in socket:
            pass
        speaker.cancel()
        return socket

    async def _speak(self, socket: web.WebSocketResponse) -> None:
        assert self._said is not None
        number = 0
        while True:
            protocol, said = await self._said.get()
            number += 1
            if said[0] == "lost":
                await socket.close(code=WSCloseCode.INTERNAL_ERROR)
                return
            for frame in _frames(protocol, said, number):
                await socket.send_json(frame)
