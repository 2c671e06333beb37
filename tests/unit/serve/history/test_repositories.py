"""Which threads are of a repository."""

from __future__ import annotations

import pytest

from projector.serve.history.repositories import is_of


@pytest.mark.parametrize(
    ("wanted", "url", "folder", "found"),
    [
        ("teapot", "https://github.com/robin/teapot.git", "/elsewhere", True),
        ("robin/teapot", "git@github.com:robin/teapot.git", None, True),
        ("github.com/robin/teapot", "ssh://git@github.com:22/robin/teapot", None, True),
        ("https://github.com/robin/teapot", "git@github.com:Robin/Teapot", None, True),
        ("pot", "https://github.com/robin/teapot", "/w/pot", False),
        ("robin", "https://github.com/robin/teapot", None, False),
        ("teapot", None, "/home/robin/teapot", True),
        ("teapot", None, "/home/robin/teapot/", True),
        ("teapot", None, "C:\\work\\Teapot", True),
        ("teapot", None, "/home/robin/teapot/docs", False),
        ("teapot", None, None, False),
    ],
)
def test_by_origin_or_folder(
    wanted: str,
    url: str | None,
    folder: str | None,
    found: bool,  # noqa: FBT001
) -> None:
    assert is_of(wanted, url, folder) is found
