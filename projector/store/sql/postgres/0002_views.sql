-- Public views. Their names, columns and meaning are stable, and the same as SQLite's, in the same
-- order, followed by `source_id`: whose rows they are.
--
-- `uid` is the text of a UUID; times as in 0001. Flags are boolean here, JSON is of type json.

-- Each time in milliseconds has a second column with the same as a timestamp, NULL outside of the
-- years 1 to 9999, which other programs cannot read: rollouts hold whatever was written.

-- As Codex names them ---------------------------------------------------------------------------
-- `thread_id` is the id of the rollout, as in Codex's own database. Only living rows of
-- paginated rollouts: Codex keeps none of legacy ones.

CREATE VIEW codex_thread_items AS
SELECT r.rollout_id AS thread_id, i.turn_id, i.item_id, i.ordinal AS rollout_ordinal,
       i.created_at_ms, i.json AS item_json, i.type AS item_type,
       i.updated_ordinal AS updated_at_ordinal, i.started_at_ms, i.completed_at_ms
FROM _rollouts AS r
JOIN _items AS i ON i.source_id = r.source_id AND i.rollout_id = r.rollout_id
WHERE i.tombstone = 0 AND r.mode = 'paginated';

CREATE VIEW codex_thread_turns AS
SELECT r.rollout_id AS thread_id, t.turn_id, t.ordinal AS rollout_ordinal, t.status, t.error_json,
       t.started_at, t.completed_at, t.duration_ms, t.first_user_item_id, t.final_agent_item_id,
       t.position - r.start_position AS rollout_byte_offset,
       t.end_ordinal AS rollout_end_ordinal, t.end_offset AS rollout_end_byte_offset,
       t.root_turn_id
FROM _rollouts AS r
JOIN _turns AS t ON t.source_id = r.source_id AND t.rollout_id = r.rollout_id
WHERE t.tombstone = 0 AND r.mode = 'paginated';

CREATE VIEW codex_thread_realtime_items AS
SELECT i.rollout_id AS thread_id, i.item_id, i.ordinal AS rollout_ordinal, i.created_at_ms,
       i.type AS item_type, i.json AS item_json
FROM _realtime_items AS i
WHERE i.tombstone = 0;

CREATE VIEW codex_projection_state AS
SELECT rollout_id AS thread_id, next_offset AS next_rollout_byte_offset,
       next_ordinal AS next_rollout_ordinal
FROM _rollouts
WHERE mode = 'paginated' AND NOT elsewhere;

-- For people ------------------------------------------------------------------------------------

-- The items of each thread's visible history, through lineage. `position` sorts and is a stable
-- cursor: WHERE thread_id = ? AND position > ? ORDER BY position LIMIT ? reads one index range
-- per rollout of the chain. Times in milliseconds. `inherited`: the item is another
-- thread's, shown by a fork. `escaped`: see store/postgres/text.py.
CREATE VIEW thread_history AS
SELECT p.thread_id, i.position, p.rollout_id, i.turn_id, i.item_id, i.uid::text AS uid, i.type,
       i.json AS item_json, i.created_at_ms,
       CASE WHEN i.created_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + i.created_at_ms * interval '1 millisecond' END AS created_at, i.started_at_ms,
       CASE WHEN i.started_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + i.started_at_ms * interval '1 millisecond' END AS started_at, i.completed_at_ms,
       CASE WHEN i.completed_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + i.completed_at_ms * interval '1 millisecond' END AS completed_at, i.ordinal,
       i.provenance,
       (SELECT r.thread_id <> p.thread_id FROM _rollouts AS r
        WHERE r.source_id = p.part_source AND r.rollout_id = p.rollout_id) AS inherited,
       i.escaped, p.source_id
FROM _thread_parts AS p
JOIN _items AS i ON i.source_id = p.part_source AND i.rollout_id = p.rollout_id
  AND i.position < p.upto
WHERE i.tombstone = 0;

