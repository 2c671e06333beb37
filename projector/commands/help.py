"""`projector help`."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

import click

from projector.commands import output
from projector.model.errors import UsageError
from projector.model.terminal_safe import terminal_safe

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

#: Maximum width of a page on a terminal.
_WIDTH: Final = 100


@click.command("help")
@click.argument("topic", required=False)
@click.pass_context
def help_(context: click.Context, topic: str | None) -> None:
    """Show a page of the manual, or the usage of a command; without TOPIC, list the pages."""
    pages = {page.name.removesuffix(".md"): page for page in _pages()}
    if topic is None:
        output.say("Pages of the manual: projector help TOPIC\n")
        width = max(map(len, pages))
        for name, page in sorted(pages.items()):
            output.say(f"  {name:{width}}  {_title(page)}")
        output.say("\nCommands: projector --help")
        return
    group = context.find_root().command
    assert isinstance(group, click.Group)
    command = group.get_command(context, topic)
    if topic in pages:
        more = f"\n\n    projector {topic} --help\n" if command is not None else ""
        _show(pages[topic].read_text("utf-8") + more)
        return
    if command is None:
        raise UsageError(
            f"no topic {topic!r}", hint=f"There are: {', '.join(sorted(pages))}; and the commands"
        )
    with click.Context(command, info_name=topic, parent=context.find_root()) as inner:
        output.say(command.get_help(inner))


def _pages() -> list[Traversable]:
    return [page for page in files("projector").joinpath("docs").iterdir() if _is_page(page)]


def _is_page(page: Traversable) -> bool:
    return page.name.endswith(".md")


def _title(page: Traversable) -> str:
    return page.read_text("utf-8").partition("\n")[0].removeprefix("# ")


def _show(text: str) -> None:
    """Print a page: formatted on a terminal, as Markdown elsewhere."""
    if not output.terminal():
        output.write_bytes([text.encode()])
        return
    from io import StringIO  # noqa: PLC0415 - only for people

    from rich.console import Console  # noqa: PLC0415 - same
    from rich.markdown import Markdown  # noqa: PLC0415 - same

    width = min(output.width() or _WIDTH, _WIDTH)
    console = Console(
        file=StringIO(), force_terminal=True, width=width, no_color=not output.coloured()
    )
    with console.capture() as captured:
        console.print(Markdown(terminal_safe(text)))
    with output.paged():
        output.write_rendered([captured.get()])
