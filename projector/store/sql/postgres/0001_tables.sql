-- Tables. Internal, like everything whose name begins with `_`: other programs read the views of 0002.
--
-- Times that end in _ms are milliseconds since 1970 (UTC), `started_at` and `completed_at` of
-- turns are seconds, as in Codex's own tables. Offsets are bytes of the uncompressed file.
--
-- Designed to be distributed over many machines:
-- 1. A source is one host's installation. Its id is the distribution column: it leads every primary
--    and unique key, so that all rows of a source lie together, and no constraint spans sources.
--    Claims, which do span them, lead with a bucket: ids of rollouts grow with time, and a key
--    that grows would keep one machine busy with what is new.
-- 2. Keys are derived from content, never from a sequence: hosts need not agree on numbers, and
--    writes are idempotent. Only the feed has numbers, per source.
-- 3. No constraint spans sources; there are no triggers and no foreign keys.
--
-- A row's key is its uid, which follows from rollout, turn and item: ids that come from a file can
-- be longer than an index takes (2.7 KB), so that only their beginnings are indexed.
--
-- `position` sorts the rows of one rollout and, along a lineage chain, the rows of all its
-- rollouts: it is the rollout's `start_position` plus the byte offset of the row's first record.
--
-- Text that PostgreSQL cannot store (NUL, \u0000 and half surrogate pairs in JSON) is escaped:
-- see store/postgres/text.py; such rows are marked `escaped`.

CREATE TABLE _sources (
  source_id          uuid PRIMARY KEY,
  name               text NOT NULL,
  host               text NOT NULL,
  since_ms           bigint NOT NULL,
  -- The feed: the last number and its mark; the id of the feed (numbers differ between databases); up
  -- to where changes were deleted, except events, and the mark of the last of them; and the numbers
  -- known to have been used in a history that was lost as well: see store/rules/feed.py.
  last_seq           bigint NOT NULL DEFAULT 0,
  last_mark          bigint,
  feed_id            uuid NOT NULL,
  pruned             bigint NOT NULL DEFAULT 0,
  pruned_mark        bigint,
  rewound_after      bigint NOT NULL DEFAULT 0,
  rewound_upto       bigint NOT NULL DEFAULT 0,
  -- Search: see `items.words`.
  search_what        text NOT NULL DEFAULT 'off',      -- all, messages, off
  search_text_bytes  bigint NOT NULL DEFAULT 0,
  search_round       integer NOT NULL DEFAULT 0,
  search_revision    integer NOT NULL DEFAULT 0,       -- search.text.REVISION
  unfilled_rollout   text COLLATE "C",                 -- NULL: nothing left to fill
  unfilled_position  bigint,
  -- The daemon's lease: who holds the source, and until when; NULL after the daemon ended.
  lease_id           uuid,
  lease_until_ms     bigint,                           -- by the server's clock
  lease_pid          integer,
  lease_host         text,
  lease_version      text,
  lease_started_at_ms bigint
) WITH (fillfactor = 50);
COMMENT ON TABLE _sources IS 'Installations that write here: one a host. Internal.';

-- The first source that writes a rollout owns it, for good. A row without a source: a rollout
-- continues this one, which is absent; both writers lock the row, so whoever adds it sees that.
CREATE TABLE _claims (
  bucket     smallint NOT NULL,
  rollout_id text COLLATE "C" NOT NULL,
  source_id  uuid,
  PRIMARY KEY (bucket, rollout_id)
);
COMMENT ON TABLE _claims IS 'Which source projects a rollout that several hosts see. Internal.';