-- The turns of each thread's visible history. A turn that has rows in several parts (a fork of a
-- running turn) is shown as in its newest part. `status` is that before the cut: a turn not ended
-- there stays inProgress, whatever its end after the cut. `started_at`
-- and `completed_at` in seconds. Tokens are those of each visible turn, NULL where none was
-- reported: a fork repeats its base's, without reverted turns. For sums of
-- what was spent use token_usage or thread_tokens. `end_position`: just after the record that ended the
-- turn, at most the cut of its part; items with a lower position came before the end.
CREATE VIEW thread_turn_history AS
SELECT p.thread_id, t.position, p.rollout_id, t.turn_id, t.uid::text AS uid,
       CASE WHEN r.start_position + t.end_offset > p.upto THEN 'inProgress' ELSE t.status END AS status,
       CASE WHEN r.start_position + t.end_offset > p.upto THEN NULL ELSE t.error_json END AS error_json,
       t.started_at,
       CASE WHEN t.started_at BETWEEN -62135596800 AND 253402300799 THEN timestamptz 'epoch' + t.started_at * interval '1 second' END AS started_time,
       CASE WHEN r.start_position + t.end_offset > p.upto THEN NULL ELSE t.completed_at END AS completed_at,
       CASE WHEN r.start_position + t.end_offset > p.upto THEN NULL
       WHEN t.completed_at BETWEEN -62135596800 AND 253402300799 THEN timestamptz 'epoch' + t.completed_at * interval '1 second' END AS completed_time,
       CASE WHEN r.start_position + t.end_offset > p.upto THEN NULL ELSE t.duration_ms END AS duration_ms,
       t.model, u.input_tokens, u.cached_input_tokens, u.output_tokens, u.reasoning_output_tokens,
       u.total_tokens, t.first_user_item_id, t.final_agent_item_id, t.root_turn_id, t.ordinal,
       CASE WHEN t.end_offset IS NOT NULL
       THEN least(r.start_position + t.end_offset, p.upto) END AS end_position, p.source_id
FROM _thread_parts AS p
JOIN _rollouts AS r ON r.source_id = p.part_source AND r.rollout_id = p.rollout_id
JOIN _turns AS t ON t.source_id = p.part_source AND t.rollout_id = p.rollout_id
  AND t.position < p.upto
LEFT JOIN LATERAL (
  SELECT sum(u.input_tokens)::bigint AS input_tokens,
         sum(u.cached_input_tokens)::bigint AS cached_input_tokens,
         sum(u.output_tokens)::bigint AS output_tokens,
         sum(u.reasoning_output_tokens)::bigint AS reasoning_output_tokens,
         sum(u.total_tokens)::bigint AS total_tokens
  FROM _thread_parts AS q
  JOIN _usage AS u ON u.source_id = q.part_source AND u.rollout_id = q.rollout_id
    AND u.position < q.upto
  WHERE q.source_id = p.source_id AND q.thread_id = p.thread_id
    AND left(u.turn_id, 64) = left(t.turn_id, 64) AND u.turn_id = t.turn_id AND u.tombstone = 0
) AS u ON true
WHERE t.tombstone = 0
  AND (p.upto = 9223372036854775807 OR NOT EXISTS (
    SELECT 1 FROM _thread_parts AS q
    JOIN _turns AS n ON n.source_id = q.part_source AND n.rollout_id = q.rollout_id
      AND n.position < q.upto
    WHERE q.source_id = p.source_id AND q.thread_id = p.thread_id AND q.part > p.part
      AND left(n.turn_id, 64) = left(t.turn_id, 64) AND n.turn_id = t.turn_id AND n.tombstone = 0))
  AND (r.base_rollout_id IS NULL OR t.status <> 'interrupted' OR t.ordinal IS NULL
     OR t.ordinal IS DISTINCT FROM t.end_ordinal OR EXISTS (
    SELECT 1 FROM _thread_parts AS q
    JOIN _turns AS o ON o.source_id = q.part_source AND o.rollout_id = q.rollout_id
      AND o.position < q.upto
    WHERE q.source_id = p.source_id AND q.thread_id = p.thread_id AND q.part < p.part
      AND left(o.turn_id, 64) = left(t.turn_id, 64) AND o.turn_id = t.turn_id AND o.tombstone = 0
      AND (o.status <> 'interrupted' OR o.ordinal IS NULL OR o.ordinal IS DISTINCT FROM o.end_ordinal)));

