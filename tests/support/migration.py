"""A legacy rollout rewritten as Codex's migration does it, as far as tests need it.

What events tell becomes items (`item-1`, ... for those without an id of their own), a turn that
no record opens gets a record (`rollout-N`) and an end, every record an ordinal. What the model
was sent and said stays as it is. Events of extended histories that Codex shows no more are left
out. Of an agent's rollout all is put below the ordinal from which Codex shows anything, and a
parent's header is left out. Rollbacks are none of this.
"""

from __future__ import annotations

from typing import Any

import orjson

from projector.decode.times import to_ms

Json = dict[str, Any]

#: Events of calls: what they become, and the fields that stay as they are.
_CALLED = {
    "patch_apply_end": ("FileChange", ("changes", "status", "stdout", "stderr")),
    "web_search_end": ("WebSearch", ("query", "action")),
    "mcp_tool_call_end": ("McpToolCall", ("duration",)),
    "exec_command_end": (
        "CommandExecution",
        ("command", "parsed_cmd", "source", "stdout", "stderr", "exit_code", "duration", "status"),
    ),
}
#: Events that it drops.
_DROPPED = frozenset({
    "view_image_tool_call", "collab_agent_spawn_end", "collab_agent_interaction_end",
    "collab_waiting_end", "collab_close_end", "collab_resume_end", "error", "thread_name_updated",
})  # fmt: skip


def migrated(data: bytes) -> bytes:
    """Rewrite a rollout."""
    return _Migration().rewrite(data)


class _Migration:
    def __init__(self) -> None:
        self._out: list[bytes] = []
        self._items = 0
        self._thread = ""
        self._active: str | None = None
        self._implicit = False
        self._thought: Json | None = None
        """The reasoning item that further texts join."""

    def rewrite(self, data: bytes) -> bytes:
        for line in data.splitlines():
            record = orjson.loads(line)
            payload = record["payload"]
            if record["type"] == "session_meta":
                if not self._out:
                    self._thread = payload["id"]
                    self._add(record, payload | {"history_mode": "paginated"})
            elif record["type"] == "event_msg":
                if payload["type"] not in _DROPPED:
                    self._event(record, payload)
            else:
                self._add(record, payload)
        if self._implicit:
            self._end(orjson.loads(self._out[-1]))
        first = orjson.loads(self._out[0])
        if "subagent" in (first["payload"].get("source") or ()):
            first["payload"]["subagent_history_start_ordinal"] = len(self._out)
            self._out[0] = orjson.dumps(first)
        return b"".join(line + b"\n" for line in self._out)

    def _add(self, record: Json, payload: Json) -> None:
        head = {"timestamp": record["timestamp"], "ordinal": len(self._out)}
        rest = {key: value for key, value in record.items() if key not in ("timestamp", "payload")}
        self._out.append(orjson.dumps(head | rest | {"payload": payload}))

    def _event(self, record: Json, payload: Json) -> None:
        kind = payload["type"]
        if kind == "task_started":
            if self._implicit:
                self._end(record)
            self._active = payload["turn_id"]
        elif kind == "task_complete":
            self._active = None
        elif kind == "user_message" and self._implicit:
            self._end(record)
        item = self._item(payload)
        if item is None:
            self._add(record, payload)
            return
        if self._active is None:
            self._active, self._implicit = f"rollout-{len(self._out)}", True
            self._add_event(record, "task_started", turn_id=self._active)
        self._thought = item if item["type"] == "Reasoning" else None
        self._add_event(
            record,
            "item_completed",
            thread_id=self._thread,
            turn_id=self._active,
            item=item,
            completed_at_ms=to_ms(record["timestamp"]),
        )

    def _add_event(self, record: Json, kind: str, **fields: Any) -> None:
        self._add(record | {"type": "event_msg"}, {"type": kind} | fields)

    def _end(self, record: Json) -> None:
        self._add_event(record, "task_complete", turn_id=self._active)
        self._active, self._implicit, self._thought = None, False, None

    def _made_id(self) -> str:
        self._items += 1
        return f"item-{self._items}"

    def _item(self, payload: Json) -> Json | None:
        """Give the item that an event tells of; None: it tells of none."""
        match payload["type"]:
            case "user_message":
                content = [{"type": "text", "text": payload["message"], "text_elements": []}]
                item: Json = {"type": "UserMessage", "id": self._made_id(), "content": content}
            case "agent_message":
                content = [{"type": "Text", "text": payload["message"]}]
                item = {"type": "AgentMessage", "id": self._made_id(), "content": content}
                if payload.get("phase"):
                    item["phase"] = payload["phase"]
            case "agent_reasoning":
                begun = self._thought or {"type": "Reasoning", "id": self._made_id()}
                texts = [*begun.get("summary_text", ()), payload["text"]]
                item = begun | {"summary_text": texts, "raw_content": []}
            case kind if kind in _CALLED:
                name, fields = _CALLED[kind]
                kept = {field: payload[field] for field in fields if field in payload}
                item = {"type": name, "id": payload["call_id"]} | kept
                if name == "CommandExecution":
                    item["cwd"] = f"file://{payload['cwd']}"
                elif name == "McpToolCall":
                    item |= payload["invocation"]
                    item |= {"status": "completed", "result": payload["result"]["Ok"]}
            case _:
                return None
        return item
