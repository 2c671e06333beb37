# ruff: noqa: E501 - a table
"""What the public views mean: the one place that describes every view and column.

The data dictionary (`docs/dictionary.md`), the view `columns` and PostgreSQL's comments are made
from it (`python -m tests.support.docs`). Pure, and imported by no command.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Unit = Literal[
    "",
    "amount",
    "bytes",
    "count",
    "cursor",
    "id",
    "JSON",
    "min",
    "ms",
    "ms since 1970 (UTC)",
    "percent",
    "s since 1970 (UTC)",
    "text",
    "time (UTC)",
    "tokens",
    "UUID",
    "word",
    "yes or no",
]
#: What the units are, where that is not plain.
UNITS: Final[dict[Unit, str]] = {
    "amount": "a floating-point number, in `currency`",
    "JSON": "text in SQLite, json in PostgreSQL",
    "ms": "a duration in milliseconds",
    "time (UTC)": "text in ISO 8601 in SQLite, as 2026-01-05T09:00:32.123Z; timestamptz in"
    " PostgreSQL; NULL outside of the years 1 to 9999",
    "word": "a text that is one of a few",
    "yes or no": "1 or 0 in SQLite, boolean in PostgreSQL",
}


class Column(NamedTuple):
    """Unit and meaning of a column."""

    unit: Unit
    meaning: str


class View(NamedTuple):
    """Meaning of a view, and its columns in their order."""

    meaning: str
    columns: dict[str, Column]
    engines: tuple[str, ...] = ("sqlite", "postgres")


#: Columns that mean the same wherever they are.
_COMMON: Final[dict[str, Column]] = {
    "agent_depth": Column("count", "Agents above and including this one; 1: the user's thread started it"),
    "archived": Column("yes or no", "The current rollout is among the archived ones"),
    "byte_length": Column("bytes", "Length of the place, uncompressed"),
    "byte_offset": Column("bytes", "Where the place begins in the uncompressed file"),
    "cached_input_tokens": Column("tokens", "Input that the provider had cached; part of input_tokens"),
    "cache_write_input_tokens": Column("tokens", "Input written to the provider's cache; part of input_tokens; NULL: not told"),
    "completed_at": Column("time (UTC)", "When it was completed"),
    "completed_at_ms": Column("ms since 1970 (UTC)", "When it was completed; NULL: not, or not told"),
    "created_at": Column("time (UTC)", "When it was created"),
    "created_at_ms": Column("ms since 1970 (UTC)", "When it was created: time of its first record"),
    "cwd": Column("text", "Working directory"),
    "day": Column("text", "Day in UTC, as 2026-01-05; NULL: no time is known"),
    "deleted": Column("yes or no", "No rollout of the thread is on disk any more"),
    "duration_ms": Column("ms", "How long it took; NULL: not ended, or not told"),
    "error_json": Column("JSON", "Error that ended the turn, as in Codex's app-server protocol"),
    "escaped": Column("yes or no", "Holds text that PostgreSQL cannot, with escapes in its place"),
    "final_agent_item_id": Column("id", "Item with the agent's last answer of the turn"),
    "first_user_item_id": Column("id", "Item with the user's first message of the turn"),
    "host": Column("text", "Name of the host whose rows these are"),
    "inherited": Column("yes or no", "The thread shows it, but another one's rollout holds it: leave it out when counting over several threads"),
    "input_tokens": Column("tokens", "Input, cached input included"),
    "item_id": Column("id", "Item, as Codex names it; unique within its turn only"),
    "item_json": Column("JSON", "The whole item: a ThreadItem of Codex's app-server protocol"),
    "model": Column("text", "Model, as Codex names it; NULL: not told"),
    "model_provider": Column("text", "Provider of the model, as in Codex's configuration: openai, ollama, ..."),
    "noted_at": Column("time (UTC)", "When it was first written here"),
    "noted_at_ms": Column("ms since 1970 (UTC)", "When it was first written here"),
    "ordinal": Column("count", "Number of its first record, as Codex wrote it; NULL in legacy rollouts"),
    "output_tokens": Column("tokens", "Output, reasoning included"),
    "parent_thread_id": Column("id", "Thread that started this one as its sub-agent"),
    "position": Column("count", "Sorts the history of a thread; a stable cursor for paging"),
    "provenance": Column("word", "How the item came to be: snapshot (Codex's own), event, response_item (rebuilt from the model's call)"),
    "reasoning_output_tokens": Column("tokens", "Reasoning; part of output_tokens"),
    "recorded_at": Column("time (UTC)", "Time of the record"),
    "recorded_at_ms": Column("ms since 1970 (UTC)", "Time of the record; NULL: it has none"),
    "response_id": Column("id", "The provider's id of the response; NULL: not told"),
    "responses": Column("count", "Model responses"),
    "rollout_id": Column("id", "Rollout, the file that holds it"),
    "root_turn_id": Column("id", "Turn that this one is part of, as Codex wrote it: of a review or a sub-agent, the one that began it"),
    "seq": Column("count", "Grows in the order of commits, in PostgreSQL within one source_id; never used again"),
    "service_tier": Column("word", "Service tier of the response, as told: flex, priority, ...; NULL: not told"),
    "source_id": Column("UUID", "Installation whose rows these are: one a host; see `sources`"),
    "started_at": Column("time (UTC)", "When it was started"),
    "started_at_ms": Column("ms since 1970 (UTC)", "When it was started; NULL: not told"),
    "thread_id": Column("id", "Thread, a conversation"),
    "tombstone": Column("word", "Why the thread does not show it: replaced, rolled back, dropped, reverted; NULL: it shows it"),
    "total_tokens": Column("tokens", "Input and output"),
    "turn_id": Column("id", "Turn: a request of the user and all that came of it"),
    "type": Column("word", "Type of the item, as in Codex's app-server protocol: userMessage, commandExecution, ..."),
    "uid": Column("UUID", "Follows from the data alone: the same in every database, after every rebuild"),
    "visible": Column("yes or no", "Its own thread shows it"),
}  # fmt: skip


def _columns(names: str, **own: Column) -> dict[str, Column]:
    """Return columns by name: those of the view's own meaning, others as everywhere."""
    return {name: own.get(name) or _COMMON[name] for name in names.split()}


