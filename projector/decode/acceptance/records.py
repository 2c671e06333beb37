"""Records by their type, as Codex decodes them. Pure."""

from __future__ import annotations

from typing import Any, Final

from projector.decode import realtime
from projector.decode.acceptance.events import event
from projector.decode.acceptance.headers import SESSION_META
from projector.decode.acceptance.responses import response_item
from projector.decode.acceptance.settings import (
    APPROVAL,
    COLLABORATION,
    PROFILE,
    REVIEWER,
    SANDBOX,
    SUMMARY,
    effort,
)
from projector.decode.acceptance.tokens import USAGE_RECORD
from projector.decode.shapes import (
    Shape,
    absolute,
    agent_path,
    boolean,
    each,
    filled,
    listing,
    mapping,
    more_than_type,
    number,
    obj,
    string,
    tagged,
    thread_id,
    u64,
    unrefused,
    values,
    word,
)


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


def _turn_context(payload: Any) -> bool:
    return _CONTEXT(payload) and (
        payload.get("sandbox_policy") is not None or payload.get("permission_profile") is not None
    )


_CONTEXT: Final = obj(
    {"cwd": absolute, "approval_policy": APPROVAL, "model": string},
    {
        "turn_id": string,
        "root_turn_id": string,
        "sandbox_policy": SANDBOX,
        "permission_profile": PROFILE,
        "summary": SUMMARY,
        "effort": effort,
        "disabled_plugin_ids": each(string),
        "approvals_reviewer": REVIEWER,
        "collaboration_mode": COLLABORATION,
        "multi_agent_version": word("disabled", "v1", "v2"),
        "realtime_active": boolean,
        "comp_hash": string,
        "file_system_sandbox_policy": more_than_type,
        "active_permission_profile": more_than_type,
        "cyber_access_program": mapping,
    },
)

_RECORDS: Final[dict[str, Shape]] = {
    "session_meta": SESSION_META,
    "event_msg": event,
    "realtime_item": unrefused(realtime.convert),
    "response_item": response_item,
    "turn_context": _turn_context,
    "compacted": obj(
        {"message": string},
        {
            "replacement_history": each(response_item),
            "replacement_history_metadata": filled,
            "retained_context": mapping,
            "mcp_resource_origins": filled,
            "latest_token_usage_record": USAGE_RECORD,
            "guardian_history": listing,
            "resume_metadata": mapping,
            "window_number": u64,
            "first_window_id": string,
            "previous_window_id": string,
            "compaction_response_id": string,
        },
    ),
    "world_state": obj({"full": boolean, "state": mapping}),
    "token_usage_record": USAGE_RECORD,
    "inter_agent_communication": obj(
        {"author": agent_path, "recipient": agent_path, "content": string, "trigger_turn": boolean},
        {"other_recipients": each(agent_path)},
    ),
    "inter_agent_communication_metadata": obj({"trigger_turn": boolean}),
    "dynamic_tools_updated": obj({"thread_id": thread_id, "tools": each(obj({"name": string}))}),
    "security_risk_score": obj({"scores": values(number)}),
    "retained_context": tagged(
        accepted_file_audio=more_than_type,
        verified_answer=more_than_type,
        delivered_assistant_message=more_than_type,
    ),
}

#: Names of records that this version of Codex has.
KNOWN_RECORDS: Final = frozenset(_RECORDS)
