"""Events by their type, as Codex decodes them. Pure."""

from __future__ import annotations

from typing import Any, Final

from projector.decode import lifecycle, messages, paths
from projector.decode import thread_item as item
from projector.decode.acceptance.responses import PHASE
from projector.decode.acceptance.settings import (
    APPROVAL,
    COLLABORATION,
    PROFILE,
    REVIEWER,
    SUMMARY,
    effort,
)
from projector.decode.acceptance.tokens import TOKEN_COUNT
from projector.decode.errors import DecodeError
from projector.decode.shapes import (
    Shape,
    absolute,
    agent_path,
    anything,
    boolean,
    each,
    i32,
    i64,
    listing,
    mapping,
    more_than_type,
    obj,
    string,
    tagged,
    thread_id,
    u32,
    unrefused,
    word,
)
from projector.decode.turn_error import error_info


def _item_completed(payload: dict[str, Any]) -> None:
    lifecycle.check_item_completed(payload)
    item.to_thread_item(payload.get("item"))


def _item_started(payload: dict[str, Any]) -> None:
    if not _STARTED_ITEM(payload):
        raise DecodeError("item_started")
    item.to_thread_item(payload.get("item"))


def _file_uri(value: Any) -> bool:
    try:
        return type(value) is str and paths.from_uri(value) != ""
    except DecodeError:
        return False


def _error_info(info: Any) -> bool:
    try:
        error_info(info)
    except DecodeError:
        return False
    return True


_STARTED_ITEM: Final = obj({"thread_id": thread_id, "turn_id": string, "started_at_ms": i64})
_REVIEW: Final = unrefused(messages.check_review)

_EVENTS: Final[dict[str, Shape]] = {
    "task_started": unrefused(lifecycle.started),
    "turn_started": unrefused(lifecycle.started),
    "task_complete": unrefused(lifecycle.completed),
    "turn_complete": unrefused(lifecycle.completed),
    "turn_aborted": unrefused(lifecycle.aborted),
    "item_completed": unrefused(_item_completed),
    "item_started": unrefused(_item_started),
    "token_count": TOKEN_COUNT,
    "thread_settings_applied": obj(
        {
            "thread_settings": obj(
                {
                    "model": string,
                    "model_provider_id": string,
                    "approval_policy": APPROVAL,
                    "approvals_reviewer": REVIEWER,
                    "permission_profile": PROFILE,
                    "cwd": absolute,
                    "collaboration_mode": COLLABORATION,
                },
                {
                    "service_tier": string,
                    "requested_approvals_reviewer": REVIEWER,
                    "reasoning_effort": effort,
                    "reasoning_summary": SUMMARY,
                    "personality": word("none", "friendly", "pragmatic"),
                    "runtime_workspace_roots": each(absolute),
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
        {"images": each(string), "audio": each(string), "client_id": string},
        {"local_images": each(string), "local_audio": each(string), "text_elements": listing},
    ),
    "agent_message": obj(
        {"message": string},
        {"phase": PHASE, "delivery": word("async"), "memory_citation": more_than_type},
    ),
    "agent_reasoning": obj({"text": string}),
    "agent_reasoning_raw_content": obj({"text": string}),
    "context_compacted": anything,
    "warning": obj({"message": string}),
    "entered_review_mode": obj(
        {
            "target": tagged(
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
        more_than_type,
    )
)

#: Names of events that this version of Codex has.
KNOWN_EVENTS: Final = frozenset(_EVENTS)


def event(payload: Any) -> bool:
    """Take the payload of an `event_msg`."""
    if type(payload) is not dict:
        return False
    kind = payload.get("type")
    shape = _EVENTS.get(kind) if type(kind) is str else None
    return shape is not None and shape(payload)
