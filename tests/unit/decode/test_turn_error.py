"""What ended a turn."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

from typing import Any

import orjson
import pytest

from projector.decode.errors import DecodeError
from projector.decode.turn_error import error_info, error_json

# fmt: off
CASES: list[tuple[Any, Any]] = [
    (None,                                                     None),
    ("server_overloaded",                                      "serverOverloaded"),
    ("bio_policy",                                             "bioPolicy"),
    ({"bio_policy": None},                                     "bioPolicy"),
    ({"server_overloaded": None},                              "serverOverloaded"),
    ("serverOverloaded",                                       "other"),
    ({"later": 5},                                             "other"),
    ({"http_connection_failed": {}},                           {"httpConnectionFailed": {"httpStatusCode": None}}),
    ({"response_stream_disconnected": {"http_status_code": 502}}, {"responseStreamDisconnected": {"httpStatusCode": 502}}),
    ({"active_turn_not_steerable": {"turn_kind": "review"}},   {"activeTurnNotSteerable": {"turnKind": "review"}}),
]  # fmt: skip
# fmt: on


@pytest.mark.parametrize(("info", "shown"), CASES)
def test_error_info(info: Any, shown: Any) -> None:
    assert shown == error_info(info)


@pytest.mark.parametrize(
    "info",
    [
        5, True, [], {}, {"a": 1, "b": 2}, "http_connection_failed", "active_turn_not_steerable",
        {"http_connection_failed": {"http_status_code": 65536}}, {"http_connection_failed": None},
        {"active_turn_not_steerable": {"turn_kind": "goal"}}, {"other": 1},
    ],
)  # fmt: skip
def test_forms_that_codex_refuses(info: Any) -> None:
    with pytest.raises(DecodeError):
        error_info(info)


def test_error_json_has_all_of_its_keys() -> None:
    assert orjson.loads(error_json({"message": "m", "more": 1})) == {
        "message": "m",
        "codexErrorInfo": None,
        "additionalDetails": None,
        "misalignment": None,
    }


@pytest.mark.parametrize("error", [None, "m", {}, {"message": None}])
def test_an_error_without_a_message_is_refused(error: Any) -> None:
    with pytest.raises(DecodeError):
        error_json(error)
