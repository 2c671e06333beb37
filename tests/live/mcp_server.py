"""An MCP server of two tools on standard streams: one answers, one complains.

Run by Codex, not by the tests: it imports nothing of the project, so that it starts at once.
"""

from __future__ import annotations

import json
import sys
from typing import Any

_TOOLS = [
    {
        "name": name,
        "description": said,
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        "annotations": {"readOnlyHint": name == "echo"},
    }
    for name, said in (("echo", "Says it again."), ("complain", "Fails."))
]


def _result(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "probe", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": _TOOLS}
    if method == "tools/call":
        text = str(params.get("arguments", {}).get("text", ""))
        complains = params.get("name") == "complain"
        return {
            "content": [{"type": "text", "text": text}],
            "structuredContent": {"length": len(text), "share": 0.5},
            "isError": complains,
        }
    return {} if method == "ping" else None


def main() -> None:
    """Answer requests, a line each, until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked or "method" not in asked:
            continue
        result = _result(asked["method"], asked.get("params") or {})
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
        if result is None:
            answer["error"] = {"code": -32601, "message": f"no {asked['method']} here"}
        else:
            answer["result"] = result
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
