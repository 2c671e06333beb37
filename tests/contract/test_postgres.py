"""What PostgreSQL alone is asked: rules of its schema, sources, locks, connections that end."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from msgspec.structs import replace

from projector.model.changes import Change
from projector.model.errors import (
    AlreadyRunning,
    FatalError,
    StoreRefused,
    StoreReplaced,
    StoreUnavailable,
)
from projector.store.migrations import migrations
from projector.store.postgres.pipeline import Pipeline
from projector.store.postgres.schema import migrate
from projector.store.postgres.store import PostgresStore
from projector.store.protocol import Holder
from tests.contract.backends import AskedStore, PostgresBackend, Run
from tests.support.citus import own_server
from tests.support.generator.rollouts import write_home
from tests.support.makers import (
    at,
    batch,
    continuing,
    event,
    file_of,
    item,
    rollout_id,
    thread_id,
    turn,
    usage,
)
from tests.support.projecting import backfilled
from tests.support.server import Server

#: Small tables that every machine has whole; and the one of all sources, led by a bucket.
REFERENCE: Final = frozenset({"_migrations"})
LED_BY: Final = {"_claims": "bucket", "_settling": "response"}

TABLES: Final = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
_KEYS: Final = """
SELECT c.relname, i.relname, (
  SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = x.indkey[0])
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS c ON c.oid = x.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND x.indisunique
"""


def asked(url: str, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
    """Ask the server, past the store."""
    with psycopg.connect(url, autocommit=True) as db:
        cursor = db.execute(sql.encode(), values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def backend(postgres: str) -> PostgresBackend:
    return PostgresBackend(postgres)


def test_every_unique_key_begins_with_what_rows_are_distributed_by(postgres: str) -> None:
    keys = asked(postgres, _KEYS)
    wrong = [
        (table, index, first)
        for table, index, first in keys
        if table not in REFERENCE and first != LED_BY.get(table, "source_id")
    ]

    assert len(keys) >= 15
    assert wrong == []


def test_every_table_has_a_primary_key(postgres: str) -> None:
    bare = asked(
        postgres,
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = current_schema() AND c.relkind = 'r'"
        " AND NOT EXISTS (SELECT 1 FROM pg_index AS x WHERE x.indrelid = c.oid AND x.indisprimary)",
    )

    assert bare == []


@own_server
@pytest.mark.parametrize(
    "query",
    [
        pytest.param(
            "SELECT relname FROM pg_class WHERE relkind IN ('S', 'm')"
            " AND relnamespace = current_schema()::regnamespace",
            id="sequences",
        ),
        pytest.param(
            "SELECT attrelid::regclass, attname FROM pg_attribute WHERE attidentity <> ''"
            " AND attrelid::regclass::text NOT LIKE 'pg_%'",
            id="identity columns",
        ),
        pytest.param(
            "SELECT conname FROM pg_constraint WHERE contype IN ('f', 'x')"
            " AND connamespace = current_schema()::regnamespace",
            id="foreign keys and exclusions",
        ),
        pytest.param("SELECT tgname FROM pg_trigger", id="triggers"),
        pytest.param(
            "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
            id="functions",
        ),
        pytest.param(
            "SELECT a.attrelid::regclass, a.attname FROM pg_attribute AS a JOIN pg_attrdef AS d"
            " ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
            " WHERE pg_get_expr(d.adbin, d.adrelid) LIKE '%(%'",
            id="defaults that are computed",
        ),
        pytest.param(
            "SELECT c.relname FROM pg_class AS c WHERE c.relkind IN ('r', 'v')"
            " AND c.relnamespace = current_schema()::regnamespace"
            " AND obj_description(c.oid) IS NULL",
            id="tables and views without a comment",
        ),
        pytest.param(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind <> 'i' AND relname NOT LIKE '\\_read\\_%'"
            " AND (relkind = 'v') <> (left(relname, 1) <> '_')",
            id="names that do not tell tables from public views",
        ),
        pytest.param(
            "SELECT c.relname FROM pg_class AS c WHERE c.relkind = 'r'"
            " AND c.relnamespace = current_schema()::regnamespace AND c.relname NOT IN"
            " ('_migrations', '_claims', '_settling') AND NOT EXISTS"
            " (SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = c.oid"
            " AND a.attname = 'source_id' AND a.attnotnull)",
            id="tables without a source",
        ),
    ],
)
def test_there_are_none_of(postgres: str, query: str) -> None:
    """A sequence, a constraint or a trigger would have machines wait for each other."""
    assert asked(postgres, query) == []


def test_claims_are_spread(backend: PostgresBackend, run: Run) -> None:
    """Ids that grow do not fill one bucket after the other."""

    async def many() -> None:
        async with backend.open() as store:
            await store.commit([batch(file_of(number)) for number in range(1, 60)])

    run(many())
    buckets = [bucket for (bucket,) in asked(backend.url, "SELECT bucket FROM _claims ORDER BY 1")]
    assert len(set(buckets)) > 30


LARGE: Final = frozenset({"_items", "_turns", "_usage", "_feed"})
OFTEN = {
    "a page": (
        "SELECT uid FROM thread_history WHERE thread_id = '{thread}' AND position > 9"
        " ORDER BY position LIMIT 9"
    ),
    "the page before": (
        "SELECT uid FROM thread_history WHERE thread_id = '{thread}' AND position < 9"
        " ORDER BY position DESC LIMIT 9"
    ),
    "turns": "SELECT uid FROM thread_turn_history WHERE thread_id = '{thread}' ORDER BY position",
    "its commands": "SELECT command FROM commands WHERE thread_id = '{thread}' ORDER BY position",
    "its messages": "SELECT text FROM messages WHERE thread_id = '{thread}' ORDER BY position",
    "an item": (
        "SELECT item_json FROM codex_thread_items WHERE thread_id = '{thread}' AND item_id = 'i'"
    ),
    "newest commands": "SELECT command FROM commands ORDER BY created_at_ms DESC LIMIT 9",
    "tokens since": "SELECT sum(total_tokens) FROM token_usage WHERE recorded_at_ms >= {newest}",
    "changes": (
        "SELECT seq FROM changes WHERE source_id = '{source}' AND seq > 9 ORDER BY seq LIMIT 9"
    ),
}


@pytest.fixture(scope="module")
def filled(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a database with some thousand items of many threads, and the server's figures of it."""
    home = tmp_path_factory.mktemp("home")
    write_home(home, rollouts=40, size=6_000_000)
    with server.database() as url:
        backfilled(home, url)
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("VACUUM ANALYZE")
        yield url


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the steps of a plan that read a table."""
    if "Relation Name" in plan:
        yield plan
    for step in plan.get("Plans", ()):
        yield from scans(step)


@own_server
@pytest.mark.parametrize("asked_for", OFTEN)
def test_what_is_asked_often_is_found_by_indexes(filled: str, asked_for: str) -> None:
    """Neither a table nor a whole index is read.

    Tables are small here, so a scan is allowed as the last resort only.
    """
    ((thread_id, source),) = asked(filled, "SELECT thread_id, source_id FROM _rollouts LIMIT 1")
    ((newest,),) = asked(filled, "SELECT max(recorded_at_ms) FROM token_usage")
    question = OFTEN[asked_for].format(thread=thread_id, source=source, newest=newest)
    with psycopg.connect(filled) as db:
        db.execute("SET enable_seqscan = off")
        (((plan,),),) = db.execute(f"EXPLAIN (FORMAT JSON) {question}".encode()).fetchall()

    read = [one for one in scans(plan["Plan"]) if one["Relation Name"] in LARGE]
    assert read
    assert [one for one in read if not {"Index Cond", "Recheck Cond"} & one.keys()] == []


# Schema -------------------------------------------------------------------------------------------


@pytest.fixture
def bare(server: Server) -> Iterator[str]:
    url = server.make_database()
    yield url
    server.drop_database(url)


def test_several_processes_may_make_the_schema_at_once(bare: str) -> None:
    """All come out with the same database; nobody meets half a schema."""
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(_open_and_close(bare))
            except BaseException as error:  # noqa: BLE001 - a child must not go on with the tests
                sys.stderr.write(f"child: {error!r}\n")
                os._exit(70)
            os._exit(0)
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]

    assert ends == [0] * len(children)
    assert len(asked(bare, "SELECT * FROM _migrations")) == len(migrations("postgres"))


async def _open_and_close(url: str) -> None:
    await (await PostgresStore.open(url, source=str(os.getpid()))).close()


def test_a_newer_schema_is_refused(postgres: str) -> None:
    newer = (
        "INSERT INTO _migrations SELECT 99, 'later', '', 0, database_id FROM _migrations LIMIT 1"
    )
    asked(postgres, newer)
    try:
        with pytest.raises(StoreRefused, match="made by a newer codex-projector"):
            asyncio.run(_open_and_close(postgres))
    finally:
        asked(postgres, "DELETE FROM _migrations WHERE version = 99")


@pytest.mark.parametrize("table", ["_migrations (x int)", "_rollouts (x int)"])
def test_another_programs_database_is_refused(bare: str, table: str) -> None:
    asked(bare, f"CREATE TABLE {table}")

    with pytest.raises(StoreRefused):
        asyncio.run(_open_and_close(bare))
    assert asked(bare, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()") == [
        (1,)
    ]


def test_a_step_that_fails_leaves_nothing(bare: str) -> None:
    steps = [*migrations("postgres")]
    steps.append(replace_sql(steps[-1], "CREATE TABLE half (x int); SELECT no_such_function();"))

    async def fails() -> None:
        async with await psycopg.AsyncConnection.connect(bare, autocommit=True) as db:
            with pytest.raises(psycopg.Error):
                await migrate(db, "here", steps)

    asyncio.run(fails())
    assert asked(bare, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()") == [
        (0,)
    ]


def replace_sql(step: Any, sql: str) -> Any:
    return step._replace(version=step.version + 1, sql=sql)


# Sources ------------------------------------------------------------------------------------------


def sourced(backend: PostgresBackend, name: str) -> PostgresBackend:
    return PostgresBackend(backend.url, name)


def test_a_rollout_of_two_hosts_is_projected_once(backend: PostgresBackend, run: Run) -> None:
    """Who comes first has it; the other follows along without rows, and notes it once."""
    rows: list[Change] = [
        event(1, "turn.started", 50),
        turn(1, "t", 50),
        item(1, "a", 60),
        usage(1, 70, 5),
    ]
    more: list[Change] = [item(1, "b", 1060)]

    async def both() -> Any:
        async with backend.open() as one, sourced(backend, "two").open() as two:
            for store in (one, two, one, two):
                known = await store.checkpoint(rollout_id(1))
                changes = more if known else rows
                await store.commit(
                    [batch(file_of(1), changes, start=known, end=2000 if known else 1000)]
                )
            standing = await two.statuses()
            for view in ("thread_history", "all_items", "token_usage", "lifecycle_events"):
                counted = await one.query(f"SELECT count(*), count(DISTINCT uid) FROM {view}")
                assert counted[0][0] == counted[0][1], view
            assert await one.query("SELECT item_count, host FROM threads") == [(2, os.uname()[1])]
            assert await one.query("SELECT * FROM codex_projection_state") == [
                (rollout_id(1), 2000, 20)
            ]
            noted = await one.query("SELECT kind, rollout_id FROM anomalies")
            return standing[rollout_id(1)].offset, noted

    assert run(both()) == (2000, [("second_host", rollout_id(1))])


def test_a_fork_of_another_hosts_thread_is_whole(backend: PostgresBackend, run: Run) -> None:
    """Whichever host comes first, and what the base gets before the cut counts."""

    async def apart() -> Any:
        async with backend.open() as one, sourced(backend, "two").open() as two:
            await two.commit([batch(file_of(2), [item(2, "x", 10)], header=continuing(1, 1500))])
            assert await two.query("SELECT incomplete FROM threads") == [(1,)]
            await one.commit([batch(file_of(1), [item(1, "a", 100)])])
            late = batch(file_of(1), [item(1, "b", 1100), item(1, "c", 1600)], start=at(1000),
                         end=2000)  # fmt: skip
            await one.commit([late])
            shown = await two.query(
                "SELECT item_id, inherited FROM thread_history WHERE thread_id = ?"
                " ORDER BY position",
                (thread_id(2),),
            )
            counts = await two.query(
                "SELECT item_count, incomplete FROM threads ORDER BY thread_id"
            )
            return shown, counts

    assert run(apart()) == ([("a", 1), ("b", 1), ("x", 0)], [(3, 0), (3, 0)])


def test_two_hosts_begin_a_base_and_its_fork_at_once(backend: PostgresBackend, run: Run) -> None:
    """Neither misses the other, in whatever moment they meet."""

    async def meet(number: int) -> None:
        base, fork = 2 * number + 1, 2 * number + 2
        async with backend.open() as one, sourced(backend, "two").open() as two:
            await asyncio.gather(
                one.commit([batch(file_of(base), [item(base, "a", 100)])]),
                two.commit([batch(file_of(fork), [item(fork, "x", 10)],
                                  header=continuing(base, 500))]),
            )  # fmt: skip

    for number in range(12):
        run(meet(number))
    found = asked(backend.url, "SELECT incomplete, item_count FROM threads ORDER BY thread_id")
    assert found == [(False, 1), (False, 2)] * 12


def test_a_response_counts_once_over_hosts(backend: PostgresBackend, run: Run) -> None:
    async def apart() -> None:
        async with backend.open() as one, sourced(backend, "two").open() as two:
            await two.commit([batch(file_of(2), [usage(2, 100, 10, response="r")])])
            await one.commit([batch(file_of(1), [usage(1, 100, 10, response="r")])])

    run(apart())
    assert asked(backend.url, "SELECT rollout_id FROM token_usage") == [(rollout_id(1),)]
    assert asked(backend.url, "SELECT responses, input_tokens FROM token_days") == [(1, 10)]


def test_a_response_counts_once_however_close_hosts_tell_of_it(
    backend: PostgresBackend, run: Run
) -> None:
    """Each of two hosts has a fork of a thread on it, and both write at the same moment."""
    told = [f"r{number}" for number in range(20)]

    async def meet(number: int) -> None:
        async with backend.open() as one, sourced(backend, "two").open() as two:
            names = [f"{number}:{name}" for name in told]
            await asyncio.gather(
                *(
                    host.commit([batch(file_of(rollout), [
                        usage(rollout, 100 + at, 10, response=name)
                        for at, name in enumerate(names[:: 1 if rollout % 2 else -1])
                    ])])
                    for host, rollout in ((one, 2 * number + 1), (two, 2 * number + 2))
                )
            )  # fmt: skip

    for number in range(10):
        run(meet(number))
    counted = asked(backend.url, "SELECT count(*), count(DISTINCT response_id) FROM token_usage")
    assert counted == [(200, 200)]
    assert asked(backend.url, "SELECT responses, input_tokens FROM token_days") == [(200, 2000)]


def test_each_source_counts_its_changes_without_gaps(backend: PostgresBackend, run: Run) -> None:
    async def several() -> None:
        async with backend.open() as one, sourced(backend, "two").open() as two:
            for number in range(1, 6):
                await asyncio.gather(
                    one.commit([batch(file_of(number), [item(number, "a", 1)])]),
                    two.commit([batch(file_of(100 + number), [item(100 + number, "a", 1)])]),
                )

    run(several())
    found = asked(
        backend.url,
        "SELECT source_id, min(seq), max(seq), count(*) FROM changes GROUP BY source_id",
    )
    assert len(found) == 2
    assert all((low, high) == (1, count) for _, low, high, count in found)


# Locks, leases and connections --------------------------------------------------------------------

HOLDER: Final = Holder(pid=os.getpid(), host=os.uname()[1], version="1", started_at_ms=1)


def test_a_daemon_that_was_killed_here_is_no_obstacle(backend: PostgresBackend, run: Run) -> None:
    """Its lease would last; but on the same machine it can be seen that it is no more."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

    async def take_over() -> None:
        store = await PostgresStore.open(backend.url, source="one")
        await store.acquire_lock(replace(HOLDER, pid=child))
        async with backend.open() as other:
            await other.acquire_lock(HOLDER)
            with pytest.raises(AlreadyRunning):
                await store.acquire_lock(HOLDER)
        await store.close()

    run(take_over())