-- One row a rollout: its header, its location, and how far it has been projected.
CREATE TABLE _rollouts (
  source_id              uuid NOT NULL,
  rollout_id             text COLLATE "C" NOT NULL,
  thread_id              text COLLATE "C" NOT NULL,
  -- Lineage: what the rollout continues.
  mode                   text NOT NULL,         -- paginated, legacy
  base_rollout_id        text COLLATE "C",      -- rollout that it continues; may be absent
  base_end_ordinal       bigint,                -- of the first record not inherited
  base_end_offset        bigint,                -- just after the last inherited record
  attached               boolean NOT NULL,      -- a base of another thread is not shown
  start_position         bigint NOT NULL,       -- position of its first byte
  elsewhere              boolean NOT NULL DEFAULT false, -- another source has its rows: only the
                                                -- checkpoint advances here
  -- Location.
  home                   text NOT NULL,
  path                   text NOT NULL,
  archived               boolean NOT NULL,      -- under archived_sessions
  named                  boolean NOT NULL,      -- its file has a name of the thread
  compressed             boolean NOT NULL,      -- .zst
  size                   bigint NOT NULL,       -- bytes on disk
  mtime_ns               bigint NOT NULL,
  ctime_ns               bigint NOT NULL DEFAULT 0,   -- 0: unknown
  device                 numeric NOT NULL,      -- 64 bits without a sign
  inode                  numeric NOT NULL,
  gone_at_ms             bigint,                -- since when the file is missing; NULL: present
  -- Checkpoint: the end of the last batch, always just after a newline.
  generation             bigint NOT NULL,       -- how often it was projected from its start
  next_offset            bigint NOT NULL,
  next_ordinal           bigint NOT NULL,
  head                   bytea NOT NULL,        -- fingerprints of the bytes before next_offset
  tail                   bytea NOT NULL,
  checksum               bigint,                -- CRC-32 of all bytes before next_offset
  trusted_bytes          bigint,                -- of the file; NULL: all. 0: it may hold others by
                                                -- now. Else it has grown since it had so many
  read_at_ms             bigint NOT NULL,       -- when the last batch was written
  revision               integer NOT NULL,      -- of the rules that made its rows: model/revisions.py
  -- Counters.
  records                bigint NOT NULL DEFAULT 0,    -- lines read, without blank ones
  items                  bigint NOT NULL DEFAULT 0,    -- living rows
  turns                  bigint NOT NULL DEFAULT 0,    -- living rows
  lacks                  integer NOT NULL,             -- which columns threads inherit instead, a bit
                                                -- each: see lacking in store/rules/shown_threads.py
  -- From its first session_meta.
  subagent_start_ordinal bigint,
  created_at_ms          bigint,
  source                 text,                  -- a word: cli, vscode, exec, ..., subagent
  source_kind            text,                  -- of a sub-agent: review, thread_spawn, ...
  source_json            text,                  -- as written, if it is not a word
  thread_source          text,
  originator             text,
  cli_version            text,
  parent_thread_id       text,
  forked_from_id         text,
  agent_nickname         text,
  agent_role             text,
  agent_path             text,
  agent_depth            bigint,                -- 1: of an agent that no agent started
  -- Metadata of the thread from the records so far.
  cwd                    text,
  model                  text,
  model_provider         text,
  reasoning_effort       text,
  git_branch             text,
  git_sha                text,
  git_origin_url         text,
  preview_offset         bigint,
  name                   text,
  reported_total_tokens  bigint,
  updated_at_ms          bigint,
  last_turn_at_ms        bigint,
  preview                text,
  goal                   text,
  kinds                  text NOT NULL,         -- of records, events and items seen in it
  state                  bytea NOT NULL,        -- the reducer's
  PRIMARY KEY (source_id, rollout_id)
) WITH (fillfactor = 70);
CREATE INDEX rollouts_by_id ON _rollouts (rollout_id);
-- The last of a thread is its current one: see Candidate in store/rules/lineage.py.
CREATE INDEX rollouts_by_thread ON _rollouts (thread_id, (gone_at_ms IS NULL), named, rollout_id);
CREATE INDEX rollouts_by_base ON _rollouts (base_rollout_id, lacks) WHERE base_rollout_id IS NOT NULL;
CREATE INDEX rollouts_by_revision ON _rollouts (source_id, revision);
-- Changes with each commit. Lists of the newest threads of all hosts would read every thread without it.
CREATE INDEX rollouts_by_update ON _rollouts (updated_at_ms);
CREATE INDEX rollouts_by_name ON _rollouts (substr(name, 1, 200)) WHERE name IS NOT NULL;
-- `+` where a thread inherits what is missing, folder, repository: for lists of the threads of a place,
-- and of the places themselves. The text is that of the read views. An index
-- takes 2.7 KB: longer names are cut.
CREATE INDEX rollouts_by_place ON _rollouts ((CASE WHEN base_rollout_id IS NULL THEN '-' ELSE '+' END || substr(coalesce(cwd, ''), 1, 256)
  || '|' || substr(coalesce(git_origin_url, ''), 1, 256)), updated_at_ms);
