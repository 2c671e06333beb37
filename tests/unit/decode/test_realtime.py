"""What was said in a voice session."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

from typing import Any

import orjson
import pytest

from projector.decode.errors import DecodeError
from projector.decode.realtime import convert

Json = dict[str, Any]
HEAD: Json = {"id": "r", "realtime_session_id": "s"}
SAID: Json = {"role": "user", "text": "hi"}
INPUT: Json = {"source_event_ids": ["f"], "input_item_id": "i", "input": "do it"}
ACCEPTED: Json = {"handoff_id": "h", "turn_id": "t", "mode": "steer", **INPUT}


def item(kind: str, **fields: Any) -> Json:
    return {**HEAD, "type": kind, **fields}


# fmt: off
#: The type, its fields as written and as Codex 0.171 shows them.
SHOWN: list[tuple[str, Json, Json]] = [
    ("realtime_session_started", {}, {}),
    ("transcript_segment",       {"text": "hi", "role": {"user": None}}, SAID),
    ("frame",                    {"channels": {"voice_transcript": SAID}}, {"channels": {"voice_transcript": SAID}}),
    ("bem_item_promoted",        {"item_id": "i", "turn_id": "t", "presentation": {"type": "inline_visualization", "index": 1}},
                                 {"turn_id": "t", "item_id": "i", "presentation": {"type": "inline_visualization", "index": 1}}),
    ("turn_input_accepted",      dict(reversed(ACCEPTED.items())), ACCEPTED),
    ("session_end_input_saved",  dict(reversed(INPUT.items())), INPUT),
    ("realtime_session_closed",  {"outcome": "failed"}, {"outcome": "failed"}),
]


@pytest.mark.parametrize("observed", [{}, {"observed_at_ms": None}, {"observed_at_ms": -5}])
@pytest.mark.parametrize(("kind", "fields", "shown"), SHOWN)
def test_a_realtime_item_is_shown_with_its_keys_in_order(
    kind: str, fields: Json, shown: Json, observed: Json
) -> None:
    at = {name: ms for name, ms in observed.items() if ms is not None}
    assert orjson.dumps(convert(item(kind, **fields, **observed))) == orjson.dumps({**HEAD, **at, "type": kind, **shown})


REFUSED: list[tuple[str, Json]] = [
    ("an unknown type",          item("realtime_x")),
    ("a type that is no text",   {**HEAD, "type": ["frame"]}),
    ("no session",               {"id": "r", "type": "realtime_session_started"}),
    ("a time that is no integer", item("realtime_session_started", observed_at_ms=1.0)),
    ("a time beyond 64 bits",    item("realtime_session_started", observed_at_ms=1 << 63)),
    ("a frame without channels", item("frame")),
    ("a frame of nothing",       item("frame", channels={})),
    ("a frame of another role",  item("frame", channels={"voice_transcript": {"role": "system", "text": "t"}})),
    ("input without a mode",     item("turn_input_accepted", handoff_id="h", turn_id="t", **INPUT)),
    ("input of no event",        item("session_end_input_saved", **(INPUT | {"source_event_ids": None}))),
    ("input of a number",        item("session_end_input_saved", **(INPUT | {"source_event_ids": [1]}))),
]
# fmt: on


@pytest.mark.parametrize("payload", [pytest.param(case[1], id=case[0]) for case in REFUSED])
def test_what_codex_refuses_is_refused(payload: Json) -> None:
    with pytest.raises(DecodeError):
        convert(payload)
