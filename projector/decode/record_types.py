"""Names of the records and events that Codex 0.171 writes or knows. Pure.

A name that is not here is noted as unknown: a newer Codex may write it.
Source: docs on paginated rollouts, 1.6 and 1.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

RECORD_TYPES: Final = frozenset(
    {
        "compacted",
        "dynamic_tools_updated",
        "event_msg",
        "inter_agent_communication",
        "inter_agent_communication_metadata",
        "realtime_item",
        "response_item",
        "retained_context",
        "security_risk_score",
        "session_meta",
        "token_usage_record",
        "turn_context",
        "world_state",
    }
)

EVENT_TYPES: Final = frozenset(
    {
        "agent_message",
        "agent_message_content_delta",
        "agent_reasoning",
        "agent_reasoning_raw_content",
        "agent_reasoning_section_break",
        "apply_patch_approval_request",
        "auth_recovery_completed",
        "auth_recovery_started",
        "collab_agent_interaction_begin",
        "collab_agent_interaction_end",
        "collab_agent_spawn_begin",
        "collab_agent_spawn_end",
        "collab_close_begin",
        "collab_close_end",
        "collab_resume_begin",
        "collab_resume_end",
        "collab_waiting_begin",
        "collab_waiting_end",
        "context_compacted",
        "deprecation_notice",
        "dynamic_tool_call_request",
        "dynamic_tool_call_response",
        "elicitation_abandoned",
        "elicitation_request",
        "entered_review_mode",
        "environment_connected",
        "environment_disconnected",
        "error",
        "exec_approval_request",
        "exec_command_begin",
        "exec_command_end",
        "exec_command_output_delta",
        "exited_review_mode",
        "guardian_assessment",
        "guardian_warning",
        "hook_completed",
        "hook_started",
        "image_generation_begin",
        "image_generation_end",
        "item_completed",
        "item_started",
        "mcp_startup_complete",
        "mcp_startup_update",
        "mcp_tool_call_begin",
        "mcp_tool_call_end",
        "model_reroute",
        "model_verification",
        "patch_apply_begin",
        "patch_apply_end",
        "patch_apply_updated",
        "plan_delta",
        "plan_update",
        "raw_response_completed",
        "raw_response_item",
        "realtime_conversation_closed",
        "realtime_conversation_list_voices_response",
        "realtime_conversation_realtime",
        "realtime_conversation_sdp",
        "realtime_conversation_started",
        "reasoning_content_delta",
        "reasoning_raw_content_delta",
        "request_permissions",
        "request_user_input",
        "safety_buffering",
        "session_configured",
        "shutdown_complete",
        "stream_error",
        "sub_agent_activity",
        "task_complete",
        "task_started",
        "terminal_interaction",
        "thread_goal_updated",
        "thread_queue_changed",
        "thread_rolled_back",
        "thread_settings_applied",
        "token_count",
        "turn_aborted",
        "turn_complete",
        "turn_diff",
        "turn_moderation_metadata",
        "turn_started",
        "user_message",
        "view_image_tool_call",
        "warning",
        "web_search_begin",
        "web_search_end",
    }
)

_ROLLOUTS: Final = re.compile(
    r"rollout-[0-9T-]{10,20}[0-9a-f-]{36}(?:_[0-9a-f-]{36})?\.jsonl(?:\.zst)?", re.ASCII
).findall
#: Values of a payload that are looked at, characters of each, and names that are told.
_LEAVES: Final = 1000
_CHARACTERS: Final = 4096
_NAMED: Final = 4


def rollouts_named(payload: Any) -> list[str]:
    """Return the file names of rollouts in an unknown record: it may refer to them."""
    found: dict[str, None] = {}
    for leaf in islice(_leaves(payload), _LEAVES):
        if type(leaf) is str:
            found |= dict.fromkeys(_ROLLOUTS(leaf[:_CHARACTERS]))
    return list(found)[:_NAMED]


def _leaves(payload: Any) -> Iterator[Any]:
    waiting = [payload]
    while waiting:
        held = waiting.pop()
        if type(held) is dict:
            waiting += held.values()
        elif type(held) is list:
            waiting += held
        else:
            yield held
