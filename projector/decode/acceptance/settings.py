"""How a thread or a turn runs: settings that several records share. Pure."""

from __future__ import annotations

from typing import Any, Final

from projector.decode.shapes import (
    absolute,
    anything,
    each,
    either,
    mapping,
    more_than_type,
    obj,
    string,
    tagged,
    word,
)

APPROVAL: Final = either(
    word("untrusted", "on-failure", "on-request", "never"), obj({"granular": more_than_type})
)
REVIEWER: Final = word("user", "auto_review", "guardian_subagent")
SANDBOX: Final = tagged(
    **{
        "danger-full-access": mapping,
        "read-only": mapping,
        "workspace-write": obj({}, None, {"writable_roots": each(absolute)}),
        "external-sandbox": mapping,
    }
)
PROFILE: Final = either(
    tagged(
        disabled=mapping,
        managed=more_than_type,
        external=obj({"network": anything}),
    ),
    lambda value: type(value) is dict and "type" not in value,
)
SUMMARY: Final = word("auto", "concise", "detailed", "none")


def effort(value: Any) -> bool:
    """Take how hard the model thinks: any word."""
    return type(value) is str and value != ""


COLLABORATION: Final = obj(
    {
        "mode": word("plan", "code", "custom", "default", "execute", "pair_programming"),
        "settings": obj(
            {"model": string}, {"reasoning_effort": effort, "developer_instructions": string}
        ),
    }
)
