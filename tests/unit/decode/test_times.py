"""Times of records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode.times import to_ms

# fmt: off
CASES = [
    # what                                       text                                 ms
    ("as Codex writes it", "2026-11-20T09:24:24.573Z", 1795166664573),
    ("no fraction", "2026-11-20T09:24:24Z", 1795166664000),
    ("a long fraction is cut after three", "2026-11-20T09:24:24.1239999999999Z", 1795166664123),
    ("a short one is filled up", "2026-11-20T09:24:24.5Z", 1795166664500),
    ("lower case and a space", "2026-11-20 09:24:24z", 1795166664000),
    ("an offset east is earlier", "2026-11-20T10:24:24+01:00", 1795166664000),
    ("an offset west is later", "2026-11-20T08:24:24-01:00", 1795166664000),
    ("a minus sign of typographers", "2026-11-20T08:24:24\u221201:00", 1795166664000),
    ("second 60 is second 59 and one more", "2026-11-20T09:24:60.5Z", 1795166700500),
    ("year 0", "0000-02-29T00:00:00Z", -62162121600000),
    ("the end of year 9999", "9999-12-31T23:59:59.999Z", 253402300799999),
    ("before 1970",                              "1969-12-31T23:59:59.900Z",          -100),
    ("second 61",                                "2026-11-20T09:24:61.000Z",          None),
    ("minute 60",                                "2026-11-20T09:60:24.000Z",          None),
    ("hour 24",                                  "2026-11-20T24:00:00.000Z",          None),
    ("no leap year",                             "1900-02-29T00:00:00.000Z",          None),
    ("month 13",                                 "2026-13-01T00:00:00.000Z",          None),
    ("no zone",                                  "2026-11-20T09:24:24",               None),
    ("an offset of a day",                       "2026-11-20T09:24:24+24:00",         None),
    ("an offset without colon",                  "2026-11-20T09:24:24+0100",          None),
    ("a fraction without digits",                "2026-11-20T09:24:24.Z",             None),
    ("digits that are not ASCII",                "\uff12026-11-20T09:24:24.000Z",       None),
    ("space around",                             " 2026-11-20T09:24:24.000Z",         None),
    ("no text",                                  1795166664573,                       None),
]
# fmt: on


@pytest.mark.parametrize(("text", "ms"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_to_ms(text: object, ms: int | None) -> None:
    assert ms == to_ms(text)


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001
def test_the_calendar_agrees_with_the_standard_library(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    assert expected == to_ms(text)