-- One row a thread. Metadata is that of the visible history: a value that the current rollout
-- lacks is taken from the next older part. `preview`: the first user message before the cut, else
-- the first goal. `total_tokens`: the sum of its own token_usage, as in thread_tokens;
-- `reported_total_tokens`: as Codex last reported it for the whole conversation.
-- `deleted`: none of its rollouts is on disk. `incomplete`: a base is missing. `host`: whose it is.
-- The current rollout is joined by its id alone, which one source has: a planner takes every further
-- column for a rarer match, and would sort all threads to find the newest.
CREATE VIEW threads AS
SELECT thread_id, name, preview, cwd, model, model_provider, reasoning_effort, source, source_kind,
       source_json, thread_source, originator, cli_version, history_mode, parent_thread_id, forked_from_id,
       agent_nickname, agent_role, agent_path, agent_depth, attached, archived, deleted, incomplete, created_at_ms,
       CASE WHEN created_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + created_at_ms * interval '1 millisecond' END AS created_at,
       updated_at_ms,
       CASE WHEN updated_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + updated_at_ms * interval '1 millisecond' END AS updated_at,
       last_turn_at_ms,
       CASE WHEN last_turn_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + last_turn_at_ms * interval '1 millisecond' END AS last_turn_at,
       turn_count, item_count, total_tokens, reported_total_tokens, git_branch, git_sha,
       git_origin_url, rollout_id, path, host, source_id
