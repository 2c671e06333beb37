"""Records of legacy rollouts, as short to write as can be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]

PATCH = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch"


def event(kind: str, /, **fields: Any) -> Record:
    return {"type": "event_msg", "payload": {"type": kind, **fields}}


def item(kind: str, /, **fields: Any) -> Record:
    return {"type": "response_item", "payload": {"type": kind, **fields}}


def message(text: str, **fields: Any) -> Record:
    content = [{"type": "input_text", "text": text}]
    return item("message", role="user", content=content, **fields)


def call(call_id: str, command: tuple[str, Any]) -> Record:
    name, arguments = command
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return item("function_call", name=name, arguments=text, call_id=call_id)


def script(call_id: str, *commands: str) -> Record:
    """A script of code mode that runs commands."""
    text = "".join(f"text(await tools.exec_command({{cmd: '{one}'}}));" for one in commands)
    return item("custom_tool_call", name="exec", input=text, call_id=call_id)


def printed(call_id: str, *texts: str) -> Record:
    """What a script of code mode printed."""
    first = "Script completed\nWall time 0.4 seconds\nOutput:\n"
    told = [{"type": "input_text", "text": text} for text in (first, *texts)]
    return item("custom_tool_call_output", call_id=call_id, output=told)


def ran(call_id: str, turn: str, source: str) -> Record:
    return event(
        "exec_command_end",
        call_id=call_id,
        turn_id=turn,
        command=["ls"],
        cwd="/w",
        parsed_cmd=[],
        stdout="",
        stderr="",
        exit_code=0,
        duration={"secs": 1, "nanos": 0},
        status="completed",
        source=source,
    )


def tokens(total: int) -> Record:
    usage = {"input_tokens": total, "total_tokens": total}
    return event("token_count", info={"total_token_usage": usage, "last_token_usage": usage})


def lines_from(records: Sequence[Record | bytes]) -> bytes:
    out: list[bytes] = []
    for at, record in enumerate(records):
        if isinstance(record, bytes):
            out.append(record)
            continue
        timed = record
        if "payload" in record:
            timed = {"timestamp": f"2026-03-01T10:{at // 60:02}:{at % 60:02}.250Z", **record}
        out.append(json.dumps(timed, separators=(",", ":")).encode())
    return b"".join(line + b"\n" for line in out)


def header(**fields: Any) -> Record:
    known = {
        "id": "01a30000-0000-7000-8000-00000000f001",
        "timestamp": "2026-03-01T09:00:00.000Z",
        "cwd": "/w",
        "originator": "lab",
        "cli_version": "0.104.0",
    }
    return {"type": "session_meta", "payload": known | fields}


def output(call_id: str, told: Any) -> Record:
    return item("function_call_output", call_id=call_id, output=told)


def started(turn_id: str, **fields: Any) -> Record:
    return event("task_started", turn_id=turn_id, **fields)


def completed(turn_id: str, **fields: Any) -> Record:
    return event("task_complete", turn_id=turn_id, **fields)


def said(text: str, **fields: Any) -> list[Record]:
    """What the user says: for the model, and as an event."""
    return [message(text), event("user_message", message=text, **fields)]


def answer(text: str, phase: str | None = None) -> Record:
    return event("agent_message", message=text, phase=phase)


def rolled_back(count: int) -> Record:
    return event("thread_rolled_back", num_turns=count)