def test_a_lease_that_ended_can_be_taken(backend: PostgresBackend, run: Run) -> None:
    async def later() -> None:
        async with backend.open() as one, backend.open() as other:
            await one.acquire_lock(replace(HOLDER, host="elsewhere"))
            with pytest.raises(AlreadyRunning, match="on elsewhere"):
                await other.acquire_lock(HOLDER)
            asked(backend.url, "UPDATE _sources SET lease_until_ms = 0")
            await other.acquire_lock(HOLDER)

    run(later())


def test_two_sources_have_two_daemons(backend: PostgresBackend, run: Run) -> None:
    async def both() -> None:
        async with backend.open() as one, sourced(backend, "two").open() as two:
            await one.acquire_lock(HOLDER)
            await two.acquire_lock(HOLDER)

    run(both())


def test_a_lock_is_waited_for_then_unavailable(backend: PostgresBackend, run: Run) -> None:
    async def locked() -> None:
        async with backend.open(busy_timeout_s=0.2) as store:
            with psycopg.connect(backend.url) as other:
                other.execute("SELECT * FROM _sources FOR UPDATE")
                with pytest.raises(StoreUnavailable, match="locked by another program"):
                    await store.commit([batch(file_of(1))])
            await store.commit([batch(file_of(1))])

    run(locked())


