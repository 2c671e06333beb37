"""A command's arguments as one line for a shell."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode.shell import WITH_NUL, join

# fmt: off
CASES = [
    # what                                             argv                     line
    ("no arguments are no text",                       [],                      ""),
    ("an empty argument is two quotes",                [""],                    "''"),
    ("plain words stay bare",                          ["ls", "-la", "/a@b:c]"], "ls -la /a@b:c]"),
    ("a space takes single quotes",                    ["a b"],                 "'a b'"),
    ("so do an equals sign, a comma, a letter beyond", ["x=1", "a,b", "é"],     "'x=1' 'a,b' 'é'"),
    ("a newline stands raw",                           ["a\nb"],                "'a\nb'"),
    ("a single quote takes double ones",               ["it's"],                '"it\'s"'),
    ("double quotes are escaped in double quotes", ["say \"it's\""], '"say \\"it\'s\\""'),
    ("a backslash is escaped in double quotes",        ["a\\b"],                '"a\\\\b"'),
    ("a dollar behind a single quote begins anew",     ["a'b$c"],               "\"a'b\"'$c'"),
    ("a dollar before one, too",                       ["$'x'"],                "'$'\"'x'\""),
    ("a caret begins a chunk in single quotes",        ["a^b"],                 "a'^b'"),
    ("a caret between single quotes stands alone",     ["'^'"],                 "\"'\"'^'\"'\""),
    ("carets each begin a chunk",                      ["^^"],                  "'^''^'"),
    ("a NUL anywhere hides the whole command",         ["ls", "a\0b"],          WITH_NUL),
]
# fmt: on


@pytest.mark.parametrize(("argv", "line"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_join(argv: list[str], line: str) -> None:
    assert line == join(argv)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_shell_reads_the_same_arguments_back(argv: list[str]) -> None:
    assert argv == shlex.split(join(argv))
