"""Decide who may read the pages. Pure.

A loopback port is open to every local user and to every page that a browser has open, so a request
needs three things: the cookie that the printed address sets, a host name of ours (a foreign name
that resolves to this machine is DNS rebinding), and no sign that another site sent it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

Verdict = Literal["open", "enter", "token", "host", "origin"]

#: Where a request may come from, as browsers say: our pages, or the user (an address, a bookmark).
_OURS: Final = frozenset({"same-origin", "none"})


class Access(Struct, frozen=True, kw_only=True):
    """Secrets of one run, and the names that its pages answer to."""

    token: str
    """In the printed address; entering with it sets the cookie."""
    session: str
    """The cookie's value."""
    cookie: str
    """The cookie's name; has the port, because cookies of one host are shared by all its ports."""
    origins: frozenset[str]
    """`host:port` as in the header Host, in lower case."""

    def verdict(
        self, headers: Mapping[str, str], cookies: Mapping[str, str], token: str | None
    ) -> Verdict:
        """Return `open` to answer, `enter` to set the cookie, else why the request is refused."""
        if headers.get("Host", "").lower() not in self.origins:
            return "host"
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() not in self.origins:
            return "origin"
        if token is not None and _same(token, self.token):
            return "enter"
        if headers.get("Sec-Fetch-Site", "none") not in _OURS:
            return "origin"
        return "open" if _same(cookies.get(self.cookie, ""), self.session) else "token"


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


#: Headers of every answer. No script but our own file, no other host, no frame, no cache.
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
