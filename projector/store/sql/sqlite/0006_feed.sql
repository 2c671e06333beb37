-- The change feed: one sequence of all that happens to turns, items, threads and lifecycle events.
--
-- There is one writer at a time, and a number is the greatest one plus one: numbers grow in the
-- order of commits, and a reader who has seen number n never finds a lesser one that was not there
-- before. Numbers may be left out; none is used again: the newest row of `feed` is
-- never deleted.
--
-- A row has at most one change a transaction, and none where nothing changed that a view shows.
-- What a row is now is read from the row, so that a change takes 10 bytes. Changes are written at
-- the end of each transaction, all rows of a kind at once: new rows are those with greater numbers
-- than before, others were marked. (Triggers would cost a third more: SQLite keeps a journal for
-- each statement that fires one.)

-- A row for each change.
CREATE TABLE feed (
  seq  INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,      -- 1 turn, 2 item, 3 thread, 4 event
  op   INTEGER NOT NULL,      -- 1 insert, 2 update, 3 tombstone
  row  INTEGER NOT NULL       -- turns.turn, items.item, feed_threads.thread, events.seq; less than
                              -- 0: the row was purged, -feed_purged.purged
) STRICT;

-- A row for each transaction that changed something: the last of its changes, and when.
CREATE TABLE feed_commits (
  upto            INTEGER PRIMARY KEY,
  committed_at_ms INTEGER NOT NULL
) STRICT;

-- One row: which feed it is, for another database has other numbers; and up to where changes are no
-- longer there, but for the events that came.
CREATE TABLE feed_state (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  feed_id BLOB NOT NULL,
  pruned  INTEGER NOT NULL
) STRICT;
INSERT INTO feed_state VALUES (1, randomblob(16), 0);

-- What rows were that are no more (on_delete = "purge").
CREATE TABLE feed_purged (
  purged     INTEGER PRIMARY KEY AUTOINCREMENT,
  uid        BLOB NOT NULL,
  thread_id  TEXT NOT NULL,
  rollout_id TEXT,
  turn_id    TEXT,
  item_id    TEXT,
  type       TEXT
) STRICT;

-- Threads as they were told of last.
CREATE TABLE feed_threads (
  thread    INTEGER PRIMARY KEY,
  thread_id TEXT NOT NULL UNIQUE,
  digest    BLOB              -- of its row in `threads` and its parts; NULL: it is no more
) STRICT;

-- Threads that may not be as they were told of last. Empty behind each transaction.
CREATE TABLE feed_stale (
  thread_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Set by what changes a row, 0 again behind each transaction: 1 it was living before, 3 it was a
-- tombstone.
ALTER TABLE turns ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX turns_changed ON turns (turn) WHERE changed <> 0;
CREATE INDEX items_changed ON items (item) WHERE changed <> 0;
CREATE INDEX events_changed ON events (seq) WHERE changed <> 0;

-- Which threads a write may have changed as the view `threads` shows them, and their parts.
-- Not OR IGNORE: the statement that fires a trigger may overrule it.
CREATE TRIGGER feed_state_came AFTER INSERT ON thread_states BEGIN
  INSERT INTO feed_stale SELECT new.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = new.thread_id);
END;
CREATE TRIGGER feed_state_changed AFTER UPDATE ON thread_states BEGIN
  INSERT INTO feed_stale SELECT new.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = new.thread_id);
END;
CREATE TRIGGER feed_state_went AFTER DELETE ON thread_states BEGIN
  INSERT INTO feed_stale SELECT old.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = old.thread_id);
END;
CREATE TRIGGER feed_part_came AFTER INSERT ON thread_parts BEGIN
  INSERT INTO feed_stale SELECT new.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = new.thread_id);
END;
CREATE TRIGGER feed_part_changed AFTER UPDATE ON thread_parts BEGIN
  INSERT INTO feed_stale SELECT new.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = new.thread_id);
END;
CREATE TRIGGER feed_part_went AFTER DELETE ON thread_parts BEGIN
  INSERT INTO feed_stale SELECT old.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = old.thread_id);
END;
CREATE TRIGGER feed_name_came AFTER INSERT ON names BEGIN
  INSERT INTO feed_stale SELECT new.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = new.thread_id);
END;
CREATE TRIGGER feed_name_changed AFTER UPDATE ON names BEGIN
  INSERT INTO feed_stale SELECT new.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = new.thread_id);
END;
CREATE TRIGGER feed_name_went AFTER DELETE ON names BEGIN
  INSERT INTO feed_stale SELECT old.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = old.thread_id);
