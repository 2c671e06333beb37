"""Makes the manual page, projector(1), from what `--help` says."""

from __future__ import annotations

import inspect
import re

import click

from projector import __version__, cli
from projector.commands.groups import EXAMPLES

#: Variables that are no settings.
ENVIRONMENT = (
    ("CODEX_HOME", "Where Codex keeps its rollouts, if nothing else names a folder."),
    ("PROJECTOR_CONFIG", "The file of settings."),
    ("PROJECTOR_SECTION__NAME", "A setting: PROJECTOR_RUN__RESCAN_S is run.rescan_s."),
    ("NO_COLOR", "No colours, whatever its value."),
    ("FORCE_COLOR", "Colours in a pipe, too, whatever its value."),
    ("PAGER", "Shows long answers on a terminal; default: less. cat: none."),
)
FILES = (
    ("~/.config/codex-projector/config.toml", "Settings of a user."),
    ("/etc/codex-projector/config.toml", "Settings of the system."),
    ("~/.local/state/codex-projector/projector.db", "The database, if no other is named."),
    ("/var/lib/codex-projector/projector.db", "The database of the system's service."),
)


def page() -> str:
    """Give the page in the language of man(7)."""
    program = cli.app
    context = click.Context(program, info_name="projector", **program.context_settings)
    lines = [
        f'.TH PROJECTOR 1 "" "codex-projector {__version__}" "User Commands"',
        ".SH NAME",
        r"projector \- Codex's conversations as rows in SQL",
        ".SH SYNOPSIS",
        r".B projector\fR [\fB\-\-config\fR \fIFILE\fR] \fICOMMAND\fR [\fIARGUMENT\fR...]",
        ".SH DESCRIPTION",
        *_prose(program.help),
        ".SH OPTIONS",
        *_options(program, context),
        ".SH COMMANDS",
    ]
    for name, command in program.every().items():
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        lines += [f".SS projector {_text(name)} {_text(usage)}", *_prose(command.help)]
        lines += _options(command, inner)
        lines += _examples(EXAMPLES[name])
    lines += [".SH EXIT STATUS", *_prose(program.epilog)]
    for title, rows in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        lines.append(f".SH {title}")
        for name, meaning in rows:
            lines += [".TP", f".B {_text(name)}", _text(meaning)]
    lines += [".SH SEE ALSO", ".BR sqlite3 (1),", ".BR systemctl (1)"]
    return "\n".join(lines) + "\n"


def _options(command: click.Command, context: click.Context) -> list[str]:
    lines = []
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if record is not None:
            lines += [".TP", f".B {_text(record[0])}", _text(record[1])]
    return lines


def _examples(examples: tuple[str, ...]) -> list[str]:
    return [".PP", "Examples:", ".PP", ".nf", *map(_text, examples), ".fi"]


def _prose(text: str | None) -> list[str]:
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text or "")):
        lines += [".PP", _text(" ".join(paragraph.split()))]
    return lines


def _text(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text
