"""Records about the thread: its headers, settings, goal and cost. Pure."""

from __future__ import annotations

from projector.decode.acceptance.headers import SESSION_META
from projector.decode.acceptance.lines import ordinal_taken
from projector.decode.fields import Object
from projector.decode.times import to_ms
from projector.place import TurnId
from projector.reduce import header as headers
from projector.reduce import thread
from projector.reduce import tokens as tokens_of
from projector.reduce.paginated.desk import Desk, Place, ordinal_of
from projector.rows import UsageRow


def begin(desk: Desk, record: Object, payload: Object | None, place: Place) -> None:
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
        if not SESSION_META(payload):
            desk.note("refused_header", place, "a session_meta that Codex refuses")
        base = saved.header.base
        desk.numbers.begin(0 if base is None else base.end_ordinal)
    if not thread.may_copy(saved.header):
        saved.copied = False
    for kind, told in headers.events(saved.header, desk.rollout, desk.thread):
        desk.event(kind, None, told, place, at_ms)


def session_meta(
    desk: Desk,
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


def settings(desk: Desk, payload: Object, _record: Object, _place: Place, _index: int) -> None:
    """Take a `thread_settings_applied`."""
    thread.settings(desk.saved.meta, payload)


def goal(desk: Desk, payload: Object, _record: Object, _place: Place, _index: int) -> None:
    """Take a `thread_goal_updated`."""
    thread.goal(desk.saved.meta, payload)


def tokens(desk: Desk, payload: Object, record: Object, place: Place, index: int) -> None:
    """Take a `token_count`."""
    total = thread.total_tokens(payload)
    if total is not None:
        desk.saved.meta.total_tokens = total
    if not desk.saved.recorded:
        _count(desk, payload, record, place)
    # Refused ones have stopped whole histories: docs on files, section 5.
    odd = (total is None and payload.get("info") is not None) or thread.has_odd_rate(payload)
    if odd and ordinal_taken(desk.lines[index].data) is None:
        desk.note("refused_record", place, "a token_count that Codex refuses")


def usage(desk: Desk, payload: Object, record: Object, place: Place, _index: int) -> None:
    """Take a `token_usage_record`: what one response cost."""
    desk.saved.recorded, desk.saved.totals = True, None
    if desk.saved.copied:
        return
    row = thread.usage(
        payload,
        uid=desk.usage_uid(place.offset),
        offset=place.offset,
        ordinal=ordinal_of(record),
        model=desk.saved.meta.model,
        at_ms=to_ms(record.get("timestamp")),
    )
    if row is None:
        desk.note("refused_record", place, "a token_usage_record that cannot be read")
    else:
        desk.changes.append(row)


def _count(desk: Desk, payload: Object, record: Object, place: Place) -> None:
    """Tell what a response cost by a `token_count`: releases before 0.154 wrote nothing else.

    The totals of a rollout that continues another one begin with that one's: what it tells before
    its first turn was paid for there, and then the record's own `last_token_usage` counts.
    """
    info = payload.get("info")
    if type(info) is not dict:
        return
    now = tokens_of.totals(info.get("total_token_usage"))
    if now is None:
        return
    saved = desk.saved
    known = saved.totals
    before = None if known is None else (known[0], known[1], known[2], known[3], known[4])
    saved.totals = list(now)
    if not saved.begun or saved.copied:
        return
    last = info.get("last_token_usage")
    first = now if saved.header.base is None else tokens_of.totals(last)
    spent = tokens_of.spent(before, now, last, first=first)
    if spent is None:
        return
    desk.changes.append(
        UsageRow(
            desk.usage_uid(place.offset),
            None if saved.active is None else TurnId(saved.active),
            place.offset,
            ordinal_of(record),
            None,
            saved.meta.model,
            *spent,
            to_ms(record.get("timestamp")),
        )
    )
