"""Makes the sample home that comes with the program, in words of our own.

    python tests/sample/make.py [FOLDER]

Writes to projector/sample, or to FOLDER. The same bytes every time: times and ids are counted,
not taken. The conversations are made up; their form is that of Codex 0.169.0.

What is in it: a thread with commands, file changes, a web search, a call of an MCP server and a
turn that failed; its revert to before that turn; a fork of it; a sub-agent that the fork sent out;
and, archived, a legacy thread.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

SHIPPED = Path(__file__).parents[2] / "projector" / "sample"
CWD = "/home/robin/teapot"
MODEL = "gpt-5-codex"

Json = dict[str, Any]


class Cut(NamedTuple):
    """A place in a rollout where another one goes on."""

    ordinal: int
    offset: int


class Clock:
    """Time that only moves when told to, and ids that follow from it."""

    def __init__(self, start: str) -> None:
        self.now = datetime.fromisoformat(start).replace(tzinfo=UTC)
        self._ids = 0
        self.spent = 0
        """Tokens of all threads."""

    def tick(self, seconds: float = 0.25) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    @property
    def stamp(self) -> str:
        return self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def uuid(self) -> str:
        """Give a UUIDv7 of this moment; where Codex has chance, a counter."""
        self._ids += 1
        head = f"{self.ms:012x}"
        return f"{head[:8]}-{head[8:]}-7000-8000-{self._ids:012x}"


class Rollout:
    """One file, record by record."""

    def __init__(
        self, clock: Clock, *, thread: str, file: str = "", ordinal: int | None = 0
    ) -> None:
        self.clock = clock
        self.thread = thread
        self.file = file or thread
        self.ordinal = ordinal
        self.name = (
            f"rollout-{clock.now:%Y-%m-%dT%H-%M-%S}-{thread}{'_' + file if file else ''}.jsonl"
        )
        self.folder = f"sessions/{clock.now:%Y/%m/%d}"
        self.data = b""
        self.total = 0
        self.turn = ""
        self._began = clock.now

    def write(self, type_: str, payload: Json) -> None:
        """Append a record: its line, and with ordinals the next number."""
        numbered = {} if self.ordinal is None else {"ordinal": self.ordinal}
        record = {"timestamp": self.clock.stamp, **numbered, "type": type_, "payload": payload}
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        self.data += line.encode() + b"\n"
        if self.ordinal is not None:
            self.ordinal += 1
        self.clock.tick()

    def event(self, type_: str, **fields: Any) -> None:
        self.write("event_msg", {"type": type_, **fields})

    @property
    def end(self) -> Cut:
        assert self.ordinal is not None
        return Cut(self.ordinal, len(self.data))

    def meta(self, base: tuple[str, Cut] | None = None, **more: Any) -> None:
        """Write the first record; `base`: file and place that this one goes on from."""
        history: Json = {}
        if base is not None:
            file, cut = base
            history["history_base"] = {
                "thread_id": file,
                "end_ordinal_exclusive": cut.ordinal,
                "end_byte_offset": cut.offset,
            }
        self.write(
            "session_meta",
            {
                "session_id": self.thread,
                "id": self.thread,
                "timestamp": self.clock.stamp,
                "cwd": CWD,
                "originator": "codex_cli_rs",
                "cli_version": "0.169.0",
                "source": "cli",
                "thread_source": "user",
                "model_provider": "openai",
                "history_mode": "paginated",
                **history,
                "git": {"commit_hash": "5f" * 20, "branch": "main"},
                **more,
            },
        )

    def start(self, text: str) -> None:
        """Begin a turn with what the user says."""
        self.turn = self.clock.uuid()
        self._began = self.clock.now
        self.event(
            "task_started",
            turn_id=self.turn,
            root_turn_id=self.turn,
            started_at=self.clock.ms // 1000,
            model_context_window=272000,
            collaboration_mode_kind="default",
        )
        self.write(
            "turn_context",
            {
                "turn_id": self.turn,
                "cwd": CWD,
                "approval_policy": "on-request",
                "sandbox_policy": {"type": "workspace-write"},
                "model": MODEL,
                "effort": "medium",
                "summary": "auto",
            },
        )
        self.item("UserMessage", content=[{"type": "text", "text": text, "text_elements": []}])

    def item(self, type_: str, took: float = 0.0, **fields: Any) -> None:
        """Write an item that took so many seconds."""
        started = self.clock.ms
        self.clock.tick(took)
        self.event(
            "item_completed",
            thread_id=self.thread,
            turn_id=self.turn,
            item={"type": type_, "id": f"item-{self.clock.uuid()[-4:]}", **fields},
            started_at_ms=started,
            completed_at_ms=self.clock.ms,
        )

    def command(self, line: str, output: str, *, took: float = 0.5, code: int = 0) -> None:
        self.item(
            "CommandExecution",
            took,
            command=["bash", "-lc", line],
            cwd=f"file://{CWD}",
            source="agent",
            parsed_cmd=[{"type": "unknown", "cmd": line}],
            status="failed" if code else "completed",
            aggregated_output=output,
            exit_code=code,
            duration={"secs": int(took), "nanos": int(took % 1 * 1e9)},
        )

    def say(self, text: str, phase: str = "final_answer") -> None:
        self.item("AgentMessage", 1.5, content=[{"type": "Text", "text": text}], phase=phase)

    def cost(self, tokens: int) -> None:
        """Write what a response of the model cost."""
        self.total += tokens
        self.clock.spent += tokens
        self.write(
            "token_usage_record",
            {
                "thread_id": self.thread,
                "turn_id": self.turn,
                "session_id": self.thread,
                "root_turn_id": self.turn,
                "response_id": f"resp_{self.clock.uuid()[-4:]}",
                "usage": usage(tokens),
                "turn_token_usage": usage(tokens),
                "thread_token_usage": usage(self.total),
            },
        )
        self.event(
            "token_count",
            info={
                "total_token_usage": usage(self.total),
                "last_token_usage": usage(tokens),
                "model_context_window": 272000,
            },
            rate_limits=self._limits(),
        )

    def _limits(self) -> Json:
        """Give windows of five hours and of a week, which fill with what was spent."""
        began = int(datetime(2026, 1, 5, 8, 0, tzinfo=UTC).timestamp())
        used = self.clock.spent / 1000
        return {
            "limit_id": "codex",
            "primary": {
                "used_percent": round(used, 1),
                "window_minutes": 300,
                "resets_at": began + 18_000,
            },
            "secondary": {
                "used_percent": round(used / 8, 1),
                "window_minutes": 10_080,
                "resets_at": began + 604_800,
            },
            "credits": None,
            "plan_type": "plus",
        }

    def finish(self, **more: Any) -> None:
        """End the turn; `error`: it failed."""
        took = self.clock.now - self._began
        self.event(
            "task_complete",
            turn_id=self.turn,
            root_turn_id=self.turn,
            last_agent_message=None,
            started_at=int(self._began.timestamp()),
            completed_at=self.clock.ms // 1000,
            duration_ms=int(took.total_seconds() * 1000),
            **more,
        )
        self.clock.tick(30)


def usage(tokens: int) -> Json:
    """Split a total: nine tenths read, of them half from the cache, one tenth written."""
    written = tokens // 10
    return {
        "input_tokens": tokens - written,
        "cached_input_tokens": (tokens - written) // 2,
        "output_tokens": written,
        "reasoning_output_tokens": written // 4,
        "total_tokens": tokens,
    }


def teapot(clock: Clock) -> tuple[Rollout, Cut]:
    """Make the first thread; with the place before the turn that failed."""
    made = Rollout(clock, thread=clock.uuid())
    made.meta()
    made.start("The kettle test takes nine seconds. Why?")
    made.item(
        "Reasoning", 2.0, summary_text=["**Looking for what the test waits for**"], raw_content=[]
    )
    made.say("I look at the test and time it.", "commentary")
    made.command(
        "pytest --durations=3 tests/test_kettle.py",
        "9.02s call  test_boils\n1 passed in 9.11s\n",
        took=9.6,
    )
    made.command(
        "cat teapot/kettle.py", "def boil(water):\n    time.sleep(9)\n    return hot(water)\n"
    )
    made.cost(6200)
    made.item(
        "FileChange",
        0.3,
        changes={
            f"{CWD}/teapot/kettle.py": {
                "type": "update",
                "unified_diff": (
                    "@@ -1,3 +1,2 @@\n"
                    " def boil(water):\n-    time.sleep(9)\n     return hot(water)\n"
                ),
                "move_path": None,
            },
            f"{CWD}/tests/test_speed.py": {
                "type": "add",
                "content": "def test_boils_at_once():\n    assert boil(WATER).hot\n",
            },
        },
        status="completed",
    )
    made.command("pytest -q", "2 passed in 0.08s\n", took=0.4)
    made.cost(7100)
    made.say("`boil` slept for nine seconds. Without it the tests take 0.08 s.")
    made.finish()
    made.start("At which temperature should green tea be made? Put it into the docs.")
    made.item(
        "WebSearch",
        1.1,
        query="green tea brewing temperature",
        action={"type": "search", "query": "green tea brewing temperature"},
    )
    made.item(
        "McpToolCall",
        0.8,
        server="library",
        tool="find_page",
        arguments={"title": "Brewing", "limit": 1},
        status="completed",
        result={"content": [{"type": "text", "text": "docs/brewing.md"}]},
        duration={"secs": 0, "nanos": 800_000_000},
    )
    made.item(
        "FileChange",
        0.2,
        changes={f"{CWD}/docs/brewing.md": {"type": "add", "content": "Green tea: 75 °C ☕\n"}},
        status="completed",
    )
    made.cost(8400)
    made.say("75 °C. It is in docs/brewing.md now.")
    made.finish()
    before_failure = made.end
    made.start("Now make the cups float.")
    made.command("python -m teapot float", "No such command: float\n", took=0.2, code=1)
    made.cost(8900)
    made.finish(
        error={
            "message": "The usage limit was reached.",
            "codex_error_info": "usage_limit_exceeded",
        }
    )
    return made, before_failure


def reverted(clock: Clock, first: Rollout, cut: Cut) -> Rollout:
    """Go on from before the turn that failed: a new file of the same thread."""
    made = Rollout(clock, thread=first.thread, file=clock.uuid(), ordinal=cut.ordinal)
    made.total = first.total
    made.meta((first.file, cut))
    made.start("Draw a cup instead.")
    made.item(
        "FileChange",
        0.2,
        changes={f"{CWD}/cup.txt": {"type": "add", "content": "c[_]\n"}},
        status="completed",
    )
    made.cost(9100)
    made.say("There is one in cup.txt: c[_]")
    made.finish()
    return made


def forked(clock: Clock, source: Rollout, cut: Cut) -> Rollout:
    """Go another way from the same place: a thread of its own."""
    made = Rollout(clock, thread=clock.uuid(), ordinal=cut.ordinal)
    made.total = source.total
    made.meta(
        (source.file, cut),
        forked_from_id=source.thread,
        forked_from_ordinal_exclusive=cut.ordinal,
    )
    made.start("And black tea?")
    made.cost(8600)
    made.say("95 °C.")
    made.finish()
    made.start("Run the long brew.")
    made.command("python -m teapot brew --minutes 4", "steeping…\n", took=12.0, code=130)
    made.event(
        "turn_aborted",
        turn_id=made.turn,
        reason="interrupted",
        started_at=clock.ms // 1000 - 13,
        completed_at=clock.ms // 1000,
        duration_ms=13_000,
    )
    return made


def sub_agent(clock: Clock, parent: Rollout) -> Rollout:
    """Look something up for another thread."""
    made = Rollout(clock, thread=clock.uuid())
    spawned = {"parent_thread_id": parent.thread, "depth": 1, "agent_nickname": "Ada"}
    made.meta(
        source={"subagent": {"thread_spawn": {**spawned, "agent_role": "explorer"}}},
        thread_source="subagent",
        parent_thread_id=parent.thread,
        agent_nickname="Ada",
        agent_role="explorer",
    )
    made.start("Which tests are about brewing?")
    made.command("rg -l brew tests", "tests/test_brew.py\n", took=0.1)
    made.cost(1800)
    made.say("tests/test_brew.py alone.")
    made.finish()
    return made


def legacy(clock: Clock) -> Rollout:
    """Make a thread in the form before paginated history: events, and the model's own calls."""
    made = Rollout(clock, thread=clock.uuid(), ordinal=None)
    made.folder = "archived_sessions"
    made.write(
        "session_meta",
        {
            "id": made.thread,
            "timestamp": clock.stamp,
            "cwd": CWD,
            "originator": "codex_cli_rs",
            "cli_version": "0.98.0",
            "source": "cli",
            "model_provider": "openai",
            "git": {"branch": "main"},
        },
    )
    made.write(
        "turn_context",
        {
            "cwd": CWD,
            "approval_policy": "on-request",
            "sandbox_policy": {"type": "read-only"},
            "model": "gpt-5",
            "summary": "auto",
        },
    )
    made.event("user_message", message="How many cups are there?", images=[])
    made.event("agent_reasoning", text="**Counting cups**")
    made.write(
        "response_item",
        {
            "type": "function_call",
            "name": "shell_command",
            "arguments": json.dumps({"command": "ls cups | wc -l", "workdir": CWD}),
            "call_id": "call_cups",
        },
    )
    made.write(
        "response_item",
        {
            "type": "function_call_output",
            "call_id": "call_cups",
            "output": "Exit code: 0\nWall time: 0.1 seconds\nOutput:\n6\n",
        },
    )
    made.event("agent_message", message="Six.")
    made.event(
        "token_count",
        info={
            "total_token_usage": usage(2400),
            "last_token_usage": usage(2400),
            "model_context_window": 272000,
        },
        rate_limits=None,
    )
    return made


def make(folder: Path) -> None:
    """Write the whole home."""
    clock = Clock("2026-01-04T16:30:00")
    old = legacy(clock)
    clock.now = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    first, before_failure = teapot(clock)
    again = reverted(clock, first, before_failure)
    other = forked(clock, first, before_failure)
    agent = sub_agent(clock, other)
    for rollout in (old, first, again, other, agent):
        path = folder / rollout.folder / rollout.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rollout.data)
    names = (
        (first, "A faster kettle"),
        (other, "Tea temperatures"),
        (old, "Counting cups"),
    )
    lines = [
        json.dumps(
            {"id": rollout.thread, "thread_name": name, "updated_at": clock.stamp},
            separators=(",", ":"),
        )
        for rollout, name in names
    ]
    (folder / "session_index.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
