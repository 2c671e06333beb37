-- Tables. Internal, like everything whose name begins with `_`: other programs read the views of 0002.
--
-- Times that end in _ms are milliseconds since 1970 (UTC), `started_at` and `completed_at` of
-- turns are seconds, as in Codex's own tables. Offsets are bytes of the uncompressed file.
--
-- A uid is unique by construction. No index begins with it: uids are distributed evenly, so every
-- batch would rewrite every page of such an index. Keys that begin with the rollout or with a turn's
-- id, which grows with time, keep the new entries of a batch together.
--
-- `position` sorts the rows of one rollout and, along a lineage chain, the rows of all its
-- rollouts: it is the rollout's `start_position` plus the byte offset of the row's first record.

-- One row a rollout: its header, its location, and how far it has been projected.
CREATE TABLE _rollouts (
  rollout                INTEGER PRIMARY KEY,   -- surrogate key, local to this database
  rollout_id             TEXT NOT NULL UNIQUE,
  thread_id              TEXT NOT NULL,
  -- Lineage: what the rollout continues.
  mode                   TEXT NOT NULL,         -- paginated, legacy
  base_rollout_id        TEXT,                  -- rollout that it continues; may be absent
  base_end_ordinal       INTEGER,               -- of the first record not inherited
  base_end_offset        INTEGER,               -- just after the last inherited record
  attached               INTEGER NOT NULL,      -- 1: a base of another thread is not shown
  start_position         INTEGER NOT NULL,      -- position of its first byte
  -- Location.
  home                   TEXT NOT NULL,
  path                   TEXT NOT NULL,
  archived               INTEGER NOT NULL,      -- 1: under archived_sessions
  named                  INTEGER NOT NULL,      -- 1: its file has a name of the thread
  compressed             INTEGER NOT NULL,      -- 1: .zst
  size                   INTEGER NOT NULL,      -- bytes on disk
  mtime_ns               INTEGER NOT NULL,
  ctime_ns               INTEGER NOT NULL DEFAULT 0,   -- 0: unknown
  device                 INTEGER NOT NULL,
  inode                  INTEGER NOT NULL,
  gone_at_ms             INTEGER,               -- since when the file is missing; NULL: present
  -- Checkpoint: the end of the last batch, always just after a newline.
  generation             INTEGER NOT NULL,      -- how often it was projected from its start
  next_offset            INTEGER NOT NULL,
  next_ordinal           INTEGER NOT NULL,
  head                   BLOB NOT NULL,         -- fingerprints of the bytes before next_offset
  tail                   BLOB NOT NULL,
  checksum               INTEGER,               -- CRC-32 of all bytes before next_offset
  trusted_bytes          INTEGER,               -- of the file; NULL: all. 0: it may hold others by
                                                -- now. Else it has grown since it had so many
  read_at_ms             INTEGER NOT NULL,      -- when the last batch was written
  revision               INTEGER NOT NULL,      -- of the rules that made its rows: model/revisions.py
  -- Counters.
  records                INTEGER NOT NULL DEFAULT 0,   -- lines read, without blank ones
  items                  INTEGER NOT NULL DEFAULT 0,   -- living rows
  turns                  INTEGER NOT NULL DEFAULT 0,   -- living rows
  lacks                  INTEGER NOT NULL,             -- which columns threads inherit instead, a bit
                                                -- each: see lacking in store/rules/shown_threads.py
  -- From its first session_meta.
  subagent_start_ordinal INTEGER,
  created_at_ms          INTEGER,
  source                 TEXT,                  -- a word: cli, vscode, exec, ..., subagent
  source_kind            TEXT,                  -- of a sub-agent: review, thread_spawn, ...
  source_json            TEXT,                  -- as written, if it is not a word
  thread_source          TEXT,
  originator             TEXT,
  cli_version            TEXT,
  parent_thread_id       TEXT,
  forked_from_id         TEXT,
  agent_nickname         TEXT,
  agent_role             TEXT,
  agent_path             TEXT,
  agent_depth            INTEGER,               -- 1: of an agent that no agent started
  -- Metadata of the thread from the records so far.
  cwd                    TEXT,
  model                  TEXT,
  model_provider         TEXT,
  reasoning_effort       TEXT,
  git_branch             TEXT,
  git_sha                TEXT,
  git_origin_url         TEXT,
  preview_offset         INTEGER,
  name                   TEXT,
  reported_total_tokens  INTEGER,
  updated_at_ms          INTEGER,
  last_turn_at_ms        INTEGER,
  -- Long values last, so that reading the others does not touch their overflow pages.
  preview                TEXT,
  goal                   TEXT,
  kinds                  TEXT NOT NULL,         -- of records, events and items seen in it
  state                  BLOB NOT NULL          -- the reducer's
) STRICT;
-- The last of a thread is its current one: see Candidate in store/rules/lineage.py.
CREATE INDEX rollouts_by_thread ON _rollouts (thread_id, gone_at_ms IS NULL, named, rollout_id);
CREATE INDEX rollouts_by_base ON _rollouts (base_rollout_id, lacks) WHERE base_rollout_id IS NOT NULL;
CREATE INDEX rollouts_by_revision ON _rollouts (revision);
CREATE INDEX rollouts_by_update ON _rollouts (updated_at_ms);
CREATE INDEX rollouts_by_name ON _rollouts (substr(name, 1, 200)) WHERE name IS NOT NULL;
-- `+` where a thread inherits what is missing, folder, repository: for lists of the threads of a place,
-- and of the places themselves. The text is that of the read views. Long names
-- are cut, as PostgreSQL's indexes need it.
CREATE INDEX rollouts_by_place ON _rollouts (CASE WHEN base_rollout_id IS NULL THEN '-' ELSE '+' END || substr(coalesce(cwd, ''), 1, 256)
  || '|' || substr(coalesce(git_origin_url, ''), 1, 256), updated_at_ms);

