r"""Paths of legacy records, joined as Codex's own language does it where the folder is."""

from __future__ import annotations

import pytest

from projector.decode.legacy.paths import joined_path


@pytest.mark.parametrize(
    ("cwd", "path", "joined"),
    [
        ("/w", "", "/w"),
        ("/w", "x", "/w/x"),
        ("/w", "./a/../x/", "/w/x"),
        ("/w", "../x", "/x"),
        ("/w", "/x/./y", "/x/y"),
        ("/w", "C:x", "/w/C:x"),
        ("/w", "C:\\x", "C:\\x"),
        ("/w", "\\x", "/w/\\x"),
        ("", "x", "x"),
        ("", "\\x", "\\x"),
    ],
)
def test_a_posix_folder_or_none(cwd: str, path: str, joined: str) -> None:
    assert joined_path(cwd, path) == joined


@pytest.mark.parametrize(
    ("cwd", "path", "joined"),
    [
        (r"C:\w", "", r"C:\w"),
        (r"C:\w", "x", r"C:\w\x"),
        ("C:\\w\\", "x", r"C:\w\x"),
        ("C:\\", "x", r"C:\x"),
        ("C:/w", "x", r"C:/w\x"),
        ("C:/w/", "x/y", r"C:/w/x/y"),
        (r"C:\w", r"..\x", r"C:\w\..\x"),
        (r"C:\w", r".\x", r"C:\w\.\x"),
        (r"C:\w", "a/b", r"C:\w\a/b"),
        (r"c:\Users\robin\teapot", r"\Users\robin\kettle", r"c:\Users\robin\kettle"),
        (r"C:\w", "\\", "C:\\"),
        (r"C:\w", "/x", "C:/x"),
        (r"C:\w", "/c/x", "C:/c/x"),
        (r"C:\w", r"D:\x", r"D:\x"),
        (r"C:\w", "d:/x", "d:/x"),
        (r"C:\w", "C:x", "C:x"),
        (r"C:\w", "D:", "D:"),
        (r"C:\w", r"\\server\share\x", r"\\server\share\x"),
        (r"C:\w", "//server/share/x", "//server/share/x"),
        (r"C:\w", r"\\server", r"C:\\server"),
        (r"C:\w", r"\\?\D:\x", r"\\?\D:\x"),
        (r"C:\w", r"\\.\pipe\x", r"\\.\pipe\x"),
        ("C:", "x", "C:x"),
        ("C:", r"\x", r"C:\x"),
        ("C:w", "x", r"C:w\x"),
        (r"\\server\share", "x", r"\\server\share\x"),
        (r"\\server\share\w", "x", r"\\server\share\w\x"),
        (r"\\server\share\w", r"\x", r"\\server\share\x"),
        (r"\\server\share\w", "/x", r"\\server\share/x"),
        (r"\\server\share\w", r"C:\x", r"C:\x"),
    ],
)
def test_a_folder_on_windows(cwd: str, path: str, joined: str) -> None:
    assert joined_path(cwd, path) == joined


@pytest.mark.parametrize(
    ("cwd", "path", "joined"),
    [
        (r"\\?\C:\w", "x", r"\\?\C:\w\x"),
        (r"\\?\C:\w", r"..\a/b/.", r"\\?\C:\a\b"),
        (r"\\?\C:\w", r"..\..\..\x", r"\\?\C:\x"),
        (r"\\?\C:\w", "..", "\\\\?\\C:\\"),
        (r"\\?\C:\w", r"\x", r"\\?\C:\x"),
        (r"\\?\C:\w", "/x/y", r"\\?\C:\x\y"),
        (r"\\?\C:\w", r"D:\x", r"D:\x"),
        (r"\\?\UNC\server\share\w", r"\x", r"\\?\UNC\server\share\x"),
        (r"\\?\UNC\server\share", "x", r"\\?\UNC\server\share\x"),
        (r"\\?\Volume{1}\w", "/x", r"\\?\Volume{1}\x"),
    ],
)
def test_a_verbatim_folder_resolves_what_is_pushed(cwd: str, path: str, joined: str) -> None:
    assert joined_path(cwd, path) == joined
