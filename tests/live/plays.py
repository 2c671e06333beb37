"""What the model does when told to: a play for each kind of turn that leaves its own marks.

A play is a function of its cue, so a session with the same seed is played the same way. Where a
play needs words, paths or commands, it draws them by its number: odd ones on purpose (quotes,
other scripts, control characters), since what is written must come out again as it went in.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.live.model import (
    Cue,
    Cut,
    Fail,
    Hold,
    Json,
    Part,
    Play,
    Refuse,
    Step,
    call,
    message,
)

_WORDS: Final = (
    "lamp", "'quoted'", '"double"', "back\\slash", "naïve", "Größe", "世界", "🌍🏽", "a\tb",
    "two\nlines", "\u2028", "\u0085", "\x7f", "$HOME", "<b>&amp;</b>", "--flag", "{}", "null", "̈",
    "e\u0301", "\U0001f9d1\u200d\U0001f680", "100%", "~/x", "c:\\temp", "a;b", "#", "`tick`",
)  # fmt: skip
#: Commands whose parsed form, quoting or end is worth writing down.
_COMMANDS: Final = (
    "true",
    "echo hello; exit 3",
    "cat story.txt",
    "cat 'two words.txt' | head -n 2",
    "sed -n 1,3p story.txt",
    "nl -ba story.txt | sed -n '1,2p'",
    "ls -la .",
    "cd parts && ls",
    "cd parts && cat one.txt",
    "rg -n chapter parts",
    "grep -rn 'a \"b\" $c' .",
    "find . -name '*.txt'",
    "printf '%s\\n' \"it's\" '$x' 'a^b' \"a\\\\b\"",
    "printf 'caf\\303\\251 \\377 \\033[31mred\\033[0m\\r\\n'",
    "printf 'nul:\\0:end'",
    "python3 -c 'print(1)' || true",
    "head -c 30000 /dev/zero | tr '\\0' x",
    "echo to-stderr >&2; false",
    "kill -9 $$",
    "cat missing.txt",
    "for i in 1 2 3; do echo $i; done && ls parts/",
    "git status --short || echo no repository",
    "cat story.txt && wc -l story.txt",
    "echo 世界 é > 'out ü.txt' && cat 'out ü.txt'",
)
_FAILURES: Final = (
    "context_length_exceeded", "insufficient_quota", "usage_not_included", "invalid_prompt",
    "server_is_overloaded", "rate_limit_exceeded", "cyber_policy", "something_new",
)  # fmt: skip
_REFUSALS: Final = (400, 401, 403, 404, 429, 500, 503)
#: A picture: PNG, in base64.
PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def dice(cue: Cue) -> random.Random:
    """Give the same dice for the same cue, each time it is asked."""
    return random.Random(f"{cue.name}:{cue.number}")


def prose(dice: random.Random, most: int = 12) -> str:
    """Draw some words that are hard to copy."""
    return " ".join(dice.choices(_WORDS, k=dice.randint(1, most)))


def shell(command: str, **more: Any) -> Json:
    """Make a command that Codex runs."""
    return call("exec_command", cmd=command, **more)


def thought(*summary: str) -> Json:
    """Make a piece of reasoning with these summaries."""
    return {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        "encrypted_content": "sealed",
    }


def patch(*lines: str) -> Json:
    """Make a command that applies a patch of these lines."""
    body = "\n".join(("*** Begin Patch", *lines, "*** End Patch"))
    return shell(f"apply_patch <<'EOF'\n{body}\nEOF\n")


def search(action: Json) -> Json:
    """Make a web search that the model's host carried out."""
    return {"type": "web_search_call", "status": "completed", "action": action}


def _say(cue: Cue) -> Sequence[Step]:
    return [[message(prose(dice(cue), 40))]]


def _think(cue: Cue) -> Sequence[Step]:
    drawn = dice(cue)
    thoughts = [thought(*(f"**{prose(drawn, 2)}**" for _ in range(n))) for n in (0, 1, 3)]
    return [[*thoughts, message(prose(drawn), "commentary"), message(prose(drawn), "final_answer")]]


def _run(cue: Cue) -> Sequence[Step]:
    drawn = dice(cue)
    commands: list[Step] = [
        [shell(command) for command in drawn.sample(_COMMANDS, drawn.randint(1, 2))]
        for _ in range(drawn.randint(1, 2))
    ]
    return [*commands, [message(prose(drawn), "final_answer")]]


def _loud(_cue: Cue) -> Sequence[Step]:
    command = shell("seq 1 30000", max_output_tokens=100_000)
    return [[thought("loud"), command], [message("x" * 150_000)]]


