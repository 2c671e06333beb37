-- Read views: internal. What this program asks of a database is one text for every engine
-- (store/questions) over these, which have the same names and columns on SQLite. `rollout_key`
-- names a rollout within its source.

CREATE VIEW _read_rollouts AS
SELECT r.*, r.rollout_id AS rollout_key FROM _rollouts AS r;
COMMENT ON VIEW _read_rollouts IS 'Rollouts, for this program. Internal.';

CREATE VIEW _read_threads AS
SELECT s.source_id, s.thread_id, s.rollout_id, s.archived, s.deleted, s.incomplete,
       s.repeated_turns
FROM _thread_states AS s;
COMMENT ON VIEW _read_threads IS 'States of threads, for this program. Internal.';

CREATE VIEW _read_newest AS
SELECT s.source_id, s.thread_id, c.updated_at_ms, s.archived, s.deleted, c.source, c.source_kind,
       c.thread_source, o.host,
  CASE WHEN c.base_rollout_id IS NULL THEN '-' ELSE '+' END || substr(coalesce(c.cwd, ''), 1, 256)
  || '|' || substr(coalesce(c.git_origin_url, ''), 1, 256) AS place
FROM _thread_states AS s
JOIN _rollouts AS c ON c.rollout_id = s.rollout_id AND NOT c.elsewhere
JOIN _sources AS o ON o.source_id = c.source_id;
COMMENT ON VIEW _read_newest IS 'What lists of threads choose by, for this program. Internal.';

CREATE VIEW _read_rollout_places AS
SELECT CASE WHEN r.base_rollout_id IS NULL THEN '-' ELSE '+' END || substr(coalesce(r.cwd, ''), 1, 256)
  || '|' || substr(coalesce(r.git_origin_url, ''), 1, 256) AS place,
       r.updated_at_ms
FROM _rollouts AS r;
COMMENT ON VIEW _read_rollout_places IS 'Places by rollout, for this program. Internal.';

CREATE VIEW _read_places AS
WITH RECURSIVE places (place) AS (
  SELECT min(r.place) FROM _read_rollout_places AS r
  UNION ALL
  SELECT (SELECT min(r.place) FROM _read_rollout_places AS r WHERE r.place > p.place)
  FROM places AS p WHERE p.place IS NOT NULL)
SELECT p.place, (SELECT max(r.updated_at_ms) FROM _read_rollout_places AS r WHERE r.place = p.place)
         AS updated_at_ms
FROM places AS p WHERE p.place IS NOT NULL;
COMMENT ON VIEW _read_places IS 'Places of rollouts, and the last change in each, for this program. Internal.';

CREATE VIEW _read_parts AS
SELECT p.source_id, p.thread_id, p.part, p.part_source, p.rollout_id AS rollout_key,
       p.rollout_id, p.upto, p.items, p.turns
FROM _thread_parts AS p;
COMMENT ON VIEW _read_parts IS 'Chains of threads, for this program. Internal.';

CREATE VIEW _read_turns AS
SELECT t.source_id, t.rollout_id, t.turn_id, t.position, t.status, t.started_at, t.end_offset,
       t.tombstone
FROM _turns AS t;
COMMENT ON VIEW _read_turns IS 'Turns by rollout, for this program. Internal.';

CREATE VIEW _read_items AS
SELECT i.source_id, i.rollout_id, i.position, i.tombstone, i.turn_id, i.item_id,
       i.uid::text AS uid, i.type, i.json AS item_json, i.created_at_ms, i.started_at_ms,
       i.completed_at_ms
FROM _items AS i;
COMMENT ON VIEW _read_items IS 'Items by rollout, for this program. Internal.';

CREATE VIEW _read_anomalies AS
SELECT a.source_id, a.rollout_id AS rollout_key, a.rollout_id, a.byte_offset, a.kind, a.detail
FROM _anomaly_rows AS a;
COMMENT ON VIEW _read_anomalies IS 'Anomalies, for this program. Internal.';

CREATE VIEW _read_attempts AS
SELECT a.source_id, a.rollout_id, a.failures FROM _attempts AS a;
COMMENT ON VIEW _read_attempts IS 'Attempts at long lines, for this program. Internal.';

CREATE VIEW _read_heartbeats AS
SELECT h.* FROM _heartbeat AS h;
COMMENT ON VIEW _read_heartbeats IS 'Heartbeats, for this program. Internal.';

CREATE VIEW _read_names AS
SELECT n.source_id, n.thread_id, n.name FROM _names AS n;
COMMENT ON VIEW _read_names IS 'Names of threads, for this program. Internal.';

CREATE VIEW _read_responses AS
SELECT u.recorded_at_ms FROM _usage AS u WHERE u.counted AND u.tombstone = 0;
COMMENT ON VIEW _read_responses IS 'Responses that count, by time, for this program. Internal.';

CREATE VIEW _read_models AS
WITH RECURSIVE used (model_provider, model) AS (
  (SELECT u.model_provider, u.model FROM _usage AS u
   WHERE length(u.model_provider) <= 200 AND length(u.model) <= 200
   ORDER BY u.model_provider, u.model LIMIT 1)
  UNION ALL
  SELECT n.model_provider, n.model FROM used AS u CROSS JOIN LATERAL (
    SELECT v.model_provider, v.model FROM _usage AS v
    WHERE (v.model_provider, v.model) > (u.model_provider, u.model)
      AND length(v.model_provider) <= 200 AND length(v.model) <= 200
    ORDER BY v.model_provider, v.model LIMIT 1) AS n)
SELECT u.model_provider, u.model FROM used AS u;
COMMENT ON VIEW _read_models IS 'Models that answered, for this program. Internal.';

CREATE VIEW _read_named AS
SELECT n.thread_id, n.name, substr(n.name, 1, 200) AS beginning FROM _names AS n
UNION ALL
SELECT r.thread_id, r.name, substr(r.name, 1, 200) FROM _rollouts AS r WHERE r.name IS NOT NULL;
COMMENT ON VIEW _read_named IS 'Names that threads have or had, for this program. Internal.';
