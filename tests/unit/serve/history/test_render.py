"""`show`: text, Markdown and JSON of a visible history."""

from __future__ import annotations

import json
import re
from datetime import UTC

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projector.model.terminal_safe import one_line, terminal_safe
from projector.serve.history.looks import Looks, Style, cells
from projector.serve.history.render import Detail, as_json, as_markdown, as_text, fenced
from projector.serve.history.rendered_item import duration, shown
from projector.serve.history.visible import Shown, every_turn
from projector.store.questions.history import Item
from tests.support.shown_history import THREAD, HeldHistory, item, turn

DETAIL = Detail(zone=UTC)


def text(*items: Item, detail: Detail = DETAIL) -> str:
    """Give what stands under the turn's heading."""
    written = "".join(as_text(HeldHistory([turn("a", 0)], items), detail))
    body, line = written.split("== Turn 1", 1)[1].partition("\n\n")[2].rsplit("\n\n", 1)
    assert line == f"To continue this thread: codex resume {THREAD['thread_id']}\n"
    return body + "\n"


def markdown(*items: Item) -> str:
    written = "".join(as_markdown(HeldHistory([turn("a", 0)], items), DETAIL))
    return written.split("## Turn 1", 1)[1]


# fmt: off
ITEMS = [
    ("userMessage",
     {"content": [{"type": "text", "text": "Hi\nthere"}, {"type": "localImage", "path": "/a.png"},
                  {"type": "image", "url": "data:" + "x" * 95},
                  {"type": "skill", "name": "s", "path": "/s"},
                  {"type": "hologram", "of": "x"}]},
     "User\n  Hi\n  there\n  image: /a.png\n  image: data:" + "x" * 75 + "... (100 characters)\n"
     + '  skill s: /s\n  | {"type": "hologram", "of": "x"}\n'),
    ("agentMessage",
     {"text": "Well", "phase": "final_answer",
      "questions": [{"title": "Q?", "options": ["a", "b"]}]},
     "Agent · final answer\n  Well\n  Q?\n  - a\n  - b\n"),
    ("plan", {"text": "1. do"}, "Plan\n  1. do\n"),
    ("commandExecution",
     {"command": "ls\npwd", "status": "failed", "exitCode": 3, "durationMs": 1500,
      "aggregatedOutput": "x\n"},
     "Command · exit 3 · 1.5 s\n  $ ls\n    pwd\n  | x\n"),
    ("commandExecution",
     {"command": "ls", "status": "declined", "exitCode": None, "durationMs": None,
      "aggregatedOutput": None, "source": "userShell"},
     "Command · by the user · declined\n  $ ls\n"),
    ("fileChange",
     {"status": "completed", "changes": [
         {"path": "/a", "kind": {"type": "add"}, "diff": "one\ntwo\n"},
         {"path": "/b", "kind": {"type": "delete"}, "diff": "one"},
         {"path": "/c", "kind": {"type": "update", "move_path": "/d"},
          "diff": "@@ -1 +1 @@\n-a\n+b\n\n\nMoved to: /d"}]},
     ("Files\n  add /a\n  +one\n  +two\n  delete /b\n  -one\n  update /c -> /d\n"
      "  @@ -1 +1 @@\n  -a\n  +b\n")),
    ("mcpToolCall",
     {"server": "s", "tool": "t", "status": "failed", "arguments": {"a": 1}, "durationMs": 5,
      "result": {"content": [{"type": "text", "text": "r"}, {"type": "image", "data": "QUJD"}, 7],
                 "structuredContent": {"b": 2}},
      "error": {"message": "no"}},
     ('Tool s.t · failed · 5 ms\n  | {"a": 1}\n  | r\n  image: QUJD\n  | 7\n  | {"b": 2}\n'
      "  error: no\n")),
    ("dynamicToolCall",
     {"namespace": "n", "tool": "t", "status": "completed", "success": False, "arguments": None,
      "contentItems": [{"type": "inputText", "text": "r"}]},
     "Tool n.t · failed\n  | r\n"),
    ("functionCallOutput", {"name": "f", "namespace": None, "output": "o"}, "Output of f\n  | o\n"),
    ("functionCallOutput",
     {"name": "f", "output": [{"type": "input_text", "text": "o"}]}, "Output of f\n  | o\n"),
    ("collabAgentToolCall",
     {"tool": "spawnAgent", "status": "completed", "prompt": "p", "receiverThreadIds": ["r"],
      "agentsStates": {"r": {"status": "errored", "message": "m"}}},
     "Agents spawnAgent\n  p\n  agent r: errored m\n"),
    ("subAgentActivity",
     {"kind": "started", "agentThreadId": "t", "agentPath": "/root/a", "model": None},
     "Sub-agent /root/a · started\n  agent t\n"),
    ("webSearch",
     {"query": "q", "action": {"type": "search", "queries": ["q", "p"]}, "results": [1, 2]},
     "Web search · 2 results\n  q\n  p\n"),
    ("webSearch", {"query": "", "action": {"type": "openPage", "url": "http://u"}},
     "Web page\n  http://u\n"),
    ("webSearch",
     {"query": "", "action": {"type": "findInPage", "url": "http://u", "pattern": "p"}},
     "Find in page\n  p\n  http://u\n"),
    ("imageView", {"path": "/i"}, "Image\n  /i\n"),
    ("imageGeneration",
     {"status": "completed", "result": "QUJD", "revisedPrompt": "r", "failure": {"type": "f"}},
     "Image made\n  QUJD\n  r\n  failure: f\n"),
    ("sleep", {"durationMs": 125_000}, "Sleep · 2 min 5 s\n"),
    ("hookPrompt", {"fragments": [{"text": "t", "hookRunId": "h"}]}, "Hook\n  t\n"),
    ("enteredReviewMode", {"review": "r"}, "Review begun\n  r\n"),
    ("exitedReviewMode", {"review": "r"}, "Review\n  r\n"),
    ("contextCompaction", {}, "Context compacted\n"),
    ("telepathy", {"to": "x"}, 'telepathy\n  | {"to": "x"}\n'),
    ("plan", {"text": 5}, 'plan\n  | {"type": "plan", "id": "i1", "text": 5}\n'),
    ("plan", {"later": 5}, 'plan\n  | {"type": "plan", "id": "i1", "later": 5}\n'),
]
# fmt: on