END;
-- A rollout speaks for its own thread, and for those that continue it in what they do not say.
CREATE TRIGGER feed_rollout_changed AFTER UPDATE ON rollouts BEGIN
  INSERT INTO feed_stale SELECT new.thread_id
  WHERE NOT EXISTS (SELECT 1 FROM feed_stale WHERE thread_id = new.thread_id);
  INSERT INTO feed_stale
  SELECT DISTINCT p.thread_id
  FROM thread_parts AS p JOIN thread_states AS s ON s.thread_id = p.thread_id
  JOIN rollouts AS c ON c.rollout = s.rollout
  WHERE p.thread_id NOT IN (SELECT thread_id FROM feed_stale)
    AND p.rollout = new.rollout AND p.upto < 9223372036854775807
    AND (old.preview IS NOT new.preview OR old.preview_offset IS NOT new.preview_offset
      OR old.goal IS NOT new.goal
      OR c.cwd IS NULL AND old.cwd IS NOT new.cwd
      OR c.model IS NULL AND old.model IS NOT new.model
      OR c.model_provider IS NULL AND old.model_provider IS NOT new.model_provider
      OR c.reasoning_effort IS NULL AND old.reasoning_effort IS NOT new.reasoning_effort
      OR c.updated_at_ms IS NULL AND old.updated_at_ms IS NOT new.updated_at_ms
      OR c.last_turn_at_ms IS NULL AND old.last_turn_at_ms IS NOT new.last_turn_at_ms
      OR c.total_tokens IS NULL AND old.total_tokens IS NOT new.total_tokens
      OR c.git_branch IS NULL AND old.git_branch IS NOT new.git_branch
      OR c.git_sha IS NULL AND old.git_sha IS NOT new.git_sha
      OR c.git_origin_url IS NULL AND old.git_origin_url IS NOT new.git_origin_url);
END;

-- What was there before the feed is told of once, so that a consumer who begins at 0 sees it.
-- Events keep their numbers; threads are told of by the transaction that opens the database.
INSERT INTO feed (seq, kind, op, row) SELECT seq, 4, 1, seq FROM events WHERE tombstone = 0;
INSERT INTO feed (kind, op, row) SELECT 1, 1, turn FROM turns WHERE tombstone = 0 ORDER BY turn;
INSERT INTO feed (kind, op, row) SELECT 2, 1, item FROM items WHERE tombstone = 0 ORDER BY item;
INSERT INTO feed_stale SELECT thread_id FROM thread_states;

-- The public face ------------------------------------------------------------------------------
-- What happened to turns, items, threads and events, in the order of commits. `kind`: turn, item,
-- thread, event; `op`: insert, update, tombstone. `uid` (NULL for threads) and the ids name the row;
-- what it is now stands in `all_turns`, `all_items`, `threads`, `lifecycle_events`. `type`: of an
-- item or an event. Turns and items behind a revert's cut get no change: see the parts of their
-- thread. WHERE seq > ? ORDER BY seq LIMIT ? reads no more than it gives.
CREATE VIEW changes AS
SELECT f.seq,
       CASE f.kind WHEN 1 THEN 'turn' WHEN 2 THEN 'item' WHEN 3 THEN 'thread' ELSE 'event' END AS kind,
       CASE f.op WHEN 1 THEN 'insert' WHEN 2 THEN 'update' ELSE 'tombstone' END AS op,
       coalesce(h.thread_id, e.thread_id, g.thread_id, r.thread_id) AS thread_id,
       coalesce(r.rollout_id, g.rollout_id) AS rollout_id,
       coalesce(t.turn_id, i.turn_id, e.turn_id, g.turn_id) AS turn_id,
       coalesce(i.item_id, g.item_id) AS item_id,
       (SELECT lower(substr(x, 1, 8) || '-' || substr(x, 9, 4) || '-' || substr(x, 13, 4) || '-'
                     || substr(x, 17, 4) || '-' || substr(x, 21))
        FROM (SELECT hex(coalesce(t.uid, i.uid, e.uid, g.uid)) AS x) WHERE x <> '') AS uid,
       coalesce(i.type, e.type, g.type) AS type,
       iif(f.kind = 4 AND f.op = 1, e.noted_at_ms,
           (SELECT c.committed_at_ms FROM feed_commits AS c WHERE c.upto >= f.seq
            ORDER BY c.upto LIMIT 1)) AS committed_at_ms
FROM feed AS f
LEFT JOIN turns AS t ON f.kind = 1 AND t.turn = f.row
LEFT JOIN items AS i ON f.kind = 2 AND i.item = f.row
LEFT JOIN feed_threads AS h ON f.kind = 3 AND h.thread = f.row
LEFT JOIN thread_states AS s ON s.thread_id = h.thread_id
LEFT JOIN events AS e ON f.kind = 4 AND e.seq = f.row
LEFT JOIN feed_purged AS g ON f.row < 0 AND g.purged = -f.row
LEFT JOIN rollouts AS r ON r.rollout = coalesce(t.rollout, i.rollout, e.rollout, s.rollout);
