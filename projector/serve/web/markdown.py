"""Render the Markdown of a message as HTML that cannot run. Pure.

HTML in a message is text. Links go to http, https and mailto only; an image becomes a link, so that
reading a thread asks nothing of another host.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

#: Longer texts are shown as they are: a page must not wait for one message, in characters.
LONGEST: Final = 200_000
_SCHEMES: Final = frozenset({"http", "https", "mailto"})


class _Renderer(RendererHTML):
    """Renders images as links, and opens links elsewhere."""

    def image(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        """Return a link to the image."""
        token = tokens[idx]
        label = self.renderInlineAsText(token.children or [], options, env) or "image"
        address = str(token.attrGet("src") or "")
        return f'<a rel="noreferrer noopener" href="{escape(address)}">{escape(label)}</a>'

    def table_open(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        """Return the beginning of a table that can be scrolled by keys."""
        tokens[idx].attrSet("tabindex", "0")
        return self.renderToken(tokens, idx, options, env)

    def link_open(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        """Return the beginning of a link that tells its target nothing."""
        tokens[idx].attrSet("rel", "noreferrer noopener")
        return self.renderToken(tokens, idx, options, env)


def allowed(address: str) -> bool:
    """True if a link to this address is harmless."""
    try:
        return urlsplit(address.strip()).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.validateLink = allowed  # type: ignore[assignment,method-assign] # the documented way
    return parser


_PARSER: Final = _parser()


def rendered(text: str) -> Markup:
    """Return a message's Markdown as HTML; a very long one as its text."""
    if len(text) > LONGEST:
        return Markup('<pre class="prose">{}</pre>').format(text)
    try:
        return Markup(_PARSER.render(text))  # noqa: S704 - html is off; the test feeds it hostile texts
    except (RecursionError, ValueError, IndexError):
        return Markup('<pre class="prose">{}</pre>').format(text)
