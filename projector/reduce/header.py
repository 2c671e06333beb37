"""Read session_meta records: the header of a rollout and metadata of its thread. Pure.

Read as far as possible: a header that Codex refuses still tells where the history began. Source:
docs on paginated rollouts, 1.7, and on files, 3.1 and 4.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from projector.decode import lossless_json as exact
from projector.decode.errors import DecodeError
from projector.decode.fields import I64_MAX, Object, thread_id
from projector.decode.times import to_ms
from projector.model.changes import BaseRef, EventType, SessionHeader, ThreadMetadata
from projector.model.ids import Offset, Ordinal, RolloutId, ThreadId

#: Source of threads whose header does not name one.
_DEFAULT_SOURCE: Final = "vscode"
#: Source that is neither a word nor an object with one key.
_UNKNOWN: Final = "unknown"
_AGENT: Final = "subagent"
_LINES: Final = ("cwd", "model_provider")
_GIT: Final = {
    "git_sha": "commit_hash",
    "git_branch": "branch",
    "git_origin_url": "repository_url",
}


def header(payload: Object, recorded_at_ms: int | None) -> SessionHeader:
    """Return the header of a paginated rollout from its first session_meta."""
    created = to_ms(payload.get("timestamp"))
    spawn = _spawn(payload)
    return SessionHeader(
        mode="paginated",
        thread_id=_thread(payload.get("id")),
        base=_base(payload.get("history_base")),
        attached=payload.get("attached_thread") is True,
        subagent_start_ordinal=_ordinal(payload.get("subagent_history_start_ordinal")),
        created_at_ms=recorded_at_ms if created is None else created,
        **_source(payload),
        thread_source=_text(payload, "thread_source"),
        originator=_text(payload, "originator"),
        cli_version=_text(payload, "cli_version"),
        parent_thread_id=_parent(payload),
        forked_from_id=_thread(payload.get("forked_from_id")),
        agent_nickname=_text(payload, "agent_nickname") or _text(spawn, "agent_nickname"),
        agent_role=_text(payload, "agent_role") or _text(spawn, "agent_role"),
        agent_path=_text(payload, "agent_path") or _text(spawn, "agent_path"),
    )


def renewed(header: SessionHeader, payload: Object) -> SessionHeader:
    """Return the header updated by a later session_meta of the same thread.

    Its source, release and agent replace the earlier ones, as in the rows of Codex 0.171.
    """
    return replace(
        header,
        **(_source(payload) if "source" in payload else {}),
        cli_version=_text(payload, "cli_version") or header.cli_version,
        thread_source=_text(payload, "thread_source") or header.thread_source,
        agent_nickname=_text(payload, "agent_nickname") or header.agent_nickname,
        agent_role=_text(payload, "agent_role") or header.agent_role,
    )


def is_of(payload: Object, thread: ThreadId) -> bool:
    """True if a session_meta is this thread's, not one copied from another."""
    return _thread(payload.get("id")) == thread


def other_thread(claimed: ThreadId | None, named: ThreadId) -> str | None:
    """Return the anomaly of a header that names another thread than the file's name.

    None: no anomaly.
    """
    if claimed is None or claimed == named:
        return None
    return f"the header is of thread {claimed}, the file's name of {named}"


def describe(meta: ThreadMetadata, payload: Object) -> None:
    """Update the thread's metadata from a session_meta."""
    for name in _LINES:
        value = _text(payload, name)
        if value:
            setattr(meta, name, value)
    git = payload.get("git")
    if type(git) is dict:
        for name, key in _GIT.items():
            value = _text(git, key)
            if value is not None:
                setattr(meta, name, value)


def _text(fields: Object, name: str) -> str | None:
    value = fields.get(name)
    return value if type(value) is str else None


def _ordinal(value: Any) -> Ordinal | None:
    return Ordinal(value) if type(value) is int and 0 <= value <= I64_MAX else None


def _thread(value: Any) -> ThreadId | None:
    try:
        return ThreadId(thread_id(value, ""))
    except DecodeError:
        return None


def _parent(payload: Object) -> ThreadId | None:
    """Return the thread that spawned an agent; older releases only have it in `source`."""
    return _thread(payload.get("parent_thread_id")) or _thread(
        _spawn(payload).get("parent_thread_id")
    )


def _spawn(payload: Object) -> Object:
    """Return what the source of an agent says of its parent; {}: nothing."""
    found: Any = payload.get("source")
    for name in (_AGENT, "thread_spawn"):
        found = found.get(name) if type(found) is dict else None
    return found if type(found) is dict else {}


def _base(value: Any) -> BaseRef | None:
    if type(value) is not dict:
        return None
    rollout = _thread(value.get("thread_id"))
    ordinal = _ordinal(value.get("end_ordinal_exclusive"))
    offset = _ordinal(value.get("end_byte_offset"))
    if rollout is None or ordinal is None or offset is None:
        return None
    return BaseRef(rollout_id=RolloutId(rollout), end_ordinal=ordinal, end_offset=Offset(offset))


def _source(payload: Object) -> Object:
    """Return the fields of a header that say where a thread comes from."""
    source: Any = payload.get("source", _DEFAULT_SOURCE)
    depth = _spawn(payload).get("depth")
    found: Object = {
        "source": source,
        "source_kind": None,
        "source_json": None,
        "agent_depth": depth if type(depth) is int and 0 <= depth <= I64_MAX else None,
    }
    if source is None or type(source) is str:
        return found
    word, kind = _UNKNOWN, None
    if type(source) is dict and (_AGENT in source or len(source) == 1):
        word = _AGENT if _AGENT in source else next(iter(source))
        kind = source[word]
    if type(kind) is dict and kind:
        name, inner = next(iter(kind.items()))
        kind = inner if name == "other" else name
    return {
        **found,
        "source": word,
        "source_kind": kind if type(kind) is str else None,
        "source_json": exact.dumps(source),
    }


def events(
    header: SessionHeader, rollout: RolloutId, thread: ThreadId
) -> tuple[tuple[EventType, Object], ...]:
    """Return the events at the beginning of a rollout, each with its payload.

    A thread's first file starts it, and forks it if it says so; a later one is a revert.
    """
    base = header.base
    told = {
        "rollout_id": rollout,
        "base": None
        if base is None
        else {
            "rollout_id": base.rollout_id,
            "end_ordinal": base.end_ordinal,
            "end_offset": base.end_offset,
        },
    }
    if str(rollout) != str(thread):
        return (("thread.reverted", told),)
    started: tuple[EventType, Object] = (
        "thread.started",
        {
            "created_at_ms": header.created_at_ms,
            "source": header.source,
            "thread_source": header.thread_source,
            "parent_thread_id": header.parent_thread_id,
            "forked_from_id": header.forked_from_id,
        },
    )
    if header.forked_from_id is None:
        return (started,)
    return started, ("thread.forked", {"forked_from_id": header.forked_from_id, **told})