#: Meaning of the rollout's id under Codex's name.
_CODEX_ID: Final = Column("id", "Rollout, which Codex's database calls a thread")
_CODEX_OFFSET: Final = "bytes"
_SECONDS_START: Final = Column("s since 1970 (UTC)", "When the turn started; NULL: not told")
_SECONDS_END: Final = Column(
    "s since 1970 (UTC)", "When the turn ended; NULL: not yet, or not told"
)
_TURN_TIMES: Final = {
    "started_at": _SECONDS_START,
    "started_time": Column("time (UTC)", "`started_at` as a time"),
    "completed_at": _SECONDS_END,
    "completed_time": Column("time (UTC)", "`completed_at` as a time"),
}
_STATUS: Final = Column("word", "inProgress, completed, failed or interrupted")
_USAGE: Final = (
    "thread_id turn_id rollout_id ordinal model model_provider input_tokens cached_input_tokens"
    " cache_write_input_tokens output_tokens reasoning_output_tokens total_tokens service_tier"
    " recorded_at_ms recorded_at response_id uid"
)

#: The views, by name.
VIEWS: Final[dict[str, View]] = {
    "threads": View(
        "Conversations, one row each: what is known of the visible history",
        _columns(
            "thread_id name preview cwd model model_provider reasoning_effort source source_kind"
            " source_json thread_source originator cli_version history_mode parent_thread_id"
            " forked_from_id agent_nickname agent_role agent_path agent_depth attached archived"
            " deleted incomplete created_at_ms created_at updated_at_ms updated_at"
            " last_turn_at_ms last_turn_at turn_count item_count total_tokens"
            " reported_total_tokens git_branch git_sha git_origin_url rollout_id path host"
            " source_id",
            name=Column("text", "Name that the user or Codex gave it; NULL: none"),
            preview=Column("text", "First message of the user, else the first goal"),
            cwd=Column("text", "Folder that it works in"),
            reasoning_effort=Column("word", "Reasoning effort last used: low, medium, high, ..."),
            source=Column("word", "Where it comes from: cli, vscode, exec, mcp, custom, internal, subagent, or a word that Codex wrote"),
            source_kind=Column("word", "Of a sub-agent: thread_spawn, review, compact, ...; of a custom source its name; NULL: source says it all"),
            source_json=Column("text", "The source as written, in JSON; NULL where it is a word"),
            thread_source=Column("word", "user or subagent, as newer releases write it"),
            originator=Column("text", "Client that started it, as codex_cli_rs"),
            cli_version=Column("text", "Release of Codex that wrote it"),
            history_mode=Column("word", "Form of its rollout: paginated or legacy"),
            forked_from_id=Column("id", "Thread that it was forked from"),
            agent_nickname=Column("text", "Name of the sub-agent"),
            agent_role=Column("text", "Role of the sub-agent"),
            agent_path=Column("text", "Path of the sub-agent in the tree of agents, as /root/tests"),
            attached=Column("yes or no", "Its base is context for the model only, and is not shown"),
            incomplete=Column("yes or no", "A rollout that it continues is missing"),
            created_at_ms=Column("ms since 1970 (UTC)", "When the thread was started"),
            created_at=Column("time (UTC)", "When the thread was started"),
            updated_at_ms=Column("ms since 1970 (UTC)", "Time of its last record"),
            updated_at=Column("time (UTC)", "Time of its last record"),
            last_turn_at_ms=Column("ms since 1970 (UTC)", "When its last turn started"),
            last_turn_at=Column("time (UTC)", "When its last turn started"),
            turn_count=Column("count", "Visible turns, and those known only by an abort"),
            item_count=Column("count", "Visible items"),
            total_tokens=Column("tokens", "Sum of its own token_usage, reverted responses included"),
            reported_total_tokens=Column("tokens", "Total that Codex reported last"),
            git_branch=Column("text", "Branch of the folder when it began"),
            git_sha=Column("text", "Commit of the folder when it began"),
            git_origin_url=Column("text", "URL of the repository's remote `origin`"),
            rollout_id=Column("id", "The current rollout"),
            path=Column("text", "Path of the current rollout"),
        ),
    ),
    "thread_history": View(
        "Items of each thread's visible history, through forks and reverts",
        _columns(
            "thread_id position rollout_id turn_id item_id uid type item_json created_at_ms"
            " created_at started_at_ms started_at completed_at_ms completed_at ordinal provenance"
            " inherited escaped source_id"
        ),
    ),
    "thread_turn_history": View(
        "Turns of each thread's visible history, each with its own tokens: not to be added up over"
        " threads, for a fork repeats its base's",
        _columns(
            "thread_id position rollout_id turn_id uid status error_json started_at started_time"
            " completed_at completed_time duration_ms model input_tokens cached_input_tokens"
            " output_tokens reasoning_output_tokens total_tokens first_user_item_id"
            " final_agent_item_id root_turn_id ordinal end_position source_id",
            status=_STATUS,
            end_position=Column("count", "Items of the turn with a lower position came before its end"),
            **_TURN_TIMES,
        ),
    ),
    "messages": View(
        "What users and agents said, in visible histories",
        _columns(
            "thread_id position rollout_id turn_id item_id uid role text phase created_at_ms"
            " created_at inherited source_id",
            role=Column("word", "user or assistant"),
            text=Column("text", "The message; of a user's, its text parts joined"),
            phase=Column("word", "Of an agent's message: commentary, partial_answer, final_answer or NULL"),
        ),
    ),
    "commands": View(
        "Commands that were run, in visible histories",
        _columns(
            "thread_id position rollout_id turn_id item_id uid command cwd source status exit_code"
            " duration_ms output created_at_ms created_at inherited source_id",
            command=Column("text", "The command line"),
            cwd=Column("text", "Folder that it was run in"),
            source=Column("word", "Who had it run: agent, userShell, ..."),
            status=Column("word", "inProgress, completed, failed or declined"),
            exit_code=Column("count", "Exit code; NULL: not told"),
            output=Column("text", "What it printed; NULL: nothing"),
        ),
    ),
    "file_changes": View(
        "Files that were changed, in visible histories: a row per file and change",
        _columns(
            "thread_id position rollout_id turn_id item_id uid path kind move_path diff status"
            " created_at_ms created_at inherited source_id",
            path=Column("text", "Path of the file"),
            kind=Column("word", "add, delete or update"),
            move_path=Column("text", "Where an update moved the file"),
            diff=Column("text", "Content of an added or deleted file, else a unified diff"),
            status=Column("word", "inProgress, completed, failed or declined"),
        ),
    ),
    "tool_calls": View(
        "Tools that were called, in visible histories: of MCP servers, of clients, and those that"
        " work with other agents",
        _columns(
            "thread_id position rollout_id turn_id item_id uid type server tool arguments result"
            " error status duration_ms created_at_ms created_at inherited source_id",
            server=Column("text", "MCP server, or namespace of a client's tool"),
            tool=Column("text", "Name of the tool"),
            arguments=Column("JSON", "Arguments; of a tool for agents, the prompt"),
            result=Column("JSON", "Result; of a tool for agents, their states"),
            error=Column("text", "Message of the error; NULL: none"),
            status=Column("word", "inProgress, completed or failed"),
        ),
    ),
    "search": View(
        "Full-text search over items of visible histories: see the page on search",
        _columns(
            "search rank thread_id position rollout_id turn_id item_id uid type item_json"
            " created_at_ms created_at inherited source_id",
            search=Column("", "What words are looked for in: MATCH in SQLite, @@ in PostgreSQL"),
            rank=Column("", "The lower, the better; 0 in PostgreSQL, where ts_rank gives it"),
        ),
    ),
    "token_usage": View(
        "What each model response used, counted once; reverted responses included",
        _columns(_USAGE + " source_id"),
    ),
    "token_costs": View(
        "token_usage by API list price, as it was at the response's time for as much input: not a bill",
        _columns(
            _USAGE + " amount currency price_source source_id",
            amount=Column("amount", "List price of the response; NULL: no price is known, see `projector help cost`"),
            currency=Column("word", "Currency of the amount, as USD"),
            price_source=Column("word", "The list and its version, or `settings` for own prices"),
        ),
    ),
    "rate_limits": View(
        "Windows of usage limits as Codex reported them: a row when one changed in a thread",
        _columns(
            "thread_id rollout_id limit_id slot window_minutes used_percent resets_at_ms resets_at"
            " plan_type recorded_at_ms recorded_at source_id",
            thread_id=Column("id", "Thread that reported it; threads of one account share limits"),
            limit_id=Column("id", "The limit, as Codex names it; NULL: not told"),
            slot=Column("word", "Which of the limit's windows: primary or secondary"),
            window_minutes=Column("min", "Length of the window; NULL: not told"),
            used_percent=Column("percent", "How much of the window was used"),
            resets_at_ms=Column("ms since 1970 (UTC)", "When the window begins anew; NULL: not told"),
            resets_at=Column("time (UTC)", "When the window begins anew"),
            plan_type=Column("word", "Plan of the account: plus, pro, team, ...; NULL: not told"),
        ),
    ),
    "thread_tokens": View(
        "Sums of token_usage by thread, of its own responses",
        _columns(
            "thread_id responses input_tokens cached_input_tokens output_tokens"
            " reasoning_output_tokens total_tokens"
        ),
    ),
    "token_days": View(
        "Sums of token_usage by day and model",
        _columns(
            "day model responses input_tokens cached_input_tokens output_tokens"
            " reasoning_output_tokens total_tokens"
        ),
    ),
    "lifecycle_events": View(
        "What happened to threads and turns, in the order of commits",
        _columns(
            "seq uid thread_id rollout_id turn_id type payload recorded_at_ms recorded_at"
            " noted_at_ms noted_at source_id",
            type=Column("word", "thread.started, thread.reverted, turn.completed, ..."),
            payload=Column("JSON", "Details of the event, an object"),
        ),
    ),
    "changes": View(
        "The change feed: every change of a row, once, in the order of commits",
        _columns(
            "seq kind op thread_id rollout_id turn_id item_id uid type committed_at_ms"
            " committed_at cursor source_id",
            kind=Column("word", "Kind of the row: turn, item, realtime, thread or event"),
            op=Column("word", "insert, update or tombstone"),
            type=Column("word", "Type of the item or event; NULL: a turn or thread"),
            committed_at_ms=Column("ms since 1970 (UTC)", "When the change was committed"),
            committed_at=Column("time (UTC)", "When the change was committed"),
            cursor=Column("cursor", "seq and the mark of its commit, for `projector events --after`"),
        ),
    ),
    "anomalies": View(
        "Places in rollouts that could not be read as written",
        _columns(
            "rollout_id byte_offset byte_length kind detail noted_at_ms noted_at source_id",
            kind=Column("word", "Kind of the anomaly: see the page on anomalies"),
            detail=Column("text", "What it is; never quotes content"),
        ),
    ),
    "all_items": View(
        "Every item that was ever written; tombstone says why it is not shown any more",
        _columns(
            "thread_id rollout_id position turn_id item_id uid type item_json created_at_ms"
            " created_at started_at_ms started_at completed_at_ms completed_at ordinal provenance"
            " visible tombstone escaped source_id"
        ),
    ),
    "all_turns": View(
        "Every turn that was ever written; tombstone says why it is not shown any more",
        _columns(
            "thread_id rollout_id position turn_id uid status error_json started_at started_time"
            " completed_at completed_time duration_ms model ordinal visible tombstone source_id",
            status=_STATUS,
            **_TURN_TIMES,
        ),
    ),
    "sources": View(
        "Installations that write to this server, one a host",
        _columns(
            "source_id name host since_ms since",
            name=Column("text", "Name of the source: [source] name, or the host's"),
            since_ms=Column("ms since 1970 (UTC)", "When it first wrote"),
            since=Column("time (UTC)", "When it first wrote"),
        ),
        engines=("postgres",),
    ),
    "columns": View(
        "The data dictionary: what every column of every view means",
        _columns(
            "view_name column_name unit meaning",
            view_name=Column("text", "View"),
            column_name=Column("text", "Column of the view"),
            unit=Column("word", "Unit or kind of its values; empty: none"),
            meaning=Column("text", "What it means"),
        ),
    ),
    "codex_thread_items": View(
        "Living items of paginated rollouts, as Codex's own database has them",
        _columns(
            "thread_id turn_id item_id rollout_ordinal created_at_ms item_json item_type"
            " updated_at_ordinal started_at_ms completed_at_ms",
            thread_id=_CODEX_ID,
            rollout_ordinal=Column("count", "Number of the item's first record"),
            item_type=_COMMON["type"],
            updated_at_ordinal=Column("count", "Number of the item's last record"),
        ),
    ),
    "codex_thread_turns": View(
        "Living turns of paginated rollouts, as Codex's own database has them",
        _columns(
            "thread_id turn_id rollout_ordinal status error_json started_at completed_at"
            " duration_ms first_user_item_id final_agent_item_id rollout_byte_offset"
            " rollout_end_ordinal rollout_end_byte_offset root_turn_id",
            thread_id=_CODEX_ID,
            status=_STATUS,
            started_at=_SECONDS_START,
            completed_at=_SECONDS_END,
            rollout_ordinal=Column("count", "Number of the turn's first record"),
            rollout_byte_offset=Column("bytes", "Where the turn's first record begins"),
            rollout_end_ordinal=Column("count", "Number of the record that ended the turn"),
            rollout_end_byte_offset=Column("bytes", "End of the record that ended the turn"),
        ),
    ),
    "codex_thread_realtime_items": View(
        "Realtime items (voice), as Codex's own database has them",
        _columns(
            "thread_id item_id rollout_ordinal created_at_ms item_type item_json",
            thread_id=_CODEX_ID,
            rollout_ordinal=Column("count", "Number of the item's record"),
            item_type=Column("word", "Type of the realtime item"),
            item_json=Column("JSON", "The item, as Codex has it"),
        ),
    ),
    "codex_projection_state": View(
        "How far paginated rollouts are projected, as Codex's own database has it",
        _columns(
            "thread_id next_rollout_byte_offset next_rollout_ordinal",
            thread_id=_CODEX_ID,
            next_rollout_byte_offset=Column("bytes", "Where the next record begins"),
            next_rollout_ordinal=Column("count", "One more than the greatest number read"),
        ),
    ),
}  # fmt: skip

