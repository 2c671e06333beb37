-- Views of what was said, run and changed, over the visible history of each thread. A fork shows
-- what it inherits too: to count over several threads, count each uid once. Times and durations in
-- milliseconds. An item that Codex refuses is kept as written: where it has a word in the place of
-- an object, one such item must not make a whole view unreadable, hence the CASEs.

-- What the user and the agent said. `role`: user, assistant; `text`: the text parts of a user's
-- message joined; `phase` of an agent's message: commentary, partial_answer, final_answer or NULL.
CREATE VIEW messages AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid,
       iif(type = 'userMessage', 'user', 'assistant') AS role,
       iif(type = 'userMessage',
           (SELECT coalesce(group_concat(
              CASE WHEN part.type = 'object' AND json_extract(part.value, '$.type') = 'text'
              THEN json_extract(part.value, '$.text') END, ''), '')
            FROM json_each(item_json, '$.content') AS part),
           json_extract(item_json, '$.text')) AS text,
       iif(type = 'userMessage', NULL, json_extract(item_json, '$.phase')) AS phase,
       created_at_ms
FROM thread_history
WHERE type IN ('userMessage', 'agentMessage');

-- Commands that were run. `status`: inProgress, completed, failed, declined; `output`: NULL where
-- there was none.
CREATE VIEW commands AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid,
       json_extract(item_json, '$.command') AS command,
       json_extract(item_json, '$.cwd') AS cwd,
       json_extract(item_json, '$.source') AS source,
       json_extract(item_json, '$.status') AS status,
       json_extract(item_json, '$.exitCode') AS exit_code,
       json_extract(item_json, '$.durationMs') AS duration_ms,
       json_extract(item_json, '$.aggregatedOutput') AS output,
       created_at_ms
FROM thread_history
WHERE type = 'commandExecution';

-- Files that were changed, a row each. `kind`: add, delete, update; `move_path`: where an update
-- moved it; `diff`: the content of an added or deleted file, else a unified diff.
CREATE VIEW file_changes AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid,
       CASE WHEN change.type = 'object' THEN json_extract(change.value, '$.path') END AS path,
       CASE WHEN change.type = 'object' THEN json_extract(change.value, '$.kind.type') END AS kind,
       CASE WHEN change.type = 'object' THEN json_extract(change.value, '$.kind.move_path') END AS move_path,
       CASE WHEN change.type = 'object' THEN json_extract(change.value, '$.diff') END AS diff,
       json_extract(item_json, '$.status') AS status,
       created_at_ms
FROM thread_history, json_each(item_json, '$.changes') AS change
WHERE thread_history.type = 'fileChange';

-- Tools that were called: of MCP servers, those that a client offers (`server`: their namespace),
-- and those that work with other agents (`arguments`: the prompt; `result`: the agents' states).
-- `arguments` and `result` are JSON, NULL where there was none; `error` is a text.
CREATE VIEW tool_calls AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid, type,
       CASE type
         WHEN 'mcpToolCall' THEN json_extract(item_json, '$.server')
         WHEN 'dynamicToolCall' THEN json_extract(item_json, '$.namespace')
       END AS server,
       json_extract(item_json, '$.tool') AS tool,
       nullif(json_quote(json_extract(item_json, iif(type = 'collabAgentToolCall', '$.prompt',
         '$.arguments'))), 'null') AS arguments,
       nullif(json_quote(json_extract(item_json, CASE type
         WHEN 'mcpToolCall' THEN '$.result'
         WHEN 'dynamicToolCall' THEN '$.contentItems'
         ELSE '$.agentsStates' END)), 'null') AS result,
       json_extract(item_json, '$.error.message') AS error,
       json_extract(item_json, '$.status') AS status,
       json_extract(item_json, '$.durationMs') AS duration_ms,
       created_at_ms
FROM thread_history
WHERE type IN ('mcpToolCall', 'dynamicToolCall', 'collabAgentToolCall');
