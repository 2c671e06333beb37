"""Which session_meta Codex refuses: it opens no rollout that begins with one. Pure.

Source: docs on paginated rollouts, 1.7.
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode.fields import Object
from projector.decode.shapes import (
    Shape,
    agent_path,
    boolean,
    each,
    either,
    i32,
    mapping,
    obj,
    string,
    tagged,
    thread_id,
    u64,
    word,
)


def _source(value: Any) -> bool:
    if type(value) is str:
        return True
    if type(value) is not dict or len(value) != 1:
        return False
    ((kind, held),) = value.items()
    of = _SOURCES.get(kind)
    return of is not None and of(held)


_THREAD_SPAWN: Final = obj(
    {"parent_thread_id": thread_id, "depth": i32},
    {"agent_path": agent_path, "agent_nickname": string, "agent_role": string},
)
_SUBAGENT: Final = either(
    word("review", "compact", "memory_consolidation"),
    obj({"other": string}),
    obj({"thread_spawn": _THREAD_SPAWN}),
)
_SOURCES: Final[dict[str, Shape]] = {
    "custom": string,
    "internal": word("memory_consolidation", "guardian"),
    "subagent": _SUBAGENT,
}

_SESSION_META: Final = obj(
    {
        "id": thread_id,
        "timestamp": string,
        "cwd": string,
        "originator": string,
        "cli_version": string,
    },
    {
        "thread_source": string,
        "parent_thread_id": thread_id,
        "forked_from_id": thread_id,
        "forked_from_ordinal_exclusive": u64,
        "subagent_history_start_ordinal": u64,
        "history_base": obj(
            {"thread_id": thread_id, "end_ordinal_exclusive": u64, "end_byte_offset": u64}
        ),
        "git": obj({}, {"commit_hash": string, "branch": string, "repository_url": string}),
        "base_instructions": obj(
            {"text": string}, {"provenance": tagged(custom=mapping, model=mapping)}
        ),
        "model_provider": string,
        "memory_mode": string,
        "agent_path": string,
        "agent_nickname": string,
        "agent_role": string,
        "creator_user_id": string,
        "creator_account_id": string,
        "multi_agent_version": word("disabled", "v1", "v2"),
        "context_window": obj({"window_id": string}),
        "runtime_workspace_roots": each(string),
        "dynamic_tools": each(obj({"name": string})),
    },
    {
        "session_id": thread_id,
        "history_mode": word("legacy", "paginated"),
        "source": _source,
        "selected_capability_roots": each(mapping),
        "account_scoped": boolean,
        "attached_thread": boolean,
    },
)


def is_refused(payload: Object) -> bool:
    """True if Codex's decoder refuses the payload of a `session_meta`."""
    return not _SESSION_META(payload)
