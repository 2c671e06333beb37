-- Tables. Internal: other programs read the views of 0002 and later.
--
-- Times that end in _ms are milliseconds since 1970 (UTC), `started_at` and `completed_at` of
-- turns are seconds, as in Codex's own tables. Offsets are bytes of the uncompressed file.
--
-- A uid is unique by the way it is made. No index begins with it: uids are spread evenly, so that
-- every batch would write every page of such an index anew. Keys that begin with the rollout or
-- with a turn's id, which grows with time, keep a batch's new entries together.
--
-- `position` sorts the rows of one rollout and, along a lineage chain, the rows of all its
-- rollouts: it is the rollout's `start_position` plus the byte offset of the row's first record.

-- One row a rollout: what it is, where it lies, and how far it has been projected.
CREATE TABLE rollouts (
  rollout                INTEGER PRIMARY KEY,   -- its number in this database; says nothing
  rollout_id             TEXT NOT NULL UNIQUE,
  thread_id              TEXT NOT NULL,
  -- Lineage: what it continues.
  mode                   TEXT NOT NULL,         -- paginated, legacy
  base_rollout_id        TEXT,                  -- the rollout that it continues; need not be here
  base_end_ordinal       INTEGER,               -- of the first record that is not inherited
  base_end_offset        INTEGER,               -- just behind the last record that is
  attached               INTEGER NOT NULL,      -- 1: a base of another thread is not shown
  start_position         INTEGER NOT NULL,      -- position of its first byte
  -- Where it lies.
  home                   TEXT NOT NULL,
  path                   TEXT NOT NULL,
  archived               INTEGER NOT NULL,      -- 1: under archived_sessions
  compressed             INTEGER NOT NULL,      -- 1: .zst
  size                   INTEGER NOT NULL,      -- bytes on disk
  mtime_ns               INTEGER NOT NULL,
  device                 INTEGER NOT NULL,
  inode                  INTEGER NOT NULL,
  gone_at_ms             INTEGER,               -- since when it is missed; NULL: it is there
  -- Checkpoint: always just behind a newline, and the end of the last batch.
  generation             INTEGER NOT NULL,      -- how often it was projected anew
  next_offset            INTEGER NOT NULL,
  next_ordinal           INTEGER NOT NULL,
  head                   BLOB NOT NULL,         -- fingerprints of the bytes before next_offset
  tail                   BLOB NOT NULL,
  read_at_ms             INTEGER NOT NULL,      -- when the last batch was written
  -- Counters.
  records                INTEGER NOT NULL DEFAULT 0,   -- lines read, blank ones left out
  items                  INTEGER NOT NULL DEFAULT 0,   -- living rows
  turns                  INTEGER NOT NULL DEFAULT 0,   -- living rows
  -- What its first session_meta says.
  subagent_start_ordinal INTEGER,
  created_at_ms          INTEGER,
  source                 TEXT,
  thread_source          TEXT,
  originator             TEXT,
  cli_version            TEXT,
  parent_thread_id       TEXT,
  forked_from_id         TEXT,
  agent_nickname         TEXT,
  agent_role             TEXT,
  agent_path             TEXT,
  -- What its records so far say of the thread.
  cwd                    TEXT,
  model                  TEXT,
  model_provider         TEXT,
  reasoning_effort       TEXT,
  git_branch             TEXT,
  git_sha                TEXT,
  git_origin_url         TEXT,
  preview_offset         INTEGER,
  name                   TEXT,
  total_tokens           INTEGER,
  updated_at_ms          INTEGER,
  last_turn_at_ms        INTEGER,
  -- Long values last, so that reading the others does not touch their overflow pages.
  preview                TEXT,
  goal                   TEXT,
  state                  BLOB NOT NULL          -- the reducer's
) STRICT;
CREATE INDEX rollouts_by_thread ON rollouts (thread_id, rollout_id);
CREATE INDEX rollouts_by_base ON rollouts (base_rollout_id) WHERE base_rollout_id IS NOT NULL;

-- Items by rollout. `tombstone`: 0 living; why it is no more: 1 the rollout's new content lacks
-- it, 2 rolled back (legacy), 3 it turned out never to have been. What a revert cut off is none
-- of these: that follows from thread_parts.
CREATE TABLE items (
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
  provenance      TEXT NOT NULL,                -- snapshot, event, response_item
  type            TEXT NOT NULL,
  turn_id         TEXT NOT NULL,
  item_id         TEXT NOT NULL,
  json            TEXT NOT NULL,
  UNIQUE (rollout, turn_id, item_id)            -- what the uid is made from
) STRICT;
CREATE INDEX items_by_position ON items (rollout, position) WHERE tombstone = 0;
CREATE INDEX items_buried ON items (rollout, position) WHERE tombstone <> 0;
CREATE INDEX items_legacy ON items (rollout, item_id) WHERE ordinal IS NULL;
CREATE INDEX items_by_owner ON items (rollout, owner) WHERE owner IS NOT NULL;