@pytest.mark.parametrize(("kind", "fields", "expected"), ITEMS)
def test_items_as_text(kind: str, fields: dict[str, object], expected: str) -> None:
    one = item("a", 1, kind, **fields)
    if kind == "contextCompaction":
        one = one._replace(item_json='{"type":"contextCompaction","id":"i1"}')
    title, newline, rest = expected.partition("\n")

    assert f"{title} · 01:46:40{newline}{rest}" == text(one)


def test_reasoning_is_shown_if_asked_for() -> None:
    thought = item("a", 1, "reasoning", summary=["**Hm**"], content=["so"])

    assert "Reasoning" not in text(thought, item("a", 2))
    for detail in (Detail(reasoning=True, zone=UTC), Detail(full=True, zone=UTC)):
        assert text(thought, detail=detail) == "Reasoning · 01:46:40\n  **Hm**\n  so\n"


def test_long_outputs_are_cut_if_not_asked_for_whole() -> None:
    output = "\n".join(["y" * 410, *map(str, range(30))]) + "\n"
    command = item(
        "a", 1, "commandExecution", command="c", status="completed", aggregatedOutput=output
    )

    assert f"  | {'y' * 400}... (10 more characters)\n  | 0\n" in text(command)
    assert text(command).endswith("  | 18\n  | ... 11 more lines (--full: all)\n")
    assert text(command, detail=Detail(full=True)).endswith("  | 28\n  | 29\n")


def test_messages_are_never_cut() -> None:
    assert text(item("a", 1, text="l\n" * 999)).count("  l\n") == 999


