-- Public views. Their names, columns and meaning are stable.
--
-- `uid` is the text of a UUID; times as in 0001.

-- Each time in milliseconds has a second column with the same as a timestamp, NULL outside of the
-- years 1 to 9999, which other programs cannot read: rollouts hold whatever was written.

-- As Codex names them ---------------------------------------------------------------------------
-- `thread_id` is the id of the rollout, as in Codex's own database. Only living rows of
-- paginated rollouts: Codex keeps none of legacy ones.

CREATE VIEW codex_thread_items AS
SELECT r.rollout_id AS thread_id, t.turn_id, i.item_id, i.ordinal AS rollout_ordinal,
       i.created_at_ms, i.json AS item_json, i.type AS item_type,
       i.updated_ordinal AS updated_at_ordinal, i.started_at_ms, i.completed_at_ms
FROM _rollouts AS r JOIN _items AS i ON i.rollout = r.rollout
JOIN _turn_ids AS t ON t.turn_key = i.turn_key
WHERE i.tombstone = 0 AND r.mode = 'paginated';

CREATE VIEW codex_thread_turns AS
SELECT r.rollout_id AS thread_id, t.turn_id, t.ordinal AS rollout_ordinal, t.status, t.error_json,
       t.started_at, t.completed_at, t.duration_ms, t.first_user_item_id, t.final_agent_item_id,
       t.position - r.start_position AS rollout_byte_offset,
       t.end_ordinal AS rollout_end_ordinal, t.end_offset AS rollout_end_byte_offset,
       t.root_turn_id
FROM _rollouts AS r JOIN _turns AS t ON t.rollout = r.rollout
WHERE t.tombstone = 0 AND r.mode = 'paginated';

CREATE VIEW codex_thread_realtime_items AS
SELECT r.rollout_id AS thread_id, i.item_id, i.ordinal AS rollout_ordinal, i.created_at_ms,
       i.type AS item_type, i.json AS item_json
FROM _rollouts AS r JOIN _realtime_items AS i ON i.rollout = r.rollout
WHERE i.tombstone = 0;

CREATE VIEW codex_projection_state AS
SELECT rollout_id AS thread_id, next_offset AS next_rollout_byte_offset,
       next_ordinal AS next_rollout_ordinal
FROM _rollouts
WHERE mode = 'paginated';

-- For people ------------------------------------------------------------------------------------