COMMENT ON TABLE _rollouts IS 'Rollouts and their checkpoints. Internal.';

-- Items by rollout. `tombstone`: 0 living; else why it was removed: 1 the rollout's new
-- content lacks it, 2 rolled back (legacy), 3 it turned out never to have run. Rows cut off by a
-- revert have no tombstone: that follows from _thread_parts.
CREATE TABLE _items (
  source_id       uuid NOT NULL,
  rollout_id      text COLLATE "C" NOT NULL,
  uid             uuid NOT NULL,
  position        bigint NOT NULL,              -- of its first record
  ordinal         bigint,                       -- of its first record; NULL in legacy rollouts
  updated_ordinal bigint,                       -- of its last one
  created_at_ms   bigint NOT NULL,
  started_at_ms   bigint,
  completed_at_ms bigint,
  owner           bigint,                       -- legacy: key of the frame that owns the row
  words_round     integer,                      -- `words` are those of this _sources.search_round
  tombstone       smallint NOT NULL DEFAULT 0,
  escaped         boolean NOT NULL DEFAULT false,
  provenance      text NOT NULL,                -- snapshot, event, response_item
  type            text NOT NULL,
  turn_id         text COLLATE "C" NOT NULL,
  item_id         text COLLATE "C" NOT NULL,
  json            json NOT NULL,
  words           tsvector,                     -- full-text index; NULL: not indexed
  PRIMARY KEY (source_id, rollout_id, uid)
);
CREATE INDEX items_by_position ON _items (source_id, rollout_id, position) WHERE tombstone = 0;
CREATE INDEX items_tombstoned ON _items (source_id, rollout_id, position) WHERE tombstone <> 0;
CREATE INDEX items_by_turn ON _items (source_id, rollout_id, left(turn_id, 64));
CREATE INDEX items_legacy ON _items (source_id, rollout_id, left(item_id, 64)) WHERE ordinal IS NULL;
CREATE INDEX items_by_owner ON _items (source_id, rollout_id, owner) WHERE owner IS NOT NULL;
CREATE INDEX items_by_type ON _items (left(type, 64), created_at_ms) WHERE tombstone = 0;
CREATE INDEX items_by_words ON _items USING gin (words) WHERE words IS NOT NULL;
COMMENT ON TABLE _items IS 'Items of all rollouts. Internal.';

-- Turns by rollout. `tombstone` as in items.
CREATE TABLE _turns (
  source_id          uuid NOT NULL,
  rollout_id         text COLLATE "C" NOT NULL,
  uid                uuid NOT NULL,
  position           bigint NOT NULL,           -- of the line that created the row
  ordinal            bigint,
  status             text NOT NULL,             -- inProgress, completed, failed, interrupted
  started_at         bigint,                    -- seconds
  completed_at       bigint,                    -- seconds
  duration_ms        bigint,
  end_ordinal        bigint,
  end_offset         bigint,                    -- just after the line that ended it
  owner              bigint,
  end_owner          bigint,                    -- legacy: frame that owns the end of the turn
  tombstone          smallint NOT NULL DEFAULT 0,
  escaped            boolean NOT NULL DEFAULT false,
  turn_id            text COLLATE "C" NOT NULL,
  first_user_item_id text COLLATE "C",
  final_agent_item_id text COLLATE "C",
  root_turn_id       text COLLATE "C",
  model              text,
  error_json         json,
  PRIMARY KEY (source_id, rollout_id, uid)
);
CREATE INDEX turns_by_position ON _turns (source_id, rollout_id, position) WHERE tombstone = 0;
CREATE INDEX turns_tombstoned ON _turns (source_id, rollout_id, position) WHERE tombstone <> 0;
CREATE INDEX turns_by_turn ON _turns (left(turn_id, 64), source_id, rollout_id);
CREATE INDEX turns_by_owner ON _turns (source_id, rollout_id, owner) WHERE owner IS NOT NULL;
CREATE INDEX turns_by_end_owner ON _turns (source_id, rollout_id, end_owner) WHERE end_owner IS NOT NULL;
COMMENT ON TABLE _turns IS 'Turns of all rollouts. Internal.';