-- Ids of turns, stored once: rows hold the key. The views `_items` and `_usage` show the id.
CREATE TABLE _turn_ids (
  turn_key INTEGER PRIMARY KEY,
  turn_id  TEXT NOT NULL UNIQUE
) STRICT;

-- Items by rollout. `tombstone`: 0 living; else why it was removed: 1 the rollout's new
-- content lacks it, 2 rolled back (legacy), 3 it turned out never to have run. Rows cut off by a
-- revert have no tombstone: that follows from _thread_parts. What other columns say is stored once:
-- the type, and in the view `_items` the JSON, are computed when they are read
-- (store/sqlite/item_json.py), and rows are told apart by the beginning of their uids, 60 bits of a hash of rollout, turn and item.
CREATE TABLE _item_rows (
  item            INTEGER PRIMARY KEY,
  uid             BLOB NOT NULL,
  rollout         INTEGER NOT NULL,
  position        INTEGER NOT NULL,             -- of its first record
  ordinal         INTEGER,                      -- of its first record; NULL in legacy rollouts
  updated_ordinal INTEGER,                      -- of its last one
  created_at_ms   INTEGER NOT NULL,
  started_at_ms   INTEGER,
  completed_at_ms INTEGER,
  owner           INTEGER,                      -- legacy: key of the frame that owns the row
  tombstone       INTEGER NOT NULL DEFAULT 0,
  changed         INTEGER NOT NULL DEFAULT 0,   -- see the feed
  provenance      INTEGER NOT NULL,             -- 0 snapshot, 1 event, 2 response_item
  kind            ANY NOT NULL,                 -- number of the type; or one that has none
  status          ANY,                          -- of a command, as in its JSON
  turn_key        INTEGER NOT NULL,
  item_id         TEXT NOT NULL,
  rest            TEXT NOT NULL,                -- the JSON without what follows from the others
  uid_start       BLOB AS (substr(uid, 1, 8)),
  type            TEXT AS (CASE kind WHEN 1 THEN 'commandExecution' WHEN 2 THEN 'reasoning'
    WHEN 3 THEN 'agentMessage' WHEN 4 THEN 'userMessage' WHEN 5 THEN 'fileChange'
    WHEN 6 THEN 'mcpToolCall' WHEN 7 THEN 'webSearch' WHEN 8 THEN 'functionCallOutput'
    WHEN 9 THEN 'dynamicToolCall' WHEN 10 THEN 'plan' WHEN 11 THEN 'contextCompaction'
    WHEN 12 THEN 'collabAgentToolCall' WHEN 13 THEN 'subAgentActivity' WHEN 14 THEN 'imageView'
    WHEN 15 THEN 'imageGeneration' WHEN 16 THEN 'hookPrompt' WHEN 17 THEN 'enteredReviewMode'
    WHEN 18 THEN 'exitedReviewMode' WHEN 19 THEN 'sleep' ELSE kind END),
  UNIQUE (rollout, turn_key, uid_start)
) STRICT;
CREATE INDEX items_by_position ON _item_rows (rollout, position) WHERE tombstone = 0;
CREATE INDEX items_tombstoned ON _item_rows (rollout, position) WHERE tombstone <> 0;
CREATE INDEX items_legacy ON _item_rows (rollout, item_id) WHERE ordinal IS NULL;
CREATE INDEX items_by_owner ON _item_rows (rollout, owner) WHERE owner IS NOT NULL;
CREATE INDEX _item_rows_changed ON _item_rows (item) WHERE changed <> 0;
-- By type and time; with what says whether a thread shows it, so that the row is read only then.
CREATE INDEX items_by_type ON _item_rows (type, created_at_ms, rollout, position) WHERE tombstone = 0;
CREATE INDEX items_by_status ON _item_rows (status, created_at_ms, rollout, position) WHERE tombstone = 0 AND type = 'commandExecution';

-- Items with the ids of their turns. Not joined: paging by position would read all rows after the
-- page. To find a turn's items, look up its key.
CREATE VIEW _items AS
SELECT i.item, i.uid, i.rollout, i.position, i.ordinal, i.updated_ordinal, i.created_at_ms,
       i.started_at_ms, i.completed_at_ms, i.owner, i.tombstone, i.changed,
       CASE i.provenance WHEN 0 THEN 'snapshot' WHEN 1 THEN 'event' ELSE 'response_item' END AS provenance,
       i.type, i.status, i.turn_key,
       (SELECT t.turn_id FROM _turn_ids AS t WHERE t.turn_key = i.turn_key) AS turn_id,
       i.item_id,
       CASE substr(i.rest, 1, 1) WHEN '{' THEN i.rest
    WHEN ',' THEN '{"type":"' || i.type || '","id":"' || i.item_id || '"' || i.rest
    ELSE CASE i.kind
      WHEN 1 THEN '{"type":"commandExecution","id":"' || i.item_id || '","pluginId":null,"scriptPath":null,"command":'
      WHEN 2 THEN '{"type":"reasoning","id":"' || i.item_id || '","summary":'
      WHEN 3 THEN '{"type":"agentMessage","moderation":null,"id":"' || i.item_id || '","text":'
      WHEN 4 THEN '{"type":"userMessage","id":"' || i.item_id || '","clientId":null,"content":'
      ELSE '{"type":"fileChange","id":"' || i.item_id || '","changes":' END
      || iif(substr(i.rest, 1, 1) <> ';', i.rest, substr(i.rest, 2) || CASE i.kind
        WHEN 2 THEN ',"content":[]}'
        WHEN 3 THEN ',"memoryCitation":null,"delivery":null,"questions":null}'
        WHEN 4 THEN ',"text_elements":[]}]}'
        ELSE ',"status":"completed"}' END)
    END AS json,
       i.kind
