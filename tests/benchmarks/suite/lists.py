"""Lists of threads in a database of a fleet: time and memory beyond those of an empty one."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Final

import psycopg

from projector.store.open import open_to_read
from tests.benchmarks.bench import Failed, Run, benchmark
from tests.benchmarks.processes import measured, projector
from tests.benchmarks.suite.postgres import LASTING
from tests.support.server import Server

#: Sources and their threads: one rollout each, a tenth of sub-agents, a tenth archived.
_FILL: Final = """
INSERT INTO _sources (source_id, name, host, since_ms, feed_id)
SELECT md5('s' || h)::uuid, 'host' || h, 'host' || h, 0, md5('f' || h)::uuid
FROM generate_series(1, {hosts}) AS h;
INSERT INTO _rollouts (source_id, rollout_id, thread_id, start_position, elsewhere, mode, home,
  path, archived, named, compressed, size, mtime_ns, device, inode, generation, next_offset,
  next_ordinal, head, tail, read_at_ms, revision, lacks, kinds, state, attached, source,
  source_kind, cwd, model, model_provider, updated_at_ms, created_at_ms, preview, preview_offset)
SELECT md5('s' || h)::uuid, md5(h || '.' || t)::uuid::text, md5(h || '.' || t)::uuid::text, 0,
  false, 'paginated', '/home/me/.codex', '/home/me/.codex/sessions/' || h || '.' || t,
  t % 10 = 1, true, false, 1000, 0, 1, 1, 1, 1000, 10, '', '', 0, 1, 0, '', '', false,
  CASE t % 10 WHEN 0 THEN 'subagent' ELSE 'cli' END, NULL, '/home/me/project' || t % 50, 'm', 'p',
  1790000000000 + (t::bigint * 7919 + h) % 1000000000, 1790000000000, 'What is ' || t, 10
FROM generate_series(1, {hosts}) AS h, generate_series(1, {threads}) AS t;
UPDATE _rollouts SET cwd = '/home/me/rare' WHERE updated_at_ms < 1790000000000 + 8000;
INSERT INTO _thread_states (source_id, thread_id, rollout_id, archived, deleted, incomplete)
SELECT source_id, thread_id, rollout_id, archived, false, false FROM _rollouts;
INSERT INTO _thread_parts (source_id, thread_id, part, part_source, rollout_id, upto, items, turns)
SELECT source_id, thread_id, 0, source_id, rollout_id, 9223372036854775807, 10, 2 FROM _rollouts;
"""
_VIEW: Final = "SELECT * FROM threads ORDER BY updated_at_ms DESC LIMIT 20"


@benchmark("thread-lists", "threads --limit 5 over a million threads of a thousand hosts")
def lists(run: Run) -> None:
    """Ask a full and an empty database by turns."""
    hosts, threads = run.scaled((1000, 1000), (100, 100))
    with (
        closing(Server(**LASTING)) as server,
        server.database() as full,
        server.database() as empty,
        run.folder() as scratch,
    ):
        with psycopg.connect(full, autocommit=True) as db:
            db.execute(_FILL.format(hosts=hosts, threads=threads).encode())
            db.execute("VACUUM ANALYZE")
        asked = {
            "--limit 5": ("--limit", "5"),
            "--host": ("--limit", "5", "--host", "host7"),
            "--cwd": ("--limit", "5", "--cwd", "/home/me/project7"),
            "--cwd, rare": ("--limit", "5", "--cwd", "/home/me/rare"),
        }
        for _ in run.rounds():
            for what, words in asked.items():
                costs = [
                    measured(projector("threads", *words, "--database", url), scratch)
                    for url in (full, empty)
                ]
                more = (costs[0].wall - costs[1].wall) * 1000
                run.result.sample("beyond empty", what, more, "ms")
                run.result.sample(
                    "beyond empty", f"{what}, peak", costs[0].peak - costs[1].peak, "MiB"
                )
            with open_to_read(full) as reader:
                reader.rows("SELECT count(*) FROM sources")
                began = time.perf_counter()
                if len(reader.rows(_VIEW)) != 20:
                    raise Failed("the view does not show the threads")
                run.result.sample("view", "LIMIT 20", (time.perf_counter() - began) * 1000, "ms")
    for what in asked:
        run.result.promise("beyond empty", what, at_most=100)
        run.result.promise("beyond empty", f"{what}, peak", at_most=20)
    run.result.promise("view", "LIMIT 20", at_most=100)