#: Columns that PostgreSQL has alone: there several hosts may write one database.
_POSTGRES: Final = frozenset({"escaped", "host", "source_id"})


def described(engine: str) -> dict[str, View]:
    """Return the views of an engine, each with the columns that it has there."""
    return {
        name: view._replace(
            columns={
                column: about
                for column, about in view.columns.items()
                if engine == "postgres" or column not in _POSTGRES
            }
        )
        for name, view in VIEWS.items()
        if engine in view.engines
    }


def schema(engine: str) -> str:
    """Return the step of the schema that describes the views of an engine."""
    views = described(engine)
    rows = [
        (view, name, column.unit, column.meaning)
        for view, about in views.items()
        for name, column in about.columns.items()
    ]
    if engine == "sqlite":
        values = ",\n".join(
            f"  ({number}, {', '.join(map(_quoted, row))})" for number, row in enumerate(rows, 1)
        )
        return f"{_HEAD}{_SQLITE}INSERT INTO _columns VALUES\n{values};\n"
    values = ",\n".join(f"  ({', '.join(map(_quoted, row))})" for row in rows)
    comments = [
        f"COMMENT ON VIEW {name} IS {_quoted(about.meaning)};" for name, about in views.items()
    ]
    comments += [
        f"COMMENT ON COLUMN {view}.{name} IS {_quoted(f'{meaning} [{unit}]' if unit else meaning)};"
        for view, name, unit, meaning in rows
    ]
    return f"{_HEAD}{_POSTGRES_VIEW}{values}) AS c (view_name, column_name, unit, meaning);\n\n" + (
        "\n".join(comments) + "\n"
    )