FROM (
SELECT s.thread_id, coalesce(n.name, c.name) AS name, coalesce(h.preview, h.goal) AS preview,
       coalesce(c.cwd, h.cwd) AS cwd, coalesce(c.model, h.model) AS model,
       coalesce(c.model_provider, h.model_provider) AS model_provider,
       coalesce(c.reasoning_effort, h.reasoning_effort) AS reasoning_effort,
       c.source, c.source_kind, c.source_json, c.thread_source, c.originator, c.cli_version, c.mode AS history_mode,
       c.parent_thread_id, c.forked_from_id, c.agent_nickname, c.agent_role, c.agent_path,
       c.agent_depth, c.attached, s.archived, s.deleted, s.incomplete,
       coalesce((SELECT f.created_at_ms FROM _rollouts AS f WHERE f.rollout_id = s.thread_id
                  AND NOT f.elsewhere LIMIT 1),
                c.created_at_ms) AS created_at_ms,
       c.updated_at_ms,
       coalesce(c.last_turn_at_ms, h.last_turn_at_ms) AS last_turn_at_ms,
       h.turns - s.repeated_turns AS turn_count, h.items AS item_count,
       coalesce((SELECT sum(u.total_tokens)::bigint FROM _usage_threads AS u
                 WHERE u.thread_id = s.thread_id), 0) AS total_tokens,
       coalesce(c.reported_total_tokens, h.reported_total_tokens) AS reported_total_tokens,
       coalesce(c.git_branch, h.git_branch) AS git_branch, coalesce(c.git_sha, h.git_sha) AS git_sha,
       coalesce(c.git_origin_url, h.git_origin_url) AS git_origin_url, c.rollout_id, c.path,
       o.host, s.source_id
FROM _thread_states AS s
JOIN _rollouts AS c ON c.rollout_id = s.rollout_id AND NOT c.elsewhere
JOIN _sources AS o ON o.source_id = c.source_id
LEFT JOIN _names AS n ON n.source_id = s.source_id AND n.thread_id = s.thread_id
LEFT JOIN LATERAL (
  SELECT sum(p.turns)::bigint AS turns, sum(p.items)::bigint AS items,
         (array_agg(r.preview ORDER BY p.part) FILTER (WHERE r.preview IS NOT NULL
            AND r.start_position + r.preview_offset < p.upto))[1] AS preview,
         (array_agg(r.goal ORDER BY p.part) FILTER (WHERE r.goal IS NOT NULL))[1] AS goal,
         (array_agg(r.cwd ORDER BY p.part DESC) FILTER (WHERE r.cwd IS NOT NULL))[1] AS cwd,
         (array_agg(r.model ORDER BY p.part DESC) FILTER (WHERE r.model IS NOT NULL))[1] AS model,
         (array_agg(r.model_provider ORDER BY p.part DESC)
            FILTER (WHERE r.model_provider IS NOT NULL))[1] AS model_provider,
         (array_agg(r.reasoning_effort ORDER BY p.part DESC)
            FILTER (WHERE r.reasoning_effort IS NOT NULL))[1] AS reasoning_effort,
         (array_agg(r.last_turn_at_ms ORDER BY p.part DESC)
            FILTER (WHERE r.last_turn_at_ms IS NOT NULL))[1] AS last_turn_at_ms,
         (array_agg(r.reported_total_tokens ORDER BY p.part DESC)
            FILTER (WHERE r.reported_total_tokens IS NOT NULL))[1] AS reported_total_tokens,
         (array_agg(r.git_branch ORDER BY p.part DESC)
            FILTER (WHERE r.git_branch IS NOT NULL))[1] AS git_branch,
         (array_agg(r.git_sha ORDER BY p.part DESC) FILTER (WHERE r.git_sha IS NOT NULL))[1] AS git_sha,
         (array_agg(r.git_origin_url ORDER BY p.part DESC)
            FILTER (WHERE r.git_origin_url IS NOT NULL))[1] AS git_origin_url
  FROM _thread_parts AS p
  JOIN _rollouts AS r ON r.source_id = p.part_source AND r.rollout_id = p.rollout_id
  WHERE p.source_id = s.source_id AND p.thread_id = s.thread_id
) AS h ON true) AS every;

-- Installations that write here, one a host: their ids by name.
CREATE VIEW sources AS
SELECT source_id, name, host, since_ms,
       CASE WHEN since_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + since_ms * interval '1 millisecond' END AS since
FROM _sources;

-- Byte ranges of rollouts that could not be read as written. `noted_at_ms`: when it was first seen.
CREATE VIEW anomalies AS
SELECT rollout_id, byte_offset, byte_length, kind, detail, noted_at_ms,
       CASE WHEN noted_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + noted_at_ms * interval '1 millisecond' END AS noted_at, source_id
FROM _anomaly_rows;

-- What happened to threads and turns, in the order of a source's commits: `seq` grows and is never
-- used again. `recorded_at_ms`: time of the record, NULL where there is none; `noted_at_ms`: when
-- the event was first written here. `payload` is a JSON object.
CREATE VIEW lifecycle_events AS
SELECT seq, uid::text AS uid, thread_id, rollout_id, turn_id, type, payload, recorded_at_ms,
       CASE WHEN recorded_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + recorded_at_ms * interval '1 millisecond' END AS recorded_at,
       noted_at_ms,
       CASE WHEN noted_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + noted_at_ms * interval '1 millisecond' END AS noted_at,
       source_id
FROM _events
WHERE tombstone = 0;