FROM _item_rows AS i;

-- Turns by rollout. `tombstone` as in items.
CREATE TABLE _turns (
  turn               INTEGER PRIMARY KEY,
  uid                BLOB NOT NULL,
  rollout            INTEGER NOT NULL,
  position           INTEGER NOT NULL,          -- of the line that created the row
  ordinal            INTEGER,
  status             TEXT NOT NULL,             -- inProgress, completed, failed, interrupted
  started_at         INTEGER,                   -- seconds
  completed_at       INTEGER,                   -- seconds
  duration_ms        INTEGER,
  end_ordinal        INTEGER,
  end_offset         INTEGER,                   -- just after the line that ended it
  owner              INTEGER,
  end_owner          INTEGER,                   -- legacy: frame that owns the end of the turn
  tombstone          INTEGER NOT NULL DEFAULT 0,
  changed            INTEGER NOT NULL DEFAULT 0, -- see the feed
  turn_id            TEXT NOT NULL,
  first_user_item_id TEXT,
  final_agent_item_id TEXT,
  root_turn_id       TEXT,
  model              TEXT,
  error_json         TEXT,
  UNIQUE (turn_id, rollout)                     -- what the uid is derived from
) STRICT;
CREATE INDEX turns_by_position ON _turns (rollout, position) WHERE tombstone = 0;
CREATE INDEX turns_tombstoned ON _turns (rollout, position) WHERE tombstone <> 0;
CREATE INDEX turns_by_owner ON _turns (rollout, owner) WHERE owner IS NOT NULL;
CREATE INDEX turns_by_end_owner ON _turns (rollout, end_owner) WHERE end_owner IS NOT NULL;
CREATE INDEX _turns_changed ON _turns (turn) WHERE changed <> 0;

-- Realtime items (voice) by rollout.
CREATE TABLE _realtime_items (
  realtime_item INTEGER PRIMARY KEY,
  uid           BLOB NOT NULL,
  rollout       INTEGER NOT NULL,
  position      INTEGER NOT NULL,
  ordinal       INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  tombstone     INTEGER NOT NULL DEFAULT 0,
  changed       INTEGER NOT NULL DEFAULT 0,     -- see the feed
  type          TEXT NOT NULL,
  item_id       TEXT NOT NULL,
  json          TEXT NOT NULL,
  UNIQUE (rollout, item_id)                     -- what the uid is derived from
) STRICT;
CREATE INDEX realtime_items_by_position ON _realtime_items (rollout, position);
CREATE INDEX _realtime_items_changed ON _realtime_items (realtime_item) WHERE changed <> 0;

-- What responses name, stored once: rows hold the key. NULL: not reported.
CREATE TABLE _models (
  model_key      INTEGER PRIMARY KEY,
  model          TEXT,
  model_provider TEXT,                          -- as in Codex's configuration
  service_tier   TEXT
) STRICT;
CREATE INDEX models_by_name ON _models (model, model_provider, service_tier);

-- Token usage of each model response, by rollout. Of the rows that report one response, in any
-- rollouts, one is `counted`: the first living row of the oldest rollout.
CREATE TABLE _usage_rows (
  usage                   INTEGER PRIMARY KEY,
  uid                     BLOB NOT NULL,
  rollout                 INTEGER NOT NULL,
  position                INTEGER NOT NULL,
  ordinal                 INTEGER,
  recorded_at_ms          INTEGER,
  input_tokens            INTEGER NOT NULL,
  cached_input_tokens     INTEGER NOT NULL,
  output_tokens           INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL,
  total_tokens            INTEGER NOT NULL,
  tombstone               INTEGER NOT NULL DEFAULT 0,
  counted                 INTEGER NOT NULL DEFAULT 1,  -- 1: the row that represents its response
  turn_key                INTEGER,
  model_key               INTEGER,
  cache_write_input_tokens INTEGER,             -- NULL: not reported
  response_id             TEXT,
  UNIQUE (rollout, position)                    -- what the uid is derived from
) STRICT;
CREATE INDEX usage_by_turn ON _usage_rows (turn_key) WHERE turn_key IS NOT NULL;
CREATE INDEX usage_by_time ON _usage_rows (recorded_at_ms) WHERE counted AND tombstone = 0;

-- The counted row of each response: a new row is compared with this one only. By the end of the
-- response's id. Entries are new first: see store/sqlite/responses.py.
CREATE TABLE _responses (
  ending TEXT NOT NULL,
  usage  INTEGER NOT NULL,
  PRIMARY KEY (ending, usage)
) STRICT, WITHOUT ROWID;

-- Those that wait.
CREATE TABLE _responses_new (
  ending TEXT NOT NULL,
  usage  INTEGER NOT NULL,
  PRIMARY KEY (ending, usage)
) STRICT, WITHOUT ROWID;

