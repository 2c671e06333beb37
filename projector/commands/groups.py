"""The commands in groups, a line each, and examples of each: for `--help` and the manual page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Groups of commands, each with its line: one that fits 80 columns.
GROUPS: Final[Mapping[str, Mapping[str, str]]] = {
    "See": {
        "threads": "List threads, most recently changed first",
        "show": "Print one thread: all of it, a turn, around a hit, live",
        "search": "Find items by words and filters",
        "tail": "Watch what happens in all threads",
        "prompts": "List what users asked",
        "commands": "List the commands that were run, or that failed",
        "files": "List the files that were changed",
        "cost": "Sum what was spent by list price: by day, model, repo, ...",
        "limits": "Show how much of the usage limits is used",
        "sql": "Run a query, or open the database in sqlite3 or psql",
        "web": "Show all this as pages in a browser",
        "mcp": "Let agents search and read earlier threads",
        "events": "Print the change feed for programs, as JSON lines",
    },
    "Run": {
        "backfill": "Project all that is there, once",
        "run": "Catch up and follow, as a daemon",
        "install": "Install the daemon as a systemd service",
        "uninstall": "Remove the service; the database stays",
        "status": "Show what is projected, and how far behind the files",
        "health": "Print one line for monitoring",
        "doctor": "Find problems, and say how to fix them",
    },
    "Operate": {
        "verify": "Compare the database with the files, row by row",
        "rebuild": "Project threads again from their files",
        "copy": "Copy a database to another file or a server",
        "purge": "Delete threads for good whose files are gone",
        "config": "Print the settings in effect, and where from",
        "completion": "Print a completion script for bash, zsh or fish",
        "help": "Show a page of the manual",
    },
}

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "threads": (
        'projector threads --repo . --since "last week"',
        "projector threads --name kettle --all",
        "projector threads --output csv > threads.csv",
    ),
    "show": (
        "projector show last",
        'projector show "A faster kettle" --turn -1 --full',
        "projector show 019b8d62 --around 99fb7985",
        "projector show last --follow",
        "projector show last --format html --redact > thread.html",
    ),
    "search": (
        'projector search kettle "nine seconds"',
        "projector search timeout --type command --since 7d -C 2",
        "projector search --type user --repo . --since yesterday",
    ),
    "tail": ("projector tail", "projector tail --repo . -n 50"),
    "prompts": ("projector prompts --since today", "projector prompts --cwd . --output jsonl"),
    "commands": (
        "projector commands --failed --since 7d",
        "projector commands --repo teapot --output csv",
    ),
    "files": ("projector files --since yesterday", "projector files src/kettle.py"),
    "cost": (
        'projector cost --by repo --since "last month"',
        "projector cost --by thread --with-agents --since 7d",
        "projector cost --by day,model --output csv",
    ),
    "limits": ("projector limits", "projector limits --since 7d --output csv"),
    "sql": (
        "projector sql",
        'projector sql "SELECT name, turn_count FROM threads"',
        'projector sql "SELECT * FROM messages WHERE role = :who" --param who user',
        "projector sql - --output csv < report",
        "projector sql --unite 'team_*' --database postgresql://looker@db/codex | psql",
    ),
    "web": ("projector web", "projector web --port 8123 --no-browser"),
    "mcp": ("codex mcp add history -- projector mcp",),
    "events": (
        "projector events --types turn.failed --follow",
        "projector events --after 4713-5bce7818fe0a921f --limit 100",
    ),
    "backfill": (
        "projector backfill",
        "projector backfill --sample --database /tmp/sample.db",
        "projector backfill 019b8d62-7a80-7000-8000-000000000002",
    ),
    "run": ("projector run", "projector run --database postgresql://projector@db/codex"),
    "install": (
        "sudo projector install --as robin",
        "projector install --user --dry-run",
    ),
    "uninstall": ("sudo projector uninstall", "projector uninstall --user"),
    "status": ("projector status", "projector status --rollouts --json"),
    "health": ("projector health", "projector health -w 60 -c 600"),
    "doctor": ("projector doctor", "projector doctor --json"),
    "verify": ("projector verify", 'projector verify "A faster kettle"'),
    "rebuild": ("projector rebuild --outdated", "projector rebuild 019b8d62"),
    "copy": ("projector copy --from p.db --to postgresql://projector@db/codex",),
    "purge": ("projector purge 019b8d62-7a80-7000-8000-000000000002 --dry-run",),
    "config": ("projector config", "projector config --json"),
    "completion": ('eval "$(projector completion bash)"',),
    "help": ("projector help", "projector help search", "projector help show"),
}


def epilog(name: str) -> str:
    """Return the examples of a command as click prints them, unwrapped; "": it has none."""
    lines = EXAMPLES.get(name, ())
    return "\b\nExamples:\n" + "\n".join(f"  {one}" for one in lines) if lines else ""