-- Turns by rollout. `tombstone` as in items.
CREATE TABLE turns (
  turn               INTEGER PRIMARY KEY,
  uid                BLOB NOT NULL,
  rollout            INTEGER NOT NULL,
  position           INTEGER NOT NULL,          -- of the line that made the row
  ordinal            INTEGER,
  status             TEXT NOT NULL,             -- inProgress, completed, failed, interrupted
  started_at         INTEGER,                   -- seconds
  completed_at       INTEGER,                   -- seconds
  duration_ms        INTEGER,
  end_ordinal        INTEGER,
  end_offset         INTEGER,                   -- just behind the line that ended it
  owner              INTEGER,
  end_owner          INTEGER,                   -- legacy: frame that owns the end of the turn
  tombstone          INTEGER NOT NULL DEFAULT 0,
  turn_id            TEXT NOT NULL,
  first_user_item_id TEXT,
  final_agent_item_id TEXT,
  root_turn_id       TEXT,
  model              TEXT,
  error_json         TEXT,
  UNIQUE (turn_id, rollout)                     -- what the uid is made from
) STRICT;
CREATE INDEX turns_by_position ON turns (rollout, position) WHERE tombstone = 0;
CREATE INDEX turns_buried ON turns (rollout, position) WHERE tombstone <> 0;
CREATE INDEX turns_by_owner ON turns (rollout, owner) WHERE owner IS NOT NULL;
CREATE INDEX turns_by_end_owner ON turns (rollout, end_owner) WHERE end_owner IS NOT NULL;

-- Realtime items (voice) by rollout.
CREATE TABLE realtime_items (
  realtime_item INTEGER PRIMARY KEY,
  uid           BLOB NOT NULL,
  rollout       INTEGER NOT NULL,
  position      INTEGER NOT NULL,
  ordinal       INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  tombstone     INTEGER NOT NULL DEFAULT 0,
  type          TEXT NOT NULL,
  item_id       TEXT NOT NULL,
  json          TEXT NOT NULL,
  UNIQUE (rollout, item_id)                     -- what the uid is made from
) STRICT;
CREATE INDEX realtime_items_by_position ON realtime_items (rollout, position);

-- What each model response cost, by rollout.
CREATE TABLE usage (
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
  turn_id                 TEXT,
  response_id             TEXT,
  model                   TEXT,
  UNIQUE (rollout, uid)
) STRICT;
CREATE INDEX usage_by_position ON usage (rollout, position);
CREATE INDEX usage_by_turn ON usage (turn_id) WHERE turn_id IS NOT NULL;
CREATE INDEX usage_by_response ON usage (response_id) WHERE response_id IS NOT NULL;

-- Lifecycle events, in the order in which they were committed.
CREATE TABLE events (
  seq            INTEGER PRIMARY KEY AUTOINCREMENT,
  uid            BLOB NOT NULL,
  thread_id      TEXT NOT NULL,
  rollout        INTEGER,                       -- NULL: of no rollout (a name)
  from_record    INTEGER NOT NULL,              -- 1: a record says it; 0: seen on disk
  recorded_at_ms INTEGER,                       -- time of the record
  noted_at_ms    INTEGER NOT NULL,              -- when it was first written here
  tombstone      INTEGER NOT NULL DEFAULT 0,    -- 1: the rollout's new content lacks it
  type           TEXT NOT NULL,
  turn_id        TEXT,
  payload        TEXT NOT NULL,                 -- JSON object
  UNIQUE (thread_id, uid)
) STRICT;
CREATE INDEX events_by_thread ON events (thread_id, type);
CREATE INDEX events_by_rollout ON events (rollout) WHERE rollout IS NOT NULL;

-- Places that could not be read as written.
CREATE TABLE anomaly_rows (
  anomaly     INTEGER PRIMARY KEY,
  rollout     INTEGER NOT NULL,
  byte_offset INTEGER NOT NULL,
  byte_length INTEGER NOT NULL,
  from_batch  INTEGER NOT NULL,                 -- 1: made again whenever the rollout is
  noted_at_ms INTEGER NOT NULL,
  kind        TEXT NOT NULL,
  detail      TEXT NOT NULL,
  UNIQUE (rollout, byte_offset, byte_length, kind, detail)
) STRICT;

-- Legacy rollouts: user boundaries that a rollback may pop.
CREATE TABLE frames (
  rollout INTEGER NOT NULL,
  key     INTEGER NOT NULL,                     -- byte offset of the record that opened it
  popped  INTEGER NOT NULL,
  turn_id TEXT,
  before  TEXT,                                 -- JSON
  PRIMARY KEY (rollout, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX frames_by_turn ON frames (rollout, turn_id, key) WHERE turn_id IS NOT NULL;

-- One row a thread that has a rollout here.
CREATE TABLE thread_states (
  thread_id      TEXT PRIMARY KEY,
  rollout        INTEGER NOT NULL,              -- the current one
  archived       INTEGER NOT NULL,              -- of the current rollout
  deleted        INTEGER NOT NULL,              -- 1: none of its rollouts is on disk
  incomplete     INTEGER NOT NULL,              -- 1: a base is missing, or the chain has no end
  repeated_turns INTEGER NOT NULL DEFAULT 0     -- turns counted in more than one part
) STRICT, WITHOUT ROWID;
CREATE INDEX thread_states_by_rollout ON thread_states (rollout);

-- The lineage chain of each thread, oldest part first: its visible history is the living rows of
-- each part's rollout with position < upto.
CREATE TABLE thread_parts (
  thread_id  TEXT NOT NULL,
  part       INTEGER NOT NULL,                  -- from 0
  rollout    INTEGER NOT NULL,
  rollout_id TEXT NOT NULL,
  upto       INTEGER NOT NULL,                  -- of the current rollout: the greatest integer
  items      INTEGER NOT NULL,                  -- living items before upto
  turns      INTEGER NOT NULL,                  -- living turns before upto
  PRIMARY KEY (thread_id, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX thread_parts_by_rollout ON thread_parts (rollout, upto);

-- Names given to threads, also to those that are not here yet.
CREATE TABLE names (
  thread_id TEXT PRIMARY KEY,
  name      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the daemon says of itself; one row.
CREATE TABLE heartbeat (
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
  set_aside       INTEGER NOT NULL
) STRICT;
