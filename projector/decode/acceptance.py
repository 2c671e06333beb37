"""Which lines Codex 0.169.0 takes as records. Pure.

Rows do not depend on it: they are made from whatever can be read. Codex's own count of ordinals
does: a record that it cannot decode leaves its ordinal to the next one. Asked for few lines
only (`reduce/expected.py` says for which), so plainness goes before speed here.

Source: docs on paginated rollouts, 1.2 to 1.8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from projector.decode import exact, item, lifecycle, messages, paths, realtime
from projector.decode.refused import Refused
from projector.decode.shapes import (
    Shape,
    absolute,
    agent_path,
    anything,
    boolean,
    each,
    either,
    i32,
    i64,
    listing,
    mapping,
    number,
    obj,
    string,
    thread_id,
    u32,
    u64,
    values,
    word,
)
from projector.decode.turn_error import error_info

#: Ordinals from here on make Codex's transaction fail.
_TOO_LARGE: Final = (1 << 63) - 1


def ordinal_taken(data: bytes) -> int | None:
    """Give the ordinal that a line uses up in Codex's count; None: it uses up none."""
    record = _strict(data)
    if record is None:
        return None
    ordinal = record.get("ordinal")
    if type(ordinal) is not int or not 0 <= ordinal < _TOO_LARGE:
        return None
    return ordinal if takes(record) and within_bounds(record, data) else None


def _strict(data: bytes) -> dict[str, Any] | None:
    """Read a line as Codex reads JSON, but for its bounds."""
    try:
        value = orjson.loads(data)
        if type(value) is dict and not exact.has_float(value):
            return value
    except orjson.JSONDecodeError:
        if b"e" not in data and b"E" not in data:  # no number that only a double cannot hold
            return None
    try:
        value = exact.strict(data)
    except ValueError:
        return None
    return value if type(value) is dict else None


def within_bounds(record: dict[str, Any], data: bytes) -> bool:
    """Tell whether nesting and integers of a line that is JSON are within Codex's bounds."""
    odd = False

    def large(held: Any) -> bool:
        return type(held) in (float, orjson.Fragment)

    if len(data) > exact.CODEX_DEPTH:
        if exact.deeper(record, exact.CODEX_DEPTH):
            return False
        odd = exact.any_of(record, large)
    return not (odd and exact.refused_integer(data))


def takes_envelope(record: dict[str, Any]) -> bool:
    """Tell whether what is around a record's payload has the shape that Codex decodes."""
    ordinal = record.get("ordinal")
    return type(record.get("timestamp")) is str and (ordinal is None or u64(ordinal))


def takes(record: dict[str, Any]) -> bool:
    """Tell whether an object has the shape of a record that Codex decodes."""
    if not takes_envelope(record):
        return False
    kind = record.get("type")
    shape = _RECORDS.get(kind) if type(kind) is str else None
    return shape is not None and "payload" in record and shape(record["payload"])


def _no_refusal(check: Callable[[dict[str, Any]], object]) -> Shape:
    def shape(value: Any) -> bool:
        if type(value) is not dict:
            return False
        try:
            check(value)
        except Refused:
            return False
        return True

    return shape


def _item_completed(payload: dict[str, Any]) -> None:
    lifecycle.check_item_completed(payload)
    item.convert(payload.get("item"))


def _item_started(payload: dict[str, Any]) -> None:
    if not (_STARTED_ITEM(payload)):
        raise Refused("item_started")
    item.convert(payload.get("item"))


def _file_uri(value: Any) -> bool:
    try:
        return type(value) is str and paths.from_uri(value) != ""
    except Refused:
        return False


def _error_info(info: Any) -> bool:
    try:
        error_info(info)
    except Refused:
        return False
    return True


def _source(value: Any) -> bool:
    if type(value) is str:
        return True
    if type(value) is not dict or len(value) != 1:
        return False
    ((kind, held),) = value.items()
    of = _SOURCES.get(kind)
    return of is not None and of(held)


def _response_item(payload: Any) -> bool:
    if type(payload) is not dict or type(payload.get("type")) is not str:
        return False
    return _RESPONSE_ITEMS.get(payload["type"], anything)(payload) and (
        payload.get("id") is None or type(payload["id"]) is str
    )


def _part(**kinds: Shape) -> Shape:
    """Take objects whose `type` is one of these and whose fields fit it."""

    def shape(value: Any) -> bool:
        kind = value.get("type") if type(value) is dict else None
        return type(kind) is str and kind in kinds and kinds[kind](value)

    return shape


