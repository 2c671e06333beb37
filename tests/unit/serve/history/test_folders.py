"""Folders in their spellings."""

from __future__ import annotations

import pytest

from projector.serve.history.folders import is_within

WINDOWS = r"\\?\C:\work\proj"
SAME = [
    (WINDOWS, r"C:\work\proj"),
    (WINDOWS, "c:\\work\\proj\\"),
    (WINDOWS, "C:/work/proj"),
    (WINDOWS, "//?/C:/Work/Proj"),
    (WINDOWS, r"C:\work\other\..\proj"),
    (WINDOWS, "/mnt/c/work/proj"),
    (r"\\wsl$\Ubuntu\home\robin\spec", r"\\wsl.localhost\Ubuntu\home\robin\spec"),
    (r"\\wsl$\Ubuntu\home\robin\spec", r"\\?\UNC\wsl.localhost\Ubuntu\home\robin\spec"),
    (r"\\server\share\x", "//?/UNC/server/share/x"),
    ("/home/robin/spec", "/home/robin/spec/"),
    ("/home/robin/spec", "//home//robin/./spec"),
    ("/", "//"),
    ("C:\\", "c:/"),
    ("", ""),
    ("odd \x1b name", "odd \x1b name"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_folder_is_found_by_each_of_its_spellings(one: str, other: str) -> None:
    assert is_within(one, [other])
    assert is_within(other, [one])


BELOW = [
    (r"C:\work\proj\src", "c:/work/proj"),
    ("/mnt/c/work/proj/src", r"\\?\C:\work\proj"),
    ("/home/robin/spec", "/"),
    ("/home/robin/spec", "/home/robin/"),
    (r"D:\x", "D:\\"),
    (r"\\server\share\x\y", r"\\server\share\x"),
]


@pytest.mark.parametrize(("below", "folder"), BELOW)
def test_a_folder_has_those_below_it(below: str, folder: str) -> None:
    assert is_within(below, [folder])
    assert not is_within(folder, [below])


OTHERS = [
    ("/home/robin/specs", "/home/robin/spec"),
    ("/home/Robin/spec", "/home/robin/spec"),  # POSIX heeds case
    (r"C:\work\project", r"C:\work\proj"),
    (r"D:\work\proj", r"C:\work\proj"),
    (r"\\wsl$\Ubuntu\home\robin\spec", "/home/robin/spec"),  # of which Linux is not known
    (r"\\wsl$\Debian\home\robin", r"\\wsl$\Ubuntu\home\robin"),
    ("/home/robin", ""),
    ("/home/robin", "."),
    ("relative/one", "/relative"),
    (None, "/"),
]


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_another_folder_is_not_found(one: str | None, other: str) -> None:
    assert not is_within(one, [other])
