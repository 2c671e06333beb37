"""Records about the thread: its headers, settings, goal and cost. Pure."""

from __future__ import annotations

from projector.decode import session_meta as shape
from projector.decode.fields import Object
from projector.decode.times import to_ms
from projector.model.ids import ThreadId
from projector.reduce import header as headers
from projector.reduce import thread
from projector.reduce.paginated.context import Place, ReducerContext, ordinal_of
from projector.reduce.tokens import Source, reported_total


def begin(desk: ReducerContext, record: Object, payload: Object | None, place: Place) -> None:
    """Take the first record: the header, or a sign that there is none."""
    saved = desk.saved
    saved.headed = True
    at_ms = to_ms(record.get("timestamp"))
    if payload is None:
        saved.orphan = True
        desk.note("no_header", place, "the first record is no session_meta")
    else:
        saved.header = headers.header(payload, at_ms)
        headers.describe(saved.meta, payload)
        if (odd := headers.other_thread(saved.header.thread_id, desk.thread)) is not None:
            desk.note("other_thread", place, odd)
        if shape.is_refused(payload):
            desk.note("refused_header", place, "a session_meta that Codex refuses")
        base = saved.header.base
        desk.numbers.begin(0 if base is None else base.end_ordinal)
    if not thread.may_copy(saved.header):
        saved.copied = False
    named = saved.header.thread_id in (None, desk.thread)
    owner = desk.thread if named else ThreadId(desk.rollout)  # a stray file reverts nothing
    for kind, told in headers.events(saved.header, desk.rollout, owner):
        desk.event(kind, None, told, place, at_ms)


def session_meta(
    desk: ReducerContext,
    payload: Object,
    record: Object,
    _place: Place,
    _index: int,
) -> None:
    """Take a later session_meta: one of another thread came with copied history."""
    saved = desk.saved
    if not headers.is_of(payload, saved.header.thread_id or desk.thread):
        return
    if saved.orphan:
        saved.orphan = False
        saved.header = headers.header(payload, to_ms(record.get("timestamp")))
    else:
        saved.header = headers.renewed(saved.header, payload)
    headers.describe(saved.meta, payload)


def settings(
    desk: ReducerContext, payload: Object, _record: Object, place: Place, _index: int
) -> None:
    """Take a `thread_settings_applied`."""
    saved = desk.saved
    thread.settings(saved.meta, payload)
    saved.tokens.settings(payload.get("thread_settings"))
    desk.changes.extend(saved.tokens.named(saved.meta.model, place.offset))


def goal(
    desk: ReducerContext, payload: Object, _record: Object, _place: Place, _index: int
) -> None:
    """Take a `thread_goal_updated`."""
    thread.goal(desk.saved.meta, payload)


def tokens(desk: ReducerContext, payload: Object, record: Object, place: Place, index: int) -> None:
    """Take a `token_count`."""
    saved = desk.saved
    total, cut = reported_total(payload)
    if total is not None:
        saved.meta.reported_total_tokens = total
    desk.changes.extend(
        saved.tokens.count(
            payload,
            _source(desk, record, place),
            saved.active,
            copied=saved.copied,
            continues=saved.header.base is not None,
            cli_version=saved.header.cli_version,
        )
    )
    if cut:
        desk.note("cut_number", place, "a total of tokens beyond what a column holds")
    # Refused ones have stopped whole histories: docs on files, section 5.
    told = total is not None and not cut
    odd = not told and payload.get("info") is not None
    if odd or thread.has_odd_rate(payload, desk.lines[index].data):
        desk.refused("token_count", "info" if odd else "rate_limits", place, record)


def usage(desk: ReducerContext, payload: Object, record: Object, place: Place, _index: int) -> None:
    """Take a `token_usage_record`: what one response cost."""
    saved = desk.saved
    source = _source(desk, record, place)
    copied = saved.copied is True
    desk.changes.extend(saved.tokens.record(payload, source, saved.active, copied=copied))


def _source(desk: ReducerContext, record: Object, place: Place) -> Source:
    return Source(
        desk.usage_uid(place.offset),
        place.offset,
        place.end - place.offset,
        ordinal_of(record),
        desk.saved.meta.model,
        to_ms(record.get("timestamp")),
        desk.saved.meta.model_provider,
    )