-- Realtime items (voice) by rollout.
CREATE TABLE _realtime_items (
  source_id     uuid NOT NULL,
  rollout_id    text COLLATE "C" NOT NULL,
  uid           uuid NOT NULL,
  position      bigint NOT NULL,
  ordinal       bigint NOT NULL,
  created_at_ms bigint NOT NULL,
  tombstone     smallint NOT NULL DEFAULT 0,
  escaped       boolean NOT NULL DEFAULT false,
  type          text NOT NULL,
  item_id       text COLLATE "C" NOT NULL,
  json          json NOT NULL,
  PRIMARY KEY (source_id, rollout_id, uid)
);
CREATE INDEX realtime_items_by_position ON _realtime_items (source_id, rollout_id, position);
COMMENT ON TABLE _realtime_items IS 'Realtime items of all rollouts. Internal.';

-- Token usage of each model response, by rollout. Of the rows that report one response, in any
-- rollouts, one is `counted`: the first living row of the oldest rollout.
CREATE TABLE _usage (
  source_id               uuid NOT NULL,
  rollout_id              text COLLATE "C" NOT NULL,
  uid                     uuid NOT NULL,
  position                bigint NOT NULL,
  ordinal                 bigint,
  recorded_at_ms          bigint,
  input_tokens            bigint NOT NULL,
  cached_input_tokens     bigint NOT NULL,
  output_tokens           bigint NOT NULL,
  reasoning_output_tokens bigint NOT NULL,
  total_tokens            bigint NOT NULL,
  tombstone               smallint NOT NULL DEFAULT 0,
  counted                 boolean NOT NULL DEFAULT true,
  turn_id                 text COLLATE "C",
  response_id             text,
  model                   text,
  cache_write_input_tokens bigint,              -- NULL: not reported
  service_tier            text,                 -- NULL: not reported
  model_provider          text,                 -- as in Codex's configuration; NULL: not reported
  PRIMARY KEY (source_id, rollout_id, uid)
);
CREATE INDEX usage_by_position ON _usage (source_id, rollout_id, position);
CREATE INDEX usage_by_turn ON _usage (source_id, rollout_id, left(turn_id, 64)) WHERE turn_id IS NOT NULL;
-- In the order of store/rules/usage.py: the first living row of a response counts.
CREATE INDEX usage_by_response ON _usage (left(response_id, 64), rollout_id, position, uid) WHERE response_id IS NOT NULL AND tombstone = 0;
CREATE INDEX usage_by_time ON _usage (recorded_at_ms) WHERE counted AND tombstone = 0;
-- Distinct models, found by a skip scan.
CREATE INDEX usage_by_model ON _usage (model_provider, model)
  WHERE length(model_provider) <= 200 AND length(model) <= 200;
COMMENT ON TABLE _usage IS 'Tokens of model responses. Internal.';

-- List prices of models, of no source, and own ones of a source, which go before: see run/prices.py.
-- One holds from a time on, for responses with more input than `above` tokens; the last that holds
-- counts. Amounts are for a million tokens; NULL: the list has no price for the model. Few rows, the
-- same on every machine.
CREATE TABLE _prices (
  source_id      uuid NOT NULL,                 -- of own prices; else all zeros
  model_provider text COLLATE "C" NOT NULL,
  model          text COLLATE "C" NOT NULL,
  service_tier   text COLLATE "C" NOT NULL,     -- empty: standard
  own            boolean NOT NULL,              -- of the settings
  from_ms        bigint NOT NULL,
  above          bigint NOT NULL,
  list_version   text COLLATE "C" NOT NULL,     -- sorts; empty: of the settings
  price_source   text NOT NULL,
  currency       text NOT NULL,
  input          double precision,
  cached_input   double precision,
  cache_write    double precision,
  output         double precision,
  PRIMARY KEY (source_id, model_provider, model, service_tier, from_ms, above)
);
COMMENT ON TABLE _prices IS 'List prices of models, and own ones. Internal.';

