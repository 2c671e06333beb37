"""`projector verify`."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from projector.commands import output
from projector.commands.naming import chosen_threads
from projector.commands.options import as_json, common, reading, settings_of

if TYPE_CHECKING:
    from projector.run.verify import Report, Scratch
    from projector.store.check.compare import Difference, Field

#: Maximum number of differences shown to people; --json shows all that are listed.
_TOLD: Final = 50


@click.command()
@click.argument("thread", nargs=-1)
@common
@as_json
@click.pass_context
def verify(
    context: click.Context,
    thread: tuple[str, ...],
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    as_json: bool,
) -> int:
    """Project again into a temporary database, and compare it row by row. Changes nothing.

    THREAD is an id, the prefix of one, or a name; without THREAD, everything is compared. May run
    beside the daemon. Rollouts that the daemon has not read yet, and rows that were made by rules
    of an older revision, are listed separately, not as differences. Needs as much space in $TMPDIR
    (else /var/tmp) as the largest rollout takes in the database. Exit code 0: equal, 1: different,
    or not everything could be read.
    """
    import asyncio  # noqa: PLC0415 - see the package's docstring

    import orjson  # noqa: PLC0415

    from projector.run import progress  # noqa: PLC0415
    from projector.run.verify import verify as compare  # noqa: PLC0415
    from projector.store.open import open_rows  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    with reading(settings) as db:
        chosen = chosen_threads(db, thread)
    talk = progress.choose(silent=as_json)
    try:
        with closing(open_rows(settings.database, source=settings.source.name)) as rows:
            report = asyncio.run(compare(rows, scratch, settings, threads=chosen, progress=talk))
    finally:
        talk.finish()
    if as_json:
        output.write_json([orjson.dumps(document(report), default=repr) + b"\n"])
    else:
        output.say(text(report))
    return 0 if report.equal else 1


@asynccontextmanager
async def scratch() -> AsyncIterator[Scratch]:
    """Create a database to project into, in a private folder, and delete both at the end."""
    from projector.run.verify import Scratch  # noqa: PLC0415 - see the package's docstring
    from projector.store.open import open_rows, open_store  # noqa: PLC0415
    from projector.store.scratch import scratch_folder  # noqa: PLC0415

    folder = scratch_folder("verify")
    try:
        url = f"sqlite:///{Path(folder, 'scratch.db')}"
        store = await open_store(url)
        try:
            with closing(open_rows(url)) as rows:
                yield Scratch(store, rows)
        finally:
            await store.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def document(report: Report) -> dict[str, Any]:
    """Return the report for `--json`."""
    return {
        "equal": report.equal,
        "rollouts_compared": report.compared,
        "rows_compared": report.rows,
        "rollouts_gone": report.gone,
        "rollouts_behind": [
            {"rollout_id": one.rollout_id, "path": one.path, "behind_bytes": one.bytes}
            for one in report.behind
        ],
        "rollouts_outdated": [
            {"rollout_id": one.rollout_id, "revision": one.revision, "outdated_rows": one.rows}
            for one in report.outdated
        ],
        "rollouts_newer": report.newer,
        "unreadable": report.unreadable,
        "difference_count": report.count,
        "differences": [_difference(one) for one in report.differences],
        "seconds": round(report.seconds, 3),
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "thread_id": one.thread_id,
        "rollout_id": one.rollout_id,
        "kind": one.kind,
        **{name: value.hex() if isinstance(value, bytes) else value for name, value in one.where},
        "what": one.what,
        "fields": [
            {"name": told.name, "files": told.files, "database": told.database}
            for told in one.fields
        ],
    }


def text(report: Report) -> str:
    """Return the report for people: a line for each difference, and a summary."""
    from projector.model.humanize import count, size  # noqa: PLC0415 - see the package's docstring

    lines = [line(one) for one in report.differences[:_TOLD]]
    if report.count > len(lines):
        lines.append(f"and {report.count - len(lines):,} more differences; see --json")
    lines += [f"not compared: {reason}" for reason in report.unreadable]
    end = (
        f"{count(report.compared, 'rollout')}, {count(report.rows, 'row')} compared"
        f" in {report.seconds:.1f} s: "
    )
    if report.count:
        end += f"{count(report.count, 'difference')}. Fix: projector rebuild"
    elif report.found_none:
        end += "no rollout of the database has a file under the homes. See: projector config"
    else:
        end += "all that could be read is equal" if report.unreadable else "equal"
    lines.append(end)
    if report.behind:
        waits = sum(one.bytes for one in report.behind)
        lines.append(
            f"behind, and not compared after that: {count(len(report.behind), 'rollout')}"
            f" ({size(waits)} in plain files); projector backfill reads it"
        )
    if report.outdated:
        rows = sum(one.rows for one in report.outdated)
        lines.append(
            f"outdated, of older rules: {count(rows, 'row')} of"
            f" {count(len(report.outdated), 'rollout')}; the daemon projects them again,"
            " or projector rebuild --outdated"
        )
    if report.newer:
        lines.append(f"skipped, of newer rules: {count(report.newer, 'rollout')}")
    if report.gone:
        lines.append(f"skipped, without a file under the homes: {count(report.gone, 'rollout')}")
    return "\n".join(lines)


def line(one: Difference) -> str:
    """Return the line of a difference."""
    from projector.model.terminal_safe import one_line  # noqa: PLC0415 - see the package's docstring

    where = " ".join(
        f"{name} {value.hex() if isinstance(value, bytes) else value}" for name, value in one.where
    )
    whose = f"thread {one.thread_id}" if one.thread_id else "no thread"
    if one.rollout_id is not None and str(one.rollout_id) != one.thread_id:
        whose += f" rollout {one.rollout_id}"
    what = {
        "missing": "is missing in the database",
        "extra": "is in the database, not in the files",
        "changed": ", ".join(_changed(told) for told in one.fields),
    }[one.what]
    return one_line(f"{whose}: {one.kind}{' ' if where else ''}{where}: {what}")


def _changed(told: Field) -> str:
    if told.files is None and told.database is None:
        return f"{told.name} differs"
    return f"{told.name} is {told.database}, should be {told.files}"