def _patch(cue: Cue) -> Sequence[Step]:
    drawn, n = dice(cue), cue.number
    name = f"made {n}.txt"
    add = ("*** Add File: " + name, "+first", "+second", f"+{prose(drawn, 3).splitlines()[0]}")
    change = (f"*** Update File: {name}", "@@", " first", "-second", "+2nd")
    move = (f"*** Update File: {name}", f"*** Move to: parts/moved {n}.txt", "@@", " first", "-2nd")
    several = (
        f"*** Add File: b{n}.txt", "+b", f"*** Add File: a{n}.txt", "+a",
        f"*** Delete File: parts/moved {n}.txt",
    )  # fmt: skip
    steps = [[patch(*lines)] for lines in (add, change, move, several)]
    return [*steps[: drawn.randint(1, 4)], [message("Patched.")]]


def _spoil(cue: Cue) -> Sequence[Step]:
    lines = ("*** Update File: story.txt", "@@", "-not in it", "+at all")
    return [[patch(*lines)], [patch(f"*** Add File: parts/{cue.number}.txt", "+x")], [message(".")]]


def _search(cue: Cue) -> Sequence[Step]:
    drawn = dice(cue)
    actions: list[Json] = [
        {"type": "search", "query": prose(drawn)},
        {"type": "search", "queries": [prose(drawn), "second"]},
        {"type": "open_page", "url": "https://example.org/a?b=c"},
        {"type": "find_in_page", "url": "https://example.org/", "pattern": "p'q"},
    ]
    found = [search(action) for action in drawn.sample(actions, drawn.randint(1, 4))]
    return [[*found, message(prose(drawn))]]


def _paint(cue: Cue) -> Sequence[Step]:
    painted = {
        "type": "image_generation_call",
        "status": "completed",
        "revised_prompt": prose(dice(cue)),
        "result": PIXEL,
    }
    return [[painted, message("Painted.")]]


def _view(cue: Cue) -> Sequence[Step]:
    name = dice(cue).choice(("pixel.png", "no such.png"))
    return [[call("view_image", path=name)], [message("Seen.")]]


def _tools(cue: Cue) -> Sequence[Step]:
    drawn = dice(cue)
    echo = call("echo", namespace="mcp__probe", text=prose(drawn), deep={"a": [1, 2.50, None]})
    complain = call("complain", namespace="mcp__probe", text=prose(drawn))
    return [[echo], [complain, echo] if drawn.random() < 0.5 else [complain], [message("Asked.")]]


def _errand(cue: Cue) -> Sequence[Step]:
    drawn = dice(cue)
    word = drawn.choice(("fine", "fail"))
    return [[call("errand", what=word, number=cue.number)], [message(prose(drawn))]]


def _several(cue: Cue) -> Sequence[Step]:
    drawn = dice(cue)
    steps: list[Step] = [
        [message(f"Step {n}.", "commentary"), shell(drawn.choice(_COMMANDS))] for n in range(5)
    ]
    return [*steps, [message("Five steps.", "final_answer")]]


def _talk(cue: Cue) -> Sequence[Step]:
    """Start a program that waits, say something to it, and read its answer."""
    started = shell("read line; echo got $line; exit 2", yield_time_ms=250, tty=True)
    session = re.findall(r"session ID (\d+)", "".join(cue.outputs))
    answer: Step = [message("It would not talk.")]
    if session:
        said = call("write_stdin", session_id=int(session[-1]), chars="word\n", yield_time_ms=500)
        answer = [said]
    return [[started], answer, [message("Talked.")]]


def _linger(_cue: Cue) -> Sequence[Step]:
    """Leave a command running when the turn ends: it is recorded behind the turn."""
    return [[shell("sleep 1.2; echo late", yield_time_ms=250)], [message("Not waiting.")]]


def _sleep(_cue: Cue) -> Sequence[Step]:
    return [[message("Wait.", "commentary"), shell("echo asleep; sleep 30")], [message("Awake.")]]


def _hold(cue: Cue) -> Sequence[Step]:
    parts: list[Part] = [thought("holding"), message(prose(dice(cue))), Hold()]
    return [[*parts, message("Released.")], [message("And done.", "final_answer")]]


def _hold_at_once(_cue: Cue) -> Sequence[Step]:
    return [[Hold(), message("Late.")]]


def _fail(cue: Cue) -> Sequence[Step]:
    drawn = dice(cue)
    said: list[Part] = [message("partial")] if drawn.random() < 0.5 else []
    return [[*said, Fail(drawn.choice(_FAILURES))]]


def _overflow(_cue: Cue) -> Sequence[Step]:
    """Fill the context window: Codex writes a token count of nothing but a total."""
    return [[message("partial"), Fail("context_length_exceeded")]]


def _cut(cue: Cue) -> Sequence[Step]:
    said: list[Part] = [message("partial")] if dice(cue).random() < 0.5 else []
    return [[*said, Cut()]]