def _more(value: Any) -> bool:
    """Take objects with more than a type: what else they require is not known."""
    return len(value) > 1


def _event(payload: Any) -> bool:
    if type(payload) is not dict:
        return False
    kind = payload.get("type")
    shape = _EVENTS.get(kind) if type(kind) is str else None
    return shape is not None and shape(payload)


def _full(value: Any) -> bool:
    """Take lists and objects that are not empty: what they require is not known."""
    return type(value) in (list, dict) and bool(value)


def _turn_context(payload: Any) -> bool:
    return _CONTEXT(payload) and (
        payload.get("sandbox_policy") is not None or payload.get("permission_profile") is not None
    )


_STARTED_ITEM: Final = obj({"thread_id": thread_id, "turn_id": string, "started_at_ms": i64})
_REVIEW: Final = _no_refusal(messages.check_review)
_TEXT: Final = obj({"text": string})
_IMAGE: Final = either(obj({"image_url": string}), obj({"file_id": string}))
_AUDIO: Final = either(obj({"audio_url": string}), obj({"file_id": string}))
_PHASE: Final = word("commentary", "partial_answer", "final_answer")
_OUTPUT: Final = either(
    string,
    each(
        _part(
            input_text=_TEXT,
            input_image=_IMAGE,
            input_audio=_AUDIO,
            encrypted_content=obj({"encrypted_content": string}),
        )
    ),
)
_RESPONSE_ITEMS: Final[dict[str, Shape]] = {
    "message": obj(
        {
            "role": string,
            "content": each(
                _part(input_text=_TEXT, output_text=_TEXT, input_image=_IMAGE, input_audio=_AUDIO)
            ),
        },
        {"phase": _PHASE},
    ),
    "reasoning": obj(
        {"summary": each(_part(summary_text=_TEXT))},
        {"content": each(_part(reasoning_text=_TEXT, text=_TEXT)), "encrypted_content": string},
    ),
    "function_call": obj(
        {"name": string, "arguments": string, "call_id": string}, {"namespace": string}
    ),
    "function_call_output": obj({"call_id": string, "output": _OUTPUT}),
    "custom_tool_call": obj({"call_id": string, "name": string, "input": string}),
    "custom_tool_call_output": obj({"call_id": string, "output": _OUTPUT}),
    "local_shell_call": obj(
        {"status": word("completed", "in_progress", "incomplete"), "action": mapping},
        {"call_id": string},
    ),
    "web_search_call": obj({}, {"action": mapping, "status": string}),
    "compaction": obj({"encrypted_content": string}),
    "compaction_summary": obj({"encrypted_content": string}),
    "image_generation_call": obj({"status": string, "result": string}),
    "tool_search_call": obj({"execution": string, "arguments": anything}),
    "tool_search_output": obj({"status": string, "execution": string, "tools": listing}),
    "agent_message": obj({"author": string, "recipient": string, "content": listing}),
}

_APPROVAL: Final = either(
    word("untrusted", "on-failure", "on-request", "never"), obj({"granular": _more})
)
_REVIEWER: Final = word("user", "auto_review", "guardian_subagent")
_SANDBOX: Final = _part(
    **{
        "danger-full-access": mapping,
        "read-only": mapping,
        "workspace-write": obj({}, None, {"writable_roots": each(absolute)}),
        "external-sandbox": mapping,
    }
)
_PROFILE: Final = either(
    _part(
        disabled=mapping,
        managed=_more,
        external=obj({"network": anything}),
    ),
    lambda value: type(value) is dict and "type" not in value,
)
_SUMMARY: Final = word("auto", "concise", "detailed", "none")
_COLLABORATION: Final = obj(
    {
        "mode": word("plan", "code", "custom", "default", "execute", "pair_programming"),
        "settings": obj({"model": string}),
    }
)
_ROOTS: Final = each(absolute)


def _effort(value: Any) -> bool:
    return type(value) is str and value != ""


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

