"""Members of items, realtime items and records of turns that Codex 0.171 is known to write. Pure.

A member that is not here is kept in the snapshot, and noted. A member of `names` that no converter
reads is one that Codex drops, too: nothing of it is kept.

Source: docs on paginated rollouts, 1.8, 2.4 and 4; files of Codex 0.142 to 0.171.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from projector.decode.fields import Object
from projector.decode.members import Each, Found, Members, Tagged, Values

_USER_INPUT: Final = Each(
    Tagged(
        "type",
        text=Members(
            "type text",
            text_elements=(
                Each(Members("placeholder", byte_range=(Members("start end"), "byteRange"))),
                "text_elements",
            ),
        ),
        image=Members("type image_url file_id detail", also="url"),
        local_image=Members("type path detail"),
        audio=Members("type audio_url file_id", also="url"),
        local_audio=Members("type path"),
        skill=Members("type name path"),
        mention=Members("type name path"),
    )
)
_OUTPUT: Final = Each(
    Tagged(
        "type",
        input_text=Members("type text"),
        input_image=Members("type image_url file_id detail"),
        input_audio=Members("type audio_url file_id"),
        encrypted_content=Members("type encrypted_content"),
    )
)
_CONTENT_ITEMS: Final = Each(
    Tagged(
        "type",
        inputText=Members("type text"),
        inputImage=Members("type imageUrl"),
        inputAudio=Members("type audioUrl"),
    )
)
_DISPLAY: Final = Tagged(
    "mode",
    Members("action blockType cyberTrustedAccess checkTrustedContacts"),  # of Codex 0.169
    show=Members(
        "mode version trustedContacts", annotation=(Members("kind subject"), "annotation")
    ),
    hide=Members("mode version", replacement=(Members("kind"), "replacement")),
    block=Members("mode version", reason=(Members("kind trustedAccess protectionType"), "reason")),
)
_CITATION: Final = Members(
    "rolloutIds", entries=(Each(Members("path lineStart lineEnd note")), "entries")
)
_ACTIONS: Final = Each(
    Tagged(
        "type",
        read=Members("type cmd name path"),
        list_files=Members("type cmd path"),
        search=Members("type cmd query path"),
        unknown=Members("type cmd"),
    )
)
_SEARCHES: Final = Tagged(
    "type",
    search=Members("type query queries"),
    open_page=Members("type url"),
    find_in_page=Members("type url pattern"),
    other=Members("type"),
)
_EXTENSION_SEARCHES: Final = Tagged(
    "type",
    search=Members("type query queries"),
    openPage=Members("type url"),
    findInPage=Members("type url pattern"),
    other=Members("type"),
)
_RESULT: Final = Members("content structuredContent _meta isError")
_CHANGES: Final = Values(
    Tagged(
        "type",
        add=Members("type content", also="path kind diff"),
        delete=Members("type content", also="path kind diff"),
        update=Members("type unified_diff move_path", also="path kind diff"),
    ),
    "path",
)
_REVIEW: Final = Members(
    "overall_correctness overall_explanation overall_confidence_score",
    findings=Each(
        Members(
            "title body confidence_score priority",
            code_location=Members("absolute_file_path", line_range=Members("start end")),
        )
    ),
)
_TARGET: Final = Tagged(
    "type",
    uncommittedChanges=Members("type"),
    baseBranch=Members("type branch"),
    commit=Members("type sha title"),
    custom=Members("type instructions"),
)

_ITEMS: Final[dict[str, Members]] = {
    "UserMessage": Members("type id client_id", content=(_USER_INPUT, "content")),
    "FunctionCallOutput": Members("type id name namespace", output=(_OUTPUT, "output")),
    "HookPrompt": Members("type id", fragments=(Each(Members("text hookRunId")), "fragments")),
    "AgentMessage": Members(
        "type id phase delivery questions",
        also="text",
        content=Each(Tagged("type", Text=Members("type text"))),
        moderation=(Members("moderated", display=(_DISPLAY, "display")), "moderation"),
        memory_citation=(_CITATION, "memoryCitation"),
    ),
    "Plan": Members("type id text"),
    "Reasoning": Members("type id summary_text raw_content", also="summary content"),
    "CommandExecution": Members(
        "type id plugin_id script_path command cwd process_id source status aggregated_output"
        " exit_code duration interaction_input stdout stderr formatted_output",
        also="commandActions durationMs",
        parsed_cmd=(_ACTIONS, "commandActions"),
    ),
    "DynamicToolCall": Members(
        "type id namespace tool arguments status success duration error",
        also="durationMs",
        content_items=(_CONTENT_ITEMS, "contentItems"),
    ),
    "McpToolCall": Members(
        "type id server environmentId tool status arguments connectorId linkId mcpAppResourceUri"
        " appName actionName pluginId readOnlyHint duration templateId",
        also="appContext durationMs",
        mcpAppUi=(Members("resourceUri preferredModelDisplayMode"), "mcpAppUi"),
        result=(_RESULT, "result"),
        error=(Members("message"), "error"),
    ),
    "CollabAgentToolCall": Members(
        "type id tool status sender_thread_id receiver_thread_ids prompt model reasoning_effort"
        " agents_states",
        receiver_agents=Each(Members("thread_id agent_nickname agent_role")),
    ),
    "SubAgentActivity": Members("type id model reasoning_effort kind agent_thread_id agent_path"),
    "WebSearch": Members("type id query results", action=(_SEARCHES, "action")),
    "ImageView": Members("type id path"),
    "ImageGeneration": Members(
        "type id status revised_prompt result saved_path",
        also="transparentBackground failure generationId fileId inputImages",
    ),
    "EnteredReviewMode": Members("type id user_facing_hint", also="review", target=_TARGET),
    "ExitedReviewMode": Members("type id", also="review", review_output=_REVIEW),
    "FileChange": Members(
        "type id status auto_approved stdout stderr", changes=(_CHANGES, "changes")
    ),
    "ContextCompaction": Members("type id"),
    "Extension clock.sleep": Members("type kind id durationMs"),
    "Extension web.search": Members(
        "type kind id query results", action=(_EXTENSION_SEARCHES, "action")
    ),
    "Extension image_gen.generation": Members(
        "type kind id status revisedPrompt fileId result transparentBackground savedPath"
        " generationId",
        failure=(Members("type limitId resetsAt"), "failure"),
        inputImages=(Each(Members("path sha256")), "inputImages"),
    ),
}
#: For each type, whether all of an item's own members are known, and the same of those below.
_FAST: Final = {kind: (shape.has_all, shape.deep) for kind, shape in _ITEMS.items()}

_FRAME: Final = Members("", voice_transcript=(Members("role text"), "voice_transcript"))
_REALTIME: Final = {
    kind: Members(f"id realtime_session_id observed_at_ms type {names}", below)
    for kind, names, below in (
        ("realtime_session_started", "", None),
        ("frame", "", {"channels": (_FRAME, "channels")}),
        ("transcript_segment", "role text", None),
        (
            "bem_item_promoted",
            "turn_id item_id",
            {"presentation": (Members("type index"), "presentation")},
        ),
        ("realtime_session_closed", "outcome", None),
        (
            "turn_input_accepted",
            "handoff_id turn_id mode source_event_ids input_item_id input",
            None,
        ),
        ("session_end_input_saved", "source_event_ids input_item_id input", None),
    )
}

_TURN: Final = "type turn_id root_turn_id started_at completed_at duration_ms"
_STARTED: Final = Members(
    "type turn_id root_turn_id started_at model_context_window trace_id collaboration_mode_kind",
    turn_attribution=Members(
        "turn_id turn_trigger parent_turn_id root_turn_id initiating_agent_path"
    ),
)
_COMPLETED: Final = Members(f"{_TURN} error last_agent_message time_to_first_token_ms")
_TURN_RECORDS: Final[dict[str, Members]] = {
    "task_started": _STARTED,
    "turn_started": _STARTED,
    "task_complete": _COMPLETED,
    "turn_complete": _COMPLETED,
    "turn_aborted": Members(f"{_TURN} error reason"),
}
_ITEM_RECORD: Final = Members(
    "type thread_id turn_id item started_at_ms completed_at_ms content_token_count"
)
_has_all_of_item_record: Final = _ITEM_RECORD.has_all
_AGENT_CALL: Final = Members(
    "type call_id turn_id sender_thread_id new_thread_id new_agent_nickname new_agent_role"
    " receiver_thread_id receiver_agent_nickname receiver_agent_role prompt model reasoning_effort"
    " status statuses agent_statuses"
)
_REASONED: Final = Members("type text")
#: Of legacy events that tell of an item.
_LEGACY: Final[dict[str, Members]] = {
    "user_message": Members(
        "type message kind images image_details local_images local_image_details client_id audio"
        " local_audio file_ids file_id_details image_order",
        text_elements=Each(Members("placeholder", byte_range=Members("start end"))),
    ),
    "agent_message": Members(
        "type message phase delivery",
        memory_citation=_CITATION,
        questions=Each(Members("title options")),
    ),
    "agent_reasoning": _REASONED,
    "agent_reasoning_raw_content": _REASONED,
    "context_compacted": Members("type"),
    "entered_review_mode": Members("type prompt user_facing_hint turn_id item_id", target=_TARGET),
    "exited_review_mode": Members("type turn_id item_id", review_output=_REVIEW),
    "image_generation_end": Members("type call_id turn_id status result revised_prompt saved_path"),
    "web_search_end": Members("type call_id turn_id query results", action=_SEARCHES),
    "patch_apply_end": Members(
        "type call_id turn_id stdout stderr success status auto_approved", changes=_CHANGES
    ),
    "mcp_tool_call_end": Members(
        "type call_id turn_id duration connector_id link_id app_name action_name"
        " mcp_app_resource_uri plugin_id read_only_hint template_id",
        invocation=Members("server tool arguments environment_id"),
        result=Members("Err", Ok=_RESULT),
    ),
    "exec_command_end": Members(
        "type call_id turn_id process_id command cwd source interaction_input stdout stderr"
        " aggregated_output exit_code duration formatted_output status plugin_id script_path",
        parsed_cmd=_ACTIONS,
    ),
    "view_image_tool_call": Members("type call_id turn_id path"),
    "dynamic_tool_call_response": Members(
        "type call_id turn_id namespace tool arguments success error duration",
        content_items=_CONTENT_ITEMS,
    ),
    "sub_agent_activity": Members(
        "type event_id occurred_at_ms kind agent_thread_id agent_path model reasoning_effort"
    ),
    "collab_agent_spawn_end": _AGENT_CALL,
    "collab_agent_interaction_end": _AGENT_CALL,
    "collab_waiting_end": _AGENT_CALL,
    "collab_close_end": _AGENT_CALL,
    "collab_resume_end": _AGENT_CALL,
}
#: Members of the object around a payload.
_RECORD: Final = Members("timestamp ordinal type payload metadata")
#: How many of them a record has that is no response item.
_PLAIN_RECORD: Final = 4

#: Members of an event's payload.
_TOLD: Final = (
    "status", "started_at", "completed_at", "duration_ms", "root_turn_id", "model", "reason",
    "error",
)  # fmt: skip

_NOTHING: Final[Sequence[str]] = ()
_EMPTY: Final[Object] = {}


def keep_of_item(record: Object, payload: Object, shown: Object) -> Sequence[str]:
    """Put the members of an item that are not known into its snapshot, and return their names.

    So are those of its `item_completed`, and of the record around that.
    """
    item = payload["item"]
    kind = _FAST.get(item["type"])  # not of extensions: they are rare
    if (
        kind is not None
        and kind[0](item)
        and _has_all_of_item_record(payload)
        and len(record) == _PLAIN_RECORD
        and "ordinal" in record
    ):
        for name, knows in kind[1]:
            held = item.get(name)
            if held and not knows(held):
                break
        else:
            return _NOTHING
    return [*keep_of_members(item, shown), *keep_around_item(record, payload, shown)]


def keep_of_members(item: Object, shown: Object) -> Sequence[str]:
    """As `keep_of_item`, without what is around the item."""
    found = Found()
    name = name_of(item)
    shape = _ITEMS.get(name)
    if shape is not None:
        shape.keep(item, shown, name, found)
    return found.names


def keep_around_item(record: Object, payload: Object, shown: Object) -> Sequence[str]:
    """As `keep_of_item`, only of what is around the item."""
    found = Found()
    _ITEM_RECORD.keep(payload, shown, "item_completed", found)
    _RECORD.keep(record, shown, "record", found)
    return found.names


def name_of(item: Object) -> str:
    """Return the type of an item, and of an extension its kind."""
    kind: str = item["type"]
    return f"{kind} {item.get('kind')}" if kind == "Extension" else kind


def keep_of_realtime(record: Object, payload: Object, shown: Object) -> Sequence[str]:
    """As of an item. Names stay as written: realtime items are in snake_case."""
    found = Found(str)
    kind: str = payload["type"]
    _REALTIME[kind].keep(payload, shown, kind, found)
    _RECORD.keep(record, shown, "record", found)
    return found.names


def of_legacy_event(payload: Object) -> Sequence[str]:
    """Return the names of those of a legacy event that tells of an item.

    Their values are not kept: items of legacy rollouts are as Codex's migration makes them.
    """
    kind: str = payload.get("type", "")
    shape = _LEGACY.get(kind)
    if shape is None or shape.knows(payload):
        return _NOTHING
    found = Found()
    shape.keep(payload, None, kind, found)
    return found.names


def of_turn(record: Object, payload: Object) -> tuple[Object, Sequence[str]]:
    """Return those of a record that begins or ends a turn, and their names.

    They go into the payload of its event, spelled as written.
    """
    kind: str = payload.get("type", "")
    shape = _TURN_RECORDS.get(kind)
    if shape is None or (shape.knows(payload) and _RECORD.knows(record)):
        return _EMPTY, _NOTHING
    found = Found(str)
    told: Object = dict.fromkeys(_TOLD)
    shape.keep(payload, told, kind, found)
    _RECORD.keep(record, told, "record", found)
    return {name: held for name, held in told.items() if name not in _TOLD}, found.names