_HEAD: Final = """\
-- What the views mean. Made from view_descriptions.py by `python -m tests.support.docs`.

"""
_SQLITE: Final = """\
-- The data dictionary, in the order of views and columns.
CREATE TABLE _columns (
  number      INTEGER PRIMARY KEY,
  view_name   TEXT NOT NULL,
  column_name TEXT NOT NULL,
  unit        TEXT NOT NULL,
  meaning     TEXT NOT NULL
) STRICT;

-- What every column of every view means.
CREATE VIEW columns AS
SELECT view_name, column_name, unit, meaning FROM _columns;

"""
_POSTGRES_VIEW: Final = """\
-- What every column of every view means.
CREATE VIEW columns AS
SELECT view_name, column_name, unit, meaning
FROM (VALUES
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def page() -> str:
    """Return the data dictionary, a page of the manual."""
    parts = [_PAGE]
    parts += [f"| `{unit}` | {said} |\n" for unit, said in UNITS.items()]
    for name, view in VIEWS.items():
        alone = "" if "sqlite" in view.engines else " PostgreSQL only."
        parts.append(f"\n## {name}\n\n{view.meaning}.{alone}\n\n| column | unit | meaning |\n")
        parts.append("| --- | --- | --- |\n")
        for column, about in view.columns.items():
            only = " (PostgreSQL)" if column in _POSTGRES and not alone else ""
            parts.append(f"| `{column}` | {about.unit} | {about.meaning}{only} |\n")
    return "".join(parts)


_PAGE: Final = """\
# Data dictionary

Every view and every column. In the database the view `columns` says the same, and in PostgreSQL the
comments (`\\d+ threads` in psql):

```sql
SELECT column_name, unit, meaning FROM columns WHERE view_name = 'threads';
```

Columns have the same names and meaning in SQLite and PostgreSQL. Beside each time in milliseconds,
`created_at_ms`, stands the same as a time, `created_at`; times of turns are seconds, with
`started_time` and `completed_time` beside them. Views that begin with `codex_` have exactly the
columns that Codex's own database has.

| unit | is |
| --- | --- |
"""