-- What happened to turns, items, threads and events, in the order of a source's commits. `kind`:
-- turn, item, thread, event; `op`: insert, update, tombstone. `uid` (NULL for threads) and the ids
-- name the row; its current values are in `all_turns`, `all_items`, `threads`, `lifecycle_events`.
-- `type`: of an item or an event. Turns and items after a revert's cut get no change: see the
-- parts of their thread. `cursor`: the number with the mark of its commit, for `projector events
-- --after`. WHERE source_id = ? AND seq > ? ORDER BY seq LIMIT ? reads only the rows it returns.
CREATE VIEW changes AS
SELECT f.seq,
       CASE f.kind WHEN 1 THEN 'turn' WHEN 2 THEN 'item' WHEN 3 THEN 'thread' WHEN 4 THEN 'event'
         ELSE 'realtime' END AS kind,
       CASE f.op WHEN 1 THEN 'insert' WHEN 2 THEN 'update' ELSE 'tombstone' END AS op,
       f.thread_id, f.rollout_id, f.turn_id, f.item_id, f.uid::text AS uid, f.type,
       f.committed_at_ms,
       CASE WHEN f.committed_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + f.committed_at_ms * interval '1 millisecond' END AS committed_at, f.seq || '-' || lpad(to_hex(f.mark), 16, '0') AS cursor, f.source_id
FROM _feed AS f;

-- Token usage of each model response, counted once. Reverted responses are included: they cost.
CREATE VIEW token_usage AS
SELECT r.thread_id, u.turn_id, r.rollout_id, u.ordinal, u.model, u.model_provider,
       u.input_tokens,
       u.cached_input_tokens, u.cache_write_input_tokens, u.output_tokens,
       u.reasoning_output_tokens, u.total_tokens, u.service_tier, u.recorded_at_ms,
       CASE WHEN u.recorded_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + u.recorded_at_ms * interval '1 millisecond' END AS recorded_at, u.response_id,
       u.uid::text AS uid, u.source_id
FROM _usage AS u
JOIN _rollouts AS r ON r.source_id = u.source_id AND r.rollout_id = u.rollout_id
WHERE u.counted AND u.tombstone = 0;

-- token_usage by list price, as it was at the response's time for as much input: what an API would
-- have billed, not what was paid. NULL where no price is known: a local or unknown provider, a model
-- that no list has, a service tier other than the standard one, a response without a time.
CREATE VIEW token_costs AS
SELECT r.thread_id, u.turn_id, r.rollout_id, u.ordinal, u.model, u.model_provider,
       u.input_tokens,
       u.cached_input_tokens, u.cache_write_input_tokens, u.output_tokens,
       u.reasoning_output_tokens, u.total_tokens, u.service_tier, u.recorded_at_ms,
       CASE WHEN u.recorded_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + u.recorded_at_ms * interval '1 millisecond' END AS recorded_at, u.response_id,
       u.uid::text AS uid,
       (greatest(u.input_tokens - u.cached_input_tokens - coalesce(u.cache_write_input_tokens, 0), 0) * p.input
         + u.cached_input_tokens * coalesce(p.cached_input, p.input)
         + coalesce(u.cache_write_input_tokens, 0) * coalesce(p.cache_write, p.input)
         + u.output_tokens * p.output) / 1000000 AS amount,
       CASE WHEN p.output IS NOT NULL THEN p.currency END AS currency,
       CASE WHEN p.output IS NOT NULL THEN p.price_source END AS price_source, u.source_id
FROM _usage AS u
JOIN _rollouts AS r ON r.source_id = u.source_id AND r.rollout_id = u.rollout_id
LEFT JOIN LATERAL (
  SELECT q.* FROM _prices AS q
  WHERE q.source_id IN (u.source_id, '00000000-0000-0000-0000-000000000000')
    AND q.model_provider = u.model_provider AND q.model = u.model
    AND q.service_tier = CASE WHEN u.service_tier IN ('standard', 'default') THEN '' ELSE coalesce(u.service_tier, '') END
    AND q.from_ms <= u.recorded_at_ms AND q.above < u.input_tokens
  ORDER BY q.own DESC, q.from_ms DESC, q.above DESC LIMIT 1
) AS p ON true
WHERE u.counted AND u.tombstone = 0;

