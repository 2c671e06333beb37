"""Judge what `probe` found: problems, warnings, and how to fix them. Pure.

Every check returns a line, also if all is well. Only a problem makes the exit code 1: something
prevents correct rows, or Codex shows less of a thread than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from projector.model.database_url import is_postgres
from projector.model.humanize import count, size
from projector.model.settings import Settings
from projector.serve.doctor.anomaly_kinds import KINDS, Level
from projector.serve.doctor.codex_gaps import ADVICE
from projector.serve.doctor.facts import Codex, Examined, Stored
from projector.serve.health import status
from projector.serve.health.judge import LARGE_LOG
from projector.serve.health.snapshot import Facts
from projector.store.questions.doctor import Incomplete, Kind, Source
from projector.store.reading import Server

#: Older versions of SQLite may damage a database that two connections write and checkpoint.
SOUND_SQLITE: Final = (3, 51, 3)
#: Minimum free space, in bytes: less is a problem, less than ten times as much a warning.
LEAST_FREE: Final = 256 << 20
#: The oldest tested version of PostgreSQL.
LEAST_POSTGRES: Final = 14
#: A source whose daemon has sent no heartbeat for this long, in seconds, may be gone for good.
GONE_S: Final = 7 * 86400.0
#: Tolerated difference between clocks, in milliseconds.
_CLOCK_MS: Final = 300_000
_MODE_OTHERS: Final = 0o077
_NAMED: Final = 10


class Check(NamedTuple):
    """The result of one check."""

    level: Level
    topic: str
    text: str
    mend: str = ""

    def line(self) -> str:
        """Return the line shown to people."""
        return f"{self.level:<8} {self.topic}: {self.text}" + (
            f". {self.mend}" if self.mend else ""
        )


def checks(found: Examined, settings: Settings) -> list[Check]:
    """Return the results of all checks."""
    every = [
        *_homes(found, settings),
        *_watching(found, settings),
        *(_fault(found) if is_postgres(settings.database) else _database(found)),
        *_secrets(found),
        *_space(found),
    ]
    if found.stored is not None:
        every += _stored(found.stored)
        every += torn_and_tried(found.stored.facts)
        every += _log(found, found.stored)
        every += _server(found.stored.server)
        every += _sources(found, found.stored.sources)
        every += _daemon(found, found.stored, settings)
        every += _newer_codex(found.stored.facts)
        every += _anomalies(found.stored.kinds)
        every += _incomplete(found.stored.incomplete)
        every += _clock(found, found.stored)
    every += [check for codex in found.codex for check in _codex(codex)]
    return every


_CONFLICT: Final = (
    "A sync program kept both sides: compare it with the rollout, and keep what you need by hand"
)


def _homes(found: Examined, settings: Settings) -> Iterator[Check]:
    for home in found.homes:
        for fault in home.faults[:_NAMED]:
            yield Check("problem", "home", fault)
        if len(home.faults) > _NAMED:
            yield Check("problem", "home", f"{home.path}: {len(home.faults) - _NAMED} more faults")
        if home.rollouts:
            yield Check("ok", "home", f"{home.path}: {count(home.rollouts, 'rollout')}")
        elif not home.faults:
            mend = "Name Codex's home directory: --codex-home DIR"
            yield Check("warning", "home", f"{home.path}: holds no rollouts", mend)
        for path in home.conflicts[:_NAMED]:
            text = f"{path}: a copy by its name, with records that its rollout lacks; not projected"
            yield Check("warning", "copies", text, _CONFLICT)
        if len(home.conflicts) > _NAMED:
            text = f"{home.path}: {len(home.conflicts) - _NAMED} more such copies"
            yield Check("warning", "copies", text, _CONFLICT)
        if home.polled_why and settings.run.watch != "poll":
            text = f"{home.polled_why}: changes are found by scans every few seconds"
            yield Check("warning", "watching", text, 'Expected there: set watch = "poll"')


def _watching(found: Examined, settings: Settings) -> Iterator[Check]:
    folders = sum(home.folders for home in found.homes)
    if found.watches is None or settings.run.watch == "poll":
        return
    text = f"{count(folders, 'folder')} to be watched, the system allows {found.watches:,}"
    mend = "Raise it: sysctl fs.inotify.max_user_watches=524288"
    if folders >= found.watches:
        yield Check("problem", "watching", text, mend)
    elif folders * 2 >= found.watches:
        yield Check("warning", "watching", text, mend)
    else:
        yield Check("ok", "watching", text)


def _fault(found: Examined) -> Iterator[Check]:
    if found.database_fault:
        yield Check("problem", "database", found.database_fault)


def _database(found: Examined) -> Iterator[Check]:
    yield from _fault(found)
    if found.database_network is not None:
        text = f"{found.database}: on {found.database_network}, where SQLite's locks cannot be"
        yield Check("problem", "database", f"{text} relied on", "Put it on a local disk")
    open_to = [one for one in found.modes if one.mode & _MODE_OTHERS]
    for one in open_to:
        text = f"{one.path}: other users may have access (mode {one.mode:04o}); they hold secrets"
        yield Check("warning", "privacy", text, f"Unless intended: chmod go-rwx {one.path}")
    if found.modes and not open_to:
        yield Check("ok", "privacy", "the database's files are private")
    for one in found.modes:
        if not one.writable:
            text = f"{one.path}: cannot be written by this user"
            yield Check("warning", "database", text, "Run as its owner")
    for one in found.modes:
        if one.links > 1:
            text = f"{one.path}: has {one.links} names (hard links), each with its own log"
            yield Check("problem", "database", text, "Keep one name; `run` refuses to start")
    version = ".".join(map(str, found.sqlite))
    if found.sqlite < SOUND_SQLITE:
        text = (
            f"SQLite {version}: before 3.51.3 a database may be damaged where several programs"
            " write it; projector writes by one connection"
        )
        yield Check("info", "sqlite", text, "Let no other program write the database")
    else:
        yield Check("ok", "sqlite", f"SQLite {version}")


def _secrets(found: Examined) -> Iterator[Check]:
    """Check who can read the file that contains the database password."""
    for one in found.secret_files:
        if one.mode & _MODE_OTHERS:
            text = f"{one.path}: holds the database's URL, other users may have access"
            mend = f"Fix: chmod go-rwx {one.path}"
            yield Check("warning", "privacy", f"{text} (mode {one.mode:04o})", mend)
        else:
            yield Check("ok", "privacy", f"{one.path}: private")


def _space(found: Examined) -> Iterator[Check]:
    if found.free is None:
        return
    text = f"{size(found.free)} free beside the database"
    level: Level = "ok"
    if found.free < LEAST_FREE:
        level = "problem"
    elif found.free < 10 * LEAST_FREE:
        level = "warning"
    yield Check(level, "disk", text, "" if level == "ok" else "Free some space")


def _stored(stored: Stored) -> Iterator[Check]:
    database = stored.facts.database
    if stored.schema > stored.newest_schema:
        text = f"schema {stored.schema} is newer than this program's {stored.newest_schema}"
        yield Check("problem", "database", text, "Upgrade codex-projector")
    elif stored.schema < stored.newest_schema:
        text = f"schema {stored.schema}, this program's is {stored.newest_schema}"
        yield Check("info", "database", text, "It is migrated at the next start")
    if stored.server is not None:
        yield Check("ok", "database", f"{database.path}: {size(database.size)}")
    elif stored.integrity == "ok":
        yield Check("ok", "database", f"{database.path}: {size(database.size)}, sound")
    elif stored.integrity is None:
        text = f"{database.path}: {size(database.size)}; too large for a complete check"
        yield Check("ok", "database", text)
    else:
        text = f"{database.path}: is damaged ({stored.integrity})"
        mend = "Stop the daemon and run: projector rebuild"
        yield Check("problem", "database", text, mend)


def torn_and_tried(facts: Facts) -> Iterator[Check]:
    """Judge rollouts with a long line that has ended the daemon, or a last one without newline."""
    for text in status.attempts(facts):
        mend = "It is tried again later, alone. Give it more memory, or lower read.max_line_bytes"
        yield Check("problem", "memory", text, mend)
    for text in status.torn(facts):
        mend = "A crash or a full disk cut it: resume the thread in Codex, which ends the line"
        yield Check("warning", "rollouts", text, mend)


def _log(found: Examined, stored: Stored) -> Iterator[Check]:
    database = stored.facts.database
    if database.wal_size <= LARGE_LOG:
        return
    beat = database.heartbeat
    own = None if beat is None else f"{beat.holder.pid} ("
    others = [one for one in found.readers if own is None or not one.startswith(own)]
    text = (
        f"the database's log has grown to {size(database.wal_size)}: a program keeps a reading"
        " transaction open, and until that ends the log cannot be reused"
    )
    mend = "End it" + (f"; open in: {', '.join(others[:_NAMED])}" if others else "")
    yield Check("warning", "database", text, mend)


def _server(server: Server | None) -> Iterator[Check]:
    if server is None:
        return
    major = server.version.partition(".")[0]
    if major.isdigit() and int(major) < LEAST_POSTGRES:
        text = f"PostgreSQL {server.version}; {LEAST_POSTGRES} is the oldest that is tested"
        yield Check("warning", "server", text, "Upgrade it")
    else:
        yield Check("ok", "server", f"PostgreSQL {server.version}")
    if server.standby:
        lag = "" if server.lag_s is None else f", {server.lag_s:.0f} s behind"
        text = f"a standby{lag}: it can be read, not written"
        yield Check("problem", "server", text, "Name the primary: target_session_attrs=read-write")
    elif not server.may_write:
        text = "this user may read, not write"
        yield Check(
            "info", "server", text, "Enough for reading; for `run`: projector help postgresql"
        )
    if server.encrypted or server.local:
        yield Check("ok", "server", "reached by TLS" if server.encrypted else "on this machine")
    else:
        text = "the connection is not encrypted; conversations contain secrets"
        yield Check("warning", "server", text, "Enable TLS: sslmode=verify-full")


def _sources(found: Examined, sources: tuple[Source, ...]) -> Iterator[Check]:
    for one in sources:
        if one.own or one.beat_at_ms is None:
            continue
        silent_s = (found.now_ms - one.beat_at_ms) / 1000
        who = f"source {one.name} on {one.host}"
        if one.claims and silent_s > GONE_S:
            text = (
                f"{who} projects {count(one.claims, 'rollout')} of this host, and has sent"
                f" no heartbeat for {silent_s / 86400:.0f} days"
            )
            mend = (
                "If it is gone for good, continue under its name:"
                f" PROJECTOR_SOURCE__NAME={one.name} projector backfill"
            )
            yield Check("warning", "sources", text, mend)
        elif not (one.stopping or one.held):
            text = f"{who} ended unexpectedly, last heartbeat {silent_s:.0f} s ago"
            yield Check("info", "sources", text, "Run on that host: projector health")
        elif one.claims:
            text = f"{who} projects {count(one.claims, 'rollout')} of this host too"
            yield Check("info", "sources", text)
    if len(sources) > 1:
        yield Check("ok", "sources", f"{len(sources):,} write this database")


def _daemon(found: Examined, stored: Stored, settings: Settings) -> Iterator[Check]:
    beat = stored.facts.database.heartbeat
    behind = stored.facts.behind_bytes
    if behind:
        text = f"{size(behind)} behind in {count(stored.facts.backlog.rollouts, 'rollout')}"
        level: Level = "warning" if behind >= settings.health.warning_bytes else "info"
        yield Check(level, "behind", text, "The daemon reads it, or: projector backfill")
    if beat is None:
        text = "none has ever used this database"
        yield Check("info", "daemon", text, "Start it: projector run")
        return
    age_s = stored.facts.heartbeat_age_s or 0.0
    if stored.facts.fault is not None:
        fault, lasts_s = stored.facts.fault
        text = f"the daemon cannot write it for {lasts_s:.0f} s"
        yield Check("problem", "database", f"{text}: {fault}")
    who = f"process {beat.holder.pid} on {beat.holder.host}"
    limit = settings.health.heartbeat_s or 3 * beat.interval_s
    if beat.phase == "stopping":
        yield Check("info", "daemon", f"{who} stopped {age_s:.0f} s ago", "Start: projector run")
    elif found.held is False and found.local:
        text = f"{who} ended unexpectedly, last heartbeat {age_s:.0f} s ago"
        yield Check("problem", "daemon", text, "Start it: projector run; see its log")
    elif age_s >= limit:
        text = f"{who} has sent no heartbeat for {age_s:.0f} s"
        yield Check("problem", "daemon", text, "See its log; restart it")
    else:
        yield Check("ok", "daemon", f"{who}: {beat.phase}, last heartbeat {age_s:.0f} s ago")
        if beat.watching == "polling":
            yield Check("warning", "daemon", f"it polls: {beat.watching_why}")
    if beat.set_aside and beat.phase != "stopping":
        text = f"{count(beat.set_aside, 'rollout')} cannot be read"
        yield Check("problem", "daemon", text, "Its log names them (rollout.set_aside)")


def _clock(found: Examined, stored: Stored) -> Iterator[Check]:
    ahead = stored.latest_ms - found.now_ms
    if ahead > _CLOCK_MS:
        text = f"rows were written {ahead / 1000:,.0f} s from now: the clock was set back"
        yield Check("warning", "clock", text, "Rows are right; their times of arrival are not")


def _newer_codex(facts: Facts) -> Iterator[Check]:
    for text in status.newer(facts.database.codex):
        mend = "All of it is kept. Upgrade codex-projector; then see: projector status"
        yield Check("info", "codex", text, mend)


def _anomalies(kinds: Iterable[Kind]) -> Iterator[Check]:
    none = True
    for one in kinds:
        none = False
        level, meaning, mend = KINDS.get(
            one.kind, ("info", "records that could not be read as written", "")
        )
        if one.kind.startswith("zst") and one.kind not in KINDS:
            level, meaning = "warning", "compressed files that cannot be read to their end"
            mend = "Restore them from a backup, if there is one"
        text = f"{one.kind}: {one.anomalies:,} in {count(one.rollouts, 'rollout')}: {meaning}"
        yield Check(level, "anomalies", text, mend)
    if none:
        yield Check("ok", "anomalies", "none noted")


def _incomplete(threads: tuple[Incomplete, ...]) -> Iterator[Check]:
    for one in threads[:_NAMED]:
        base = "what it continues" if one.base is None else f"rollout {one.base}"
        text = f"thread {one.thread_id}: {base} is not here; its own part is shown"
        yield Check("warning", "lineage", text, "Restore that file, or name its home")
    if len(threads) > _NAMED:
        text = f"{len(threads) - _NAMED:,} more threads whose base is missing"
        yield Check("warning", "lineage", text)


def _codex(codex: Codex) -> Iterator[Check]:
    if codex.fault:
        yield Check("warning", "codex", f"{codex.fault}: what Codex shows is not compared")
        return
    if not codex.found:
        return
    for short in codex.shortfalls:
        level: Level = "warning" if short.why == "behind" else "problem"
        mend = ADVICE[short.why].replace("THREAD", short.thread_id)
        yield Check(level, "codex", short.line(), mend)
    if not codex.shortfalls:
        yield Check("ok", "codex", f"{codex.home}: Codex shows everything that it has opened")
    if codex.unopened:
        text = f"{count(codex.unopened, 'rollout')} not projected by Codex yet"
        yield Check("info", "codex", text, "It does so when the thread is opened")
    if codex.lost_files:
        text = f"Codex lists {count(codex.lost_files, 'thread')} whose file is missing"
        yield Check("info", "codex", text)


def document(found: Iterable[Check], codex: Iterable[Codex]) -> dict[str, Any]:
    """Return everything for `--json`."""
    listed = list(found)
    return {
        "ok": sound(listed),
        "checks": [one._asdict() for one in listed],
        "codex": [
            {
                "thread_id": short.thread_id,
                "rollout_id": short.rollout_id,
                "path": short.path,
                "why": short.why.replace(" ", "_"),
                "reason": short.reason,
                "from_turn": short.missing.turns[0] if short.missing.turns else None,
                "from_started_at": short.missing.first_started_at,
                "turn_count": len(short.missing.turns),
                "item_count": short.missing.items,
                "turns": list(short.missing.turns),
            }
            for one in codex
            for short in one.shortfalls
        ],
    }


def sound(found: Iterable[Check]) -> bool:
    """True if there is no problem."""
    return all(one.level != "problem" for one in found)
