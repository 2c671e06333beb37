"""Apply records about the thread: its headers, settings, goal and token usage. Pure."""

from __future__ import annotations

from functools import partial

from projector.decode import session_meta as shape
from projector.decode.fields import Object
from projector.decode.times import to_ms
from projector.model.ids import ThreadId
from projector.reduce import header as headers
from projector.reduce import rate_limits, thread
from projector.reduce.paginated.context import Place, ReducerContext, ordinal_of
from projector.reduce.tokens import Source, new_source, reported_total


def begin(ctx: ReducerContext, record: Object, payload: Object | None, place: Place) -> None:
    """Apply the first record: the header, or the lack of one."""
    saved = ctx.saved
    saved.headed = True
    at_ms = to_ms(record.get("timestamp"))
    if payload is None:
        saved.orphan = True
        ctx.note("no_header", place, "the first record is no session_meta")
    else:
        saved.header = headers.header(payload, at_ms)
        headers.describe(saved.meta, payload)
        if (odd := headers.other_thread(saved.header.thread_id, ctx.thread)) is not None:
            ctx.note("other_thread", place, odd)
        if shape.is_refused(payload):
            ctx.note("refused_header", place, "a session_meta that Codex refuses")
        base = saved.header.base
        ctx.numbers.begin(0 if base is None else base.end_ordinal)
    if not thread.may_copy(saved.header):
        saved.copied = False
    named = saved.header.thread_id in (None, ctx.thread)
    owner = ctx.thread if named else ThreadId(ctx.rollout)  # a stray file reverts nothing
    for kind, told in headers.events(saved.header, ctx.rollout, owner):
        ctx.event(kind, None, told, place, at_ms)


def session_meta(
    ctx: ReducerContext,
    payload: Object,
    record: Object,
    _place: Place,
    _index: int,
) -> None:
    """Apply a later session_meta, unless it is of another thread: then it was copied."""
    saved = ctx.saved
    if not headers.is_of(payload, saved.header.thread_id or ctx.thread):
        return
    if saved.orphan:
        saved.orphan = False
        saved.header = headers.header(payload, to_ms(record.get("timestamp")))
    else:
        saved.header = headers.renewed(saved.header, payload)
    headers.describe(saved.meta, payload)


def settings(
    ctx: ReducerContext, payload: Object, _record: Object, place: Place, _index: int
) -> None:
    """Apply a `thread_settings_applied`."""
    saved = ctx.saved
    thread.apply_settings(saved.meta, payload)
    saved.tokens.settings(payload.get("thread_settings"))
    ctx.changes.extend(saved.tokens.named(saved.meta.model, place.offset))


def goal(ctx: ReducerContext, payload: Object, _record: Object, _place: Place, _index: int) -> None:
    """Apply a `thread_goal_updated`."""
    thread.goal(ctx.saved.meta, payload)


def tokens(ctx: ReducerContext, payload: Object, record: Object, place: Place, index: int) -> None:
    """Apply a `token_count`."""
    saved = ctx.saved
    total, cut = reported_total(payload)
    if total is not None:
        saved.meta.reported_total_tokens = total
    made = saved.tokens.count(
        payload,
        partial(_source, ctx, record, place),
        saved.active,
        copied=saved.copied,
        continues=saved.header.base is not None,
        cli_version=saved.header.cli_version,
    )
    if made:
        ctx.changes.extend(made)
    if saved.copied is not True:
        at_ms = to_ms(record.get("timestamp"))
        limits = rate_limits.changed(saved.tokens.limits, payload, place.offset, at_ms)
        if limits:
            ctx.changes.extend(limits)
    odd_rate = thread.has_odd_rate(payload, ctx.lines[index].data)
    if cut:
        ctx.note("cut_number", place, "a total of tokens beyond what a column holds")
    # Refused ones have stopped whole histories: docs on files, section 5.
    told = total is not None and not cut
    odd = not told and payload.get("info") is not None
    if odd or odd_rate:
        ctx.refused("token_count", "info" if odd else "rate_limits", place, record)


def usage(ctx: ReducerContext, payload: Object, record: Object, place: Place, _index: int) -> None:
    """Apply a `token_usage_record`: the tokens of one response."""
    saved = ctx.saved
    source = _source(ctx, record, place)
    copied = saved.copied is True
    ctx.changes.extend(saved.tokens.record(payload, source, saved.active, copied=copied))


def _source(ctx: ReducerContext, record: Object, place: Place) -> Source:
    offset, meta = place.offset, ctx.saved.meta
    return new_source(
        (
            ctx.usage_uid(offset),
            offset,
            place.end - offset,
            ordinal_of(record),
            meta.model,
            to_ms(record.get("timestamp")),
            meta.model_provider,
        )
    )