-- The items of each thread's visible history, through lineage. `position` sorts and is a stable
-- cursor: WHERE thread_id = ? AND position > ? ORDER BY position LIMIT ? reads one index range
-- per rollout of the chain (`likely`: the reader's bound is the better one). Times in milliseconds.
-- `inherited`: 1 if the item is another thread's, shown by a fork.
CREATE VIEW thread_history AS
SELECT p.thread_id, i.position, p.rollout_id, i.turn_id, i.item_id,
       lower(hex(substr(i.uid, 1, 4)) || '-' || hex(substr(i.uid, 5, 2)) || '-' || hex(substr(i.uid, 7, 2))
    || '-' || hex(substr(i.uid, 9, 2)) || '-' || hex(substr(i.uid, 11))) AS uid,
       i.type, i.json AS item_json, i.created_at_ms,
       iif(i.created_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', i.created_at_ms / 1000.0, 'unixepoch'), NULL) AS created_at, i.started_at_ms,
       iif(i.started_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', i.started_at_ms / 1000.0, 'unixepoch'), NULL) AS started_at, i.completed_at_ms,
       iif(i.completed_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', i.completed_at_ms / 1000.0, 'unixepoch'), NULL) AS completed_at,
       i.ordinal, i.provenance,
       (SELECT r.thread_id <> p.thread_id FROM _rollouts AS r WHERE r.rollout = p.rollout) AS inherited
FROM _thread_parts AS p JOIN _items AS i ON i.rollout = p.rollout AND likely(i.position < p.upto)
WHERE i.tombstone = 0;

-- The turns of each thread's visible history. A turn that has rows in several parts (a fork of a
-- running turn) is shown as in its newest part. One of which a rollout with a base has no more than a
-- turn_aborted (ordinal = end_ordinal) is its base's, and not shown where its start is not visible, as in
-- Codex. `status` is that before the cut: a turn not ended there stays inProgress, whatever its end
-- after the cut. `started_at` and `completed_at` in seconds. Tokens are those of each visible turn, NULL
-- where none was reported: a fork repeats its base's, without reverted turns. For sums of what was spent
-- use token_usage or thread_tokens. `end_position`: just after the record that ended the turn, at most
-- the cut of its part; items with a lower position came before the end.
CREATE VIEW thread_turn_history AS
SELECT p.thread_id, t.position, p.rollout_id, t.turn_id,
       lower(hex(substr(t.uid, 1, 4)) || '-' || hex(substr(t.uid, 5, 2)) || '-' || hex(substr(t.uid, 7, 2))
    || '-' || hex(substr(t.uid, 9, 2)) || '-' || hex(substr(t.uid, 11))) AS uid,
       iif(r.start_position + t.end_offset > p.upto, 'inProgress', t.status) AS status,
       iif(r.start_position + t.end_offset > p.upto, NULL, t.error_json) AS error_json,
       t.started_at,
       iif(t.started_at BETWEEN -62135596800 AND 253402300799, strftime('%Y-%m-%dT%H:%M:%fZ', t.started_at, 'unixepoch'), NULL) AS started_time,
       iif(r.start_position + t.end_offset > p.upto, NULL, t.completed_at) AS completed_at,
       iif(r.start_position + t.end_offset > p.upto, NULL, iif(t.completed_at BETWEEN -62135596800 AND 253402300799, strftime('%Y-%m-%dT%H:%M:%fZ', t.completed_at, 'unixepoch'), NULL)) AS completed_time,
       iif(r.start_position + t.end_offset > p.upto, NULL, t.duration_ms) AS duration_ms, t.model,
       (SELECT sum(u.input_tokens) FROM _usage_rows AS u JOIN _thread_parts AS q ON q.thread_id = p.thread_id
          AND q.rollout = u.rollout AND u.position < q.upto
        WHERE u.turn_key = (SELECT k.turn_key FROM _turn_ids AS k WHERE k.turn_id = t.turn_id) AND u.tombstone = 0) AS input_tokens,
       (SELECT sum(u.cached_input_tokens) FROM _usage_rows AS u JOIN _thread_parts AS q ON q.thread_id = p.thread_id
          AND q.rollout = u.rollout AND u.position < q.upto
        WHERE u.turn_key = (SELECT k.turn_key FROM _turn_ids AS k WHERE k.turn_id = t.turn_id) AND u.tombstone = 0) AS cached_input_tokens,
       (SELECT sum(u.output_tokens) FROM _usage_rows AS u JOIN _thread_parts AS q ON q.thread_id = p.thread_id
          AND q.rollout = u.rollout AND u.position < q.upto
        WHERE u.turn_key = (SELECT k.turn_key FROM _turn_ids AS k WHERE k.turn_id = t.turn_id) AND u.tombstone = 0) AS output_tokens,
       (SELECT sum(u.reasoning_output_tokens) FROM _usage_rows AS u JOIN _thread_parts AS q ON q.thread_id = p.thread_id
          AND q.rollout = u.rollout AND u.position < q.upto
        WHERE u.turn_key = (SELECT k.turn_key FROM _turn_ids AS k WHERE k.turn_id = t.turn_id) AND u.tombstone = 0) AS reasoning_output_tokens,
       (SELECT sum(u.total_tokens) FROM _usage_rows AS u JOIN _thread_parts AS q ON q.thread_id = p.thread_id
          AND q.rollout = u.rollout AND u.position < q.upto
        WHERE u.turn_key = (SELECT k.turn_key FROM _turn_ids AS k WHERE k.turn_id = t.turn_id) AND u.tombstone = 0) AS total_tokens,
       t.first_user_item_id, t.final_agent_item_id, t.root_turn_id, t.ordinal,
       min(r.start_position + t.end_offset, p.upto) AS end_position
FROM _thread_parts AS p JOIN _rollouts AS r ON r.rollout = p.rollout
JOIN _turns AS t ON t.rollout = p.rollout AND t.position < p.upto
WHERE t.tombstone = 0
  AND (p.upto = 9223372036854775807 OR NOT EXISTS (
    SELECT 1 FROM _turns AS n JOIN _thread_parts AS q ON q.thread_id = p.thread_id
      AND q.rollout = n.rollout AND q.part > p.part AND n.position < q.upto
    WHERE n.turn_id = t.turn_id AND n.tombstone = 0))
  AND (r.base_rollout_id IS NULL OR t.status <> 'interrupted' OR t.ordinal IS NULL
     OR t.ordinal IS NOT t.end_ordinal OR EXISTS (
    SELECT 1 FROM _turns AS o JOIN _thread_parts AS q ON q.thread_id = p.thread_id
      AND q.rollout = o.rollout AND q.part < p.part AND o.position < q.upto
    WHERE o.turn_id = t.turn_id AND o.tombstone = 0
      AND (o.status <> 'interrupted' OR o.ordinal IS NULL OR o.ordinal IS NOT o.end_ordinal)));

-- One row a thread. Metadata is that of the visible history: a value that the current rollout
-- lacks is taken from the next older part. `preview`: the first user message before the cut, else
-- the first goal. `total_tokens`: the sum of its own token_usage, as in thread_tokens;
-- `reported_total_tokens`: as Codex last reported it for the whole conversation.
-- `deleted`: 1 when none of its rollouts is on disk. `incomplete`: 1 when a base is missing.
CREATE VIEW threads AS
SELECT thread_id, name, preview, cwd, model, model_provider, reasoning_effort, source, source_kind,
       source_json, thread_source, originator, cli_version, history_mode, parent_thread_id, forked_from_id,
       agent_nickname, agent_role, agent_path, agent_depth, attached, archived, deleted, incomplete, created_at_ms,
       iif(created_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', created_at_ms / 1000.0, 'unixepoch'), NULL) AS created_at,
       updated_at_ms,
       iif(updated_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', updated_at_ms / 1000.0, 'unixepoch'), NULL) AS updated_at,
       last_turn_at_ms,
       iif(last_turn_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', last_turn_at_ms / 1000.0, 'unixepoch'), NULL) AS last_turn_at,
       turn_count, item_count, total_tokens, reported_total_tokens, git_branch, git_sha,
       git_origin_url, rollout_id, path
FROM (
SELECT s.thread_id,
       coalesce(n.name, c.name) AS name,
       coalesce((SELECT r.preview FROM _thread_parts AS p JOIN _rollouts AS r ON r.rollout = p.rollout
                 WHERE p.thread_id = s.thread_id AND r.preview IS NOT NULL
                   AND r.start_position + r.preview_offset < p.upto
                 ORDER BY p.part LIMIT 1),
                (SELECT r.goal FROM _thread_parts AS p JOIN _rollouts AS r ON r.rollout = p.rollout
                 WHERE p.thread_id = s.thread_id AND r.goal IS NOT NULL
                 ORDER BY p.part LIMIT 1)) AS preview,
       coalesce(c.cwd, (SELECT r.cwd FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.cwd IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS cwd,
       coalesce(c.model, (SELECT r.model FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.model IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS model,
       coalesce(c.model_provider, (SELECT r.model_provider FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.model_provider IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS model_provider,
       coalesce(c.reasoning_effort, (SELECT r.reasoning_effort FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.reasoning_effort IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS reasoning_effort,
       c.source, c.source_kind, c.source_json, c.thread_source, c.originator, c.cli_version, c.mode AS history_mode,
       c.parent_thread_id, c.forked_from_id, c.agent_nickname, c.agent_role, c.agent_path,
       c.agent_depth, c.attached, s.archived, s.deleted, s.incomplete,
       coalesce((SELECT f.created_at_ms FROM _rollouts AS f WHERE f.rollout_id = s.thread_id),
                c.created_at_ms) AS created_at_ms,
       c.updated_at_ms,
       coalesce(c.last_turn_at_ms, (SELECT r.last_turn_at_ms FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.last_turn_at_ms IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS last_turn_at_ms,
       (SELECT sum(p.turns) FROM _thread_parts AS p WHERE p.thread_id = s.thread_id)
         - s.repeated_turns AS turn_count,
       (SELECT sum(p.items) FROM _thread_parts AS p WHERE p.thread_id = s.thread_id) AS item_count,
       coalesce((SELECT u.total_tokens FROM _usage_threads AS u
                 WHERE u.thread_id = s.thread_id), 0) AS total_tokens,
       coalesce(c.reported_total_tokens, (SELECT r.reported_total_tokens FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.reported_total_tokens IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS reported_total_tokens,
       coalesce(c.git_branch, (SELECT r.git_branch FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.git_branch IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS git_branch,
       coalesce(c.git_sha, (SELECT r.git_sha FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.git_sha IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS git_sha,
       coalesce(c.git_origin_url, (SELECT r.git_origin_url FROM _thread_parts AS p
                  JOIN _rollouts AS r ON r.rollout = p.rollout
                  WHERE p.thread_id = s.thread_id AND r.git_origin_url IS NOT NULL
                  ORDER BY p.part DESC LIMIT 1)) AS git_origin_url,
       c.rollout_id, c.path
FROM _thread_states AS s
JOIN _rollouts AS c ON c.rollout = s.rollout
LEFT JOIN _names AS n ON n.thread_id = s.thread_id) AS every;

-- Byte ranges of rollouts that could not be read as written. `noted_at_ms`: when it was first seen.
CREATE VIEW anomalies AS
SELECT r.rollout_id, a.byte_offset, a.byte_length, a.kind, a.detail, a.noted_at_ms,
       iif(a.noted_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', a.noted_at_ms / 1000.0, 'unixepoch'), NULL) AS noted_at
FROM _anomaly_rows AS a JOIN _rollouts AS r ON r.rollout = a.rollout;

-- What happened to threads and turns, in the order of commits: `seq` grows and is never used
-- again. `recorded_at_ms`: time of the record, NULL where there is none; `noted_at_ms`: when the
-- event was first written here. `payload` is a JSON object.
CREATE VIEW lifecycle_events AS
SELECT e.seq, lower(hex(substr(e.uid, 1, 4)) || '-' || hex(substr(e.uid, 5, 2)) || '-' || hex(substr(e.uid, 7, 2))
    || '-' || hex(substr(e.uid, 9, 2)) || '-' || hex(substr(e.uid, 11))) AS uid,
       e.thread_id, r.rollout_id, e.turn_id, e.type, e.payload, e.recorded_at_ms,
       iif(e.recorded_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', e.recorded_at_ms / 1000.0, 'unixepoch'), NULL) AS recorded_at,
       e.noted_at_ms,
       iif(e.noted_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', e.noted_at_ms / 1000.0, 'unixepoch'), NULL) AS noted_at
FROM _events AS e LEFT JOIN _rollouts AS r ON r.rollout = e.rollout
WHERE e.tombstone = 0;

-- What happened to turns, items, threads and events, in the order of commits. `kind`: turn, item,
-- realtime (item), thread, event; `op`: insert, update, tombstone. `uid` (NULL for threads) and the
-- ids name the row; its current values are in `all_turns`, `all_items`, `codex_thread_realtime_items`,
-- `threads`, `lifecycle_events`. `type`: of an item or an event. Turns and items after a revert's cut
-- get no change: see the parts of their thread. `cursor`: the number with the mark of its commit, for
-- `projector events --after`. WHERE seq > ? ORDER BY seq LIMIT ? reads only the rows it returns.
CREATE VIEW changes AS
SELECT f.seq,
       CASE f.kind WHEN 1 THEN 'turn' WHEN 2 THEN 'item' WHEN 3 THEN 'thread' WHEN 4 THEN 'event'
         ELSE 'realtime' END AS kind,
       CASE f.op WHEN 1 THEN 'insert' WHEN 2 THEN 'update' ELSE 'tombstone' END AS op,
       coalesce(h.thread_id, e.thread_id, g.thread_id, r.thread_id) AS thread_id,
       coalesce(r.rollout_id, g.rollout_id) AS rollout_id,
       coalesce(t.turn_id, i.turn_id, e.turn_id, g.turn_id) AS turn_id,
       coalesce(i.item_id, v.item_id, g.item_id) AS item_id,
       (SELECT lower(substr(x, 1, 8) || '-' || substr(x, 9, 4) || '-' || substr(x, 13, 4) || '-'
                     || substr(x, 17, 4) || '-' || substr(x, 21))
        FROM (SELECT hex(coalesce(t.uid, i.uid, e.uid, v.uid, g.uid)) AS x) WHERE x <> '') AS uid,
       coalesce(i.type, e.type, v.type, g.type) AS type,
       c.committed_at_ms,
       iif(c.committed_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', c.committed_at_ms / 1000.0, 'unixepoch'), NULL) AS committed_at, f.seq || '-' || printf('%016x', c.mark) AS cursor
FROM _feed AS f
LEFT JOIN _feed_commits AS c
  ON c.upto = (SELECT k.upto FROM _feed_commits AS k WHERE k.upto >= f.seq ORDER BY k.upto LIMIT 1)
LEFT JOIN _feed_purged AS g ON g.kind = f.kind AND g.row = f.row
  AND g.upto = (SELECT min(p.upto) FROM _feed_purged AS p
    WHERE p.kind = f.kind AND p.row = f.row AND p.upto >= f.seq)
LEFT JOIN _turns AS t ON f.kind = 1 AND t.turn = f.row AND g.upto IS NULL
LEFT JOIN _items AS i ON f.kind = 2 AND i.item = f.row AND g.upto IS NULL
LEFT JOIN _feed_threads AS h ON f.kind = 3 AND h.thread = f.row
LEFT JOIN _thread_states AS s ON s.thread_id = h.thread_id
LEFT JOIN _events AS e ON f.kind = 4 AND e.seq = f.row AND g.upto IS NULL
LEFT JOIN _realtime_items AS v ON f.kind = 5 AND v.realtime_item = f.row AND g.upto IS NULL
LEFT JOIN _rollouts AS r ON r.rollout = coalesce(t.rollout, i.rollout, e.rollout, s.rollout, v.rollout);

-- Token usage of each model response, counted once. Reverted responses are included: they cost.
CREATE VIEW token_usage AS
SELECT r.thread_id, u.turn_id, r.rollout_id, u.ordinal, u.model, u.model_provider,
       u.input_tokens,
       u.cached_input_tokens, u.cache_write_input_tokens, u.output_tokens,
       u.reasoning_output_tokens, u.total_tokens, u.service_tier, u.recorded_at_ms,
       iif(u.recorded_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', u.recorded_at_ms / 1000.0, 'unixepoch'), NULL) AS recorded_at, u.response_id,
       lower(hex(substr(u.uid, 1, 4)) || '-' || hex(substr(u.uid, 5, 2)) || '-' || hex(substr(u.uid, 7, 2))
    || '-' || hex(substr(u.uid, 9, 2)) || '-' || hex(substr(u.uid, 11))) AS uid
FROM _usage AS u JOIN _rollouts AS r ON r.rollout = u.rollout
WHERE u.counted AND u.tombstone = 0;

-- token_usage by list price, as it was at the response's time for as much input: what an API would
-- have billed, not what was paid. NULL where no price is known: a local or unknown provider, a model
-- that no list has, a service tier other than the standard one, a response without a time.
CREATE VIEW token_costs AS
SELECT r.thread_id, u.turn_id, r.rollout_id, u.ordinal, u.model, u.model_provider,
       u.input_tokens,
       u.cached_input_tokens, u.cache_write_input_tokens, u.output_tokens,
       u.reasoning_output_tokens, u.total_tokens, u.service_tier, u.recorded_at_ms,
       iif(u.recorded_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', u.recorded_at_ms / 1000.0, 'unixepoch'), NULL) AS recorded_at, u.response_id,
       lower(hex(substr(u.uid, 1, 4)) || '-' || hex(substr(u.uid, 5, 2)) || '-' || hex(substr(u.uid, 7, 2))
    || '-' || hex(substr(u.uid, 9, 2)) || '-' || hex(substr(u.uid, 11))) AS uid,
       (max(u.input_tokens - u.cached_input_tokens - coalesce(u.cache_write_input_tokens, 0), 0) * p.input
         + u.cached_input_tokens * coalesce(p.cached_input, p.input)
         + coalesce(u.cache_write_input_tokens, 0) * coalesce(p.cache_write, p.input)
         + u.output_tokens * p.output) / 1000000 AS amount,
       CASE WHEN p.output IS NOT NULL THEN p.currency END AS currency,
       CASE WHEN p.output IS NOT NULL THEN p.price_source END AS price_source
FROM _usage AS u JOIN _rollouts AS r ON r.rollout = u.rollout
LEFT JOIN _prices AS p ON p.price = (
  SELECT q.price FROM _prices AS q
  WHERE q.model_provider = u.model_provider AND q.model = u.model
    AND q.service_tier = CASE WHEN u.service_tier IN ('standard', 'default') THEN '' ELSE coalesce(u.service_tier, '') END
    AND q.from_ms <= u.recorded_at_ms AND q.above < u.input_tokens
  ORDER BY q.own DESC, q.from_ms DESC, q.above DESC LIMIT 1)
WHERE u.counted AND u.tombstone = 0;

-- Windows of rate limits as Codex reported them: one row a change in a thread. Several threads
-- report the limits of one account. `slot`: primary or secondary.
CREATE VIEW rate_limits AS
SELECT r.thread_id, r.rollout_id, l.limit_id, l.slot, l.window_minutes, l.used_percent,
       l.resets_at_ms,
       iif(l.resets_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', l.resets_at_ms / 1000.0, 'unixepoch'), NULL) AS resets_at,
       l.plan_type, l.recorded_at_ms,
       iif(l.recorded_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', l.recorded_at_ms / 1000.0, 'unixepoch'), NULL) AS recorded_at
FROM _limit_rows AS l JOIN _rollouts AS r ON r.rollout = l.rollout;

-- The sums of token_usage by thread, of its own rollouts: inherited usage counts in the thread
-- that it is inherited from, and reverted usage is included. The sum over all threads is that of
-- token_usage. Usage of a turn is in `thread_turn_history`.
CREATE VIEW thread_tokens AS
SELECT thread_id, responses, input_tokens, cached_input_tokens, output_tokens,
       reasoning_output_tokens, total_tokens
FROM _usage_threads
WHERE responses > 0;

-- The sums of token_usage by day (UTC) and model; NULL if unknown.
CREATE VIEW token_days AS
SELECT nullif(day, '') AS day, nullif(model, '') AS model, responses, input_tokens,
       cached_input_tokens, output_tokens, reasoning_output_tokens, total_tokens
FROM _usage_days
WHERE responses > 0;

-- Every item and every turn that was ever written, tombstones included. `visible`: 1 when its own
-- thread shows it; `tombstone` says why not: replaced (the rollout's new content lacks it),
-- rolled back, dropped, reverted (after a cut of its own thread's history; a fork may still
-- show it); NULL: visible.
CREATE VIEW all_items AS
SELECT thread_id, rollout_id, position, turn_id, item_id, uid, type, item_json, created_at_ms,
       iif(created_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', created_at_ms / 1000.0, 'unixepoch'), NULL) AS created_at,
       started_at_ms,
       iif(started_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', started_at_ms / 1000.0, 'unixepoch'), NULL) AS started_at, completed_at_ms,
       iif(completed_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', completed_at_ms / 1000.0, 'unixepoch'), NULL) AS completed_at, ordinal, provenance, tombstone IS NULL AS visible, tombstone
FROM (
  SELECT r.thread_id, r.rollout_id, i.position, i.turn_id, i.item_id,
         lower(hex(substr(i.uid, 1, 4)) || '-' || hex(substr(i.uid, 5, 2)) || '-' || hex(substr(i.uid, 7, 2))
    || '-' || hex(substr(i.uid, 9, 2)) || '-' || hex(substr(i.uid, 11))) AS uid,
         i.type, i.json AS item_json, i.created_at_ms, i.started_at_ms, i.completed_at_ms,
         i.ordinal, i.provenance,
         CASE WHEN EXISTS (
           SELECT 1 FROM _thread_parts AS p
           WHERE p.thread_id = r.thread_id AND p.rollout = i.rollout AND i.position < p.upto)
         THEN NULL ELSE 'reverted' END AS tombstone
  FROM _rollouts AS r JOIN _items AS i ON i.rollout = r.rollout
  WHERE i.tombstone = 0
  UNION ALL
  SELECT r.thread_id, r.rollout_id, i.position, i.turn_id, i.item_id,
         lower(hex(substr(i.uid, 1, 4)) || '-' || hex(substr(i.uid, 5, 2)) || '-' || hex(substr(i.uid, 7, 2))
    || '-' || hex(substr(i.uid, 9, 2)) || '-' || hex(substr(i.uid, 11))) AS uid,
         i.type, i.json, i.created_at_ms, i.started_at_ms, i.completed_at_ms,
         i.ordinal, i.provenance,
         CASE i.tombstone WHEN 1 THEN 'replaced' WHEN 2 THEN 'rolled back' ELSE 'dropped' END
  FROM _rollouts AS r JOIN _items AS i ON i.rollout = r.rollout
  WHERE i.tombstone <> 0);

CREATE VIEW all_turns AS
SELECT thread_id, rollout_id, position, turn_id, uid, status, error_json, started_at,
       iif(started_at BETWEEN -62135596800 AND 253402300799, strftime('%Y-%m-%dT%H:%M:%fZ', started_at, 'unixepoch'), NULL) AS started_time,
       completed_at,
       iif(completed_at BETWEEN -62135596800 AND 253402300799, strftime('%Y-%m-%dT%H:%M:%fZ', completed_at, 'unixepoch'), NULL) AS completed_time, duration_ms, model, ordinal, tombstone IS NULL AS visible,
       tombstone
FROM (
  SELECT r.thread_id, r.rollout_id, t.position, t.turn_id,
         lower(hex(substr(t.uid, 1, 4)) || '-' || hex(substr(t.uid, 5, 2)) || '-' || hex(substr(t.uid, 7, 2))
    || '-' || hex(substr(t.uid, 9, 2)) || '-' || hex(substr(t.uid, 11))) AS uid,
         t.status, t.error_json, t.started_at, t.completed_at, t.duration_ms, t.model, t.ordinal,
         CASE WHEN EXISTS (
           SELECT 1 FROM _thread_parts AS p
           WHERE p.thread_id = r.thread_id AND p.rollout = t.rollout AND t.position < p.upto)
         THEN NULL ELSE 'reverted' END AS tombstone
  FROM _rollouts AS r JOIN _turns AS t ON t.rollout = r.rollout
  WHERE t.tombstone = 0
  UNION ALL
  SELECT r.thread_id, r.rollout_id, t.position, t.turn_id,
         lower(hex(substr(t.uid, 1, 4)) || '-' || hex(substr(t.uid, 5, 2)) || '-' || hex(substr(t.uid, 7, 2))
    || '-' || hex(substr(t.uid, 9, 2)) || '-' || hex(substr(t.uid, 11))) AS uid,
         t.status, t.error_json, t.started_at, t.completed_at, t.duration_ms, t.model, t.ordinal,
         CASE t.tombstone WHEN 1 THEN 'replaced' WHEN 2 THEN 'rolled back' ELSE 'dropped' END
  FROM _rollouts AS r JOIN _turns AS t ON t.rollout = r.rollout
  WHERE t.tombstone <> 0);

-- Messages, commands, changes ---------------------------------------------------------------------
-- Over the visible history of each thread. A fork includes inherited items: to count over several
-- threads, exclude rows with `inherited`. Times and durations in milliseconds. An item that Codex
-- refuses is kept as written: where it has a string instead of an object, one such item must not
-- make a whole view unreadable, hence the CASEs.

-- Messages of the user and the agent. `role`: user, assistant; `text`: the text parts of a user's
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
       created_at_ms, created_at, inherited
FROM thread_history
WHERE type IN ('userMessage', 'agentMessage');

-- Commands run. `status`: inProgress, completed, failed, declined; `output`: NULL where
-- there was none.
CREATE VIEW commands AS
SELECT p.thread_id, i.position, p.rollout_id, i.turn_id, i.item_id,
       lower(hex(substr(i.uid, 1, 4)) || '-' || hex(substr(i.uid, 5, 2)) || '-' || hex(substr(i.uid, 7, 2))
    || '-' || hex(substr(i.uid, 9, 2)) || '-' || hex(substr(i.uid, 11))) AS uid,
       json_extract(i.json, '$.command') AS command,
       json_extract(i.json, '$.cwd') AS cwd,
       json_extract(i.json, '$.source') AS source,
       i.status,
       json_extract(i.json, '$.exitCode') AS exit_code,
       json_extract(i.json, '$.durationMs') AS duration_ms,
       json_extract(i.json, '$.aggregatedOutput') AS output,
       i.created_at_ms,
       iif(i.created_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', i.created_at_ms / 1000.0, 'unixepoch'), NULL) AS created_at,
       (SELECT r.thread_id <> p.thread_id FROM _rollouts AS r WHERE r.rollout = p.rollout) AS inherited
FROM _thread_parts AS p JOIN _items AS i ON i.rollout = p.rollout AND i.position < p.upto
WHERE i.tombstone = 0 AND i.type = 'commandExecution';

-- Changed files, one row each. `kind`: add, delete, update; `move_path`: where an update
-- moved it; `diff`: the content of an added or deleted file, else a unified diff.
CREATE VIEW file_changes AS
SELECT p.thread_id, i.position, p.rollout_id, i.turn_id, i.item_id,
       lower(hex(substr(i.uid, 1, 4)) || '-' || hex(substr(i.uid, 5, 2)) || '-' || hex(substr(i.uid, 7, 2))
    || '-' || hex(substr(i.uid, 9, 2)) || '-' || hex(substr(i.uid, 11))) AS uid,
       c.path, c.kind, c.move_path,
       json_extract(i.json, '$.changes[' || c.number || '].diff') AS diff,
       json_extract(i.json, '$.status') AS status,
       i.created_at_ms,
       iif(i.created_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', i.created_at_ms / 1000.0, 'unixepoch'), NULL) AS created_at,
       (SELECT r.thread_id <> p.thread_id FROM _rollouts AS r WHERE r.rollout = p.rollout) AS inherited
FROM _items AS i JOIN _thread_parts AS p ON p.rollout = i.rollout AND p.upto > i.position
JOIN _changed_files AS c ON c.item = i.item
WHERE i.tombstone = 0 AND i.type = 'fileChange';

-- Tool calls: of MCP servers, of tools that a client offers (`server`: their namespace), and of tools
-- that work with other agents (`arguments`: the prompt; `result`: the agents' states).
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
       created_at_ms, created_at, inherited
FROM thread_history
WHERE type IN ('mcpToolCall', 'dynamicToolCall', 'collabAgentToolCall');

-- SELECT ... FROM search WHERE search MATCH 'words "a phrase" beginn*' ORDER BY rank: items of the
-- visible history of each thread that hold all of them; the columns of thread_history and `rank`
-- (the lower, the better). A fork finds inherited items too, with `inherited` 1. Words of scripts
-- without spaces are phrases of their characters: MATCH '"中 文"'.
CREATE VIEW search AS
SELECT f._item_index AS search, f.rank AS rank, p.thread_id, i.position, p.rollout_id, i.turn_id,
       i.item_id,
       lower(hex(substr(i.uid, 1, 4)) || '-' || hex(substr(i.uid, 5, 2)) || '-' || hex(substr(i.uid, 7, 2))
    || '-' || hex(substr(i.uid, 9, 2)) || '-' || hex(substr(i.uid, 11))) AS uid,
       i.type, i.json AS item_json, i.created_at_ms,
       iif(i.created_at_ms BETWEEN -62135596800000 AND 253402300799999, strftime('%Y-%m-%dT%H:%M:%fZ', i.created_at_ms / 1000.0, 'unixepoch'), NULL) AS created_at, p.thread_id <> r.thread_id AS inherited
FROM _item_index AS f JOIN _items AS i ON i.item = f.rowid
JOIN _thread_parts AS p ON p.rollout = i.rollout AND p.upto > i.position
JOIN _rollouts AS r ON r.rollout = i.rollout
WHERE i.tombstone = 0;
