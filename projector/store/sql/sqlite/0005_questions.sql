-- What makes questions about many items fast: see tests/benchmarks, "questions".

-- By type and time; with what says whether a thread shows it, so that the row is read only then.
CREATE INDEX items_by_type ON items (type, created_at_ms, rollout, position) WHERE tombstone = 0;
-- Commands by status: that alone is looked up in their JSON when they are written.
CREATE INDEX items_by_status ON items (type, json_extract(json, '$.status'), created_at_ms, rollout, position) WHERE tombstone = 0 AND type = 'commandExecution';

-- What the planner goes by, as of a database of a million items, whatever this one holds yet:
-- without it, a thread's commands would be looked for among the commands of all threads. Rows of
-- the index, then rows for each value of its first column, of its first two, and so on.
ANALYZE search_state;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('items', 'items_by_type', '1000000 100000 2 1 1'),
  ('items', 'items_by_status', '250000 250000 50000 2 1 1'),
  ('items', 'items_by_position', '1000000 1000 1'),
  ('items', 'sqlite_autoindex_items_1', '1000000 1000 40 1');
ANALYZE sqlite_schema;

-- Files that an item of type fileChange changed, without their diffs. Kept by triggers.
CREATE TABLE changed_files (
  item      INTEGER NOT NULL,
  number    INTEGER NOT NULL,                   -- from 0, as in the item
  path      TEXT,
  kind      TEXT,                               -- add, delete, update
  move_path TEXT,
  PRIMARY KEY (item, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER changed_files_new AFTER INSERT ON items WHEN new.type = 'fileChange'
BEGIN
  INSERT INTO changed_files (item, number, path, kind, move_path)
  SELECT new.item, c.key, json_extract(new.json, c.fullkey || '.path'),
         json_extract(new.json, c.fullkey || '.kind.type'),
         json_extract(new.json, c.fullkey || '.kind.move_path')
  FROM json_each(new.json, '$.changes') AS c
  WHERE json_type(new.json, '$.changes') = 'array';
END;

CREATE TRIGGER changed_files_changed AFTER UPDATE OF type, json ON items
WHEN (new.type = 'fileChange' OR old.type = 'fileChange')
  AND (new.json <> old.json OR new.type <> old.type)
BEGIN
  DELETE FROM changed_files WHERE item = old.item;
  INSERT INTO changed_files (item, number, path, kind, move_path)
  SELECT new.item, c.key, json_extract(new.json, c.fullkey || '.path'),
         json_extract(new.json, c.fullkey || '.kind.type'),
         json_extract(new.json, c.fullkey || '.kind.move_path')
  FROM json_each(new.json, '$.changes') AS c
  WHERE new.type = 'fileChange' AND json_type(new.json, '$.changes') = 'array';
END;

CREATE TRIGGER changed_files_gone AFTER DELETE ON items WHEN old.type = 'fileChange'
BEGIN
  DELETE FROM changed_files WHERE item = old.item;
END;

INSERT INTO changed_files (item, number, path, kind, move_path)
SELECT i.item, c.key, json_extract(i.json, c.fullkey || '.path'),
       json_extract(i.json, c.fullkey || '.kind.type'),
       json_extract(i.json, c.fullkey || '.kind.move_path')
FROM items AS i, json_each(i.json, '$.changes') AS c
WHERE i.type = 'fileChange' AND json_type(i.json, '$.changes') = 'array';

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
       i.created_at_ms
FROM items AS i JOIN thread_parts AS p ON p.rollout = i.rollout AND p.upto > i.position
JOIN changed_files AS c ON c.item = i.item
WHERE i.tombstone = 0 AND i.type = 'fileChange';

-- `counted`: 1 for the one row that tells of a response, in whatever rollouts: of living ones,
-- that of the oldest rollout, and there the first.
ALTER TABLE usage ADD COLUMN counted INTEGER NOT NULL DEFAULT 1;
CREATE INDEX usage_by_time ON usage (recorded_at_ms) WHERE counted AND tombstone = 0;

-- What responses cost, by day (UTC) and model: sums over `usage`, kept by triggers.
CREATE TABLE usage_days (
  day                     TEXT NOT NULL,        -- 2026-01-05; empty: no time is known
  model                   TEXT NOT NULL,        -- empty: not known
  responses               INTEGER NOT NULL,
  input_tokens            INTEGER NOT NULL,
  cached_input_tokens     INTEGER NOT NULL,
  output_tokens           INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL,
  total_tokens            INTEGER NOT NULL,
  PRIMARY KEY (day, model)
) STRICT, WITHOUT ROWID;

UPDATE usage SET counted = 0
WHERE response_id IS NOT NULL AND usage IS NOT (
  SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
  WHERE v.response_id = usage.response_id AND v.tombstone = 0
  ORDER BY o.rollout_id, v.position, v.usage LIMIT 1);

INSERT INTO usage_days
SELECT coalesce(date(recorded_at_ms / 1000, 'unixepoch'), ''), coalesce(model, ''), count(*),
       sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
       sum(reasoning_output_tokens), sum(total_tokens)
FROM usage WHERE counted AND tombstone = 0 GROUP BY 1, 2;

-- Which row counts is settled whenever rows of a response come, go, or become tombstones.
CREATE TRIGGER usage_settled_new AFTER INSERT ON usage WHEN new.response_id IS NOT NULL
BEGIN
  UPDATE usage SET counted = usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = new.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1)
  WHERE response_id = new.response_id AND counted <> (usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = new.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1));