def test_a_turn_says_how_it_went() -> None:
    failed = turn("a", 0, "failed", error_json='{"message":"no","additionalDetails":"at all"}')
    failed = failed._replace(total_tokens=1200, duration_ms=59_999)

    written = "".join(as_text(HeldHistory([failed], []), DETAIL))

    assert (
        "== Turn 1: failed · 2001-09-09 01:46:40 · 60.0 s · m · 1,200 tokens\n"
        "\nError\n  ! no\n  ! at all\n\n"
    ) in written


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        (Shown(), [1, 2, 3]),
        (Shown(turn=2), [2]),
        (Shown(turn=4), []),
        (Shown(turn=-1), [3]),
        (Shown(turn=-3), [1]),
        (Shown(turn=-4), []),
        (Shown(last=2), [2, 3]),
        (Shown(last=9), [1, 2, 3]),
        (Shown(turn_ids=frozenset({"a", "c"})), [1, 3]),
    ],
)
def test_turns_keep_their_numbers_whichever_are_shown(which: Shown, numbers: list[int]) -> None:
    history = HeldHistory(
        [turn("a", 0), turn("b", 2), turn("c", 4)], [item("a", 1), item("b", 3), item("c", 5)]
    )
    written = "".join(as_text(history, DETAIL, which))

    assert [int(one) for one in re.findall(r"== Turn (\d+)", written)] == numbers
    assert len(json.loads(b"".join(as_json(history, which)))["turns"]) == len(numbers)
    assert "".join(as_markdown(history, DETAIL, which)).count("\n## Turn ") == len(numbers)


def test_only_some_items_and_the_one_that_was_found() -> None:
    history = HeldHistory([turn("a", 0)], [item("a", at, text=f"<{at}>") for at in range(1, 6)])
    which = Shown(uids=frozenset({"item 2", "item 3"}), hit="item 3")

    written = "".join(as_text(history, DETAIL, which))

    assert [at for at in range(1, 6) if f"<{at}>" in written] == [2, 3]
    assert written.count("> Plan") == 1
    assert written.index("<2>") < written.index("> Plan") < written.index("<3>")


def _tagged(said: str, style: Style) -> str:
    return f"<{style}>{said}</>"


def test_styles_say_what_lines_mean() -> None:
    """Whatever is painted, the text is the same without the paint."""
    painted = Detail(zone=UTC, looks=Looks(paint=_tagged))
    items = [
        item("a", 1, "commandExecution", command="c", status="failed", exitCode=1,
             aggregatedOutput="o"),
        item("a", 2, "fileChange", status="completed", changes=[
            {"path": "/a", "kind": {"type": "update"}, "diff": "@@ -1 +1 @@\n-a\n+b\n c\n"}]),
        item("a", 3, "agentMessage", text="# T\nsay `x` and **y**\n```\nz\n```"),
    ]  # fmt: skip
    history = HeldHistory([turn("a", 0, "failed")], items)

    written = "".join(as_text(history, painted))

    for part in (
        "<bad>== Turn 1: failed", "<work>Command</><bad> · exit 1", "<quiet>  | o</>",
        "<hunk>  @@ -1 +1 @@</>", "<bad>  -a</>", "<good>  +b</>", "   c\n", "<agent>Agent</>",
        "<heading>  # T</>", "  say <code>`x`</> and <heading>**y**</>", "<code>  z</>",
    ):  # fmt: skip
        assert part in written
    assert re.sub("</?[a-z]*>", "", written) == "".join(as_text(history, DETAIL))


@pytest.mark.parametrize("width", [1, 20, 40, 80, 120, 10_000])
def test_lines_fit_the_terminal(width: int) -> None:
    said = "words of a message " * 20 + "\n- " + "a point of a list " * 9 + "\n漢字" + "漢字" * 60
    items = [
        item("a", 1, "agentMessage", text=said),
        item("a", 2, "commandExecution", command="c " * 99, status="completed",
             aggregatedOutput="x" * 390 + "\n" + "\tcolumn" * 30),
    ]  # fmt: skip
    fitted = Detail(zone=UTC, looks=Looks(width=width))

    written = "".join(as_text(HeldHistory([turn("a", 0)], items), fitted)).split("== Turn")[1]
    body = written.rsplit("\n\n", 1)[0].splitlines()

    assert max(map(cells, body)) <= max(width, 24)
    plain = "".join(as_text(HeldHistory([turn("a", 0)], items), DETAIL)).split("== Turn")[1]
    assert sorted(re.sub(r"[\s|$]", "", written)) == sorted(re.sub(r"[\s|$]", "", plain))


def test_items_stand_under_their_turn_and_none_is_lost() -> None:
    """Also those of a turn that no record tells of: where its first item stands."""
    history = HeldHistory(
        [turn("a", 1), turn("b", 4)],
        [item("lone", 0), item("a", 2), item("c", 3), item("a", 9), item("b", 5), item("c", 6)],
    )

    assert [
        (one.turn_id, one.uid, [each.position for each in history.items_of(one.turn_id)])
        for one in every_turn(history)
    ] == [
        ("lone", None, [0]),
        ("a", "turn a", [2, 9]),
        ("c", None, [3, 6]),
        ("b", "turn b", [5]),
    ]


