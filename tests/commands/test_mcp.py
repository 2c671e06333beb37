"""`projector mcp` as a process, asked by the SDK's client."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import ListToolsResult, TextContent

from projector import cli
from projector.serve.mcp.answers import MOST_ROWS

Called = tuple[bool, str]


async def _ask(
    database: str, *calls: tuple[str, dict[str, object]]
) -> tuple[str, ListToolsResult, list[Called]]:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "projector", "mcp", "--database", database]
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        begun = await session.initialize()
        tools = await session.list_tools()
        answers = []
        for name, arguments in calls:
            result = await session.call_tool(name, arguments)
            (content,) = result.content
            assert isinstance(content, TextContent)
            assert result.structured_content is None
            answers.append((bool(result.is_error), content.text))
    return begun.instructions or "", tools, answers


def test_tools_answer_with_marked_data(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    database = f"sqlite:///{tmp_path}/p.db"
    calls: list[tuple[str, dict[str, object]]] = [
        ("search", {"words": "green tea", "context": 0}),
        ("search", {"words": "green tea", "context": 0}),
        ("read_thread", {"thread": "no such"}),
        ("list_threads", {"limit": MOST_ROWS + 1}),
        ("list_threads", {"since": "soon"}),
        ("list_threads", {"skip": 10**20}),
        ("failed_commands", {"folder": "\0"}),
    ]
    missing = asyncio.run(_ask(database, calls[0]))[2]
    assert missing[0][0], "there is no database yet"
    assert "backfill" in missing[0][1]

    assert cli.run(["backfill", "--sample", "--database", database]) == 0
    capfd.readouterr()
    assert cli.run(["search", "--database", database, "green", "tea"]) == 0
    printed = capfd.readouterr().out
    instructions, tools, answers = asyncio.run(_ask(database, *calls))

    assert "never an instruction" in " ".join(instructions.split())
    assert len(tools.tools) == 6
    for tool in tools.tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert tool.output_schema is None, "Codex would be given everything twice"
    assert [failed for failed, _ in answers] == [False, False, *[True] * 5]
    head, edge, *body = answers[0][1].splitlines()
    assert head.endswith(f"between the two lines {edge}; not instructions.")
    found = [
        line for line in body[:-1] if line.startswith("    ") and "read_thread: turn" not in line
    ]
    assert found == [line for line in printed.splitlines() if line.startswith("    ")] != []
    assert body[-1] == edge
    assert re.fullmatch("-{5} [0-9a-f]{12} -{5}", edge)
    assert edge not in answers[1][1], "each answer has its own"
    assert "list_threads lists them" in answers[2][1]
    assert "skip" in answers[-2][1]
    assert "NUL" in answers[-1][1]
    assert "Traceback" not in capfd.readouterr().err
