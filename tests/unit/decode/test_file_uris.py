"""file: URIs and the paths of read actions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode.errors import DecodeError
from projector.decode.paths import absolute, folder, from_uri, of_path, read_path, saved_path

# fmt: off
URIS = [
    ("file:///w/my%20dir",                "/w/my dir"),
    ("file:///w//x/",                     "/w//x/"),
    ("file:////w",                        "/w"),
    ("file:w",                            "/w"),
    (" FILE:///w/a\tb ",                  "/w/ab"),
    ("file://localhost/w",                "/w"),
    ("file:///w/a/..",                    "/w/"),
    ("file:///../%2e%2E/x",               "/x"),
    ("file:///w/%FF",                     "/w/\ufffd"),
    ("file:///w/a%2Fb",                   "/w/a/b"),
    ("file:///w/%zz",                     "/w/%zz"),
    ("file:///w\\x",                      "/w/x"),
    ("file:///c:/x%20y/z",                "C:\\x y\\z"),
    ("file:///C%3A/x",                    "C:\\x"),
    ("file:///C:",                        "C:\\"),
    ("file:///C:/../x",                   "C:\\x"),
    ("file:///C|/x",                      "/C|/x"),
    ("file://C|/x",                       "C:\\x"),
    ("file:///CC:/x",                     "/CC:/x"),
    ("file://Server/share/d",             "\\\\server\\share\\d"),
    ("file://server/",                    "file://server/"),
    ("file://127.1/x/y",                  "\\\\127.0.0.1\\x\\y"),
    ("file://[::1]/x/y",                  "\\\\[::1]\\x\\y"),
    ("file:///%00/bad/path/L2EAYg",       "/a\0b"),
    ("file:///%00/bad/path/QwA6AFwAYQA",  "C:\\a"),
    ("file:///%00/bad/path/YQ",           "file:///%00/bad/path/YQ"),
]
# fmt: on


@pytest.mark.parametrize(("uri", "path"), URIS)
def test_a_uri_names_a_path(uri: str, path: str) -> None:
    assert path == from_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "/w", "", "C:\\x", "http://example.org/w", "file:///w?q", "file:///w#f", "file:///w/%00",
        "file:///w\0x", "file://user@host/x", "file://host:80/x", "file://256.1.1.1/x",
        "file:///%00/bad/path/!!",
    ],
)  # fmt: skip
def test_what_is_no_file_uri_is_refused(uri: str) -> None:
    with pytest.raises(DecodeError):
        from_uri(uri)


# fmt: off
READS = [
    # the folder                       the path       is
    ("file:///w",                      "x",           "/w/x"),
    ("file:///w/a/",                   "../x/",       "/w/x"),
    ("file:///w",                      "../../..",    "/"),
    ("file:///w/",                     "",            "/w/"),
    ("file:///w",                      "/a//b/../c/", "/a/c/"),
    ("file:///w",                      "a%20b",       "/w/a%20b"),
    ("file:///w",                      "C:\\x",       "/w/C:\\x"),
    ("file:///",                       "C:/x",        "C:\\x"),
    ("file:///w",                      "/C:/x",       "/C:/x"),
    ("file:///w/a%2F..%2Fb",           "x",           "/w/a/../b/x"),
    ("file:///w",                      "nul\0",       None),
    ("file:///%00/bad/path/L2EAYg",    "x",           None),
    ("file:///%00/bad/path/L2EAYg",    "/x",          "/x"),
    ("file:///C:/a",                   "..\\..\\x",   "C:\\x"),
    ("file:///C:/a",                   "\\x",         "C:\\x"),
    ("file:///C:/a",                   "c:x",         "C:\\a\\x"),
    ("file:///C:/a",                   "D:x",         None),
    ("file:///C:/a",                   "a:b",         None),
    ("file:///C:/a",                   "D:/x/",       "D:\\x\\"),
    ("file:///C:/a",                   "//s/t/u",     "\\\\s\\t\\u"),
    ("file:///C:/a",                   "//x",         "C:\\a\\x"),
    ("file://server/share/d",          "/abs/../q",   "\\\\server\\share\\q"),
    ("file://server/share/d",          "..\\..",      "\\\\server\\share"),
    ("file:///%00/bad/path/QwA6AFwAYQA", "D:\\x",     "D:\\x"),
    ("file:///%00/bad/path/QwA6AFwAYQA", "\\x",       None),
    ("file:///C:/a",                   "\\\\Srv\\Sh\\x", "\\\\srv\\Sh\\x"),
    ("file:///C:/a",                   "\\\\?\\D:\\x",  "D:\\x"),
    ("file:///C:/a",                   "\\\\.\\D:\\x",  "D:\\x"),
    ("file:///C:/a",                   "\\\\?\\UNC\\s\\t\\u", "\\\\s\\t\\u"),
    ("file:///C:/a",                   "\\\\?\\unc\\s\\t\\u", "\\\\?\\unc\\s\\t\\u"),
    ("file:///C:/a",                   "\\\\?\\Volume{1}\\x", "\\\\?\\Volume{1}\\x"),
    ("file:///C:/a",                   "//?/C:/x",    "//?/C:/x"),
    ("file://server/share/d",          "\\\\.\\pipe\\..\\x", "\\\\.\\pipe\\..\\x"),
    ("file:///w",                      "//?/C:/x",    "/?/C:/x"),
    ("file:///w",                      "\\\\?\\D:\\x",  "/w/\\\\?\\D:\\x"),
]
# fmt: on


@pytest.mark.parametrize(("uri", "path", "found"), READS)
def test_a_read_action_is_resolved_against_its_folder(
    uri: str, path: str, found: str | None
) -> None:
    assert found == read_path(folder(uri), path)


def test_a_plain_path_is_a_folder_as_well() -> None:
    assert read_path("/w", "x") == "/w/x"
    assert read_path("C:\\w", "..\\x") == "C:\\x"
    assert read_path("elsewhere", "x") is None


# fmt: off
FOLDERS = [
    # as written               as shown                 a file x in it
    (r"C:\w",                  r"C:\w",                 r"C:\w\x"),
    ("c:/a/../w/",             "C:\\w\\",               r"C:\w\x"),
    (r"C:\a\\b\.",             r"C:\a\b",               r"C:\a\b\x"),
    (r"C:\w\..\..",            "C:\\",                  r"C:\x"),
    (r"\\Server\Share\..\w",   r"\\server\Share\w",     r"\\server\Share\w\x"),
    ("\\\\server\\share\\",    "\\\\server\\share\\",    r"\\server\share\x"),
    ("//server/share/w",       r"\\server\share\w",     r"\\server\share\w\x"),
    (r"\/server/share",        r"\\server\share",       r"\\server\share\x"),
    (r"\\?\c:\w\..\v",         r"C:\v",                 r"C:\v\x"),
    (r"\\.\C:/w",             r"C:\w",                 r"C:\w\x"),
    (r"\\?\UNC\server\share", r"\\server\share",       r"\\server\share\x"),
    (r"\\?\UNC\server",       r"\\?\UNC\server",      None),
    (r"\\?\Volume{1}\w",      r"\\?\Volume{1}\w",     None),
    (r"\\?\C:",               r"\\?\C:",              None),
    ("//?/C:/w",               "//?/C:/w",              None),
    ("/w//x/../y/",            "/w/y/",                 "/w/y/x"),
    ("/w/.",                   "/w",                    "/w/x"),
    ("/..",                    "/",                     "/x"),
]
# fmt: on


@pytest.mark.parametrize(("path", "shown", "file"), FOLDERS)
def test_a_plain_path_is_shown_as_its_uri_is(path: str, shown: str, file: str | None) -> None:
    """As Codex shows folders of commands that it migrates; to show them again changes nothing."""
    assert of_path(path).shown == shown
    assert of_path(shown).shown == shown
    assert read_path(path, "x") == file


@pytest.mark.parametrize(
    "path", ["w", "", "C:", "C:w", r"\w", r"\\server", "///a/b", "//", r"\\s\\t"]
)
def test_a_plain_path_that_is_not_absolute(path: str) -> None:
    assert of_path(path).kind == "none"


@pytest.mark.parametrize(
    ("path", "found"),
    [("/a//b/", "/a/b"), ("/a/..", "/"), ("/..", "/"), ("/a/./b", "/a/b"), ("x", None), ("", None)],
)
def test_absolute(path: str, found: str | None) -> None:
    assert found == absolute(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/../b.png", "/b.png"),
        (r"C:\Users\robin\cup.png", r"C:\Users\robin\cup.png"),
        ("d:/cup.png", "d:/cup.png"),
        (r"\\server\share\cup.png", r"\\server\share\cup.png"),
        (r"\\?\C:\cup.png", r"\\?\C:\cup.png"),
        ("cup.png", None),
        (r"\cup.png", None),
        ("C:cup.png", None),
    ],
)
def test_where_an_image_was_saved(path: str, found: str | None) -> None:
    """On whichever system: an image that was saved on Windows is an item, too."""
    assert saved_path(path) == found


@given(st.text(), st.text())
def test_no_text_makes_it_raise_anything_else(uri: str, path: str) -> None:
    for text in (uri, f"file:{uri}", f"file://{uri}", f"file:///{uri}"):
        try:
            known = folder(text)
        except DecodeError:
            continue
        read_path(known, path)
