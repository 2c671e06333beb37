-- What the views mean. Made from view_descriptions.py by `python -m tests.support.docs`.

-- What every column of every view means.
CREATE VIEW columns AS
SELECT view_name, column_name, unit, meaning
FROM (VALUES
  ('threads', 'thread_id', 'id', 'Thread, a conversation'),
  ('threads', 'name', 'text', 'Name that the user or Codex gave it; NULL: none'),
  ('threads', 'preview', 'text', 'First message of the user, else the first goal'),
  ('threads', 'cwd', 'text', 'Folder that it works in'),
  ('threads', 'model', 'text', 'Model, as Codex names it; NULL: not told'),
  ('threads', 'model_provider', 'text', 'Provider of the model, as in Codex''s configuration: openai, ollama, ...'),
  ('threads', 'reasoning_effort', 'word', 'Reasoning effort last used: low, medium, high, ...'),
  ('threads', 'source', 'word', 'Where it comes from: cli, vscode, exec, mcp, custom, internal, subagent, or a word that Codex wrote'),
  ('threads', 'source_kind', 'word', 'Of a sub-agent: thread_spawn, review, compact, ...; of a custom source its name; NULL: source says it all'),
  ('threads', 'source_json', 'text', 'The source as written, in JSON; NULL where it is a word'),
  ('threads', 'thread_source', 'word', 'user or subagent, as newer releases write it'),
  ('threads', 'originator', 'text', 'Client that started it, as codex_cli_rs'),
  ('threads', 'cli_version', 'text', 'Release of Codex that wrote it'),
  ('threads', 'history_mode', 'word', 'Form of its rollout: paginated or legacy'),
  ('threads', 'parent_thread_id', 'id', 'Thread that started this one as its sub-agent'),
  ('threads', 'forked_from_id', 'id', 'Thread that it was forked from'),
  ('threads', 'agent_nickname', 'text', 'Name of the sub-agent'),
  ('threads', 'agent_role', 'text', 'Role of the sub-agent'),
  ('threads', 'agent_path', 'text', 'Path of the sub-agent in the tree of agents, as /root/tests'),
  ('threads', 'agent_depth', 'count', 'Agents above and including this one; 1: the user''s thread started it'),
  ('threads', 'attached', 'yes or no', 'Its base is context for the model only, and is not shown'),
  ('threads', 'archived', 'yes or no', 'The current rollout is among the archived ones'),
  ('threads', 'deleted', 'yes or no', 'No rollout of the thread is on disk any more'),
  ('threads', 'incomplete', 'yes or no', 'A rollout that it continues is missing'),
  ('threads', 'created_at_ms', 'ms since 1970 (UTC)', 'When the thread was started'),
  ('threads', 'created_at', 'time (UTC)', 'When the thread was started'),
  ('threads', 'updated_at_ms', 'ms since 1970 (UTC)', 'Time of its last record'),
  ('threads', 'updated_at', 'time (UTC)', 'Time of its last record'),
  ('threads', 'last_turn_at_ms', 'ms since 1970 (UTC)', 'When its last turn started'),
  ('threads', 'last_turn_at', 'time (UTC)', 'When its last turn started'),
  ('threads', 'turn_count', 'count', 'Visible turns, and those known only by an abort'),
  ('threads', 'item_count', 'count', 'Visible items'),
  ('threads', 'total_tokens', 'tokens', 'Sum of its own token_usage, reverted responses included'),
  ('threads', 'reported_total_tokens', 'tokens', 'Total that Codex reported last'),
  ('threads', 'git_branch', 'text', 'Branch of the folder when it began'),
  ('threads', 'git_sha', 'text', 'Commit of the folder when it began'),
  ('threads', 'git_origin_url', 'text', 'URL of the repository''s remote `origin`'),
  ('threads', 'rollout_id', 'id', 'The current rollout'),
  ('threads', 'path', 'text', 'Path of the current rollout'),
  ('threads', 'host', 'text', 'Name of the host whose rows these are'),
  ('threads', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('thread_history', 'thread_id', 'id', 'Thread, a conversation'),
  ('thread_history', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('thread_history', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('thread_history', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('thread_history', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('thread_history', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('thread_history', 'type', 'word', 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ...'),
  ('thread_history', 'item_json', 'JSON', 'The whole item: a ThreadItem of Codex''s app-server protocol'),
  ('thread_history', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('thread_history', 'created_at', 'time (UTC)', 'When it was created'),
  ('thread_history', 'started_at_ms', 'ms since 1970 (UTC)', 'When it was started; NULL: not told'),
  ('thread_history', 'started_at', 'time (UTC)', 'When it was started'),
  ('thread_history', 'completed_at_ms', 'ms since 1970 (UTC)', 'When it was completed; NULL: not, or not told'),
  ('thread_history', 'completed_at', 'time (UTC)', 'When it was completed'),
  ('thread_history', 'ordinal', 'count', 'Number of its first record, as Codex wrote it; NULL in legacy rollouts'),
  ('thread_history', 'provenance', 'word', 'How the item came to be: snapshot (Codex''s own), event, response_item (rebuilt from the model''s call)'),
  ('thread_history', 'inherited', 'yes or no', 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads'),
  ('thread_history', 'escaped', 'yes or no', 'Holds text that PostgreSQL cannot, with escapes in its place'),
  ('thread_history', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('thread_turn_history', 'thread_id', 'id', 'Thread, a conversation'),
  ('thread_turn_history', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('thread_turn_history', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('thread_turn_history', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('thread_turn_history', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('thread_turn_history', 'status', 'word', 'inProgress, completed, failed or interrupted'),
  ('thread_turn_history', 'error_json', 'JSON', 'Error that ended the turn, as in Codex''s app-server protocol'),
  ('thread_turn_history', 'started_at', 's since 1970 (UTC)', 'When the turn started; NULL: not told'),
  ('thread_turn_history', 'started_time', 'time (UTC)', '`started_at` as a time'),
  ('thread_turn_history', 'completed_at', 's since 1970 (UTC)', 'When the turn ended; NULL: not yet, or not told'),
  ('thread_turn_history', 'completed_time', 'time (UTC)', '`completed_at` as a time'),
  ('thread_turn_history', 'duration_ms', 'ms', 'How long it took; NULL: not ended, or not told'),
  ('thread_turn_history', 'model', 'text', 'Model, as Codex names it; NULL: not told'),
  ('thread_turn_history', 'input_tokens', 'tokens', 'Input, cached input included'),
  ('thread_turn_history', 'cached_input_tokens', 'tokens', 'Input that the provider had cached; part of input_tokens'),
  ('thread_turn_history', 'output_tokens', 'tokens', 'Output, reasoning included'),
  ('thread_turn_history', 'reasoning_output_tokens', 'tokens', 'Reasoning; part of output_tokens'),
  ('thread_turn_history', 'total_tokens', 'tokens', 'Input and output'),
  ('thread_turn_history', 'first_user_item_id', 'id', 'Item with the user''s first message of the turn'),
  ('thread_turn_history', 'final_agent_item_id', 'id', 'Item with the agent''s last answer of the turn'),
  ('thread_turn_history', 'root_turn_id', 'id', 'Turn that this one is part of, as Codex wrote it: of a review or a sub-agent, the one that began it'),
  ('thread_turn_history', 'ordinal', 'count', 'Number of its first record, as Codex wrote it; NULL in legacy rollouts'),
  ('thread_turn_history', 'end_position', 'count', 'Items of the turn with a lower position came before its end'),
  ('thread_turn_history', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('messages', 'thread_id', 'id', 'Thread, a conversation'),
  ('messages', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('messages', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('messages', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('messages', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('messages', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('messages', 'role', 'word', 'user or assistant'),
  ('messages', 'text', 'text', 'The message; of a user''s, its text parts joined'),
  ('messages', 'phase', 'word', 'Of an agent''s message: commentary, partial_answer, final_answer or NULL'),
  ('messages', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('messages', 'created_at', 'time (UTC)', 'When it was created'),
  ('messages', 'inherited', 'yes or no', 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads'),
  ('messages', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('commands', 'thread_id', 'id', 'Thread, a conversation'),
  ('commands', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('commands', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('commands', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('commands', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('commands', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('commands', 'command', 'text', 'The command line'),
  ('commands', 'cwd', 'text', 'Folder that it was run in'),
  ('commands', 'source', 'word', 'Who had it run: agent, userShell, ...'),
  ('commands', 'status', 'word', 'inProgress, completed, failed or declined'),
  ('commands', 'exit_code', 'count', 'Exit code; NULL: not told'),
  ('commands', 'duration_ms', 'ms', 'How long it took; NULL: not ended, or not told'),
  ('commands', 'output', 'text', 'What it printed; NULL: nothing'),
  ('commands', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('commands', 'created_at', 'time (UTC)', 'When it was created'),
  ('commands', 'inherited', 'yes or no', 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads'),
  ('commands', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('file_changes', 'thread_id', 'id', 'Thread, a conversation'),
  ('file_changes', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('file_changes', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('file_changes', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('file_changes', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('file_changes', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('file_changes', 'path', 'text', 'Path of the file'),
  ('file_changes', 'kind', 'word', 'add, delete or update'),
  ('file_changes', 'move_path', 'text', 'Where an update moved the file'),
  ('file_changes', 'diff', 'text', 'Content of an added or deleted file, else a unified diff'),
  ('file_changes', 'status', 'word', 'inProgress, completed, failed or declined'),
  ('file_changes', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('file_changes', 'created_at', 'time (UTC)', 'When it was created'),
  ('file_changes', 'inherited', 'yes or no', 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads'),
  ('file_changes', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('tool_calls', 'thread_id', 'id', 'Thread, a conversation'),
  ('tool_calls', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('tool_calls', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('tool_calls', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('tool_calls', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('tool_calls', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('tool_calls', 'type', 'word', 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ...'),
  ('tool_calls', 'server', 'text', 'MCP server, or namespace of a client''s tool'),
  ('tool_calls', 'tool', 'text', 'Name of the tool'),
  ('tool_calls', 'arguments', 'JSON', 'Arguments; of a tool for agents, the prompt'),
  ('tool_calls', 'result', 'JSON', 'Result; of a tool for agents, their states'),
  ('tool_calls', 'error', 'text', 'Message of the error; NULL: none'),
  ('tool_calls', 'status', 'word', 'inProgress, completed or failed'),
  ('tool_calls', 'duration_ms', 'ms', 'How long it took; NULL: not ended, or not told'),
  ('tool_calls', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('tool_calls', 'created_at', 'time (UTC)', 'When it was created'),
  ('tool_calls', 'inherited', 'yes or no', 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads'),
  ('tool_calls', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('search', 'search', '', 'What words are looked for in: MATCH in SQLite, @@ in PostgreSQL'),
  ('search', 'rank', '', 'The lower, the better; 0 in PostgreSQL, where ts_rank gives it'),
  ('search', 'thread_id', 'id', 'Thread, a conversation'),
  ('search', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('search', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('search', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('search', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('search', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('search', 'type', 'word', 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ...'),
  ('search', 'item_json', 'JSON', 'The whole item: a ThreadItem of Codex''s app-server protocol'),
  ('search', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('search', 'created_at', 'time (UTC)', 'When it was created'),
  ('search', 'inherited', 'yes or no', 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads'),
  ('search', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('token_usage', 'thread_id', 'id', 'Thread, a conversation'),
  ('token_usage', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('token_usage', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('token_usage', 'ordinal', 'count', 'Number of its first record, as Codex wrote it; NULL in legacy rollouts'),
  ('token_usage', 'model', 'text', 'Model, as Codex names it; NULL: not told'),
  ('token_usage', 'model_provider', 'text', 'Provider of the model, as in Codex''s configuration: openai, ollama, ...'),
  ('token_usage', 'input_tokens', 'tokens', 'Input, cached input included'),
  ('token_usage', 'cached_input_tokens', 'tokens', 'Input that the provider had cached; part of input_tokens'),
  ('token_usage', 'cache_write_input_tokens', 'tokens', 'Input written to the provider''s cache; part of input_tokens; NULL: not told'),
  ('token_usage', 'output_tokens', 'tokens', 'Output, reasoning included'),
  ('token_usage', 'reasoning_output_tokens', 'tokens', 'Reasoning; part of output_tokens'),
  ('token_usage', 'total_tokens', 'tokens', 'Input and output'),
  ('token_usage', 'service_tier', 'word', 'Service tier of the response, as told: flex, priority, ...; NULL: not told'),
  ('token_usage', 'recorded_at_ms', 'ms since 1970 (UTC)', 'Time of the record; NULL: it has none'),
  ('token_usage', 'recorded_at', 'time (UTC)', 'Time of the record'),
  ('token_usage', 'response_id', 'id', 'The provider''s id of the response; NULL: not told'),
  ('token_usage', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('token_usage', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('token_costs', 'thread_id', 'id', 'Thread, a conversation'),
  ('token_costs', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('token_costs', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('token_costs', 'ordinal', 'count', 'Number of its first record, as Codex wrote it; NULL in legacy rollouts'),
  ('token_costs', 'model', 'text', 'Model, as Codex names it; NULL: not told'),
  ('token_costs', 'model_provider', 'text', 'Provider of the model, as in Codex''s configuration: openai, ollama, ...'),
  ('token_costs', 'input_tokens', 'tokens', 'Input, cached input included'),
  ('token_costs', 'cached_input_tokens', 'tokens', 'Input that the provider had cached; part of input_tokens'),
  ('token_costs', 'cache_write_input_tokens', 'tokens', 'Input written to the provider''s cache; part of input_tokens; NULL: not told'),
  ('token_costs', 'output_tokens', 'tokens', 'Output, reasoning included'),
  ('token_costs', 'reasoning_output_tokens', 'tokens', 'Reasoning; part of output_tokens'),
  ('token_costs', 'total_tokens', 'tokens', 'Input and output'),
  ('token_costs', 'service_tier', 'word', 'Service tier of the response, as told: flex, priority, ...; NULL: not told'),
  ('token_costs', 'recorded_at_ms', 'ms since 1970 (UTC)', 'Time of the record; NULL: it has none'),
  ('token_costs', 'recorded_at', 'time (UTC)', 'Time of the record'),
  ('token_costs', 'response_id', 'id', 'The provider''s id of the response; NULL: not told'),
  ('token_costs', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('token_costs', 'amount', 'amount', 'List price of the response; NULL: no price is known, see `projector help cost`'),
  ('token_costs', 'currency', 'word', 'Currency of the amount, as USD'),
  ('token_costs', 'price_source', 'word', 'The list and its version, or `settings` for own prices'),
  ('token_costs', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('rate_limits', 'thread_id', 'id', 'Thread that reported it; threads of one account share limits'),
  ('rate_limits', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('rate_limits', 'limit_id', 'id', 'The limit, as Codex names it; NULL: not told'),
  ('rate_limits', 'slot', 'word', 'Which of the limit''s windows: primary or secondary'),
  ('rate_limits', 'window_minutes', 'min', 'Length of the window; NULL: not told'),
  ('rate_limits', 'used_percent', 'percent', 'How much of the window was used'),
  ('rate_limits', 'resets_at_ms', 'ms since 1970 (UTC)', 'When the window begins anew; NULL: not told'),
  ('rate_limits', 'resets_at', 'time (UTC)', 'When the window begins anew'),
  ('rate_limits', 'plan_type', 'word', 'Plan of the account: plus, pro, team, ...; NULL: not told'),
  ('rate_limits', 'recorded_at_ms', 'ms since 1970 (UTC)', 'Time of the record; NULL: it has none'),
  ('rate_limits', 'recorded_at', 'time (UTC)', 'Time of the record'),
  ('rate_limits', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('thread_tokens', 'thread_id', 'id', 'Thread, a conversation'),
  ('thread_tokens', 'responses', 'count', 'Model responses'),
  ('thread_tokens', 'input_tokens', 'tokens', 'Input, cached input included'),
  ('thread_tokens', 'cached_input_tokens', 'tokens', 'Input that the provider had cached; part of input_tokens'),
  ('thread_tokens', 'output_tokens', 'tokens', 'Output, reasoning included'),
  ('thread_tokens', 'reasoning_output_tokens', 'tokens', 'Reasoning; part of output_tokens'),
  ('thread_tokens', 'total_tokens', 'tokens', 'Input and output'),
  ('token_days', 'day', 'text', 'Day in UTC, as 2026-01-05; NULL: no time is known'),
  ('token_days', 'model', 'text', 'Model, as Codex names it; NULL: not told'),
  ('token_days', 'responses', 'count', 'Model responses'),
  ('token_days', 'input_tokens', 'tokens', 'Input, cached input included'),
  ('token_days', 'cached_input_tokens', 'tokens', 'Input that the provider had cached; part of input_tokens'),
  ('token_days', 'output_tokens', 'tokens', 'Output, reasoning included'),
  ('token_days', 'reasoning_output_tokens', 'tokens', 'Reasoning; part of output_tokens'),
  ('token_days', 'total_tokens', 'tokens', 'Input and output'),
  ('lifecycle_events', 'seq', 'count', 'Grows in the order of commits, in PostgreSQL within one source_id; never used again'),
  ('lifecycle_events', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('lifecycle_events', 'thread_id', 'id', 'Thread, a conversation'),
  ('lifecycle_events', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('lifecycle_events', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('lifecycle_events', 'type', 'word', 'thread.started, thread.reverted, turn.completed, ...'),
  ('lifecycle_events', 'payload', 'JSON', 'Details of the event, an object'),
  ('lifecycle_events', 'recorded_at_ms', 'ms since 1970 (UTC)', 'Time of the record; NULL: it has none'),
  ('lifecycle_events', 'recorded_at', 'time (UTC)', 'Time of the record'),
  ('lifecycle_events', 'noted_at_ms', 'ms since 1970 (UTC)', 'When it was first written here'),
  ('lifecycle_events', 'noted_at', 'time (UTC)', 'When it was first written here'),
  ('lifecycle_events', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('changes', 'seq', 'count', 'Grows in the order of commits, in PostgreSQL within one source_id; never used again'),
  ('changes', 'kind', 'word', 'Kind of the row: turn, item, realtime, thread or event'),
  ('changes', 'op', 'word', 'insert, update or tombstone'),
  ('changes', 'thread_id', 'id', 'Thread, a conversation'),
  ('changes', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('changes', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('changes', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('changes', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('changes', 'type', 'word', 'Type of the item or event; NULL: a turn or thread'),
  ('changes', 'committed_at_ms', 'ms since 1970 (UTC)', 'When the change was committed'),
  ('changes', 'committed_at', 'time (UTC)', 'When the change was committed'),
  ('changes', 'cursor', 'cursor', 'seq and the mark of its commit, for `projector events --after`'),
  ('changes', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('anomalies', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('anomalies', 'byte_offset', 'bytes', 'Where the place begins in the uncompressed file'),
  ('anomalies', 'byte_length', 'bytes', 'Length of the place, uncompressed'),
  ('anomalies', 'kind', 'word', 'Kind of the anomaly: see the page on anomalies'),
  ('anomalies', 'detail', 'text', 'What it is; never quotes content'),
  ('anomalies', 'noted_at_ms', 'ms since 1970 (UTC)', 'When it was first written here'),
  ('anomalies', 'noted_at', 'time (UTC)', 'When it was first written here'),
  ('anomalies', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('all_items', 'thread_id', 'id', 'Thread, a conversation'),
  ('all_items', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('all_items', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('all_items', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('all_items', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('all_items', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('all_items', 'type', 'word', 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ...'),
  ('all_items', 'item_json', 'JSON', 'The whole item: a ThreadItem of Codex''s app-server protocol'),
  ('all_items', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('all_items', 'created_at', 'time (UTC)', 'When it was created'),
  ('all_items', 'started_at_ms', 'ms since 1970 (UTC)', 'When it was started; NULL: not told'),
  ('all_items', 'started_at', 'time (UTC)', 'When it was started'),
  ('all_items', 'completed_at_ms', 'ms since 1970 (UTC)', 'When it was completed; NULL: not, or not told'),
  ('all_items', 'completed_at', 'time (UTC)', 'When it was completed'),
  ('all_items', 'ordinal', 'count', 'Number of its first record, as Codex wrote it; NULL in legacy rollouts'),
  ('all_items', 'provenance', 'word', 'How the item came to be: snapshot (Codex''s own), event, response_item (rebuilt from the model''s call)'),
  ('all_items', 'visible', 'yes or no', 'Its own thread shows it'),
  ('all_items', 'tombstone', 'word', 'Why the thread does not show it: replaced, rolled back, dropped, reverted; NULL: it shows it'),
  ('all_items', 'escaped', 'yes or no', 'Holds text that PostgreSQL cannot, with escapes in its place'),
  ('all_items', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('all_turns', 'thread_id', 'id', 'Thread, a conversation'),
  ('all_turns', 'rollout_id', 'id', 'Rollout, the file that holds it'),
  ('all_turns', 'position', 'count', 'Sorts the history of a thread; a stable cursor for paging'),
  ('all_turns', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('all_turns', 'uid', 'UUID', 'Follows from the data alone: the same in every database, after every rebuild'),
  ('all_turns', 'status', 'word', 'inProgress, completed, failed or interrupted'),
  ('all_turns', 'error_json', 'JSON', 'Error that ended the turn, as in Codex''s app-server protocol'),
  ('all_turns', 'started_at', 's since 1970 (UTC)', 'When the turn started; NULL: not told'),
  ('all_turns', 'started_time', 'time (UTC)', '`started_at` as a time'),
  ('all_turns', 'completed_at', 's since 1970 (UTC)', 'When the turn ended; NULL: not yet, or not told'),
  ('all_turns', 'completed_time', 'time (UTC)', '`completed_at` as a time'),
  ('all_turns', 'duration_ms', 'ms', 'How long it took; NULL: not ended, or not told'),
  ('all_turns', 'model', 'text', 'Model, as Codex names it; NULL: not told'),
  ('all_turns', 'ordinal', 'count', 'Number of its first record, as Codex wrote it; NULL in legacy rollouts'),
  ('all_turns', 'visible', 'yes or no', 'Its own thread shows it'),
  ('all_turns', 'tombstone', 'word', 'Why the thread does not show it: replaced, rolled back, dropped, reverted; NULL: it shows it'),
  ('all_turns', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('sources', 'source_id', 'UUID', 'Installation whose rows these are: one a host; see `sources`'),
  ('sources', 'name', 'text', 'Name of the source: [source] name, or the host''s'),
  ('sources', 'host', 'text', 'Name of the host whose rows these are'),
  ('sources', 'since_ms', 'ms since 1970 (UTC)', 'When it first wrote'),
  ('sources', 'since', 'time (UTC)', 'When it first wrote'),
  ('columns', 'view_name', 'text', 'View'),
  ('columns', 'column_name', 'text', 'Column of the view'),
  ('columns', 'unit', 'word', 'Unit or kind of its values; empty: none'),
  ('columns', 'meaning', 'text', 'What it means'),
  ('codex_thread_items', 'thread_id', 'id', 'Rollout, which Codex''s database calls a thread'),
  ('codex_thread_items', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('codex_thread_items', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('codex_thread_items', 'rollout_ordinal', 'count', 'Number of the item''s first record'),
  ('codex_thread_items', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('codex_thread_items', 'item_json', 'JSON', 'The whole item: a ThreadItem of Codex''s app-server protocol'),
  ('codex_thread_items', 'item_type', 'word', 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ...'),
  ('codex_thread_items', 'updated_at_ordinal', 'count', 'Number of the item''s last record'),
  ('codex_thread_items', 'started_at_ms', 'ms since 1970 (UTC)', 'When it was started; NULL: not told'),
  ('codex_thread_items', 'completed_at_ms', 'ms since 1970 (UTC)', 'When it was completed; NULL: not, or not told'),
  ('codex_thread_turns', 'thread_id', 'id', 'Rollout, which Codex''s database calls a thread'),
  ('codex_thread_turns', 'turn_id', 'id', 'Turn: a request of the user and all that came of it'),
  ('codex_thread_turns', 'rollout_ordinal', 'count', 'Number of the turn''s first record'),
  ('codex_thread_turns', 'status', 'word', 'inProgress, completed, failed or interrupted'),
  ('codex_thread_turns', 'error_json', 'JSON', 'Error that ended the turn, as in Codex''s app-server protocol'),
  ('codex_thread_turns', 'started_at', 's since 1970 (UTC)', 'When the turn started; NULL: not told'),
  ('codex_thread_turns', 'completed_at', 's since 1970 (UTC)', 'When the turn ended; NULL: not yet, or not told'),
  ('codex_thread_turns', 'duration_ms', 'ms', 'How long it took; NULL: not ended, or not told'),
  ('codex_thread_turns', 'first_user_item_id', 'id', 'Item with the user''s first message of the turn'),
  ('codex_thread_turns', 'final_agent_item_id', 'id', 'Item with the agent''s last answer of the turn'),
  ('codex_thread_turns', 'rollout_byte_offset', 'bytes', 'Where the turn''s first record begins'),
  ('codex_thread_turns', 'rollout_end_ordinal', 'count', 'Number of the record that ended the turn'),
  ('codex_thread_turns', 'rollout_end_byte_offset', 'bytes', 'End of the record that ended the turn'),
  ('codex_thread_turns', 'root_turn_id', 'id', 'Turn that this one is part of, as Codex wrote it: of a review or a sub-agent, the one that began it'),
  ('codex_thread_realtime_items', 'thread_id', 'id', 'Rollout, which Codex''s database calls a thread'),
  ('codex_thread_realtime_items', 'item_id', 'id', 'Item, as Codex names it; unique within its turn only'),
  ('codex_thread_realtime_items', 'rollout_ordinal', 'count', 'Number of the item''s record'),
  ('codex_thread_realtime_items', 'created_at_ms', 'ms since 1970 (UTC)', 'When it was created: time of its first record'),
  ('codex_thread_realtime_items', 'item_type', 'word', 'Type of the realtime item'),
  ('codex_thread_realtime_items', 'item_json', 'JSON', 'The item, as Codex has it'),
  ('codex_projection_state', 'thread_id', 'id', 'Rollout, which Codex''s database calls a thread'),
  ('codex_projection_state', 'next_rollout_byte_offset', 'bytes', 'Where the next record begins'),
  ('codex_projection_state', 'next_rollout_ordinal', 'count', 'One more than the greatest number read')) AS c (view_name, column_name, unit, meaning);

COMMENT ON VIEW threads IS 'Conversations, one row each: what is known of the visible history';
COMMENT ON VIEW thread_history IS 'Items of each thread''s visible history, through forks and reverts';
COMMENT ON VIEW thread_turn_history IS 'Turns of each thread''s visible history, each with its own tokens: not to be added up over threads, for a fork repeats its base''s';
COMMENT ON VIEW messages IS 'What users and agents said, in visible histories';
COMMENT ON VIEW commands IS 'Commands that were run, in visible histories';
COMMENT ON VIEW file_changes IS 'Files that were changed, in visible histories: a row per file and change';
COMMENT ON VIEW tool_calls IS 'Tools that were called, in visible histories: of MCP servers, of clients, and those that work with other agents';
COMMENT ON VIEW search IS 'Full-text search over items of visible histories: see the page on search';
COMMENT ON VIEW token_usage IS 'What each model response used, counted once; reverted responses included';
COMMENT ON VIEW token_costs IS 'token_usage by API list price, as it was at the response''s time for as much input: not a bill';
COMMENT ON VIEW rate_limits IS 'Windows of usage limits as Codex reported them: a row when one changed in a thread';
COMMENT ON VIEW thread_tokens IS 'Sums of token_usage by thread, of its own responses';
COMMENT ON VIEW token_days IS 'Sums of token_usage by day and model';
COMMENT ON VIEW lifecycle_events IS 'What happened to threads and turns, in the order of commits';
COMMENT ON VIEW changes IS 'The change feed: every change of a row, once, in the order of commits';
COMMENT ON VIEW anomalies IS 'Places in rollouts that could not be read as written';
COMMENT ON VIEW all_items IS 'Every item that was ever written; tombstone says why it is not shown any more';
COMMENT ON VIEW all_turns IS 'Every turn that was ever written; tombstone says why it is not shown any more';
COMMENT ON VIEW sources IS 'Installations that write to this server, one a host';
COMMENT ON VIEW columns IS 'The data dictionary: what every column of every view means';
COMMENT ON VIEW codex_thread_items IS 'Living items of paginated rollouts, as Codex''s own database has them';
COMMENT ON VIEW codex_thread_turns IS 'Living turns of paginated rollouts, as Codex''s own database has them';
COMMENT ON VIEW codex_thread_realtime_items IS 'Realtime items (voice), as Codex''s own database has them';
COMMENT ON VIEW codex_projection_state IS 'How far paginated rollouts are projected, as Codex''s own database has it';
COMMENT ON COLUMN threads.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN threads.name IS 'Name that the user or Codex gave it; NULL: none [text]';
COMMENT ON COLUMN threads.preview IS 'First message of the user, else the first goal [text]';
COMMENT ON COLUMN threads.cwd IS 'Folder that it works in [text]';
COMMENT ON COLUMN threads.model IS 'Model, as Codex names it; NULL: not told [text]';
COMMENT ON COLUMN threads.model_provider IS 'Provider of the model, as in Codex''s configuration: openai, ollama, ... [text]';
COMMENT ON COLUMN threads.reasoning_effort IS 'Reasoning effort last used: low, medium, high, ... [word]';
COMMENT ON COLUMN threads.source IS 'Where it comes from: cli, vscode, exec, mcp, custom, internal, subagent, or a word that Codex wrote [word]';
COMMENT ON COLUMN threads.source_kind IS 'Of a sub-agent: thread_spawn, review, compact, ...; of a custom source its name; NULL: source says it all [word]';
COMMENT ON COLUMN threads.source_json IS 'The source as written, in JSON; NULL where it is a word [text]';
COMMENT ON COLUMN threads.thread_source IS 'user or subagent, as newer releases write it [word]';
COMMENT ON COLUMN threads.originator IS 'Client that started it, as codex_cli_rs [text]';
COMMENT ON COLUMN threads.cli_version IS 'Release of Codex that wrote it [text]';
COMMENT ON COLUMN threads.history_mode IS 'Form of its rollout: paginated or legacy [word]';
COMMENT ON COLUMN threads.parent_thread_id IS 'Thread that started this one as its sub-agent [id]';
COMMENT ON COLUMN threads.forked_from_id IS 'Thread that it was forked from [id]';
COMMENT ON COLUMN threads.agent_nickname IS 'Name of the sub-agent [text]';
COMMENT ON COLUMN threads.agent_role IS 'Role of the sub-agent [text]';
COMMENT ON COLUMN threads.agent_path IS 'Path of the sub-agent in the tree of agents, as /root/tests [text]';
COMMENT ON COLUMN threads.agent_depth IS 'Agents above and including this one; 1: the user''s thread started it [count]';
COMMENT ON COLUMN threads.attached IS 'Its base is context for the model only, and is not shown [yes or no]';
COMMENT ON COLUMN threads.archived IS 'The current rollout is among the archived ones [yes or no]';
COMMENT ON COLUMN threads.deleted IS 'No rollout of the thread is on disk any more [yes or no]';
COMMENT ON COLUMN threads.incomplete IS 'A rollout that it continues is missing [yes or no]';
COMMENT ON COLUMN threads.created_at_ms IS 'When the thread was started [ms since 1970 (UTC)]';
COMMENT ON COLUMN threads.created_at IS 'When the thread was started [time (UTC)]';
COMMENT ON COLUMN threads.updated_at_ms IS 'Time of its last record [ms since 1970 (UTC)]';
COMMENT ON COLUMN threads.updated_at IS 'Time of its last record [time (UTC)]';
COMMENT ON COLUMN threads.last_turn_at_ms IS 'When its last turn started [ms since 1970 (UTC)]';
COMMENT ON COLUMN threads.last_turn_at IS 'When its last turn started [time (UTC)]';
COMMENT ON COLUMN threads.turn_count IS 'Visible turns, and those known only by an abort [count]';
COMMENT ON COLUMN threads.item_count IS 'Visible items [count]';
COMMENT ON COLUMN threads.total_tokens IS 'Sum of its own token_usage, reverted responses included [tokens]';
COMMENT ON COLUMN threads.reported_total_tokens IS 'Total that Codex reported last [tokens]';
COMMENT ON COLUMN threads.git_branch IS 'Branch of the folder when it began [text]';
COMMENT ON COLUMN threads.git_sha IS 'Commit of the folder when it began [text]';
COMMENT ON COLUMN threads.git_origin_url IS 'URL of the repository''s remote `origin` [text]';
COMMENT ON COLUMN threads.rollout_id IS 'The current rollout [id]';
COMMENT ON COLUMN threads.path IS 'Path of the current rollout [text]';
COMMENT ON COLUMN threads.host IS 'Name of the host whose rows these are [text]';
COMMENT ON COLUMN threads.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN thread_history.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN thread_history.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN thread_history.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN thread_history.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN thread_history.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN thread_history.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN thread_history.type IS 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ... [word]';
COMMENT ON COLUMN thread_history.item_json IS 'The whole item: a ThreadItem of Codex''s app-server protocol [JSON]';
COMMENT ON COLUMN thread_history.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN thread_history.created_at IS 'When it was created [time (UTC)]';
COMMENT ON COLUMN thread_history.started_at_ms IS 'When it was started; NULL: not told [ms since 1970 (UTC)]';
COMMENT ON COLUMN thread_history.started_at IS 'When it was started [time (UTC)]';
COMMENT ON COLUMN thread_history.completed_at_ms IS 'When it was completed; NULL: not, or not told [ms since 1970 (UTC)]';
COMMENT ON COLUMN thread_history.completed_at IS 'When it was completed [time (UTC)]';
COMMENT ON COLUMN thread_history.ordinal IS 'Number of its first record, as Codex wrote it; NULL in legacy rollouts [count]';
COMMENT ON COLUMN thread_history.provenance IS 'How the item came to be: snapshot (Codex''s own), event, response_item (rebuilt from the model''s call) [word]';
COMMENT ON COLUMN thread_history.inherited IS 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads [yes or no]';
COMMENT ON COLUMN thread_history.escaped IS 'Holds text that PostgreSQL cannot, with escapes in its place [yes or no]';
COMMENT ON COLUMN thread_history.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN thread_turn_history.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN thread_turn_history.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN thread_turn_history.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN thread_turn_history.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN thread_turn_history.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN thread_turn_history.status IS 'inProgress, completed, failed or interrupted [word]';
COMMENT ON COLUMN thread_turn_history.error_json IS 'Error that ended the turn, as in Codex''s app-server protocol [JSON]';
COMMENT ON COLUMN thread_turn_history.started_at IS 'When the turn started; NULL: not told [s since 1970 (UTC)]';
COMMENT ON COLUMN thread_turn_history.started_time IS '`started_at` as a time [time (UTC)]';
COMMENT ON COLUMN thread_turn_history.completed_at IS 'When the turn ended; NULL: not yet, or not told [s since 1970 (UTC)]';
COMMENT ON COLUMN thread_turn_history.completed_time IS '`completed_at` as a time [time (UTC)]';
COMMENT ON COLUMN thread_turn_history.duration_ms IS 'How long it took; NULL: not ended, or not told [ms]';
COMMENT ON COLUMN thread_turn_history.model IS 'Model, as Codex names it; NULL: not told [text]';
COMMENT ON COLUMN thread_turn_history.input_tokens IS 'Input, cached input included [tokens]';
COMMENT ON COLUMN thread_turn_history.cached_input_tokens IS 'Input that the provider had cached; part of input_tokens [tokens]';
COMMENT ON COLUMN thread_turn_history.output_tokens IS 'Output, reasoning included [tokens]';
COMMENT ON COLUMN thread_turn_history.reasoning_output_tokens IS 'Reasoning; part of output_tokens [tokens]';
COMMENT ON COLUMN thread_turn_history.total_tokens IS 'Input and output [tokens]';
COMMENT ON COLUMN thread_turn_history.first_user_item_id IS 'Item with the user''s first message of the turn [id]';
COMMENT ON COLUMN thread_turn_history.final_agent_item_id IS 'Item with the agent''s last answer of the turn [id]';
COMMENT ON COLUMN thread_turn_history.root_turn_id IS 'Turn that this one is part of, as Codex wrote it: of a review or a sub-agent, the one that began it [id]';
COMMENT ON COLUMN thread_turn_history.ordinal IS 'Number of its first record, as Codex wrote it; NULL in legacy rollouts [count]';
COMMENT ON COLUMN thread_turn_history.end_position IS 'Items of the turn with a lower position came before its end [count]';
COMMENT ON COLUMN thread_turn_history.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN messages.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN messages.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN messages.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN messages.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN messages.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN messages.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN messages.role IS 'user or assistant [word]';
COMMENT ON COLUMN messages.text IS 'The message; of a user''s, its text parts joined [text]';
COMMENT ON COLUMN messages.phase IS 'Of an agent''s message: commentary, partial_answer, final_answer or NULL [word]';
COMMENT ON COLUMN messages.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN messages.created_at IS 'When it was created [time (UTC)]';
COMMENT ON COLUMN messages.inherited IS 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads [yes or no]';
COMMENT ON COLUMN messages.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN commands.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN commands.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN commands.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN commands.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN commands.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN commands.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN commands.command IS 'The command line [text]';
COMMENT ON COLUMN commands.cwd IS 'Folder that it was run in [text]';
COMMENT ON COLUMN commands.source IS 'Who had it run: agent, userShell, ... [word]';
COMMENT ON COLUMN commands.status IS 'inProgress, completed, failed or declined [word]';
COMMENT ON COLUMN commands.exit_code IS 'Exit code; NULL: not told [count]';
COMMENT ON COLUMN commands.duration_ms IS 'How long it took; NULL: not ended, or not told [ms]';
COMMENT ON COLUMN commands.output IS 'What it printed; NULL: nothing [text]';
COMMENT ON COLUMN commands.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN commands.created_at IS 'When it was created [time (UTC)]';
COMMENT ON COLUMN commands.inherited IS 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads [yes or no]';
COMMENT ON COLUMN commands.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN file_changes.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN file_changes.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN file_changes.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN file_changes.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN file_changes.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN file_changes.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN file_changes.path IS 'Path of the file [text]';
COMMENT ON COLUMN file_changes.kind IS 'add, delete or update [word]';
COMMENT ON COLUMN file_changes.move_path IS 'Where an update moved the file [text]';
COMMENT ON COLUMN file_changes.diff IS 'Content of an added or deleted file, else a unified diff [text]';
COMMENT ON COLUMN file_changes.status IS 'inProgress, completed, failed or declined [word]';
COMMENT ON COLUMN file_changes.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN file_changes.created_at IS 'When it was created [time (UTC)]';
COMMENT ON COLUMN file_changes.inherited IS 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads [yes or no]';
COMMENT ON COLUMN file_changes.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN tool_calls.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN tool_calls.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN tool_calls.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN tool_calls.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN tool_calls.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN tool_calls.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN tool_calls.type IS 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ... [word]';
COMMENT ON COLUMN tool_calls.server IS 'MCP server, or namespace of a client''s tool [text]';
COMMENT ON COLUMN tool_calls.tool IS 'Name of the tool [text]';
COMMENT ON COLUMN tool_calls.arguments IS 'Arguments; of a tool for agents, the prompt [JSON]';
COMMENT ON COLUMN tool_calls.result IS 'Result; of a tool for agents, their states [JSON]';
COMMENT ON COLUMN tool_calls.error IS 'Message of the error; NULL: none [text]';
COMMENT ON COLUMN tool_calls.status IS 'inProgress, completed or failed [word]';
COMMENT ON COLUMN tool_calls.duration_ms IS 'How long it took; NULL: not ended, or not told [ms]';
COMMENT ON COLUMN tool_calls.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN tool_calls.created_at IS 'When it was created [time (UTC)]';
COMMENT ON COLUMN tool_calls.inherited IS 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads [yes or no]';
COMMENT ON COLUMN tool_calls.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN search.search IS 'What words are looked for in: MATCH in SQLite, @@ in PostgreSQL';
COMMENT ON COLUMN search.rank IS 'The lower, the better; 0 in PostgreSQL, where ts_rank gives it';
COMMENT ON COLUMN search.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN search.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN search.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN search.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN search.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN search.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN search.type IS 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ... [word]';
COMMENT ON COLUMN search.item_json IS 'The whole item: a ThreadItem of Codex''s app-server protocol [JSON]';
COMMENT ON COLUMN search.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN search.created_at IS 'When it was created [time (UTC)]';
COMMENT ON COLUMN search.inherited IS 'The thread shows it, but another one''s rollout holds it: leave it out when counting over several threads [yes or no]';
COMMENT ON COLUMN search.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN token_usage.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN token_usage.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN token_usage.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN token_usage.ordinal IS 'Number of its first record, as Codex wrote it; NULL in legacy rollouts [count]';
COMMENT ON COLUMN token_usage.model IS 'Model, as Codex names it; NULL: not told [text]';
COMMENT ON COLUMN token_usage.model_provider IS 'Provider of the model, as in Codex''s configuration: openai, ollama, ... [text]';
COMMENT ON COLUMN token_usage.input_tokens IS 'Input, cached input included [tokens]';
COMMENT ON COLUMN token_usage.cached_input_tokens IS 'Input that the provider had cached; part of input_tokens [tokens]';
COMMENT ON COLUMN token_usage.cache_write_input_tokens IS 'Input written to the provider''s cache; part of input_tokens; NULL: not told [tokens]';
COMMENT ON COLUMN token_usage.output_tokens IS 'Output, reasoning included [tokens]';
COMMENT ON COLUMN token_usage.reasoning_output_tokens IS 'Reasoning; part of output_tokens [tokens]';
COMMENT ON COLUMN token_usage.total_tokens IS 'Input and output [tokens]';
COMMENT ON COLUMN token_usage.service_tier IS 'Service tier of the response, as told: flex, priority, ...; NULL: not told [word]';
COMMENT ON COLUMN token_usage.recorded_at_ms IS 'Time of the record; NULL: it has none [ms since 1970 (UTC)]';
COMMENT ON COLUMN token_usage.recorded_at IS 'Time of the record [time (UTC)]';
COMMENT ON COLUMN token_usage.response_id IS 'The provider''s id of the response; NULL: not told [id]';
COMMENT ON COLUMN token_usage.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN token_usage.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN token_costs.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN token_costs.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN token_costs.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN token_costs.ordinal IS 'Number of its first record, as Codex wrote it; NULL in legacy rollouts [count]';
COMMENT ON COLUMN token_costs.model IS 'Model, as Codex names it; NULL: not told [text]';
COMMENT ON COLUMN token_costs.model_provider IS 'Provider of the model, as in Codex''s configuration: openai, ollama, ... [text]';
COMMENT ON COLUMN token_costs.input_tokens IS 'Input, cached input included [tokens]';
COMMENT ON COLUMN token_costs.cached_input_tokens IS 'Input that the provider had cached; part of input_tokens [tokens]';
COMMENT ON COLUMN token_costs.cache_write_input_tokens IS 'Input written to the provider''s cache; part of input_tokens; NULL: not told [tokens]';
COMMENT ON COLUMN token_costs.output_tokens IS 'Output, reasoning included [tokens]';
COMMENT ON COLUMN token_costs.reasoning_output_tokens IS 'Reasoning; part of output_tokens [tokens]';
COMMENT ON COLUMN token_costs.total_tokens IS 'Input and output [tokens]';
COMMENT ON COLUMN token_costs.service_tier IS 'Service tier of the response, as told: flex, priority, ...; NULL: not told [word]';
COMMENT ON COLUMN token_costs.recorded_at_ms IS 'Time of the record; NULL: it has none [ms since 1970 (UTC)]';
COMMENT ON COLUMN token_costs.recorded_at IS 'Time of the record [time (UTC)]';
COMMENT ON COLUMN token_costs.response_id IS 'The provider''s id of the response; NULL: not told [id]';
COMMENT ON COLUMN token_costs.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN token_costs.amount IS 'List price of the response; NULL: no price is known, see `projector help cost` [amount]';
COMMENT ON COLUMN token_costs.currency IS 'Currency of the amount, as USD [word]';
COMMENT ON COLUMN token_costs.price_source IS 'The list and its version, or `settings` for own prices [word]';
COMMENT ON COLUMN token_costs.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN rate_limits.thread_id IS 'Thread that reported it; threads of one account share limits [id]';
COMMENT ON COLUMN rate_limits.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN rate_limits.limit_id IS 'The limit, as Codex names it; NULL: not told [id]';
COMMENT ON COLUMN rate_limits.slot IS 'Which of the limit''s windows: primary or secondary [word]';
COMMENT ON COLUMN rate_limits.window_minutes IS 'Length of the window; NULL: not told [min]';
COMMENT ON COLUMN rate_limits.used_percent IS 'How much of the window was used [percent]';
COMMENT ON COLUMN rate_limits.resets_at_ms IS 'When the window begins anew; NULL: not told [ms since 1970 (UTC)]';
COMMENT ON COLUMN rate_limits.resets_at IS 'When the window begins anew [time (UTC)]';
COMMENT ON COLUMN rate_limits.plan_type IS 'Plan of the account: plus, pro, team, ...; NULL: not told [word]';
COMMENT ON COLUMN rate_limits.recorded_at_ms IS 'Time of the record; NULL: it has none [ms since 1970 (UTC)]';
COMMENT ON COLUMN rate_limits.recorded_at IS 'Time of the record [time (UTC)]';
COMMENT ON COLUMN rate_limits.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN thread_tokens.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN thread_tokens.responses IS 'Model responses [count]';
COMMENT ON COLUMN thread_tokens.input_tokens IS 'Input, cached input included [tokens]';
COMMENT ON COLUMN thread_tokens.cached_input_tokens IS 'Input that the provider had cached; part of input_tokens [tokens]';
COMMENT ON COLUMN thread_tokens.output_tokens IS 'Output, reasoning included [tokens]';
COMMENT ON COLUMN thread_tokens.reasoning_output_tokens IS 'Reasoning; part of output_tokens [tokens]';
COMMENT ON COLUMN thread_tokens.total_tokens IS 'Input and output [tokens]';
COMMENT ON COLUMN token_days.day IS 'Day in UTC, as 2026-01-05; NULL: no time is known [text]';
COMMENT ON COLUMN token_days.model IS 'Model, as Codex names it; NULL: not told [text]';
COMMENT ON COLUMN token_days.responses IS 'Model responses [count]';
COMMENT ON COLUMN token_days.input_tokens IS 'Input, cached input included [tokens]';
COMMENT ON COLUMN token_days.cached_input_tokens IS 'Input that the provider had cached; part of input_tokens [tokens]';
COMMENT ON COLUMN token_days.output_tokens IS 'Output, reasoning included [tokens]';
COMMENT ON COLUMN token_days.reasoning_output_tokens IS 'Reasoning; part of output_tokens [tokens]';
COMMENT ON COLUMN token_days.total_tokens IS 'Input and output [tokens]';
COMMENT ON COLUMN lifecycle_events.seq IS 'Grows in the order of commits, in PostgreSQL within one source_id; never used again [count]';
COMMENT ON COLUMN lifecycle_events.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN lifecycle_events.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN lifecycle_events.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN lifecycle_events.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN lifecycle_events.type IS 'thread.started, thread.reverted, turn.completed, ... [word]';
COMMENT ON COLUMN lifecycle_events.payload IS 'Details of the event, an object [JSON]';
COMMENT ON COLUMN lifecycle_events.recorded_at_ms IS 'Time of the record; NULL: it has none [ms since 1970 (UTC)]';
COMMENT ON COLUMN lifecycle_events.recorded_at IS 'Time of the record [time (UTC)]';
COMMENT ON COLUMN lifecycle_events.noted_at_ms IS 'When it was first written here [ms since 1970 (UTC)]';
COMMENT ON COLUMN lifecycle_events.noted_at IS 'When it was first written here [time (UTC)]';
COMMENT ON COLUMN lifecycle_events.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN changes.seq IS 'Grows in the order of commits, in PostgreSQL within one source_id; never used again [count]';
COMMENT ON COLUMN changes.kind IS 'Kind of the row: turn, item, realtime, thread or event [word]';
COMMENT ON COLUMN changes.op IS 'insert, update or tombstone [word]';
COMMENT ON COLUMN changes.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN changes.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN changes.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN changes.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN changes.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN changes.type IS 'Type of the item or event; NULL: a turn or thread [word]';
COMMENT ON COLUMN changes.committed_at_ms IS 'When the change was committed [ms since 1970 (UTC)]';
COMMENT ON COLUMN changes.committed_at IS 'When the change was committed [time (UTC)]';
COMMENT ON COLUMN changes.cursor IS 'seq and the mark of its commit, for `projector events --after` [cursor]';
COMMENT ON COLUMN changes.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN anomalies.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN anomalies.byte_offset IS 'Where the place begins in the uncompressed file [bytes]';
COMMENT ON COLUMN anomalies.byte_length IS 'Length of the place, uncompressed [bytes]';
COMMENT ON COLUMN anomalies.kind IS 'Kind of the anomaly: see the page on anomalies [word]';
COMMENT ON COLUMN anomalies.detail IS 'What it is; never quotes content [text]';
COMMENT ON COLUMN anomalies.noted_at_ms IS 'When it was first written here [ms since 1970 (UTC)]';
COMMENT ON COLUMN anomalies.noted_at IS 'When it was first written here [time (UTC)]';
COMMENT ON COLUMN anomalies.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN all_items.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN all_items.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN all_items.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN all_items.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN all_items.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN all_items.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN all_items.type IS 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ... [word]';
COMMENT ON COLUMN all_items.item_json IS 'The whole item: a ThreadItem of Codex''s app-server protocol [JSON]';
COMMENT ON COLUMN all_items.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN all_items.created_at IS 'When it was created [time (UTC)]';
COMMENT ON COLUMN all_items.started_at_ms IS 'When it was started; NULL: not told [ms since 1970 (UTC)]';
COMMENT ON COLUMN all_items.started_at IS 'When it was started [time (UTC)]';
COMMENT ON COLUMN all_items.completed_at_ms IS 'When it was completed; NULL: not, or not told [ms since 1970 (UTC)]';
COMMENT ON COLUMN all_items.completed_at IS 'When it was completed [time (UTC)]';
COMMENT ON COLUMN all_items.ordinal IS 'Number of its first record, as Codex wrote it; NULL in legacy rollouts [count]';
COMMENT ON COLUMN all_items.provenance IS 'How the item came to be: snapshot (Codex''s own), event, response_item (rebuilt from the model''s call) [word]';
COMMENT ON COLUMN all_items.visible IS 'Its own thread shows it [yes or no]';
COMMENT ON COLUMN all_items.tombstone IS 'Why the thread does not show it: replaced, rolled back, dropped, reverted; NULL: it shows it [word]';
COMMENT ON COLUMN all_items.escaped IS 'Holds text that PostgreSQL cannot, with escapes in its place [yes or no]';
COMMENT ON COLUMN all_items.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN all_turns.thread_id IS 'Thread, a conversation [id]';
COMMENT ON COLUMN all_turns.rollout_id IS 'Rollout, the file that holds it [id]';
COMMENT ON COLUMN all_turns.position IS 'Sorts the history of a thread; a stable cursor for paging [count]';
COMMENT ON COLUMN all_turns.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN all_turns.uid IS 'Follows from the data alone: the same in every database, after every rebuild [UUID]';
COMMENT ON COLUMN all_turns.status IS 'inProgress, completed, failed or interrupted [word]';
COMMENT ON COLUMN all_turns.error_json IS 'Error that ended the turn, as in Codex''s app-server protocol [JSON]';
COMMENT ON COLUMN all_turns.started_at IS 'When the turn started; NULL: not told [s since 1970 (UTC)]';
COMMENT ON COLUMN all_turns.started_time IS '`started_at` as a time [time (UTC)]';
COMMENT ON COLUMN all_turns.completed_at IS 'When the turn ended; NULL: not yet, or not told [s since 1970 (UTC)]';
COMMENT ON COLUMN all_turns.completed_time IS '`completed_at` as a time [time (UTC)]';
COMMENT ON COLUMN all_turns.duration_ms IS 'How long it took; NULL: not ended, or not told [ms]';
COMMENT ON COLUMN all_turns.model IS 'Model, as Codex names it; NULL: not told [text]';
COMMENT ON COLUMN all_turns.ordinal IS 'Number of its first record, as Codex wrote it; NULL in legacy rollouts [count]';
COMMENT ON COLUMN all_turns.visible IS 'Its own thread shows it [yes or no]';
COMMENT ON COLUMN all_turns.tombstone IS 'Why the thread does not show it: replaced, rolled back, dropped, reverted; NULL: it shows it [word]';
COMMENT ON COLUMN all_turns.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN sources.source_id IS 'Installation whose rows these are: one a host; see `sources` [UUID]';
COMMENT ON COLUMN sources.name IS 'Name of the source: [source] name, or the host''s [text]';
COMMENT ON COLUMN sources.host IS 'Name of the host whose rows these are [text]';
COMMENT ON COLUMN sources.since_ms IS 'When it first wrote [ms since 1970 (UTC)]';
COMMENT ON COLUMN sources.since IS 'When it first wrote [time (UTC)]';
COMMENT ON COLUMN columns.view_name IS 'View [text]';
COMMENT ON COLUMN columns.column_name IS 'Column of the view [text]';
COMMENT ON COLUMN columns.unit IS 'Unit or kind of its values; empty: none [word]';
COMMENT ON COLUMN columns.meaning IS 'What it means [text]';
COMMENT ON COLUMN codex_thread_items.thread_id IS 'Rollout, which Codex''s database calls a thread [id]';
COMMENT ON COLUMN codex_thread_items.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN codex_thread_items.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN codex_thread_items.rollout_ordinal IS 'Number of the item''s first record [count]';
COMMENT ON COLUMN codex_thread_items.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN codex_thread_items.item_json IS 'The whole item: a ThreadItem of Codex''s app-server protocol [JSON]';
COMMENT ON COLUMN codex_thread_items.item_type IS 'Type of the item, as in Codex''s app-server protocol: userMessage, commandExecution, ... [word]';
COMMENT ON COLUMN codex_thread_items.updated_at_ordinal IS 'Number of the item''s last record [count]';
COMMENT ON COLUMN codex_thread_items.started_at_ms IS 'When it was started; NULL: not told [ms since 1970 (UTC)]';
COMMENT ON COLUMN codex_thread_items.completed_at_ms IS 'When it was completed; NULL: not, or not told [ms since 1970 (UTC)]';
COMMENT ON COLUMN codex_thread_turns.thread_id IS 'Rollout, which Codex''s database calls a thread [id]';
COMMENT ON COLUMN codex_thread_turns.turn_id IS 'Turn: a request of the user and all that came of it [id]';
COMMENT ON COLUMN codex_thread_turns.rollout_ordinal IS 'Number of the turn''s first record [count]';
COMMENT ON COLUMN codex_thread_turns.status IS 'inProgress, completed, failed or interrupted [word]';
COMMENT ON COLUMN codex_thread_turns.error_json IS 'Error that ended the turn, as in Codex''s app-server protocol [JSON]';
COMMENT ON COLUMN codex_thread_turns.started_at IS 'When the turn started; NULL: not told [s since 1970 (UTC)]';
COMMENT ON COLUMN codex_thread_turns.completed_at IS 'When the turn ended; NULL: not yet, or not told [s since 1970 (UTC)]';
COMMENT ON COLUMN codex_thread_turns.duration_ms IS 'How long it took; NULL: not ended, or not told [ms]';
COMMENT ON COLUMN codex_thread_turns.first_user_item_id IS 'Item with the user''s first message of the turn [id]';
COMMENT ON COLUMN codex_thread_turns.final_agent_item_id IS 'Item with the agent''s last answer of the turn [id]';
COMMENT ON COLUMN codex_thread_turns.rollout_byte_offset IS 'Where the turn''s first record begins [bytes]';
COMMENT ON COLUMN codex_thread_turns.rollout_end_ordinal IS 'Number of the record that ended the turn [count]';
COMMENT ON COLUMN codex_thread_turns.rollout_end_byte_offset IS 'End of the record that ended the turn [bytes]';
COMMENT ON COLUMN codex_thread_turns.root_turn_id IS 'Turn that this one is part of, as Codex wrote it: of a review or a sub-agent, the one that began it [id]';
COMMENT ON COLUMN codex_thread_realtime_items.thread_id IS 'Rollout, which Codex''s database calls a thread [id]';
COMMENT ON COLUMN codex_thread_realtime_items.item_id IS 'Item, as Codex names it; unique within its turn only [id]';
COMMENT ON COLUMN codex_thread_realtime_items.rollout_ordinal IS 'Number of the item''s record [count]';
COMMENT ON COLUMN codex_thread_realtime_items.created_at_ms IS 'When it was created: time of its first record [ms since 1970 (UTC)]';
COMMENT ON COLUMN codex_thread_realtime_items.item_type IS 'Type of the realtime item [word]';
COMMENT ON COLUMN codex_thread_realtime_items.item_json IS 'The item, as Codex has it [JSON]';
COMMENT ON COLUMN codex_projection_state.thread_id IS 'Rollout, which Codex''s database calls a thread [id]';
COMMENT ON COLUMN codex_projection_state.next_rollout_byte_offset IS 'Where the next record begins [bytes]';
COMMENT ON COLUMN codex_projection_state.next_rollout_ordinal IS 'One more than the greatest number read [count]';