-- Living rows of responses that several rows report or reported: the first is counted; if it is
-- removed, the next one is (store/rules/usage.py).
CREATE TABLE _usage_shared (
  response_id TEXT NOT NULL,
  rollout_id  TEXT NOT NULL,
  place       INTEGER NOT NULL,                 -- byte offset of its record
  usage       INTEGER NOT NULL,
  PRIMARY KEY (response_id, rollout_id, place, usage)
) STRICT, WITHOUT ROWID;

-- List prices of models, and own ones, which go before: see run/prices.py. One holds from a time on,
-- for responses with more input than `above` tokens; the last that holds counts. Amounts are for a
-- million tokens; NULL: the list has no price for the model. Made again by any writer.
CREATE TABLE _prices (
  price          INTEGER PRIMARY KEY,
  model_provider TEXT NOT NULL,
  model          TEXT NOT NULL,
  service_tier   TEXT NOT NULL,                 -- empty: standard
  own            INTEGER NOT NULL,              -- 1: of the settings
  from_ms        INTEGER NOT NULL,
  above          INTEGER NOT NULL,
  list_version   TEXT NOT NULL,                 -- sorts; empty: of the settings
  price_source   TEXT NOT NULL,
  currency       TEXT NOT NULL,
  input          REAL,
  cached_input   REAL,
  cache_write    REAL,
  output         REAL,
  UNIQUE (model_provider, model, service_tier, own, from_ms, above)
) STRICT;

-- Usage with the ids of turns and the names of models.
CREATE VIEW _usage AS
SELECT u.usage, u.uid, u.rollout, u.position, u.ordinal, u.recorded_at_ms, u.input_tokens,
       u.cached_input_tokens, u.output_tokens, u.reasoning_output_tokens, u.total_tokens,
       u.tombstone, u.counted, t.turn_id, u.response_id, m.model, u.cache_write_input_tokens,
       m.service_tier, m.model_provider
FROM _usage_rows AS u LEFT JOIN _turn_ids AS t ON t.turn_key = u.turn_key
LEFT JOIN _models AS m ON m.model_key = u.model_key;

-- Lifecycle events, in the order in which they were committed.
CREATE TABLE _events (
  seq            INTEGER PRIMARY KEY AUTOINCREMENT,
  uid            BLOB NOT NULL,
  thread_id      TEXT NOT NULL,
  rollout        INTEGER,                       -- NULL: not from a rollout (a name)
  from_record    INTEGER NOT NULL,              -- 1: from a record; 0: seen on disk
  recorded_at_ms INTEGER,                       -- time of the record
  noted_at_ms    INTEGER NOT NULL,              -- when it was first written here
  tombstone      INTEGER NOT NULL DEFAULT 0,    -- 1: the rollout's new content lacks it
  changed        INTEGER NOT NULL DEFAULT 0,    -- see the feed
  type           TEXT NOT NULL,
  turn_id        TEXT,
  payload        TEXT NOT NULL,                 -- JSON object
  UNIQUE (thread_id, uid)
) STRICT;
-- How often something was seen on disk: numbers the next time.
CREATE INDEX events_seen ON _events (thread_id, type) WHERE from_record = 0;
CREATE INDEX events_by_rollout ON _events (rollout) WHERE rollout IS NOT NULL;
CREATE INDEX _events_changed ON _events (seq) WHERE changed <> 0;

-- Byte ranges of rollouts that could not be read as written.
CREATE TABLE _anomaly_rows (
  anomaly     INTEGER PRIMARY KEY,
  rollout     INTEGER NOT NULL,
  byte_offset INTEGER NOT NULL,
  byte_length INTEGER NOT NULL,
  from_batch  INTEGER NOT NULL,                 -- 1: replaced when its rollout is projected again
  noted_at_ms INTEGER NOT NULL,
  kind        TEXT NOT NULL,
  detail      TEXT NOT NULL,
  UNIQUE (rollout, byte_offset, byte_length, kind, detail)
) STRICT;
-- Those noted outside of batches: few, and read at each scan.
CREATE INDEX anomalies_noted ON _anomaly_rows (kind, rollout) WHERE from_batch = 0;

