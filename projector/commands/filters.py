"""Options by which lists are narrowed, and what they mean: a time, a folder, a repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from projector.commands.options import Count
from projector.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from projector.serve.history.place import Place

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Seconds that git may take to tell what a folder is.
_GIT_S: Final = 5.0

since = click.option(
    "--since",
    metavar="WHEN",
    help="Only since: 90m, 12h, 7d, 7days, last week, today, yesterday, 2026-11-01, or a date and"
    " time.",
)
folder = click.option(
    "--cwd",
    "folder",
    metavar="DIR",
    help="Only threads of this folder and its subfolders.",
)
repo = click.option(
    "--repo",
    metavar="NAME",
    help="Only threads of this git repository and its worktrees: its name, owner/name, a URL of"
    " it, or a folder of it, as `.`",
)


def limit(default: int, what: str = "") -> Callable[[_Command], _Command]:
    """Return the option `--limit`; `default`: what fits on a terminal."""
    return click.option(
        "--limit",
        type=Count(min=0),
        metavar="N",
        help=f"At most N{what}; 0: all. Default: {default} on a terminal, else all.",
    )


def moment(text: str) -> int:
    """Parse `--since`; return milliseconds since 1970.

    Raises:
        UsageError: it is not a point in time.
    """
    from datetime import datetime  # noqa: PLC0415 - see the package's docstring

    from projector.serve.history.threads import since as parsed  # noqa: PLC0415

    try:
        return parsed(text, datetime.now().astimezone())
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text}: not a point in time", hint="Write 7d, 12h, today or 2026-11-01"
        ) from None


def spellings(folder: str) -> tuple[str, ...]:
    """Return a folder's absolute path, as given and with links resolved: threads may have any."""
    from projector.serve.history.folders import is_windows  # noqa: PLC0415 - see the package's docstring

    if is_windows(folder):  # of another system
        return (folder,)
    named = os.path.abspath(os.path.expanduser(folder))
    return tuple(dict.fromkeys((folder, named, os.path.realpath(named))))


def place(folder: str | None, repo: str | None) -> Place:
    """Return the place of `--cwd` and `--repo`; git tells what a folder named by `--repo` is."""
    from projector.serve.history.place import Place  # noqa: PLC0415 - see the package's docstring

    folders = () if folder is None else spellings(folder)
    if repo is None:
        return Place(folders)
    if not _is_path(repo):
        return Place(folders, repo)
    named = os.path.expanduser(repo)
    origin = _git(named, "remote", "get-url", "origin").strip() or None
    listed = _git(named, "worktree", "list", "--porcelain").splitlines()
    trees = [line.removeprefix("worktree ") for line in listed if line.startswith("worktree ")]
    worktrees = [one for tree in trees or [named] for one in spellings(tree)]
    return Place(folders, origin, tuple(dict.fromkeys(worktrees)))


def named_path(path: str) -> str:
    """Return a path that begins with `.`, `..` or `~` as an absolute one; others as they are."""
    return os.path.abspath(os.path.expanduser(path)) if _is_path(path) else path


def _is_path(repo: str) -> bool:
    return repo.startswith(("./", "../", "/", "~")) or repo in (".", "..")


def _git(folder: str, *words: str) -> str:
    """Return what git answers about a folder; "": nothing, or there is no git."""
    import subprocess  # noqa: PLC0415 - only if a folder is named
    from contextlib import suppress  # noqa: PLC0415 - same

    with suppress(OSError, subprocess.SubprocessError):
        command: Sequence[str] = ["git", "-C", folder, *words]
        answer = subprocess.run(command, capture_output=True, timeout=_GIT_S, check=False)  # noqa: S603 - our own words, no shell
        return os.fsdecode(answer.stdout)
    return ""
