"""`projector completion`."""

from __future__ import annotations

import click

from projector.commands import output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a shell completion script.

    bash, in ~/.bashrc: eval "$(projector completion bash)". zsh, in ~/.zshrc: the same with zsh.
    fish: projector completion fish > ~/.config/fish/completions/projector.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only here

    kind = get_completion_class(shell)
    assert kind is not None, "the choices are those that click knows"
    program = context.find_root().command
    script = kind(program, {}, "projector", "_PROJECTOR_COMPLETE").source()
    output.write_bytes([script.encode() + b"\n"])