-- Windows of rate limits as Codex reported them: one row a change in a thread. Several threads
-- report the limits of one account. `slot`: primary or secondary.
CREATE VIEW rate_limits AS
SELECT r.thread_id, r.rollout_id, l.limit_id, l.slot, l.window_minutes, l.used_percent,
       l.resets_at_ms,
       CASE WHEN l.resets_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + l.resets_at_ms * interval '1 millisecond' END AS resets_at,
       l.plan_type, l.recorded_at_ms,
       CASE WHEN l.recorded_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + l.recorded_at_ms * interval '1 millisecond' END AS recorded_at, l.source_id
FROM _limit_rows AS l JOIN _rollouts AS r ON r.source_id = l.source_id AND r.rollout_id = l.rollout_id;

-- The sums of token_usage by thread, of its own rollouts: inherited usage counts in the thread
-- that it is inherited from, and reverted usage is included. The sum over all threads is that of
-- token_usage. Usage of a turn is in `thread_turn_history`.
CREATE VIEW thread_tokens AS
SELECT thread_id, sum(responses)::bigint AS responses, sum(input_tokens)::bigint AS input_tokens,
       sum(cached_input_tokens)::bigint AS cached_input_tokens,
       sum(output_tokens)::bigint AS output_tokens,
       sum(reasoning_output_tokens)::bigint AS reasoning_output_tokens,
       sum(total_tokens)::bigint AS total_tokens
FROM _usage_threads
GROUP BY thread_id
HAVING sum(responses) > 0;

-- The sums of token_usage by day (UTC) and model; NULL if unknown.
CREATE VIEW token_days AS
SELECT nullif(day, '') AS day, nullif(model, '') AS model, sum(responses)::bigint AS responses,
       sum(input_tokens)::bigint AS input_tokens,
       sum(cached_input_tokens)::bigint AS cached_input_tokens,
       sum(output_tokens)::bigint AS output_tokens,
       sum(reasoning_output_tokens)::bigint AS reasoning_output_tokens,
       sum(total_tokens)::bigint AS total_tokens
FROM _usage_days
GROUP BY day, model
HAVING sum(responses) > 0;

