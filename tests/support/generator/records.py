"""Records of generated rollouts, as templates: the payloads that Codex 0.169.0 writes.

Fields, their order and their types are those of real rollouts; values are ours. Every `%b` is
filled with bytes that are already JSON, every `%d` with a number.
"""

from __future__ import annotations

from typing import Final

# fmt: off
SESSION_META: Final = (
    b'{"account_scoped":true,"session_id":"%(thread)b","id":"%(thread)b",%(base)b'
    b'"timestamp":"%(time)b","cwd":"/srv/voyage","runtime_workspace_roots":["/srv/voyage"],'
    b'"originator":"benchmark","cli_version":"0.169.0","source":"vscode",'
    b'"model_provider":"openai","base_instructions":{"text":"%(text)b",'
    b'"provenance":{"type":"custom"}},"history_mode":"%(mode)b",'
    b'"git":{"commit_hash":"%(commit)b","branch":"main",'
    b'"repository_url":"https://example.org/voyage.git"},'
    b'"context_window":{"window_id":"%(window)b"}}'
)
HISTORY_BASE: Final = (
    b'"history_base":{"thread_id":"%b","end_ordinal_exclusive":%d,"end_byte_offset":%d},'
)
_COLLABORATION: Final = (
    b'"collaboration_mode":{"mode":"default","settings":{"model":"navigator",'
    b'"reasoning_effort":null,"developer_instructions":null}}'
)
SETTINGS: Final = (
    b'{"type":"thread_settings_applied","thread_id":"%b","thread_settings":{"model":"navigator",'
    b'"model_provider_id":"openai","approval_policy":"never","approvals_reviewer":"user",'
    b'"requested_approvals_reviewer":"user","permission_profile":{"type":"disabled"},'
    b'"cwd":"/srv/voyage","runtime_workspace_roots":["/srv/voyage"],' + _COLLABORATION +
    b',"disabled_plugin_ids":[]}}'
)
WORLD_STATE: Final = (
    b'{"full":%b,"state":{"agents_md":{},"approved_command_prefixes":[],'
    b'"environments":{"environments":{"local":{"cwd":"/srv/voyage","status":"available",'
    b'"shell":"bash"}},"current_date":"2026-11-01","timezone":"Etc/UTC"},'
    b'"model":"navigator","notes":"%b"}}'
)
TURN_CONTEXT: Final = (
    b'{"turn_id":"%(turn)b","root_turn_id":"%(turn)b","disabled_plugin_ids":[],'
    b'"cwd":"/srv/voyage","approval_policy":"never","approvals_reviewer":"user",'
    b'"permission_profile":{"type":"disabled"},"model":"navigator",' + _COLLABORATION +
    b',"multi_agent_version":"v1","realtime_active":false,"effort":"medium","summary":"auto",'
    b'"sandbox_policy":{"type":"danger-full-access"}}'
)
TASK_STARTED: Final = (
    b'{"type":"task_started","turn_attribution":{"turn_id":"%(turn)b","turn_trigger":null,'
    b'"parent_turn_id":null,"initiating_agent_path":null,"root_turn_id":"%(turn)b"},'
    b'"turn_id":"%(turn)b","root_turn_id":"%(turn)b","started_at":%(second)d,'
    b'"model_context_window":272000,"collaboration_mode_kind":"default"}'
)
TASK_COMPLETE: Final = (
    b'{"type":"task_complete","root_turn_id":"%b","turn_id":"%b","last_agent_message":"%b",'
    b'"started_at":%d,"completed_at":%d,"duration_ms":%d,"time_to_first_token_ms":412}'
)

_ABOUT: Final = b'"internal_chat_message_metadata_passthrough":{"turn_id":"%b"}}'
MODEL_USER: Final = (
    b'{"type":"message","id":"%b","role":"user","content":[{"type":"input_text","text":"%b"}],'
    + _ABOUT
)
MODEL_SAYS: Final = (
    b'{"type":"message","id":"%b","role":"assistant","content":[{"type":"output_text",'
    b'"text":"%b"}],"phase":"%b",' + _ABOUT
)
MODEL_REASONS: Final = (
    b'{"type":"reasoning","id":"%b","summary":[{"type":"summary_text","text":"%b"}],'
    b'"content":null,"encrypted_content":"%b",' + _ABOUT
)
MODEL_CALLS: Final = (
    b'{"type":"function_call","id":"fc_%b","name":"exec_command",'
    b'"arguments":"{\\"cmd\\": \\"rg --files harbour\\", \\"yield_time_ms\\": 1000}",'
    b'"call_id":"%b",' + _ABOUT
)
MODEL_HEARS: Final = (
    b'{"type":"function_call_output","id":"fco_%b","call_id":"%b","output":"Chunk ID: 4c0a7f\\n'
    b'Wall time: 0.0519 seconds\\nProcess exited with code %d\\nOriginal token count: 96\\n'
    b'Output:\\n%b",' + _ABOUT
)
#: What Codex puts beside the payload of a response item.
METADATA: Final = (
    b',"metadata":{"history_sequence":%d,"sampled_through_sequence":%d,"client_authored":false,'
    b'"user_input_order":%d,"mcp_attribution":{"status":"none"}}'
)