END;

CREATE TRIGGER usage_settled_changed AFTER UPDATE OF response_id, tombstone ON usage
WHEN new.response_id IS NOT NULL OR old.response_id IS NOT NULL
BEGIN
  UPDATE usage SET counted = usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = old.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1)
  WHERE response_id = old.response_id AND counted <> (usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = old.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1));
  UPDATE usage SET counted = usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = new.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1)
  WHERE response_id = new.response_id AND counted <> (usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = new.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1));
  -- What names no response is none's copy.
  UPDATE usage SET counted = 1
  WHERE usage = new.usage AND new.response_id IS NULL AND counted = 0;
END;

CREATE TRIGGER usage_settled_gone AFTER DELETE ON usage WHEN old.response_id IS NOT NULL
BEGIN
  UPDATE usage SET counted = usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = old.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1)
  WHERE response_id = old.response_id AND counted <> (usage IS (
    SELECT v.usage FROM usage AS v JOIN rollouts AS o ON o.rollout = v.rollout
    WHERE v.response_id = old.response_id AND v.tombstone = 0
    ORDER BY o.rollout_id, v.position, v.usage LIMIT 1));
END;

-- In whatever order these and those above come, sums add up.
CREATE TRIGGER usage_days_new AFTER INSERT ON usage
BEGIN
  INSERT INTO usage_days
  SELECT coalesce(date(new.recorded_at_ms / 1000, 'unixepoch'), ''), coalesce(new.model, ''),
         1, new.input_tokens, new.cached_input_tokens, new.output_tokens, new.reasoning_output_tokens, new.total_tokens
  WHERE new.counted AND new.tombstone = 0
  ON CONFLICT (day, model) DO UPDATE SET
    responses = responses + excluded.responses,
    input_tokens = input_tokens + excluded.input_tokens,
    cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    reasoning_output_tokens = reasoning_output_tokens + excluded.reasoning_output_tokens,
    total_tokens = total_tokens + excluded.total_tokens;
END;

CREATE TRIGGER usage_days_changed AFTER UPDATE OF recorded_at_ms, model, counted, tombstone,
  input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens, total_tokens ON usage
BEGIN
  INSERT INTO usage_days
  SELECT coalesce(date(old.recorded_at_ms / 1000, 'unixepoch'), ''), coalesce(old.model, ''),
         -1, -old.input_tokens, -old.cached_input_tokens, -old.output_tokens, -old.reasoning_output_tokens, -old.total_tokens
  WHERE old.counted AND old.tombstone = 0
  ON CONFLICT (day, model) DO UPDATE SET
    responses = responses + excluded.responses,
    input_tokens = input_tokens + excluded.input_tokens,
    cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    reasoning_output_tokens = reasoning_output_tokens + excluded.reasoning_output_tokens,
    total_tokens = total_tokens + excluded.total_tokens;
  INSERT INTO usage_days
  SELECT coalesce(date(new.recorded_at_ms / 1000, 'unixepoch'), ''), coalesce(new.model, ''),
         1, new.input_tokens, new.cached_input_tokens, new.output_tokens, new.reasoning_output_tokens, new.total_tokens
  WHERE new.counted AND new.tombstone = 0
  ON CONFLICT (day, model) DO UPDATE SET
    responses = responses + excluded.responses,
    input_tokens = input_tokens + excluded.input_tokens,
    cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    reasoning_output_tokens = reasoning_output_tokens + excluded.reasoning_output_tokens,
    total_tokens = total_tokens + excluded.total_tokens;
END;

CREATE TRIGGER usage_days_gone AFTER DELETE ON usage
BEGIN
  INSERT INTO usage_days
  SELECT coalesce(date(old.recorded_at_ms / 1000, 'unixepoch'), ''), coalesce(old.model, ''),
         -1, -old.input_tokens, -old.cached_input_tokens, -old.output_tokens, -old.reasoning_output_tokens, -old.total_tokens
  WHERE old.counted AND old.tombstone = 0
  ON CONFLICT (day, model) DO UPDATE SET
    responses = responses + excluded.responses,
    input_tokens = input_tokens + excluded.input_tokens,
    cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    reasoning_output_tokens = reasoning_output_tokens + excluded.reasoning_output_tokens,
    total_tokens = total_tokens + excluded.total_tokens;
END;

-- What each model response cost, counted once. Reverted responses count: they cost.
DROP VIEW token_usage;
CREATE VIEW token_usage AS
SELECT r.thread_id, u.turn_id, r.rollout_id, u.ordinal, u.model, u.input_tokens,
       u.cached_input_tokens, u.output_tokens, u.reasoning_output_tokens, u.total_tokens,
       u.recorded_at_ms, u.response_id,
       lower(substr(hex(u.uid), 1, 8) || '-' || substr(hex(u.uid), 9, 4) || '-' || substr(hex(u.uid), 13, 4)
    || '-' || substr(hex(u.uid), 17, 4) || '-' || substr(hex(u.uid), 21)) AS uid
FROM usage AS u JOIN rollouts AS r ON r.rollout = u.rollout
WHERE u.counted AND u.tombstone = 0;

-- The sums of token_usage by day (UTC) and model; NULL where they are not known.
CREATE VIEW token_days AS
SELECT nullif(day, '') AS day, nullif(model, '') AS model, responses, input_tokens,
       cached_input_tokens, output_tokens, reasoning_output_tokens, total_tokens
FROM usage_days
WHERE responses > 0;