-- Windows of rate limits, a row when one changed; `slot`: primary, secondary.
CREATE TABLE _limit_rows (
  rollout        INTEGER NOT NULL,
  byte_offset    INTEGER NOT NULL,              -- of the record
  slot           TEXT NOT NULL,
  limit_id       TEXT,
  window_minutes INTEGER,
  used_percent   REAL NOT NULL,
  resets_at_ms   INTEGER,
  plan_type      TEXT,
  recorded_at_ms INTEGER,
  PRIMARY KEY (rollout, byte_offset, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX limit_rows_by_time ON _limit_rows (recorded_at_ms);

-- Legacy rollouts: user boundaries that a rollback may pop.
CREATE TABLE _frames (
  rollout INTEGER NOT NULL,
  key     INTEGER NOT NULL,                     -- byte offset of the record that opened it
  popped  INTEGER NOT NULL,
  turn_id TEXT,
  before  TEXT,                                 -- JSON
  PRIMARY KEY (rollout, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX frames_by_turn ON _frames (rollout, turn_id, key) WHERE turn_id IS NOT NULL;

-- Rows of a migrated rollout with content that its file does not have: see store/rules/preserve.py.
CREATE TABLE _kept_rows (
  rollout INTEGER NOT NULL,
  uid     BLOB NOT NULL,
  kind    TEXT NOT NULL,                        -- item, turn
  alone   INTEGER NOT NULL,                     -- 1: the file has no such row at all
  PRIMARY KEY (rollout, uid)
) STRICT, WITHOUT ROWID;

-- One row a thread that has a rollout here.
CREATE TABLE _thread_states (
  thread_id      TEXT PRIMARY KEY,
  rollout        INTEGER NOT NULL,              -- the current one
  archived       INTEGER NOT NULL,              -- of the current rollout
  deleted        INTEGER NOT NULL,              -- 1: none of its rollouts is on disk
  incomplete     INTEGER NOT NULL,              -- 1: a base is missing, or the chain has no end
  repeated_turns INTEGER NOT NULL DEFAULT 0     -- turns counted in more than one part: the sum
                                                -- of its parts' `repeated`
) STRICT, WITHOUT ROWID;
-- Unique, so that lists of the newest threads begin with rollouts_by_update.
CREATE UNIQUE INDEX thread_states_by_rollout ON _thread_states (rollout);

-- The lineage chain of each thread, oldest part first: its visible history is the living rows of
-- each part's rollout with position < upto.
CREATE TABLE _thread_parts (
  thread_id  TEXT NOT NULL,
  part       INTEGER NOT NULL,                  -- from 0
  rollout    INTEGER NOT NULL,
  rollout_id TEXT NOT NULL,
  upto       INTEGER NOT NULL,                  -- of the current rollout: the greatest integer
  items      INTEGER NOT NULL,                  -- living items before upto
  turns      INTEGER NOT NULL,                  -- living turns before upto
  repeated   INTEGER NOT NULL DEFAULT 0,        -- of these, those that an earlier part has too
  PRIMARY KEY (thread_id, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX thread_parts_by_thread ON _thread_parts (thread_id, rollout);
CREATE INDEX thread_parts_by_rollout ON _thread_parts (rollout, upto);

-- Names given to threads, including threads not projected yet.
CREATE TABLE _names (
  thread_id TEXT PRIMARY KEY,
  name      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX names_by_name ON _names (substr(name, 1, 200));

-- Rollouts within a long line. One that ended a process while it was read is tried last.
CREATE TABLE _attempts (
  rollout_id    TEXT PRIMARY KEY,
  started_at_ms INTEGER NOT NULL,
  failures      INTEGER NOT NULL DEFAULT 0      -- processes that ended while reading it
) STRICT, WITHOUT ROWID;

-- The daemon's heartbeat; one row.
CREATE TABLE _heartbeat (
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  pid             INTEGER NOT NULL,
  host            TEXT NOT NULL,
  version         TEXT NOT NULL,
  started_at_ms   INTEGER NOT NULL,
  beat_at_ms      INTEGER NOT NULL,
  interval_s      REAL NOT NULL,                -- seconds between beats, at most
  phase           TEXT NOT NULL,                -- catching up, following, stopping
  watching        TEXT NOT NULL,                -- events, polling
  watching_why    TEXT NOT NULL,
  behind_bytes    INTEGER NOT NULL,             -- on disk
  behind_since_ms INTEGER,
  bytes_read      INTEGER NOT NULL,             -- uncompressed
  records         INTEGER NOT NULL,
  batches         INTEGER NOT NULL,
  set_aside       INTEGER NOT NULL,
  boot_ms         INTEGER NOT NULL DEFAULT 0,   -- by CLOCK_BOOTTIME
  files           INTEGER NOT NULL DEFAULT 0,   -- rollouts on disk
  waiting         INTEGER NOT NULL DEFAULT 0,   -- of these, with bytes not committed
  current_as_of_ms INTEGER                      -- when nothing was last known to wait; NULL: never
) STRICT;

-- Files that an item of type fileChange changed, without their diffs (store/sqlite/changed_files.py).
CREATE TABLE _changed_files (
  item      INTEGER NOT NULL,
  number    INTEGER NOT NULL,                   -- from 0, as in the item
  path      TEXT,
  kind      TEXT,                               -- add, delete, update
  move_path TEXT,
  PRIMARY KEY (item, number)
) STRICT, WITHOUT ROWID;

-- Token usage by day (UTC) and model: sums over the counted rows of `_usage`. Every writer of usage
-- rows applies its differences (store/sqlite/usage.py).
CREATE TABLE _usage_days (
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

-- The same by thread: sums over the counted rows of its own rollouts.
CREATE TABLE _usage_threads (
  thread_id               TEXT PRIMARY KEY,
  responses               INTEGER NOT NULL,
  input_tokens            INTEGER NOT NULL,
  cached_input_tokens     INTEGER NOT NULL,
  output_tokens           INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL,
  total_tokens            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Search -------------------------------------------------------------------------------------------

-- Full-text search over items.
--
-- `_item_index` holds words and their positions, not the texts. Its content table is the view
-- `_item_texts`, which computes the texts in SQL alone, so that every client can read them (SELECT,
-- snippet, highlight). This program never reads that view: it indexes the text made by
-- search/text.py, which also normalises to NFC and folds diacritics. Otherwise both have the same
-- words at the same positions; where a text is not in NFC, a snippet's marks may be off the word.
--
-- Invariants at every commit:
-- 1. The index holds the words of the items with item > unfilled, tombstones too, as
--    indexed(type, json, what, max_text_bytes) of this `revision` returns them, and no others.
-- 2. Every writer of items keeps rule 1 at the end of its transaction (store/sqlite/search_index.py).
-- 3. A change of `what`, `max_text_bytes` or `revision` empties the index and sets `unfilled` to the
--    greatest item, in one transaction; filling proceeds downwards from there. So an entry is never
--    deleted with a text other than the one inserted.

-- What the index holds; one row.
CREATE TABLE _search_state (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  what           TEXT NOT NULL,                 -- all, messages, off
  max_text_bytes INTEGER NOT NULL,              -- of an item's outputs, diffs, arguments, results
  unfilled       INTEGER NOT NULL,              -- items up to this number are not indexed (yet)
  revision       INTEGER NOT NULL               -- search.text.REVISION
) STRICT;
INSERT INTO _search_state VALUES (1, 'off', 0, 9223372036854775807, 0);

-- The texts of the indexed items: spoken text whole, other text cut at `max_text_bytes`, with a
-- zero-width space around characters of scripts without spaces. The + keeps the planner from using the
-- bound on items: a query for the newest items uses its own bound instead of scanning all others.
-- LIMIT -1 prevents flattening: without it subqueries would be evaluated wherever they are named.
-- \u0000 becomes a space, since SQLite's text functions end there; half surrogate pairs are no text.
CREATE VIEW _item_texts AS
SELECT i.item,
  CASE WHEN s.what = 'off' OR length(i.json) > 16777216
    OR s.what = 'messages' AND i.type NOT IN
      ('userMessage', 'agentMessage', 'plan', 'enteredReviewMode', 'exitedReviewMode') THEN ''
  WHEN NOT json_valid(i.json) OR i.json GLOB '*\ud[89abAB]*' THEN ''
  ELSE (
    -- Most texts are ASCII or have no such characters; GLOB is slow with many ranges.
    SELECT CASE WHEN length(text) = length(CAST(text AS BLOB)) OR text NOT GLOB
        '*[' || char(0x0e00, 45, 0x1aaf, 0x3005, 45, 0xfaff, 0xff66, 45, 0xffdc, 0x1aff0, 45,
          0x1b16f, 0x20000, 45, 0x323af) || ']*' THEN text ELSE (
        WITH RECURSIVE at (n) AS (SELECT 0 UNION ALL SELECT n + 256 FROM at WHERE n + 256 < length(text))
        SELECT group_concat((
          WITH RECURSIVE place (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM place WHERE k < 256)
          SELECT group_concat(CASE WHEN one < char(0x0e00) THEN one WHEN one GLOB alone
            THEN char(0x200b) || one || char(0x200b) ELSE one END, '')
          FROM (SELECT substr(block, k, 1) AS one FROM place LIMIT -1)), '')
        FROM (SELECT substr(text, n + 1, 256) AS block FROM at LIMIT -1)) END
    FROM (
      SELECT said || iif(said <> '' AND beside <> '', char(10), '') || beside AS text, alone
      FROM (
        SELECT said,
          CASE WHEN length(bytes) <= most THEN CAST(bytes AS TEXT)
          -- Not within a character.
          ELSE CAST(substr(bytes, 1, most - CASE
            WHEN hex(substr(bytes, most + 1, 1)) NOT BETWEEN '80' AND 'BF' THEN 0
            WHEN hex(substr(bytes, most, 1)) NOT BETWEEN '80' AND 'BF' THEN 1
            WHEN hex(substr(bytes, most - 1, 1)) NOT BETWEEN '80' AND 'BF' THEN 2
            ELSE 3 END) AS TEXT) END AS beside,
          -- The ranges of _ALONE in search/text.py.
          '[' || char(0x0e00, 45, 0x109f, 0x1100, 45, 0x11ff, 0x1780, 45, 0x17ff, 0x1950, 45, 0x19df,
            0x1a20, 45, 0x1aaf, 0x3005, 45, 0x3007, 0x3040, 45, 0x30ff, 0x3100, 45, 0x318f,
            0x31a0, 45, 0x31bf, 0x31f0, 45, 0x31ff, 0x3400, 45, 0x4dbf, 0x4e00, 45, 0x9fff,
            0xa960, 45, 0xa97f, 0xac00, 45, 0xd7ff, 0xf900, 45, 0xfaff, 0xff66, 45, 0xffdc,
            0x1aff0, 45, 0x1b16f, 0x20000, 45, 0x323af) || ']' AS alone
        FROM (
          SELECT coalesce(said, '') AS said, max(s.max_text_bytes, 0) AS most,
            -- All strings of an item of an unknown type, or whose fields are not as its type has them.
            CAST(coalesce(iif(said IS NULL,
              (SELECT group_concat(nullif(t.atom, ''), char(10)) FROM json_tree(body) AS t
               WHERE t.type = 'text' AND coalesce(t.key, '') NOT IN ('type', 'id')
                 AND t.fullkey NOT GLOB '*.encrypted*' AND t.fullkey NOT GLOB '*."encrypted*'),
              beside), '') AS BLOB) AS bytes
          FROM (SELECT
            CASE i.type
            WHEN 'userMessage' THEN
              iif(json_type(body, '$.content') = 'array', coalesce(
                (SELECT group_concat(nullif(iif(json_extract(p.value, '$.type') = 'text',
                   json_extract(p.value, '$.text'), json_extract(p.value, '$.name')), ''), char(10))
                 FROM json_each(body, '$.content') AS p WHERE p.type = 'object'), ''), NULL)
            WHEN 'agentMessage' THEN json_extract(body, '$.text') || coalesce(
              (SELECT group_concat(char(10) || json_extract(q.value, '$.title') || coalesce(
                 (SELECT group_concat(char(10) || o.value, '')
                  FROM json_each(q.value, '$.options') AS o), ''), '')
               FROM json_each(body, '$.questions') AS q WHERE q.type = 'object'), '')
            WHEN 'reasoning' THEN
              iif(json_type(body, '$.summary') = 'array', coalesce(
                (SELECT group_concat(value, char(10)) FROM (
                   SELECT value FROM json_each(body, '$.summary')
                   UNION ALL SELECT value FROM json_each(body, '$.content'))), ''), NULL)
            WHEN 'plan' THEN json_extract(body, '$.text')
            WHEN 'commandExecution' THEN json_extract(body, '$.command')
            WHEN 'fileChange' THEN
              iif(json_type(body, '$.changes') = 'array', coalesce(
                (SELECT group_concat(json_extract(c.value, '$.path')
                   || coalesce(char(10) || json_extract(c.value, '$.kind.move_path'), ''), char(10))
                 FROM json_each(body, '$.changes') AS c WHERE c.type = 'object'), ''), NULL)
            WHEN 'mcpToolCall' THEN coalesce(json_extract(body, '$.server'), '') || char(10)
              || coalesce(json_extract(body, '$.tool'), '')
              || coalesce(char(10) || json_extract(body, '$.error.message'), '')
            WHEN 'dynamicToolCall' THEN coalesce(json_extract(body, '$.namespace') || char(10), '')
              || coalesce(json_extract(body, '$.tool'), '')
            WHEN 'functionCallOutput' THEN coalesce(json_extract(body, '$.namespace') || char(10), '')
              || coalesce(json_extract(body, '$.name'), '')
            WHEN 'collabAgentToolCall' THEN coalesce(json_extract(body, '$.tool'), '')
              || coalesce(char(10) || json_extract(body, '$.prompt'), '')
            WHEN 'subAgentActivity' THEN json_extract(body, '$.agentPath')
            WHEN 'webSearch' THEN
              (SELECT group_concat(value, char(10)) FROM (
                 SELECT DISTINCT value FROM (
                   SELECT json_extract(body, '$.query') AS value
                   UNION ALL SELECT value FROM json_each(body, '$.action.queries')
                   UNION ALL SELECT json_extract(body, '$.action.url')
                   UNION ALL SELECT json_extract(body, '$.action.pattern')))
               WHERE value <> '')
            WHEN 'imageView' THEN json_extract(body, '$.path')
            WHEN 'imageGeneration' THEN coalesce(json_extract(body, '$.savedPath') || char(10), '')
              || coalesce(json_extract(body, '$.revisedPrompt'), '')
            WHEN 'hookPrompt' THEN
              iif(json_type(body, '$.fragments') = 'array', coalesce(
                (SELECT group_concat(json_extract(f.value, '$.text'), char(10))
                 FROM json_each(body, '$.fragments') AS f WHERE f.type = 'object'), ''), NULL)
            WHEN 'enteredReviewMode' THEN json_extract(body, '$.review')
            WHEN 'exitedReviewMode' THEN json_extract(body, '$.review')
            WHEN 'sleep' THEN '' WHEN 'contextCompaction' THEN ''
            END AS said,
            CASE i.type
            WHEN 'commandExecution' THEN json_extract(body, '$.aggregatedOutput')
            WHEN 'fileChange' THEN
              (SELECT group_concat(nullif(json_extract(c.value, '$.diff'), ''), char(10))
               FROM json_each(body, '$.changes') AS c WHERE c.type = 'object')
            WHEN 'functionCallOutput' THEN iif(json_type(body, '$.output') = 'text',
              json_extract(body, '$.output'),
              (SELECT group_concat(iif(c.type = 'object', json_extract(c.value, '$.text'), c.value),
                 char(10)) FROM json_each(body, '$.output') AS c))
            WHEN 'collabAgentToolCall' THEN
              (SELECT group_concat(json_extract(a.value, '$.message'), char(10))
               FROM json_each(body, '$.agentsStates') AS a WHERE a.type = 'object')
            WHEN 'mcpToolCall' THEN
              (SELECT group_concat(text, char(10)) FROM (
                 SELECT iif(fullkey <> '$.arguments' AND typeof(key) = 'text', key || char(10), '')
                   || CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
                     ELSE coalesce(atom, '') END AS text
                 FROM json_tree(body, '$.arguments')
                 WHERE fullkey NOT GLOB '*.encrypted*' AND fullkey NOT GLOB '*."encrypted*'
                 UNION ALL
                 SELECT iif(type = 'object', json_extract(value, '$.text'), value)
                 FROM json_each(body, '$.result.content')
                 UNION ALL
                 SELECT iif(fullkey <> '$.result.structuredContent' AND typeof(key) = 'text',
                   key || char(10), '')
                   || CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
                     ELSE coalesce(atom, '') END
                 FROM json_tree(body, '$.result.structuredContent')
                 WHERE fullkey NOT GLOB '*.encrypted*' AND fullkey NOT GLOB '*."encrypted*')
               WHERE text <> '')
            WHEN 'dynamicToolCall' THEN
              (SELECT group_concat(text, char(10)) FROM (
                 SELECT iif(fullkey <> '$.arguments' AND typeof(key) = 'text', key || char(10), '')
                   || CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
                     ELSE coalesce(atom, '') END AS text
                 FROM json_tree(body, '$.arguments')
                 WHERE fullkey NOT GLOB '*.encrypted*' AND fullkey NOT GLOB '*."encrypted*'
                 UNION ALL
                 SELECT iif(type = 'object', json_extract(value, '$.text'), value)
                 FROM json_each(body, '$.contentItems'))
               WHERE text <> '')
            END AS beside, body
            FROM (SELECT iif(instr(i.json, '\u0000'), replace(i.json, '\u0000', ' '), i.json) AS body
                  LIMIT -1)
            LIMIT -1)
          LIMIT -1)
        LIMIT -1)
      LIMIT -1)
    LIMIT -1)
  END AS text
FROM _search_state AS s JOIN _items AS i ON +i.item > s.unfilled
WHERE s.id = 1;

-- Ignores case and diacritics, but see above. The same as TOKENIZER in search/text.py; the separators
-- are U+FE0E and U+FE0F, variation selectors.
CREATE VIRTUAL TABLE _item_index USING fts5 (
  text, content = '_item_texts', content_rowid = 'item',
  tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' separators '︎️'"
);
-- Larger pages, two to a database page: a quarter less time than with the default.
INSERT INTO _item_index (_item_index, rank) VALUES ('pgsz', 8160);
-- Each transaction adds a segment. 32 are merged into one: fewer rewrites than with the default of
-- four, a quarter less time, and a lookup reads some more segments (10 us each).
INSERT INTO _item_index (_item_index, rank) VALUES ('automerge', 32);
INSERT INTO _item_index (_item_index, rank) VALUES ('crisismerge', 32);

-- The change feed ----------------------------------------------------------------------------------

-- The change feed: one sequence of all changes of turns, items, threads and lifecycle events.
--
-- There is one writer at a time, and a new number is the greatest plus one: numbers grow in commit
-- order, and a reader that has seen number n never finds a new lower one. There are no gaps and no
-- reuse: the newest row of `_feed` is never deleted.
--
-- A row has at most one change a transaction, and none where nothing changed that a view shows.
-- Values are read from the row itself, so a change takes 10 bytes. Changes are appended at the end of
-- each transaction, all rows of a kind at once: new rows are those with greater keys than before,
-- others are marked. (Triggers would cost a third more: SQLite keeps a journal for each statement
-- that fires one.)

-- One row a change.
CREATE TABLE _feed (
  seq  INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,      -- 1 turn, 2 item, 3 thread, 4 event, 5 realtime item
  op   INTEGER NOT NULL,      -- 1 insert, 2 update, 3 tombstone
  row  INTEGER NOT NULL       -- _turns.turn, _item_rows.item, _feed_threads.thread, _events.seq,
                              -- _realtime_items.realtime_item; if _feed_purged has it, another
                              -- row may have the number now
) STRICT;

-- One row a transaction that changed something: its last change, its time, and its mark, a random
-- number: after a backup is restored, numbers are reused, marks are not.
CREATE TABLE _feed_commits (
  upto            INTEGER PRIMARY KEY,
  committed_at_ms INTEGER NOT NULL,
  mark            INTEGER NOT NULL
) STRICT;

-- One row: the id of the feed (numbers differ between databases); up to where changes were deleted,
-- except events, and the mark of the last of them; and the numbers known to have been used in a
-- history that was lost as well: see store/rules/feed.py.
CREATE TABLE _feed_state (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  feed_id       BLOB NOT NULL,
  pruned        INTEGER NOT NULL DEFAULT 0,
  pruned_mark   INTEGER,
  rewound_after INTEGER NOT NULL DEFAULT 0,
  rewound_upto  INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO _feed_state (id, feed_id) VALUES (1, randomblob(16));

-- Identity of purged rows (on_delete = "purge"). Keys of purged rows may be reused: an entry refers to
-- the purged row with the least `upto` >= its `seq`; without one, to the present row.
CREATE TABLE _feed_purged (
  kind       INTEGER NOT NULL,              -- as in _feed
  row        INTEGER NOT NULL,              -- as in _feed; less than 0: it came without a number
  upto       INTEGER NOT NULL,              -- no later entry names it
  uid        BLOB NOT NULL,
  thread_id  TEXT NOT NULL,
  rollout_id TEXT,
  turn_id    TEXT,
  item_id    TEXT,
  type       TEXT,
  PRIMARY KEY (kind, row, upto)
) STRICT, WITHOUT ROWID;
CREATE INDEX feed_purged_by_upto ON _feed_purged (upto);

-- Threads as the feed last reported them.
CREATE TABLE _feed_threads (
  thread    INTEGER PRIMARY KEY,
  thread_id TEXT NOT NULL UNIQUE,
  digest    BLOB              -- of its row in `threads` and its parts; NULL: deleted
) STRICT;

-- What the older parts of a chain contribute to a part, JSON; a missing row is computed again when
-- needed (store/rules/older_parts.py).
CREATE TABLE _feed_parts (
  thread_id TEXT NOT NULL,
  part      INTEGER NOT NULL,
  older     TEXT NOT NULL,
  PRIMARY KEY (thread_id, part)
) STRICT, WITHOUT ROWID;

-- Threads that may differ from what the feed last reported (store/sqlite/stale_threads.py). Empty
-- after each transaction.
CREATE TABLE _feed_stale (
  thread_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- `changed` in turns, items and events: set by statements that change a row, reset to 0 at the end of
-- each transaction. 1: the row was living before, 3: it was a tombstone.

-- Statistics ---------------------------------------------------------------------------------------

-- Planner statistics of a database of a million items, whatever this one holds: without them, a
-- thread's commands would be searched among the commands of all threads. Rows of the index, then rows
-- for each value of its first column, of its first two, and so on.
ANALYZE _search_state;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('_item_rows', 'items_by_type', '1000000 100000 2 1 1'),
  ('_item_rows', 'items_by_status', '250000 50000 2 1 1'),
  ('_item_rows', 'items_by_position', '1000000 1000 1'),
  ('_item_rows', 'sqlite_autoindex__item_rows_1', '1000000 1000 40 1'),
  ('_turn_ids', 'sqlite_autoindex__turn_ids_1', '25000 1');
ANALYZE sqlite_schema;
