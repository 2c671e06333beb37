"""Patches in the model's own format, and scripts that are nothing but one."""

from __future__ import annotations

import pytest

from projector.decode.legacy.patch import Script, changes_of, patch_in, script_of

BEGIN, END = "*** Begin Patch\n", "\n*** End Patch"


def change(path: str, kind: dict[str, object], diff: str) -> dict[str, object]:
    return {"path": path, "kind": kind, "diff": diff}


UPDATE: dict[str, object] = {"type": "update", "move_path": None}
PATCHES = [
    (
        "an added file: its lines, each with a newline",
        "*** Add File: a\n+x\n+\n+y",
        [change("/w/a", {"type": "add"}, "x\n\ny\n")],
    ),
    (
        "a deleted file: its text is not there",
        "*** Delete File: /b",
        [change("/b", {"type": "delete"}, "")],
    ),
    (
        "an updated file: the hunks as they stand",
        "*** Update File: a\n@@ f\n-x\n+y\n\n z",
        [change("/w/a", UPDATE, "@@ f\n-x\n+y\n \n z\n")],
    ),
    (
        "a hunk without its head",
        "*** Update File: a\n-x\n+y",
        [change("/w/a", UPDATE, "@@\n-x\n+y\n")],
    ),
    (
        "a moved file",
        "*** Update File: a\n*** Move to: b\n@@\n-x",
        [change("/w/a", {"type": "update", "move_path": "/w/b"}, "@@\n-x\n\n\nMoved to: /w/b")],
    ),
    (
        "ends of files and environments say nothing",
        "*** Environment ID: e\n*** Update File: a\n@@\n-x\n*** End of File",
        [change("/w/a", UPDATE, "@@\n-x\n")],
    ),
    (
        "the same path twice: the last wins; sorted by path",
        "*** Add File: b\n+1\n*** Add File: a\n+2\n*** Delete File: b",
        [change("/w/a", {"type": "add"}, "2\n"), change("/w/b", {"type": "delete"}, "")],
    ),
    ("nothing at all", "", []),
]


@pytest.mark.parametrize(
    ("body", "expected"), [pytest.param(*case[1:], id=case[0]) for case in PATCHES]
)
def test_changes(body: str, expected: list[dict[str, object]]) -> None:
    """A patch tells of each file that it changes."""
    assert expected == changes_of(f"  {BEGIN}{body}{END}\n", "/w")


def test_a_heredoc_around_a_patch_is_dropped() -> None:
    """Models put it there even where no shell reads it."""
    patch = f"<<'EOF'\n{BEGIN}*** Delete File: a{END}\nEOF"

    assert changes_of(patch, "/w") == [change("/w/a", {"type": "delete"}, "")]


@pytest.mark.parametrize("patch", ["garbage", "", "*** Begin Patch", BEGIN + "x", "x" + END])
def test_what_is_no_patch(patch: str) -> None:
    """First and last line make a patch."""
    assert changes_of(patch, "/w") is None


SCRIPTS = [
    ("a patch and nothing else", "apply_patch <<'EOF'\nP\nEOF\n", Script("P", None)),
    ("without quotes", "apply_patch <<EOF\nP\nEOF", Script("P", None)),
    ("behind a change of folder", 'cd sub && apply_patch <<"X"\nP\nQ\nX', Script("P\nQ", "sub")),
    ("into a folder in quotes", "cd 'a b' && applypatch <<'X'\nP\nX", Script("P", "a b")),
    ("more commands before", "echo a; apply_patch <<'EOF'\nP\nEOF", None),
    ("more commands behind", "apply_patch <<'EOF'\nP\nEOF\nls", None),
    ("another command", "cat <<'EOF'\nP\nEOF", None),
    ("no heredoc", "apply_patch P", None),
]


@pytest.mark.parametrize(
    ("script", "expected"), [pytest.param(*case[1:], id=case[0]) for case in SCRIPTS]
)
def test_patch_in(script: str, expected: Script | None) -> None:
    """Only a script that is nothing but a patch is one."""
    assert expected == patch_in(script)


def test_scripts_of_shells() -> None:
    """SHELL -lc SCRIPT, by any path."""
    assert script_of(["/bin/bash", "-lc", "ls"]) == "ls"
    assert script_of(["zsh", "-c", "ls"]) == "ls"
    assert script_of(["python", "-c", "ls"]) is None
    assert script_of(["bash", "ls"]) is None
