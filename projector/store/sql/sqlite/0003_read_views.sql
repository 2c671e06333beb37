-- Read views: internal. What this program asks of a database is one text for every engine
-- (store/questions) over these, which have the same names and columns on PostgreSQL. This database
-- has one source, which has no id: ''. `rollout_key` names a rollout within this database, cheaply.

-- Rollouts.
CREATE VIEW _read_rollouts AS
SELECT r.*, '' AS source_id, r.rollout AS rollout_key, 0 AS elsewhere FROM _rollouts AS r;

-- States of threads.
CREATE VIEW _read_threads AS
SELECT '' AS source_id, s.thread_id,
       (SELECT r.rollout_id FROM _rollouts AS r WHERE r.rollout = s.rollout) AS rollout_id,
       s.archived, s.deleted, s.incomplete, s.repeated_turns
FROM _thread_states AS s;

-- What lists of threads choose by: of the current rollout alone.
CREATE VIEW _read_newest AS
SELECT '' AS source_id, s.thread_id, c.updated_at_ms, s.archived, s.deleted, c.source, c.source_kind,
       c.thread_source, '' AS host,
  CASE WHEN c.base_rollout_id IS NULL THEN '-' ELSE '+' END || substr(coalesce(c.cwd, ''), 1, 256)
  || '|' || substr(coalesce(c.git_origin_url, ''), 1, 256) AS place
FROM _thread_states AS s JOIN _rollouts AS c ON c.rollout = s.rollout;

-- Places by rollout: see the index `rollouts_by_place`.
CREATE VIEW _read_rollout_places AS
SELECT CASE WHEN r.base_rollout_id IS NULL THEN '-' ELSE '+' END || substr(coalesce(r.cwd, ''), 1, 256)
  || '|' || substr(coalesce(r.git_origin_url, ''), 1, 256) AS place,
       r.updated_at_ms
FROM _rollouts AS r;

-- Places of rollouts, and the time of the last change in each; found by skipping along the index.
CREATE VIEW _read_places AS
WITH RECURSIVE places (place) AS (
  SELECT min(r.place) FROM _read_rollout_places AS r
  UNION ALL
  SELECT (SELECT min(r.place) FROM _read_rollout_places AS r WHERE r.place > p.place)
  FROM places AS p WHERE p.place IS NOT NULL)
SELECT p.place, (SELECT max(r.updated_at_ms) FROM _read_rollout_places AS r WHERE r.place = p.place)
         AS updated_at_ms
FROM places AS p WHERE p.place IS NOT NULL;

-- Chains of threads.
CREATE VIEW _read_parts AS
SELECT '' AS source_id, p.thread_id, p.part, '' AS part_source, p.rollout AS rollout_key,
       p.rollout_id, p.upto, p.items, p.turns
FROM _thread_parts AS p;

-- Turns by rollout.
CREATE VIEW _read_turns AS
SELECT '' AS source_id, r.rollout_id, t.turn_id, t.position, t.status, t.started_at, t.end_offset,
       t.tombstone
FROM _rollouts AS r JOIN _turns AS t ON t.rollout = r.rollout;

-- Items by rollout.
CREATE VIEW _read_items AS
SELECT '' AS source_id, r.rollout_id, i.position, i.tombstone, i.turn_id, i.item_id,
       lower(hex(substr(i.uid, 1, 4)) || '-' || hex(substr(i.uid, 5, 2)) || '-' || hex(substr(i.uid, 7, 2))
    || '-' || hex(substr(i.uid, 9, 2)) || '-' || hex(substr(i.uid, 11))) AS uid,
       i.type, i.json AS item_json, i.created_at_ms, i.started_at_ms, i.completed_at_ms
FROM _rollouts AS r JOIN _items AS i ON i.rollout = r.rollout;

-- Anomalies.
CREATE VIEW _read_anomalies AS
SELECT '' AS source_id, a.rollout AS rollout_key,
       (SELECT r.rollout_id FROM _rollouts AS r WHERE r.rollout = a.rollout) AS rollout_id,
       a.byte_offset, a.kind, a.detail
FROM _anomaly_rows AS a;

-- Attempts at long lines.
CREATE VIEW _read_attempts AS
SELECT '' AS source_id, a.rollout_id, a.failures FROM _attempts AS a;

-- The daemon's heartbeat.
CREATE VIEW _read_heartbeats AS
SELECT h.*, '' AS source_id FROM _heartbeat AS h;

-- Names of threads.
CREATE VIEW _read_names AS
SELECT '' AS source_id, n.thread_id, n.name FROM _names AS n;

-- Responses that count, by time.
CREATE VIEW _read_responses AS
SELECT u.recorded_at_ms FROM _usage_rows AS u WHERE u.counted AND u.tombstone = 0;

-- Models that answered.
CREATE VIEW _read_models AS
SELECT m.model_provider, m.model FROM _models AS m;

-- Names that threads have or had.
CREATE VIEW _read_named AS
SELECT n.thread_id, n.name, substr(n.name, 1, 200) AS beginning FROM _names AS n
UNION ALL
SELECT r.thread_id, r.name, substr(r.name, 1, 200) FROM _rollouts AS r WHERE r.name IS NOT NULL;
