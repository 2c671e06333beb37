"""What a legacy rollout says of its thread: header, metadata, what its responses cost.

Which records tell of a response: `reduce/tokens.py`.

Codex 0.140 to 0.146 writes the thread's own header once more in the midst of turns, with another
spelling of its folder. As in Codex, the newest header describes the thread (folder, provider, git,
source, release, agent), and the newest `turn_context` says where commands run: Codex 0.171, whose
rows of such threads, and whose items of them after a migration, were looked at.

A fork's file begins with a copy of its source, which was paid for there. Turn ids are UUIDv7:
turns older than the child's own id are inherited, and what is counted before its first own turn
only moves the totals. A copy without turn ids (0.88 to 0.99) cannot be told and is counted.

Source: docs on legacy rollouts, b7 and b8; docs on rollout files, section 4.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from msgspec.structs import replace

from projector.decode.legacy.fields import Json
from projector.decode.legacy.records import Record
from projector.decode.legacy.tool_calls import plain_mcp
from projector.model.ids import Offset, ThreadId
from projector.reduce import header as headers
from projector.reduce import rate_limits
from projector.reduce import thread as meta
from projector.reduce.legacy.context import ReducerContext, named_turn
from projector.reduce.legacy.state import ID_MAX, PATH_MAX, TOOLS_MAX
from projector.reduce.tokens import Source, new_source, reported_total

_TOOL_MAX: Final = 128
_NAME_MAX: Final = 1_024


class ThreadRecords:
    """Header, metadata and tokens of one rollout."""

    def __init__(self, ctx: ReducerContext) -> None:
        self._ctx = ctx
        self._state = ctx.state

    @property
    def plain_mcp(self) -> bool:
        """True if MCP tools are named SERVER__TOOL in this thread."""
        return self._state.bare or plain_mcp(self._state.header.cli_version)

    # Header

    def begin(self, record: Record) -> None:
        """Apply the first record: it begins the thread, with or without a header."""
        self._state.begin()
        if record.type != "session_meta" or record.form == "bare item":
            self._tell()

    def head(self, payload: Json) -> None:
        """Apply a `session_meta`: the first one is the thread's.

        Later ones with its id update it.
        """
        state = self._state
        if self._ctx.record.form == "bare header":
            state.note_bare()
        first = not state.headed
        if not first and not headers.is_of(payload, ThreadId(state.thread_id)):
            return
        if first:
            header = headers.header(payload, self._ctx.now_ms)
            thread_id = _thread_id(payload.get("id"))
            if thread_id is not None:
                odd = headers.other_thread(ThreadId(thread_id), ThreadId(state.thread_id))
                if odd is not None:
                    self._ctx.note("other_thread", odd)
            state.read_header(
                replace(
                    header, mode="legacy", base=None, attached=False, subagent_start_ordinal=None
                ),
                thread_id=thread_id,
                tools=_tools(payload.get("dynamic_tools")),
            )
            if not meta.may_copy(state.header):
                state.note_inherited(inherited=False)
            if not state.told_of:
                self._tell()
        else:
            state.renew_header(headers.renewed(state.header, payload))
        headers.describe(state.meta, payload)
        cwd = _path(payload.get("cwd"))
        if cwd is not None:
            state.enter_folder(cwd, by_context=False)

    def _tell(self) -> None:
        state, ctx = self._state, self._ctx
        state.tell_start()
        thread_id = ThreadId(ctx.rollout_id)
        for kind, told in headers.events(state.header, ctx.rollout_id, thread_id):
            ctx.event(kind, None, told)

    # Settings

    def context(self, payload: Json) -> str | None:
        """Apply a `turn_context`; return the model used from now on."""
        state = self._state
        cwd = _path(payload.get("cwd"))
        if cwd is not None:
            state.enter_folder(cwd, by_context=True)
        meta.apply_context(state.meta, payload)
        state.tokens.context(payload)
        self._named()
        return state.meta.model

    def settings(self, payload: Json) -> None:
        """Apply a `thread_settings_applied`."""
        meta.apply_settings(self._state.meta, payload)
        self._state.tokens.settings(payload.get("thread_settings"))
        self._named()

    def folder(self, cwd: str) -> None:
        """Set the folder named in an environment context."""
        if len(cwd) > PATH_MAX:
            return
        self._state.enter_folder(cwd, by_context=True)
        if self._state.meta.cwd is None:
            self._state.meta.cwd = cwd

    def goal(self, payload: Json) -> None:
        """Apply a `thread_goal_updated`: the first objective counts."""
        meta.goal(self._state.meta, payload)

    def named(self, payload: Json) -> None:
        """Apply a `thread_name_updated`."""
        name = payload.get("thread_name")
        if type(name) is str:
            self._state.meta.name = name[:_NAME_MAX]

    def said(self, item: Json) -> None:
        """Record a user message: the first text is the thread's preview, or else an image."""
        known = self._state.meta
        if known.preview is not None and known.preview != meta.IMAGE:
            return
        preview = meta.preview(item)
        if preview is not None and preview != known.preview:
            known.preview, known.preview_offset = preview, Offset(self._ctx.record.offset)

    # Tokens

    def turn_began(self, payload: Json) -> None:
        """Record a `task_started`: it shows whether the records are a fork's copy."""
        state = self._state
        if state.inherited is False:
            return
        state.note_inherited(inherited=meta.is_older(named_turn(payload), state.thread_id))

    def turn_implied(self) -> None:
        """Record a record that opens a turn implicitly: the copy cannot be detected."""
        if self._state.inherited is None:
            self._state.note_inherited(inherited=False)

    def usage(self, payload: Json) -> None:
        """Apply a `token_usage_record`, which releases since 0.154 write before the token_count."""
        state = self._state
        active = state.active
        self._ctx.changes.extend(
            state.tokens.record(
                payload,
                self._source(),
                None if active is None else active.turn,
                copied=state.inherited is True,
            )
        )

    def tokens(self, payload: Json) -> None:
        """Apply a `token_count`."""
        ctx, state = self._ctx, self._state
        total, cut = reported_total(payload)
        if total is not None:
            state.meta.reported_total_tokens = total
        active = state.active
        made = state.tokens.count(
            payload,
            self._source,
            None if active is None else active.turn,
            copied=state.inherited if state.headed else bool(state.inherited),
            continues=False,
            cli_version=state.header.cli_version,
        )
        if made:
            ctx.changes.extend(made)
        if state.inherited is not True:
            limits = rate_limits.changed(
                state.tokens.limits, payload, Offset(ctx.record.offset), ctx.now_ms
            )
            if limits:
                ctx.changes.extend(limits)
        if cut:
            ctx.note("cut_number", "a total of tokens beyond what a column holds")

    def _source(self) -> Source:
        record = self._ctx.record
        offset, meta = record.offset, self._state.meta
        return new_source(
            (
                self._ctx.usage_uid(offset),
                offset,
                record.end - offset,
                None,
                meta.model,
                self._ctx.now_ms,
                meta.model_provider,
            )
        )

    def _named(self) -> None:
        state = self._state
        at = Offset(self._ctx.record.offset)
        self._ctx.changes.extend(state.tokens.named(state.meta.model, at))


def _thread_id(value: Any) -> str | None:
    if type(value) is not str or len(value) > ID_MAX:
        return None
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return None


def _path(value: Any) -> str | None:
    return value if type(value) is str and 0 < len(value) <= PATH_MAX else None


def _tools(value: Any) -> tuple[str, ...]:
    if type(value) is not list:
        return ()
    names = [tool.get("name") for tool in value[:TOOLS_MAX] if type(tool) is dict]
    return tuple(name for name in names if type(name) is str and len(name) <= _TOOL_MAX)