USAGE: Final = (
    b'{"input_tokens":%d,"cached_input_tokens":%d,"cache_write_input_tokens":0,'
    b'"output_tokens":%d,"reasoning_output_tokens":%d,"total_tokens":%d}'
)
USAGE_RECORD: Final = (
    b'{"thread_id":"%(thread)b","turn_id":"%(turn)b","session_id":"%(thread)b",'
    b'"root_turn_id":"%(turn)b","response_id":"resp_%(response)b","usage":%(last)b,'
    b'"turn_token_usage":%(of_turn)b,"thread_token_usage":%(total)b}'
)
TOKEN_COUNT: Final = (
    b'{"type":"token_count","info":{"total_token_usage":%b,"last_token_usage":%b,'
    b'"last_usage_includes_reasoning":true,"model_context_window":272000},'
    b'"rate_limits":{"limit_id":"codex","limit_name":null,'
    b'"primary":{"used_percent":4.0,"window_minutes":300,"resets_at":%d},"secondary":null,'
    b'"credits":null,"individual_limit":null,"spend_control_reached":null,"plan_type":"pro",'
    b'"rate_limit_reached_type":null}}'
)
COMPACTED: Final = (
    b'{"message":"","replacement_history":[{"type":"message","role":"user","content":'
    b'[{"type":"input_text","text":"%b"}]}]}'
)

ITEM: Final = (
    b'{"type":"item_completed","thread_id":"%b","turn_id":"%b","item":%b,'
    b'"started_at_ms":%d,"completed_at_ms":%d}'
)
USER_ITEM: Final = (
    b'{"type":"UserMessage","id":"%b","content":[{"type":"text","text":"%b","text_elements":[]}]}'
)
IMAGE_ITEM: Final = (
    b'{"type":"UserMessage","id":"%b","content":[{"type":"text","text":"%b","text_elements":[]},'
    b'{"type":"image","image_url":"data:image/png;base64,%b"}]}'
)
AGENT_ITEM: Final = (
    b'{"type":"AgentMessage","id":"%b","content":[{"type":"Text","text":"%b"}],"phase":"%b"}'
)
REASONING_ITEM: Final = b'{"type":"Reasoning","id":"%b","summary_text":["%b"],"raw_content":[]}'
COMMAND_ITEM: Final = (
    b'{"type":"CommandExecution","id":"%b","process_id":"%d",'
    b'"command":["/bin/bash","-lc","rg --files harbour | head -n %d"],'
    b'"cwd":"file:///srv/voyage","parsed_cmd":[{"type":"search","cmd":"rg --files harbour",'
    b'"query":null,"path":"harbour"}],"source":"unified_exec_startup","status":"%b",'
    b'"aggregated_output":"%b","exit_code":%d,"duration":{"secs":0,"nanos":%d}}'
)
CHANGE_ITEM: Final = (
    b'{"type":"FileChange","id":"%b","changes":{"/srv/voyage/src/%b.py":{"type":"update",'
    b'"unified_diff":"@@ -1,3 +1,4 @@\\n %b\\n","move_path":null}},"status":"completed",'
    b'"auto_approved":true,"stdout":"Success.","stderr":""}'
)
MCP_ITEM: Final = (
    b'{"type":"McpToolCall","id":"%b","server":"tides","tool":"forecast",'
    b'"arguments":{"port":"%b","hours":%d},"status":"completed",'
    b'"result":{"content":[{"type":"text","text":"%b"}],"structuredContent":null},"error":null,'
    b'"duration":{"secs":0,"nanos":48211900}}'
)
SEARCH_ITEM: Final = (
    b'{"type":"WebSearch","id":"%b","query":"%b","action":{"type":"search","query":"%b"}}'
)

LEGACY_USER: Final = (
    b'{"type":"user_message","message":"%b","images":[],"local_images":[],"audio":[],'
    b'"local_audio":[],"text_elements":[]}'
)
LEGACY_IMAGE: Final = (
    b'{"type":"user_message","message":"%b","images":["data:image/png;base64,%b"],'
    b'"local_images":[],"audio":[],"local_audio":[],"text_elements":[]}'
)
LEGACY_AGENT: Final = (
    b'{"type":"agent_message","message":"%b","phase":"%b","memory_citation":null}'
)
LEGACY_REASONING: Final = b'{"type":"agent_reasoning","text":"%b"}'
LEGACY_COMMAND: Final = (
    b'{"type":"exec_command_end","call_id":"%b","turn_id":"%b","process_id":"%d",'
    b'"command":["/bin/bash","-lc","rg --files harbour | head -n %d"],"cwd":"/srv/voyage",'
    b'"parsed_cmd":[{"type":"search","cmd":"rg --files harbour","query":null,"path":"harbour"}],'
    b'"source":"agent","stdout":"","stderr":"","aggregated_output":"%b","exit_code":%d,'
    b'"duration":{"secs":0,"nanos":%d},"formatted_output":"","status":"%b"}'
)
LEGACY_CHANGE: Final = (
    b'{"type":"patch_apply_end","call_id":"%b","turn_id":"%b","stdout":"Success.","stderr":"",'
    b'"success":true,"changes":{"/srv/voyage/src/%b.py":{"type":"update",'
    b'"unified_diff":"@@ -1,3 +1,4 @@\\n %b\\n","move_path":null}},"status":"completed"}'
)
LEGACY_MCP: Final = (
    b'{"type":"mcp_tool_call_end","call_id":"%b","turn_id":"%b","invocation":{"server":"tides",'
    b'"tool":"forecast","arguments":{"port":"%b","hours":%d}},"duration":{"secs":0,'
    b'"nanos":48211900},"result":{"Ok":{"content":[{"type":"text","text":"%b"}]}}}'
)
LEGACY_SEARCH: Final = (
    b'{"type":"web_search_end","call_id":"%b","query":"%b","action":{"type":"search",'
    b'"query":"%b"}}'
)
# fmt: on