@own_server
def test_a_deadlock_is_made_again_by_itself(backend: PostgresBackend, run: Run) -> None:
    async def crossing() -> None:
        async with backend.open(busy_timeout_s=30) as store:
            await store.commit([batch(file_of(1), [item(1, "a", 1)])])
            async with await psycopg.AsyncConnection.connect(backend.url) as other:
                await other.execute("SET deadlock_timeout = '30s'")  # the store finds it
                await other.execute("SELECT * FROM _rollouts FOR UPDATE")
                late = batch(file_of(1), [item(1, "b", 1001)], start=at(1000), end=2000)
                writing = asyncio.create_task(store.commit([late]))
                await waiting_for_a_lock(backend.url)
                await other.execute("SELECT * FROM _sources FOR UPDATE")
                await other.commit()
            await writing
            assert await store.query("SELECT item_id FROM thread_history ORDER BY position") == [
                ("a",), ("b",)
            ]  # fmt: skip

    run(crossing())


async def waiting_for_a_lock(url: str) -> None:
    async with asyncio.timeout(20):
        while not asked(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody tells


@own_server
def test_a_connection_that_was_ended_is_made_again(backend: PostgresBackend, run: Run) -> None:
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def cut() -> None:
        async with backend.open() as store:
            await store.commit([batch(file_of(1))])
            asked(backend.url, ended)
            with pytest.raises(StoreUnavailable):
                await store.commit([batch(file_of(1), start=at(1000), end=2000)])
            assert await store.checkpoint(rollout_id(1)) == at(1000)
            await store.commit([batch(file_of(1), start=at(1000), end=2000)])

    run(cut())


@own_server
def test_a_database_that_was_made_anew_is_noticed(backend: PostgresBackend, run: Run) -> None:
    """Restored or recreated under the same name: all that was known of it is void."""

    async def replaced() -> None:
        async with backend.open() as store:
            await store.acquire_lock(HOLDER)
            asked(backend.url, "UPDATE _migrations SET database_id = %s", (uuid.uuid4(),))
            asked(
                backend.url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            with pytest.raises(StoreUnavailable):
                await store.statuses()
            with pytest.raises(StoreReplaced):
                await store.statuses()
            await store.reopen()
            assert await store.statuses() == {}

    run(replaced())


@own_server
def test_a_server_that_lost_what_it_confirmed_is_noticed(
    backend: PostgresBackend, run: Run
) -> None:
    """A standby that was behind takes over: nothing that was known of the rows holds."""

    async def behind() -> None:
        async with backend.open() as store:
            await store.commit([batch(file_of(1), [item(1, "a", 1)])])
            late = batch(file_of(1), [item(1, "b", 1001)], start=at(1000), end=2000)
            await store.commit([late])
            asked(backend.url, "DELETE FROM _items WHERE position > 1000")
            asked(backend.url, "UPDATE _rollouts SET next_offset = 1000")
            asked(
                backend.url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            with pytest.raises(StoreUnavailable):
                await store.statuses()
            with pytest.raises(StoreReplaced, match="has lost what it had confirmed"):
                await store.statuses()
            await store.reopen()
            assert (await store.statuses())[rollout_id(1)].offset == 1000
            await store.commit([late])

    run(behind())


@own_server
def test_a_read_only_server_is_waited_for(backend: PostgresBackend, run: Run) -> None:
    """A standby, or a primary that was switched over: it heals by itself."""
    name = "SELECT current_database()"
    ((database,),) = asked(backend.url, name)

    async def standing_by() -> None:
        asked(backend.url, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        try:
            with pytest.raises(StoreUnavailable, match="a standby, or read-only"):
                await PostgresStore.open(backend.url, source="another")
        finally:
            with psycopg.connect(backend.url, autocommit=True) as db:
                db.execute("SET default_transaction_read_only = off")
                db.execute(f"ALTER DATABASE {database} RESET ALL".encode())
        await (await PostgresStore.open(backend.url, source="another")).close()

    run(standing_by())


@own_server
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql:///nobody_has_it?host={host}&user=projector", "does not exist"),
        ("postgresql:///postgres?host={host}&user=nobody_is_it", "does not exist"),
        ("postgresql://u:secret@/x?bad=1&host={host}", "bad"),
    ],
)
def test_what_will_not_heal_is_refused(server: Server, url: str, said: str) -> None:
    with pytest.raises(FatalError, match=said) as refused:
        asyncio.run(_open_and_close(url.format(host=server.folder)))

    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_is_waited_for() -> None:
    with pytest.raises(StoreUnavailable) as refused:
        asyncio.run(_open_and_close("postgresql://u:secret@127.0.0.1:1/x"))

    assert "secret" not in str(refused.value)


def test_a_commit_that_a_node_of_citus_did_not_confirm_is_unknown(
    backend: PostgresBackend, run: Run
) -> None:
    """Citus calls it done, after a warning."""
    warning = "failed to commit transaction on 127.0.0.1:7432"

    async def warned(*, has_citus: bool) -> None:
        db = await psycopg.AsyncConnection.connect(backend.url, autocommit=True)
        async with db:
            wire = Pipeline(db, has_citus=has_citus)
            await wire.begin()
            raised = (f"DO $$ BEGIN RAISE WARNING '{warning}'; END $$", ())
            await wire.execute(raised, ("COMMIT", ()))

    run(warned(has_citus=False))
    with pytest.raises(psycopg.OperationalError, match="7432 did not confirm"):
        run(warned(has_citus=True))


def test_a_batch_takes_two_round_trips(backend: PostgresBackend, run: Run) -> None:
    """However many rows it has."""

    async def trips(rows: int) -> int:
        async with backend.open() as store:
            known = await store.checkpoint(rollout_id(1))
            if known is None:
                await store.commit([batch(file_of(1))])
                known = at(1000)
            changes = [
                one
                for number in range(rows)
                for one in (
                    item(1, f"{known.offset}-{number}", known.offset + number),
                    turn(1, f"t{number}", known.offset + number),
                    usage(1, known.offset + number, 5, response=f"r{number}"),
                    event(1, "turn.started", known.offset + number, turn=f"t{number}"),
                )
            ]
            assert isinstance(store, PostgresStore)
            before = store.round_trips
            end = known.offset + 1000
            await store.commit([batch(file_of(1), changes, start=at(known.offset), end=end)])
            return store.round_trips - before

    assert [run(trips(rows)) for rows in (1, 10, 300)] == [2, 2, 2]


@own_server
def test_statements_are_planned_once_where_the_server_knows_its_tables(
    backend: PostgresBackend, run: Run
) -> None:
    """Without statistics a kept plan may read a rollout's rows for each row: none is kept."""
    known = "SELECT count(*) FROM pg_prepared_statements"

    async def write() -> tuple[int, int]:
        async with backend.open() as store:
            assert isinstance(store, AskedStore)
            counts = []
            for step in range(140):
                if step == 70:
                    counts.append((await store.query(known))[0][0])
                    asked(backend.url, "ANALYZE")
                rows: list[Change] = [
                    turn(1, f"t{step}", 1000 * step),
                    item(1, f"i{step}", 1000 * step),
                ]
                start = at(1000 * step) if step else None
                await store.commit([batch(file_of(1), rows, start=start, end=1000 * (step + 1))])
            counts.append((await store.query(known))[0][0])
            return counts[0], counts[1]

    before, after = run(write())
    assert (before, after > 0, after < 100) == (0, True, True)


def test_many_that_start_at_once_find_one_schema(server: Server) -> None:
    """The first makes it; the others remember that there was none before they waited for it."""
    url = server.make_database()

    async def start(number: int) -> None:
        store = await PostgresStore.open(url, source=f"s{number}")
        await store.commit([batch(file_of(number), [item(number, "a", 1)])])
        await store.close()

    async def start_all() -> None:
        await asyncio.gather(*map(start, range(1, 31)))

    try:
        asyncio.run(start_all())
        assert asked(url, "SELECT count(*) FROM _items") == [(30,)]
    finally:
        server.drop_database(url)
