"""Makes from the code: settings file, units, man page, data dictionary, tables of the manual.

    python -m tests.support.docs

Run it after a change of `projector/model/settings.py`, of the sample, or of what the questions are
about; tests/test_docs.py tells when it was forgotten.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any, get_args

from projector.commands import load_settings as config
from projector.install.render import UNITS, Host, render
from projector.model import settings
from projector.store import view_descriptions
from tests.support import grafana, manual, questions, tables

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = ROOT / "projector" / "docs"
CONFIG_FILE = ROOT / "config" / "projector.toml"
TABLE = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- /settings -->)", re.DOTALL)

MANUAL = ROOT / "config" / "projector.1"
UNITS_FOLDER = ROOT / "systemd"
DICTIONARY = PAGES / "dictionary.md"
#: For whom the units in the repository are: `projector install` makes them for one host.
ANY_HOST = Host(
    command=["/usr/local/bin/projector"],
    user="projector",
    environment={"PROJECTOR_CODEX_HOMES": "/home/projector/.codex"},
    readable=["/home/projector/.codex"],
)

HEAD = """\
# Settings of projector, all with their defaults: take the # away from what you change.
#
# Read from the first of: --config FILE, $PROJECTOR_CONFIG,
# $XDG_CONFIG_HOME/codex-projector/config.toml, /etc/codex-projector/config.toml.
# Each can be set in the environment too: PROJECTOR_DATABASE, PROJECTOR_RUN__RESCAN_S.
"""


def manual_text() -> str:
    """Return README and manual as one text."""
    pages = [README, *sorted(PAGES.glob("*.md"))]
    return "\n".join(page.read_text("utf-8") for page in pages)


def filled(text: str) -> str:
    """Return a page with its tables and answers as the code gives them now."""
    table = settings_table()
    text = TABLE.sub(lambda _: table, text)
    return questions.answered(tables.filled(text))


def meta_of(kind: Any) -> tuple[str, str]:
    """Give a setting's description and its unit, "" for none."""
    (meta,) = kind.__metadata__
    return meta.description, (meta.extra or {}).get("unit", "")


def choices_of(kind: Any) -> str:
    """Give the values that are allowed where there are only some."""
    choices = get_args(get_args(kind)[0])
    return ", ".join(choices) if all(isinstance(choice, str) for choice in choices) else ""


def toml(value: Any) -> str:
    """Write a value as TOML."""
    match value:
        case str():
            return f'"{value}"'
        case bool():
            return str(value).lower()
        case tuple():
            return "[" + ", ".join(toml(one) for one in value) + "]"
        case float() if value == int(value):
            return str(int(value))
        case _:
            return str(value)


def config_file() -> str:
    """Give the text of config/projector.toml."""
    text, current = HEAD, ""
    for (section, name), default in config.defaults().items():
        kind = config.type_of((section, name))
        if section != current:
            current = section
            about = getattr(settings, section.title()).__doc__ or ""
            text += f"\n[{section}]\n# {about}\n"
        description, unit = meta_of(kind)
        choices = choices_of(kind)
        extra = [f"In {unit}."] if unit else [f"One of {choices}."] if choices else []
        lines = textwrap.wrap(" ".join([description, *extra]), 94, break_on_hyphens=False)
        text += "\n" + "".join(f"# {line}\n" for line in lines) + f"# {name} = {toml(default)}\n"
    return text


def settings_table() -> str:
    """Return the table of settings."""
    rows = ["| setting | default | unit | meaning |", "| --- | --- | --- | --- |"]
    for (section, name), default in config.defaults().items():
        kind = config.type_of((section, name))
        description, unit = meta_of(kind)
        unit = unit or choices_of(kind).replace(", ", " / ")
        full = f"{section}.{name}" if section else name
        rows.append(f"| `{full}` | `{toml(default)}` | {unit} | {description} |")
    return "\n".join(rows) + "\n"


def schemas() -> dict[Path, str]:
    """Give the steps of the schema that describe the views, by file."""
    folder = ROOT / "projector" / "store" / "sql"
    return {
        folder / engine / "0004_columns.sql": view_descriptions.schema(engine)
        for engine in ("sqlite", "postgres")
    }


def dashboards() -> dict[Path, str]:
    """Give the dashboards of the data, by file."""
    return {
        ROOT / "config" / "grafana-work.json": grafana.text("postgres"),
        ROOT / "config" / "grafana-work-sqlite.json": grafana.text("sqlite"),
    }


def units() -> dict[str, str]:
    """Give the text of each file in systemd/."""
    return {name: render(name, ANY_HOST) for name in UNITS}


if __name__ == "__main__":
    MANUAL.parent.mkdir(exist_ok=True)
    MANUAL.write_text(manual.page(), "utf-8")
    for name, text in units().items():
        (UNITS_FOLDER / name).write_text(text, "utf-8")
    CONFIG_FILE.write_text(config_file(), "utf-8")
    DICTIONARY.write_text(view_descriptions.page(), "utf-8")
    for file, text in (schemas() | dashboards()).items():
        file.write_text(text, "utf-8")
    for page in (README, *PAGES.glob("*.md")):
        page.write_text(filled(page.read_text("utf-8")), "utf-8")
