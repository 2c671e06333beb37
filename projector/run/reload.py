"""Merge reloaded settings with those that need a restart. Pure."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from projector.model.settings import Settings

#: Settings fixed for the life of a process: what it holds open or has promised to watch.
NEED_RESTART: Final = frozenset({
    ("", "codex_homes"),
    ("", "database"),
    ("", "database_file"),
    ("run", "watch"),
    ("run", "debounce_ms"),
    ("serve", "listen"),
    ("serve", "allow_remote"),
    ("store", "busy_timeout_s"),
})  # fmt: skip


class Changed(Struct, frozen=True, kw_only=True):
    """The settings in effect from now on."""

    settings: Settings
    taken: tuple[str, ...]
    """Names of settings that changed: `run.rescan_s`."""
    left: tuple[str, ...]
    """Names of settings that would change after a restart."""


def changed(old: Settings, new: Settings) -> Changed:
    """Return the new settings as far as they apply without a restart."""
    taken: list[str] = []
    left: list[str] = []
    top: dict[str, object] = {}
    for name in Settings.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if not isinstance(before, msgspec.Struct):
            if before != after:
                (left if ("", name) in NEED_RESTART else taken).append(name)
            top[name] = before if ("", name) in NEED_RESTART else after
            continue
        kept: dict[str, object] = {}
        for key in before.__struct_fields__:
            if getattr(before, key) == getattr(after, key):
                continue
            if (name, key) in NEED_RESTART:
                left.append(f"{name}.{key}")
                kept[key] = getattr(before, key)
            else:
                taken.append(f"{name}.{key}")
        top[name] = msgspec.structs.replace(after, **kept)
    return Changed(
        settings=msgspec.structs.replace(new, **top), taken=tuple(taken), left=tuple(left)
    )