def _refuse(cue: Cue) -> Sequence[Step]:
    return [[Refuse(dice(cue).choice(_REFUSALS))]]


def _break(_cue: Cue) -> Sequence[Step]:
    """Work first, and fail then."""
    return [[shell("echo before")], [Cut()]]


def _empty(_cue: Cue) -> Sequence[Step]:
    return [[message(""), message(" \n ")]]


def _unknown(_cue: Cue) -> Sequence[Step]:
    """Call what does not exist, in two ways."""
    return [[call("no_such_tool", x=1)], [call("exec_command", wrong=True)], [message("Hm.")]]


def _plan(cue: Cue) -> Sequence[Step]:
    text = f"# Plan\n\n1. {prose(dice(cue), 3)}\n"
    return [[message(f"Here.\n\n<proposed_plan>\n{text}\n</proposed_plan>\n")]]


def _cite(_cue: Cue) -> Sequence[Step]:
    cited = (
        "<oai-mem-citation>\n<citation_entries>\nMEMORY.md:1-2|note=[why]\n</citation_entries>\n"
        "<rollout_ids>\n019f0000-0000-7000-8000-000000000001\n</rollout_ids>\n</oai-mem-citation>"
    )
    return [[message(f"As remembered.\n{cited}", "final_answer")]]


def _agents(cue: Cue) -> Sequence[Step]:
    """Spawn an agent, wait for it, speak to it again, close it (the first form of agents)."""
    space, number = "multi_agent_v1", cue.number
    ids = re.findall(r'"agent_id":\s*"([0-9a-f-]+)"', "".join(cue.outputs))
    copied = dice(cue).random() < 0.5
    task = f"Do it. [play say {number * 1000 + 1}]"
    spawn = call("spawn_agent", namespace=space, message=task, fork_context=copied)
    if not ids:
        return [[spawn], [message("No agent came.")]]
    again = f"More. [play run {number * 1000 + 2}]"
    wait = call("wait_agent", namespace=space, targets=ids, timeout_ms=10_000)
    send = call("send_input", namespace=space, target=ids[0], message=again)
    close = call("close_agent", namespace=space, target=ids[0])
    return [[spawn], [wait], [send], [wait], [close], [message("Agents done.", "final_answer")]]


def _team(cue: Cue) -> Sequence[Step]:
    """Do the same in the second form of agents: names and paths in place of ids."""
    space, number, name = "collaboration", cue.number, f"helper_{cue.number}"
    turns = dice(cue).choice(("none", "all", "1"))
    task = f"Do it. [play say {number * 1000 + 1}]"
    more = f"More. [play run {number * 1000 + 2}]"
    spawn = call("spawn_agent", namespace=space, task_name=name, message=task, fork_turns=turns)
    wait = call("wait_agent", namespace=space, timeout_ms=2_000)
    follow = call("followup_task", namespace=space, target=name, message=more)
    note = call("send_message", namespace=space, target=name, message="By the way.")
    stop = call("interrupt_agent", namespace=space, target=name)
    done = message("Team done.", "final_answer")
    return [[spawn], [wait], [follow, note], [wait], [stop], [done]]


def _review(cue: Cue) -> Sequence[Step]:
    """Answer as a reviewer: with findings, or in plain words."""
    drawn = dice(cue)
    finding = {
        "title": f"[P1] {prose(drawn, 3)}",
        "body": "One line.\n\nAnother: \u2014 end ",
        "confidence_score": 0.5,
        "priority": 1,
        "code_location": {
            "absolute_file_path": "/w/a b.py",
            "line_range": {"start": 3, "end": 4},
        },
    }
    verdict = {
        "findings": [finding] * drawn.randint(0, 2),
        "overall_correctness": "patch is incorrect",
        "overall_explanation": f" {prose(drawn)}\n",
        "overall_confidence_score": 0.25,
    }
    plain = drawn.random() < 0.3
    said = message(prose(drawn) if plain else json.dumps(verdict))
    return [[shell("cat story.txt")], [said]] if drawn.random() < 0.5 else [[said]]


PLAYS: Final[Mapping[str, Play]] = {
    "say": _say,
    "think": _think,
    "run": _run,
    "loud": _loud,
    "patch": _patch,
    "spoil": _spoil,
    "search": _search,
    "paint": _paint,
    "view": _view,
    "tools": _tools,
    "errand": _errand,
    "several": _several,
    "talk": _talk,
    "linger": _linger,
    "sleep": _sleep,
    "hold": _hold,
    "hold-at-once": _hold_at_once,
    "fail": _fail,
    "overflow": _overflow,
    "cut": _cut,
    "refuse": _refuse,
    "break": _break,
    "empty": _empty,
    "unknown": _unknown,
    "plan": _plan,
    "cite": _cite,
    "agents": _agents,
    "team": _team,
    "review": _review,
}