-- Locks on responses whose counted row is being chosen, by a hash of their ids. A transaction deletes
-- the rows it inserted, so nobody sees any, and another writer of the same hash waits for its end.
CREATE TABLE _settling (
  response bigint PRIMARY KEY
);
COMMENT ON TABLE _settling IS 'Keeps two hosts from counting one response at the same moment. Internal.';

-- Token usage by day (UTC) and model: sums over the counted rows of a source.
CREATE TABLE _usage_days (
  source_id               uuid NOT NULL,
  day                     text COLLATE "C" NOT NULL,   -- 2026-01-05; empty: no time is known
  model                   text COLLATE "C" NOT NULL,   -- its first 256 characters; empty: not known
  responses               bigint NOT NULL,
  input_tokens            bigint NOT NULL,
  cached_input_tokens     bigint NOT NULL,
  output_tokens           bigint NOT NULL,
  reasoning_output_tokens bigint NOT NULL,
  total_tokens            bigint NOT NULL,
  PRIMARY KEY (source_id, day, model)
) WITH (fillfactor = 70);
COMMENT ON TABLE _usage_days IS 'Tokens by day and model. Internal.';

-- The same by thread: that of the rows' own rollouts.
CREATE TABLE _usage_threads (
  source_id               uuid NOT NULL,
  thread_id               text COLLATE "C" NOT NULL,
  responses               bigint NOT NULL,
  input_tokens            bigint NOT NULL,
  cached_input_tokens     bigint NOT NULL,
  output_tokens           bigint NOT NULL,
  reasoning_output_tokens bigint NOT NULL,
  total_tokens            bigint NOT NULL,
  PRIMARY KEY (source_id, thread_id)
) WITH (fillfactor = 70);
CREATE INDEX _usage_threads_by_thread ON _usage_threads (thread_id);
COMMENT ON TABLE _usage_threads IS 'Tokens by thread. Internal.';

-- Lifecycle events, in the order in which a source committed them.
CREATE TABLE _events (
  source_id      uuid NOT NULL,
  thread_id      text COLLATE "C" NOT NULL,
  uid            uuid NOT NULL,
  seq            bigint NOT NULL,               -- in the feed
  rollout_id     text COLLATE "C",              -- NULL: not from a rollout (a name)
  from_record    boolean NOT NULL,              -- from a record; else: seen on disk
  recorded_at_ms bigint,                        -- time of the record
  noted_at_ms    bigint NOT NULL,               -- when it was first written here
  tombstone      smallint NOT NULL DEFAULT 0,   -- 1: the rollout's new content lacks it
  escaped        boolean NOT NULL DEFAULT false,
  type           text NOT NULL,
  turn_id        text COLLATE "C",
  payload        json NOT NULL,                 -- an object
  PRIMARY KEY (source_id, thread_id, uid)
);
CREATE UNIQUE INDEX events_by_seq ON _events (source_id, seq);
CREATE INDEX events_by_thread ON _events (thread_id, type);
CREATE INDEX events_by_rollout ON _events (source_id, rollout_id) WHERE rollout_id IS NOT NULL;
COMMENT ON TABLE _events IS 'Lifecycle events. Internal.';

-- Byte ranges of rollouts that could not be read as written.
CREATE TABLE _anomaly_rows (
  source_id   uuid NOT NULL,
  rollout_id  text COLLATE "C" NOT NULL,
  byte_offset bigint NOT NULL,
  byte_length bigint NOT NULL,
  kind        text COLLATE "C" NOT NULL,
  digest      uuid NOT NULL,                    -- of `detail`, which may be too long for an index
  from_batch  boolean NOT NULL,                 -- made again whenever the rollout is
  noted_at_ms bigint NOT NULL,
  detail      text NOT NULL,
  PRIMARY KEY (source_id, rollout_id, byte_offset, byte_length, kind, digest)
);
CREATE INDEX anomalies_noted ON _anomaly_rows (source_id, kind, rollout_id) WHERE NOT from_batch;
COMMENT ON TABLE _anomaly_rows IS 'Places of rollouts that could not be read as written. Internal.';

