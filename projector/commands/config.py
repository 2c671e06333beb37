"""`projector config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from projector.commands import output
from projector.commands.options import as_json, common, options_of


@click.command()
@common
@as_json
@click.pass_context
def config(
    context: click.Context, codex_home: tuple[str, ...], database: str | None, *, as_json: bool
) -> None:
    """Print the settings in effect and where each comes from, as a usable configuration file.

    Passwords in the database URL are omitted.
    """
    found = list(_traced(options_of(codex_home, database), context.obj))
    if as_json:
        known = {name: {"value": value, "origin": origin} for name, value, origin in found}
        output.write_document(known)
        return
    # A string, number, boolean or list of strings has the same syntax in JSON and TOML.
    lines = [(f"{name} = {json.dumps(one, ensure_ascii=False)}", at) for name, one, at in found]
    width = max(len(line) for line, _ in lines if len(line) < _WIDE)
    output.say("\n".join(f"{line:{width}}  # {origin}" for line, origin in lines))


#: Longer lines do not align their comments.
_WIDE = 60


def _traced(options: dict[str, Any], file: str | None) -> Iterator[tuple[str, Any, str]]:
    """Yield each setting's name, value and origin."""
    from projector.commands import load_settings as settings_of  # noqa: PLC0415 - see the package's docstring
    from projector.model.database_url import shown  # noqa: PLC0415

    settings, origins = settings_of.traced(options, file=file)
    for section, name in settings_of.defaults():
        value = getattr(getattr(settings, section) if section else settings, name)
        if name == ("database" if settings.database_file else "database_file"):
            continue  # the two exclude each other
        if name == "database":
            value = shown(value)
        if isinstance(value, tuple):
            value = list(value)
        origin = origins.get((section, name), "default")
        yield (f"{section}.{name}" if section else name), value, origin
