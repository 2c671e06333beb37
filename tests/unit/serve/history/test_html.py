"""`show --format html`: a file that stands alone and cannot run; and `--redact`."""

from __future__ import annotations

import base64
import re
from datetime import UTC
from html.parser import HTMLParser

from projector.model.secret_shapes import Redaction
from projector.serve.history.html import as_html
from projector.serve.history.redacted import RedactedHistory
from projector.serve.history.render import Detail, as_json, as_markdown, as_text
from projector.serve.history.visible import Shown
from tests.support.shown_history import THREAD, HeldHistory, item, turn

DETAIL = Detail(zone=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> [a](javascript:alert(1))"
    " ![b](https://spy.example/p.png) </pre></style>\x1b[31m"
)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def page(*histories: HeldHistory, which: Shown | None = None) -> str:
    return "".join(as_html(histories, DETAIL, "body { color: red }", which or Shown()))


def test_it_stands_alone_and_cannot_run() -> None:
    """No script, nothing loaded, whatever the thread says."""
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    items = [
        item("a", 1, "userMessage", content=[{"type": "text", "text": HOSTILE},
                                             {"type": "image", "url": url}]),
        item("a", 2, "agentMessage", text=HOSTILE),
        item("a", 3, "commandExecution", command=HOSTILE, status="failed", exitCode=1,
             aggregatedOutput=HOSTILE + "\n" * 30),
        item("a", 4, "imageView", path="/etc/passwd"),
    ]  # fmt: skip
    found = _Tags()
    written = page(HeldHistory([turn("a", 0, "failed", error_json="<b>")], items))
    found.feed(written)

    assert written.startswith("<!doctype html>")
    assert written.endswith("</html>\n")
    assert "\x1b" not in written
    assert {tag for tag, _ in found.tags} <= set(
        "html head meta title style body main h1 h2 h3 dl div dt dd section span article time p"
        " pre details summary a img".split()
    )
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/png;base64,")
        if tag == "a":
            assert (attributes["href"] or "").startswith("https://")
    assert [tag for tag, _ in found.tags].count("img") == 1
    assert "default-src 'none'" in written
    assert f"codex resume {THREAD['thread_id']}" in written


def test_several_threads_and_the_last_turns() -> None:
    one = HeldHistory([turn("a", 0), turn("b", 2)], [item("a", 1, text="<1>"), item("b", 3)])

    written = page(one, one, which=Shown(last=1))

    assert written.count("<h1 ") == 2
    assert re.findall(r"<h2>Turn (\d+)", written) == ["2", "2"]
    assert written.count('<a href="#thread-') == 2
    assert "&lt;1&gt;" not in written


def test_no_form_shows_a_secret() -> None:
    secret = "ghp_" + "Ab3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"
    redaction = Redaction()
    held = HeldHistory(
        [turn("a", 0, "failed", error_json=f'{{"message":"{secret}"}}')],
        [item("a", 1, "agentMessage", text=f"It is {secret}."),
         item("a", 2, "commandExecution", command=f"echo {secret}", status="completed",
              aggregatedOutput=f"{secret}\n")],
    )  # fmt: skip
    history = RedactedHistory(held, redaction)

    forms = [
        "".join(as_text(history, DETAIL)),
        "".join(as_markdown(history, DETAIL)),
        "".join(as_html([history], DETAIL, "")),
        b"".join(as_json(history)).decode(),
    ]

    for written in forms:
        assert secret not in written
        assert "[redacted: GitHub token]" in written.replace("\\", "")
    assert redaction.found == {"GitHub token": 3 * len(forms) + 1}, "the turn's error is read again"