-- Windows of rate limits, a row when one changed; `slot`: primary, secondary.
CREATE TABLE _limit_rows (
  source_id      uuid NOT NULL,
  rollout_id     text COLLATE "C" NOT NULL,
  byte_offset    bigint NOT NULL,               -- of the record
  slot           text COLLATE "C" NOT NULL,
  limit_id       text,
  window_minutes bigint,
  used_percent   double precision NOT NULL,
  resets_at_ms   bigint,
  plan_type      text,
  recorded_at_ms bigint,
  PRIMARY KEY (source_id, rollout_id, byte_offset, slot)
);
CREATE INDEX limit_rows_by_time ON _limit_rows (recorded_at_ms);
COMMENT ON TABLE _limit_rows IS 'Windows of rate limits. Internal.';

-- Legacy rollouts: user boundaries that a rollback may pop.
CREATE TABLE _frames (
  source_id  uuid NOT NULL,
  rollout_id text COLLATE "C" NOT NULL,
  key        bigint NOT NULL,                   -- byte offset of the record that opened it
  popped     boolean NOT NULL,
  turn_id    text COLLATE "C",
  before     text,                              -- JSON
  PRIMARY KEY (source_id, rollout_id, key)
);
CREATE INDEX frames_by_turn ON _frames (source_id, rollout_id, left(turn_id, 64), key) WHERE turn_id IS NOT NULL;
COMMENT ON TABLE _frames IS 'Boundaries in legacy rollouts that a rollback may pop. Internal.';

-- Rows of a migrated rollout with content that its file does not have: see store/rules/preserve.py.
CREATE TABLE _kept_rows (
  source_id  uuid NOT NULL,
  rollout_id text COLLATE "C" NOT NULL,
  uid        uuid NOT NULL,
  kind       text NOT NULL,                     -- item, turn
  alone      boolean NOT NULL,                  -- the file has no such row at all
  PRIMARY KEY (source_id, rollout_id, uid)
);
COMMENT ON TABLE _kept_rows IS 'Rows that a migrated rollout showed before, and its file lacks. Internal.';

-- One row a thread that has a rollout here; of the source that has its current rollout.
CREATE TABLE _thread_states (
  source_id      uuid NOT NULL,
  thread_id      text COLLATE "C" NOT NULL,
  rollout_id     text COLLATE "C" NOT NULL,     -- the current one
  archived       boolean NOT NULL,              -- of the current rollout
  deleted        boolean NOT NULL,              -- none of its rollouts is on disk
  incomplete     boolean NOT NULL,              -- a base is missing, or the chain has no end
  repeated_turns bigint NOT NULL DEFAULT 0,     -- turns counted in more than one part: the
                                                -- sum of its parts' `repeated`
  PRIMARY KEY (source_id, thread_id)
);
CREATE INDEX thread_states_by_thread ON _thread_states (thread_id);
CREATE INDEX thread_states_by_rollout ON _thread_states (rollout_id);
COMMENT ON TABLE _thread_states IS 'Threads. Internal.';

-- The lineage chain of each thread, oldest part first: its visible history is the living rows of
-- each part's rollout with position < upto. A part may be another source's.
CREATE TABLE _thread_parts (
  source_id   uuid NOT NULL,                    -- the thread's
  thread_id   text COLLATE "C" NOT NULL,
  part        integer NOT NULL,                 -- from 0
  part_source uuid NOT NULL,                    -- who has its rows
  rollout_id  text COLLATE "C" NOT NULL,
  upto        bigint NOT NULL,                  -- of the current rollout: the greatest integer
  items       bigint NOT NULL,                  -- living items before upto
  turns       bigint NOT NULL,                  -- living turns before upto
  repeated    bigint NOT NULL DEFAULT 0,        -- of these, those that an earlier part has too
  PRIMARY KEY (source_id, thread_id, part)
) WITH (fillfactor = 70);
CREATE INDEX thread_parts_by_thread ON _thread_parts (thread_id, part);
CREATE INDEX thread_parts_by_rollout ON _thread_parts (rollout_id, upto);
CREATE INDEX thread_parts_of_thread ON _thread_parts (thread_id, rollout_id);
COMMENT ON TABLE _thread_parts IS 'The lineage of threads. Internal.';