def test_json_is_whole_and_exact() -> None:
    exact = '{"type":"x","id":"i1","n":1.10,"s":"\x7f\\u001b"}'
    failed = turn("a", 0, "failed", error_json='{"message":"no"}')
    history = HeldHistory(
        [failed, turn("b", 5)], [item("a", 1)._replace(item_json=exact), item("b", 6)]
    )

    written = b"".join(as_json(history)).decode()

    assert exact in written
    shown_ = json.loads(written)
    assert shown_["thread"]["archived"] is False
    first, second = shown_["turns"]
    assert first["error"] == {"message": "no"}
    assert first["items"][0]["item"] == json.loads(exact)
    assert set(first) - {"items", "error"} == set(failed._fields) - {"error_json"}
    assert (second["turn_id"], [one["item_id"] for one in second["items"]]) == ("b", ["i6"])


def test_json_of_an_empty_thread() -> None:
    assert json.loads(b"".join(as_json(HeldHistory([], []))))["turns"] == []


HOSTILE = "a\x1b]0;t\x07\x9b31m\u202eb\r\nc\rd\ud800\x7f\te"


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    assert terminal_safe(HOSTILE) == "a␛]0;t␇<U+009B>31m<U+202E>b\nc␍d\ufffd␡\te"
    assert one_line(" a\n\tb ") == "a b"


@given(st.text(st.characters(), max_size=50))
def test_no_text_of_a_rollout_reaches_the_terminal_as_a_command(said: str) -> None:
    one = item("a", 1, "agentMessage", text=said)._replace(
        item_json=json.dumps({"type": "agentMessage", "text": said})
    )
    odd = one._replace(type=said)

    for written in (text(one), text(odd), markdown(one), markdown(odd)):
        assert not set(written) & {*map(chr, range(32)), *map(chr, range(127, 160))} - {"\n", "\t"}
        written.encode()


@given(st.text("`~a\n ", max_size=40))
def test_a_fence_is_longer_than_any_in_it(said: str) -> None:
    first, *body, last = fenced(said, "sh").removesuffix("\n").split("\n")

    assert first == last + "sh"
    assert last not in "\n".join(body)
    assert "\n".join(body) == said.removesuffix("\n")


def test_a_message_in_markdown_ends_with_its_quotation() -> None:
    """A fence, comment or tag that is not closed swallows nothing behind it."""
    said = "a\n```html\n<b>\n\n`<i>` <script> <!-- x"

    assert "> a\n> ```html\n> <b>\n>\n> `<i>` <script> <!-- x\n\n### Plan" in markdown(
        item("a", 1, text=said), item("a", 2)
    )
    assert "> `<i>` \\<script> \\<!-- x 1 < 2\n" in markdown(
        item("a", 1, text="`<i>` <script> <!-- x 1 < 2")
    )


def test_titles_and_notes_in_markdown_are_text() -> None:
    found = markdown(item("a", 1, "mcpToolCall", server="a_b", tool="*c*", status="completed",
                          arguments="``x", result=None, error={"message": "`y`"}))  # fmt: skip

    assert "### Tool a\\_b.\\*c\\*\n" in found
    assert '```json\n"``x"\n```' in found
    assert "- `` error: `y` ``\n" in found


@example({"status": "failed", "durationMs": 5, "text": "x", "exitCode": [1]}, "commandExecution")
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3),
                    lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(
                        ["type", "text", "content", "summary", "changes", "kind", "path", "diff",
                         "status", "durationMs", "exitCode", "error", "tool", "server"]),
                        inner, max_size=4), max_leaves=8),
       st.sampled_from(sorted({kind for kind, *_ in ITEMS})))  # fmt: skip
def test_no_snapshot_stops_the_rendering(value: object, kind: str) -> None:
    found = shown(json.dumps(value), kind)

    assert all(isinstance(part.text, str) for part in found.parts)
    assert all(isinstance(fact, str) for fact in found.facts)


@pytest.mark.parametrize(
    ("ms", "written"),
    [(None, None), (0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (60_000, "1 min 0 s")],
)
def test_durations(ms: int | None, written: str | None) -> None:
    assert written == duration(ms)
