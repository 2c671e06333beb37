-- `inherited` in thread_history and the views on it: to count over several threads, leave out what
-- forks inherit.

-- The items of each thread's visible history, through lineage. `position` sorts and is a stable
-- cursor: WHERE thread_id = ? AND position > ? ORDER BY position LIMIT ? reads one index range
-- per rollout of the chain. Times in milliseconds. `inherited`: 1 where a fork shows what is another
-- thread's.
DROP VIEW thread_history;
CREATE VIEW thread_history AS
SELECT p.thread_id, i.position, p.rollout_id, i.turn_id, i.item_id,
       lower(substr(hex(i.uid), 1, 8) || '-' || substr(hex(i.uid), 9, 4) || '-' || substr(hex(i.uid), 13, 4)
    || '-' || substr(hex(i.uid), 17, 4) || '-' || substr(hex(i.uid), 21)) AS uid,
       i.type, i.json AS item_json, i.created_at_ms, i.started_at_ms, i.completed_at_ms,
       i.ordinal, i.provenance,
       (SELECT r.thread_id <> p.thread_id FROM rollouts AS r WHERE r.rollout = p.rollout) AS inherited
FROM thread_parts AS p JOIN items AS i ON i.rollout = p.rollout AND i.position < p.upto
WHERE i.tombstone = 0;

-- What the user and the agent said. `role`: user, assistant; `text`: the text parts of a user's
-- message joined; `phase` of an agent's message: commentary, partial_answer, final_answer or NULL.
DROP VIEW messages;
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
       created_at_ms, inherited
FROM thread_history
WHERE type IN ('userMessage', 'agentMessage');

-- Commands that were run. `status`: inProgress, completed, failed, declined; `output`: NULL where
-- there was none.
DROP VIEW commands;
CREATE VIEW commands AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid,
       json_extract(item_json, '$.command') AS command,
       json_extract(item_json, '$.cwd') AS cwd,
       json_extract(item_json, '$.source') AS source,
       json_extract(item_json, '$.status') AS status,
       json_extract(item_json, '$.exitCode') AS exit_code,
       json_extract(item_json, '$.durationMs') AS duration_ms,
       json_extract(item_json, '$.aggregatedOutput') AS output,
       created_at_ms, inherited
FROM thread_history
WHERE type = 'commandExecution';

-- Tools that were called: of MCP servers, those that a client offers (`server`: their namespace),
-- and those that work with other agents (`arguments`: the prompt; `result`: the agents' states).
-- `arguments` and `result` are JSON, NULL where there was none; `error` is a text.
DROP VIEW tool_calls;
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
       created_at_ms, inherited
FROM thread_history
WHERE type IN ('mcpToolCall', 'dynamicToolCall', 'collabAgentToolCall');

-- Files that were changed, a row each. `kind`: add, delete, update; `move_path`: where an update
-- moved it; `diff`: the content of an added or deleted file, else a unified diff.
DROP VIEW file_changes;
CREATE VIEW file_changes AS
SELECT p.thread_id, i.position, p.rollout_id, i.turn_id, i.item_id,
       lower(substr(hex(i.uid), 1, 8) || '-' || substr(hex(i.uid), 9, 4) || '-' || substr(hex(i.uid), 13, 4)
    || '-' || substr(hex(i.uid), 17, 4) || '-' || substr(hex(i.uid), 21)) AS uid,
       c.path, c.kind, c.move_path,
       json_extract(i.json, '$.changes[' || c.number || '].diff') AS diff,
       json_extract(i.json, '$.status') AS status,
       i.created_at_ms,
       (SELECT r.thread_id <> p.thread_id FROM rollouts AS r WHERE r.rollout = p.rollout) AS inherited
FROM items AS i JOIN thread_parts AS p ON p.rollout = i.rollout AND p.upto > i.position
JOIN changed_files AS c ON c.item = i.item
WHERE i.tombstone = 0 AND i.type = 'fileChange';