SESSION_META: Final = obj(
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
            {"text": string}, {"provenance": _part(custom=mapping, model=mapping)}
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

_CONTEXT: Final = obj(
    {"cwd": absolute, "approval_policy": _APPROVAL, "model": string},
    {
        "turn_id": string,
        "root_turn_id": string,
        "sandbox_policy": _SANDBOX,
        "permission_profile": _PROFILE,
        "summary": _SUMMARY,
        "effort": _effort,
        "disabled_plugin_ids": each(string),
        "approvals_reviewer": _REVIEWER,
        "collaboration_mode": _COLLABORATION,
        "multi_agent_version": word("disabled", "v1", "v2"),
        "realtime_active": boolean,
        "comp_hash": string,
        "file_system_sandbox_policy": _more,
        "active_permission_profile": _more,
        "cyber_access_program": mapping,
    },
)

USAGE: Final = obj(
    {
        "input_tokens": i64,
        "cached_input_tokens": i64,
        "output_tokens": i64,
        "reasoning_output_tokens": i64,
        "total_tokens": i64,
    },
    None,
    {"cache_write_input_tokens": i64},
)
_USAGE_RECORD: Final = obj(
    {
        "thread_id": thread_id,
        "turn_id": string,
        "session_id": thread_id,
        "root_turn_id": string,
        "response_id": string,
        "usage": USAGE,
        "turn_token_usage": USAGE,
        "thread_token_usage": USAGE,
    }
)
_RATE: Final = obj({"used_percent": number}, {"window_minutes": i64, "resets_at": i64})

_EVENTS: Final[dict[str, Shape]] = {
    "task_started": _no_refusal(lifecycle.started),
    "turn_started": _no_refusal(lifecycle.started),
    "task_complete": _no_refusal(lifecycle.completed),
    "turn_complete": _no_refusal(lifecycle.completed),
    "turn_aborted": _no_refusal(lifecycle.aborted),
    "item_completed": _no_refusal(_item_completed),
    "item_started": _no_refusal(_item_started),
    "token_count": obj(
        {},
        {
            "info": obj(
                {"total_token_usage": USAGE, "last_token_usage": USAGE},
                {"model_context_window": i64, "last_usage_includes_reasoning": boolean},
            ),
            "rate_limits": obj(
                {},
                {
                    "limit_id": string,
                    "limit_name": string,
                    "primary": _RATE,
                    "secondary": _RATE,
                    "credits": obj(
                        {"has_credits": boolean, "unlimited": boolean}, {"balance": string}
                    ),
                    "individual_limit": _more,
                    "spend_control_reached": boolean,
                    "plan_type": string,
                    "rate_limit_reached_type": word(
                        "rate_limit_reached",
                        "workspace_owner_credits_depleted",
                        "workspace_member_credits_depleted",
                        "workspace_owner_usage_limit_reached",
                        "workspace_member_usage_limit_reached",
                    ),
                    "normal_model_slug": string,
                },
            ),
        },
    ),
    "thread_settings_applied": obj(
        {
            "thread_settings": obj(
                {
                    "model": string,
                    "model_provider_id": string,
                    "approval_policy": _APPROVAL,
                    "approvals_reviewer": _REVIEWER,
                    "permission_profile": _PROFILE,
                    "cwd": absolute,
                    "collaboration_mode": _COLLABORATION,
                },
                {
                    "service_tier": string,
                    "requested_approvals_reviewer": _REVIEWER,
                    "reasoning_effort": _effort,
                    "reasoning_summary": _SUMMARY,
                    "personality": word("none", "friendly", "pragmatic"),
                    "runtime_workspace_roots": _ROOTS,
                },
                {"disabled_plugin_ids": each(string)},
            )
        },
        {"thread_id": thread_id},
    ),
    "thread_goal_updated": obj(
        {"threadId": thread_id, "goal": obj({"threadId": thread_id, "objective": string})}
    ),
    "error": obj({"message": string}, {"codex_error_info": _error_info}),
    "thread_rolled_back": obj({"num_turns": u32}),
    "user_message": obj(
        {"message": string},
        {"images": listing, "client_id": string},
        {"local_images": listing, "text_elements": listing},
    ),
    "agent_message": obj({"message": string}, {"phase": _PHASE, "delivery": word("async")}),
    "agent_reasoning": obj({"text": string}),
    "agent_reasoning_raw_content": obj({"text": string}),
    "context_compacted": anything,
    "warning": obj({"message": string}),
    "entered_review_mode": obj(
        {
            "target": _part(
                uncommittedChanges=mapping,
                baseBranch=obj({"branch": string}),
                commit=obj({"sha": string}, {"title": string}),
                custom=obj({"instructions": string}),
            )
        },
        {"user_facing_hint": string},
    ),
    "exited_review_mode": obj({}, {"review_output": _REVIEW, "turn_id": string}),
    "patch_apply_end": obj(
        {
            "call_id": string,
            "stdout": string,
            "stderr": string,
            "success": boolean,
            "status": word("completed", "failed", "declined"),
        }
    ),
    "mcp_tool_call_end": obj({"call_id": string, "invocation": mapping, "result": mapping}),
    "web_search_end": obj({"call_id": string, "query": string, "action": mapping}),
    "image_generation_end": obj({"call_id": string, "status": string, "result": string}),
    "view_image_tool_call": obj({"call_id": string, "path": _file_uri}),
    "exec_command_end": obj(
        {
            "call_id": string,
            "turn_id": string,
            "command": each(string),
            "cwd": _file_uri,
            "parsed_cmd": listing,
            "stdout": string,
            "stderr": string,
            "exit_code": i32,
            "status": word("completed", "failed", "declined"),
        }
    ),
    "sub_agent_activity": obj(
        {
            "event_id": string,
            "kind": word("started", "interacted", "interrupted", "completed"),
            "agent_thread_id": thread_id,
            "agent_path": agent_path,
        }
    ),
    "agent_reasoning_section_break": anything,
    "realtime_conversation_closed": anything,
    "shutdown_complete": anything,
}
#: Further names that decode. What they require is not known: they are never written.
_EVENTS.update(
    dict.fromkeys(
        [
            "auth_recovery_started",
            "auth_recovery_completed",
            "guardian_warning",
            "realtime_conversation_started",
            "realtime_conversation_realtime",
            "realtime_conversation_sdp",
            "model_reroute",
            "model_verification",
            "turn_moderation_metadata",
            "safety_buffering",
            "session_configured",
            "environment_connected",
            "environment_disconnected",
            "thread_queue_changed",
            "mcp_startup_update",
            "mcp_startup_complete",
            "mcp_tool_call_begin",
            "web_search_begin",
            "image_generation_begin",
            "exec_command_begin",
            "exec_command_output_delta",
            "terminal_interaction",
            "exec_approval_request",
            "request_permissions",
            "request_user_input",
            "dynamic_tool_call_request",
            "dynamic_tool_call_response",
            "elicitation_request",
            "elicitation_abandoned",
            "apply_patch_approval_request",
            "guardian_assessment",
            "deprecation_notice",
            "stream_error",
            "patch_apply_begin",
            "patch_apply_updated",
            "turn_diff",
            "realtime_conversation_list_voices_response",
            "plan_update",
            "raw_response_item",
            "raw_response_completed",
            "hook_started",
            "hook_completed",
            "agent_message_content_delta",
            "plan_delta",
            "reasoning_content_delta",
            "reasoning_raw_content_delta",
            "collab_agent_spawn_begin",
            "collab_agent_spawn_end",
            "collab_agent_interaction_begin",
            "collab_agent_interaction_end",
            "collab_waiting_begin",
            "collab_waiting_end",
            "collab_close_begin",
            "collab_close_end",
            "collab_resume_begin",
            "collab_resume_end",
        ],
        _more,
    )
)

_RECORDS: Final[dict[str, Shape]] = {
    "session_meta": SESSION_META,
    "event_msg": _event,
    "realtime_item": _no_refusal(realtime.convert),
    "response_item": _response_item,
    "turn_context": _turn_context,
    "compacted": obj(
        {"message": string},
        {
            "replacement_history": each(_response_item),
            "replacement_history_metadata": _full,
            "retained_context": mapping,
            "mcp_resource_origins": _full,
            "latest_token_usage_record": _USAGE_RECORD,
            "guardian_history": listing,
            "resume_metadata": mapping,
            "window_number": u64,
            "first_window_id": string,
            "previous_window_id": string,
            "compaction_response_id": string,
        },
    ),
    "world_state": obj({"full": boolean, "state": mapping}),
    "token_usage_record": _USAGE_RECORD,
    "inter_agent_communication": obj(
        {"author": agent_path, "recipient": agent_path, "content": string, "trigger_turn": boolean},
        {"other_recipients": each(agent_path)},
    ),
    "inter_agent_communication_metadata": obj({"trigger_turn": boolean}),
    "dynamic_tools_updated": obj({"thread_id": thread_id, "tools": each(obj({"name": string}))}),
    "security_risk_score": obj({"scores": values(number)}),
    "retained_context": _part(
        accepted_file_audio=_more, verified_answer=_more, delivered_assistant_message=_more
    ),
}

#: Names of records and events that this version of Codex has.
KNOWN_RECORDS: Final = frozenset(_RECORDS)
KNOWN_EVENTS: Final = frozenset(_EVENTS)