-- Every item and every turn that was ever written, tombstones included. `visible`: its own thread
-- shows it; `tombstone` says why not: replaced (the rollout's new content lacks it), rolled back,
-- dropped, reverted (after a cut of its own thread's history; a fork may still show it); NULL:
-- visible.
CREATE VIEW all_items AS
SELECT thread_id, rollout_id, position, turn_id, item_id, uid, type, item_json, created_at_ms,
       CASE WHEN created_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + created_at_ms * interval '1 millisecond' END AS created_at,
       started_at_ms,
       CASE WHEN started_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + started_at_ms * interval '1 millisecond' END AS started_at, completed_at_ms,
       CASE WHEN completed_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + completed_at_ms * interval '1 millisecond' END AS completed_at, ordinal, provenance, tombstone IS NULL AS visible, tombstone,
       escaped, source_id
FROM (
  SELECT r.thread_id, r.rollout_id, i.position, i.turn_id, i.item_id, i.uid::text AS uid, i.type,
         i.json AS item_json, i.created_at_ms, i.started_at_ms, i.completed_at_ms, i.ordinal,
         i.provenance, i.escaped, i.source_id,
         CASE i.tombstone WHEN 1 THEN 'replaced' WHEN 2 THEN 'rolled back' WHEN 3 THEN 'dropped'
         ELSE CASE WHEN EXISTS (
           SELECT 1 FROM _thread_parts AS p
           WHERE p.thread_id = r.thread_id AND p.part_source = r.source_id
             AND p.rollout_id = r.rollout_id AND i.position < p.upto)
         THEN NULL ELSE 'reverted' END END AS tombstone
  FROM _rollouts AS r
  JOIN _items AS i ON i.source_id = r.source_id AND i.rollout_id = r.rollout_id) AS every;

CREATE VIEW all_turns AS
SELECT thread_id, rollout_id, position, turn_id, uid, status, error_json, started_at,
       CASE WHEN started_at BETWEEN -62135596800 AND 253402300799 THEN timestamptz 'epoch' + started_at * interval '1 second' END AS started_time,
       completed_at,
       CASE WHEN completed_at BETWEEN -62135596800 AND 253402300799 THEN timestamptz 'epoch' + completed_at * interval '1 second' END AS completed_time, duration_ms, model, ordinal, tombstone IS NULL AS visible, tombstone, source_id
FROM (
  SELECT r.thread_id, r.rollout_id, t.position, t.turn_id, t.uid::text AS uid, t.status,
         t.error_json, t.started_at, t.completed_at, t.duration_ms, t.model, t.ordinal, t.source_id,
         CASE t.tombstone WHEN 1 THEN 'replaced' WHEN 2 THEN 'rolled back' WHEN 3 THEN 'dropped'
         ELSE CASE WHEN EXISTS (
           SELECT 1 FROM _thread_parts AS p
           WHERE p.thread_id = r.thread_id AND p.part_source = r.source_id
             AND p.rollout_id = r.rollout_id AND t.position < p.upto)
         THEN NULL ELSE 'reverted' END END AS tombstone
  FROM _rollouts AS r
  JOIN _turns AS t ON t.source_id = r.source_id AND t.rollout_id = r.rollout_id) AS every;

-- Messages, commands, changes ---------------------------------------------------------------------
-- Over the visible history of each thread. A fork includes inherited items: to count over several
-- threads, exclude rows with `inherited`. Times and durations in milliseconds. An item that Codex
-- refuses is kept as written: where it has a string instead of an object or a number, one
-- such item must not make a whole view unreadable, hence the CASEs.

-- Messages of the user and the agent. `role`: user, assistant; `text`: the text parts of a user's
-- message joined; `phase` of an agent's message: commentary, partial_answer, final_answer or NULL.
CREATE VIEW messages AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid,
       CASE WHEN type = 'userMessage' THEN 'user' ELSE 'assistant' END AS role,
       CASE WHEN type = 'userMessage' THEN (
         SELECT coalesce(string_agg(
           CASE WHEN json_typeof(part.value) = 'object' AND part.value ->> 'type' = 'text'
           THEN part.value ->> 'text' END, '' ORDER BY part.number), '')
         FROM json_array_elements(
           CASE WHEN json_typeof(item_json -> 'content') = 'array' THEN item_json -> 'content'
           ELSE '[]'::json END) WITH ORDINALITY AS part (value, number))
       ELSE item_json ->> 'text' END AS text,
       CASE WHEN type = 'userMessage' THEN NULL ELSE item_json ->> 'phase' END AS phase,
       created_at_ms, created_at, inherited, source_id
FROM thread_history
WHERE left(type, 64) IN ('userMessage', 'agentMessage') AND type IN ('userMessage', 'agentMessage');

-- Commands run. `status`: inProgress, completed, failed, declined; `output`: NULL where
-- there was none.
CREATE VIEW commands AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid,
       item_json ->> 'command' AS command, item_json ->> 'cwd' AS cwd,
       item_json ->> 'source' AS source, item_json ->> 'status' AS status,
       CASE WHEN item_json ->> 'exitCode' ~ '^-?[0-9]{1,18}$'
       THEN (item_json ->> 'exitCode')::bigint END AS exit_code,
       CASE WHEN item_json ->> 'durationMs' ~ '^-?[0-9]{1,18}$'
       THEN (item_json ->> 'durationMs')::bigint END AS duration_ms,
       item_json ->> 'aggregatedOutput' AS output,
       created_at_ms, created_at, inherited, source_id
FROM thread_history
WHERE left(type, 64) = 'commandExecution' AND type = 'commandExecution';

-- Changed files, one row each. `kind`: add, delete, update; `move_path`: where an update
-- moved it; `diff`: the content of an added or deleted file, else a unified diff.
CREATE VIEW file_changes AS
SELECT p.thread_id, i.position, p.rollout_id, i.turn_id, i.item_id, i.uid::text AS uid, c.path,
       c.kind, c.move_path, i.json -> 'changes' -> c.number ->> 'diff' AS diff,
       i.json ->> 'status' AS status, i.created_at_ms,
       CASE WHEN i.created_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + i.created_at_ms * interval '1 millisecond' END AS created_at,
       (SELECT r.thread_id <> p.thread_id FROM _rollouts AS r
        WHERE r.source_id = p.part_source AND r.rollout_id = p.rollout_id) AS inherited,
       p.source_id
FROM _items AS i
JOIN _thread_parts AS p ON p.part_source = i.source_id AND p.rollout_id = i.rollout_id
  AND p.upto > i.position
JOIN _changed_files AS c ON c.source_id = i.source_id AND c.rollout_id = i.rollout_id
  AND c.uid = i.uid
WHERE i.tombstone = 0 AND left(i.type, 64) = 'fileChange' AND i.type = 'fileChange';

-- Tool calls: of MCP servers, of tools that a client offers (`server`: their namespace), and of tools
-- that work with other agents (`arguments`: the prompt; `result`: the agents' states).
-- `arguments` and `result` are JSON, NULL where there was none; `error` is a text.
CREATE VIEW tool_calls AS
SELECT thread_id, position, rollout_id, turn_id, item_id, uid, type,
       CASE type WHEN 'mcpToolCall' THEN item_json ->> 'server'
         WHEN 'dynamicToolCall' THEN item_json ->> 'namespace' END AS server,
       item_json ->> 'tool' AS tool,
       nullif((item_json -> CASE type WHEN 'collabAgentToolCall' THEN 'prompt'
         ELSE 'arguments' END)::text, 'null')::json AS arguments,
       nullif((item_json -> CASE type WHEN 'mcpToolCall' THEN 'result'
         WHEN 'dynamicToolCall' THEN 'contentItems' ELSE 'agentsStates' END)::text, 'null')::json
         AS result,
       item_json -> 'error' ->> 'message' AS error, item_json ->> 'status' AS status,
       CASE WHEN item_json ->> 'durationMs' ~ '^-?[0-9]{1,18}$'
       THEN (item_json ->> 'durationMs')::bigint END AS duration_ms,
       created_at_ms, created_at, inherited, source_id
FROM thread_history
WHERE left(type, 64) IN ('mcpToolCall', 'dynamicToolCall', 'collabAgentToolCall')
  AND type IN ('mcpToolCall', 'dynamicToolCall', 'collabAgentToolCall');

-- SELECT ... FROM search WHERE search @@ to_tsquery('simple', 'words & beginn:*'): items of the visible
-- history of each thread that hold all of them. A fork finds inherited items too. `rank` is the
-- same for all here: ORDER BY ts_rank(search, query) DESC for another. Words are in lower case and NFC,
-- without accents; of scripts without spaces each character is one (search/text.py).
CREATE VIEW search AS
SELECT i.words AS search, 0::real AS rank, p.thread_id, i.position, p.rollout_id, i.turn_id,
       i.item_id, i.uid::text AS uid, i.type, i.json AS item_json, i.created_at_ms,
       CASE WHEN i.created_at_ms BETWEEN -62135596800000 AND 253402300799999 THEN timestamptz 'epoch' + i.created_at_ms * interval '1 millisecond' END AS created_at,
       p.thread_id <> r.thread_id AS inherited, p.source_id
FROM _items AS i
JOIN _thread_parts AS p ON p.part_source = i.source_id AND p.rollout_id = i.rollout_id
  AND p.upto > i.position
JOIN _rollouts AS r ON r.source_id = i.source_id AND r.rollout_id = i.rollout_id
JOIN _sources AS o ON o.source_id = i.source_id
WHERE i.tombstone = 0 AND i.words IS NOT NULL AND i.words_round = o.search_round;
