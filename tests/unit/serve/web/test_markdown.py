"""Markdown of messages as HTML: what it may hold, whoever wrote it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.serve.web.markdown import LONGEST, rendered

ALLOWED = frozenset(
    "p h1 h2 h3 h4 h5 h6 em strong s a code pre ul ol li blockquote hr br"
    " table thead tbody tr th td".split()
)
ATTRIBUTES = frozenset({"href", "rel", "class", "start", "title", "tabindex"})
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "[x](//evil.example/x)",
    "[x](/thread/..)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/pixel.png)",
    '![x](https://e.example/" onerror="alert(1))',
    '[x](https://e.example/ "\\" onmouseover=\\"alert(1)")',
    '```" onload=alert(1)\n</code></pre><script>\n```',
    "[ref]\n\n[ref]: javascript:alert(1)",
    "&lt;script&gt;&#60;script&#62;",
    "<svg/onload=alert(1)>\n\n<!-- -->",
    "| a |\n|:-:|\n| <b onclick=x> |",
    "\x00\ud800<script>",
    ">" * 500 + "x",
    "[" * 2000 + "](x)" * 2000,
    "*" * 5000,
]  # fmt: skip


class _Checked(HTMLParser):
    """Fails on what must not stand in a page."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        for name, value in attrs:
            assert name in ATTRIBUTES or (name, tag) in {("style", "td"), ("style", "th")}, name
            if name == "href":
                assert (value or "").lower().startswith(("http:", "https:", "mailto:")), value


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_message_runs(text: str) -> None:
    _Checked().feed(rendered(text))


@given(st.text(st.sampled_from("<>[]()!`*_#|-:\"' \n\\/&;ajscript=x"), max_size=80))
def test_nothing_of_any_message_runs(text: str) -> None:
    _Checked().feed(rendered(text))


def test_what_is_harmless_is_rendered() -> None:
    html = rendered("# A\n\n*b* ~~c~~ [d](https://e.example/) ![f](https://e.example/f.png)\n\n- g")

    for part in ("<h1>A</h1>", "<em>b</em>", "<s>c</s>", 'href="https://e.example/"', "<li>g</li>"):
        assert part in html
    assert "<img" not in html
    assert 'href="https://e.example/f.png"' in html


def test_a_huge_message_is_text() -> None:
    assert rendered("*x* " * LONGEST).startswith('<pre class="prose">*x*')
