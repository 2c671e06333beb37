"""Who may look at the pages."""

from __future__ import annotations

import pytest

from projector.serve.web.access import HEADERS, Access

OURS = Access(
    token="t-secret",
    session="s-secret",
    cookie="projector_8765",
    origins=frozenset({"127.0.0.1:8765", "localhost:8765"}),
)
HOST = {"Host": "127.0.0.1:8765"}
COOKIE = {"projector_8765": "s-secret"}

CASES = [
    # headers, cookies, token, verdict
    (HOST, COOKIE, None, "open"),
    ({"Host": "LOCALHOST:8765"}, COOKIE, None, "open"),
    (HOST | {"Sec-Fetch-Site": "same-origin"}, COOKIE, None, "open"),
    (HOST | {"Origin": "http://127.0.0.1:8765"}, COOKIE, None, "open"),
    (HOST, {}, "t-secret", "enter"),
    (HOST | {"Sec-Fetch-Site": "cross-site"}, {}, "t-secret", "enter"),
    (HOST, {}, None, "token"),
    (HOST, {}, "", "token"),
    (HOST, {}, "s-secret", "token"),
    (HOST, {}, "t-secret\udc80", "token"),
    (HOST, {"projector_8765": "t-secret"}, None, "token"),
    (HOST, {"projector_8766": "s-secret"}, None, "token"),
    (HOST, COOKIE, "wrong", "open"),
    ({}, COOKIE, None, "host"),
    ({"Host": "rebound.example:8765"}, COOKIE, "t-secret", "host"),
    ({"Host": "127.0.0.1"}, COOKIE, None, "host"),
    ({"Host": "127.0.0.1:8765.example"}, COOKIE, None, "host"),
    (HOST | {"Origin": "http://evil.example"}, COOKIE, None, "origin"),
    (HOST | {"Origin": "http://evil.example"}, {}, "t-secret", "origin"),
    (HOST | {"Origin": "null"}, COOKIE, None, "origin"),
    (HOST | {"Sec-Fetch-Site": "cross-site"}, COOKIE, None, "origin"),
    (HOST | {"Sec-Fetch-Site": "same-site"}, COOKIE, None, "origin"),
]


@pytest.mark.parametrize(("headers", "cookies", "token", "verdict"), CASES)
def test_who_may_look(
    headers: dict[str, str], cookies: dict[str, str], token: str | None, verdict: str
) -> None:
    assert OURS.verdict(headers, cookies, token) == verdict


def test_nothing_but_our_own_script_runs() -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";")
    )

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