-- Names given to threads, including threads not projected yet.
CREATE TABLE _names (
  source_id uuid NOT NULL,
  thread_id text COLLATE "C" NOT NULL,
  name      text NOT NULL,
  PRIMARY KEY (source_id, thread_id)
);
CREATE INDEX names_by_name ON _names (substr(name, 1, 200));
COMMENT ON TABLE _names IS 'Names of threads, as a home''s session index has them. Internal.';

-- Rollouts within a long line. One that ended a process while it was read is tried last.
CREATE TABLE _attempts (
  source_id     uuid NOT NULL,
  rollout_id    text COLLATE "C" NOT NULL,
  started_at_ms bigint NOT NULL,
  failures      integer NOT NULL DEFAULT 0,     -- processes that ended while reading it
  PRIMARY KEY (source_id, rollout_id)
);
COMMENT ON TABLE _attempts IS 'Rollouts of which a long line is being read. Internal.';

-- Heartbeats of the daemons; one row a source.
CREATE TABLE _heartbeat (
  source_id       uuid PRIMARY KEY,
  pid             integer NOT NULL,
  host            text NOT NULL,
  version         text NOT NULL,
  started_at_ms   bigint NOT NULL,
  beat_at_ms      bigint NOT NULL,
  interval_s      double precision NOT NULL,    -- seconds between beats, at most
  phase           text NOT NULL,                -- catching up, following, stopping
  watching        text NOT NULL,                -- events, polling
  watching_why    text NOT NULL,
  behind_bytes    bigint NOT NULL,              -- on disk
  behind_since_ms bigint,
  bytes_read      bigint NOT NULL,              -- uncompressed
  records         bigint NOT NULL,
  batches         bigint NOT NULL,
  set_aside       bigint NOT NULL,
  boot_ms         bigint NOT NULL DEFAULT 0,   -- by CLOCK_BOOTTIME
  files           bigint NOT NULL DEFAULT 0,   -- rollouts on disk
  waiting         bigint NOT NULL DEFAULT 0,   -- of these, with bytes not committed
  current_as_of_ms bigint                      -- when nothing was last known to wait; NULL: never
) WITH (fillfactor = 50);
COMMENT ON TABLE _heartbeat IS 'Signs of life of the daemons, one row a source. Internal.';

-- Files that an item of type fileChange changed, without their diffs.
CREATE TABLE _changed_files (
  source_id  uuid NOT NULL,
  rollout_id text COLLATE "C" NOT NULL,
  uid        uuid NOT NULL,                     -- of the item
  number     integer NOT NULL,                  -- from 0, as in the item
  path       text,
  kind       text,                              -- add, delete, update
  move_path  text,
  PRIMARY KEY (source_id, rollout_id, uid, number)
);
COMMENT ON TABLE _changed_files IS 'Files that items of type fileChange changed. Internal.';

-- The change feed: one sequence a source, of all changes of turns, items, threads and lifecycle
-- events. A commit locks the source's row, so numbers grow in the order of its commits and without
-- gaps: a reader that has seen number n never finds a new lower one.
-- A row has at most one change a transaction, and none where nothing changed that a view shows.
-- All changes of a commit have its mark, a random number: after a backup is restored, numbers are
-- reused, marks are not.
CREATE TABLE _feed (
  source_id       uuid NOT NULL,
  seq             bigint NOT NULL,
  kind            smallint NOT NULL,            -- 1 turn, 2 item, 3 thread, 4 event, 5 realtime
  op              smallint NOT NULL,            -- 1 insert, 2 update, 3 tombstone
  committed_at_ms bigint NOT NULL,
  mark            bigint NOT NULL,
  row_source      uuid NOT NULL,                -- who has the row
  thread_id       text COLLATE "C" NOT NULL,
  rollout_id      text COLLATE "C",
  turn_id         text COLLATE "C",
  item_id         text COLLATE "C",
  uid             uuid,                         -- NULL: a thread
  type            text,
  PRIMARY KEY (source_id, seq)
);
COMMENT ON TABLE _feed IS 'Changes of rows, in the order of each source''s commits. Internal.';
